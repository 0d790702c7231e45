package turn

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/pion/stun/v4"
	"golang.org/x/time/rate"
)

const (
	// allocationLife, permissionLife and channelLife are those of RFC 8656
	// sections 3.2, 9 and 12. A client can ask for less, not for more.
	allocationLife = 10 * time.Minute
	permissionLife = 5 * time.Minute
	channelLife    = 10 * time.Minute
	// bytesPerSecond bounds what an allocation carries each way: three slots of
	// speech with redundancy need a fifth of it.
	bytesPerSecond = 128 << 10
	burst          = 128 << 10
	// relayBuffer bounds what waits for a slow client in the system: about two
	// seconds of three slots.
	relayBuffer = 64 << 10
	maxDatagram = 1500
	evenTries   = 32
)

var errNoEvenPort = errors.New("no even port is free")

// allocation relays between one connection and the media socket.
type allocation struct {
	conn     *conn
	seat     *seat
	tag      tag
	username string
	peer     peer
	socket   *net.UDPConn // connected to the media socket: there is no other place to send to
	up, down *rate.Limiter

	mu        sync.Mutex
	expires   time.Time
	permitted time.Time // until when
	channel   uint16    // 0 is none
	bound     time.Time // until when the channel is
}

// dial opens a relay socket, with an even port if need be (RFC 8656 section 7.2).
func dial(to netip.AddrPort, even bool) (*net.UDPConn, error) {
	for range evenTries {
		socket, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
		if err != nil || !even || portOf(socket)%2 == 0 {
			return socket, err
		}
		_ = socket.Close()
	}
	return nil, errNoEvenPort
}

func portOf(socket *net.UDPConn) uint16 {
	a, _ := socket.LocalAddr().(*net.UDPAddr)
	return a.AddrPort().Port()
}

// reserve makes an allocation for the connection, or says with which error of
// RFC 8656 section 7.2 it cannot be.
func (s *Server) reserve(c *conn, who *caller, to peer, even bool) (*allocation, stun.ErrorCode) {
	p := who.pass
	socket, err := dial(to.target, even)
	if err != nil {
		s.log.Warn("no relay socket", "error", err)
		return nil, stun.CodeInsufficientCapacity
	}
	_ = socket.SetReadBuffer(relayBuffer) // the system may grant another size, which is not an error
	a := &allocation{
		conn: c, seat: p.seat, tag: p.tag, username: who.username, peer: to, socket: socket,
		up: rate.NewLimiter(bytesPerSecond, burst), down: rate.NewLimiter(bytesPerSecond, burst),
		expires: s.cfg.Now().Add(allocationLife),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	code := stun.ErrorCode(0)
	switch {
	case s.shut || !s.validLocked(p.seat, p.tag): // revoked meanwhile
		code = stun.CodeUnauthorized
	case len(p.seat.open) >= perSeat:
		code = stun.CodeAllocQuotaReached
	case s.relaying >= s.cfg.MaxAllocations:
		code = stun.CodeInsufficientCapacity
	}
	if code != 0 {
		_ = socket.Close()
		return nil, code
	}
	if p.seat.open == nil {
		p.seat.open = make(map[*allocation]struct{}, 1)
	}
	p.seat.open[a] = struct{}{}
	s.relaying++
	s.waitLocked(c, -1)
	s.wg.Go(a.relay)
	return a, 0
}

// release ends the connection's allocation, if it has one.
func (s *Server) release(c *conn) {
	a := c.allocation
	if a == nil {
		return
	}
	c.allocation = nil
	_ = a.socket.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(a.seat.open, a)
	s.relaying--
	s.waitLocked(c, 1)
}

// relayed is the address that is told of: ours, with the relay socket's port.
func (a *allocation) relayed() netip.AddrPort {
	return netip.AddrPortFrom(a.peer.told.Addr(), portOf(a.socket))
}

// permit installs or renews the permission.
func (a *allocation) permit(now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.permitted = now.Add(permissionLife)
}

// bind installs or renews the channel, and the permission with it (RFC 8656
// section 12). There is one peer, hence one channel.
func (a *allocation) bind(number uint16, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.channel != 0 && a.channel != number && now.Before(a.bound) {
		return false
	}
	a.channel, a.bound, a.permitted = number, now.Add(channelLife), now.Add(permissionLife)
	return true
}

// refresh prolongs the allocation.
func (a *allocation) refresh(now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.expires = now.Add(allocationLife)
}

// left is how long the allocation still has.
func (a *allocation) left(now time.Time) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.expires.Sub(now)
}

// way says whether packets may pass now, and on which channel; 0 is none.
func (a *allocation) way(now time.Time) (channel uint16, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.channel != 0 && now.Before(a.bound) {
		channel = a.channel
	}
	return channel, now.Before(a.permitted) && now.Before(a.expires)
}

// send carries a client's packet to the media socket.
func (a *allocation) send(packet []byte) {
	s := a.conn.server
	now := s.cfg.Now()
	if _, ok := a.way(now); !ok || len(packet) > maxDatagram || !a.up.AllowN(now, len(packet)) {
		s.count.dropped.Add(1)
		return
	}
	_, _ = a.socket.Write(packet) // a datagram may be lost
}

// relay carries the media socket's packets to the client until the socket is closed.
func (a *allocation) relay() {
	s := a.conn.server
	var frame [channelHeader + maxDatagram + 3]byte
	for {
		n, err := a.socket.Read(frame[channelHeader : channelHeader+maxDatagram])
		if err != nil {
			if a.conn.closed.Load() || isClosed(err) {
				return
			}
			continue // "connection refused": the media socket is being opened or closed
		}
		now := s.cfg.Now()
		channel, ok := a.way(now)
		if !ok || !a.down.AllowN(now, n) {
			s.count.dropped.Add(1)
			continue
		}
		out, err := frameOf(frame[:], n, channel, a.peer.told)
		if err == nil {
			err = a.conn.write(out)
		}
		if err != nil {
			a.conn.close()
			return
		}
	}
}

// frameOf makes the frame for a packet of n bytes that stands behind the
// header's place: ChannelData, padded as a stream wants it (RFC 8656 section
// 12.5), or a Data indication (section 11.4) where there is no channel.
func frameOf(b []byte, n int, channel uint16, from netip.AddrPort) ([]byte, error) {
	packet := b[channelHeader : channelHeader+n]
	if channel != 0 {
		binary.BigEndian.PutUint16(b, channel)
		binary.BigEndian.PutUint16(b[2:], uint16(n))
		end := channelHeader + padded(n)
		clear(b[channelHeader+n : end])
		return b[:end], nil
	}
	m, err := stun.Build(stun.TransactionID, stun.NewType(stun.MethodData, stun.ClassIndication),
		address{stun.AttrXORPeerAddress, from}, stun.RawAttribute{Type: stun.AttrData, Value: packet})
	if err != nil {
		return nil, fmt.Errorf("data indication: %w", err)
	}
	return m.Raw, nil
}

// padded rounds up to a multiple of four.
func padded(n int) int { return (n + 3) &^ 3 }
