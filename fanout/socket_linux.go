package fanout

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// socketImpl is the Linux half of a part.
type socketImpl struct {
	raw syscall.RawConn
	six bool
}

func (i *socketImpl) open(conn *net.UDPConn, six bool) (err error) {
	i.raw, err = conn.SyscallConn()
	i.six = six
	return err
}

// openPart opens one of the sockets of a port.
func openPart(addr netip.AddrPort, share bool) (*part, error) {
	network, six := familyOf(addr)
	var c net.ListenConfig
	if share {
		c.Control = func(_, _ string, raw syscall.RawConn) (err error) {
			ctl := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
			if ctl != nil {
				return ctl
			}
			return err
		}
	}
	conn, err := c.ListenPacket(context.Background(), network, addr.String())
	if err != nil {
		return nil, err
	}
	p := &part{}
	if err := p.prepare(conn.(*net.UDPConn), six); err != nil {
		return nil, err
	}
	return p, p.impl.raw.Control(func(fd uintptr) { neverFragment(int(fd), six) })
}

// neverFragment sets DF on all that is sent and takes no ICMP's word for the path's
// size: nothing of ours is longer than every path carries (maxBuilt). It
// spares the kernel an identification for each packet, 6 % of what sending one costs.
// Where it is refused packets go out as the system likes.
func neverFragment(fd int, six bool) {
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE)
	if six {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE)
	}
}

// address is a destination in the form that the kernel reads: a sockaddr_in, or
// a sockaddr_in6 where the socket is of that family.
type address struct {
	raw [unix.SizeofSockaddrInet6]byte
	len uint8
}

func (i *socketImpl) address(a netip.AddrPort) (out address) {
	if !i.six {
		sa := (*unix.RawSockaddrInet4)(unsafe.Pointer(&out.raw[0]))
		sa.Family = unix.AF_INET
		binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&sa.Port))[:], a.Port())
		if ip := a.Addr().Unmap(); ip.Is4() {
			sa.Addr = ip.As4()
		}
		out.len = unix.SizeofSockaddrInet4
		return out
	}
	sa := (*unix.RawSockaddrInet6)(unsafe.Pointer(&out.raw[0]))
	sa.Family = unix.AF_INET6
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&sa.Port))[:], a.Port())
	sa.Addr = a.Addr().As16()
	out.len = unix.SizeofSockaddrInet6
	return out
}

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
	_   [unsafe.Sizeof(uintptr(0)) - 4]byte
}

// batchBytes is what a batch holds: its datagrams lie densely, one behind the other.
const batchBytes = 64 << 10

// batch gathers sealed datagrams and sends them in one system call.
//
// The calls on sockets are raw ones: none of them can block, so the scheduler
// need not know of them, and its monitor is not woken for them.
type batch struct {
	sock  *Socket
	part  *part
	n     int
	end   int      // of what the arena holds
	iv    [12]byte // scratch of the cipher
	hdr   [maxHeader]byte
	arena []byte
	msgs  []mmsghdr
	iovs  []unix.Iovec
	to    []address

	sent        int
	try         func(uintptr) // made once: closures for each flush would be garbage
	wait        func(uintptr) bool
	unavailable bool
}

func newBatch(s *Socket, p *part) *batch {
	b := &batch{
		sock:  s,
		part:  p,
		arena: make([]byte, batchBytes),
		msgs:  make([]mmsghdr, batchLen),
		iovs:  make([]unix.Iovec, batchLen),
		to:    make([]address, batchLen),
	}
	for i := range b.msgs {
		b.msgs[i].hdr.Iov = &b.iovs[i]
		b.msgs[i].hdr.SetIovlen(1)
		b.msgs[i].hdr.Name = &b.to[i].raw[0]
	}
	b.try = func(fd uintptr) { b.sendmmsg(fd) }
	b.wait = func(fd uintptr) bool { b.sendmmsg(fd); return !b.unavailable }
	return b
}

// room is where the next datagram is to be written.
func (b *batch) room() []byte { return b.arena[b.end : b.end+MaxDatagram] }

// push takes the n bytes written to room as a datagram to a. It sends when the batch is full.
func (b *batch) push(n int, a *address) {
	b.iovs[b.n].Base = &b.arena[b.end]
	b.iovs[b.n].SetLen(n)
	b.to[b.n] = *a
	b.msgs[b.n].hdr.Namelen = uint32(a.len)
	b.n++
	b.end += (n + 15) &^ 15
	if b.n == len(b.msgs) || b.end > len(b.arena)-MaxDatagram {
		b.flush()
	}
}

// flush sends what is gathered. What the kernel refuses is skipped and counted.
func (b *batch) flush() {
	if b.n == 0 {
		return
	}
	b.sent, b.unavailable = 0, false
	err := b.part.impl.raw.Control(b.try)
	if err == nil && b.unavailable {
		err = b.part.impl.raw.Write(b.wait) // until the socket takes more
	}
	if err != nil { // closed
		b.sock.refused.Add(int64(b.n - b.sent))
	}
	b.n, b.end = 0, 0
}

// sendmmsg sends all that has not been sent yet, unless the socket is full.
func (b *batch) sendmmsg(fd uintptr) {
	b.unavailable = false
	for b.sent < b.n {
		n, _, errno := syscall.RawSyscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&b.msgs[b.sent])),
			uintptr(b.n-b.sent), unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			b.sent += int(n)
		case unix.EINTR:
		case unix.EAGAIN:
			b.unavailable = true
			return
		default:
			b.sock.refused.Add(1) // the first one cannot be sent: pass over it
			b.sent++
		}
	}
}

// Inbox reads datagrams in batches from one of the sockets of a port.
type Inbox struct {
	part  *part
	arena []byte
	msgs  []mmsghdr
	iovs  []unix.Iovec
	names []unix.RawSockaddrInet6
	got   int
}

const inboxLen = 64

// Inboxes are the readers of the port, one for each of its sockets. Each is to be
// served by a goroutine of its own: what nobody reads is lost.
func (s *Socket) Inboxes() []*Inbox {
	all := make([]*Inbox, len(s.parts))
	for i, p := range s.parts {
		all[i] = newInbox(p)
	}
	return all
}

func newInbox(p *part) *Inbox {
	in := &Inbox{
		part:  p,
		arena: make([]byte, inboxLen*(MaxDatagram+1)),
		msgs:  make([]mmsghdr, inboxLen),
		iovs:  make([]unix.Iovec, inboxLen),
		names: make([]unix.RawSockaddrInet6, inboxLen),
		got:   inboxLen,
	}
	for i := range in.msgs {
		in.iovs[i].Base = &in.arena[i*(MaxDatagram+1)]
		in.iovs[i].SetLen(MaxDatagram + 1)
		in.msgs[i].hdr.Iov = &in.iovs[i]
		in.msgs[i].hdr.SetIovlen(1)
		in.msgs[i].hdr.Name = (*byte)(unsafe.Pointer(&in.names[i]))
	}
	return in
}

// Outbox gathers what take sends. It leaves when take returns.
func (in *Inbox) Outbox() *Outbox { return &in.part.out }

// Serve reads until the port is closed. It calls take after each read with the number of
// datagrams, which Datagram gives, and sent when what became of them has left. It waits in
// the runtime's poller, without a thread.
func (in *Inbox) Serve(take func(n int), sent func()) {
	_ = in.part.impl.raw.Read(func(fd uintptr) (done bool) {
		for {
			n, errno := in.recvmmsg(fd)
			if n > 0 {
				take(n)
				in.part.out.flush()
				sent()
			}
			switch {
			case errno == unix.EBADF:
				return true
			case errno == unix.EAGAIN || errno == 0 && n < len(in.msgs):
				return false // empty: the poller tells of what has come since
			} // or full, or an error that was queued (ICMP): look again
		}
	})
}

func (in *Inbox) recvmmsg(fd uintptr) (int, syscall.Errno) {
	for i := range in.got {
		in.msgs[i].hdr.Namelen = unix.SizeofSockaddrInet6
	}
	n, _, errno := syscall.RawSyscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&in.msgs[0])),
		uintptr(len(in.msgs)), unix.MSG_DONTWAIT, 0, 0)
	if in.got = int(n); errno != 0 {
		in.got = 0
	}
	return in.got, errno
}

// Datagram gives the i-th datagram of the last read and who sent it. The bytes
// are valid until take returns. Longer ones than MaxDatagram come back empty.
func (in *Inbox) Datagram(i int) ([]byte, netip.AddrPort) {
	n := int(in.msgs[i].len)
	if n > MaxDatagram {
		n = 0
	}
	at := i * (MaxDatagram + 1)
	return in.arena[at : at+n], addrPort(&in.names[i])
}

func addrPort(sa *unix.RawSockaddrInet6) netip.AddrPort {
	port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&sa.Port))[:])
	if sa.Family == unix.AF_INET {
		return netip.AddrPortFrom(netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(sa)).Addr), port)
	}
	return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), port)
}
