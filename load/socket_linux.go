package load

import (
	"errors"
	"net/netip"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const supported = true

// socket is a connected UDP socket that the runtime's poller does not know.
type socket int

// dial opens a socket to the server's media address. Arrivals are stamped by
// the kernel.
func dial(to netip.AddrPort) (socket, error) {
	family, sa := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16()})
	if to.Addr().Unmap().Is4() {
		family, sa = unix.AF_INET, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().Unmap().As4()}
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	if err := errors.Join(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1), unix.Connect(fd, sa)); err != nil {
		_ = unix.Close(fd)
		return 0, err
	}
	return socket(fd), nil
}

// send sends one datagram; what the network refuses is lost like any datagram.
func (s socket) send(b []byte) { _, _ = unix.Write(int(s), b) }

func (s socket) close() { _ = unix.Close(int(s)) }

const (
	batchSize   = 32
	datagramMax = 2048
	controlMax  = 64
)

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
}

// batch receives up to batchSize datagrams of one socket with one system call.
type batch struct {
	data    [batchSize][datagramMax]byte
	control [batchSize][controlMax]byte
	iov     [batchSize]unix.Iovec
	msgs    [batchSize]mmsghdr
}

func newBatch() *batch {
	b := &batch{}
	for i := range b.msgs {
		b.iov[i].Base = &b.data[i][0]
		b.iov[i].SetLen(datagramMax)
		b.msgs[i].hdr.Iov = &b.iov[i]
		b.msgs[i].hdr.SetIovlen(1)
		b.msgs[i].hdr.Control = &b.control[i][0]
		b.msgs[i].hdr.SetControllen(controlMax)
	}
	return b
}

// receive takes what is there, without waiting. refused says that the server
// has closed the port (an ICMP message came back).
func (b *batch) receive(s socket) (n int, refused bool) {
	r, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(s), uintptr(unsafe.Pointer(&b.msgs[0])), batchSize, unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno == syscall.ECONNREFUSED
	}
	return int(r), false
}

// datagram gives the i-th datagram of the last receive and its arrival in Unix
// nanoseconds. The bytes are valid until the next receive.
func (b *batch) datagram(i int) ([]byte, int64) {
	m := &b.msgs[i]
	stamp := int64(0)
	h := (*unix.Cmsghdr)(unsafe.Pointer(&b.control[i][0]))
	if int(m.hdr.Controllen) >= unix.SizeofCmsghdr && h.Level == unix.SOL_SOCKET && h.Type == unix.SO_TIMESTAMPNS {
		ts := (*unix.Timespec)(unsafe.Pointer(&b.control[i][unix.CmsgLen(0)]))
		stamp = ts.Nano()
	}
	if stamp == 0 {
		stamp = time.Now().UnixNano()
	}
	m.hdr.SetControllen(controlMax)
	return b.data[i][:min(int(m.n), datagramMax)], stamp
}

// cpuTime is what this process has used so far, user and system.
func cpuTime() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// goFirst gives the calling thread, which must be the goroutine's own, the highest priority.
// Only the superuser may.
func goFirst() { _ = unix.Setpriority(unix.PRIO_PROCESS, 0, -20) }

// nap keeps the thread asleep, without the runtime's timers: those wait for who computes.
func nap(d time.Duration) {
	t := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&t, nil)
}
