package fanout

import (
	"crypto/rand"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"
)

// drain is a socket that takes packets and never reads them: the kernel drops
// what does not fit, so that the benchmark measures our side.
func drain(b testing.TB) netip.AddrPort {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Close() })
	return c.LocalAddr().(*net.UDPAddr).AddrPort()
}

func testSocket(b testing.TB) *Socket {
	s, err := OpenSocket(netip.MustParseAddrPort("127.0.0.1:0"), 0)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	return s
}

func randomKeys(p Profile) Keys {
	k := Keys{Profile: p}
	_, _ = rand.Read(k.Key[:])
	_, _ = rand.Read(k.Salt[:])
	return k
}

// null is a path that takes everything and sends nothing: what remains is user space.
type null struct{}

func (null) Send([]byte) bool { return true }

// BenchmarkFanout is 20 ms of one speaker to n listeners, in packets of 20 or 60 ms.
// ns/listener is the figure that counts; allocs/op must be 0.
func BenchmarkFanout(b *testing.B) {
	for _, profile := range []Profile{AES128GCM, AES128CMSHA180} {
		for _, wire := range []string{"udp", "null"} {
			for _, n := range []int{10, 1000} {
				for _, framing := range []Framing{Framing20, Framing60} {
					b.Run(fmt.Sprintf("%#x/%s/%d/%s", uint16(profile), wire, n, framing.Duration()), func(b *testing.B) {
						benchFanout(b, profile, wire, n, framing)
					})
				}
			}
		}
	}
}

func benchFanout(b *testing.B, profile Profile, wire string, n int, framing Framing) {
	var counters Counters
	f := NewFloor(FloorConfig{Socket: testSocket(b), Counters: &counters, SSRC: 1000, Policy: Policy{Audience: 1}})
	to := drain(b)
	for range n {
		c := ListenerConfig{Keys: randomKeys(profile), Class: Class{Type: 111, LevelID: 1}, Slots: 3, To: to, Longest: framing}
		if wire == "null" {
			c.Sink = null{}
		}
		f.AddListener(c)
	}
	sp := f.AddSpeaker(7, true)
	p := Packet{SSRC: 1, Type: 111, Level: 30, Payload: append([]byte{speech}, make([]byte, 99)...)}
	now := time.Now()
	step := func() {
		now = now.Add(20 * time.Millisecond)
		p.Index++
		p.Timestamp += 960
		sp.Forward(now, p, nil)
	}
	for i := range 1000 {
		step()
		if i%50 == 0 {
			f.Sweep(now)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		step()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/listener")
}

// BenchmarkOpen is what one packet of a speaker costs before the fan-out.
func BenchmarkOpen(b *testing.B) {
	for _, profile := range []Profile{AES128GCM, AES128CMSHA180} {
		b.Run(fmt.Sprintf("%#x", uint16(profile)), func(b *testing.B) {
			k := randomKeys(profile)
			s, o := newSealer(&k), NewOpener(k)
			class := Class{Type: 111, LevelID: 1}
			payload, dst := make([]byte, 100), make([]byte, MaxDatagram)
			var hdr [maxHeader]byte
			var iv [12]byte
			index := uint32(0)
			b.ReportAllocs()
			for b.Loop() {
				index++
				h := class.header(&hdr, form{}, 5, &frame{index: index, level: 30})
				copy(dst, hdr[:h])
				dst[2], dst[3] = byte(index>>8), byte(index)
				n := s.seal(dst, h, payload, 5, index, &iv)
				if _, _, ok := o.Open(dst[:n]); !ok {
					b.Fatal("not opened")
				}
			}
		})
	}
}
