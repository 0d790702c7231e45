package fanout

import (
	"sync"
	"time"
)

const (
	// reportEvery is how many sweeps (seconds) lie between sender reports to a listener.
	reportEvery = 5
	// reportFor is how long after its last packet a slot is still reported.
	reportFor = 10 * time.Second
)

// Floor is a set of speakers and those who hear them.
type Floor struct {
	sock     *Socket
	counters *Counters
	ssrc     uint32 // of slot 0; the others follow

	mu      sync.Mutex
	views   []*view // those with listeners
	sweeps  int
	control []byte // scratch of reports
	sealed  []byte
}

// NewFloor makes an empty floor whose packets leave through sock. ssrc is the
// synchronisation source of its first slot.
func NewFloor(sock *Socket, counters *Counters, ssrc uint32) *Floor {
	return &Floor{sock: sock, counters: counters, ssrc: ssrc}
}

// SSRC is the synchronisation source of a slot, the same for every listener.
func (f *Floor) SSRC(slot int) uint32 { return f.ssrc + uint32(slot) }

// AddSpeaker puts somebody on the floor under a number.
func (f *Floor) AddSpeaker(csrc uint32, forward bool) *Speaker {
	return &Speaker{floor: f, csrc: csrc, forward: forward}
}

// AddListener lets somebody hear the floor from now on.
func (f *Floor) AddListener(c ListenerConfig) *Listener {
	c.Slots = min(max(c.Slots, 1), MaxSlots)
	o := out{sealer: newSealer(&c.Keys), sink: c.Sink, to: f.sock.impl.address(c.To), self: c.Self}
	l := &Listener{floor: f, slots: c.Slots, report: NewControlSealer(c.Keys), group: &group{class: c.Class}}
	f.mu.Lock()
	defer f.mu.Unlock()
	v := f.viewLocked(c.Slots, c.Self)
	for i := range v.slots {
		o.rebase(i, &v.slots[i], firstSequence)
	}
	f.joinLocked(l, v, o)
	return l
}

// rebase makes the slot's next packet the listener's sequence number next.
func (o *out) rebase(i int, s *slot, next uint32) {
	o.base[i], o.since[i] = s.next-next, s.next
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
	for i := range v.slots {
		v.slots[i].init(f.SSRC(i))
	}
	f.views = append(f.views, v)
	return v
}

// joinLocked adds a listener's record to the group of his class.
func (f *Floor) joinLocked(l *Listener, v *view, o out) {
	class := l.group.class
	var g *group
	for _, have := range v.groups {
		if have.class == class {
			g = have
		}
	}
	if g == nil {
		g = &group{class: class}
		v.groups = append(v.groups, g)
	}
	o.who = l
	l.view, l.group, l.at = v, g, len(g.outs)
	g.outs = append(g.outs, o)
	v.count++
}

// leaveLocked removes a listener's record; the last one takes its place.
func (f *Floor) leaveLocked(l *Listener) {
	v, g := l.view, l.group
	last := len(g.outs) - 1
	g.outs[l.at] = g.outs[last]
	g.outs[l.at].who.at = l.at
	g.outs[last] = out{}
	g.outs = g.outs[:last]
	if v.count--; last == 0 {
		v.groups = without(v.groups, g)
	}
	if v.count == 0 {
		f.views = without(f.views, v)
	}
}

func without[T comparable](list []T, x T) []T {
	for i := range list {
		if list[i] == x {
			return append(list[:i], list[i+1:]...)
		}
	}
	return list
}

// moveLocked takes a listener to another view. His sequence numbers go on
// where they were, which is what keeps them from being used twice.
func (f *Floor) moveLocked(l *Listener, to *view, o out) {
	from := l.view
	f.leaveLocked(l)
	for i := range to.slots {
		o.rebase(i, &to.slots[i], from.slots[i].next-o.base[i])
	}
	f.joinLocked(l, to, o)
}

// forwardLocked gives a packet to every view in which its speaker has a slot.
func (f *Floor) forwardLocked(sp *Speaker, p *Packet, now time.Time) {
	b := f.sock.take()
	defer f.sock.put(b)
	heard := false
	for _, v := range f.views {
		i := v.place(sp, now)
		if i < 0 {
			continue
		}
		s := &v.slots[i]
		if s.silent(now) {
			f.vacateLocked(b, v, i, now)
			continue
		}
		e, advance, ok := s.admit(p, now)
		if !ok {
			f.counters.DropLate.Add(1)
			continue
		}
		heard = true
		f.sendLocked(b, v, i, e, advance)
	}
	if heard {
		f.counters.Forwarded.Add(1)
	} else {
		f.counters.DropQuiet.Add(1)
	}
	f.flushLocked(b)
}

// skipLocked passes over a padding-only packet in the speaker's slots.
func (f *Floor) skipLocked(sp *Speaker, p *Packet) {
	for _, v := range f.views {
		if i := v.slotOf(sp); i >= 0 {
			v.slots[i].skip(p)
		}
	}
}

// silenceLocked frees the slots of a speaker who is not to be heard any more.
func (f *Floor) silenceLocked(sp *Speaker, now time.Time) {
	b := f.sock.take()
	defer f.sock.put(b)
	for _, v := range f.views {
		if i := v.slotOf(sp); i >= 0 {
			f.vacateLocked(b, v, i, now)
		}
	}
	f.flushLocked(b)
}

// vacateLocked makes a slot idle and says so to its listeners.
func (f *Floor) vacateLocked(b *batch, v *view, i int, now time.Time) {
	s := &v.slots[i]
	csrc := s.speaker.csrc
	s.vacate()
	if s.dtx || s.packets == 0 {
		return // the encoder has said so already
	}
	f.sendLocked(b, v, i, s.mark(csrc, now), 1)
	f.counters.Markers.Add(1)
}

// sendLocked seals a frame of slot i for every listener of the view.
func (f *Floor) sendLocked(b *batch, v *view, i int, e *frame, advance uint32) {
	ssrc := v.slots[i].ssrc
	sent := 0
	for _, g := range v.groups {
		h := g.class.header(&b.hdr, ssrc, e)
		for k := range g.outs {
			o := &g.outs[k]
			if o.hides(e) {
				o.base[i] += advance // as if it had never been: no gap in his sequence numbers
				o.since[i] = max(o.since[i], e.index+1)
				continue
			}
			if advance == 0 && int32(e.index-o.since[i]) < 0 {
				continue // fills a hole from before he came
			}
			f.deliver(b, o, i, h, ssrc, e)
			sent++
		}
	}
	f.counters.Sent.Add(int64(sent))
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

func (f *Floor) flushLocked(b *batch) {
	b.flush()
	if b.refused > 0 {
		f.counters.DropSendError.Add(b.refused)
		b.refused = 0
	}
}

// Sweep does what is due once a second: it frees the slots of the silent and
// sends sender reports, to one listener in reportEvery each time.
func (f *Floor) Sweep(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.views) == 0 {
		return
	}
	b := f.sock.take()
	defer f.sock.put(b)
	f.sweeps++
	for _, v := range f.views {
		for i := range v.slots {
			if v.slots[i].silent(now) {
				f.vacateLocked(b, v, i, now)
			}
		}
		f.reportLocked(b, v, now)
	}
	f.flushLocked(b)
}

// reportLocked sends the sender reports of the view's living slots.
func (f *Floor) reportLocked(b *batch, v *view, now time.Time) {
	f.control = f.control[:0]
	for i := range v.slots {
		if s := &v.slots[i]; s.packets > 0 && now.Sub(s.sentAt) < reportFor {
			f.control = s.report(f.control, now)
		}
	}
	if len(f.control) == 0 {
		return
	}
	for _, g := range v.groups {
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
