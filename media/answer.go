package media

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"besedka"
	"besedka/fanout"
)

const maxSlots = fanout.MaxSlots

// Answer makes a session from an SDP offer and answers it.
//
// An offer down has up to three audio m-lines that receive: the slots. (With
// fewer, the loudest speakers share those there are; further ones are answered
// inactive.) An offer up has exactly one audio m-line, which sends.
//
// Errors: ErrSDP, ErrNotInRoom without a grant, ErrNotOnStage without one to
// publish, besedka.ErrUnauthenticated when the credential has been closed,
// ErrBusy when there is no room for another session, or none for a new listener (see Admits).
func (s *Server) Answer(ctx context.Context, dir Direction, room besedka.RoomID, who besedka.ParticipantID,
	cred besedka.CredentialID, raw []byte) (Session, error) {
	if err := ctx.Err(); err != nil {
		return Session{}, err
	}
	if dir == Down {
		if err := s.Admits(room, who); err != nil {
			return Session{}, err
		}
	}
	o, err := parseOffer(raw)
	if err != nil {
		s.count.offersRefused.Add(1)
		return Session{}, ErrSDP.Because(err)
	}
	agreed, use, err := o.agree(dir)
	if err != nil {
		s.count.offersRefused.Add(1)
		return Session{}, ErrSDP.Because(err)
	}
	x := &session{
		server: s, id: SessionID(besedka.NewID(s.cfg.Random)), dir: dir, who: who, cred: cred, born: s.cfg.Now(),
		peerUfrag: o.ufrag, peerPassword: o.password, fingerprint: o.fingerprint, active: o.active, media: agreed,
	}
	if s.ctx.Err() != nil {
		return Session{}, ErrBusy.After(comeBack)
	}
	number, ok := s.tables.reserve(s.cfg.MaxSessions)
	if !ok {
		return Session{}, ErrBusy.After(joinFor)
	}
	x.number = number
	if x.ufrag, x.password, err = credentials(s.cfg.Random, number); err == nil {
		err = s.admit(x, room)
	}
	if err != nil {
		s.tables.release(number)
		return Session{}, err
	}
	return Session{ID: x.id, SDP: s.describe(x, o, use)}, nil
}

// halfOpenFor says whether there is room for one more session that is not live yet.
// There is some more of it for those who go first.
func (s *Server) halfOpenFor(first bool) bool {
	limit := int64(maxHalfOpen)
	if first {
		limit += maxHalfOpen / 4
	}
	return s.count.halfOpen.Load() < limit
}

// describe writes the answer (RFC 9429 §5.3, RFC 8839, RFC 8842).
func (s *Server) describe(x *session, o *offer, use []int) []byte {
	var b strings.Builder
	line := func(format string, args ...any) {
		fmt.Fprintf(&b, format, args...)
		b.WriteString("\r\n")
	}
	mids := make([]string, len(o.lines))
	for i, l := range o.lines {
		mids[i] = l.mid
	}
	line("v=0")
	line("o=- %d 1 IN IP4 0.0.0.0", uint64(x.number)+1)
	line("s=-")
	line("t=0 0")
	line("a=ice-lite")
	line("a=group:BUNDLE %s", strings.Join(mids, " "))
	line("a=msid-semantic: WMS *")
	for i, l := range o.lines {
		s.describeLine(line, x, o, l, use[i])
	}
	return []byte(b.String())
}

func (s *Server) describeLine(line func(string, ...any), x *session, o *offer, l mediaLine, slot int) {
	line("m=audio 9 UDP/TLS/RTP/SAVPF %s", formats(x.dir, l))
	line("c=IN IP4 0.0.0.0")
	line("a=mid:%s", l.mid)
	line("a=ice-ufrag:%s", x.ufrag)
	line("a=ice-pwd:%s", x.password)
	line("a=fingerprint:sha-256 %s", s.identity.fingerprint)
	if x.active {
		line("a=setup:active")
	} else {
		line("a=setup:passive")
	}
	line("a=rtcp-mux")
	if o.reducedSize {
		line("a=rtcp-rsize")
	}
	line("a=rtpmap:%d opus/48000/2", l.payloadType)
	if l.redType != 0 {
		line("a=rtpmap:%d red/48000/2", l.redType)
		line("a=fmtp:%d %d/%d", l.redType, l.payloadType, l.payloadType)
	}
	switch {
	case slot < 0:
		line("a=inactive")
	case x.dir == Up:
		line("a=recvonly")
		line("a=fmtp:%d minptime=10;useinbandfec=1;usedtx=1", l.payloadType)
	default:
		line("a=sendonly")
		line("a=fmtp:%d minptime=10;useinbandfec=1", l.payloadType)
		line("a=msid:slot%d slot%d", slot, slot)
		line("a=ssrc:%d cname:besedka", x.place.floor.SSRC(slot))
	}
	if slot >= 0 {
		line("a=rtcp-fb:%d nack", l.payloadType)
		if l.levelID != 0 {
			line("a=extmap:%d %s", l.levelID, levelURI)
		}
	}
	for _, c := range s.candidates {
		line("a=candidate:%s", c)
	}
	line("a=end-of-candidates")
}

// formats lists the payload types of an m-line, the preferred one first: a speaker
// is to send RED, a listener has to expect it.
func formats(dir Direction, l mediaLine) string {
	switch {
	case l.redType == 0:
		return fmt.Sprint(l.payloadType)
	case dir == Up:
		return fmt.Sprint(l.redType, " ", l.payloadType)
	}
	return fmt.Sprint(l.payloadType, " ", l.redType)
}

// candidates lists where peers find the server: UDP, then TCP (RFC 8839 §5.1,
// RFC 6544 §4.5). The priorities are those of RFC 8445 §5.1.2.1 for host
// candidates, with TCP below UDP.
func candidates(addrs []netip.Addr, port uint16) []string {
	var list []string
	for i, a := range addrs {
		local := 65535 - i
		list = append(list, fmt.Sprintf("%d 1 udp %d %s %d typ host", 2*i+1, 126<<24|local<<8|255, a, port))
	}
	for i, a := range addrs {
		local := 4<<13 | 8191 - i // direction preference of a passive candidate
		list = append(list, fmt.Sprintf("%d 1 tcp %d %s %d typ host tcptype passive", 2*i+2, 90<<24|local<<8|255, a, port))
	}
	return list
}

// Trickle takes an ICE fragment (RFC 8840, application/trickle-ice-sdpfrag) for
// a session. An ICE-lite server has no use for candidates: the fragment is
// bounded, checked and ignored. It returns besedka.ErrNotFound unless the
// session is that participant's in that room, and ErrSDP for what is no
// fragment of this session: an ICE restart is a new session here.
func (s *Server) Trickle(id SessionID, room besedka.RoomID, who besedka.ParticipantID, frag []byte) error {
	x := s.tables.id(id)
	if x == nil || x.who != who || x.place.room != room {
		return besedka.ErrNotFound
	}
	if err := checkFragment(frag, x.peerUfrag); err != nil {
		return ErrSDP.Because(err)
	}
	return nil
}

// randomUint32 draws a number.
func randomUint32(random io.Reader) (uint32, error) {
	var b [4]byte
	_, err := io.ReadFull(random, b[:])
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3]), err
}
