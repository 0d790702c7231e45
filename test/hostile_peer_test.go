package test

import (
	"bufio"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/crypto/selfsign"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
	"github.com/pion/stun/v4"
)

const (
	opusType  = 111
	levelSlot = 1 // of the RFC 6464 header extension
)

// rogue is a client that keeps its socket, its consent and its keys whatever the server
// says, and sends whatever it is told to. Its packets are made here, so that they
// can be wrong in any way; the handshake is pion's.
type rogue struct {
	who          *person
	room         string
	ufrag, pwd   string
	theirs       remoteICE
	cert         tls.Certificate
	forged       [][]byte
	path         string // of the session
	etag         string
	answer       string
	server       *net.UDPAddr
	conn         *net.UDPConn
	dtls         chan []byte
	stop         chan struct{}
	done         sync.WaitGroup
	once         sync.Once
	keysOf       sync.Mutex // guards what follows
	in           *srtp.Context
	out          *sealer
	control      *srtp.Context
	mu           sync.Mutex // guards what follows
	arrivals     []arrival
	checks       int // success responses to our checks
	records      int // DTLS records
	probed       int // checks of the server's own
	handshakeMsg [][]byte
}

type remoteICE struct{ ufrag, pwd string }

// arrival is one SRTP packet that came, whether or not it could be opened.
type arrival struct {
	at     time.Time
	csrc   uint32
	opened bool
	marks  []mark
	ssrc   uint32
	seq    uint16
}

// mark is what a frame of ours carries: whose it is, and which.
type mark struct{ speaker, number uint32 }

var markMagic = []byte("\xf1mark\xf2:")

// markedFrame is an Opus packet of one 20 ms frame (RFC 6716 §3.1) with a mark in it.
func markedFrame(m mark) []byte {
	b := append([]byte{15 << 3}, markMagic...)
	b = binary.BigEndian.AppendUint32(b, m.speaker)
	b = binary.BigEndian.AppendUint32(b, m.number)
	return append(b, make([]byte, 60)...)
}

// marksIn finds the marks of a payload, however many frames it has.
func marksIn(payload []byte) (found []mark) {
	for rest := string(payload); ; {
		_, after, ok := strings.Cut(rest, string(markMagic))
		if !ok || len(after) < 8 {
			return found
		}
		found = append(found, mark{binary.BigEndian.Uint32([]byte(after)), binary.BigEndian.Uint32([]byte(after[4:]))})
		rest = after[8:]
	}
}

// ways are what a rogue does differently from the start.
type ways struct {
	direction string          // "whip" or "whep"
	offered   tls.Certificate // if it is not the one that it shows
	noShake   bool            // ICE only
	offer     func(string) string
	forged    [][]byte // what somebody sends with his address before each record of his own
}

var sharedCertificate = sync.OnceValue(newCertificate)

func newCertificate() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	cert, err := selfsign.SelfSign(key)
	if err != nil {
		panic(err)
	}
	return cert
}

// rogueOffer is an offer with as many m-lines of the direction.
func rogueOffer(ufrag, pwd string, cert tls.Certificate, direction string, lines int) string {
	sum := sha256.Sum256(cert.Certificate[0])
	fingerprint := strings.ToUpper(hex.EncodeToString(sum[:]))
	for i := 2; i < len(fingerprint); i += 3 {
		fingerprint = fingerprint[:i] + ":" + fingerprint[i:]
	}
	mids := strings.Fields("0 1 2")[:lines]
	var b strings.Builder
	fmt.Fprintf(&b, "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE %s\r\n", strings.Join(mids, " "))
	for _, mid := range mids {
		fmt.Fprintf(&b, "m=audio 9 UDP/TLS/RTP/SAVPF %d\r\nc=IN IP4 0.0.0.0\r\na=mid:%s\r\na=ice-ufrag:%s\r\na=ice-pwd:%s\r\n"+
			"a=fingerprint:sha-256 %s\r\na=setup:active\r\na=rtcp-mux\r\na=%s\r\na=rtpmap:%d opus/48000/2\r\na=extmap:%d %s\r\n",
			opusType, mid, ufrag, pwd, fingerprint, direction, opusType, levelSlot, levelURI)
	}
	return b.String()
}

// secret is random text of ice-char.
func secret(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return base32.StdEncoding.EncodeToString(b)[:n]
}

// rogue connects one that must succeed; it is closed with the test.
func (p *person) rogue(room, direction string) *rogue {
	p.t.Helper()
	r, a, err := p.tryRogue(room, ways{direction: direction})
	if err != nil {
		p.t.Fatalf("%s: %s: %v", p.name, a, err)
	}
	return r
}

// tryRogue connects one. It is returned as soon as it has a session, also with an error.
func (p *person) tryRogue(room string, how ways) (*rogue, answer, error) {
	r, a, err := p.ask(room, how)
	if err != nil {
		return nil, a, err
	}
	if how.noShake {
		return r, a, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), joinTime)
	defer cancel()
	return r, a, r.shake(ctx)
}

// ask makes a session and begins to check; the handshake is still to come.
func (p *person) ask(room string, how ways) (*rogue, answer, error) {
	r := &rogue{who: p, room: room, ufrag: secret(6), pwd: secret(24), cert: sharedCertificate(), forged: how.forged, dtls: make(chan []byte, 64), stop: make(chan struct{})}
	offered, direction, lines := r.cert, "recvonly", 3
	if len(how.offered.Certificate) > 0 {
		offered = how.offered
	}
	if how.direction == "whip" {
		direction, lines = "sendonly", 1
	}
	offer := rogueOffer(r.ufrag, r.pwd, offered, direction, lines)
	if how.offer != nil {
		offer = how.offer(offer)
	}
	a, err := p.try(http.MethodPost, "/rooms/"+room+"/"+how.direction, raw{"application/sdp", []byte(offer)})
	if err != nil {
		return nil, a, err
	}
	if a.status != http.StatusCreated {
		return nil, a, errors.New("no session")
	}
	r.path, r.etag, r.answer = a.header.Get("Location"), a.header.Get("ETag"), string(a.body)
	r.theirs = remoteICE{attributeOf(r.answer, "ice-ufrag"), attributeOf(r.answer, "ice-pwd")}
	if r.server, err = net.ResolveUDPAddr("udp4", p.server.media); err != nil {
		return nil, a, err
	}
	if r.conn, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}); err != nil {
		return nil, a, err
	}
	_ = r.conn.SetReadBuffer(1 << 20)
	r.done.Go(r.read)
	r.send(r.check(true))
	r.done.Go(r.consent)
	p.t.Cleanup(r.close)
	return r, a, nil
}

// attributeOf is the first value of an attribute in SDP.
func attributeOf(sdp, name string) string {
	_, after, _ := strings.Cut(sdp, "\na="+name+":")
	value, _, _ := strings.Cut(after, "\r\n")
	return value
}

func (r *rogue) close() {
	r.once.Do(func() { close(r.stop); _ = r.conn.Close() })
	r.done.Wait()
}

// send sends a datagram from the rogue's address.
func (r *rogue) send(b []byte) { _, _ = r.conn.WriteToUDP(b, r.server) }

// stray is another socket to the server: another 5-tuple.
func (r *rogue) stray() *net.UDPConn {
	c, err := net.DialUDP("udp4", nil, r.server)
	if err != nil {
		r.who.t.Fatal(err)
	}
	r.who.t.Cleanup(func() { _ = c.Close() })
	return c
}

// consent checks for as long as the rogue lives, whoever has ended the session.
func (r *rogue) consent() {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-r.stop:
			return
		case <-tick.C:
		}
		r.mu.Lock()
		known := r.checks > 0
		r.mu.Unlock()
		if !known || n%5 == 0 {
			r.send(r.check(true))
		}
	}
}

// check is a fresh connectivity check (RFC 8445 §7.2.2).
func (r *rogue) check(nominate bool) []byte { return checkAs(r.theirs, r.ufrag, nominate) }

func checkAs(theirs remoteICE, ufrag string, nominate bool) []byte {
	parts := []stun.Setter{
		stun.TransactionID, stun.BindingRequest, stun.NewUsername(theirs.ufrag + ":" + ufrag),
		stun.RawAttribute{Type: stun.AttrPriority, Value: []byte{0x6e, 0, 0x1e, 0xff}},
		stun.RawAttribute{Type: stun.AttrICEControlling, Value: make([]byte, 8)},
	}
	if nominate {
		parts = append(parts, stun.RawAttribute{Type: stun.AttrUseCandidate})
	}
	m, err := stun.Build(append(parts, stun.NewShortTermIntegrity(theirs.pwd), stun.Fingerprint)...)
	if err != nil {
		panic(err)
	}
	return m.Raw
}

// read takes what comes until the socket is closed.
func (r *rogue) read() {
	buf := make([]byte, 4096)
	for {
		n, _, err := r.conn.ReadFromUDP(buf)
		if err != nil {
			return
		}
		b := append([]byte(nil), buf[:n]...)
		switch { // RFC 7983 §7
		case n < 2:
		case b[0] <= 3:
			r.takeSTUN(b)
		case b[0] >= 20 && b[0] <= 63:
			r.mu.Lock()
			r.records++
			r.mu.Unlock()
			select {
			case r.dtls <- b:
			default:
			}
		case b[0] >= 128 && (b[1] < 192 || b[1] > 223):
			r.takeRTP(b)
		}
	}
}

func (r *rogue) takeSTUN(b []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := stun.Message{Raw: b}
	if m.Decode() != nil {
		return
	}
	switch m.Type {
	case stun.BindingSuccess:
		r.checks++
	case stun.BindingRequest:
		r.probed++
		if ok, err := stun.Build(stun.NewTransactionIDSetter(m.TransactionID), stun.BindingSuccess, stun.NewShortTermIntegrity(r.pwd), stun.Fingerprint); err == nil {
			r.send(ok.Raw)
		}
	}
}

func (r *rogue) takeRTP(b []byte) {
	got := arrival{at: time.Now()}
	var h rtp.Header
	if n, err := h.Unmarshal(b); err == nil {
		got.ssrc, got.seq = h.SSRC, h.SequenceNumber
		if len(h.CSRC) > 0 {
			got.csrc = h.CSRC[0]
		}
		r.keysOf.Lock()
		if r.in != nil {
			if plain, err := r.in.DecryptRTP(nil, b, &h); err == nil {
				got.opened, got.marks = true, marksIn(plain[n:])
			}
		}
		r.keysOf.Unlock()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.arrivals = append(r.arrivals, got)
}

// came counts the SRTP packets in [from, to), opened or not.
func (r *rogue) came(from, to time.Time) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.arrivals {
		if !a.at.Before(from) && a.at.Before(to) {
			n++
		}
	}
	return n
}

// lastCame is when the last SRTP packet came.
func (r *rogue) lastCame() time.Time { return r.latest().at }

// heard are the numbers of a speaker's frames that were opened, and how often each.
func (r *rogue) heard(speaker uint32, from, to time.Time) map[uint32]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	numbers := map[uint32]int{}
	for _, a := range r.arrivals {
		if a.at.Before(from) || !a.at.Before(to) {
			continue
		}
		for _, m := range a.marks {
			if m.speaker == speaker {
				numbers[m.number]++
			}
		}
	}
	return numbers
}

// hears says whether that frame was heard.
func (r *rogue) hears(m mark) bool {
	return r.heard(m.speaker, time.Time{}, time.Now().Add(time.Hour))[m.number] > 0
}

// gap is the longest time without an SRTP packet in [from, to).
func (r *rogue) gap(from, to time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	longest, last := time.Duration(0), from
	for _, a := range r.arrivals {
		if !a.at.Before(from) && a.at.Before(to) {
			longest, last = max(longest, a.at.Sub(last)), a.at
		}
	}
	return max(longest, to.Sub(last))
}

// counts are the STUN answers, DTLS records and checks of the server's own so far.
func (r *rogue) counts() (checks, records, probed int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.checks, r.records, r.probed
}

// shake runs the handshake and takes the keys (RFC 5764 §4.2).
func (r *rogue) shake(ctx context.Context) error {
	c := &handshakeConn{rogue: r, off: make(chan struct{})}
	defer func() { _ = c.Close() }()
	conn, err := dtls.ClientWithOptions(c, r.server,
		dtls.WithCertificates(r.cert), dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM),
		dtls.WithExtendedMasterSecret(dtls.RequireExtendedMasterSecret),
		dtls.WithInsecureSkipVerify(true), dtls.WithFlightInterval(100*time.Millisecond))
	if err != nil {
		return err
	}
	if err := conn.HandshakeContext(ctx); err != nil {
		return err
	}
	state, ok := conn.ConnectionState()
	if !ok {
		return errors.New("no state after the handshake")
	}
	cfg := srtp.Config{Profile: srtp.ProtectionProfileAeadAes128Gcm}
	if err := cfg.ExtractSessionKeysFromDTLS(&state, true); err != nil {
		return err
	}
	in, e1 := srtp.CreateContext(cfg.Keys.RemoteMasterKey, cfg.Keys.RemoteMasterSalt, cfg.Profile)
	control, e2 := srtp.CreateContext(cfg.Keys.LocalMasterKey, cfg.Keys.LocalMasterSalt, cfg.Profile)
	out, e3 := newSealer(cfg.Keys.LocalMasterKey, cfg.Keys.LocalMasterSalt)
	r.keysOf.Lock()
	defer r.keysOf.Unlock()
	r.in, r.control, r.out = in, control, out
	return errors.Join(e1, e2, e3)
}

// handshakeConn is what pion/dtls sees. After Close nothing goes out, above all no close_notify.
type handshakeConn struct {
	rogue *rogue
	off   chan struct{}
	once  sync.Once
}

// ReadFrom implements net.PacketConn.
func (c *handshakeConn) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case d := <-c.rogue.dtls:
		return copy(b, d), c.rogue.server, nil
	case <-c.off:
		return 0, nil, net.ErrClosed
	}
}

// WriteTo implements net.PacketConn.
func (c *handshakeConn) WriteTo(b []byte, _ net.Addr) (int, error) {
	select {
	case <-c.off:
	default:
		c.rogue.mu.Lock()
		c.rogue.handshakeMsg = append(c.rogue.handshakeMsg, append([]byte(nil), b...))
		c.rogue.mu.Unlock()
		for _, f := range c.rogue.forged {
			c.rogue.send(f)
		}
		c.rogue.send(b)
	}
	return len(b), nil
}

// Close implements net.PacketConn.
func (c *handshakeConn) Close() error { c.once.Do(func() { close(c.off) }); return nil }

// LocalAddr implements net.PacketConn.
func (c *handshakeConn) LocalAddr() net.Addr { return c.rogue.conn.LocalAddr() }

// SetDeadline implements net.PacketConn.
func (c *handshakeConn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// SetWriteDeadline implements net.PacketConn.
func (c *handshakeConn) SetWriteDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.PacketConn; one in the past ends reading for good.
func (c *handshakeConn) SetReadDeadline(t time.Time) error {
	if !t.IsZero() && !t.After(time.Now()) {
		return c.Close()
	}
	return nil
}

// sealer seals SRTP under AEAD_AES_128_GCM (RFC 7714 §8) without looking at what it seals.
type sealer struct {
	aead cipher.AEAD
	salt [12]byte
}

func newSealer(key, salt []byte) (*sealer, error) {
	master, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	derive := func(label byte, n int) []byte { // RFC 3711 §4.3
		var iv [16]byte
		copy(iv[:14], salt)
		iv[7] ^= label
		out := make([]byte, n)
		cipher.NewCTR(master, iv[:]).XORKeyStream(out, out)
		return out
	}
	block, err := aes.NewCipher(derive(0, 16))
	if err != nil {
		return nil, err
	}
	s := &sealer{}
	copy(s.salt[:], derive(2, 12))
	s.aead, err = cipher.NewGCM(block)
	return s, err
}

// seal protects a packet whose header is as long as it is said to be.
func (s *sealer) seal(header, payload []byte, rollover uint32) []byte {
	var iv [12]byte
	copy(iv[2:6], header[8:12])
	binary.BigEndian.PutUint32(iv[6:], rollover)
	copy(iv[10:], header[2:4])
	for i := range iv {
		iv[i] ^= s.salt[i]
	}
	return s.aead.Seal(append([]byte(nil), header...), iv[:], payload, header)
}

// sealed is a packet of RTP that is as it should be, but for what change does to its header.
func (r *rogue) sealed(seq uint16, m mark, change func(*rtp.Header)) []byte {
	h := rtp.Header{Version: 2, PayloadType: opusType, SequenceNumber: seq, Timestamp: m.number * 960, SSRC: 0x1000 + m.speaker}
	_ = h.SetExtension(levelSlot, []byte{0x80 | 25})
	if change != nil {
		change(&h)
	}
	header, err := h.Marshal()
	if err != nil {
		panic(err)
	}
	return r.sealRaw(header, markedFrame(m), 0)
}

// sealRaw seals any bytes as a packet.
func (r *rogue) sealRaw(header, payload []byte, rollover uint32) []byte {
	r.keysOf.Lock()
	defer r.keysOf.Unlock()
	return r.out.seal(header, payload, rollover)
}

// sendControl sends RTCP, sealed as it is.
func (r *rogue) sendControl(packet []byte) {
	r.keysOf.Lock()
	b, err := r.control.EncryptRTCP(nil, packet, nil)
	r.keysOf.Unlock()
	if err == nil {
		r.send(b)
	}
}

// nackAll asks for as many packets as a NACK can name, the last of them this one.
func nackAll(ssrc uint32, last uint16) []byte {
	n := &rtcp.TransportLayerNack{SenderSSRC: 1, MediaSSRC: ssrc}
	for i := range 250 {
		n.Nacks = append(n.Nacks, rtcp.NackPair{PacketID: last - 16 - uint16(i*17), LostPackets: 0xffff})
	}
	b, err := n.Marshal()
	if err != nil {
		panic(err)
	}
	return b
}

// latest is the last packet that came.
func (r *rogue) latest() arrival {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.arrivals) == 0 {
		return arrival{}
	}
	return r.arrivals[len(r.arrivals)-1]
}

// talk sends a frame each 20 ms until the rogue is closed or the function that it returns is called.
func (r *rogue) talk(speaker uint32) (hush func()) {
	stop := make(chan struct{})
	var once sync.Once
	var ended sync.WaitGroup
	hush = func() { once.Do(func() { close(stop) }); ended.Wait() }
	ended.Go(func() {
		tick := time.NewTicker(frameTime / 4)
		defer tick.Stop()
		begin, n := time.Now(), uint32(0)
		for {
			select {
			case <-stop:
				return
			case <-r.stop:
				return
			case <-tick.C:
			}
			for ; n <= uint32(time.Since(begin)/frameTime); n++ {
				r.send(r.sealed(uint16(n), mark{speaker, n}, nil))
			}
		}
	})
	r.who.t.Cleanup(hush)
	return hush
}

// untilPackets waits for SRTP that came after now.
func (r *rogue) untilPackets() {
	r.who.t.Helper()
	from := time.Now()
	within(r.who.t, joinTime, r.who.name+" gets packets", func() bool { return r.came(from, time.Now().Add(time.Hour)) > 0 })
}

// metric reads one figure that the server shows its operator.
func (s *server) metric(t *testing.T, name string) float64 {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, "http://"+s.metrics+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", "identity") // compression would cost the server more than what is measured
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			f, err := strconv.ParseFloat(value, 64)
			if err != nil {
				t.Fatal(err)
			}
			return f
		}
	}
	t.Fatalf("no figure %s", name)
	return 0
}

// unharmed checks that the server has met no fault of its own.
func (s *server) unharmed(t *testing.T) {
	t.Helper()
	if n := s.metric(t, "besedka_media_panics_total"); n != 0 {
		t.Errorf("%v panics in media sessions", n)
	}
	if strings.Contains(s.output.String(), "panic") {
		t.Error("the server's output tells of a panic")
	}
}
