package fanout

import "time"

// Tap takes the sound of a floor as a player with one stream gets it (the dominant
// speaker, see view), before it is merged, repeated or sealed. Its methods are called
// while the floor is locked: they do not wait, and do not call the floor.
type Tap interface {
	// Take takes a packet: its timestamps are those of one clock whoever speaks, but it
	// may come late, or twice (RED). The payload is only good until Take returns.
	// The result says whether it was of use.
	Take(p OpusPacket, now time.Time) bool
	// Forget throws away what has been taken of a speaker: he is not to be heard any more.
	Forget(csrc uint32)
}

// Tap lets t take the sound of the floor from now on, until the function returned is
// called; when that has returned, t is given nothing more.
func (f *Floor) Tap(t Tap) (stop func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	v := f.viewLocked(1, 0)
	v.taps = append(v.taps, t)
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		v.taps = without(v.taps, t)
		f.closeIfUnheardLocked(v)
	}
}

// closeIfUnheardLocked removes a view that nobody hears.
func (f *Floor) closeIfUnheardLocked(v *view) {
	if v.count == 0 && len(v.taps) == 0 {
		f.views = without(f.views, v)
	}
}
