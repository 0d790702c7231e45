package test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"
	"golang.org/x/sys/unix"
)

// insideVar tells the test that it runs in the network of its own.
const insideVar = "BESEDKA_TEST_CAPTURE"

// network makes one, in which every packet can be seen: besides the loopback there is a way out,
// at whose end nobody is.
const network = `set -e
ip link set lo up
ip link add out type veth peer name far
echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6
ip addr add 192.0.2.2/24 dev out
ip link set out up
ip link set far up
ip route add default via 192.0.2.1
exec "$0" "$@"`

// TestNothingOnTheWireTellsWhoIsThere is A01, for media: HTTP is in clear in these tests,
// and behind TLS in the world. It runs once more in a network namespace of its own and
// reads every packet there while people visit a room.
func TestNothingOnTheWireTellsWhoIsThere(t *testing.T) {
	if os.Getenv(insideVar) != "" {
		visit(t)
		return
	}
	c := exec.CommandContext(t.Context(), "/bin/sh", "-c", network, os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	c.Env = append(os.Environ(), insideVar+"=1", "BESEDKA_BIN="+program)
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if os.Geteuid() != 0 {
		c.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		c.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
		c.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	out, err := c.CombinedOutput()
	if errors.Is(err, syscall.EPERM) {
		t.Fatal("this test makes a network namespace: run it as root, or allow user namespaces")
	}
	if t.Logf("in a network of its own:\n%s", out); err != nil {
		t.Fatalf("%v (the test needs root or user namespaces, and iproute2)", err)
	}
}

// datagram is one packet of IP that was seen.
type datagram struct {
	iface    string
	protocol byte
	from, to netip.AddrPort
	payload  []byte
}

// capture reads all packets of all interfaces.
type capture struct {
	fd   int
	stop chan struct{}
	done sync.WaitGroup

	mu     sync.Mutex
	seen   []datagram
	others []string // what is not IPv4
}

// htons is how the kernel wants the protocol of a packet socket.
func htons(n uint16) uint16 { return n<<8 | n>>8 }

func newCapture(t *testing.T) *capture {
	t.Helper()
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, int(htons(unix.ETH_P_ALL)))
	if err != nil {
		t.Fatal(err)
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20)
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 64<<20)
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 100_000}); err != nil {
		t.Fatal(err)
	}
	c := &capture{fd: fd, stop: make(chan struct{})}
	names := map[int]string{}
	all, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range all {
		names[i.Index] = i.Name
	}
	c.done.Go(func() { c.read(names) })
	return c
}

func (c *capture) read(names map[int]string) {
	buf := make([]byte, 1<<17)
	for {
		select {
		case <-c.stop:
			return
		default:
		}
		n, from, err := unix.Recvfrom(c.fd, buf, 0)
		link, ok := from.(*unix.SockaddrLinklayer)
		if err != nil || !ok {
			continue
		}
		name := names[link.Ifindex]
		if name == "lo" && link.Pkttype == unix.PACKET_OUTGOING {
			continue // it is seen again as it comes in
		}
		c.mu.Lock()
		if d, ok := parseIPv4(append([]byte(nil), buf[:n]...)); ok && htons(link.Protocol) == unix.ETH_P_IP {
			d.iface = name
			c.seen = append(c.seen, d)
		} else {
			c.others = append(c.others, name+" "+hex.EncodeToString(buf[:min(n, 40)]))
		}
		c.mu.Unlock()
	}
}

// parseIPv4 takes UDP and TCP apart; of other protocols the payload is what IP carries.
func parseIPv4(b []byte) (d datagram, ok bool) {
	if len(b) < 20 || b[0]>>4 != 4 {
		return d, false
	}
	h := int(b[0]&15) * 4
	total := int(binary.BigEndian.Uint16(b[2:]))
	if h < 20 || total < h || total > len(b) {
		return d, false
	}
	d.protocol = b[9]
	from, to := netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
	p := b[h:total]
	skip, ports := 0, len(p) >= 8
	switch {
	case d.protocol == unix.IPPROTO_UDP && ports:
		skip = 8
	case d.protocol == unix.IPPROTO_TCP && len(p) >= 20:
		skip = int(p[12]>>4) * 4
	default:
		ports = false
	}
	d.from, d.to = netip.AddrPortFrom(from, 0), netip.AddrPortFrom(to, 0)
	if ports {
		d.from = netip.AddrPortFrom(from, binary.BigEndian.Uint16(p))
		d.to = netip.AddrPortFrom(to, binary.BigEndian.Uint16(p[2:]))
	}
	d.payload = p[min(skip, len(p)):]
	return d, true
}

// end stops reading and gives all that was seen. Not one packet may have been missed.
func (c *capture) end(t *testing.T) ([]datagram, []string) {
	t.Helper()
	observe(200 * time.Millisecond)
	stats, err := unix.GetsockoptTpacketStats(c.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		t.Fatal(err)
	}
	close(c.stop)
	c.done.Wait()
	_ = unix.Close(c.fd)
	if stats.Drops != 0 {
		t.Errorf("the capture missed %d packets", stats.Drops)
	}
	return c.seen, c.others
}

// visit is the whole of it: people come, speak, listen over UDP and TCP, raise a hand, are silenced and
// removed, and leave. It reads what the wire has shown of it.
func visit(t *testing.T) {
	c := newCapture(t)
	w := begin(t)
	host, speaker, listener := w.founder(), w.member(3), w.member(5) // names long enough not to come by chance
	session := w.member(6).signIn()
	events := host.events("", "")
	room := host.open("open")
	host.rogue(room, "whip").talk(1)
	speaker.enter(room)
	speaker.speak(room) // a stock client
	guest := w.guest(t, room)
	ears := []*ear{listener.listen(room, 3), guest.listen(room, 3, webrtc.NetworkTypeTCP4), session.listen(room, 3)}
	own := w.guest(t, room).rogue(room, "whep")
	for _, e := range ears {
		e.untilHeard(0)
	}
	listener.must(http.MethodPut, "/rooms/"+room+"/hand", object{"note": "Позвольте слово"})
	host.must(http.MethodPut, "/rooms/"+room+"/participants/"+speaker.id+"/silence", nil)
	host.must(http.MethodDelete, "/rooms/"+room+"/participants/"+speaker.id+"/silence", nil)
	observe(time.Second)
	host.must(http.MethodDelete, "/rooms/"+room+"/participants/"+listener.id+"?reason=noise", nil)
	_ = ears[2].peer.Close()
	session.must(http.MethodDelete, "/sessions/current", nil)
	host.must(http.MethodDelete, "/rooms/"+room, nil)
	if n := len(own.heard(1, time.Time{}, time.Now())); n < 40 {
		t.Errorf("the listener of ours opened %d frames of the host", n)
	}
	secrets := map[string]string{"a room": room, "a title": "Evening talk", "a note": "Позвольте слово", "a passphrase": password,
		"a guest's token": guest.token, "a cookie": session.cookie[strings.Index(session.cookie, "=")+1:], "a mark in the sound": string(markMagic)}
	for _, p := range []*person{host, speaker, listener, session} {
		secrets["a username, "+p.name], secrets["an account, "+p.name] = p.name, p.id
		if p.token != "" {
			secrets["a token, "+p.name] = p.token
		}
	}
	for i, e := range ears {
		secrets["a session, "+usernames[i]] = e.session[strings.LastIndex(e.session, "/")+1:]
	}
	events.cancel()
	seen, others := c.end(t)
	judge(t, w, secrets, seen, others)
}

// wireTally counts what was seen at the media port.
type wireTally struct{ stun, dtls, srtp, srtcp, tcp, http, hellos int }

// judge reads the capture.
func judge(t *testing.T, w *world, secrets map[string]string, seen []datagram, others []string) {
	media, web, metrics := netip.MustParseAddrPort(w.media), netip.MustParseAddrPort(w.listen), netip.MustParseAddrPort(w.metrics)
	for _, o := range others {
		t.Errorf("a packet that is not of IP: %s", o)
	}
	var count wireTally
	var mediaBytes, webBytes []byte
	streams := map[[2]netip.AddrPort][]byte{}
	for _, d := range seen {
		ours := d.from == media || d.to == media
		switch {
		case d.protocol == unix.IPPROTO_IGMP: // a stock client asks to hear mDNS
		case d.iface != "lo":
			t.Errorf("a packet left by %s: %s to %s, protocol %d", d.iface, d.from, d.to, d.protocol)
		case ours && d.protocol == unix.IPPROTO_UDP:
			count.datagram(t, d)
			mediaBytes = append(append(mediaBytes, d.payload...), 0)
		case ours && d.protocol == unix.IPPROTO_TCP:
			count.tcp++
			streams[[2]netip.AddrPort{d.from, d.to}] = append(streams[[2]netip.AddrPort{d.from, d.to}], d.payload...)
		case d.from == web || d.to == web:
			count.http++
			webBytes = append(webBytes, d.payload...)
		case d.from == metrics || d.to == metrics, d.protocol == unix.IPPROTO_ICMP: // a client's port that has closed
		default:
			t.Errorf("a packet that is not the server's: %s to %s, protocol %d, %d bytes", d.from, d.to, d.protocol, len(d.payload))
		}
	}
	for _, s := range streams {
		mediaBytes = append(append(mediaBytes, s...), 0)
	}
	t.Logf("at the media port: %+v, %d KiB in all", count, len(mediaBytes)>>10)
	if count.stun < 20 || count.dtls < 20 || count.srtp < 200 || count.srtcp == 0 || count.tcp < 50 || count.hellos < 4 {
		t.Errorf("the capture has not seen the visit: %+v", count)
	}
	for name, secret := range secrets {
		if found := where(mediaBytes, secret); found != "" {
			t.Errorf("%s is on the wire, %s", name, found)
		}
	}
	for _, name := range []string{"a room", "a title", "a token, founder", "a guest's token", "a passphrase"} { // the control: HTTP is in clear here
		if where(webBytes, secrets[name]) == "" {
			t.Errorf("%s is not found where it is in clear", name)
		}
	}
}

// datagram checks that it is of one of the protocols that there are (RFC 7983 §7).
func (c *wireTally) datagram(t *testing.T, d datagram) {
	b := d.payload
	switch {
	case len(b) >= 20 && b[0] <= 3 && binary.BigEndian.Uint32(b[4:]) == 0x2112a442:
		c.stun++
	case len(b) >= 13 && b[0] >= 20 && b[0] <= 23:
		c.dtls++
		c.record(t, b)
	case len(b) >= 12+16 && b[0]>>6 == 2 && b[1] >= 192 && b[1] <= 223:
		c.srtcp++
		if binary.BigEndian.Uint32(b[len(b)-4:])>>31 != 1 { // the E bit (RFC 7714 §9.3)
			t.Errorf("RTCP in clear: %x", b)
		}
	case len(b) >= 12+16 && b[0]>>6 == 2:
		c.srtp++
		if bytes.Contains(b, make([]byte, 24)) { // what the stock client says is full of zeros
			t.Errorf("sound in clear: %x", b)
		}
	default:
		t.Errorf("%s to %s: %x is neither STUN nor DTLS nor SRTP", d.from, d.to, b[:min(len(b), 40)])
	}
}

// record checks a DTLS record: version 1.2 (RFC 6347), and ECDHE with AES-GCM (RFC 8827 §6.5).
func (c *wireTally) record(t *testing.T, b []byte) {
	const body = 13 + 12
	version, clear := binary.BigEndian.Uint16(b[1:]), binary.BigEndian.Uint16(b[3:]) == 0
	hello := b[0] == 22 && clear && len(b) > body && (b[13] == 1 || b[13] == 3)
	if version != 0xfefd && !(hello && version == 0xfeff) {
		t.Errorf("a record of DTLS version %04x", version)
	}
	if b[0] == 22 && clear && len(b) > body+35 && b[13] == 2 {
		c.hellos++
		at := body + 35 + int(b[body+34])
		if suite := binary.BigEndian.Uint16(b[at:]); binary.BigEndian.Uint16(b[body:]) != 0xfefd || suite != 0xc02b && suite != 0xc02f {
			t.Errorf("a ServerHello of version %x and suite %04x", b[body:body+2], suite)
		}
	}
	if b[0] == 23 {
		t.Error("application data over DTLS")
	}
}

// where says in which form the secret is in b, "" if in none.
func where(b []byte, secret string) string {
	s := []byte(secret)
	lower := bytes.ToLower(b)
	forms := map[string][]byte{"as it is": bytes.ToLower(s), "in hex": []byte(hex.EncodeToString(s))}
	for form, f := range forms {
		if bytes.Contains(lower, f) {
			return form
		}
	}
	for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for shift := range 3 {
			coded := e.EncodeToString(append(make([]byte, shift), s...))
			if whole := coded[(shift*8+5)/6 : len(coded)-1]; bytes.Contains(b, []byte(whole)) {
				return "in base64"
			}
		}
	}
	return ""
}
