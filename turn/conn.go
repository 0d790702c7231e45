package turn

import (
	"bufio"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/stun/v4"
)

const (
	channelHeader = 4
	stunHeader    = 20
	magicCookie   = 0x2112a442 // RFC 8489 section 5
	// maxFrame is more than a packet of 1500 bytes in a Send indication needs.
	maxFrame = 2048
	// idleFor closes a connection that brings nothing; checks come every few seconds.
	idleFor   = time.Minute
	writeFor  = 5 * time.Second
	nonceLife = time.Hour // RFC 8656 section 5
	nonceLen  = 12
	// maxFailures closes a connection after so many refused requests.
	maxFailures = 32
	// sendBuffer keeps the system from holding back seconds of sound.
	sendBuffer = 32 << 10
)

var errFrame = errors.New("neither STUN nor channel data")

// conn is one client's connection. Everything but close and write belongs to
// the goroutine of serve.
type conn struct {
	server *Server
	net    net.Conn
	raw    net.Conn // beneath TLS
	from   netip.AddrPort
	closed atomic.Bool

	writing sync.Mutex

	allocation *allocation
	nonce      string
	drawn      time.Time // when the nonce was
	setup      time.Time // until when there must be an allocation
	failures   int
}

func newConn(s *Server, nc net.Conn) *conn {
	c := &conn{server: s, net: nc, raw: nc}
	if t, ok := nc.(interface{ NetConn() net.Conn }); ok {
		c.raw = t.NetConn()
	}
	if t, ok := c.raw.(*net.TCPConn); ok {
		_ = t.SetWriteBuffer(sendBuffer)
		_ = t.SetLinger(0) // what the system holds back is not sent either when the seat is lost
	}
	if a, err := netip.ParseAddrPort(nc.RemoteAddr().String()); err == nil {
		c.from = netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
	}
	return c
}

// close ends the connection and its relaying at once. What is on its way to a
// client who does not read is dropped, and nobody waits for him.
func (c *conn) close() {
	c.closed.Store(true)
	_ = c.raw.Close()
}

// write sends one frame.
func (c *conn) write(frame []byte) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.closed.Load() {
		return net.ErrClosed
	}
	if err := c.net.SetWriteDeadline(time.Now().Add(writeFor)); err != nil {
		return err
	}
	_, err := c.net.Write(frame)
	return err
}

// serve reads frames until the connection ends.
func (c *conn) serve() {
	defer c.server.forget(c)
	defer c.close()
	defer func() {
		if fault := recover(); fault != nil { // ends this connection and no other
			c.server.log.Error("panic in a TURN connection", "fault", fault, "stack", string(debug.Stack()))
		}
	}()
	c.setup = time.Now().Add(setupFor)
	r := bufio.NewReaderSize(c.net, maxFrame)
	buf := make([]byte, maxFrame)
	for !c.closed.Load() {
		if c.net.SetReadDeadline(c.deadline()) != nil {
			return
		}
		frame, err := readFrame(r, buf)
		if err != nil {
			return
		}
		if frame[0] >= channelFirst {
			c.channelData(frame)
			continue
		}
		if err := c.message(frame); err != nil {
			return
		}
	}
}

// deadline is until when the next frame must have come.
func (c *conn) deadline() time.Time {
	if c.allocation == nil {
		return c.setup
	}
	return time.Now().Add(min(idleFor, c.allocation.left(c.server.cfg.Now())))
}

// channelFirst and channelLast are the first bytes of channel numbers. RFC 8656
// section 12 ends at 0x4f so that other protocols can share a UDP port; older
// clients choose theirs up to 0x7f (RFC 5766 section 11), and a stream has one protocol.
const (
	channelFirst = 0x40
	channelLast  = 0x7f
)

// readFrame reads one STUN message or ChannelData message of a stream, which
// are told apart by their first two bits (RFC 8656 section 12.5).
func readFrame(r io.Reader, buf []byte) ([]byte, error) {
	if _, err := io.ReadFull(r, buf[:channelHeader]); err != nil {
		return nil, err
	}
	have, n := channelHeader, int(binary.BigEndian.Uint16(buf[2:]))
	switch {
	case buf[0] < channelFirst && n%4 == 0 && stunHeader+n <= len(buf):
		if _, err := io.ReadFull(r, buf[have:stunHeader]); err != nil {
			return nil, err
		}
		if binary.BigEndian.Uint32(buf[4:]) != magicCookie {
			return nil, errFrame
		}
		have, n = stunHeader, stunHeader+n
	case buf[0] >= channelFirst && buf[0] <= channelLast:
		n = channelHeader + padded(n)
	default:
		return nil, errFrame
	}
	if n > len(buf) {
		return nil, errFrame
	}
	_, err := io.ReadFull(r, buf[have:n])
	return buf[:n], err
}

// channelData relays a packet of a bound channel; any other is dropped (RFC 8656 section 12.6).
func (c *conn) channelData(frame []byte) {
	a := c.allocation
	if a == nil {
		return
	}
	n := int(binary.BigEndian.Uint16(frame[2:]))
	if channel, _ := a.way(c.server.cfg.Now()); channel == 0 || channel != binary.BigEndian.Uint16(frame) {
		c.server.count.dropped.Add(1)
		return
	}
	a.send(frame[channelHeader : channelHeader+n])
}

// message takes a STUN message. An error ends the connection.
func (c *conn) message(frame []byte) error {
	m := &stun.Message{Raw: frame}
	if err := m.Decode(); err != nil {
		return err
	}
	switch m.Type.Class {
	case stun.ClassIndication:
		c.sendIndication(m)
		return nil
	case stun.ClassRequest:
		return c.request(m)
	}
	return nil // answers to what was never asked
}

// sendIndication relays a packet of a Send indication (RFC 8656 section 11.2).
func (c *conn) sendIndication(m *stun.Message) {
	a := c.allocation
	if m.Type.Method != stun.MethodSend || a == nil {
		return
	}
	data, err := m.Get(stun.AttrData)
	to, ok := peerAddress(m)
	if err != nil || !ok || len(unknown(m)) > 0 {
		return
	}
	if to != a.peer.told {
		c.server.count.refusedPeers.Add(1)
		return
	}
	a.send(data)
}

// freshNonce gives the connection's nonce, a new one when it is too old.
func (c *conn) freshNonce() (string, error) {
	now := c.server.cfg.Now()
	if c.nonce != "" && now.Sub(c.drawn) < nonceLife {
		return c.nonce, nil
	}
	var b [nonceLen]byte
	if _, err := io.ReadFull(c.server.cfg.Random, b[:]); err != nil {
		return "", err
	}
	c.nonce, c.drawn = base64.RawURLEncoding.EncodeToString(b[:]), now
	return c.nonce, nil
}

func isClosed(err error) bool { return errors.Is(err, net.ErrClosed) }
