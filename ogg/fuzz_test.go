package ogg

import (
	"encoding/binary"
	"math/bits"
	"testing"
	"time"
)

// FuzzMuxer adds packets of any length, size and time: each is a byte of what happens besides, the
// byte that begins it, how far its time lies from the one before, and its size. The stream has no seam
// whatever comes, keeps up with the clock, and holds no more than the clock allows.
func FuzzMuxer(f *testing.F) {
	add := func(steps ...[5]byte) {
		var b []byte
		for _, s := range steps {
			b = append(b, s[:]...)
		}
		f.Add(b)
	}
	usual := [5]byte{0x10, 15 << 3, 0x03, 0xc0, 60} // 960 samples on, and 20 ms later
	add(usual, usual, usual)
	add(usual, [5]byte{0x01, 31 << 3, 0x7f, 0xff, 1}, usual, [5]byte{0x12, 28 << 3, 0xff, 0xf0, 255}, [5]byte{0x04, 11 << 3, 0, 1, 9}, usual)
	add([5]byte{0x70, 28 << 3, 0, 120, 255}, [5]byte{0, 28 << 3, 0, 120, 255}, [5]byte{0, 28 << 3, 0, 121, 3}, [5]byte{8, 0, 0x80, 0, 200})
	f.Fuzz(func(t *testing.T, data []byte) {
		s := newStudio(t)
		timestamp := uint32(0)
		for steps := 0; len(data) >= 5 && steps < 400; steps++ {
			flags, toc := data[0], data[1]&^3
			move, size := int16(binary.BigEndian.Uint16(data[2:])), 1+5*int(data[4])
			data = data[5:]
			p := Packet{Source: uint32(flags & 1), Marker: flags&2 != 0, Samples: frameSamples(toc), Payload: make([]byte, size)}
			p.Payload[0] = toc
			if flags&4 != 0 {
				s.mux.Forget(p.Source)
			}
			timestamp += uint32(int32(move))
			if flags&8 != 0 {
				timestamp = bits.Reverse32(timestamp)
			}
			p.Timestamp = timestamp
			s.mux.Add(p, s.now)
			s.pass(time.Duration(flags>>4) * 20 * time.Millisecond)
			if n := len(s.mux.waiting); n > (maxLead+maxLag)/step {
				t.Fatalf("%d packets wait", n)
			}
		}
		s.pass(4 * time.Second)
		s.heard()
		if at := s.pages[len(s.pages)-1].To; s.mux.position(s.now)-at > patience+2*pageSpan {
			t.Fatalf("the stream stands at %d, the clock at %d", at, s.mux.position(s.now))
		}
	})
}
