package media

import (
	"encoding/binary"
	"hash/maphash"
	"io"
	"net/netip"
	"time"
)

const (
	// rebindAfter is how long the selected path must have been silent until a
	// check from elsewhere may move the session without nominating: a NAT has
	// rebound, and agents do not nominate twice (MEDIA.md B7.2).
	rebindAfter = 5 * time.Second
	// consentFor ends a session whose selected path has not been checked for so
	// long (RFC 7675 §5.1 allows 30 s).
	consentFor = 20 * time.Second
	// recentChecks is how many transaction ids a session remembers.
	recentChecks = 16
	// maxProbes is how many new paths a session proves at a time.
	maxProbes = 4
	// probeEvery is the least time between two probes of one path.
	probeEvery = 100 * time.Millisecond
	probeFor   = 5 * time.Second

	numberLen   = 4 // characters of a ufrag that hold the session's number
	ufragLen    = numberLen + 6
	passwordLen = 26 // 130 random bits (RFC 8445 §5.3: at least 128)
	maxNumber   = 1 << (5 * numberLen)
)

// path is a way to a peer: a UDP address, or a TCP connection from that address.
type path struct {
	addr netip.AddrPort
	tcp  *stream
}

func (p path) none() bool { return p == path{} }

// probe is a check of our own, sent to a path that a session may move to.
//
// MESSAGE-INTEGRITY does not cover the source address, so whoever has seen a
// check can send it again from elsewhere (MEDIA.md B7.3). An ICE-lite agent
// need not check paths, but nothing keeps it from it, and every full agent
// answers: a session moves only to a path that has answered a request with 64
// fresh random bits under the peer's own password. The same holds for a first
// path whose address another session has, or a participant could take the
// place of another by sending checks in his name.
type probe struct {
	path     path
	id       transaction
	nominate bool // the peer nominated the path
	at       time.Time
}

const ufragText = "abcdefghijklmnopqrstuvwxyz234567"

// credentials draws an ICE ufrag that carries the number, and a password.
func credentials(random io.Reader, number uint32) (ufrag, password string, err error) {
	var b [ufragLen - numberLen + passwordLen]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", "", err
	}
	for i := range b {
		b[i] = ufragText[b[i]&31]
	}
	var n [numberLen]byte
	for i := range n {
		n[i] = ufragText[number>>(5*(numberLen-1-i))&31]
	}
	return string(n[:]) + string(b[:ufragLen-numberLen]), string(b[ufragLen-numberLen:]), nil
}

// numberOf reads the session's number out of a USERNAME.
func numberOf(username []byte) (n uint32, ok bool) {
	if len(username) <= ufragLen || username[ufragLen] != ':' {
		return 0, false
	}
	for _, c := range username[:numberLen] {
		switch {
		case c >= 'a' && c <= 'z':
			n = n<<5 | uint32(c-'a')
		case c >= '2' && c <= '7':
			n = n<<5 | uint32(c-'2'+26)
		default:
			return 0, false
		}
	}
	return n, true
}

// addressed says whether the USERNAME is ours and the peer's (RFC 8445 §7.2.2).
func (s *session) addressed(username []byte) bool {
	return len(username) == ufragLen+1+len(s.peerUfrag) && string(username[:ufragLen]) == s.ufrag &&
		string(username[ufragLen+1:]) == s.peerUfrag
}

// check takes a Binding request that names the session.
func (s *session) check(m *stunMessage, b []byte, from path, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &s.server.count
	if s.state == closed {
		return
	}
	if !s.addressed(m.username) || !authentic(b, m.integrity, []byte(s.password)) {
		c.stunRefused.Add(1)
		return
	}
	c.stunChecks.Add(1)
	if from.tcp != nil && !from.tcp.bind(s) {
		return // a connection serves one session
	}
	w := writers.Get().(*stunWriter)
	s.server.send(from, w.success(m.id, from.addr, []byte(s.password)))
	writers.Put(w)
	if s.repeated(m.id) {
		c.stunRepeated.Add(1) // a retransmission, or a replay: answered, and nothing else
		return
	}
	switch {
	case s.path == from:
		// Only the selected path counts, or a second one keeps a dead one alive (MEDIA.md B7.5).
		s.checked, s.heard = now, now
	case s.path.none() && !s.server.tables.taken(from):
		// The path that was checked first will do until the peer nominates: browsers send
		// their ClientHello before. It proves itself by the handshake.
		s.selectLocked(from, now)
	case s.path.none() || m.useCandidate || now.Sub(s.heard) >= rebindAfter:
		s.probeLocked(from, m.useCandidate, now)
	}
	s.beginAsClientLocked()
}

// beginAsClientLocked starts the handshake as client as soon as there is a path: our
// ClientHello comes with the answer to the peer's first check, a round trip before he
// could send his. Browsers keep it until their ICE is done.
func (s *session) beginAsClientLocked() {
	if s.state == waiting && s.active && !s.path.none() {
		s.beginLocked(nil, hello{})
	}
}

var transactionSeed = maphash.MakeSeed()

// repeated says whether the transaction id has been seen lately, and notes it.
func (s *session) repeated(id transaction) bool {
	h := maphash.Bytes(transactionSeed, id[:])
	for _, r := range s.recent {
		if r == h {
			return true
		}
	}
	s.recent[s.recentAt%recentChecks] = h
	s.recentAt++
	return false
}

// probeLocked asks a new path to prove that the peer is there.
func (s *session) probeLocked(p path, nominate bool, now time.Time) {
	oldest := 0
	for i := range s.probes {
		switch {
		case s.probes[i].path == p:
			s.probes[i].nominate = s.probes[i].nominate || nominate
			if now.Sub(s.probes[i].at) >= probeEvery {
				s.sendProbeLocked(&s.probes[i], now)
			}
			return
		case s.probes[i].at.Before(s.probes[oldest].at):
			oldest = i
		}
	}
	if len(s.probes) < maxProbes {
		s.probes = append(s.probes, probe{})
		oldest = len(s.probes) - 1
	} else if now.Sub(s.probes[oldest].at) < probeEvery {
		return // checks are sent to few addresses, and seldom
	}
	s.probes[oldest] = probe{path: p, nominate: nominate}
	s.sendProbeLocked(&s.probes[oldest], now)
}

func (s *session) sendProbeLocked(p *probe, now time.Time) {
	binary.BigEndian.PutUint32(p.id[:], s.number)
	if _, err := io.ReadFull(s.server.cfg.Random, p.id[4:]); err != nil {
		return
	}
	p.at = now
	s.server.count.probes.Add(1)
	w := writers.Get().(*stunWriter)
	s.server.send(p.path, w.request(p.id, s.peerUfrag+":"+s.ufrag, []byte(s.peerPassword)))
	writers.Put(w)
}

// proved takes a success response to a probe.
func (s *session) proved(m *stunMessage, b []byte, from path, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == closed {
		return
	}
	for i, p := range s.probes {
		if p.path != from || p.id != m.id {
			continue
		}
		if !authentic(b, m.integrity, []byte(s.peerPassword)) || now.Sub(p.at) > probeFor {
			break
		}
		s.probes = append(s.probes[:i], s.probes[i+1:]...)
		if s.path.none() || p.nominate || now.Sub(s.heard) >= rebindAfter {
			s.server.count.moves.Add(1)
			s.selectLocked(from, now)
			s.beginAsClientLocked()
		}
		return
	}
	s.server.count.stunRefused.Add(1)
}

// selectLocked makes a path the session's own.
func (s *session) selectLocked(to path, now time.Time) {
	s.server.tables.route(s, s.path, to)
	old := s.path
	s.path, s.checked, s.heard = to, now, now
	if s.listener != nil {
		s.listener.Move(to.addr, to.sink())
	}
	if old.tcp != nil && old.tcp != to.tcp {
		old.tcp.hangUp()
	}
}
