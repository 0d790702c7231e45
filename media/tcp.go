package media

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"besedka/fanout"
)

// ICE-TCP (RFC 6544) for peers whose network blocks UDP: we are the passive
// side, packets are framed as RFC 4571 §2 says. A connection costs two
// goroutines, which UDP sessions do not have.
const (
	maxStreams     = 2000
	maxStreamsAddr = 64 // from one address
	// streamQueue bounds what waits to be written to one connection: about two
	// seconds of three slots. What does not fit is dropped: late sound is no sound.
	streamQueue = 48 << 10
	// streamBuffer is what the system may hold back besides: it would grow to megabytes.
	streamBuffer = 32 << 10
	// streamIdle closes a connection that brings nothing; checks come more often.
	streamIdle = 30 * time.Second
	// streamJoin closes one that has not shown a valid check.
	streamJoin  = 10 * time.Second
	streamWrite = 5 * time.Second
	// acceptAgain is how long nothing is accepted after that has failed: for want of descriptors it
	// fails at once, again and again, until somebody has gone.
	acceptAgain = 10 * time.Millisecond
)

// stream is one TCP connection.
type stream struct {
	server *Server
	conn   net.Conn
	addr   netip.AddrPort

	mu      sync.Mutex
	session *session // whose checks came here; never changes once set
	queue   []byte   // framed packets to be written
	spare   []byte
	wake    chan struct{} // capacity 1
	down    bool
}

var errFrame = errors.New("frame too long")

// acceptStreams takes TCP connections until the listener is closed.
func (s *Server) acceptStreams() {
	defer s.wg.Done()
	for {
		conn, err := s.tcp.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			time.Sleep(acceptAgain)
			continue
		}
		if c, ok := conn.(*net.TCPConn); ok {
			_ = c.SetWriteBuffer(streamBuffer)
			_ = c.SetLinger(0) // what the system holds back is not sent either when a session has ended
		}
		x := &stream{server: s, conn: conn, wake: make(chan struct{}, 1)}
		if a, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
			x.addr = netip.AddrPortFrom(a.AddrPort().Addr().Unmap(), a.AddrPort().Port())
		}
		if !s.streams.add(x) {
			s.count.streamsRefused.Add(1)
			_ = conn.Close()
			continue
		}
		s.wg.Add(2)
		go x.readLoop()
		go x.writeLoop()
	}
}

// streamSet is every open connection.
type streamSet struct {
	mu     sync.Mutex
	all    map[*stream]struct{}
	byAddr map[netip.Addr]int
	shut   bool
}

func (t *streamSet) add(x *stream) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.shut || len(t.all) >= maxStreams || t.byAddr[x.addr.Addr()] >= maxStreamsAddr {
		return false
	}
	t.all[x] = struct{}{}
	t.byAddr[x.addr.Addr()]++
	return true
}

func (t *streamSet) remove(x *stream) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.all[x]; !ok {
		return
	}
	delete(t.all, x)
	if t.byAddr[x.addr.Addr()]--; t.byAddr[x.addr.Addr()] == 0 {
		delete(t.byAddr, x.addr.Addr())
	}
}

// close hangs every connection up and lets no new one in.
func (t *streamSet) close() {
	t.mu.Lock()
	t.shut = true
	list := make([]*stream, 0, len(t.all))
	for x := range t.all {
		list = append(list, x)
	}
	t.mu.Unlock()
	for _, x := range list {
		x.hangUp()
	}
}

func (x *stream) readLoop() {
	defer x.server.wg.Done()
	defer x.server.streams.remove(x)
	defer x.hangUp()
	r := bufio.NewReaderSize(x.conn, 2048)
	var buf [fanout.MaxDatagram]byte
	_ = x.conn.SetReadDeadline(time.Now().Add(streamJoin))
	for {
		b, err := readFrame(r, buf[:])
		if err != nil {
			return
		}
		x.server.count.packets.Add(1)
		x.server.packet(b, path{addr: x.addr, tcp: x}, x.server.cfg.Now(), nil)
		if y := x.bound(); y != nil {
			if y.over() {
				return
			}
			_ = x.conn.SetReadDeadline(time.Now().Add(streamIdle))
		}
	}
}

// readFrame reads one packet of RFC 4571 §2 into buf.
func readFrame(r io.Reader, buf []byte) ([]byte, error) {
	if _, err := io.ReadFull(r, buf[:2]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(buf))
	if n > len(buf) {
		return nil, errFrame
	}
	_, err := io.ReadFull(r, buf[:n])
	return buf[:n], err
}

// writeLoop writes what Send has queued.
func (x *stream) writeLoop() {
	defer x.server.wg.Done()
	for range x.wake {
		for {
			x.mu.Lock()
			out, down := x.queue, x.down
			x.queue, x.spare = x.spare[:0], nil
			x.mu.Unlock()
			if down {
				return
			}
			if len(out) == 0 {
				x.giveBack(out)
				break
			}
			_ = x.conn.SetWriteDeadline(time.Now().Add(streamWrite))
			if _, err := x.conn.Write(out); err != nil {
				x.hangUp()
			}
			x.giveBack(out)
		}
	}
}

func (x *stream) giveBack(b []byte) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.spare = b[:0]
}

// Send queues a packet, or refuses it when the peer does not keep up. It
// implements fanout.Sink and never blocks.
func (x *stream) Send(packet []byte) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.down || len(x.queue)+2+len(packet) > streamQueue {
		return false
	}
	x.queue = binary.BigEndian.AppendUint16(x.queue, uint16(len(packet)))
	x.queue = append(x.queue, packet...)
	select {
	case x.wake <- struct{}{}:
	default:
	}
	return true
}

// bind makes the connection that session's; false if it is another's already.
func (x *stream) bind(s *session) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.session == nil {
		x.session = s
	}
	return x.session == s
}

func (x *stream) bound() *session {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.session
}

// hangUp closes the connection; its goroutines end.
func (x *stream) hangUp() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.down {
		return
	}
	x.down, x.queue = true, nil
	_ = x.conn.Close()
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

// sink is where a listener's packets go on this path: nil for UDP.
func (p path) sink() fanout.Sink {
	if p.tcp == nil {
		return nil
	}
	return p.tcp
}
