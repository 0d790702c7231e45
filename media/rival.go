package media

import (
	"bytes"
	"crypto/subtle"
	"encoding/binary"
)

// Whoever can send with our peer's address can send a ClientHello in front of
// his, and the handshake that it begins would be the only one. So another
// ClientHello than the first begins a second handshake beside the first, which
// asks for a cookie (RFC 6347 §4.2.1): only who receives at the address can
// answer, and then his handshake is the one that goes on. One at a time, and
// only some in a session.
const rivalsAtMost = 8

// hello is what tells one ClientHello from another.
type hello struct {
	random [32]byte
	cookie []byte
}

const (
	messageHeader = 12 // of a DTLS handshake message (RFC 6347 §4.2.2)
	helloFixed    = recordHeader + messageHeader + 2 + 32 + 1

	typeClientHello        = 1
	typeServerHello        = 2
	typeHelloVerifyRequest = 3
)

// isMessage says whether a record begins with a handshake message of the type, in clear.
func isMessage(b []byte, messageType byte) bool {
	return len(b) > recordHeader+messageHeader && b[0] == recordHandshake && recordEpoch(b) == 0 && b[recordHeader] == messageType
}

// parseHello reads the beginning of a ClientHello; false for anything else, also
// for the later fragments of one.
func parseHello(b []byte) (h hello, ok bool) {
	if !isMessage(b, typeClientHello) || len(b) < helloFixed {
		return h, false
	}
	offset := b[recordHeader+6 : recordHeader+9]
	if !bytes.Equal(offset, []byte{0, 0, 0}) {
		return h, false
	}
	copy(h.random[:], b[helloFixed-1-32:])
	if rest := b[helloFixed-1:]; int(rest[0])+1 < len(rest) { // behind the session's id
		rest = rest[int(rest[0])+1:]
		if n := int(rest[0]); n < len(rest) {
			h.cookie = rest[1 : 1+n]
		}
	}
	return h, true
}

// cookieOf is the cookie that a HelloVerifyRequest asks for, nil of anything else.
func cookieOf(b []byte) []byte {
	const at = recordHeader + messageHeader + 2
	if !isMessage(b, typeHelloVerifyRequest) || len(b) <= at || len(b) < at+1+int(b[at]) || binary.BigEndian.Uint16(b[recordHeader-2:]) == 0 {
		return nil
	}
	return bytes.Clone(b[at+1 : at+1+int(b[at])])
}

// shakingLocked gives a record to the handshake that it belongs to.
func (s *session) shakingLocked(b []byte) {
	h, isHello := parseHello(b)
	switch {
	case s.active || !isHello:
		s.pipe.push(b)
		if s.rival != nil && isMessage(b, typeClientHello) {
			s.rival.push(b) // a later fragment
		}
	case h.random == s.pipe.random:
		s.pipe.push(b)
	case s.rival != nil && h.random == s.rival.random:
		if s.rival.asked(h.cookie) { // so our peer is who began it
			s.pipe.cut()
			s.pipe, s.rival = s.rival, nil
			s.pipe.push(b)
		} else if len(h.cookie) == 0 {
			s.rival.push(b)
		}
	case len(h.cookie) == 0 && s.rivals < rivalsAtMost:
		s.contendLocked(h, b)
	}
}

// contendLocked begins a handshake beside the one that goes on, in place of an
// earlier one that has not been answered.
func (s *session) contendLocked(h hello, b []byte) {
	if s.rival != nil {
		s.rival.cut()
	}
	s.rivals++
	s.pipe.hush()
	s.rival = newPipe(s)
	s.rival.random, s.rival.contends = h.random, true
	s.server.wg.Add(1)
	go s.shake(s.rival)
	s.rival.push(b)
}

// gaveUp says whether the session is over because the handshake p has failed:
// not if there is another one, or was.
func (s *session) gaveUp(p *pipe) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.state == live:
		return false
	case s.state == closed:
		return !p.contends
	case p == s.pipe && s.rival != nil:
		s.pipe, s.rival = s.rival, nil
	case p == s.rival:
		s.rival = nil
	}
	return p == s.pipe
}

// hush keeps a handshake from repeating what it has sent, until its peer is
// heard again: another may be about to begin at the same address, and would
// take it for his.
func (p *pipe) hush() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.quiet = true
}

// asked says whether this handshake has asked for the cookie.
func (p *pipe) asked(cookie []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.cookie) > 0 && subtle.ConstantTimeCompare(cookie, p.cookie) == 1
}
