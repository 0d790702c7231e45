package relay

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const patience = 20 * time.Second

var loopback = netip.MustParseAddrPort("127.0.0.1:0")

func open(t *testing.T, network string, server net.Addr, seed uint64) *Relay {
	t.Helper()
	r, err := Open(Config{Network: network, Listen: loopback, Server: unmapped(server), Seed: seed})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func set(t *testing.T, r *Relay, d Direction, c Conditions) {
	t.Helper()
	if err := r.Set(d, c); err != nil {
		t.Fatal(err)
	}
}

// await looks at the state until it is as wished.
func await(t *testing.T, r *Relay, wish func(State) bool) {
	t.Helper()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	end := time.After(patience)
	for !wish(r.State()) {
		select {
		case <-look.C:
		case <-end:
			t.Fatalf("never came to be: %+v", r.State())
		}
	}
}

func listenUDP(t *testing.T) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(loopback))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func dialUDP(t *testing.T, r *Relay) *net.UDPConn {
	t.Helper()
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(r.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func receive(t *testing.T, c *net.UDPConn) (string, netip.AddrPort) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 2000)
	n, from, err := c.ReadFromUDPAddrPort(buf)
	if err != nil {
		t.Fatal(err)
	}
	return string(buf[:n]), netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
}

func send(t *testing.T, c *net.UDPConn, data string) {
	t.Helper()
	if _, err := c.Write([]byte(data)); err != nil {
		t.Fatal(err)
	}
}

func TestDatagramsPassBothWaysAndKeepClientsApart(t *testing.T) {
	server := listenUDP(t)
	r := open(t, "udp", server.LocalAddr(), 1)
	one, two := dialUDP(t, r), dialUDP(t, r)
	for _, c := range []*net.UDPConn{one, two, one} {
		name := c.LocalAddr().String()
		send(t, c, name)
		got, from := receive(t, server)
		if got != name {
			t.Fatalf("server got %q", got)
		}
		if _, err := server.WriteToUDPAddrPort([]byte("to "+name), from); err != nil {
			t.Fatal(err)
		}
		if got, _ := receive(t, c); got != "to "+name {
			t.Fatalf("%s got %q", name, got)
		}
	}
	await(t, r, func(s State) bool {
		return len(s.Clients) == 2 && s.Up.Counters.Delivered == 3 && s.Down.Counters.Delivered == 3
	})
}

// TestLossFollowsTheSeed knows in advance which packets will come through.
func TestLossFollowsTheSeed(t *testing.T) {
	server := listenUDP(t)
	r := open(t, "udp", server.LocalAddr(), 42)
	c := Conditions{Loss: 0.2, Burst: Burst{Loss: 0.1, Length: 3}}
	set(t, r, Up, c)
	oracle, client := newLine(42, 0, Up), dialUDP(t, r)
	lostOnes := int64(0)
	for i := range uint32(500) {
		if _, err := client.Write(binary.BigEndian.AppendUint32(nil, i)); err != nil {
			t.Fatal(err)
		}
		if _, f := oracle.datagram(&c, start, 32); f == lost {
			lostOnes++
			continue
		}
		if got, _ := receive(t, server); binary.BigEndian.Uint32([]byte(got)) != i {
			t.Fatalf("instead of %d came %x", i, got)
		}
	}
	await(t, r, func(s State) bool { return s.Up.Counters.Lost+s.Up.Counters.Delivered == 500 })
	if got := r.State().Up.Counters; got.Lost != lostOnes || got.Delivered != 500-lostOnes {
		t.Errorf("%+v; want %d lost", got, lostOnes)
	}
}

func TestDelayedDatagramsComeInOrderAndNotTooEarly(t *testing.T) {
	server := listenUDP(t)
	r := open(t, "udp", server.LocalAddr(), 1)
	set(t, r, Up, Conditions{DelayMS: 30, JitterMS: 30})
	client := dialUDP(t, r)
	begin := time.Now()
	const n = 50
	for i := range n {
		send(t, client, string(rune('0'+i)))
	}
	for i := range n {
		if got, _ := receive(t, server); got != string(rune('0'+i)) {
			t.Fatalf("datagram %d is %q", i, got)
		}
		if i == 0 && time.Since(begin) < 30*time.Millisecond {
			t.Errorf("came after %v", time.Since(begin))
		}
	}
}

func TestBlackHoleSwallowsWhatIsUnderWayToo(t *testing.T) {
	server := listenUDP(t)
	var passed atomic.Int64 // a clock that stands until it is moved
	r, err := Open(Config{Network: "udp", Listen: loopback, Server: unmapped(server.LocalAddr()),
		Now: func() time.Time { return start.Add(time.Duration(passed.Load())) }})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	client := dialUDP(t, r)
	set(t, r, Up, Conditions{DelayMS: 5})
	send(t, client, "under way")
	await(t, r, func(s State) bool { return s.Up.Counters.Received == 1 })
	set(t, r, Up, Conditions{Blackhole: true})
	send(t, client, "into the hole")
	await(t, r, func(s State) bool { return s.Up.Counters.Blackholed == 1 })
	passed.Store(int64(time.Second))
	await(t, r, func(s State) bool { return s.Up.Counters.Blackholed == 2 })
	set(t, r, Up, Conditions{})
	send(t, client, "after")
	if got, _ := receive(t, server); got != "after" {
		t.Errorf("got %q", got)
	}
}

// TestNothingOvertakesWhatIsDue holds the queue still while a datagram in it is due.
func TestNothingOvertakesWhatIsDue(t *testing.T) {
	server := listenUDP(t)
	upstream, err := net.DialUDP("udp", nil, server.LocalAddr().(*net.UDPAddr))
	if err != nil {
		t.Fatal(err)
	}
	defer upstream.Close()
	now := start
	u := &udpRelay{config: Config{Now: func() time.Time { return now }}, directions: [2]*direction{newDirection(), newDirection()}}
	u.queue = newQueue(u.config.Now, u.deliver)
	l := &link{upstream: upstream}
	l.ways[Up].line = newLine(1, 0, Up)
	u.directions[Up].set(Conditions{DelayMS: 5})
	u.carry(l, Up, 0, []byte("first"))
	u.directions[Up].set(Conditions{})
	now = now.Add(time.Second)
	u.carry(l, Up, 0, []byte("second"))
	for p, _ := u.queue.pop(); p != nil; p, _ = u.queue.pop() {
		u.deliver(p)
	}
	u.carry(l, Up, 0, []byte("third"))
	for _, want := range []string{"first", "second", "third"} {
		if got, _ := receive(t, server); got != want {
			t.Errorf("%q; want %q", got, want)
		}
	}
}

func TestRebindShowsTheServerAnotherAddress(t *testing.T) {
	server := listenUDP(t)
	r := open(t, "udp", server.LocalAddr(), 1)
	client := dialUDP(t, r)
	send(t, client, "before")
	_, before := receive(t, server)
	for i, local := range []netip.Addr{{}, netip.MustParseAddr("127.0.0.2")} {
		if err := r.Rebind(local); err != nil {
			t.Fatal(err)
		}
		if _, err := server.WriteToUDPAddrPort([]byte("to the old address"), before); err != nil {
			t.Fatal(err)
		}
		await(t, r, func(s State) bool { return s.Down.Counters.Stale == int64(i+1) })
		send(t, client, "after")
		got, after := receive(t, server)
		if got != "after" || after == before || local.IsValid() && after.Addr() != local {
			t.Fatalf("%q from %v, before %v", got, after, before)
		}
		if _, err := server.WriteToUDPAddrPort([]byte("to the new address"), after); err != nil {
			t.Fatal(err)
		}
		if got, _ := receive(t, client); got != "to the new address" {
			t.Fatalf("client got %q", got)
		}
		if s := r.State(); len(s.Clients) != 1 || s.Clients[0].Upstream != after {
			t.Errorf("clients %v", s.Clients)
		}
		before = after
	}
}

func TestManyRebindsKeepFewSockets(t *testing.T) {
	server := listenUDP(t)
	r := open(t, "udp", server.LocalAddr(), 1)
	client := dialUDP(t, r)
	send(t, client, "x")
	receive(t, server)
	for range 5 * keptSockets {
		if err := r.Rebind(netip.Addr{}); err != nil {
			t.Fatal(err)
		}
	}
	l := r.carrier.(*udpRelay).order[0]
	if len(l.old) != keptSockets {
		t.Errorf("%d old sockets", len(l.old))
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err := r.Rebind(netip.Addr{}); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestRelaySurvivesAServerThatIsAway(t *testing.T) {
	gone := listenUDP(t)
	address := gone.LocalAddr().(*net.UDPAddr)
	gone.Close()
	r := open(t, "udp", address, 1)
	client := dialUDP(t, r)
	for range 20 {
		send(t, client, "anybody there?")
	}
	await(t, r, func(s State) bool { return s.Up.Counters.Received == 20 })
	server, err := net.ListenUDP("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	send(t, client, "now")
	if got, _ := receive(t, server); got != "now" {
		t.Errorf("got %q", got)
	}
}

// listenTCP answers every connection with what it was sent, in upper case.
func listenTCP(t *testing.T) net.Addr {
	t.Helper()
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(loopback))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				buf := make([]byte, 4096)
				for {
					n, err := c.Read(buf)
					if n > 0 {
						c.Write(bytes.ToUpper(buf[:n]))
					}
					if err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr()
}

func dialTCP(t *testing.T, r *Relay) *net.TCPConn {
	t.Helper()
	c, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(r.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestStreamArrivesWholeWhateverTheLine(t *testing.T) {
	r := open(t, "tcp", listenTCP(t), 3)
	set(t, r, Up, Conditions{Loss: 0.01, StallMS: 5, DelayMS: 2, JitterMS: 3})
	set(t, r, Down, Conditions{DelayMS: 1, BitsPerSecond: 50e6})
	client := dialTCP(t, r)
	dice := rand.New(rand.NewPCG(1, 1))
	sent := make([]byte, 1<<20)
	for i := range sent {
		sent[i] = 'a' + byte(dice.IntN(26))
	}
	go func() {
		client.Write(sent)
		client.CloseWrite()
	}()
	got, err := io.ReadAll(client)
	if err != nil || !bytes.Equal(got, bytes.ToUpper(sent)) {
		t.Errorf("%d bytes of %d came back, %v", len(got), len(sent), err)
	}
	await(t, r, func(s State) bool { return len(s.Clients) == 0 })
	if s := r.State(); s.Up.Counters.Bytes != 1<<20 || s.Up.Counters.Lost == 0 || s.Up.Counters.Delivered != s.Up.Counters.Received {
		t.Errorf("%+v", s.Up.Counters)
	}
}

func TestBlackHoleHoldsAStreamUntilItOpens(t *testing.T) {
	r := open(t, "tcp", listenTCP(t), 1)
	client := dialTCP(t, r)
	set(t, r, Down, Conditions{Blackhole: true})
	if _, err := client.Write([]byte("held")); err != nil {
		t.Fatal(err)
	}
	await(t, r, func(s State) bool { return s.Down.Counters.Received == 1 })
	if s := r.State(); s.Down.Counters.Delivered != 0 {
		t.Errorf("%+v", s.Down.Counters)
	}
	set(t, r, Down, Conditions{})
	buf := make([]byte, 4)
	if _, err := io.ReadFull(client, buf); err != nil || string(buf) != "HELD" {
		t.Errorf("%q %v", buf, err)
	}
}

func TestRebindResetsStreams(t *testing.T) {
	r := open(t, "tcp", listenTCP(t), 1)
	client := dialTCP(t, r)
	await(t, r, func(s State) bool { return len(s.Clients) == 1 })
	if err := r.Rebind(netip.MustParseAddr("127.0.0.3")); err != nil {
		t.Fatal(err)
	}
	// A kernel may tell of the reset as of an end, when it arrives between two looks.
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.EOF) {
		t.Errorf("read: %v", err)
	}
	dialTCP(t, r)
	await(t, r, func(s State) bool {
		return len(s.Clients) == 1 && s.Clients[0].Upstream.Addr().String() == "127.0.0.3"
	})
}

func TestCloseEndsStreamsInEveryCondition(t *testing.T) {
	for name, c := range map[string]Conditions{"calm": {}, "held": {Blackhole: true}, "slow": {DelayMS: maxDelayMS}, "narrow": {BitsPerSecond: 1000}} {
		r := open(t, "tcp", listenTCP(t), 1)
		set(t, r, Up, c)
		client := dialTCP(t, r)
		go client.Write(make([]byte, 1<<20))
		await(t, r, func(s State) bool { return s.Up.Counters.Received > 0 })
		if err := r.Close(); err != nil { // returns: nothing is left running
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, client); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: the client was left waiting", name)
		}
	}
}

func TestOpenRefusesNonsense(t *testing.T) {
	somewhere := netip.MustParseAddrPort("127.0.0.1:9")
	for name, c := range map[string]Config{
		"no network": {Listen: loopback, Server: somewhere},
		"no listen":  {Network: "udp", Server: somewhere},
		"no server":  {Network: "udp", Listen: loopback},
		"no port":    {Network: "udp", Listen: loopback, Server: loopback},
		"not ours":   {Network: "tcp", Listen: netip.MustParseAddrPort("192.0.2.1:9"), Server: somewhere},
	} {
		if r, err := Open(c); err == nil {
			r.Close()
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestControlObeysLineByLine(t *testing.T) {
	server := listenUDP(t)
	r := open(t, "udp", server.LocalAddr(), 1)
	client := dialUDP(t, r)
	send(t, client, "x")
	_, before := receive(t, server)

	commands, replies := io.Pipe()
	in, out := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- Control(r, in, replies) }()
	answers := bufio.NewScanner(commands)
	answer := func() reply {
		t.Helper()
		var a reply
		if !answers.Scan() || json.Unmarshal(answers.Bytes(), &a) != nil {
			t.Fatalf("no reply: %q", answers.Bytes())
		}
		return a
	}
	if a := answer(); a.State == nil || a.State.Listen != r.Addr() {
		t.Fatalf("first line: %+v", a)
	}
	say := func(line string) reply {
		t.Helper()
		if _, err := io.WriteString(out, line+"\n"); err != nil {
			t.Fatal(err)
		}
		return answer()
	}
	a := say(`{"do":"set","up":{"loss":0.05,"burst":{"loss":0.1,"length":3}},"down":{"delay_ms":40}}`)
	if a.State == nil || a.State.Up.Conditions.Burst.Length != 3 || a.State.Down.Conditions.DelayMS != 40 {
		t.Errorf("set: %+v", a)
	}
	if a := say(`{"do":"set","up":{}}`); a.State == nil || a.State.Up.Conditions != (Conditions{}) || a.State.Down.Conditions.DelayMS != 40 {
		t.Errorf("set of one direction: %+v", a)
	}
	if a := say(`{"do":"rebind"}`); a.State == nil || len(a.State.Clients) != 1 || a.State.Clients[0].Upstream == before {
		t.Errorf("rebind: %+v", a)
	}
	for _, bad := range []string{``, `{`, `{"do":"dance"}`, `{"do":"set"}`, `{"do":"set","up":{"los":1}}`, `{"do":"set","up":{"delay_ms":7},"down":{"loss":2}}`, `{"do":"rebind","address":"192.0.2.1"}`} {
		if a := say(bad); a.Error == "" || a.State != nil {
			t.Errorf("%s: %+v", bad, a)
		}
	}
	if a := say(`{"do":"read"}`); a.State == nil || a.State.Up.Conditions.DelayMS != 0 {
		t.Errorf("read: half of a refused command was obeyed: %+v", a)
	}
	out.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := Control(r, strings.NewReader(strings.Repeat("x", 2*maxCommand)), io.Discard); !errors.Is(err, bufio.ErrTooLong) {
		t.Errorf("endless line: %v", err)
	}
}

func BenchmarkDatagram(b *testing.B) {
	for name, c := range map[string]Conditions{"through": {}, "queued": {DelayMS: 1}} {
		b.Run(name, func(b *testing.B) {
			server, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(loopback))
			if err != nil {
				b.Fatal(err)
			}
			defer server.Close()
			r, err := Open(Config{Network: "udp", Listen: loopback, Server: unmapped(server.LocalAddr()), Seed: 1})
			if err != nil {
				b.Fatal(err)
			}
			defer r.Close()
			r.Set(Up, c)
			client, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(r.Addr()))
			if err != nil {
				b.Fatal(err)
			}
			defer client.Close()
			const window = 64
			data, buf := make([]byte, 120), make([]byte, 2000)
			b.ReportAllocs()
			for b.Loop() {
				for range window {
					client.Write(data)
				}
				for range window {
					if _, err := server.Read(buf); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*window), "ns/datagram")
		})
	}
}
