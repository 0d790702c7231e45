package turn

import (
	"bufio"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/pion/stun/v4"

	"besedka"
)

const (
	roomA = besedka.RoomID("room-a")
	anna  = besedka.ParticipantID("anna")
	boris = besedka.ParticipantID("boris")
	home  = besedka.CredentialID("home")
	phone = besedka.CredentialID("phone")
)

// advertised is what clients are told: an address that is nobody's here, so that
// the tests see that nothing but the media socket is reached by it.
var advertised = netip.MustParseAddr("192.0.2.7")

// clock is turned by the tests.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) turn(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// world is a server, a media socket that sends back what it gets, and a listener.
type world struct {
	t      *testing.T
	server *Server
	media  netip.AddrPort
	told   netip.AddrPort
	listen net.Listener
	clock  *clock

	mu  sync.Mutex
	got [][]byte // by the media socket
}

func newWorld(t *testing.T, change ...func(*Config)) *world {
	t.Helper()
	w := &world{t: t, clock: &clock{now: time.Now()}}
	socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	w.media = socket.LocalAddr().(*net.UDPAddr).AddrPort()
	w.told = netip.AddrPortFrom(advertised, w.media.Port())
	cfg := Config{Media: w.media, Advertise: []netip.Addr{advertised}, Now: w.clock.Now}
	for _, f := range change {
		f(&cfg)
	}
	if w.server, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	if w.listen, err = net.Listen("tcp4", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	var parts sync.WaitGroup
	parts.Go(func() { w.echo(socket) })
	parts.Go(func() {
		if err := w.server.Serve(w.listen); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		_ = w.server.Close()
		_ = socket.Close()
		parts.Wait()
	})
	w.server.Grant(roomA, anna)
	return w
}

func (w *world) echo(socket *net.UDPConn) {
	b := make([]byte, 2048)
	for {
		n, from, err := socket.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		w.mu.Lock()
		w.got = append(w.got, append([]byte(nil), b[:n]...))
		w.mu.Unlock()
		_, _ = socket.WriteToUDPAddrPort(b[:n], from)
	}
}

func (w *world) reached() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.got)
}

func (w *world) credentials(who besedka.ParticipantID, with besedka.CredentialID) Credentials {
	w.t.Helper()
	c, err := w.server.Credentials(roomA, who, with)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// client is a TURN client that says exactly what it is told to.
type client struct {
	t     *testing.T
	conn  net.Conn
	r     *bufio.Reader
	with  Credentials
	nonce string
}

func (w *world) client(with Credentials) *client {
	w.t.Helper()
	conn, err := net.Dial("tcp4", w.listen.Addr().String())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = conn.Close() })
	return &client{t: w.t, conn: conn, r: bufio.NewReader(conn), with: with}
}

// allocated is a client with an allocation.
func (w *world) allocated(who besedka.ParticipantID, with besedka.CredentialID) *client {
	w.t.Helper()
	c := w.client(w.credentials(who, with))
	c.must(stun.MethodAllocate, udpTransport)
	return c
}

var udpTransport = stun.RawAttribute{Type: stun.AttrRequestedTransport, Value: []byte{17, 0, 0, 0}}

// ask sends a signed request and gives the answer; code 0 is success.
func (c *client) ask(method stun.Method, attributes ...stun.Setter) (*stun.Message, stun.ErrorCode) {
	c.t.Helper()
	if c.nonce == "" {
		m, _ := c.bare(stun.NewType(stun.MethodAllocate, stun.ClassRequest), udpTransport)
		var nonce stun.Nonce
		if err := nonce.GetFrom(m); err != nil {
			c.t.Fatal(err)
		}
		c.nonce = string(nonce)
	}
	all := append(attributes, stun.NewUsername(c.with.Username), stun.NewRealm(Realm), stun.NewNonce(c.nonce),
		stun.NewLongTermIntegrity(c.with.Username, Realm, c.with.Password), stun.Fingerprint)
	return c.bare(stun.NewType(method, stun.ClassRequest), all...)
}

func (c *client) must(method stun.Method, attributes ...stun.Setter) *stun.Message {
	c.t.Helper()
	m, code := c.ask(method, attributes...)
	if code != 0 {
		c.t.Fatalf("%s: %d", method, code)
	}
	return m
}

func (c *client) refused(want stun.ErrorCode, method stun.Method, attributes ...stun.Setter) {
	c.t.Helper()
	if _, code := c.ask(method, attributes...); code != want {
		c.t.Errorf("%s: %d, want %d", method, code, want)
	}
}

// bare sends a message as it is and reads one answer.
func (c *client) bare(kind stun.MessageType, attributes ...stun.Setter) (*stun.Message, stun.ErrorCode) {
	c.t.Helper()
	m := stun.MustBuild(append([]stun.Setter{stun.TransactionID, kind}, attributes...)...)
	if _, err := c.conn.Write(m.Raw); err != nil {
		c.t.Fatal(err)
	}
	answer := &stun.Message{Raw: c.read()}
	if err := answer.Decode(); err != nil || answer.TransactionID != m.TransactionID {
		c.t.Fatalf("answer %v: %v", answer, err)
	}
	var code stun.ErrorCodeAttribute
	if answer.Type.Class == stun.ClassErrorResponse {
		if err := code.GetFrom(answer); err != nil {
			c.t.Fatal(err)
		}
	}
	return answer, code.Code
}

// read reads one frame.
func (c *client) read() []byte {
	c.t.Helper()
	_ = c.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	buf := make([]byte, maxFrame)
	frame, err := readFrame(c.r, buf)
	if err != nil {
		c.t.Fatalf("no frame: %v", err)
	}
	return frame
}

// isCut says that the server has closed the connection.
func (c *client) isCut() bool {
	_ = c.conn.SetReadDeadline(time.Now().Add(time.Second))
	for {
		if _, err := c.r.ReadByte(); err != nil {
			var slow net.Error
			return !errors.As(err, &slow) || !slow.Timeout()
		}
	}
}

func (c *client) write(b []byte) {
	c.t.Helper()
	if _, err := c.conn.Write(b); err != nil {
		c.t.Fatal(err)
	}
}

// peerAttribute is an XOR-PEER-ADDRESS with the address as it is: one of IPv4 in
// the clothes of IPv6 stays so.
type peerAttribute netip.AddrPort

// AddTo implements stun.Setter (RFC 8489 section 14.2).
func (p peerAttribute) AddTo(m *stun.Message) error {
	a := netip.AddrPort(p)
	key := append([]byte{0x21, 0x12, 0xa4, 0x42}, m.TransactionID[:]...)
	value := []byte{0, familyIPv4, byte(a.Port()>>8) ^ key[0], byte(a.Port()) ^ key[1]}
	if !a.Addr().Is4() {
		value[1] = familyIPv6
	}
	for i, b := range a.Addr().AsSlice() {
		value = append(value, b^key[i])
	}
	m.Add(stun.AttrXORPeerAddress, value)
	return nil
}

func channelAttribute(n uint16) stun.RawAttribute {
	return stun.RawAttribute{Type: stun.AttrChannelNumber, Value: []byte{byte(n >> 8), byte(n), 0, 0}}
}

func channelFrame(n uint16, packet []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, n)
	b = binary.BigEndian.AppendUint16(b, uint16(len(packet)))
	b = append(b, packet...)
	return append(b, make([]byte, padded(len(packet))-len(packet))...)
}

func sendIndication(to netip.AddrPort, packet []byte) []byte {
	return stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodSend, stun.ClassIndication), peerAttribute(to),
		stun.RawAttribute{Type: stun.AttrData, Value: packet}).Raw
}
