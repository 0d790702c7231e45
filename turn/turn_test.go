package turn

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"regexp"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/stun/v4"
	pion "github.com/pion/turn/v5"

	"besedka"
)

func TestPacketsGoToTheMediaSocketAndBack(t *testing.T) {
	w := newWorld(t)
	c := w.allocated(anna, home)
	// Without permission nothing passes.
	c.write(sendIndication(w.told, []byte("early")))
	c.must(stun.MethodCreatePermission, peerAttribute(w.told))
	c.write(sendIndication(w.told, []byte("by indication")))
	m := &stun.Message{Raw: c.read()}
	if err := m.Decode(); err != nil {
		t.Fatal(err)
	}
	data, _ := m.Get(stun.AttrData)
	if from, _ := peerAddress(m); string(data) != "by indication" || from != w.told {
		t.Errorf("%q from %s", data, from)
	}
	c.must(stun.MethodChannelBind, channelAttribute(0x4001), peerAttribute(w.told))
	c.write(channelFrame(0x4002, []byte("another channel")))
	for _, text := range []string{"by channel", "x", ""} {
		c.write(channelFrame(0x4001, []byte(text)))
		if got := c.read(); !bytes.Equal(got, channelFrame(0x4001, []byte(text))) {
			t.Errorf("%q came back as %q", text, got)
		}
	}
	if n := w.reached(); n != 4 {
		t.Errorf("the media socket got %d packets, want 4", n)
	}
	c.must(stun.MethodRefresh, lifetime(0))
	c.refused(stun.CodeAllocMismatch, stun.MethodCreatePermission, peerAttribute(w.told))
}

func TestAStockClientIsServed(t *testing.T) {
	w := newWorld(t)
	with := w.credentials(anna, home)
	conn, err := net.Dial("tcp4", w.listen.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c, err := pion.NewClient(&pion.ClientConfig{
		STUNServerAddr: w.listen.Addr().String(), TURNServerAddr: w.listen.Addr().String(),
		Username: with.Username, Password: with.Password, Realm: Realm, Conn: pion.NewSTUNConn(conn),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	defer c.Close()
	if err := c.Listen(); err != nil {
		t.Fatal(err)
	}
	relay, err := c.Allocate()
	if err != nil {
		t.Fatal(err)
	}
	defer relay.Close()
	for i := range 20 {
		text := fmt.Sprint("packet ", i)
		if _, err := relay.WriteTo([]byte(text), net.UDPAddrFromAddrPort(w.told)); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 100)
		_ = relay.SetReadDeadline(time.Now().Add(5 * time.Second))
		n, from, err := relay.ReadFrom(b)
		if err != nil || string(b[:n]) != text || from.String() != w.told.String() {
			t.Fatalf("%q from %v: %v", b[:n], from, err)
		}
	}
	if _, err := relay.WriteTo([]byte("x"), &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 22}); err == nil {
		t.Error("the client was let to another address")
	}
}

// elsewhere is where nobody must get by way of the relay (RFC 6890 and our own ports).
func elsewhere(media netip.AddrPort) []netip.AddrPort {
	port := media.Port()
	var list []netip.AddrPort
	for _, a := range []string{
		"0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1",
		"192.0.0.8", "192.0.0.170", "192.0.2.1", "192.0.2.8", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1",
		"224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "8.8.8.8",
		"::", "::1", "::ffff:127.0.0.1", "::ffff:192.0.2.7", "::ffff:10.0.0.1", "::ffff:0.0.0.0", "::127.0.0.1", "::ffff:0:127.0.0.1",
		"64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b:1::7f00:1", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::1", "2002:c000:207::1",
		"fc00::1", "fd12:3456::1", "fe80::1", "fec0::1", "ff02::1", "2606:4700::1",
	} {
		list = append(list, netip.AddrPortFrom(netip.MustParseAddr(a), port))
	}
	return list
}

func TestEveryOtherPeerIsRefused(t *testing.T) {
	w := newWorld(t)
	c := w.allocated(anna, home)
	c.must(stun.MethodCreatePermission, peerAttribute(w.told)) // the positive control
	for _, to := range elsewhere(w.media) {
		c.failuresForgiven(w)
		c.refused(stun.CodeForbidden, stun.MethodCreatePermission, peerAttribute(to))
		c.refused(stun.CodeForbidden, stun.MethodCreatePermission, peerAttribute(w.told), peerAttribute(to))
		c.refused(stun.CodeForbidden, stun.MethodChannelBind, channelAttribute(0x4005), peerAttribute(to))
		c.write(sendIndication(to, []byte("to "+to.String())))
	}
	// Our own other ports: those of the media socket's address are not permitted to be sent to.
	for _, port := range []uint16{0, 1, 22, 53, 80, 443, 8080, w.media.Port() - 1, w.media.Port() + 1} {
		c.failuresForgiven(w)
		to := netip.AddrPortFrom(advertised, port)
		c.refused(stun.CodeForbidden, stun.MethodChannelBind, channelAttribute(0x4005), peerAttribute(to))
		c.write(sendIndication(to, []byte("to "+to.String())))
	}
	c.write(channelFrame(0x4005, []byte("by a channel that was refused")))
	c.write(sendIndication(w.told, []byte("to media")))
	c.read()
	if w.reached() != 1 || string(w.got[0]) != "to media" {
		t.Errorf("the media socket got %q", w.got)
	}
	if s := w.server.Stats(); s.PeerRefused < int64(4*len(elsewhere(w.media))) {
		t.Errorf("%+v", s)
	}
}

// failuresForgiven lets a test be refused more often than a client may.
func (c *client) failuresForgiven(w *world) {
	c.must(stun.MethodRefresh) // the connection's goroutine is now between two frames
	w.server.mu.Lock()
	defer w.server.mu.Unlock()
	for x := range w.server.conns {
		x.failures = 0
	}
}

func TestWhoIsRevokedIsCutAtOnceAndOpensNothing(t *testing.T) {
	for name, revoke := range map[string]func(*Server){
		"removal":            func(s *Server) { s.Revoke(roomA, anna) },
		"end of the room":    func(s *Server) { s.EndRoom(roomA) },
		"signing out":        func(s *Server) { s.CloseCredential(home) },
		"another device":     func(s *Server) { s.CloseOthers(roomA, anna, phone) },
		"leaving and coming": func(s *Server) { s.Revoke(roomA, anna); s.Grant(roomA, anna) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.server.Grant(roomA, boris)
			w.server.Grant("room-b", boris)
			c, other := w.allocated(anna, home), w.client(mustCredentials(t, w.server, "room-b", boris, "boris's"))
			other.must(stun.MethodAllocate, udpTransport)
			old := c.with
			c.must(stun.MethodCreatePermission, peerAttribute(w.told))
			began := time.Now()
			revoke(w.server)
			if !c.isCut() || time.Since(began) > time.Second {
				t.Errorf("not cut after %s", time.Since(began))
			}
			w.client(old).refused(stun.CodeUnauthorized, stun.MethodAllocate, udpTransport)
			other.must(stun.MethodRefresh) // somebody else notices nothing
			if _, err := w.server.Credentials(roomA, anna, home); (err == nil) != (name == "leaving and coming") {
				t.Errorf("asking for new credentials: %v", err)
			}
		})
	}
}

func mustCredentials(t *testing.T, s *Server, room besedka.RoomID, who besedka.ParticipantID, with besedka.CredentialID) Credentials {
	t.Helper()
	c, err := s.Credentials(room, who, with)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestACredentialIsOfOnePersonAndOneServer(t *testing.T) {
	w := newWorld(t)
	w.server.Grant(roomA, boris)
	a, b := w.credentials(anna, home), w.credentials(boris, "boris's")
	elsewhere := newWorld(t).credentials(anna, home)
	for name, with := range map[string]Credentials{
		"the password of another": {Username: a.Username, Password: b.Password},
		"of another server":       elsewhere,
		"an empty password":       {Username: a.Username},
		"no username":             {Password: a.Password},
		"a username of letters":   {Username: "anna", Password: a.Password},
		"a later expiry":          {Username: "B" + a.Username[1:], Password: a.Password},
	} {
		c := w.client(with)
		if _, code := c.ask(stun.MethodAllocate, udpTransport); code != stun.CodeUnauthorized {
			t.Errorf("%s: %d", name, code)
		}
	}
	// The allocation of one is not the other's to govern, even over the same connection.
	c := w.allocated(anna, home)
	c.with = b
	c.refused(stun.CodeWrongCredentials, stun.MethodRefresh, lifetime(0))
	if _, err := w.server.Credentials(roomA, "clara", "clara's"); err == nil {
		t.Error("credentials for somebody without a seat")
	}
}

func TestCredentialsExpireForNewAllocationsOnly(t *testing.T) {
	w := newWorld(t)
	c := w.allocated(anna, home)
	for range 4 {
		w.clock.turn(CredentialLife * 3 / 4)
		c.must(stun.MethodRefresh)
	}
	late := w.client(c.with)
	late.refused(stun.CodeUnauthorized, stun.MethodAllocate, udpTransport)
	w.allocated(anna, home) // with a new one
}

func TestAnAllocationEndsWithItsLifetime(t *testing.T) {
	w := newWorld(t)
	c := w.allocated(anna, home)
	if m := c.must(stun.MethodRefresh, lifetime(3600*24)); !hasLifetime(m, allocationLife) {
		t.Error("a longer lifetime was granted than there is")
	}
	c.must(stun.MethodChannelBind, channelAttribute(0x4000), peerAttribute(w.told))
	w.clock.turn(permissionLife + time.Second)
	c.write(channelFrame(0x4000, []byte("after the permission")))
	w.clock.turn(allocationLife - permissionLife)
	c.write(channelFrame(0x4000, []byte("after the lifetime")))
	if !c.isCut() || w.reached() != 0 {
		t.Errorf("it still relays: %q", w.got)
	}
}

func hasLifetime(m *stun.Message, d time.Duration) bool {
	b, err := m.Get(stun.AttrLifetime)
	return err == nil && bytes.Equal(b, lifetime(d.Seconds()).Value)
}

func TestAllocationsAreBounded(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.MaxAllocations = perSeat + 1 })
	var all []*client
	for range perSeat {
		all = append(all, w.allocated(anna, home))
	}
	w.client(w.credentials(anna, phone)).refused(stun.CodeAllocQuotaReached, stun.MethodAllocate, udpTransport)
	// One who uses all of his does not keep others away; all together do.
	w.server.Grant(roomA, boris)
	w.allocated(boris, "boris's")
	w.client(w.credentials(boris, "boris's")).refused(stun.CodeInsufficientCapacity, stun.MethodAllocate, udpTransport)
	all[0].must(stun.MethodRefresh, lifetime(0))
	w.allocated(anna, home)
}

func TestOnlyUDPAllocationsAreMade(t *testing.T) {
	w := newWorld(t)
	ask := func(want stun.ErrorCode, attributes ...stun.Setter) {
		t.Helper()
		w.client(w.credentials(anna, home)).refused(want, stun.MethodAllocate, attributes...)
	}
	raw := func(kind stun.AttrType, value ...byte) stun.RawAttribute {
		return stun.RawAttribute{Type: kind, Value: value}
	}
	ask(stun.CodeUnsupportedTransProto, raw(stun.AttrRequestedTransport, 6, 0, 0, 0)) // TCP (RFC 6062)
	ask(stun.CodeBadRequest)
	ask(stun.CodeBadRequest, raw(stun.AttrRequestedTransport, 17))
	ask(stun.CodeUnknownAttribute, udpTransport, raw(stun.AttrDontFragment))
	ask(stun.CodeInsufficientCapacity, udpTransport, raw(stun.AttrEvenPort, 0x80))
	ask(stun.CodeInsufficientCapacity, udpTransport, raw(stun.AttrReservationToken, 1, 2, 3, 4, 5, 6, 7, 8))
	ask(stun.CodeAddrFamilyNotSupported, udpTransport, raw(stun.AttrRequestedAddressFamily, familyIPv6, 0, 0, 0))
	ask(stun.CodeBadRequest, udpTransport, raw(stun.AttrRequestedAddressFamily, familyIPv4))
	ask(stun.CodeUnknownAttribute, udpTransport, raw(0x7f00, 1, 2, 3, 4))
	c := w.allocated(anna, home)
	c.refused(stun.CodeAllocMismatch, stun.MethodAllocate, udpTransport)
	c.refused(stun.CodeBadRequest, stun.MethodConnect, peerAttribute(w.told))
	c.refused(stun.CodeBadRequest, stun.MethodConnectionBind)
	c.refused(stun.CodeBadRequest, stun.MethodCreatePermission)
	c.refused(stun.CodeBadRequest, stun.MethodChannelBind, channelAttribute(0x8000), peerAttribute(w.told))
	c.must(stun.MethodChannelBind, channelAttribute(0x4000), peerAttribute(w.told))
	c.refused(stun.CodeBadRequest, stun.MethodChannelBind, channelAttribute(0x4001), peerAttribute(w.told))
}

func TestAnAllocationCarriesNoMoreThanItsBudget(t *testing.T) {
	w := newWorld(t)
	c := w.allocated(anna, home)
	c.must(stun.MethodChannelBind, channelAttribute(0x4000), peerAttribute(w.told))
	packet := make([]byte, 1000)
	for range 3 * burst / len(packet) {
		c.write(channelFrame(0x4000, packet))
		if w.reached() < burst/len(packet) {
			c.read() // keeps the socket's buffer from being the bound
		}
	}
	// A budget grows with the clock, which stands still.
	c.must(stun.MethodRefresh)
	if n := w.reached(); n > burst/len(packet) || n < burst/len(packet)/2 {
		t.Errorf("%d of %d packets passed", n, 3*burst/len(packet))
	}
}

func TestGarbageIsDropped(t *testing.T) {
	w := newWorld(t)
	for name, bytes := range map[string][]byte{
		"HTTP":             []byte("GET / HTTP/1.1\r\n\r\n"),
		"TLS in TLS":       append([]byte{0x16, 3, 1, 0, 4, 1}, make([]byte, 18)...),
		"a long message":   {0, 1, 0xff, 0xfc},
		"an odd length":    {0, 1, 0, 3},
		"no cookie":        append([]byte{0, 1, 0, 0}, make([]byte, 16)...),
		"a reserved range": {0x80, 0, 0, 4},
		"long data":        {0x40, 0, 0xff, 0xff},
	} {
		c := w.client(Credentials{})
		c.write(bytes)
		if !c.isCut() {
			t.Errorf("%s: the connection is still open", name)
		}
	}
	c := w.client(Credentials{Username: "x", Password: "y"})
	for range maxFailures - 1 {
		c.refused(stun.CodeUnauthorized, stun.MethodAllocate, udpTransport)
	}
	m := stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodAllocate, stun.ClassRequest))
	c.write(m.Raw)
	if !c.isCut() {
		t.Error("who guesses is not cut")
	}
}

func TestWhoIsSlowIsCutInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := New(Config{Media: netip.MustParseAddrPort("127.0.0.1:7882"), Advertise: []netip.Addr{advertised}})
		if err != nil {
			t.Fatal(err)
		}
		ours, theirs := net.Pipe()
		began := time.Now()
		s.Take(theirs)
		for _, b := range stun.MustBuild(stun.TransactionID, stun.BindingRequest).Raw { // a byte a second
			if _, err = ours.Write([]byte{b}); err != nil {
				break
			}
			time.Sleep(time.Second)
		}
		if took := time.Since(began); err == nil || took > setupFor+time.Second {
			t.Errorf("served for %s: %v", took, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestCloseWaitsForNobody(t *testing.T) {
	w := newWorld(t)
	c := w.allocated(anna, home)
	c.must(stun.MethodChannelBind, channelAttribute(0x4000), peerAttribute(w.told))
	for range 200 { // and nothing is read
		c.write(channelFrame(0x4000, make([]byte, 600)))
	}
	w.client(Credentials{})
	began := time.Now()
	if err := w.server.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("Close took %s", took)
	}
	if s := w.server.Stats(); s.Allocations != 0 || s.Waiting != 0 {
		t.Errorf("left behind: %+v", s)
	}
}

func TestPeersAreTheFirstAdvertisedOfEachFamily(t *testing.T) {
	a := netip.MustParseAddr
	for _, c := range []struct {
		media     string
		advertise []netip.Addr
		want      string
	}{
		{"0.0.0.0:7882", []netip.Addr{a("192.0.2.1"), a("192.0.2.2")}, "[{192.0.2.1:7882 127.0.0.1:7882}]"},
		{"0.0.0.0:7882", []netip.Addr{a("2001:db8::1")}, "[]"},
		{"[::]:7882", []netip.Addr{a("2001:db8::1"), a("192.0.2.1")}, "[{[2001:db8::1]:7882 [::1]:7882} {192.0.2.1:7882 127.0.0.1:7882}]"},
		{"10.0.0.5:7882", []netip.Addr{a("192.0.2.1")}, "[{192.0.2.1:7882 10.0.0.5:7882}]"},
	} {
		if got := printed(peersOf(netip.MustParseAddrPort(c.media), c.advertise)); got != c.want {
			t.Errorf("%s %v: %s, want %s", c.media, c.advertise, got, c.want)
		}
	}
}

func printed(list []peer) string {
	text := []string{}
	for _, p := range list {
		text = append(text, fmt.Sprintf("{%s %s}", p.told, p.target))
	}
	return fmt.Sprint(text)
}

var uclientFigures = regexp.MustCompile(`tot_send_msgs=(\d+), tot_recv_msgs=(\d+)`)

// TestCoturnsClientIsServed lets a client that nobody here wrote send packets to
// the media socket, and to an address that is not allowed.
func TestCoturnsClientIsServed(t *testing.T) {
	const program = "turnutils_uclient"
	if _, err := exec.LookPath(program); err != nil {
		t.Fatalf("%s is not there: install coturn (apt-get install coturn)", program)
	}
	w := newWorld(t, func(c *Config) { c.Now = time.Now })
	run := func(peer netip.AddrPort, password string) (sent, received int) {
		with := w.credentials(anna, home)
		if password == "" {
			password = with.Password
		}
		_, port, _ := net.SplitHostPort(w.listen.Addr().String())
		out, _ := exec.Command(program, "-s", "-t", "-c", "-n", "20", "-z", "20", "-l", "100", "-u", with.Username, "-w", password,
			"-e", peer.Addr().String(), "-r", strconv.Itoa(int(peer.Port())), "-p", port, "127.0.0.1").CombinedOutput()
		for _, m := range uclientFigures.FindAllStringSubmatch(string(out), -1) {
			sent, _ = strconv.Atoi(m[1])
			received, _ = strconv.Atoi(m[2])
		}
		t.Logf("%s to %s: sent %d, received %d", program, peer, sent, received)
		return sent, received
	}
	if sent, received := run(w.told, ""); sent == 0 || received < sent*9/10 {
		t.Errorf("to the media socket: %d of %d came back", received, sent)
	}
	before := w.reached()
	if _, received := run(w.media, ""); received != 0 { // where it really is, but not what is told
		t.Errorf("to another address: %d came back", received)
	}
	if _, received := run(w.told, "wrong"); received != 0 {
		t.Errorf("with a wrong password: %d came back", received)
	}
	if w.reached() != before {
		t.Error("a refused packet arrived")
	}
}

// FuzzConnection feeds a connection whatever there is: nothing gets to the media
// socket without a credential, and nothing panics.
func FuzzConnection(f *testing.F) {
	f.Add(stun.MustBuild(stun.TransactionID, stun.BindingRequest).Raw)
	f.Add(stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodAllocate, stun.ClassRequest), udpTransport,
		stun.NewUsername("x"), stun.NewRealm(Realm), stun.NewNonce("n"), stun.NewShortTermIntegrity("p"), stun.Fingerprint).Raw)
	f.Add(sendIndication(netip.MustParseAddrPort("127.0.0.1:9"), []byte("x")))
	f.Add(channelFrame(0x4000, []byte("x")))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := New(Config{Media: netip.MustParseAddrPort("127.0.0.1:9"), Advertise: []netip.Addr{advertised}})
		if err != nil {
			t.Fatal(err)
		}
		ours, theirs := net.Pipe()
		s.Take(theirs)
		go func() { // ends when Close closes the pipe
			sink := make([]byte, 4096)
			for {
				if _, err := ours.Read(sink); err != nil {
					return
				}
			}
		}()
		_ = ours.SetWriteDeadline(time.Now().Add(time.Second))
		_, _ = ours.Write(b)
		_ = s.Close()
		if s.Stats().Opened != 0 {
			t.Error("an allocation without a credential")
		}
	})
}
