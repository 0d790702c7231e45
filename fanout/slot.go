package fanout

import "time"

const (
	clockRate = 48000 // RFC 7587 §4.1: Opus always
	frame20   = clockRate / 50

	// cacheLen is how many packets of a slot can be sent again: 1.28 s of 20 ms frames.
	cacheLen = 64
	// maxJump is the largest step of a speaker's sequence number that is taken
	// for loss; a larger one begins anew.
	maxJump = 500
	// maxGap is the largest step of a speaker's timestamp that is taken for a pause.
	maxGap = 10 * clockRate
	// firstIndex is the index of a slot's first packet. The first sequence number of
	// a listener is firstSequence, so that his rollover counter starts at zero.
	firstIndex    = 1 << 16
	firstSequence = 1000
)

// entry is one packet in a slot's cache. Index 0 is never used: the place is empty.
type entry struct {
	frame
	data []byte // frame.payload lies here; grows to the largest packet it has held
}

// slot is one stream that listeners receive. Sequence numbers and timestamps
// go on without a seam whoever occupies it.
type slot struct {
	ssrc    uint32
	speaker *Speaker  // nil: idle
	since   time.Time // when the speaker took it

	next   uint32 // the index after the highest one used
	ts     uint32 // the highest timestamp sent
	sentAt time.Time
	toc    byte // of the last packet
	dtx    bool // the last packet was comfort noise

	open     bool   // the mapping below holds
	source   uint32 // the speaker's SSRC when it began
	firstIn  uint64 // the speaker's index that maps to …
	firstOut uint32 // … this index of the slot
	highIn   uint64 // the speaker's highest index seen
	shift    uint32 // added to the speaker's timestamp

	packets uint32 // for sender reports
	octets  uint32

	cache [cacheLen]entry
}

func (s *slot) init(ssrc uint32) {
	s.ssrc = ssrc
	s.next = firstIndex
}

// occupy gives the slot to a speaker.
func (s *slot) occupy(sp *Speaker, now time.Time) {
	s.speaker, s.since, s.open = sp, now, false
}

// vacate makes the slot idle.
func (s *slot) vacate() {
	s.speaker, s.open = nil, false
}

// elapsed is how much media time has passed since the last packet, at least a frame.
func (s *slot) elapsed(now time.Time) uint32 {
	d := now.Sub(s.sentAt)
	if s.sentAt.IsZero() || d < 20*time.Millisecond {
		return frame20
	}
	return uint32(d/(10*time.Millisecond)) * (frame20 / 2)
}

// begin maps the speaker's numbers from packet p on to the slot's next ones.
func (s *slot) begin(p *Packet, now time.Time) {
	if s.sentAt.IsZero() { // all slots count from one clock, so that a listener can change views
		s.ts = uint32(now.UnixMilli() * (clockRate / 1000))
	}
	s.open, s.source = true, p.SSRC
	s.firstIn, s.highIn, s.firstOut = p.Index, p.Index, s.next
	s.shift = s.ts + s.elapsed(now) - p.Timestamp
}

// continues says whether p goes on where the mapping is.
func (s *slot) continues(p *Packet) bool {
	if !s.open || p.SSRC != s.source || p.Index > s.highIn+maxJump {
		return false
	}
	step := int32(p.Timestamp + s.shift - s.ts)
	return step > -maxGap && step < maxGap
}

// skip passes over a packet that is not forwarded (padding only), so that
// listeners see no gap. What was sent before it comes too late from now on.
func (s *slot) skip(p *Packet) {
	if s.open && p.SSRC == s.source && p.Index > s.highIn {
		lost := p.Index - s.highIn - 1
		s.firstOut = s.next + uint32(min(lost, maxJump))
		s.firstIn, s.highIn = p.Index+1, p.Index
	}
}

// admit takes a packet of the occupant into the slot. It returns the frame to
// send, which is valid until the next one, how far it moved the slot's highest
// index (0: it fills a hole), and false when it comes too late.
func (s *slot) admit(p *Packet, now time.Time) (f *frame, advance uint32, ok bool) {
	spurt := false
	if !s.continues(p) {
		s.begin(p, now)
		spurt = true
	}
	if p.Index < s.firstIn {
		return nil, 0, false
	}
	index := s.firstOut + uint32(p.Index-s.firstIn)
	s.highIn = max(s.highIn, p.Index)
	e := &s.cache[index%cacheLen]
	if s.next-index <= cacheLen && index < s.next { // late: into a hole, or not at all
		if e.index == index {
			return nil, 0, false
		}
	} else if index < s.next {
		return nil, 0, false
	}
	ts := p.Timestamp + s.shift
	silence := isDTX(p.Payload)
	if index >= s.next {
		advance = index + 1 - s.next
		s.next = index + 1
		s.ts, s.sentAt, s.toc = ts, now, p.Payload[0]
		spurt = spurt || s.dtx && !silence
		s.dtx = silence
	}
	e.data = append(e.data[:0], p.Payload...)
	e.frame = frame{index: index, timestamp: ts, csrc: p.csrc, marker: spurt || p.Marker, level: p.Level, payload: e.data}
	s.count(len(p.Payload))
	return &e.frame, advance, true
}

// mark makes a TOC-only packet: "nothing to say" in the coding of what came
// last, so that decoders make comfort noise instead of concealing a loss
// (RFC 6716 §3.2.1 a frame of zero length; MEDIA.md A6).
func (s *slot) mark(csrc uint32, now time.Time) *frame {
	e := &s.cache[s.next%cacheLen]
	e.data = append(e.data[:0], s.toc&^3) // code 0: one frame
	s.ts += s.elapsed(now)
	s.sentAt = now
	e.frame = frame{index: s.next, timestamp: s.ts, csrc: csrc, level: 127, payload: e.data}
	s.next++
	s.dtx = true
	s.count(1)
	return &e.frame
}

func (s *slot) count(payload int) {
	s.packets++
	s.octets += uint32(payload)
}

// cached is the packet with an index, or nil when it is gone or never came.
func (s *slot) cached(index uint32) *frame {
	if e := &s.cache[index%cacheLen]; index != 0 && e.index == index {
		return &e.frame
	}
	return nil
}
