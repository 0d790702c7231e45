package media

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/pion/dtls/v3"
	curves "github.com/pion/dtls/v3/pkg/crypto/elliptic"
	"github.com/pion/logging"

	"besedka/fanout"
)

const (
	// handshakesAtOnce bounds the memory that handshakes take. Most of them wait for their
	// peer; how many compute at once is bounded by the cores.
	handshakesAtOnce = 256
	handshakeFor     = 12 * time.Second
	flightEvery      = 200 * time.Millisecond
	dtlsMTU          = 1200
)

// handshake is what a DTLS handshake leaves behind; the connection itself is
// dropped, because it costs 43 KB (MEDIA.md B2).
type handshake struct {
	ours, theirs fanout.Keys
	farewell     *recordKey
	flight       [][]byte // our last flight
}

// identity is the server's certificate: made at start, kept in memory only.
type identity struct {
	certificate tls.Certificate
	fingerprint string // as in SDP
}

func newIdentity(random io.Reader, now time.Time) (identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), random)
	if err != nil {
		return identity{}, err
	}
	serial := make([]byte, 16)
	if _, err := io.ReadFull(random, serial); err != nil {
		return identity{}, err
	}
	template := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial),
		Subject:      pkix.Name{CommonName: "media"},
		NotBefore:    now.AddDate(0, 0, -1),
		NotAfter:     now.AddDate(1, 0, 0),
	}
	der, err := x509.CreateCertificate(random, template, template, key.Public(), key)
	if err != nil {
		return identity{}, err
	}
	leaf, err := x509.ParseCertificate(der) // otherwise each handshake does
	if err != nil {
		return identity{}, err
	}
	sum := sha256.Sum256(der)
	hex := make([]string, len(sum))
	for i, b := range sum {
		hex[i] = fmt.Sprintf("%02X", b)
	}
	return identity{
		certificate: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf},
		fingerprint: strings.Join(hex, ":"),
	}, nil
}

// beginLocked starts the handshake, with the peer's ClientHello if he begins it. s.mu is held.
func (s *session) beginLocked(first []byte, h hello) {
	s.state = shaking
	s.pipe = newPipe(s)
	s.server.wg.Add(1)
	go s.shake(s.pipe)
	if first != nil {
		s.pipe.random = h.random
		s.pipe.push(first)
	}
}

// cutHandshakesLocked ends what is left of handshakes.
func (s *session) cutHandshakesLocked() {
	for _, p := range []*pipe{s.pipe, s.rival} {
		if p != nil {
			p.cut()
		}
	}
	s.pipe, s.rival = nil, nil
}

// shake runs one handshake in its own goroutine, which ends with it.
func (s *session) shake(p *pipe) {
	defer s.server.wg.Done()
	defer s.server.survive(s)
	ctx, cancel := context.WithTimeout(s.server.ctx, handshakeFor)
	defer cancel()
	if !s.server.underWay.take(s.first, p.off, ctx.Done()) {
		s.fail(p, errNoPlace)
		return
	}
	defer s.server.underWay.give()
	h, err := s.negotiate(ctx, p)
	p.cut()
	if err != nil {
		s.fail(p, err)
		return
	}
	s.establish(h)
}

// fail ends the session unless another handshake of its goes on.
func (s *session) fail(p *pipe, err error) {
	if s.gaveUp(p) {
		s.server.log.Debug("handshake failed", "session", s.id, "error", err)
		s.server.count.handshakeFailures.Add(1)
		s.server.end(s)
	}
}

var errNoPlace = errors.New("no place among the handshakes under way")

var errPeer = errors.New("certificate does not match the fingerprint in the offer")

// negotiate speaks DTLS 1.2 with ECDHE and AES-GCM (RFC 8827 §6.5) and exports
// the SRTP keys (RFC 5764 §4.2).
func (s *session) negotiate(ctx context.Context, p *pipe) (h *handshake, err error) {
	defer func() {
		if r := recover(); r != nil {
			s.server.count.panics.Add(1)
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	if !p.takeTurn() {
		return nil, net.ErrClosed
	}
	conn, err := s.dial(p)
	if err != nil {
		return nil, err
	}
	p.conn = conn
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	if h, err = p.keys(); err == nil && !s.active {
		h.flight = p.lastFlight()
	}
	return h, err
}

var errProfile = errors.New("no SRTP profile agreed")

// keys are those on which the handshake has agreed, from when our Finished is made.
func (p *pipe) keys() (*handshake, error) {
	profile, agreed := p.conn.SelectedSRTPProtectionProfile()
	state, known := p.conn.ConnectionState()
	if !agreed || !known {
		return nil, errProfile
	}
	salt := fanout.Profile(profile).SaltLen()
	material, err := state.ExportKeyingMaterial("EXTRACTOR-dtls_srtp", nil, 2*(fanout.KeyLen+salt))
	if err != nil {
		return nil, err
	}
	client, server, err := fanout.SplitKeys(fanout.Profile(profile), material)
	if err != nil {
		return nil, err
	}
	active := p.session.active
	h := &handshake{ours: server, theirs: client, farewell: p.secrets.peerKey(active, state.RemoteRandomBytes())}
	if active {
		h.ours, h.theirs = client, server
	}
	return h, nil
}

// early makes a session live of which we are the DTLS client when our Finished is sent,
// a round trip before the server's Finished could come. It is what RFC 7918 calls a
// false start, and keeps its conditions (§4, §5): only ECDHE on P-256 with AES-GCM is
// offered, in one version of the protocol, so that there is nothing weaker to be talked
// into; and when pion/dtls makes our Finished, it has compared the peer's certificate with the
// fingerprint of his offer and has verified, with that certificate, his signature over the key
// exchange and both randoms, of which ours is fresh: no replay, and nobody with another key.
//
// What the signature does not cover is the rest of both hellos: suite, SRTP profile, extensions.
// The extended master secret is required (RFC 7627 §4), and depends on every byte of the handshake up
// to the key exchange as we have seen it. If somebody on the way has changed one, the peer has
// another master secret, and whoever has changed it has none: what is sent opens for nobody, and what
// comes is not authentic here. So the Finished that we do not wait for, and never read, would tell
// us nothing that the first authentic packet does not tell.
//
// Who gets that far has answered our ClientHello at his path: no sound is sent to an address that has
// only been claimed. If the peer gives the handshake up after that (his alert is in clear, hence
// not believed), or never ends it, the session is a live one like others: it lasts as long as he
// checks his path (consentFor), and what is sent on it needs his keys. Our last flight is sent again
// when he repeats his, for flightFor.
func (p *pipe) early() {
	if h, err := p.keys(); err == nil {
		h.flight = p.lastFlight()
		p.session.establish(h)
	}
}

// dial sets the handshake up; nothing is sent yet.
func (s *session) dial(p *pipe) (*dtls.Conn, error) {
	common := []dtls.Option{
		dtls.WithCertificates(s.server.identity.certificate),
		dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80),
		dtls.WithExtendedMasterSecret(dtls.RequireExtendedMasterSecret),
		dtls.WithCipherSuites(dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, dtls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
		// Everybody has P-256 (RFC 8827 §6.5), and it takes half of X25519's time here. Left
		// to choose, pion/dtls takes what the peer names first.
		dtls.WithEllipticCurves(curves.P256),
		// Who the peer is was said in the offer: the fingerprint, and nothing else (RFC 5763 §5).
		dtls.WithInsecureSkipVerify(true),
		dtls.WithVerifyPeerCertificate(func(raw [][]byte, _ [][]*x509.Certificate) error {
			if len(raw) == 0 || sha256.Sum256(raw[0]) != s.fingerprint {
				return errPeer
			}
			return nil
		}),
		dtls.WithLoggerFactory(silent),
		dtls.WithMTU(dtlsMTU),
		dtls.WithFlightInterval(flightEvery),
		dtls.WithKeyLogWriter(&p.secrets),
	}
	if s.active {
		options := make([]dtls.ClientOption, len(common))
		for i, o := range common {
			options[i] = o
		}
		return dtls.ClientWithOptions(p, pipeAddr, options...)
	}
	options := make([]dtls.ServerOption, len(common), len(common)+2)
	for i, o := range common {
		options[i] = o
	}
	options = append(options, dtls.WithClientAuth(dtls.RequireAnyClientCert),
		dtls.WithInsecureSkipVerifyHello(!p.contends)) // the ICE check has proved the address already
	return dtls.ServerWithOptions(p, pipeAddr, options...)
}

var silent = &logging.DefaultLoggerFactory{DefaultLogLevel: logging.LogLevelDisabled}

// pipe is the packet connection that pion/dtls sees while the handshake lasts.
// After cut nothing goes in or out, above all no close_notify: the peer stays
// connected to a DTLS association that only we have forgotten.
//
// It is also where handshakes take turns with the processor: from getting a datagram until
// asking for the next one the turn is held, because between the two pion/dtls computes.
type pipe struct {
	session *session
	in      chan []byte
	off     chan struct{}
	once    sync.Once
	secrets secrets
	conn    *dtls.Conn // set before the handshake begins

	random   [32]byte // of the ClientHello that began it
	contends bool     // it began beside another one

	mu     sync.Mutex
	came   uint64   // records in clear that have come
	flight [][]byte // datagrams written since the last read
	read   bool
	turn   bool // it is ours to compute
	isCut  bool
	quiet  bool   // nothing is sent until the peer is heard again
	cookie []byte // that the peer was asked for
}

// pipeDepth is how many datagrams wait for the handshake; the peer repeats what is lost.
const pipeDepth = 16

var pipeAddr = &net.UDPAddr{IP: net.IPv4zero, Port: 9}

func newPipe(s *session) *pipe {
	return &pipe{session: s, in: make(chan []byte, pipeDepth), off: make(chan struct{})}
}

// cut lets nothing through any more. A pipe that is cut holds no turn.
func (p *pipe) cut() {
	p.once.Do(func() { close(p.off) })
	p.mu.Lock()
	p.isCut = true
	p.mu.Unlock()
	p.giveTurn()
}

// takeTurn waits until it is ours to compute; false if the pipe is cut before.
func (p *pipe) takeTurn() bool {
	t := p.session.server.computing
	if !t.take(p.session.first, p.off, nil) {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.isCut || p.turn {
		t.give()
		return p.turn
	}
	p.turn = true
	return true
}

// giveTurn gives the turn back, if it is held.
func (p *pipe) giveTurn() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.turn {
		p.turn = false
		p.session.server.computing.give()
	}
}

func (p *pipe) push(b []byte) {
	if p.session.active {
		p.secrets.see(b)
	}
	b = bytes.Clone(b)
	p.mu.Lock()
	p.quiet = false
	p.renumberLocked(b)
	p.mu.Unlock()
	select {
	case p.in <- b:
	default:
	}
}

// renumberLocked gives records in clear numbers of our own, in the order in which they come. Nothing
// protects those that they have, and pion/dtls holds them against a replay window: one forged record
// with a high number would make it deaf to the peer's.
func (p *pipe) renumberLocked(b []byte) {
	for len(b) >= recordHeader {
		if recordEpoch(b) == 0 {
			binary.BigEndian.PutUint64(b[3:], p.came) // 48 bits: the epoch, before them, stays zero
			p.came++
		}
		b = b[min(len(b), recordHeader+int(binary.BigEndian.Uint16(b[11:]))):]
	}
}

// ReadFrom implements net.PacketConn.
func (p *pipe) ReadFrom(b []byte) (int, net.Addr, error) {
	p.giveTurn()
	select {
	case d := <-p.in:
		if !p.takeTurn() {
			return 0, nil, net.ErrClosed
		}
		p.mu.Lock()
		p.read = true
		p.mu.Unlock()
		return copy(b, d), pipeAddr, nil
	case <-p.off:
		return 0, nil, net.ErrClosed
	}
}

// WriteTo implements net.PacketConn. As client, the session is live when our Finished is sent.
func (p *pipe) WriteTo(b []byte, _ net.Addr) (int, error) {
	if !p.session.active {
		p.secrets.see(b)
	}
	p.mu.Lock()
	if p.read {
		p.flight, p.read = nil, false
	}
	p.flight = append(p.flight, append([]byte(nil), b...))
	if c := cookieOf(b); c != nil {
		p.cookie = c
	}
	quiet := p.quiet
	p.mu.Unlock()
	if quiet {
		return len(b), nil
	}
	p.send(b)
	if p.session.active && endsFlight(b) {
		p.early()
	}
	return len(b), nil
}

// send sends to wherever the session is.
func (p *pipe) send(b []byte) {
	p.session.mu.Lock()
	defer p.session.mu.Unlock()
	select {
	case <-p.off:
	default:
		p.session.server.send(p.session.path, b)
	}
}

func (p *pipe) lastFlight() [][]byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.flight
}

// Close implements net.PacketConn.
func (p *pipe) Close() error {
	p.cut()
	return nil
}

// LocalAddr implements net.PacketConn.
func (p *pipe) LocalAddr() net.Addr { return pipeAddr }

// SetDeadline implements net.PacketConn.
func (p *pipe) SetDeadline(t time.Time) error { return p.SetReadDeadline(t) }

// SetReadDeadline implements net.PacketConn. A deadline in the past is how
// pion/transport unblocks a reader for good.
func (p *pipe) SetReadDeadline(t time.Time) error {
	if !t.IsZero() && !t.After(time.Now()) {
		p.cut()
	}
	return nil
}

// SetWriteDeadline implements net.PacketConn.
func (p *pipe) SetWriteDeadline(time.Time) error { return nil }
