package fanout

import (
	"encoding/binary"
	"net"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// socketImpl is the Linux half of Socket.
type socketImpl struct {
	raw syscall.RawConn
	six bool
}

func (i *socketImpl) open(conn *net.UDPConn, six bool) (err error) {
	i.raw, err = conn.SyscallConn()
	i.six = six
	return err
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

// batch gathers sealed datagrams and sends them in one system call.
type batch struct {
	sock  *Socket
	n     int
	iv    [12]byte // scratch of the cipher
	hdr   [maxHeader]byte
	arena []byte
	msgs  []mmsghdr
	iovs  []unix.Iovec
	to    []address

	from, sent int
	refused    int64
	write      func(uintptr) bool // made once: a closure for each flush would be garbage
}

func newBatch(s *Socket) *batch {
	b := &batch{
		sock:  s,
		arena: make([]byte, batchLen*MaxDatagram),
		msgs:  make([]mmsghdr, batchLen),
		iovs:  make([]unix.Iovec, batchLen),
		to:    make([]address, batchLen),
	}
	for i := range b.msgs {
		b.iovs[i].Base = &b.arena[i*MaxDatagram]
		b.msgs[i].hdr.Iov = &b.iovs[i]
		b.msgs[i].hdr.SetIovlen(1)
		b.msgs[i].hdr.Name = &b.to[i].raw[0]
	}
	b.write = b.sendmmsg
	return b
}

// room is where the next datagram is to be written.
func (b *batch) room() []byte { return b.arena[b.n*MaxDatagram : (b.n+1)*MaxDatagram] }

// push takes the n bytes written to room as a datagram to a. It sends when the batch is full.
func (b *batch) push(n int, a *address) {
	b.iovs[b.n].SetLen(n)
	b.to[b.n] = *a
	b.msgs[b.n].hdr.Namelen = uint32(a.len)
	b.n++
	if b.n == len(b.msgs) {
		b.flush()
	}
}

// flush sends what is gathered. What the kernel refuses is skipped and counted in refused.
func (b *batch) flush() {
	for b.from = 0; b.from < b.n; b.from += max(b.sent, 1) {
		b.sent = 0
		if err := b.sock.impl.raw.Write(b.write); err != nil { // closed
			b.refused += int64(b.n - b.from)
			break
		}
	}
	b.n = 0
}

func (b *batch) sendmmsg(fd uintptr) bool {
	n, _, errno := syscall.Syscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&b.msgs[b.from])),
		uintptr(b.n-b.from), unix.MSG_DONTWAIT, 0, 0)
	switch errno {
	case 0:
		b.sent = int(n)
	case unix.EAGAIN:
		return false // wait until the socket takes more
	case unix.EINTR:
		return b.sendmmsg(fd)
	default:
		b.refused++ // the first one cannot be sent: pass over it
	}
	return true
}

// Inbox reads datagrams in batches.
type Inbox struct {
	sock  *Socket
	arena []byte
	msgs  []mmsghdr
	iovs  []unix.Iovec
	names []unix.RawSockaddrInet6
	got   int
	errno syscall.Errno
	read  func(uintptr) bool
}

const inboxLen = 64

// NewInbox makes a reader. Several may read one socket, each in its own goroutine.
func (s *Socket) NewInbox() *Inbox {
	in := &Inbox{
		sock:  s,
		arena: make([]byte, inboxLen*(MaxDatagram+1)),
		msgs:  make([]mmsghdr, inboxLen),
		iovs:  make([]unix.Iovec, inboxLen),
		names: make([]unix.RawSockaddrInet6, inboxLen),
	}
	for i := range in.msgs {
		in.iovs[i].Base = &in.arena[i*(MaxDatagram+1)]
		in.iovs[i].SetLen(MaxDatagram + 1)
		in.msgs[i].hdr.Iov = &in.iovs[i]
		in.msgs[i].hdr.SetIovlen(1)
		in.msgs[i].hdr.Name = (*byte)(unsafe.Pointer(&in.names[i]))
	}
	in.read = in.recvmmsg
	return in
}

// Read waits for datagrams and returns how many there are. An error means that
// the socket is closed.
func (in *Inbox) Read() (int, error) {
	for i := range in.msgs {
		in.msgs[i].hdr.Namelen = unix.SizeofSockaddrInet6
	}
	in.got, in.errno = 0, 0
	if err := in.sock.impl.raw.Read(in.read); err != nil {
		return 0, err
	}
	if in.errno == unix.EBADF {
		return 0, net.ErrClosed
	}
	return in.got, nil // an error queued on the socket (ICMP) reads as nothing
}

func (in *Inbox) recvmmsg(fd uintptr) bool {
	n, _, errno := syscall.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&in.msgs[0])),
		uintptr(len(in.msgs)), unix.MSG_DONTWAIT, 0, 0)
	if errno == unix.EAGAIN {
		return false
	}
	if in.errno = errno; errno == 0 {
		in.got = int(n)
	}
	return true
}

// Datagram gives the i-th datagram of the last Read and who sent it. The bytes
// are valid until the next Read. Longer ones than MaxDatagram come back empty.
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
