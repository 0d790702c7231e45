package media_test

import (
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"besedka/media"
)

// relay stands between a client and the server, as a NAT does, and may lose
// packets or change its address.
type relay struct {
	front  *net.UDPConn
	server netip.AddrPort

	mu     sync.Mutex
	back   *net.UDPConn
	client netip.AddrPort
	drop   func(up bool, b []byte) bool
	wg     sync.WaitGroup
}

func newRelay(t *testing.T, srv *media.Server) *relay {
	t.Helper()
	r := &relay{server: srv.Addr(), front: udp(t)}
	r.rebind(t)
	r.wg.Add(1)
	go r.up()
	t.Cleanup(func() {
		_ = r.front.Close()
		r.mu.Lock()
		_ = r.back.Close()
		r.mu.Unlock()
		r.wg.Wait()
	})
	return r
}

func udp(t *testing.T) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// rebind gives the relay another address towards the server.
func (r *relay) rebind(t *testing.T) {
	back := udp(t)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.back != nil {
		_ = r.back.Close()
	}
	r.back = back
	r.wg.Add(1)
	go r.down(back)
}

func (r *relay) up() {
	defer r.wg.Done()
	buf := make([]byte, 2000)
	for {
		n, from, err := r.front.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		r.mu.Lock()
		r.client = from
		if r.drop == nil || !r.drop(true, buf[:n]) {
			_, _ = r.back.WriteToUDPAddrPort(buf[:n], r.server)
		}
		r.mu.Unlock()
	}
}

func (r *relay) down(back *net.UDPConn) {
	defer r.wg.Done()
	buf := make([]byte, 2000)
	for {
		n, err := back.Read(buf)
		if err != nil {
			return
		}
		r.mu.Lock()
		if r.drop == nil || !r.drop(false, buf[:n]) {
			_, _ = r.front.WriteToUDPAddrPort(buf[:n], r.client)
		}
		r.mu.Unlock()
	}
}

// answer puts the relay's address where the server's stood.
func (r *relay) answer(text string) string {
	ours := r.front.LocalAddr().(*net.UDPAddr).AddrPort()
	put := func(a netip.AddrPort) string { return strings.ReplaceAll(a.String(), ":", " ") }
	return strings.ReplaceAll(text, put(r.server), put(ours))
}

// setDrop changes which packets are lost.
func (r *relay) setDrop(f func(up bool, b []byte) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drop = f
}

// isRTP says whether b is SRTP and not SRTCP.
func isRTP(b []byte) bool { return len(b) > 12 && b[0]>>6 == 2 && (b[1] < 192 || b[1] > 223) }
