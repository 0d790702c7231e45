//go:build !linux

package fanout

import (
	"errors"
	"net"
	"net/netip"
)

// socketImpl is the portable half of Socket: one system call for each datagram.
type socketImpl struct{}

func (i *socketImpl) open(*net.UDPConn, bool) error { return nil }

// address is a destination.
type address struct{ to netip.AddrPort }

func (i *socketImpl) address(a netip.AddrPort) address { return address{to: a} }

// batch sends each datagram at once.
type batch struct {
	sock    *Socket
	n       int
	iv      [12]byte
	hdr     [maxHeader]byte
	arena   []byte
	refused int64
}

func newBatch(s *Socket) *batch { return &batch{sock: s, arena: make([]byte, MaxDatagram)} }

func (b *batch) room() []byte { return b.arena }

func (b *batch) push(n int, a *address) {
	if b.sock.Send(b.arena[:n], a.to) != nil {
		b.refused++
	}
}

func (b *batch) flush() {}

// Inbox reads datagrams one by one.
type Inbox struct {
	sock *Socket
	buf  []byte
	n    int
	from netip.AddrPort
}

// NewInbox makes a reader.
func (s *Socket) NewInbox() *Inbox { return &Inbox{sock: s, buf: make([]byte, MaxDatagram+1)} }

// Read waits for a datagram and returns 1. An error means that the socket is closed.
func (in *Inbox) Read() (int, error) {
	n, from, err := in.sock.conn.ReadFromUDPAddrPort(in.buf)
	if err != nil {
		if isClosed(err) {
			return 0, err
		}
		return 0, nil
	}
	in.n, in.from = n, netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
	return 1, nil
}

// Datagram gives the datagram of the last Read and who sent it. Longer ones
// than MaxDatagram come back empty.
func (in *Inbox) Datagram(int) ([]byte, netip.AddrPort) {
	if in.n > MaxDatagram {
		return nil, in.from
	}
	return in.buf[:in.n], in.from
}

func isClosed(err error) bool { return errors.Is(err, net.ErrClosed) }
