package load

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/crypto/selfsign"
	"github.com/pion/logging"
	"github.com/pion/srtp/v3"
)

// identity is the certificate of every peer of a run.
type identity struct {
	cert        tls.Certificate
	fingerprint string
}

func newIdentity() (*identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	cert, err := selfsign.SelfSign(key)
	if err != nil {
		return nil, err
	}
	return &identity{cert, fingerprint(cert.Certificate[0])}, nil
}

// fingerprint writes a certificate's SHA-256 as SDP does (RFC 8122 §5).
func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	parts := make([]string, len(sum))
	for i, b := range sum {
		parts[i] = fmt.Sprintf("%02X", b)
	}
	return strings.Join(parts, ":")
}

// keys are what the handshake leaves: contexts for both directions. rtcp has
// its own sending context because the talker and the poller send independently.
type keys struct {
	in, out, rtcp *srtp.Context
}

// handshake runs DTLS over the pipe and derives the SRTP keys (RFC 5764 §4.2).
// Afterwards the pipe is cut and nothing of pion/dtls stays alive.
func (id *identity) handshake(ctx context.Context, p *pipe, active bool, remote string) (*keys, error) {
	defer p.cut()
	verify := func(raw [][]byte, _ [][]*x509.Certificate) error {
		if len(raw) == 0 || !strings.EqualFold(fingerprint(raw[0]), remote) {
			return errors.New("the certificate is not the one in the answer")
		}
		return nil
	}
	common := []dtls.Option{
		dtls.WithCertificates(id.cert),
		dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80),
		dtls.WithExtendedMasterSecret(dtls.RequireExtendedMasterSecret),
		dtls.WithInsecureSkipVerify(true), // WebRTC trusts the fingerprint, not a chain (RFC 8827 §6.5)
		dtls.WithVerifyPeerCertificate(verify),
		dtls.WithLoggerFactory(&logging.DefaultLoggerFactory{DefaultLogLevel: logging.LogLevelDisabled}),
		dtls.WithFlightInterval(200 * time.Millisecond),
		dtls.WithMTU(1200),
	}
	conn, err := open(p, common, active)
	if err != nil {
		return nil, err
	}
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	profile, ok := conn.SelectedSRTPProtectionProfile()
	state, known := conn.ConnectionState()
	if !ok || !known {
		return nil, errors.New("no SRTP profile agreed")
	}
	cfg := srtp.Config{Profile: srtp.ProtectionProfile(profile)}
	if err := cfg.ExtractSessionKeysFromDTLS(&state, active); err != nil {
		return nil, err
	}
	return derive(&cfg)
}

func open(p *pipe, common []dtls.Option, active bool) (*dtls.Conn, error) {
	if active {
		opts := make([]dtls.ClientOption, len(common))
		for i, o := range common {
			opts[i] = o
		}
		return dtls.ClientWithOptions(p, p.RemoteAddr(), opts...)
	}
	opts := make([]dtls.ServerOption, len(common), len(common)+2)
	for i, o := range common {
		opts[i] = o
	}
	opts = append(opts, dtls.WithClientAuth(dtls.RequireAnyClientCert), dtls.WithInsecureSkipVerifyHello(true))
	return dtls.ServerWithOptions(p, p.RemoteAddr(), opts...)
}

func derive(cfg *srtp.Config) (*keys, error) {
	k := &keys{}
	var e1, e2, e3 error
	k.in, e1 = srtp.CreateContext(cfg.Keys.RemoteMasterKey, cfg.Keys.RemoteMasterSalt, cfg.Profile)
	k.out, e2 = srtp.CreateContext(cfg.Keys.LocalMasterKey, cfg.Keys.LocalMasterSalt, cfg.Profile)
	k.rtcp, e3 = srtp.CreateContext(cfg.Keys.LocalMasterKey, cfg.Keys.LocalMasterSalt, cfg.Profile)
	return k, errors.Join(e1, e2, e3)
}

// pipe is what pion/dtls takes for its socket while the handshake lasts.
type pipe struct {
	send func([]byte)
	in   chan []byte
	off  chan struct{}
	once sync.Once

	mu     sync.Mutex
	flight [][]byte // what we wrote since we last read
	read   bool
}

func newPipe(send func([]byte)) *pipe {
	return &pipe{send: send, in: make(chan []byte, 16), off: make(chan struct{})}
}

func (p *pipe) cut() { p.once.Do(func() { close(p.off) }) }

// push hands a datagram in; when nobody reads fast enough the peer repeats it.
func (p *pipe) push(b []byte) {
	select {
	case p.in <- append([]byte(nil), b...):
	default:
	}
}

// again repeats our last flight: the peer has not got it (RFC 6347 §4.2.4).
func (p *pipe) again() {
	p.mu.Lock()
	flight := p.flight
	p.mu.Unlock()
	for _, d := range flight {
		p.send(d)
	}
}

// ReadFrom waits for the next datagram of the peer.
func (p *pipe) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case d := <-p.in:
		p.mu.Lock()
		p.read = true
		p.mu.Unlock()
		return copy(b, d), p.RemoteAddr(), nil
	case <-p.off:
		return 0, nil, net.ErrClosed
	}
}

// WriteTo sends a datagram; after the cut nothing goes out, above all no close_notify.
func (p *pipe) WriteTo(b []byte, _ net.Addr) (int, error) {
	select {
	case <-p.off:
		return len(b), nil
	default:
	}
	p.mu.Lock()
	if p.read {
		p.flight, p.read = nil, false
	}
	p.flight = append(p.flight, append([]byte(nil), b...))
	p.mu.Unlock()
	p.send(b)
	return len(b), nil
}

// Close cuts the pipe.
func (p *pipe) Close() error { p.cut(); return nil }

// LocalAddr is a placeholder that pion/dtls wants.
func (p *pipe) LocalAddr() net.Addr { return p.RemoteAddr() }

// RemoteAddr is a placeholder that pion/dtls wants.
func (p *pipe) RemoteAddr() net.Addr { return &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9} }

// SetDeadline is SetReadDeadline.
func (p *pipe) SetDeadline(t time.Time) error { return p.SetReadDeadline(t) }

// SetReadDeadline in the past unblocks the reader for good, which is the only
// use that pion/transport makes of it.
func (p *pipe) SetReadDeadline(t time.Time) error {
	if !t.IsZero() && !t.After(time.Now()) {
		p.cut()
	}
	return nil
}

// SetWriteDeadline has no meaning: writing does not block.
func (p *pipe) SetWriteDeadline(time.Time) error { return nil }
