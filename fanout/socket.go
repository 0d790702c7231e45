package fanout

import (
	"errors"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
)

// MaxDatagram is the largest datagram that is read or sent.
const MaxDatagram = 1500

// batchLen is how many datagrams leave in one system call at most.
const batchLen = 256

// maxParts bounds the sockets that share a port.
const maxParts = 16

// Socket is a UDP port, read and written in batches. On Linux it is a socket
// for each core, all with the same address (SO_REUSEPORT): the kernel spreads
// peers over them, and any of them sends to any peer. Batches are recvmmsg and
// sendmmsg there; elsewhere there is one socket and one call for each datagram.
// Sending is safe for concurrent use; each Inbox belongs to one goroutine.
type Socket struct {
	parts   []*part
	turn    atomic.Uint32 // parts send in turn
	refused atomic.Int64

	mu    sync.Mutex
	spare []*batch // batches not in use; as many as ever were in use at a time
}

// part is one of the sockets that share the port.
type part struct {
	conn *net.UDPConn
	impl socketImpl
	out  Outbox
}

// OpenSocket opens a UDP port with so many sockets; 0 means one for each core that
// the program uses. There are fewer where the system does not let them share a port.
func OpenSocket(addr netip.AddrPort, sockets int) (*Socket, error) {
	if sockets <= 0 {
		sockets = runtime.GOMAXPROCS(0)
	}
	sockets = min(sockets, maxParts)
	s := &Socket{}
	for range sockets {
		p, err := openPart(addr, sockets > 1)
		if err != nil && sockets > 1 && len(s.parts) == 0 {
			sockets = 1
			p, err = openPart(addr, false)
		}
		if err != nil && len(s.parts) > 0 {
			break // it goes with fewer
		}
		if err != nil {
			return nil, err
		}
		p.out.index, p.out.batch = len(s.parts), newBatch(s, p)
		s.parts = append(s.parts, p)
		if addr = s.Addr(); sockets == 1 {
			break
		}
	}
	return s, nil
}

// prepare takes a socket that has been opened.
func (p *part) prepare(conn *net.UDPConn, six bool) error {
	const buffer = 8 << 20
	_ = conn.SetReadBuffer(buffer) // the system may grant less, which is not an error
	_ = conn.SetWriteBuffer(buffer)
	p.conn = conn
	if err := p.impl.open(conn, six); err != nil {
		return errors.Join(err, conn.Close())
	}
	return nil
}

// familyOf is the network of an address: both families where it is of IPv6.
func familyOf(addr netip.AddrPort) (network string, six bool) {
	if addr.Addr().Is6() {
		return "udp", true
	}
	return "udp4", false
}

// Addr is the local address.
func (s *Socket) Addr() netip.AddrPort {
	a := s.parts[0].conn.LocalAddr().(*net.UDPAddr).AddrPort()
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// Close closes the port; every Inbox.Serve returns.
func (s *Socket) Close() error {
	var err error
	for _, p := range s.parts {
		err = errors.Join(err, p.conn.Close())
	}
	return err
}

// Refused counts the datagrams that the system has not taken.
func (s *Socket) Refused() int64 { return s.refused.Load() }

// address is a destination as a batch needs it.
func (s *Socket) address(a netip.AddrPort) address { return s.parts[0].impl.address(a) }

// Send sends one datagram. What cannot be sent is lost, as on any network.
func (s *Socket) Send(d []byte, to netip.AddrPort) {
	if len(d) > MaxDatagram {
		s.refused.Add(1)
		return
	}
	a := s.address(to)
	b := s.take()
	defer s.put(b)
	b.push(copy(b.room(), d), &a)
	b.flush()
}

// take gives a batch for exclusive use until put.
func (s *Socket) take() *batch {
	p := s.parts[0]
	if len(s.parts) > 1 {
		p = s.parts[s.turn.Add(1)%uint32(len(s.parts))]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.spare); n > 0 {
		b := s.spare[n-1]
		s.spare = s.spare[:n-1]
		b.part = p
		return b
	}
	return newBatch(s, p)
}

func (s *Socket) put(b *batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spare = append(s.spare, b)
}

// Outbox gathers what one reader of the port sends while it goes through the
// datagrams of one read, so that small rooms share system calls. Nothing stays
// in it longer than that work takes. A floor that must not have
// anything under way any more empties it (Floor.settleLocked).
type Outbox struct {
	index int
	turn  atomic.Uint64 // how often it has been emptied

	mu    sync.Mutex
	batch *batch
}

// flush sends what is in the outbox.
func (o *Outbox) flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.batch.flush()
	o.turn.Add(1)
}
