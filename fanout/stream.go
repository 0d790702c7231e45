package fanout

import (
	"slices"
	"time"
)

// form is how the listeners of a slot get its frames: how many in one packet, and how
// many earlier packets each one repeats (RED, RFC 2198) or how many copies of each follow.
type form struct {
	framing  Framing
	distance uint8
	blocks   uint8 // with a distance: the payload type of what is in the blocks
	copies   uint8 // for those who do not know RED
}

const (
	// cacheLen is how many packets of a stream can be sent again: 1.28 s of 20 ms frames.
	cacheLen = 64
	// firstIndex is the index of a stream's first packet. The first sequence number of
	// a listener is firstSequence, so that his rollover counter starts at zero.
	firstIndex    = 1 << 16
	firstSequence = 1000
	// maxBuilt bounds the payloads that we make longer than they came, so that
	// they fit into every path's datagrams (RFC 8200 §5: at least 1280 bytes).
	maxBuilt = 1150
	// copyAfter is how many packets lie between one and its first copy.
	copyAfter = 2
	// echoes is how often the beginning of a silence is sent again: after echoAfter, twice
	// as much later and so on, to outlast bursts of loss.
	echoes    = 3
	echoAfter = 30 * time.Millisecond
)

// frame is what a stream sends in one packet: what all its listeners share.
type frame struct {
	index     uint32
	timestamp uint32
	csrc      uint32
	marker    bool
	voice     bool
	level     uint8
	payload   []byte
}

// entry is one packet in a stream's cache. Index 0 is never used: the place is empty.
type entry struct {
	frame
	data []byte // frame.payload lies here; grows to the largest packet it has held
}

// echo is a packet that is sent again unasked. The one that begins a silence is the only
// one for 400 ms: if it is lost, the listener's decoder makes sound up all that time, and
// finds out too late what to ask for.
type echo struct {
	index uint32
	left  uint8
	at    time.Time
}

// stream is a slot in one form. Its indices have no gaps whatever happens to the
// speaker's packets, so that a listener's reports tell of his own path only.
type stream struct {
	merger *Merger
	red    *REDEncoder // nil: the form repeats nothing

	packets uint32 // for sender reports
	octets  uint32

	echo  echo
	cache [cacheLen]entry
}

func (s *stream) init(f form) {
	s.merger = NewMerger(f.framing, maxBuilt)
	s.merger.sequence = firstIndex
	if f.distance > 0 {
		s.red = NewREDEncoder(f.blocks, int(f.distance), maxBuilt)
	}
}

// next is the index of the next packet.
func (s *stream) next() uint32 { return s.merger.sequence }

// keep takes what the Merger has handed out as the packet to send. What it returns
// does not change until its place in the cache is used again: a sequence
// number sent twice carries the same bytes.
func (s *stream) keep(p *OpusPacket) *frame {
	e := &s.cache[p.Sequence%cacheLen]
	e.data = e.data[:0]
	if s.red != nil {
		e.data = s.red.Append(e.data, p.Timestamp, p.Payload)
	} else {
		e.data = append(e.data, p.Payload...)
	}
	e.frame = frame{
		index: p.Sequence, timestamp: p.Timestamp, csrc: p.Source,
		marker: p.Marker, voice: p.Voice, level: p.Level, payload: e.data,
	}
	s.packets++
	s.octets += uint32(len(e.data))
	return &e.frame
}

// cached is the packet with an index, or nil when it is gone or never came.
func (s *stream) cached(index uint32) *frame {
	if e := &s.cache[index%cacheLen]; index != 0 && e.index == index {
		return &e.frame
	}
	return nil
}

// forget throws away what has not been sent yet or could be sent again of a speaker, also
// in packets of who has spoken next, which repeat the end of his sound (RED).
func (s *stream) forget(csrc uint32) {
	if s.merger.source == csrc {
		s.merger.Discard()
	}
	if s.red != nil {
		s.red.Forget()
		s.forgetRepeats(csrc)
	}
	for i := range s.cache {
		if s.cache[i].csrc == csrc {
			s.cache[i].index = 0
		}
	}
}

// forgetRepeats forgets packets of others that may repeat some of a speaker's.
func (s *stream) forgetRepeats(csrc uint32) {
	for i := range s.cache {
		e := &s.cache[i]
		if e.index == 0 || e.csrc != csrc {
			continue
		}
		for k := range uint32(MaxREDDistance) {
			if next := s.cached(e.index + k + 1); next != nil && next.csrc != csrc {
				next.index = 0
			}
		}
	}
}

// rendition is a view in one form: a stream for each slot, and those who receive them.
type rendition struct {
	form    form
	streams []stream
	groups  []*group // listeners by class
	wanted  []form   // other forms that some of them are to get
}

// newRendition makes a rendition that begins where another of the view stands, if there
// is one: the frames that the next packet repeats (RED) have been heard.
func newRendition(f form, slots int, beside *rendition) *rendition {
	r := &rendition{form: f, streams: make([]stream, slots)}
	for i := range r.streams {
		r.streams[i].init(f)
		if beside != nil {
			r.streams[i].merger.Follow(beside.streams[i].merger)
		}
	}
	return r
}

// sent is how many packets have gone out in all streams.
func (r *rendition) sent() (n uint32) {
	for i := range r.streams {
		n += r.streams[i].packets
	}
	return n
}

// wants says whether somebody who gets r is to get a form.
func (r *rendition) wants(as form) bool {
	return slices.ContainsFunc(r.groups, func(g *group) bool {
		return slices.ContainsFunc(g.outs, func(o out) bool { return o.who.want == as })
	})
}

// pending says whether a frame waits to be merged.
func (r *rendition) pending() bool {
	for i := range r.streams {
		if r.streams[i].merger.Pending() > 0 {
			return true
		}
	}
	return false
}

// sendLocked gives a packet of slot i to every rendition and tap of the view. It reports
// false when none of them needs it.
func (f *Floor) sendLocked(b *batch, v *view, i int, p OpusPacket, now time.Time) bool {
	taken := false
	for _, t := range v.taps {
		taken = t.Take(p, now) || taken
	}
	for _, r := range v.renditions {
		out, err := r.streams[i].merger.Push(f.merged[:0], p, now)
		f.emitLocked(b, v, r, i, out)
		taken = taken || err == nil
		f.waitLocked(r.streams[i].merger)
	}
	return taken
}

// flushLocked sends what waits in a rendition, if there is one.
func (f *Floor) flushLocked(b *batch, v *view, r *rendition) {
	if r == nil {
		return
	}
	for i := range r.streams {
		f.emitLocked(b, v, r, i, r.streams[i].merger.Flush(f.merged[:0]))
	}
}

// emitLocked seals packets of slot i for every listener of a rendition.
func (f *Floor) emitLocked(b *batch, v *view, r *rendition, i int, packets []OpusPacket) {
	ssrc := f.SSRC(i)
	for k := range packets {
		e := r.streams[i].keep(&packets[k])
		sent := 0
		for _, g := range r.groups {
			h := g.class.header(&b.hdr, r.form, ssrc, e)
			for k := range g.outs {
				o := &g.outs[k]
				if o.hides(e) {
					o.base[i]++ // as if it had never been: no gap in his sequence numbers
					o.since[i] = e.index + 1
					continue
				}
				f.deliver(b, o, i, h, ssrc, e)
				sent++
			}
		}
		f.counters.Sent.Add(int64(sent))
		for k := range r.form.copies {
			if c := r.streams[i].cached(e.index - copyAfter - uint32(k)); c != nil {
				f.copyLocked(b, r, i, c)
			}
		}
	}
}

// copyLocked sends a packet of slot i again to every listener of a rendition who was sent it: the
// same bytes, of which his replay protection takes those that come first (RFC 3711 §3.3.2).
func (f *Floor) copyLocked(b *batch, r *rendition, i int, e *frame) {
	ssrc := f.SSRC(i)
	for _, g := range r.groups {
		h := g.class.header(&b.hdr, r.form, ssrc, e)
		for k := range g.outs {
			if o := &g.outs[k]; !o.hides(e) && int32(e.index-o.since[i]) >= 0 {
				f.deliver(b, o, i, h, ssrc, e)
				f.counters.Resent.Add(1)
			}
		}
	}
}

// echoLocked has the packet just sent of slot i sent again to those with loss on their way.
func (f *Floor) echoLocked(v *view, i int, now time.Time) {
	for _, r := range v.renditions {
		if r.form.distance > 0 || r.form.copies > 0 {
			s := &r.streams[i]
			s.echo = echo{index: s.next() - 1, left: echoes, at: now.Add(echoAfter)}
			f.wakeLocked(s.echo.at)
		}
	}
}

// repeatLocked sends slot i's echo if its time has come. Whatever was sent since says more.
func (f *Floor) repeatLocked(b *batch, r *rendition, i int, now time.Time) {
	s := &r.streams[i]
	e := s.cached(s.echo.index)
	if e == nil || s.next() != s.echo.index+1 {
		s.echo.left = 0
		return
	}
	if !now.Before(s.echo.at) {
		f.copyLocked(b, r, i, e)
		s.echo.left--
		s.echo.at = now.Add(echoAfter << (echoes - s.echo.left))
	}
	if s.echo.left > 0 {
		f.wakeLocked(s.echo.at)
	}
}

// waitLocked notes whether a frame waits, and until when.
func (f *Floor) waitLocked(m *Merger) {
	if at, ok := m.Deadline(); ok {
		f.wakeLocked(at)
	}
}

// wakeLocked asks for Expire at a time.
func (f *Floor) wakeLocked(at time.Time) {
	if !f.waits || at.Before(f.due) {
		f.waits, f.due = true, at
	}
}

// Expire sends what has waited long enough for frames that do not come, and echoes, and tells
// whether something waits still. See Flusher.
func (f *Floor) Expire(now time.Time) (waits bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b := f.openLocked(nil)
	defer f.departLocked(b, nil)
	f.waits, f.queued = false, time.Time{}
	for _, v := range f.views {
		for _, r := range v.renditions {
			for i := range r.streams {
				m := r.streams[i].merger
				if m.Pending() > 0 {
					f.emitLocked(b, v, r, i, m.Expire(f.merged[:0], now))
					f.waitLocked(m)
				}
				if r.streams[i].echo.left > 0 {
					f.repeatLocked(b, r, i, now)
				}
			}
		}
	}
	return f.waits
}
