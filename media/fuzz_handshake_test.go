package media

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pion/dtls/v3"

	"besedka/fanout"
)

// editor is the way of a peer's datagrams to the server. Each edit is five bytes: which datagram, what is
// done, where (two bytes), and a byte.
type editor struct {
	net.PacketConn
	s     *Server
	from  path
	edits []byte
	sent  int
}

// WriteTo implements net.PacketConn.
func (e *editor) WriteTo(b []byte, _ net.Addr) (int, error) {
	all := [][]byte{bytes.Clone(b)}
	for rest := e.edits; len(rest) >= 5; rest = rest[5:] {
		if int(rest[0]%8) == e.sent {
			all = edited(all, rest[1], int(binary.BigEndian.Uint16(rest[2:])), rest[4])
		}
	}
	e.sent++
	for _, d := range all {
		e.s.packet(d, e.from, e.s.cfg.Now(), nil)
	}
	return len(b), nil
}

// edited changes the last of the datagrams, or puts another one before or behind it.
func edited(all [][]byte, what byte, at int, x byte) [][]byte {
	last := len(all) - 1
	b := all[last]
	if len(b) == 0 {
		return all
	}
	at %= len(b)
	other := bytes.Clone(b)
	other[at] ^= x
	switch what % 6 {
	case 0:
		all[last] = other
	case 1:
		all[last] = b[:at]
	case 2: // twice, the first time spoiled
		all = append(all[:last], other, b)
	case 3: // and once more, spoiled
		all = append(all, other)
		all[last], all[last+1] = b, other
	case 4:
		all[last] = append(other, b...)
	default: // a byte more, where lengths may not allow for it
		all[last] = append(other[:at:at], append([]byte{x}, b[at:]...)...)
	}
	return all
}

// FuzzHandshake lets a genuine peer, as DTLS client and as server, shake hands over a way on
// which his datagrams are changed: nothing panics (a panic in pion/dtls ends the process), no session
// is left behind, and who has finished a handshake is understood.
func FuzzHandshake(f *testing.F) {
	f.Add(false, []byte{})
	f.Add(true, []byte{})
	for what := range byte(6) {
		f.Add(what%2 == 0, []byte{what % 3, what, 0, 13 + what, 0xff})
		f.Add(what%2 == 1, []byte{1, what, 0, 90, 1, 2, what + 1, 0, 3, 1})
	}
	s, _, _, _ := fuzzServer(f)
	s.Grant("room", "peer", Grant{})
	own, err := newIdentity(s.cfg.Random, time.Now())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, active bool, edits []byte) {
		if len(edits) > 40 {
			return
		}
		x, e := peerOf(t, s, own, active)
		defer func() { _ = e.Close() }()
		e.edits = edits
		patience := 100 * time.Millisecond
		if len(edits) < 5 {
			patience = 10 * time.Second // it must succeed
		}
		before := s.Stats().Panics
		keys, done := shakeWith(e, own, !x.active, patience)
		if len(edits) < 5 && !done {
			t.Fatal("an undisturbed handshake fails")
		}
		if done && becomesLive(x) {
			understood(t, s, x, keys)
		}
		s.end(x)
		if got := s.Stats(); got.Panics != before || got.HalfOpen != 0 || got.SessionsDown != 1 {
			t.Fatalf("%d panics, %d half open, %d live", got.Panics-before, got.HalfOpen, got.SessionsDown)
		}
	})
}

// peerOf makes a session whose path is a socket of the peer's; active: we are the DTLS client.
func peerOf(t *testing.T, s *Server, own identity, active bool) (*session, *editor) {
	t.Helper()
	at := strings.Index(seedOffer, "sha-256 ") + len("sha-256 ")
	offer := seedOffer[:at] + own.fingerprint + seedOffer[at+len(own.fingerprint):]
	if active {
		offer = strings.Replace(offer, "setup:actpass", "setup:passive", 1)
	}
	got, err := s.Answer(context.Background(), Down, "room", "peer", "cred", []byte(offer))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	x := s.tables.id(got.ID)
	from := path{addr: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(conn.LocalAddr().(*net.UDPAddr).Port))}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.selectLocked(from, s.cfg.Now())
	x.beginAsClientLocked()
	return x, &editor{PacketConn: conn, s: s, from: from}
}

// shakeWith is the peer's side of the handshake; it gives the keys with which he writes.
func shakeWith(e *editor, own identity, asClient bool, patience time.Duration) (keys fanout.Keys, done bool) {
	common := []dtls.Option{
		dtls.WithCertificates(own.certificate), dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM),
		dtls.WithExtendedMasterSecret(dtls.RequireExtendedMasterSecret), dtls.WithInsecureSkipVerify(true),
		dtls.WithFlightInterval(30 * time.Millisecond), dtls.WithLoggerFactory(silent),
	}
	var conn *dtls.Conn
	var err error
	if asClient {
		options := make([]dtls.ClientOption, len(common))
		for i, o := range common {
			options[i] = o
		}
		conn, err = dtls.ClientWithOptions(e, pipeAddr, options...)
	} else {
		options := []dtls.ServerOption{dtls.WithClientAuth(dtls.RequireAnyClientCert)}
		for _, o := range common {
			options = append(options, o)
		}
		conn, err = dtls.ServerWithOptions(e, pipeAddr, options...)
	}
	if err != nil {
		return keys, false
	}
	defer func() { _ = e.Close() }() // and no close_notify
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if conn.HandshakeContext(ctx) != nil {
		return keys, false
	}
	state, _ := conn.ConnectionState()
	material, err := state.ExportKeyingMaterial("EXTRACTOR-dtls_srtp", nil, 56)
	if err != nil {
		return keys, false
	}
	client, server, err := fanout.SplitKeys(fanout.AES128GCM, material)
	if asClient {
		return client, err == nil
	}
	return server, err == nil
}

// becomesLive waits for the session, which ends its side of the handshake at about the same time.
func becomesLive(x *session) bool {
	for range 400 {
		x.mu.Lock()
		state := x.state
		x.mu.Unlock()
		if state == live || state == closed {
			return state == live
		}
		<-time.After(5 * time.Millisecond)
	}
	return false
}

// understood checks that what the peer seals opens here.
func understood(t *testing.T, s *Server, x *session, keys fanout.Keys) {
	t.Helper()
	before := s.Stats().ControlIn
	x.mu.Lock()
	from := x.path
	x.mu.Unlock()
	report := []byte{2 << 6, rtcpRR, 0, 1, 0, 0, 0, 1}
	s.packet(fanout.NewControlSealer(keys).Seal(nil, report), from, s.cfg.Now(), nil)
	if s.Stats().ControlIn != before+1 {
		t.Fatal("the handshake has ended, and we have other keys than the peer")
	}
}
