package fanout

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func openPort(t testing.TB, sockets int) *Socket {
	s, err := OpenSocket(netip.MustParseAddrPort("127.0.0.1:0"), sockets)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// mailbox is a peer's socket.
type mailbox struct{ *net.UDPConn }

func newMailbox(t testing.TB) mailbox {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return mailbox{c}
}

func (m mailbox) addr() netip.AddrPort { return m.LocalAddr().(*net.UDPAddr).AddrPort() }

// next is the next datagram and who sent it.
func (m mailbox) next(t testing.TB) ([]byte, netip.AddrPort) {
	t.Helper()
	b := make([]byte, MaxDatagram)
	_ = m.SetReadDeadline(time.Now().Add(10 * time.Second))
	n, from, err := m.ReadFromUDPAddrPort(b)
	if err != nil {
		t.Fatal(err)
	}
	return b[:n], from
}

func TestEverySocketOfAPortServesEveryPeer(t *testing.T) {
	s := openPort(t, 4)
	var served sync.WaitGroup
	var mu sync.Mutex
	readers := map[*Inbox]int{}
	for _, in := range s.Inboxes() {
		served.Go(func() {
			in.Serve(func(n int) {
				for i := range n {
					b, from := in.Datagram(i)
					s.Send(b, from)
				}
				mu.Lock()
				defer mu.Unlock()
				readers[in] += n
			}, func() {})
		})
	}
	const peers = 64
	for i := range peers {
		m := newMailbox(t)
		if _, err := m.WriteToUDPAddrPort([]byte{byte(i)}, s.Addr()); err != nil {
			t.Fatal(err)
		}
		if b, from := m.next(t); len(b) != 1 || b[0] != byte(i) || from != s.Addr() {
			t.Fatalf("%d came from %v", b, from)
		}
	}
	_ = s.Close()
	served.Wait() // every reader ends with the port
	total := 0
	for _, n := range readers {
		total += n
	}
	if total != peers || len(s.parts) > 1 && len(readers) < 2 {
		t.Errorf("%d datagrams, read by %d of %d sockets", total, len(readers), len(s.parts))
	}
}

// stall is a room with one listener and a speaker, on a port that others share.
type stall struct {
	h     hall
	box   mailbox
	ear   *Listener
	voice *voice
}

func newStall(t *testing.T, s *Socket) *stall {
	x := &stall{box: newMailbox(t)}
	x.h = hall{t: t, now: time.Unix(1_700_000_000, 0)}
	x.h.floor = NewFloor(FloorConfig{Socket: s, Counters: &x.h.counters, SSRC: 1000})
	x.ear = x.h.floor.AddListener(ListenerConfig{Keys: randomKeys(AES128GCM), Class: Class{Type: 111}, Slots: 3, To: x.box.addr()})
	x.voice = x.h.voice(1, 30)
	return x
}

// say hands frames of the voice to the outbox, or without one to the system.
func (x *stall) say(frames int, out *Outbox) {
	for range frames {
		x.h.now = x.h.now.Add(20 * time.Millisecond)
		x.voice.next(1)
		x.voice.p.Payload = []byte{speech, 1, 2, 3}
		x.voice.sp.Forward(x.h.now, x.voice.p, out)
	}
}

// hears checks that the listener gets so many packets, in order.
func (x *stall) hears(t *testing.T, packets int) {
	t.Helper()
	for i := range packets {
		b, _ := x.box.next(t)
		if seq := binary.BigEndian.Uint16(b[2:]); seq != firstSequence+uint16(i) {
			t.Errorf("packet %d has sequence number %d", i, seq)
		}
	}
}

func TestRoomsShareASystemCall(t *testing.T) {
	s := openPort(t, 1)
	out := s.Inboxes()[0].Outbox()
	rooms := []*stall{newStall(t, s), newStall(t, s), newStall(t, s)}
	for _, x := range rooms {
		x.say(2, out)
	}
	if n := waitingIn(out); n != 6 {
		t.Errorf("%d packets wait for the one call", n)
	}
	out.flush()
	for _, x := range rooms {
		x.hears(t, 2)
	}
}

func TestNothingIsUnderWayAfterLeaving(t *testing.T) {
	for name, leave := range map[string]func(x *stall){
		"listener": func(x *stall) { x.ear.Close() },
		"speaker":  func(x *stall) { x.voice.sp.Close(x.h.now) },
		"muted":    func(x *stall) { x.voice.sp.SetForward(x.h.now, false) },
		"renamed":  func(x *stall) { x.voice.sp.SetCSRC(x.h.now, 9) },
	} {
		t.Run(name, func(t *testing.T) {
			s := openPort(t, 2)
			out := s.Inboxes()[0].Outbox()
			x := newStall(t, s)
			x.say(3, out)
			leave(x)
			if n := waitingIn(out); n != 0 {
				t.Errorf("%d packets are still to be sent", n)
			}
			x.hears(t, 3)
		})
	}
}

func TestPacketsOfAStreamDoNotOvertakeEachOther(t *testing.T) {
	s := openPort(t, 3)
	x := newStall(t, s)
	outs := []*Outbox{nil}
	for _, in := range s.Inboxes() {
		outs = append(outs, in.Outbox())
	}
	for i := range 30 { // the speaker's address changes all the time
		x.say(1, outs[i%len(outs)])
	}
	for _, o := range outs[1:] {
		o.flush()
	}
	x.hears(t, 30)
}

func TestARoomThatIsBusyKeepsNoOtherWaiting(t *testing.T) {
	s := openPort(t, 1)
	out := s.Inboxes()[0].Outbox()
	busy, other := newStall(t, s), newStall(t, s)
	other.say(1, out)
	busy.h.floor.mu.Lock()
	var said sync.WaitGroup
	said.Go(func() { busy.say(1, out) })
	other.hears(t, 1) // although the reader waits for the busy room
	busy.h.floor.mu.Unlock()
	said.Wait()
	out.flush()
	busy.hears(t, 1)
}

// waitingIn is how many packets are in an outbox.
func waitingIn(o *Outbox) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.batch.n
}

// BenchmarkRooms is one packet in each of many small rooms, as they come out of one
// read: with the reader's outbox, and each room with a system call of its own.
func BenchmarkRooms(b *testing.B) {
	for _, n := range []int{1, 5, 20} {
		for _, shared := range []bool{true, false} {
			b.Run(fmt.Sprintf("%d listeners/shared=%v", n, shared), func(b *testing.B) { benchRooms(b, n, shared) })
		}
	}
}

func benchRooms(b *testing.B, listeners int, shared bool) {
	const rooms = 32 // half of what one read brings at most
	s, to := testSocket(b), drain(b)
	var out *Outbox
	if shared {
		out = s.Inboxes()[0].Outbox()
	}
	var counters Counters
	var speakers [rooms]*Speaker
	for i := range speakers {
		f := NewFloor(FloorConfig{Socket: s, Counters: &counters, SSRC: 1000})
		for range listeners {
			f.AddListener(ListenerConfig{Keys: randomKeys(AES128GCM), Class: Class{Type: 111, LevelID: 1}, Slots: 3, To: to})
		}
		speakers[i] = f.AddSpeaker(7, true)
	}
	p := Packet{SSRC: 1, Type: 111, Level: 30, Payload: append([]byte{speech}, make([]byte, 99)...)}
	now := time.Now()
	b.ReportAllocs()
	before := cpuTime()
	for b.Loop() {
		now = now.Add(20 * time.Millisecond)
		p.Index++
		p.Timestamp += 960
		for _, sp := range speakers {
			sp.Forward(now, p, out)
		}
		if shared {
			out.flush()
		}
	}
	b.ReportMetric(float64(cpuTime()-before)/float64(b.N)/float64(rooms*listeners), "cpu-ns/listener")
}

// cpuTime is what the process has used, which on a busy machine says more than the clock.
func cpuTime() int64 {
	var u unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &u)
	return u.Utime.Nano() + u.Stime.Nano()
}
