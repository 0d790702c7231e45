package turn

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/stun/v4"
)

// attributesOf reads attributes as a fuzzer writes them: a type, a length of one byte, and so many bytes.
func attributesOf(b []byte) (all []stun.Setter) {
	for len(b) >= 3 && len(all) < 16 {
		n := min(int(b[2]), len(b)-3)
		all = append(all, stun.RawAttribute{Type: stun.AttrType(binary.BigEndian.Uint16(b)), Value: b[3 : 3+n]})
		b = b[3+n:]
	}
	return all
}

// fromHome is a pipe from an address.
type fromHome struct{ net.Conn }

func (fromHome) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 9), Port: 9} }

// FuzzAllocation lets somebody who has an allocation send one request of any method with any
// attributes, under his password, and then any bytes: nothing panics, no other peer is reached, and what
// was allocated ends with his seat.
func FuzzAllocation(f *testing.F) {
	attribute := func(kind stun.AttrType, value ...byte) []byte {
		return append([]byte{byte(kind >> 8), byte(kind), byte(len(value))}, value...)
	}
	for method, seed := range map[stun.Method][]byte{
		stun.MethodAllocate:         attribute(stun.AttrRequestedTransport, 17, 0, 0, 0),
		stun.MethodRefresh:          attribute(stun.AttrLifetime, 0, 0, 0, 0),
		stun.MethodCreatePermission: attribute(stun.AttrXORPeerAddress, 0, 1, 0x21, 0x1b, 0x21, 0x12, 0xa6, 0x45),
		stun.MethodChannelBind:      append(attribute(stun.AttrChannelNumber, 0x40, 0, 0, 0), attribute(stun.AttrXORPeerAddress, 0, 2)...),
		stun.MethodConnect:          attribute(stun.AttrXORPeerAddress, 0, 1, 0, 0, 0, 0, 0, 0),
		stun.MethodSend:             append(attribute(stun.AttrData, 1, 2, 3), attribute(0x7f01, 1)...),
	} {
		f.Add(uint16(method), seed, channelFrame(0x4000, []byte("x")))
	}
	f.Add(uint16(stun.MethodRefresh), attribute(stun.AttrRequestedAddressFamily, 2, 0, 0, 0), sendIndication(netip.MustParseAddrPort("127.0.0.1:9"), []byte("x")))
	media, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = media.Close() })
	f.Fuzz(func(t *testing.T, method uint16, attributes, rest []byte) {
		s, err := New(Config{Media: media.LocalAddr().(*net.UDPAddr).AddrPort(), Advertise: []netip.Addr{advertised}})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		s.Grant(roomA, anna)
		with, err := s.Credentials(roomA, anna, home)
		if err != nil {
			t.Fatal(err)
		}
		ours, theirs := net.Pipe()
		s.Take(fromHome{theirs})
		c := &client{t: t, conn: ours, r: bufio.NewReader(ours), with: with}
		c.must(stun.MethodAllocate, udpTransport)
		if s.Stats().Allocations != 1 {
			t.Fatal("no allocation")
		}
		all := append([]stun.Setter{stun.TransactionID, stun.NewType(stun.Method(method&0xfff), stun.ClassRequest)}, attributesOf(attributes)...)
		all = append(all, stun.NewUsername(with.Username), stun.NewRealm(Realm), stun.NewNonce(c.nonce),
			stun.NewLongTermIntegrity(with.Username, Realm, with.Password), stun.Fingerprint)
		m, err := stun.Build(all...)
		if err != nil {
			return
		}
		go func() { _, _ = io.Copy(io.Discard, c.r) }() // ends when Close closes the pipe
		_ = ours.SetWriteDeadline(time.Now().Add(time.Second))
		_, _ = ours.Write(m.Raw)
		_, _ = ours.Write(bytes.Clone(rest))
		if n := s.Stats().Allocations; n > 1 {
			t.Fatalf("%d allocations over one connection", n)
		}
		s.Revoke(roomA, anna)
		_ = s.Close()
		if got := s.Stats(); got.Allocations != 0 || got.Waiting != 0 {
			t.Fatalf("left behind: %+v", got)
		}
	})
}

// starved is a listener in want of descriptors, until it has been asked too often.
type starved struct {
	net.Listener
	calls int
}

func (l *starved) Accept() (net.Conn, error) {
	if l.calls++; l.calls > 10_000 {
		return nil, net.ErrClosed
	}
	return nil, syscall.EMFILE
}

func TestWantOfDescriptorsIsWaitedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := New(Config{Media: netip.MustParseAddrPort("127.0.0.1:9"), Advertise: []netip.Addr{advertised}})
		if err != nil {
			t.Fatal(err)
		}
		l, begun := &starved{}, time.Now()
		if err := s.Serve(l); err != nil {
			t.Error(err)
		}
		if took := time.Since(begun); took < 10*time.Second {
			t.Errorf("%d calls in %s", l.calls, took)
		}
	})
}
