package fanout

import "time"

const (
	clockRate = 48000 // RFC 7587 §4.1: Opus always
	frame20   = clockRate / 50

	// maxJump is the largest step of a speaker's sequence number that is taken
	// for loss; a larger one begins anew.
	maxJump = 500
	// maxGap is the largest step of a speaker's timestamp that is taken for a pause.
	maxGap = 10 * clockRate
)

// slot is a place to be heard. Its timestamps go on without a seam whoever occupies it;
// sequence numbers are those of its streams, one for each form.
type slot struct {
	speaker *Speaker  // nil: idle
	since   time.Time // when the speaker took it

	ts     uint32 // the highest timestamp given to the streams
	end    uint32 // where that packet's sound ends
	sentAt time.Time
	toc    byte // of the last packet
	dtx    bool // the last packet was comfort noise

	open    bool   // the mapping below holds
	source  uint32 // the speaker's SSRC when it began
	firstIn uint64 // the speaker's index with which it began
	from    uint32 // the timestamp given to that packet, or what is just too late
	highIn  uint64 // the speaker's highest index seen
	shift   uint32 // added to the speaker's timestamp

	silence [1]byte // the payload of a marker
}

// occupy gives the slot to a speaker.
func (s *slot) occupy(sp *Speaker, now time.Time) {
	s.speaker, s.since, s.open = sp, now, false
}

// vacate makes the slot idle.
func (s *slot) vacate() {
	s.speaker, s.open = nil, false
}

// elapsed is how much media time has passed since the last packet began, at least its sound.
func (s *slot) elapsed(now time.Time) uint32 {
	d := now.Sub(s.sentAt)
	if s.sentAt.IsZero() {
		return frame20
	}
	return max(uint32(max(d, 0)/(10*time.Millisecond))*(frame20/2), s.end-s.ts)
}

// begin maps the speaker's numbers from packet p on to the slot's next ones.
func (s *slot) begin(p *Packet, now time.Time) {
	if s.sentAt.IsZero() { // all slots count from one clock, so that a listener can change views
		s.ts = uint32(now.UnixMilli() * (clockRate / 1000))
	}
	s.open, s.source = true, p.SSRC
	s.firstIn, s.highIn = p.Index, p.Index
	s.from = s.ts + s.elapsed(now)
	s.shift = s.from - p.Timestamp
}

// continues says whether p goes on where the mapping is. One that comes late may be
// older than what was sent, others may not.
func (s *slot) continues(p *Packet) bool {
	if !s.open || p.SSRC != s.source || p.Index > s.highIn+maxJump {
		return false
	}
	step := int32(p.Timestamp + s.shift - s.ts)
	return step < maxGap && (step >= 0 || p.Index <= s.highIn && step > -maxGap)
}

// admit takes a packet of the occupant into the slot and returns what to give to the
// streams, or false when it comes too late.
func (s *slot) admit(p *Packet, now time.Time) (o OpusPacket, ok bool) {
	spurt := false
	if !s.continues(p) {
		s.begin(p, now)
		spurt = true
	}
	if p.Index < s.firstIn {
		return o, false // from before the slot was his
	}
	s.highIn = max(s.highIn, p.Index)
	o, newest, ok := s.onClock(p, p.Timestamp, p.Payload)
	if newest {
		s.sentAt = now
		silence := isDTX(p.Payload)
		o.Marker = spurt || p.Marker || s.dtx && !silence
		s.dtx = silence
	}
	return o, ok
}

// repair is what packet p repeats of an earlier one (RFC 2198), as it is to be given to
// the streams, which know whether they have it. It never begins anything, and what was
// said before the slot was his, perhaps while he was muted, is not made up for.
func (s *slot) repair(p *Packet, r REDBlock) (o OpusPacket, ok bool) {
	if !s.continues(p) || p.Index <= s.firstIn || int32(r.Timestamp-p.Timestamp) >= 0 || isDTX(r.Payload) ||
		int32(r.Timestamp+s.shift-s.from) < 0 {
		return o, false
	}
	o, _, ok = s.onClock(p, r.Timestamp, r.Payload)
	return o, ok
}

// onClock brings a payload of the speaker on to the slot's clock.
func (s *slot) onClock(p *Packet, timestamp uint32, payload []byte) (o OpusPacket, newest, ok bool) {
	samples, err := OpusSamples(payload)
	ts := timestamp + s.shift
	step := int32(ts - s.ts)
	if err != nil || step <= -lateSamples {
		return o, false, false
	}
	if newest = step > 0; newest {
		s.ts, s.end, s.toc = ts, ts+uint32(samples), payload[0]
		if s.ts-s.from > lateSamples { // nothing older is taken anyway, and the difference never wraps
			s.from = s.ts - lateSamples
		}
	}
	return OpusPacket{
		Timestamp: ts, Source: p.csrc, Level: p.Level, Voice: p.Level <= loudFloor, Payload: payload,
	}, newest, true
}

// mark makes a TOC-only packet: "nothing to say" in the coding of what came
// last, so that decoders make comfort noise instead of concealing a loss
// (RFC 6716 §3.2.1 a frame of zero length; MEDIA.md A6).
func (s *slot) mark(csrc uint32, now time.Time) OpusPacket {
	s.silence[0] = OpusSilence(s.toc)
	s.ts += s.elapsed(now)
	s.end = s.ts + uint32(frameSamples(s.toc))
	s.sentAt = now
	s.dtx = true
	return OpusPacket{Timestamp: s.ts, Source: csrc, Level: 127, Payload: s.silence[:]}
}
