package fanout

import (
	"net"
	"net/netip"
	"sync"
)

// MaxDatagram is the largest datagram that is read or sent.
const MaxDatagram = 1500

// batchLen is how many datagrams leave in one system call at most.
const batchLen = 256

// Socket is a UDP socket read and written in batches. On Linux it uses
// recvmmsg and sendmmsg; elsewhere one call for each datagram. Sending is safe
// for concurrent use; each Inbox belongs to one goroutine.
type Socket struct {
	conn *net.UDPConn
	impl socketImpl

	mu    sync.Mutex
	spare []*batch // batches not in use; as many as ever were in use at a time
}

// OpenSocket opens a UDP socket with large buffers.
func OpenSocket(addr netip.AddrPort) (*Socket, error) {
	network := "udp4"
	if addr.Addr().Is6() {
		network = "udp"
	}
	conn, err := net.ListenUDP(network, net.UDPAddrFromAddrPort(addr))
	if err != nil {
		return nil, err
	}
	const buffer = 8 << 20
	_ = conn.SetReadBuffer(buffer) // the system may grant less, which is not an error
	_ = conn.SetWriteBuffer(buffer)
	s := &Socket{conn: conn}
	if err := s.impl.open(conn, network == "udp"); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return s, nil
}

// Addr is the local address.
func (s *Socket) Addr() netip.AddrPort {
	a := s.conn.LocalAddr().(*net.UDPAddr).AddrPort()
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// Close closes the socket; a blocked Inbox.Read returns an error.
func (s *Socket) Close() error { return s.conn.Close() }

// Send sends one datagram.
func (s *Socket) Send(b []byte, to netip.AddrPort) error {
	_, err := s.conn.WriteToUDPAddrPort(b, to)
	return err
}

// take gives a batch for exclusive use until put.
func (s *Socket) take() *batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.spare); n > 0 {
		b := s.spare[n-1]
		s.spare = s.spare[:n-1]
		return b
	}
	return newBatch(s)
}

func (s *Socket) put(b *batch) {
	b.n = 0
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spare = append(s.spare, b)
}
