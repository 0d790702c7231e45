package web_test

import (
	"bufio"
	"net"
	"runtime"
	"strings"
	"testing"
)

// BenchmarkIdleEventStream says what an event stream costs that has nothing to tell: heap
// and stacks, the client's socket included.
func BenchmarkIdleEventStream(b *testing.B) {
	open := oneWorld(b).eventStreams(b)
	for b.Loop() {
		before := inUse()
		conns := open()
		b.ReportMetric(float64(inUse()-before)/float64(len(conns)), "B/stream")
		for _, c := range conns {
			if err := c.Close(); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// eventStreams prepares guests of a room; what it returns opens 320 event streams of theirs.
func (w *world) eventStreams(t testing.TB) func() []net.Conn {
	room := w.member("anna").open("open")
	var guests []*person
	for range 20 {
		guests = append(guests, w.guest(room))
	}
	return func() (conns []net.Conn) {
		for i := range 16 * len(guests) {
			c, err := net.Dial("tcp", strings.TrimPrefix(w.http.URL, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			conns = append(conns, c)
			if err := guests[i%len(guests)].request("GET", "/events", nil).Write(c); err != nil {
				t.Fatal(err)
			}
			for scan := bufio.NewScanner(c); scan.Scan() && !strings.HasPrefix(scan.Text(), "data: "); {
			}
		}
		return conns
	}
}

// inUse is the memory of what lives, and of stacks.
func inUse() int64 {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
