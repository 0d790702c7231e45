package media

import (
	"encoding/binary"
	"time"

	"besedka/fanout"
)

const (
	// Missing packets of a speaker are asked for again: at most nackTries times,
	// nackEvery apart, while they are at most nackWindow packets old.
	maxMissing = 32
	nackWindow = 50
	nackTries  = 3
	nackWait   = 10 * time.Millisecond
	nackEvery  = 80 * time.Millisecond
	// nacksPerSecond and nackBurst bound how often we ask: somebody may send nothing but gaps.
	nacksPerSecond = 50
	nackBurst      = 50
	// reportSSRC is who we are in RTCP to speakers.
	reportSSRC = 1
	opusClock  = 48000
)

// upTrack is the sound of an up session.
type upTrack struct {
	opener  *fanout.Opener
	control *fanout.ControlSealer
	speaker *fanout.Speaker
	reception
	blocks []fanout.REDBlock // scratch
	rtcp   []byte            // scratch
	sealed []byte
	asking fanout.Bucket
}

// reception follows one source as RFC 3550 Appendix A does.
type reception struct {
	any      bool
	ssrc     uint32
	first    uint64 // index
	high     uint64
	received uint64

	expectedBefore, receivedBefore uint64 // at the last report

	transit  int64 // arrival − timestamp, in clock ticks
	jitter   float64
	report   uint32 // the last sender report's NTP time
	reportAt time.Time

	missing  [maxMissing]missing
	nMissing int
}

// missing is a packet that has not come.
type missing struct {
	index uint64
	tries int
	at    time.Time // when it was missed, then when it was last asked for
}

// mediaPacket takes an SRTP packet of an up session.
func (s *session) mediaPacket(b []byte, from path, now time.Time, out *fanout.Outbox) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != live || from != s.path || s.up == nil {
		s.server.count.mediaRefused.Add(1)
		return
	}
	plain, index, ok := s.up.opener.Open(b)
	if !ok {
		s.server.count.mediaRefused.Add(1)
		return
	}
	s.heard = now
	s.server.count.media.Add(1)
	s.plainPacket(plain, index, now, out)
}

// plainPacket takes an authentic RTP packet of the speaker. s.mu is held.
func (s *session) plainPacket(plain []byte, index uint64, now time.Time, out *fanout.Outbox) {
	p, ok := fanout.Parse(plain, index, s.media.levelID)
	if !ok || !s.unpack(&p) {
		s.server.count.mediaMalformed.Add(1)
		return
	}
	s.up.note(&p, now)
	s.up.speaker.Forward(now, p, out)
	if s.up.due(now) && s.up.asking.Take(now, nacksPerSecond, nackBurst) {
		s.up.rtcp = s.up.nack(s.up.rtcp[:0], now)
		s.sendControlLocked()
		s.server.count.upNacks.Add(1)
	}
}

// unpack makes an Opus packet of one that came as RED (RFC 2198), if that was agreed. It
// reports false for what is neither. s.mu is held.
func (s *session) unpack(p *fanout.Packet) bool {
	if p.Type == s.media.payloadType {
		return true
	}
	if p.Type != s.media.redType || s.media.redType == 0 {
		return false
	}
	if len(p.Payload) == 0 {
		return true // nothing but padding
	}
	blocks, err := fanout.ParseRED(s.up.blocks[:0], p.Payload, p.Timestamp)
	s.up.blocks = blocks
	if err != nil {
		return false
	}
	for _, b := range blocks {
		if b.PayloadType != s.media.payloadType {
			return false
		}
	}
	last := len(blocks) - 1
	p.Payload, p.Earlier = blocks[last].Payload, blocks[:last]
	return true
}

// note counts a packet.
func (r *reception) note(p *fanout.Packet, now time.Time) {
	if !r.any || r.ssrc != p.SSRC {
		*r = reception{any: true, ssrc: p.SSRC, first: p.Index, high: p.Index}
	}
	r.received++
	arrival := now.UnixMicro() * opusClock / 1e6
	transit := arrival - int64(p.Timestamp)
	if r.received > 1 {
		if d := int64(int32(transit - r.transit)); d > -10*opusClock && d < 10*opusClock {
			r.jitter += (float64(max(d, -d)) - r.jitter) / 16
		}
	}
	r.transit = transit
	defer r.repeated(p)
	switch {
	case p.Index > r.high:
		r.miss(r.high+1, p.Index, now)
		r.high = p.Index
	case p.Index < r.high:
		r.found(p.Index)
	}
	r.first = min(r.first, p.Index)
}

// repeated notes that what a packet repeats need not be asked for.
func (r *reception) repeated(p *fanout.Packet) {
	for i := range p.Earlier {
		r.found(p.Index - uint64(i+1))
	}
}

// miss notes that the packets from … to−1 have not come.
func (r *reception) miss(from, to uint64, now time.Time) {
	if to-from > nackWindow {
		from = to // a jump, not a loss
		r.nMissing = 0
	}
	for i := from; i < to && r.nMissing < maxMissing; i++ {
		r.missing[r.nMissing] = missing{index: i, at: now}
		r.nMissing++
	}
}

func (r *reception) found(index uint64) {
	for i := range r.nMissing {
		if r.missing[i].index == index {
			copy(r.missing[i:], r.missing[i+1:r.nMissing])
			r.nMissing--
			return
		}
	}
}

// due says whether something is to be asked for, and forgets what has become hopeless.
func (r *reception) due(now time.Time) bool {
	due, kept := false, 0
	for _, m := range r.missing[:r.nMissing] {
		if m.tries >= nackTries || r.high-m.index > nackWindow {
			continue
		}
		r.missing[kept] = m
		kept++
		due = due || m.wants(now)
	}
	r.nMissing = kept
	return due
}

func (m *missing) wants(now time.Time) bool {
	wait := nackEvery
	if m.tries == 0 {
		wait = nackWait // it may only be late
	}
	return now.Sub(m.at) >= wait
}

// nack appends a compound packet that asks for what is due: an empty receiver
// report (RFC 3550 §6.1 wants one first) and a generic NACK.
func (r *reception) nack(dst []byte, now time.Time) []byte {
	dst = append(dst, 2<<6, rtcpRR, 0, 1)
	dst = binary.BigEndian.AppendUint32(dst, reportSSRC)
	head := len(dst)
	dst = append(dst, 2<<6|fmtNACK, rtcpRTPF, 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, reportSSRC)
	dst = binary.BigEndian.AppendUint32(dst, r.ssrc)
	for i := range r.missing[:r.nMissing] {
		m := &r.missing[i]
		if !m.wants(now) {
			continue
		}
		m.tries, m.at = m.tries+1, now
		dst = binary.BigEndian.AppendUint16(dst, uint16(m.index))
		dst = binary.BigEndian.AppendUint16(dst, 0)
	}
	binary.BigEndian.PutUint16(dst[head+2:], uint16((len(dst)-head)/4-1))
	return dst
}

// senderReport notes the speaker's clock.
func (r *reception) senderReport(ssrc, ntp uint32, now time.Time) {
	if ntp != 0 && r.any && ssrc == r.ssrc {
		r.report, r.reportAt = ntp, now
	}
}

// receiverReport appends a receiver report with one block (RFC 3550 §6.4.2).
func (r *reception) receiverReport(dst []byte, now time.Time) []byte {
	expected := r.high - r.first + 1
	lost := int64(expected) - int64(r.received)
	interval := expected - r.expectedBefore
	lostNow := int64(interval) - int64(r.received-r.receivedBefore)
	r.expectedBefore, r.receivedBefore = expected, r.received
	fraction := int64(0)
	if interval > 0 && lostNow > 0 {
		fraction = min(255, lostNow<<8/int64(interval))
	}
	dst = append(dst, 2<<6|1, rtcpRR, 0, 7)
	dst = binary.BigEndian.AppendUint32(dst, reportSSRC)
	dst = binary.BigEndian.AppendUint32(dst, r.ssrc)
	cumulative := uint32(min(max(lost, -1<<23), 1<<23-1)) & 0xffffff
	dst = binary.BigEndian.AppendUint32(dst, uint32(fraction)<<24|cumulative)
	dst = binary.BigEndian.AppendUint32(dst, uint32(r.high))
	dst = binary.BigEndian.AppendUint32(dst, uint32(r.jitter))
	dst = binary.BigEndian.AppendUint32(dst, r.report)
	delay := uint32(0)
	if r.report != 0 {
		delay = uint32(now.Sub(r.reportAt).Microseconds() * 65536 / 1e6)
	}
	return binary.BigEndian.AppendUint32(dst, delay)
}

// reportLocked sends the speaker a receiver report. s.mu is held.
func (s *session) reportLocked(now time.Time) {
	if !s.up.any || s.up.expectedBefore == s.up.high-s.up.first+1 {
		return // nothing new has come
	}
	s.up.rtcp = s.up.receiverReport(s.up.rtcp[:0], now)
	s.sendControlLocked()
}

// sendControlLocked seals and sends what stands in s.up.rtcp.
func (s *session) sendControlLocked() {
	s.up.sealed = s.up.control.Seal(s.up.sealed[:0], s.up.rtcp)
	s.server.send(s.path, s.up.sealed)
}
