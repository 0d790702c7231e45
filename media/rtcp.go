package media

import (
	"encoding/binary"
	"time"
)

// RTCP packet types, RFC 3550 §12.1 and RFC 4585 §6.1.
const (
	rtcpSR   = 200
	rtcpRR   = 201
	rtcpRTPF = 205 // transport layer feedback
	fmtNACK  = 1

	// maxNacks and maxReports bound the NACK entries and report blocks taken from
	// one compound packet.
	maxNacks   = 32
	maxReports = 8

	// controlsPerSecond and controlBurst are a session's budget of compound packets. Browsers that
	// miss much send one for each packet that comes, of three slots 150 a second. Each
	// may take the lock of the room dozens of times.
	controlsPerSecond = 200
	controlBurst      = 200
)

// nackEntry is a generic NACK, RFC 4585 §6.2.1.
type nackEntry struct {
	ssrc     uint32
	pid, blp uint16
}

// reportBlock is what a receiver says of one source, RFC 3550 §6.4.1.
type reportBlock struct {
	ssrc     uint32
	fraction uint8 // of the packets since the last report, lost, in 1/256
}

// controls is what was of use in a compound RTCP packet.
type controls struct {
	nacks    [maxNacks]nackEntry
	n        int
	reports  [maxReports]reportBlock
	nReports int
	sr       uint32 // the middle bits of the sender report's NTP time; 0 if there was none
	srSSRC   uint32
}

// parse walks through the compound packet b (RFC 3550 §6.1). What is malformed
// ends the walk; what came before counts.
func (c *controls) parse(b []byte) {
	for len(b) >= 8 && b[0]>>6 == 2 {
		n := 4 * (int(binary.BigEndian.Uint16(b[2:])) + 1)
		if n < 8 || n > len(b) {
			return
		}
		c.packet(b[:n])
		b = b[n:]
	}
}

func (c *controls) packet(b []byte) {
	count := int(b[0] & 31)
	switch {
	case b[1] == rtcpSR && len(b) >= 28:
		c.srSSRC = binary.BigEndian.Uint32(b[4:])
		c.sr = binary.BigEndian.Uint32(b[10:])
		c.blocks(b[28:], count)
	case b[1] == rtcpRR:
		c.blocks(b[8:], count)
	case b[1] == rtcpRTPF && count == fmtNACK && len(b) >= 16:
		ssrc := binary.BigEndian.Uint32(b[8:])
		for at := 12; at+4 <= len(b) && c.n < maxNacks; at += 4 {
			c.nacks[c.n] = nackEntry{ssrc, binary.BigEndian.Uint16(b[at:]), binary.BigEndian.Uint16(b[at+2:])}
			c.n++
		}
	}
}

// blocks takes the report blocks at the end of a sender's or receiver's report.
func (c *controls) blocks(b []byte, count int) {
	for ; count > 0 && len(b) >= 24 && c.nReports < maxReports; count, b = count-1, b[24:] {
		c.reports[c.nReports] = reportBlock{binary.BigEndian.Uint32(b), b[4]}
		c.nReports++
	}
}

// controlPacket takes an SRTCP packet of a live session.
func (s *session) controlPacket(b []byte, from path, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != live || from != s.path {
		return
	}
	plain, ok := s.control.Open(b)
	if !ok {
		s.server.count.controlRefused.Add(1)
		return
	}
	s.heard = now
	s.server.count.controls.Add(1)
	if !s.asks.Take(now, controlsPerSecond, controlBurst) {
		s.server.count.controlExcess.Add(1)
		return
	}
	var c controls
	c.parse(plain)
	if s.up != nil {
		s.up.senderReport(c.srSSRC, c.sr, now)
		return
	}
	for _, r := range c.reports[:c.nReports] {
		s.listener.Report(now, r.ssrc, r.fraction)
	}
	for _, n := range c.nacks[:c.n] {
		s.server.count.nacks.Add(1)
		s.listener.Nack(now, n.ssrc, n.pid, n.blp)
	}
}
