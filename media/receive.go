package media

import (
	"encoding/binary"
	"time"

	"besedka/fanout"
)

// receive reads one of the sockets of the UDP port until it is closed. What a peer sends may
// come out of any of them, and of another one when his address changes.
func (s *Server) receive(in *fanout.Inbox) {
	in.Serve(func(n int) {
		s.computing.seize() // a handshake's next step waits: it has time, sound has not
		now := s.cfg.Now()
		s.count.packets.Add(int64(n))
		for i := range n {
			b, from := in.Datagram(i)
			s.packet(b, path{addr: from}, now, in.Outbox())
		}
	}, s.computing.release)
}

// packet takes one packet from a path: the demultiplexing of RFC 7983 §7. What a speaker's
// packet becomes goes into the outbox of its reader, or without one out at once.
func (s *Server) packet(b []byte, from path, now time.Time, out *fanout.Outbox) {
	if len(b) < 2 {
		s.count.unknown.Add(1)
		return
	}
	switch c := b[0]; {
	case c <= 3:
		s.stunPacket(b, from, now)
	case c >= 20 && c <= 63:
		if x := s.on(from); x != nil {
			s.dtlsPacket(x, b, from, now)
		}
	case c >= 128 && c <= 191:
		if x := s.on(from); x != nil {
			s.srtpPacket(x, b, from, now, out)
		}
	default:
		s.count.unknown.Add(1)
	}
}

// on is the session of a path, or nil.
func (s *Server) on(from path) *session {
	var x *session
	if from.tcp != nil {
		x = from.tcp.bound()
	} else {
		x = s.tables.addr(from.addr)
	}
	if x == nil {
		s.count.unknown.Add(1)
	}
	return x
}

func (s *Server) stunPacket(b []byte, from path, now time.Time) {
	m, ok := parseSTUN(b)
	if !ok {
		s.count.stunRefused.Add(1)
		return
	}
	var number uint32
	if m.kind == stunRequest {
		number, ok = numberOf(m.username)
	} else {
		number = binary.BigEndian.Uint32(m.id[:])
	}
	var x *session
	if ok {
		x = s.tables.number(number)
	}
	if x == nil {
		s.count.stunRefused.Add(1)
		return
	}
	defer s.survive(x)
	if m.kind == stunRequest {
		x.check(&m, b, from, now)
	} else {
		x.proved(&m, b, from, now)
	}
}

func (s *Server) dtlsPacket(x *session, b []byte, from path, now time.Time) {
	defer s.survive(x)
	if x.record(b, from, now) {
		s.count.farewells.Add(1)
		s.end(x)
	}
}

func (s *Server) srtpPacket(x *session, b []byte, from path, now time.Time, out *fanout.Outbox) {
	defer s.survive(x)
	if b[1] >= 192 && b[1] <= 223 { // RFC 5761 §4
		x.controlPacket(b, from, now)
	} else {
		x.mediaPacket(b, from, now, out)
	}
}

// send sends one packet along a path. What cannot be sent is lost, as on any network.
func (s *Server) send(to path, b []byte) {
	if to.tcp != nil {
		to.tcp.Send(b)
		return
	}
	if !to.none() {
		s.sock.Send(b, to.addr)
	}
}
