package fanout

import (
	"errors"
	"time"
)

// Framing is how much sound one packet of a slot shall carry.
type Framing uint8

// The framings of the listeners' classes. Every step of 20 ms costs a listener
// 20 ms of delay and saves him headers, encryptions and packets.
const (
	Framing20 Framing = 1 + iota
	Framing40
	Framing60
	Framing80
	Framing100
	Framing120 // the longest packet that Opus knows (RFC 6716 §3.2.5)
)

func (f Framing) samples() int { return 960 * int(f) }

// Duration is the length of a full packet.
func (f Framing) Duration() time.Duration { return 20 * time.Millisecond * time.Duration(f) }

const (
	// mergeSlack is how long after it should have been full a packet still
	// waits for a frame that is late, perhaps because this machine is busy. If it is lost, the
	// frame after it sends the packet, 20 ms later.
	mergeSlack = 30 * time.Millisecond
	// lateSamples is how old a frame may be that fills a hole (200 ms):
	// an older one would reach no listener in time.
	lateSamples = 9600
	// restartSamples is a step back in time (1 s) that is no late frame but
	// a source that counts anew.
	restartSamples = 48000
	keptHoles      = 8
)

// ErrLate says that a frame came twice, or too late to be of use.
var ErrLate = errors.New("frame is late or came twice")

// OpusPacket is what a slot carries: an Opus packet as a speaker sent it, or
// several of them merged.
type OpusPacket struct {
	Sequence  uint32 // counts what the Merger hands out, without a gap; not read on the way in
	Timestamp uint32 // of the first frame, in samples at 48 kHz (RFC 7587 §4.1)
	Source    uint32 // the speaker (CSRC); packets of two speakers are never merged
	Marker    bool   // a talkspurt begins here (RFC 3551 §4.1)
	Voice     bool   // RFC 6464 §3; of a merged packet: any frame is voice
	Level     uint8  // −dBov, 0 loudest, 127 silence (RFC 6464 §3); of a merged packet: the loudest
	Payload   []byte
}

// Merger joins the Opus packets of one slot into longer ones without decoding
// them (RFC 6716 §3.2.5). Frames are merged while the configuration (TOC
// without its code) and the speaker stay, the timestamps follow one another
// and the packet fits the framing and the limit in bytes; whatever breaks
// that lets the packet begun go out first. A packet that tells of silence
// (DTX) is never merged and never waits: a receiver that does not see it by
// itself conceals the silence as loss.
//
// Sequence numbers have no gaps even where timestamps have. A packet that was
// missed and comes soon after is handed out by itself; so the blocks of a RED
// packet can be pushed oldest first, and those already known are refused with
// ErrLate.
//
// A Merger belongs to one goroutine. Push, Expire and Flush append to dst, at
// most two packets in one call. The payloads lie in the Merger or alias the
// one pushed: they are good until the next call. Nothing is allocated after
// NewMerger, as long as dst has room.
type Merger struct {
	limit   int
	framing Framing

	sequence uint32
	started  bool
	source   uint32
	next     uint32 // timestamp behind the newest frame
	holes    [keptHoles]timeSpan
	hole     int // the place in holes to overwrite next

	in    opusFrames
	strip []byte

	// The packet begun. Its body lies behind room for the header; of the two
	// buffers one is filled while the other's packet is on its way.
	head     OpusPacket
	toc      byte
	samples  int
	n        int
	sizes    [maxOpusFrames]uint16
	deadline time.Time
	buffers  [2][]byte
}

// timeSpan is a stretch of timestamps, the end excluded.
type timeSpan struct{ from, to uint32 }

// NewMerger makes a Merger of a framing whose merged packets
// have at most limit bytes (a longer packet that came so passes as it came).
func NewMerger(framing Framing, limit int) *Merger {
	framing = min(max(framing, Framing20), Framing120)
	limit = min(max(limit, 0), maxOpusHeader+maxOpusFrames*maxOpusFrameBytes)
	m := &Merger{limit: limit, framing: framing}
	for i := range m.buffers {
		m.buffers[i] = make([]byte, maxOpusHeader, maxOpusHeader+limit)
	}
	m.strip = make([]byte, 0, limit)
	return m
}

// Follow makes m, to which nothing has been pushed, stand where other stands: what other
// has been given is late for m, except for its holes. What waits in other does not come out of m.
func (m *Merger) Follow(other *Merger) {
	m.started, m.source, m.next = other.started, other.source, other.next
	m.holes, m.hole = other.holes, other.hole
}

// Pending is how many samples wait to be merged. Where it is 0
// for two Mergers of the same frames, a listener may be moved from one to the
// other without losing or repeating one.
func (m *Merger) Pending() int { return m.samples }

// Push takes the next packet of a speaker, arrived at now. Its payload is only
// read. The error is ErrOpus for a malformed packet and ErrLate for one that
// is not needed; neither changes anything.
func (m *Merger) Push(dst []OpusPacket, p OpusPacket, now time.Time) ([]OpusPacket, error) {
	if err := m.in.parse(p.Payload); err != nil {
		return dst, err
	}
	duration := m.in.samples()
	gap := int32(p.Timestamp - m.next)
	switch {
	case !m.started || p.Source != m.source || gap <= -restartSamples:
		dst = m.Flush(dst)
		m.holes = [keptHoles]timeSpan{}
	case gap < 0:
		return m.pushLate(dst, p, gap)
	case gap > 0:
		dst = m.Flush(dst)
		m.addHole(timeSpan{m.next, p.Timestamp})
	case p.Marker:
		dst = m.Flush(dst)
	}
	m.started, m.source, m.next = true, p.Source, p.Timestamp+uint32(duration)

	if !m.fits(duration) {
		dst = m.Flush(dst)
	}
	if m.n == 0 {
		if m.complete(duration, duration) || m.in.silent() || !m.fits(duration) {
			return m.alone(dst, p), nil
		}
		m.begin(p, now.Add(m.framing.Duration()-samplesDuration(duration)+mergeSlack))
	}
	m.add(p, duration)
	if m.complete(m.samples, duration) {
		dst = m.Flush(dst)
	}
	return dst, nil
}

// Deadline is when Expire has to be called, if a packet has been begun.
func (m *Merger) Deadline() (at time.Time, ok bool) { return m.deadline, m.n > 0 }

// Expire hands out the packet begun if its time has come: the frames that it
// waits for are late or will never be.
func (m *Merger) Expire(dst []OpusPacket, now time.Time) []OpusPacket {
	if now.Before(m.deadline) {
		return dst
	}
	return m.Flush(dst)
}

// Flush hands out the packet begun, if there is one, as it is.
func (m *Merger) Flush(dst []OpusPacket) []OpusPacket {
	if m.n == 0 {
		return dst
	}
	var scratch [maxOpusHeader]byte
	header := appendOpusHeader(scratch[:0], m.toc, m.sizes[:m.n])
	start := maxOpusHeader - len(header)
	copy(m.buffers[0][start:], header)
	m.head.Payload = m.buffers[0][start:]
	m.drop()
	return m.emit(dst, m.head)
}

// Discard throws the packet begun away and forgets the speaker: when it has
// returned nothing pushed before comes out any more. It is for the moment in
// which somebody loses the right to be heard.
func (m *Merger) Discard() {
	m.drop()
	m.started = false
	m.holes = [keptHoles]timeSpan{}
}

// drop empties the packet begun, leaving its bytes alone until the buffer's next turn.
func (m *Merger) drop() {
	m.buffers[0], m.buffers[1] = m.buffers[1][:maxOpusHeader], m.buffers[0]
	m.n, m.samples = 0, 0
}

// fits reports whether the frames just parsed may join the packet begun.
func (m *Merger) fits(duration int) bool {
	n := m.n + m.in.n
	bytes := len(m.buffers[0]) - maxOpusHeader + len(m.in.body)
	if n > maxOpusFrames || 2*n+bytes > m.limit {
		return false
	}
	return m.n == 0 || m.toc == m.in.toc&^3 && m.samples+duration <= m.framing.samples() && !m.in.silent()
}

// complete reports whether another packet as long as the one at hand would be too
// much behind so many samples: then waiting for it would be delay for nothing.
func (m *Merger) complete(samples, duration int) bool {
	return samples+duration > m.framing.samples()
}

func (m *Merger) begin(p OpusPacket, deadline time.Time) {
	m.head, m.toc, m.deadline = p, m.in.toc&^3, deadline
}

func (m *Merger) add(p OpusPacket, duration int) {
	m.buffers[0] = append(m.buffers[0], m.in.body...)
	copy(m.sizes[m.n:], m.in.sizes[:m.in.n])
	m.n += m.in.n
	m.samples += duration
	m.head.Voice = m.head.Voice || p.Voice
	m.head.Level = min(m.head.Level, p.Level)
}

// alone hands out the packet just parsed as it came, but for its padding.
func (m *Merger) alone(dst []OpusPacket, p OpusPacket) []OpusPacket {
	if m.in.padded && 2*m.in.n+len(m.in.body) <= m.limit {
		m.strip = appendOpusHeader(m.strip[:0], m.in.toc, m.in.sizes[:m.in.n])
		m.strip = append(m.strip, m.in.body...)
		p.Payload = m.strip
	}
	return m.emit(dst, p)
}

func (m *Merger) emit(dst []OpusPacket, p OpusPacket) []OpusPacket {
	p.Sequence = m.sequence
	m.sequence++
	return append(dst, p)
}

// pushLate hands out a packet that lies before the newest, if it fills a hole.
func (m *Merger) pushLate(dst []OpusPacket, p OpusPacket, gap int32) ([]OpusPacket, error) {
	if gap < -lateSamples {
		return dst, ErrLate
	}
	duration := uint32(m.in.samples())
	for i, h := range m.holes {
		if p.Timestamp-h.from >= h.to-h.from || h.to-p.Timestamp < duration {
			continue
		}
		m.holes[i] = timeSpan{h.from, p.Timestamp}
		m.addHole(timeSpan{p.Timestamp + duration, h.to})
		return m.alone(dst, p), nil
	}
	return dst, ErrLate
}

// addHole remembers timestamps that were left out, in place of the oldest.
func (m *Merger) addHole(h timeSpan) {
	if h.from == h.to {
		return
	}
	m.holes[m.hole] = h
	m.hole = (m.hole + 1) % keptHoles
}

func samplesDuration(samples int) time.Duration {
	return time.Duration(samples) * time.Second / 48000
}
