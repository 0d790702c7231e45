package media

import (
	"bytes"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"besedka/fanout"
)

// TestHandshakeThatEndsTwiceLeavesNobodyBehind: a flight may be repeated while its handshake is cut,
// and two handshakes of one session may end at once.
func TestHandshakeThatEndsTwiceLeavesNobodyBehind(t *testing.T) {
	s, up, down, _ := fuzzServer(t)
	other := fanout.Keys{Profile: fanout.AES128GCM, Key: [16]byte{1}}
	first := down.listener
	for _, x := range []*session{up, down} {
		x.establish(&handshake{ours: other, theirs: other})
	}
	if down.listener != first {
		t.Error("a second listener hears for the session")
	}
	if got := s.Stats(); got.SessionsUp != 1 || got.SessionsDown != 1 || got.HalfOpen != 0 || got.Handshakes != 2 {
		t.Errorf("%d up, %d down, %d half open after %d handshakes", got.SessionsUp, got.SessionsDown, got.HalfOpen, got.Handshakes)
	}
	s.Revoke("room", "who")
	if got := s.Stats(); got.SessionsUp != 0 || got.SessionsDown != 0 || got.HalfOpen != 0 {
		t.Errorf("left behind: %d up, %d down, %d half open", got.SessionsUp, got.SessionsDown, got.HalfOpen)
	}
}

// TestStormOfControlPacketsStaysWithinItsBudget: what is beyond it does not reach the room's lock.
func TestStormOfControlPacketsStaysWithinItsBudget(t *testing.T) {
	s, _, down, _ := fuzzServer(t)
	seal := fanout.NewControlSealer(fanout.Keys{Profile: fanout.AES128GCM})
	nack := []byte{2<<6 | fmtNACK, rtcpRTPF, 0, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 0xff, 0xff}
	now := s.cfg.Now()
	for range 5 * controlBurst {
		down.controlPacket(seal.Seal(nil, bytes.Clone(nack)), down.path, now)
	}
	if got := s.Stats(); got.Nacks != controlBurst || got.ControlExcess != 4*controlBurst || got.ControlRefused != 0 {
		t.Errorf("%d NACKs, %d packets in excess, %d refused", got.Nacks, got.ControlExcess, got.ControlRefused)
	}
	down.controlPacket(seal.Seal(nil, bytes.Clone(nack)), down.path, now.Add(time.Second))
	if got := s.Stats(); got.Nacks != controlBurst+1 {
		t.Error("a second later nothing is taken")
	}
}

// TestWhoSendsNothingButGapsIsNotAskedForAllOfThem: an answer for each packet would be his to command.
func TestWhoSendsNothingButGapsIsNotAskedForAllOfThem(t *testing.T) {
	s, up, _, _ := fuzzServer(t)
	now := s.cfg.Now()
	const packets = 2000
	up.mu.Lock()
	for n := range uint16(packets) { // in a second
		now = now.Add(time.Second / packets)
		b := append([]byte{0x80, 111, byte(n >> 7), byte(n << 1), 0, 0, byte(n >> 8), byte(n), 0, 0, 0, 7, 15 << 3}, make([]byte, 40)...)
		up.plainPacket(b, uint64(n)*2, now, nil)
	}
	up.mu.Unlock()
	if n := s.Stats().NacksSent; n < 10 || n > nackBurst+nacksPerSecond {
		t.Errorf("%d packets with a gap before each brought %d requests", packets, n)
	}
}

// starved is a listener in want of descriptors, until it has been asked too often.
type starved struct {
	net.Listener
	calls int
}

func (l *starved) Accept() (net.Conn, error) {
	if l.calls++; l.calls > 10_000 {
		return nil, net.ErrClosed
	}
	return nil, syscall.EMFILE
}

func TestWantOfDescriptorsIsWaitedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &starved{}
		s := &Server{tcp: l}
		s.wg.Add(1)
		begun := time.Now()
		s.acceptStreams()
		if took := time.Since(begun); took < 10*time.Second {
			t.Errorf("%d calls in %s", l.calls, took)
		}
	})
}

// TestStreamThatShowsNothingIsCutInTime: a byte a second keeps no connection open, nor do whole
// packets of nobody's.
func TestStreamThatShowsNothingIsCutInTime(t *testing.T) {
	for name, bytes := range map[string][]byte{
		"one long packet": append([]byte{5, 0}, make([]byte, 1000)...),
		"many empty ones": make([]byte, 1000),
		"many of nobody's": func() (b []byte) {
			for range 100 {
				b = append(b, 0, 4, 22, 0xfe, 0xfd, 0)
			}
			return b
		}(),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &Server{cfg: Config{Now: time.Now}, tables: newTables()}
				s.streams = streamSet{all: map[*stream]struct{}{}, byAddr: map[netip.Addr]int{}}
				ours, theirs := net.Pipe()
				x := &stream{server: s, conn: theirs, wake: make(chan struct{}, 1)}
				if !s.streams.add(x) {
					t.Fatal("refused")
				}
				s.wg.Add(2)
				go x.readLoop()
				go x.writeLoop()
				begun := time.Now()
				for _, b := range bytes {
					if _, err := ours.Write([]byte{b}); err != nil {
						break
					}
					time.Sleep(time.Second)
				}
				if took := time.Since(begun); took > streamJoin+2*time.Second {
					t.Errorf("served for %s", took)
				}
				s.wg.Wait()
				if n := len(s.streams.all); n != 0 {
					t.Errorf("%d connections are counted still", n)
				}
			})
		})
	}
}

func TestOneAddressDoesNotTakeAllConnections(t *testing.T) {
	set := streamSet{all: map[*stream]struct{}{}, byAddr: map[netip.Addr]int{}}
	at := func(addr string) *stream {
		return &stream{addr: netip.AddrPortFrom(netip.MustParseAddr(addr), 9)}
	}
	taken := 0
	var last *stream
	for range 2 * maxStreamsAddr {
		if x := at("192.0.2.1"); set.add(x) {
			last = x
			taken++
		}
	}
	if taken != maxStreamsAddr || !set.add(at("192.0.2.2")) {
		t.Errorf("one address has %d connections, and another is refused", taken)
	}
	set.remove(last)
	set.remove(last)
	if !set.add(at("192.0.2.1")) || set.add(at("192.0.2.1")) {
		t.Error("a place that has become free is not one place")
	}
}
