package media_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/crypto/selfsign"
	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"

	"besedka"
	"besedka/fanout"
	"besedka/media"
)

// light is a client made of parts, for tests that need their hands on the
// packets: its STUN is written anew here, its DTLS and SRTP are pion's.
type light struct {
	w       *world
	session media.Session
	server  netip.AddrPort
	ufrag   string
	pwd     string
	theirs  [2]string // the server's ufrag and password
	cert    tls.Certificate

	conn *net.UDPConn
	tcp  *net.TCPConn // instead of conn
	hold atomic.Bool  // read no more from tcp
	dtls chan []byte
	done chan struct{}
	out  *srtp.Context
	got  atomic.Int64 // SRTP packets received, authentic or not

	mu      sync.Mutex
	opener  *fanout.Opener
	frames  []uint32
	answers int // STUN success responses to our checks
	silent  bool
}

var lightCert = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	cert, err := selfsign.SelfSign(key)
	if err != nil {
		panic(err)
	}
	return cert
})

// lightOffer is an offer of one m-line for each direction given.
func lightOffer(ufrag, pwd, fingerprint string, directions ...string) string {
	var b strings.Builder
	var mids []string
	for i := range directions {
		mids = append(mids, fmt.Sprint(i))
	}
	fmt.Fprintf(&b, "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE %s\r\n", strings.Join(mids, " "))
	for i, d := range directions {
		fmt.Fprintf(&b, "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:%d\r\na=ice-ufrag:%s\r\na=ice-pwd:%s\r\n"+
			"a=fingerprint:sha-256 %s\r\na=setup:active\r\na=rtcp-mux\r\na=%s\r\na=rtpmap:111 opus/48000/2\r\n"+
			"a=extmap:1 %s\r\n", i, ufrag, pwd, fingerprint, d, levelURI)
	}
	return b.String()
}

func fingerprint(cert tls.Certificate) string {
	sum := sha256.Sum256(cert.Certificate[0])
	var p []string
	for _, b := range sum {
		p = append(p, hex.EncodeToString([]byte{b}))
	}
	return strings.Join(p, ":")
}

// newLight asks for a session, with an offer that may be changed; it does not connect yet.
func (w *world) newLight(dir media.Direction, who besedka.ParticipantID, cred besedka.CredentialID, change ...func(string) string) (*light, error) {
	l, err := w.askLight(dir, who, cred, change...)
	if err != nil {
		return nil, err
	}
	if l.conn, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}); err != nil {
		return nil, err
	}
	go l.read(l.conn, l.done)
	w.t.Cleanup(l.close)
	return l, nil
}

// askLight makes the session only.
func (w *world) askLight(dir media.Direction, who besedka.ParticipantID, cred besedka.CredentialID, change ...func(string) string) (*light, error) {
	l := &light{w: w, ufrag: "peer", pwd: "0123456789012345678901", cert: lightCert(),
		dtls: make(chan []byte, 64), done: make(chan struct{})}
	d := []string{"recvonly", "recvonly", "recvonly"}
	if dir == media.Up {
		d = []string{"sendonly"}
	}
	offer := lightOffer(l.ufrag, l.pwd, fingerprint(l.cert), d...)
	for _, f := range change {
		offer = f(offer)
	}
	var err error
	l.session, err = w.srv.Answer(context.Background(), dir, room, who, cred, []byte(offer))
	if err != nil {
		return nil, err
	}
	l.server = w.srv.Addr()
	for line := range strings.Lines(string(l.session.SDP)) {
		if v, ok := strings.CutPrefix(line, "a=ice-ufrag:"); ok {
			l.theirs[0] = strings.TrimSpace(v)
		}
		if v, ok := strings.CutPrefix(line, "a=ice-pwd:"); ok {
			l.theirs[1] = strings.TrimSpace(v)
		}
	}
	return l, nil
}

// tcpJoin joins as a listener over ICE-TCP.
func (w *world) tcpJoin(t *testing.T, who besedka.ParticipantID) *light {
	t.Helper()
	l, err := w.askLight(media.Down, who, "credential")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(l.server))
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadBuffer(4096)
	l.tcp = conn
	go l.readTCP()
	t.Cleanup(func() {
		_ = conn.Close()
		<-l.done
	})
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := l.join(ctx); err != nil {
		t.Fatal(err)
	}
	w.live(l.session)
	return l
}

// readTCP takes frames of RFC 4571.
func (l *light) readTCP() {
	defer close(l.done)
	for !l.hold.Load() {
		var n [2]byte
		if _, err := io.ReadFull(l.tcp, n[:]); err != nil {
			return
		}
		b := make([]byte, binary.BigEndian.Uint16(n[:]))
		if _, err := io.ReadFull(l.tcp, b); err != nil {
			return
		}
		l.take(b)
	}
}

func (l *light) close() {
	_ = l.conn.Close()
	<-l.done
}

// read takes what the server sends.
func (l *light) read(conn *net.UDPConn, done chan struct{}) {
	defer close(done)
	buf := make([]byte, 2000)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		l.take(append([]byte(nil), buf[:n]...))
	}
}

func (l *light) take(b []byte) {
	switch {
	case b[0] < 4:
		l.stun(b)
	case b[0] < 64:
		select {
		case l.dtls <- b:
		default:
		}
	case b[1] < 192 || b[1] > 223:
		l.got.Add(1)
		l.media(b)
	}
}

func (l *light) stun(b []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch binary.BigEndian.Uint16(b) {
	case 0x0101:
		l.answers++
	case 0x0001: // the server probes: a full agent answers
		if !l.silent {
			r := stunMessage(0x0101, b[8:20], "", false, l.pwd)
			l.send(r)
		}
	}
}

func (l *light) media(b []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.opener == nil {
		return
	}
	plain, index, ok := l.opener.Open(b)
	if !ok {
		return
	}
	if p, ok := fanout.Parse(plain, index, 1); ok && len(p.Payload) >= 5 {
		l.frames = append(l.frames, binary.BigEndian.Uint32(p.Payload[1:]))
	}
}

func (l *light) heard() []uint32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]uint32(nil), l.frames...)
}

// stunMessage is a STUN message with MESSAGE-INTEGRITY and FINGERPRINT.
func stunMessage(kind uint16, id []byte, username string, nominate bool, pwd string) []byte {
	b := binary.BigEndian.AppendUint16(nil, kind)
	b = append(b, 0, 0, 0x21, 0x12, 0xa4, 0x42)
	b = append(b, id...)
	attribute := func(typ uint16, v []byte) {
		b = binary.BigEndian.AppendUint16(b, typ)
		b = binary.BigEndian.AppendUint16(b, uint16(len(v)))
		b = append(b, v...)
		for len(b)%4 != 0 {
			b = append(b, 0)
		}
	}
	length := func(extra int) { binary.BigEndian.PutUint16(b[2:], uint16(len(b)-20+extra)) }
	if username != "" {
		attribute(0x0006, []byte(username))
		attribute(0x0024, []byte{0x6e, 0, 0x1e, 0xff})
	}
	if nominate {
		attribute(0x0025, nil)
	}
	length(24)
	h := hmac.New(sha1.New, []byte(pwd))
	h.Write(b)
	attribute(0x0008, h.Sum(nil))
	length(8)
	attribute(0x8028, binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(b)^0x5354554e))
	return b
}

// check is a fresh connectivity check.
func (l *light) check(nominate bool, pwd string) []byte {
	id := make([]byte, 12)
	_, _ = rand.Read(id)
	return stunMessage(0x0001, id, l.theirs[0]+":"+l.ufrag, nominate, pwd)
}

func (l *light) send(b []byte) {
	if l.tcp != nil {
		_, _ = l.tcp.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...))
		return
	}
	_, _ = l.conn.WriteToUDPAddrPort(b, l.server)
}

// addr is where the client is.
func (l *light) addr() net.Addr {
	if l.tcp != nil {
		return l.tcp.LocalAddr()
	}
	return l.conn.LocalAddr()
}

// lightConn is what pion/dtls sees.
type lightConn struct {
	l   *light
	off chan struct{}
	one sync.Once
}

func (c *lightConn) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case d := <-c.l.dtls:
		return copy(b, d), c.l.addr(), nil
	case <-c.off:
		return 0, nil, net.ErrClosed
	}
}
func (c *lightConn) WriteTo(b []byte, _ net.Addr) (int, error) { c.l.send(b); return len(b), nil }
func (c *lightConn) Close() error                              { c.one.Do(func() { close(c.off) }); return nil }
func (c *lightConn) LocalAddr() net.Addr                       { return c.l.addr() }
func (c *lightConn) SetDeadline(t time.Time) error             { return c.SetReadDeadline(t) }
func (c *lightConn) SetWriteDeadline(time.Time) error          { return nil }
func (c *lightConn) SetReadDeadline(t time.Time) error {
	if !t.IsZero() && !t.After(time.Now()) {
		return c.Close()
	}
	return nil
}

// join checks, nominates and shakes hands.
func (l *light) join(ctx context.Context) error {
	l.send(l.check(true, l.theirs[1]))
	return l.shake(ctx)
}

// shake is the handshake.
func (l *light) shake(ctx context.Context) error {
	c := &lightConn{l: l, off: make(chan struct{})}
	defer func() { _ = c.Close() }()
	conn, err := dtls.ClientWithOptions(c, net.UDPAddrFromAddrPort(l.server),
		dtls.WithCertificates(l.cert),
		dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM),
		dtls.WithExtendedMasterSecret(dtls.RequireExtendedMasterSecret),
		dtls.WithInsecureSkipVerify(true),
		dtls.WithFlightInterval(50*time.Millisecond))
	if err != nil {
		return err
	}
	if err := conn.HandshakeContext(ctx); err != nil {
		return err
	}
	state, ok := conn.ConnectionState()
	if !ok {
		return errors.New("no state")
	}
	material, err := state.ExportKeyingMaterial("EXTRACTOR-dtls_srtp", nil, 56)
	if err != nil {
		return err
	}
	ours, theirs, err := fanout.SplitKeys(fanout.AES128GCM, material)
	if err != nil {
		return err
	}
	if l.out, err = srtp.CreateContext(ours.Key[:], ours.Salt[:12], srtp.ProtectionProfileAeadAes128Gcm); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.opener = fanout.NewOpener(theirs)
	return nil
}

// say sends frame n as packet seq.
func (l *light) say(seq uint16, n uint32) {
	b := make([]byte, 50)
	b[0] = 15 << 3
	binary.BigEndian.PutUint32(b[1:], n)
	h := rtp.Header{Version: 2, PayloadType: 111, SequenceNumber: seq, Timestamp: n * 960, SSRC: 4711}
	_ = h.SetExtension(1, []byte{30})
	raw, err := (&rtp.Packet{Header: h, Payload: b}).Marshal()
	if err == nil {
		raw, err = l.out.EncryptRTP(nil, raw, nil)
	}
	if err != nil {
		panic(err)
	}
	l.send(raw)
}

// lightJoin is newLight and join.
func (w *world) lightJoin(t *testing.T, dir media.Direction, who besedka.ParticipantID) *light {
	t.Helper()
	l, err := w.newLight(dir, who, "credential")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := l.join(ctx); err != nil {
		t.Fatal(err)
	}
	w.live(l.session)
	return l
}
