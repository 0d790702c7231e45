//go:build !linux

package fanout

import (
	"errors"
	"net"
	"net/netip"
)

// socketImpl is the portable half of a part: one system call for each datagram.
type socketImpl struct{}

func (i *socketImpl) open(*net.UDPConn, bool) error { return nil }

// openPart opens the socket of a port. Ports are not shared here.
func openPart(addr netip.AddrPort, share bool) (*part, error) {
	if share {
		return nil, errors.ErrUnsupported
	}
	network, six := familyOf(addr)
	conn, err := net.ListenUDP(network, net.UDPAddrFromAddrPort(addr))
	if err != nil {
		return nil, err
	}
	p := &part{}
	return p, p.prepare(conn, six)
}

// address is a destination.
type address struct{ to netip.AddrPort }

func (i *socketImpl) address(a netip.AddrPort) address { return address{to: a} }

// batch sends each datagram at once.
type batch struct {
	sock  *Socket
	part  *part
	iv    [12]byte
	hdr   [maxHeader]byte
	arena []byte
}

func newBatch(s *Socket, p *part) *batch {
	return &batch{sock: s, part: p, arena: make([]byte, MaxDatagram)}
}

func (b *batch) room() []byte { return b.arena }

func (b *batch) push(n int, a *address) {
	if _, err := b.part.conn.WriteToUDPAddrPort(b.arena[:n], a.to); err != nil {
		b.sock.refused.Add(1)
	}
}

func (b *batch) flush() {}

// Inbox reads datagrams one by one.
type Inbox struct {
	part *part
	buf  []byte
	n    int
	from netip.AddrPort
}

// Inboxes are the readers of the port, one for each of its sockets. Each is to be
// served by a goroutine of its own: what nobody reads is lost.
func (s *Socket) Inboxes() []*Inbox {
	return []*Inbox{{part: s.parts[0], buf: make([]byte, MaxDatagram+1)}}
}

// Outbox gathers what take sends. It leaves when take returns.
func (in *Inbox) Outbox() *Outbox { return &in.part.out }

// Serve reads until the port is closed. It calls take after each read with the number of
// datagrams, which Datagram gives, and sent when what became of them has left.
func (in *Inbox) Serve(take func(n int), sent func()) {
	for {
		n, from, err := in.part.conn.ReadFromUDPAddrPort(in.buf)
		if err == nil {
			in.n, in.from = n, netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
			take(1)
			in.part.out.flush()
			sent()
		} else if errors.Is(err, net.ErrClosed) {
			return
		}
	}
}

// Datagram gives the datagram of the last read and who sent it. Longer ones
// than MaxDatagram come back empty.
func (in *Inbox) Datagram(int) ([]byte, netip.AddrPort) {
	if in.n > MaxDatagram {
		return nil, in.from
	}
	return in.buf[:in.n], in.from
}
