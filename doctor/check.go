package doctor

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/pion/logging"
	"github.com/pion/stun/v4"
	"github.com/pion/turn/v5"
)

const (
	tries     = 4 // datagrams get lost
	tryFor    = 700 * time.Millisecond
	streamFor = 5 * time.Second
)

// candidate is where the server says that its media is.
type candidate struct {
	protocol string // udp or tcp
	at       netip.AddrPort
}

// session is what an answer says about a media session.
type session struct {
	ufrag, password string // the server's
	own             string // our ufrag
	candidates      []candidate
}

// newOffer makes an offer to listen. Nobody will ever do the DTLS handshake of it.
func newOffer() (ufrag, offer string) {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	ufrag = hex.EncodeToString(b[:4])
	print := strings.ToUpper(hex.EncodeToString(b[:]))
	pairs := make([]string, 0, len(b))
	for i := 0; i < len(print); i += 2 {
		pairs = append(pairs, print[i:i+2])
	}
	return ufrag, strings.Join([]string{
		"v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=-", "t=0 0", "a=group:BUNDLE 0", "m=audio 9 UDP/TLS/RTP/SAVPF 111", "c=IN IP4 0.0.0.0",
		"a=mid:0", "a=ice-ufrag:" + ufrag, "a=ice-pwd:" + hex.EncodeToString(b[4:20]), "a=fingerprint:sha-256 " + strings.Join(pairs, ":"),
		"a=setup:active", "a=recvonly", "a=rtcp-mux", "a=rtpmap:111 opus/48000/2", "",
	}, "\r\n")
}

// readAnswer reads credentials and candidates of an answer (RFC 8839 section 5.1).
func readAnswer(sdp, own string) (s session, err error) {
	s.own = own
	seen := map[candidate]bool{}
	for line := range strings.Lines(sdp) {
		name, value, _ := strings.Cut(strings.TrimRight(line, "\r\n"), ":")
		switch name {
		case "a=ice-ufrag":
			s.ufrag = value
		case "a=ice-pwd":
			s.password = value
		case "a=candidate":
			f := strings.Fields(value)
			if len(f) < 6 {
				continue
			}
			at, err := netip.ParseAddrPort(net.JoinHostPort(f[4], f[5]))
			c := candidate{strings.ToLower(f[2]), at}
			if err == nil && !seen[c] && len(s.candidates) < maxCandidates && (c.protocol == "udp" || c.protocol == "tcp") {
				seen[c] = true
				s.candidates = append(s.candidates, c)
			}
		}
	}
	if s.ufrag == "" || s.password == "" || len(s.candidates) == 0 {
		return s, errors.New("the answer names no candidates")
	}
	return s, nil
}

// request is a connectivity check (RFC 8445 section 7.2.2).
func (s *session) request() (*stun.Message, error) {
	return stun.Build(stun.TransactionID, stun.BindingRequest, stun.NewUsername(s.ufrag+":"+s.own),
		stun.RawAttribute{Type: stun.AttrPriority, Value: []byte{0x6e, 0, 0, 1}},
		stun.RawAttribute{Type: stun.AttrICEControlling, Value: make([]byte, 8)},
		stun.NewShortTermIntegrity(s.password), stun.Fingerprint)
}

// isAnswer says whether the packet is the session's answer to the request.
func (s *session) isAnswer(packet []byte, to *stun.Message) bool {
	m := &stun.Message{Raw: append([]byte(nil), packet...)}
	return m.Decode() == nil && m.Type == stun.BindingSuccess && m.TransactionID == to.TransactionID &&
		stun.NewShortTermIntegrity(s.password).Check(m) == nil
}

// check sends the candidate a check and waits for the answer.
func (s *session) check(ctx context.Context, c candidate) error {
	conn, err := (&net.Dialer{Timeout: streamFor}).DialContext(ctx, c.protocol, c.at.String())
	if err != nil {
		return err
	}
	defer conn.Close()
	if c.protocol == "tcp" {
		return s.checkStream(conn)
	}
	return s.checkDatagrams(conn.Write, conn.Read, conn.SetReadDeadline)
}

// checkDatagrams sends until an answer comes.
func (s *session) checkDatagrams(write, read func([]byte) (int, error), deadline func(time.Time) error) error {
	m, err := s.request()
	if err != nil {
		return err
	}
	buf := make([]byte, 1500)
	for range tries {
		if _, err = write(m.Raw); err != nil {
			continue
		}
		_ = deadline(time.Now().Add(tryFor))
		var n int
		if n, err = read(buf); err == nil && s.isAnswer(buf[:n], m) {
			return nil
		}
	}
	if err == nil {
		err = errors.New("something else answers there")
	}
	return err
}

// checkStream is a check over ICE-TCP, framed as RFC 4571 section 2 says.
func (s *session) checkStream(conn net.Conn) error {
	m, err := s.request()
	if err != nil {
		return err
	}
	_ = conn.SetDeadline(time.Now().Add(streamFor))
	if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(m.Raw))), m.Raw...)); err != nil {
		return err
	}
	r := bufio.NewReader(conn)
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	packet := make([]byte, binary.BigEndian.Uint16(head[:]))
	if _, err := io.ReadFull(r, packet); err != nil {
		return err
	}
	if !s.isAnswer(packet, m) {
		return errors.New("something else answers there")
	}
	return nil
}

// relay is a TURN server and how to be let in.
type relay struct {
	url, username, password string
	tls                     *tls.Config
}

// checkRelayed sends a check through the relay to a candidate of UDP.
func (s *session) checkRelayed(ctx context.Context, r relay) error {
	u, err := stun.ParseURI(r.url)
	if err != nil {
		return err
	}
	address := net.JoinHostPort(u.Host, fmt.Sprint(u.Port))
	conn, err := r.dial(ctx, u, address)
	if err != nil {
		return err
	}
	defer conn.Close()
	quiet := logging.NewDefaultLoggerFactory()
	quiet.DefaultLogLevel = logging.LogLevelDisabled
	c, err := turn.NewClient(&turn.ClientConfig{STUNServerAddr: address, TURNServerAddr: address, Username: r.username, Password: r.password,
		Conn: turn.NewSTUNConn(conn), RTO: streamFor, LoggerFactory: quiet})
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Listen(); err != nil {
		return err
	}
	relayed, err := c.Allocate()
	if err != nil {
		return err
	}
	defer relayed.Close()
	err = errors.New("the relay offers no way to a candidate")
	for _, to := range s.candidates {
		if to.protocol != "udp" {
			continue
		}
		err = s.checkDatagrams(func(b []byte) (int, error) { return relayed.WriteTo(b, net.UDPAddrFromAddrPort(to.at)) },
			func(b []byte) (int, error) { n, _, err := relayed.ReadFrom(b); return n, err }, relayed.SetReadDeadline)
		if err == nil {
			return nil
		}
	}
	return err
}

// dial connects to the relay, by TLS where its URL says so.
func (r relay) dial(ctx context.Context, u *stun.URI, address string) (net.Conn, error) {
	if u.Scheme != stun.SchemeTypeTURNS {
		return (&net.Dialer{Timeout: streamFor}).DialContext(ctx, "tcp", address)
	}
	config := &tls.Config{}
	if r.tls != nil {
		config = r.tls.Clone()
	}
	config.NextProtos = nil // as browsers do
	return (&tls.Dialer{NetDialer: &net.Dialer{Timeout: streamFor}, Config: config}).DialContext(ctx, "tcp", address)
}
