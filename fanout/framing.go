package fanout

import (
	"slices"
	"time"
)

// Policy says who is sent 20 ms of sound in a packet and who up to 120, and who is sent
// everything twice. It is decided once a second for every listener (Sweep) and at once
// for those who come on stage:
//
//   - On stage: 20 ms, because conversation cannot bear more delay.
//   - In an audience smaller than Audience: 20 ms. In a larger one: 60, because 40 ms
//     of delay do not matter to who does not answer and two of three packets, headers and
//     encryptions are saved; in one of Crowd: 80. While the machine is busy (Save), and in
//     an audience of Throng: 120, half of what 60 ms cost, because a little more delay for
//     all is better than a closed door for some.
//   - Jitter buffers follow one step of 20 ms at a time without a loss once they know the
//     stream, so the first step comes after Learn and every other one after Step (MEDIA.md
//     A2). While the machine is busy, who comes begins with what the others get.
//   - Never more than what the listener offered as the longest (ptime, maxptime).
//   - With loss on his way (receiver reports; and what he asks to be sent again, because
//     what was repaired so is not in the reports): who offered RED gets each packet
//     of at most 60 ms with the one before it, at heavy loss 20 ms with two; who did not (Firefox) goes back
//     to 20 ms, where in-band FEC helps and a lost packet is a small one (MEDIA.md A3), and
//     gets each packet once more two packets later, at heavy loss twice. Both get the packet
//     that begins a silence several times.
//   - What copies repair is not in the reports either, and nobody asks for it: so they end
//     after a while, and for longer each time that loss is there again at once.
//
// Zero values take the default named beside them.
type Policy struct {
	Audience int           // listeners of a floor from which frames are merged, 50; negative: never
	Crowd    int           // listeners from which more of them are, ten times Audience
	Throng   int           // listeners from which as many of them are as there may be, never
	Learn    time.Duration // of a listener's first sound at 20 ms, 5 s
	Step     time.Duration // between two steps, 2 s
}

const (
	defaultAudience = 50
	defaultLearn    = 5 * time.Second
	defaultStep     = 2 * time.Second

	// someLoss and heavyLoss are shares of packets lost, in 1/256 as reports have
	// them (RFC 3550 §6.4.1): 3 and 10 %.
	someLoss  = 8
	heavyLoss = 26
	// askedIn is over how long what was sent again is compared with what was sent.
	askedIn = 5 * time.Second
	// lossFor is how long a listener is treated as lossy after the last report that said so.
	lossFor    = 20 * time.Second
	maxLossFor = 5 * time.Minute
)

func (p Policy) complete() Policy {
	if p.Audience == 0 {
		p.Audience = defaultAudience
	}
	if p.Crowd == 0 {
		p.Crowd = 10 * p.Audience
	}
	if p.Learn == 0 {
		p.Learn = defaultLearn
	}
	if p.Step == 0 {
		p.Step = defaultStep
	}
	return p
}

// framing is what an audience of n gets if it gets f now, on a machine that is busy or
// not. It must shrink by a fifth to go back.
func (p Policy) framing(f Framing, n int, busy bool) Framing {
	reaches := func(size int, from Framing) bool { return n >= size || f >= from && 5*n >= 4*size }
	switch {
	case p.Audience < 0 || !reaches(p.Audience, Framing60):
		return Framing20
	case busy || p.Throng > 0 && reaches(p.Throng, Framing120):
		return Framing120
	case reaches(p.Crowd, Framing80):
		return Framing80
	}
	return Framing60
}

// loss is how bad a listener's way is.
type loss uint8

const (
	noLoss loss = iota
	lossy
	veryLossy
)

// lossOf judges the fraction lost of a receiver report.
func lossOf(fraction uint8) loss {
	switch {
	case fraction >= heavyLoss:
		return veryLossy
	case fraction >= someLoss:
		return lossy
	}
	return noLoss
}

// path is what the policy knows of a listener.
type path struct {
	longest   Framing   // that he plays
	stage     bool      // he is on stage
	settled   time.Time // not before this is his framing changed by a step; zero: not seen yet
	loss      loss
	lossUntil time.Time
	lossFor   time.Duration // grows with every relapse
	healing   bool          // there has been no word of loss for so long that it was treated as less
	want      form          // what he is to get as soon as nothing waits to be merged

	asked     uint32    // packets sent again since …
	askedFrom time.Time // … this moment; zero: not counting
	sentFrom  uint32    // packets that had been sent then
}

// count compares what was sent again with what was sent, which is sent in all.
func (l *path) count(now time.Time, sent uint32) {
	switch {
	case l.askedFrom.IsZero():
	case now.Sub(l.askedFrom) < askedIn:
		return
	case sent != l.sentFrom:
		l.report(now, uint8(min(255, 256*l.asked/(sent-l.sentFrom))))
	}
	l.asked, l.askedFrom, l.sentFrom = 0, now, sent
}

// report takes what the listener says of one stream.
func (l *path) report(now time.Time, fraction uint8) {
	got := lossOf(fraction)
	if got == noLoss || got < l.loss {
		return
	}
	switch {
	case now.Sub(l.lossUntil) > lossFor: // the first, or long ago
		l.lossFor = lossFor
	case l.healing:
		l.lossFor = min(2*l.lossFor, maxLossFor)
	}
	l.loss, l.lossUntil, l.healing = got, now.Add(l.lossFor), false
}

// aim is the form that is best for a listener of a class in an audience with a framing.
func (l *path) aim(c Class, audience Framing) form {
	f := form{framing: min(audience, l.longest)}
	if l.stage {
		f.framing = Framing20
	}
	switch {
	case l.loss == noLoss:
		return f
	case c.RED == 0:
		f.framing, f.copies = Framing20, uint8(l.loss)
		return f
	case l.loss == lossy:
		f.framing, f.distance = min(f.framing, Framing60), 1
	default:
		f.framing, f.distance = Framing20, 2
	}
	f.blocks = c.Type
	return f
}

// next is the form for now on the way from have to the aim.
func (l *path) next(p Policy, c Class, audience Framing, have form, now time.Time) form {
	if l.settled.IsZero() {
		l.settled = now.Add(p.Learn)
	}
	if l.loss != noLoss && !now.Before(l.lossUntil) {
		l.loss, l.lossUntil, l.healing = l.loss-1, now.Add(l.lossFor), true
	}
	aim := l.aim(c, audience)
	switch {
	case aim.framing < have.framing && (l.stage || aim.framing < min(audience, l.longest)):
		// On stage, or for loss: at once.
	case aim.framing == have.framing:
	case now.Before(l.settled):
		aim.framing = have.framing
	case aim.framing > have.framing:
		aim.framing = have.framing + 1
	default:
		aim.framing = have.framing - 1
	}
	return aim
}

// decideLocked decides what everybody is to get. Who has waited for it since the last sweep
// gets it now, the others when it costs nobody anything.
func (f *Floor) decideLocked(b *batch, now time.Time) {
	n := 0
	for _, v := range f.views {
		n += v.count
	}
	f.usual = f.policy.framing(f.usual, n, false)
	f.framing = f.policy.framing(f.usual, n, f.busy)
	for _, v := range f.views {
		f.reformLocked(b, v, true, now)
		for _, r := range v.renditions {
			sent := r.sent()
			for _, g := range r.groups {
				for k := range g.outs {
					l := g.outs[k].who
					l.count(now, sent)
					l.want = l.next(f.policy, g.class, f.framing, r.form, now)
					v.wants(r, l.want)
				}
			}
		}
		f.reformLocked(b, v, false, now)
	}
}

// reformLocked moves the listeners of a view to the forms that they are to get, if their form
// and the next one stand at the same moment of the sound with nothing waiting in either:
// nobody misses a frame or gets one twice. While one person speaks that comes to pass within
// 600 ms where the lengths are neighbours, as in every step: the common multiple of packets of
// 100 and 120. If it has to be now, what waits is sent before, in packets shorter than they might be.
func (f *Floor) reformLocked(b *batch, v *view, now bool, at time.Time) {
	if !v.due {
		return
	}
	v.due = false
	for _, r := range slices.Clone(v.renditions) {
		r.wanted = slices.DeleteFunc(r.wanted, func(as form) bool {
			to := v.rendition(as)
			if r.pending() || to != nil && to.pending() {
				if !now {
					v.due = true
					return false
				}
				if !r.wants(as) { // who wanted it has left, or wants something else by now
					return true
				}
				f.flushLocked(b, v, r)
				f.flushLocked(b, v, to)
			}
			f.moveAllLocked(v, r, as, at)
			return true
		})
	}
}

// moveAllLocked moves those listeners of a rendition who want a form to it.
func (f *Floor) moveAllLocked(v *view, r *rendition, to form, now time.Time) {
	for _, g := range slices.Clone(r.groups) {
		for k := len(g.outs) - 1; k >= 0; k-- { // the last takes the place of one who leaves
			l := g.outs[k].who
			if l.want != to {
				continue
			}
			if to.framing != r.form.framing {
				l.settled = now.Add(f.policy.Step)
			}
			l.askedFrom = time.Time{}
			f.moveLocked(l, v, to, g.outs[k])
			f.counters.Reforms.Add(1)
		}
	}
}

// Save tells whether the machine is so busy that audiences shall cost less, see Policy.
func (f *Floor) Save(busy bool) {
	f.mu.Lock()
	f.busy = busy
	f.mu.Unlock()
}

// SetStage tells whether the listener is on stage: from then on he gets 20 ms at a time, at once.
func (l *Listener) SetStage(now time.Time, stage bool) {
	f := l.floor
	f.mu.Lock()
	defer f.mu.Unlock()
	if l.gone || l.stage == stage {
		return
	}
	l.stage, l.settled = stage, time.Time{}
	r := l.group.rendition
	l.want = r.form
	if !stage || r.form.framing == Framing20 {
		return
	}
	l.want.framing = Framing20
	l.view.wants(r, l.want)
	b := f.openLocked(nil)
	defer f.departLocked(b, nil)
	f.reformLocked(b, l.view, true, now)
}

// Report takes a block of the listener's receiver report (RFC 3550 §6.4.1): of the
// packets of the stream ssrc, fraction/256 were lost since the report before.
func (l *Listener) Report(now time.Time, ssrc uint32, fraction uint8) {
	f := l.floor
	f.mu.Lock()
	defer f.mu.Unlock()
	if !l.gone && ssrc-f.ssrc < uint32(len(l.view.slots)) {
		l.path.report(now, fraction)
	}
}
