package fanout

import (
	"slices"
	"sync"
	"time"
)

const (
	// reportEvery is how many sweeps (seconds) lie between sender reports to a listener.
	reportEvery = 5
	// reportFor is how long after its last packet a slot is still reported.
	reportFor = 10 * time.Second
)

// FloorConfig is what a Floor needs. Socket and Counters are required.
type FloorConfig struct {
	Socket   *Socket
	Counters *Counters // may serve many floors
	SSRC     uint32    // synchronisation source of the first slot; the others follow
	Policy   Policy
	// Flusher sends what waits to be merged in vain. Without one, Expire must be called.
	Flusher *Flusher
}

// Floor is a set of speakers and those who hear them.
type Floor struct {
	sock     *Socket
	counters *Counters
	flusher  *Flusher
	policy   Policy
	ssrc     uint32

	mu      sync.Mutex
	views   []*view          // those with listeners or taps
	usual   Framing          // of the audience when the machine is not busy
	framing Framing          // of the audience
	busy    bool             // the machine is, see Save
	waits   bool             // a frame may be waiting to be merged …
	due     time.Time        // … until then, the earliest of them
	queued  time.Time        // when the Flusher will look; zero: it does not know of the floor
	owed    [maxParts]uint64 // by Outbox: 1 + its turn when something of the floor was put there
	aired   map[uint32]*time.Duration
	sweeps  int
	merged  []OpusPacket // scratch of the Mergers
	control []byte       // scratch of reports
	sealed  []byte
}

// NewFloor makes an empty floor.
func NewFloor(c FloorConfig) *Floor {
	return &Floor{
		sock: c.Socket, counters: c.Counters, ssrc: c.SSRC, flusher: c.Flusher,
		policy: c.Policy.complete(), usual: Framing20, framing: Framing20, merged: make([]OpusPacket, 0, 4),
	}
}

// SSRC is the synchronisation source of a slot, the same for every listener.
func (f *Floor) SSRC(slot int) uint32 { return f.ssrc + uint32(slot) }

// AddSpeaker puts somebody on the floor under a number.
func (f *Floor) AddSpeaker(csrc uint32, forward bool) *Speaker {
	f.mu.Lock()
	defer f.mu.Unlock()
	return &Speaker{floor: f, csrc: csrc, forward: forward, aired: f.airtimeOf(csrc)}
}

// AddListener lets somebody hear the floor from now on.
func (f *Floor) AddListener(c ListenerConfig) *Listener {
	c.Slots = min(max(c.Slots, 1), MaxSlots)
	if c.Longest == 0 {
		c.Longest = Framing120
	}
	o := out{sealer: newSealer(&c.Keys), sink: c.Sink, to: f.sock.address(c.To), self: c.Self}
	l := &Listener{
		floor: f, slots: c.Slots, report: NewControlSealer(c.Keys),
		path: path{longest: c.Longest, stage: c.Stage, want: form{framing: Framing20}},
	}
	o.who = l
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.busy && !l.stage {
		l.want.framing = min(f.framing, l.longest)
	}
	v := f.viewLocked(c.Slots, c.Self)
	g := v.group(l.want, c.Class)
	for i := range v.slots {
		o.rebase(i, &g.rendition.streams[i], firstSequence)
	}
	g.add(v, o)
	return l
}

// rebase makes the stream's next packet the listener's sequence number next.
func (o *out) rebase(i int, s *stream, next uint32) {
	o.base[i], o.since[i] = s.next()-next, s.next()
}

// viewLocked finds or makes the view for listeners with that many streams. Only
// those who are on stage with fewer than MaxSlots get one that leaves them out.
func (f *Floor) viewLocked(slots int, self uint32) *view {
	if slots == MaxSlots {
		self = 0
	}
	for _, v := range f.views {
		if len(v.slots) == slots && v.exclude == self {
			return v
		}
	}
	v := &view{slots: make([]slot, slots), exclude: self}
	f.views = append(f.views, v)
	return v
}

// leaveLocked removes a listener's record from where it is; the last one takes its
// place. Renditions and views without listeners go too.
func (f *Floor) leaveLocked(v *view, g *group, at int) {
	last := len(g.outs) - 1
	if at != last { // he himself may be elsewhere already
		g.outs[at] = g.outs[last]
		g.outs[at].who.at = at
	}
	g.outs[last] = out{}
	g.outs = g.outs[:last]
	if v.count--; last == 0 {
		r := g.rendition
		if r.groups = without(r.groups, g); len(r.groups) == 0 {
			v.renditions = without(v.renditions, r)
		}
	}
	f.closeIfUnheardLocked(v)
}

// without removes x and keeps the order. The list that others may be going through
// stays as it is where they have made a copy.
func without[T comparable](list []T, x T) []T {
	if i := slices.Index(list, x); i >= 0 {
		return slices.Delete(list, i, i+1)
	}
	return list
}

// moveLocked takes a listener to another view or form. His sequence numbers go on
// where they were, which is what keeps them from being used twice.
func (f *Floor) moveLocked(l *Listener, to *view, as form, o out) {
	v, g, at := l.view, l.group, l.at
	next := to.group(as, g.class)
	for i := range to.slots {
		o.rebase(i, &next.rendition.streams[i], g.rendition.streams[i].next()-o.base[i])
	}
	next.add(to, o)
	f.leaveLocked(v, g, at)
}

// forwardLocked gives a packet to every view in which its speaker has a slot, and
// says whether there was one.
func (f *Floor) forwardLocked(sp *Speaker, p *Packet, now time.Time, out *Outbox) (heard bool) {
	b := f.openLocked(out)
	defer f.departLocked(b, out)
	for _, v := range f.views {
		i := v.place(sp, now)
		if i < 0 {
			continue
		}
		if v.slots[i].silent(now) {
			f.vacateLocked(b, v, i, now)
			continue
		}
		if !f.admitLocked(b, v, i, p, now) {
			f.counters.DropLate.Add(1)
			continue
		}
		heard = true
		f.reformLocked(b, v, false, now)
	}
	if heard {
		f.counters.Forwarded.Add(1)
	} else {
		f.counters.DropQuiet.Add(1)
	}
	return heard
}

// admitLocked gives a packet to slot i: first what it repeats, which may fill a hole.
func (f *Floor) admitLocked(b *batch, v *view, i int, p *Packet, now time.Time) bool {
	s := &v.slots[i]
	for _, r := range p.Earlier {
		if o, ok := s.repair(p, r); ok && f.sendLocked(b, v, i, o, now) {
			f.counters.Repaired.Add(1)
		}
	}
	o, ok := s.admit(p, now)
	if !ok || !f.sendLocked(b, v, i, o, now) {
		return false
	}
	if isDTX(p.Payload) {
		f.echoLocked(v, i, now)
	}
	return true
}

// silenceLocked frees the slots of a speaker who is not to be heard any more. What of
// his waits to be merged is not sent, and nothing of his is sent again.
func (f *Floor) silenceLocked(sp *Speaker, now time.Time) {
	b := f.openLocked(nil)
	defer f.departLocked(b, nil)
	for _, v := range f.views {
		for _, r := range v.renditions {
			for i := range r.streams {
				r.streams[i].forget(sp.csrc)
			}
		}
		for _, t := range v.taps {
			t.Forget(sp.csrc)
		}
		if i := v.slotOf(sp); i >= 0 {
			f.vacateLocked(b, v, i, now)
		}
	}
}

// vacateLocked makes a slot idle and says so to its listeners.
func (f *Floor) vacateLocked(b *batch, v *view, i int, now time.Time) {
	s := &v.slots[i]
	csrc := s.speaker.csrc
	s.vacate()
	if s.dtx || s.sentAt.IsZero() {
		return // the encoder has said so already
	}
	f.sendLocked(b, v, i, s.mark(csrc, now), now)
	f.counters.Markers.Add(1)
}

// deliver seals a frame for one listener. The header of his class, h bytes, is in b.hdr.
func (f *Floor) deliver(b *batch, o *out, i, h int, ssrc uint32, e *frame) {
	seq := e.index - o.base[i]
	dst := b.room()
	copy(dst[:maxHeader], b.hdr[:])
	dst[2], dst[3] = byte(seq>>8), byte(seq)
	n := o.seal(dst, h, e.payload, ssrc, seq, &b.iv)
	if o.sink == nil {
		b.push(n, &o.to)
	} else if !o.sink.Send(dst[:n]) {
		f.counters.DropSlow.Add(1)
	}
}

// openLocked gives the batch for what is to be sent: the reader's, which leaves when he
// has gone through what he has read, or without out one of its own, which leaves at once.
// Until departLocked it is ours alone.
func (f *Floor) openLocked(out *Outbox) *batch {
	f.settleLocked(out)
	if out == nil {
		return f.sock.take()
	}
	out.mu.Lock()
	return out.batch
}

// departLocked lets the batch go, and lets the Flusher know if something waits.
func (f *Floor) departLocked(b *batch, out *Outbox) {
	if out == nil {
		b.flush()
		f.sock.put(b)
	} else {
		f.owed[out.index] = out.turn.Load() + 1
		out.mu.Unlock()
	}
	if f.waits && f.flusher != nil && (f.queued.IsZero() || f.due.Before(f.queued)) {
		f.queued = f.flusher.add(f, f.due)
	}
}

// settleLocked sends what of the floor still lies in other readers' outboxes than out: what
// comes after it must not overtake it, and who leaves must have nothing under way.
func (f *Floor) settleLocked(out *Outbox) {
	for i, p := range f.sock.parts {
		if o := &p.out; o != out && f.owed[i] != 0 {
			if o.turn.Load()+1 == f.owed[i] {
				o.flush()
			}
			f.owed[i] = 0
		}
	}
}

// Sweep does what is due once a second: it frees the slots of the silent, decides
// who gets which framing, and sends sender reports, to one listener in
// reportEvery each time.
func (f *Floor) Sweep(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.views) == 0 {
		return
	}
	b := f.openLocked(nil)
	defer f.departLocked(b, nil)
	f.sweeps++
	for _, v := range f.views {
		for i := range v.slots {
			if v.slots[i].silent(now) {
				f.vacateLocked(b, v, i, now)
			}
		}
	}
	f.decideLocked(b, now)
	for _, v := range f.views {
		for _, r := range v.renditions {
			f.reportLocked(b, v, r, now)
		}
	}
}

// reportLocked sends the sender reports of the living slots to listeners of a rendition.
func (f *Floor) reportLocked(b *batch, v *view, r *rendition, now time.Time) {
	f.control = f.control[:0]
	for i := range v.slots {
		if s := &v.slots[i]; r.streams[i].packets > 0 && now.Sub(s.sentAt) < reportFor {
			f.control = s.report(f.control, f.SSRC(i), &r.streams[i], now)
		}
	}
	if len(f.control) == 0 {
		return
	}
	for _, g := range r.groups {
		for k := f.sweeps % reportEvery; k < len(g.outs); k += reportEvery {
			o := &g.outs[k]
			f.sealed = o.who.report.Seal(f.sealed[:0], f.control)
			f.counters.Reports.Add(1)
			if o.sink != nil {
				o.sink.Send(f.sealed)
				continue
			}
			b.push(copy(b.room(), f.sealed), &o.to)
		}
	}
}
