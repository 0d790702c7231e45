package load

import (
	"encoding/binary"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/stun/v4"
)

// How often a connected peer does what, and when it is given up.
const (
	checkEvery    = 2500 * time.Millisecond
	firstChecks   = 50 * time.Millisecond // until the first answer
	reportEvery   = 5 * time.Second
	consentExpiry = 30 * time.Second // RFC 7675 §5.1
	sampleEvery   = 50               // packets per packet decrypted
	maxStreams    = 8                // streams that one listener may be sent
)

// window is the time in which packets count. It is set once, ahead of time.
type window struct{ from, to atomic.Int64 }

func (w *window) set(from time.Time, d time.Duration) {
	w.to.Store(from.Add(d).UnixNano())
	w.from.Store(from.UnixNano())
}

func (w *window) end() time.Time { return time.Unix(0, w.to.Load()) }

// bounds gives the window in Unix nanoseconds; ok is false until it is set.
func (w *window) bounds() (from, to int64, ok bool) {
	from = w.from.Load()
	return from, w.to.Load(), from != 0
}

// peer is one side of a session with the server. After it was added to a
// shard, everything that is not named otherwise belongs to that shard's goroutine.
type peer struct {
	credentials
	sock   socket // safe for sending from everywhere
	pipe   *pipe
	mapped stun.XORMappedAddress // where the server's checks come from

	nominated chan struct{}        // closed at the first answered check
	heard     chan struct{}        // closed at the first packet that the key opens
	gone      chan struct{}        // closed when the server has ended the session
	keys      atomic.Pointer[keys] // set by the joining goroutine
	heardAt   atomic.Int64         // arrival of the first packet
	latest    atomic.Int64         // and of the latest, of reports too
	abandoned atomic.Bool          // the joining goroutine has given up: close and forget

	isNominated, isHeard, isGone bool
	nextCheck, lastAnswer        time.Time
	nextReport                   time.Time
	sample                       int
	streams                      []stream
}

// stream is what a listener knows of one SSRC, and what it counts of it inside the window.
type stream struct {
	ssrc, csrc    uint32
	seq, firstSeq uint16
	cycles        uint32
	ts            uint32
	frames        uint8 // in the latest packet, from the distance of time stamps
	in            bool  // the latest packet lies in the window
	opened        bool
	closed        bool
	tickFrom      uint32 // first tick at or after the window's begin
	tickTo        uint32 // first tick at or after its end
	openedAt      int64
	heard         uint64 // frames
	packets       uint64
	bytes         uint64
	gaps          uint64
	lateIn        uint64 // of late, inside the window
	late          uint64
	total         uint64 // packets since the beginning
	arrived       int64
	gap           int64   // the longest time for which there was no sound, in nanoseconds
	jitter        float64 // in RTP clock units (RFC 3550 §6.4.1)
}

func newPeer(c credentials) *peer {
	return &peer{credentials: c, nominated: make(chan struct{}), heard: make(chan struct{}), gone: make(chan struct{})}
}

func (p *peer) send(b []byte) { p.sock.send(b) }

// tally is what a shard gathers over all its peers.
type tally struct {
	latency, oldest []float32 // ms, of the newest and of the oldest frame of a packet
	undecryptable   uint64
	framesPerPacket [49]uint64
	lost            int         // sessions that ended before we left
	leaving         atomic.Bool // from now on they end because we leave
}

const maxSamples = 2_000_000

// duty does what is due: checks, reports, giving up.
func (p *peer) duty(now time.Time, t *tally) {
	if p.isGone {
		return
	}
	if !now.Before(p.nextCheck) {
		every := checkEvery
		if !p.isNominated {
			every = firstChecks
		}
		p.nextCheck = now.Add(every)
		if b, err := p.check(); err == nil {
			p.send(b)
		}
		if p.isNominated && now.Sub(p.lastAnswer) > consentExpiry {
			p.end(t)
		}
	}
	if p.isHeard && !now.Before(p.nextReport) {
		p.nextReport = now.Add(reportEvery)
		p.report()
	}
}

func (p *peer) end(t *tally) {
	if !p.isGone {
		p.isGone = true
		if !t.leaving.Load() {
			t.lost++
		}
		close(p.gone)
	}
}

// take handles one datagram that the kernel stamped (Unix nanoseconds). The
// first byte tells the protocol (RFC 7983 §7).
func (p *peer) take(b []byte, stamp int64, w *window, t *tally) {
	if len(b) < 12 {
		return
	}
	switch c := b[0]; {
	case c <= 3:
		p.takeSTUN(b, stamp)
	case c >= 20 && c <= 63:
		p.takeDTLS(b, t)
	case c >= 128 && c <= 191:
		p.latest.Store(stamp)
		if b[1] < 192 || b[1] > 223 { // RFC 5761 §4
			p.takeRTP(b, stamp, w, t)
		}
	}
}

func (p *peer) takeSTUN(b []byte, stamp int64) {
	if binary.BigEndian.Uint16(b) == 0x0001 {
		if a := p.answer(b, p.mapped); a != nil {
			p.send(a)
		}
		return
	}
	if !p.answered(b) {
		return
	}
	p.lastAnswer = time.Unix(0, stamp)
	if !p.isNominated {
		p.isNominated = true
		p.nextCheck = p.lastAnswer.Add(checkEvery)
		close(p.nominated)
	}
}

func (p *peer) takeDTLS(b []byte, t *tally) {
	switch {
	case p.keys.Load() == nil:
		p.pipe.push(b)
	case b[0] == 21 && binary.BigEndian.Uint16(b[3:]) > 0: // an encrypted alert: close_notify
		p.end(t)
	case b[0] == 22 || b[0] == 20:
		p.pipe.again()
	}
}

func (p *peer) takeRTP(b []byte, stamp int64, w *window, t *tally) {
	if p.heardAt.Load() == 0 {
		p.heardAt.Store(stamp)
	}
	k := p.keys.Load()
	if k == nil {
		return
	}
	s := p.stream(binary.BigEndian.Uint32(b[8:]))
	if s == nil {
		return
	}
	from, to, set := w.bounds()
	in := set && stamp >= from && stamp < to
	inOrder := s.count(b, stamp, in)
	p.sample++
	opens := set && in && !s.opened
	closes := set && stamp >= to && s.opened && !s.closed
	if p.isHeard && !closes && !opens && p.sample%sampleEvery != 0 || !inOrder {
		return
	}
	payload, ok := p.decrypt(k, b)
	if !ok {
		t.undecryptable++
		return
	}
	if !p.isHeard {
		p.isHeard = true
		close(p.heard)
	}
	first, last, n, marked, err := marks(payload)
	if err != nil {
		t.undecryptable++
	}
	if !marked || err != nil {
		return
	}
	if opens {
		s.opened, s.tickFrom, s.openedAt = true, first.tick, stamp
	}
	if closes {
		s.closed, s.tickTo = true, first.tick
	}
	if in && len(t.latency) < maxSamples {
		t.framesPerPacket[n]++
		t.latency = append(t.latency, float32(stamp-last.sent)/1e6)
		t.oldest = append(t.oldest, float32(stamp-first.sent)/1e6)
	}
}

func (p *peer) decrypt(k *keys, b []byte) ([]byte, bool) {
	var h rtp.Header
	n, err := h.Unmarshal(b)
	if err != nil {
		return nil, false
	}
	plain, err := k.in.DecryptRTP(nil, b, &h)
	if err != nil || len(plain) < n {
		return nil, false
	}
	payload := plain[n:]
	if h.Padding && len(payload) > 0 {
		payload = payload[:max(0, len(payload)-int(payload[len(payload)-1]))]
	}
	return payload, true
}

func (p *peer) stream(ssrc uint32) *stream {
	for i := range p.streams {
		if p.streams[i].ssrc == ssrc {
			return &p.streams[i]
		}
	}
	if len(p.streams) == maxStreams {
		return nil
	}
	p.streams = append(p.streams, stream{ssrc: ssrc})
	return &p.streams[len(p.streams)-1]
}

// count takes a packet into the stream's figures by its clear header. It is
// false for a packet that is older than the latest.
func (s *stream) count(b []byte, stamp int64, in bool) bool {
	seq, ts := binary.BigEndian.Uint16(b[2:]), binary.BigEndian.Uint32(b[4:])
	if b[0]&0x0f > 0 && len(b) >= 16 {
		s.csrc = binary.BigEndian.Uint32(b[12:])
	}
	step := uint16(1)
	if s.total > 0 {
		step = seq - s.seq
	} else {
		s.firstSeq, s.ts, s.frames = seq, ts, 1
	}
	if step == 0 || step >= 1<<15 {
		if step != 0 {
			s.late++
		}
		if in && step != 0 {
			s.lateIn++
			s.heard += uint64(s.frames)
		}
		return false
	}
	if s.total > 0 {
		s.advance(ts, stamp, step)
	}
	if s.in && s.opened && !s.closed { // now the length of the packet before is known
		s.heard += uint64(s.frames)
	}
	if in {
		s.packets++
		s.bytes += uint64(len(b))
		if s.in {
			s.gaps += uint64(step - 1)
			s.gap = max(s.gap, stamp-s.arrived-int64(s.frames)*int64(frameTime))
		}
	}
	if s.total > 0 && seq < s.seq {
		s.cycles++
	}
	s.in, s.seq, s.ts, s.arrived = in, seq, ts, stamp
	s.total++
	return true
}

// advance learns from two packets in a row: the first one's frames from the
// distance of their time stamps, and the jitter.
func (s *stream) advance(ts uint32, stamp int64, step uint16) {
	ticks := (ts - s.ts) / clockPerTick
	if step == 1 && ticks >= 1 && ticks <= 6 { // a packet lasts at most 120 ms
		s.frames = uint8(ticks)
	}
	d := float64(stamp-s.arrived)*48000/1e9 - float64(int32(ts-s.ts))
	s.jitter += (max(d, -d) - s.jitter) / 16
}

// anew forgets what was counted in a window.
func (s *stream) anew() {
	s.in, s.opened, s.closed = false, false, false
	s.tickFrom, s.tickTo, s.openedAt = 0, 0, 0
	s.heard, s.packets, s.bytes, s.gaps, s.lateIn, s.gap = 0, 0, 0, 0, 0, 0
}

// report sends a receiver report of every stream (RFC 3550 §6.4.2).
func (p *peer) report() {
	k := p.keys.Load()
	rr := &rtcp.ReceiverReport{SSRC: ssrcOf(&p.credentials)}
	for i := range p.streams {
		s := &p.streams[i]
		extended := s.cycles<<16 | uint32(s.seq)
		expected := uint64(extended) - uint64(s.firstSeq) + 1
		lost := uint64(0)
		if expected > s.total+s.late {
			lost = expected - s.total - s.late
		}
		rr.Reports = append(rr.Reports, rtcp.ReceptionReport{
			SSRC: s.ssrc, LastSequenceNumber: extended, TotalLost: uint32(min(lost, 1<<23-1)), Jitter: uint32(s.jitter),
		})
	}
	b, err := rr.Marshal()
	if err != nil {
		return
	}
	if sealed, err := k.rtcp.EncryptRTCP(nil, b, nil); err == nil {
		p.send(sealed)
	}
}
