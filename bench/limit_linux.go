package bench

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Cost is CPU time of one packet, in microseconds.
type Cost struct {
	User   float64 `json:"user_us"`
	System float64 `json:"system_us"`
}

// Total is user and system time together.
func (c Cost) Total() float64 { return c.User + c.System }

const (
	limitPacket = 120 // bytes: header 12, payload 92, tag 16
	limitHeader = 12
	limitTag    = 16
	limitBatch  = 256 // packets a system call
	limitTick   = 20 * time.Millisecond
)

// limit is the barest thing that could serve listeners: one key and one address
// for each, nothing else.
type limit struct {
	out     int
	sockets []int
	addrs   []unix.RawSockaddrInet4
	keys    []cipher.AEAD
	arena   []byte
	iov     [limitBatch]unix.Iovec
	msgs    [limitBatch]mmsghdr
}

type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
}

// Limit encrypts one 120-byte packet for each of n listeners every 20 ms
// (AES-128-GCM, a key each) and sends them with sendmmsg to n loopback sockets, for the
// given time, on the given core; another thread empties the sockets on the other
// core without ever sleeping in receive. It gives the sender's CPU time a packet.
func Limit(n int, d time.Duration, sendCore, receiveCore int) (Cost, error) {
	l, err := newLimit(n)
	if err != nil {
		return Cost{}, err
	}
	defer l.close()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(max(2, runtime.GOMAXPROCS(0))))
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		onCore(receiveCore, func() { l.drain(stop) })
	}()
	cost, failed := make(chan Cost, 1), make(chan error, 1)
	go onCore(sendCore, func() {
		c, err := l.send(d)
		cost <- c
		failed <- err
	})
	c, err := <-cost, <-failed
	close(stop)
	<-stopped
	return c, err
}

// onCore runs f on a thread of its own that ends with it.
func onCore(core int, f func()) {
	runtime.LockOSThread() // not unlocked: the pinned thread ends with the goroutine
	var set unix.CPUSet
	set.Set(core)
	_ = unix.SchedSetaffinity(0, &set) // on a machine with one core there is nothing to pin
	f()
}

func newLimit(n int) (*limit, error) {
	l := &limit{arena: make([]byte, limitBatch*limitPacket), out: -1}
	for range n {
		fd, addr, err := bound()
		if err != nil {
			l.close()
			return nil, err
		}
		l.sockets = append(l.sockets, fd)
		l.addrs = append(l.addrs, addr)
		key := make([]byte, 16)
		_, _ = rand.Read(key)
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			return nil, err
		}
		l.keys = append(l.keys, aead)
	}
	var err error
	l.out, _, err = bound()
	for i := range l.msgs {
		l.iov[i].Base = &l.arena[i*limitPacket]
		l.iov[i].SetLen(limitPacket)
		l.msgs[i].hdr.Iov = &l.iov[i]
		l.msgs[i].hdr.SetIovlen(1)
		l.msgs[i].hdr.Namelen = unix.SizeofSockaddrInet4
	}
	return l, err
}

func bound() (int, unix.RawSockaddrInet4, error) {
	loopback := [4]byte{127, 0, 0, 1}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, unix.RawSockaddrInet4{}, err
	}
	// The receivers of the load generator let the kernel stamp arrivals; these pay for it as well.
	if err = errors.Join(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1), unix.Bind(fd, &unix.SockaddrInet4{Addr: loopback})); err == nil {
		var sa unix.Sockaddr
		if sa, err = unix.Getsockname(fd); err == nil {
			p := uint16(sa.(*unix.SockaddrInet4).Port)
			return fd, unix.RawSockaddrInet4{Family: unix.AF_INET, Port: p>>8 | p<<8, Addr: loopback}, nil // network byte order
		}
	}
	_ = unix.Close(fd)
	return -1, unix.RawSockaddrInet4{}, err
}

func (l *limit) close() {
	for _, fd := range append(l.sockets, l.out) {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
}

// send paces the ticks and gives this thread's CPU time a packet.
func (l *limit) send(d time.Duration) (Cost, error) {
	var before, after unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &before); err != nil {
		return Cost{}, err
	}
	payload, iv := make([]byte, limitPacket-limitHeader-limitTag), make([]byte, 12)
	begin, packets := time.Now(), 0
	for tick := 1; time.Since(begin) < d; tick++ {
		iv[0], iv[1], iv[2] = byte(tick), byte(tick>>8), byte(tick>>16)
		for from := 0; from < len(l.keys); from += limitBatch {
			n := min(limitBatch, len(l.keys)-from)
			if err := l.sendBatch(from, n, iv, payload); err != nil {
				return Cost{}, err
			}
			packets += n
		}
		if rest := time.Until(begin.Add(time.Duration(tick) * limitTick)); rest > 0 {
			ts := unix.NsecToTimespec(rest.Nanoseconds())
			_ = unix.Nanosleep(&ts, nil)
		}
	}
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &after); err != nil || packets == 0 {
		return Cost{}, errors.Join(err, errors.New("nothing was sent"))
	}
	each := func(a, b unix.Timeval) float64 { return float64(b.Nano()-a.Nano()) / 1e3 / float64(packets) }
	return Cost{each(before.Utime, after.Utime), each(before.Stime, after.Stime)}, nil
}

func (l *limit) sendBatch(from, n int, iv, payload []byte) error {
	for i := range n {
		p := l.arena[i*limitPacket:]
		l.keys[from+i].Seal(p[:limitHeader], iv, payload, p[:limitHeader])
		l.msgs[i].hdr.Name = (*byte)(unsafe.Pointer(&l.addrs[from+i]))
	}
	for sent := 0; sent < n; {
		r, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(l.out), uintptr(unsafe.Pointer(&l.msgs[sent])), uintptr(n-sent), 0, 0, 0)
		if errno != 0 && errno != unix.EAGAIN && errno != unix.EINTR {
			return fmt.Errorf("sendmmsg: %w", errno)
		}
		if errno == 0 {
			sent += int(r)
		}
	}
	return nil
}

// drain empties the sockets in turn, without waiting in receive.
func (l *limit) drain(stop <-chan struct{}) {
	buf := make([]byte, 2048)
	for {
		select {
		case <-stop:
			return
		default:
		}
		for _, fd := range l.sockets {
			for {
				if _, _, err := unix.Recvfrom(fd, buf, unix.MSG_DONTWAIT); err != nil {
					break
				}
			}
		}
		ts := unix.NsecToTimespec(limitTick.Nanoseconds())
		_ = unix.Nanosleep(&ts, nil)
	}
}
