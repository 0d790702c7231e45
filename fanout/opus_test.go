package fanout

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"
)

// rawOpus is a packet written down by a second hand, straight from the figures of
// RFC 6716 §3.2, so that parse and appendOpusHeader are not tested against each other.
type rawOpus struct {
	toc     byte // without code
	code    byte
	vbr     bool
	padding int // bytes of padding data, -1 for no padding
	frames  [][]byte
}

func (r rawOpus) bytes() []byte {
	length := func(out []byte, n int) []byte {
		if n < 252 {
			return append(out, byte(n))
		}
		first := 252
		for (n-first)%4 != 0 {
			first++
		}
		return append(out, byte(first), byte((n-first)/4))
	}
	out := []byte{r.toc | r.code}
	if r.code == 2 {
		out = length(out, len(r.frames[0]))
	}
	if r.code == 3 {
		count := byte(len(r.frames))
		if r.vbr {
			count += 128
		}
		if r.padding >= 0 {
			count += 64
		}
		out = append(out, count)
		if r.padding >= 0 {
			n := r.padding
			for ; n >= 255; n -= 254 {
				out = append(out, 255)
			}
			out = append(out, byte(n))
		}
		for i := 0; r.vbr && i < len(r.frames)-1; i++ {
			out = length(out, len(r.frames[i]))
		}
	}
	out = append(out, bytes.Join(r.frames, nil)...)
	return append(out, make([]byte, max(r.padding, 0))...)
}

// randomOpus draws a legal packet of any configuration, code, number and length of frames.
func randomOpus(r *rand.Rand, maxFrame int) rawOpus {
	p := rawOpus{toc: byte(r.IntN(64)) << 2, code: byte(r.IntN(4)), padding: -1}
	n := 1
	if p.code == 1 || p.code == 2 {
		n = 2
	}
	if p.code == 3 {
		n = 1 + r.IntN(maxOpusSamples/frameSamples(p.toc))
		p.vbr = r.IntN(2) == 0
		if r.IntN(2) == 0 {
			p.padding = r.IntN(600)
		}
	}
	same := r.IntN(maxFrame + 1)
	for range n {
		size := same
		if p.vbr || p.code == 2 {
			size = r.IntN(maxFrame + 1)
		}
		p.frames = append(p.frames, randomBytes(r, size))
	}
	return p
}

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// cut gives the frames of a parsed packet.
func (o *opusFrames) cut() [][]byte {
	var out [][]byte
	b := o.body
	for _, size := range o.sizes[:o.n] {
		out, b = append(out, b[:size]), b[size:]
	}
	return out
}

func equalFrames(a, b [][]byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !bytes.Equal(a[i], b[i]) {
			return false
		}
	}
	return true
}

func TestEveryLegalPacketIsCutIntoItsFrames(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 15000 {
		want := randomOpus(r, [3]int{3, 300, maxOpusFrameBytes}[i%3])
		raw := want.bytes()
		var got opusFrames
		if err := got.parse(raw); err != nil {
			t.Fatalf("packet %d (toc %#x, %d frames): %v", i, raw[0], len(want.frames), err)
		}
		if !equalFrames(got.cut(), want.frames) || got.padded != (want.padding >= 0) || got.toc&^3 != want.toc {
			t.Fatalf("packet %d (toc %#x, %d frames) was cut differently", i, raw[0], len(want.frames))
		}
		again := append(appendOpusHeader(nil, got.toc, got.sizes[:got.n]), got.body...)
		var second opusFrames
		if err := second.parse(again); err != nil || !equalFrames(second.cut(), want.frames) || second.padded {
			t.Fatalf("packet %d (toc %#x, %d frames) does not survive rewriting: %v", i, raw[0], len(want.frames), err)
		}
		if len(again) > len(raw) {
			t.Fatalf("packet %d grew from %d to %d bytes", i, len(raw), len(again))
		}
	}
}

func TestDurationsAreThoseOfTable2(t *testing.T) {
	// RFC 6716 §3.1, table 2, in samples at 48 kHz.
	silk, hybrid, celt := []int{480, 960, 1920, 2880}, []int{480, 960}, []int{120, 240, 480, 960}
	var want []int
	for range 3 {
		want = append(want, silk...)
	}
	for range 2 {
		want = append(want, hybrid...)
	}
	for range 4 {
		want = append(want, celt...)
	}
	for config, samples := range want {
		got, err := OpusSamples([]byte{byte(config) << 3, 1, 2})
		if err != nil || got != samples {
			t.Errorf("configuration %d: %d samples, %v; want %d", config, got, err, samples)
		}
	}
}

func TestMalformedPacketsAreRefused(t *testing.T) {
	long := make([]byte, maxOpusFrameBytes+1)
	for name, raw := range map[string][]byte{
		"empty [R1]":                        {},
		"one frame too long [R2]":           append([]byte{0x78}, long...),
		"two equal frames, odd bytes [R3]":  {0x79, 1, 2, 3},
		"two equal frames too long [R3]":    append(append([]byte{0x79}, long...), long...),
		"two frames, no length [R4]":        {0x7a},
		"two frames, half a length [R4]":    {0x7a, 252},
		"two frames, first too long [R4]":   {0x7a, 4, 1, 2, 3},
		"two frames, second too long [R4]":  append([]byte{0x7a, 1, 9}, long...),
		"many frames, no count [R6]":        {0x7b},
		"no frames [R5]":                    {0x7b, 0},
		"seven frames of 20 ms [R5]":        {0x7b, 7},
		"49 frames of 2.5 ms [R5]":          {0x83, 49},
		"uneven frames at one rate [R6]":    {0x7b, 2, 1, 2, 3},
		"no length of padding [R6]":         {0x7b, 0x41},
		"endless length of padding [R6]":    {0x7b, 0x41, 255, 255},
		"more padding than bytes [R6]":      {0x7b, 0x41, 3, 0, 0},
		"lengths missing [R7]":              {0x7b, 0x83, 1},
		"lengths longer than the body [R7]": {0x7b, 0x82, 3, 1, 2},
		"last frame too long [R7]":          append([]byte{0x7b, 0x82, 0}, long...),
	} {
		if _, err := OpusSamples(raw); !errors.Is(err, ErrOpus) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzOpusParse(f *testing.F) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 40 {
		f.Add(randomOpus(r, 20).bytes())
	}
	f.Add([]byte{0x7b, 0x41, 255, 255})
	f.Fuzz(func(t *testing.T, raw []byte) {
		var first, second opusFrames
		if first.parse(raw) != nil {
			return
		}
		if first.n < 1 || first.samples() > maxOpusSamples {
			t.Fatalf("%d frames, %d samples", first.n, first.samples())
		}
		again := append(appendOpusHeader(nil, first.toc, first.sizes[:first.n]), first.body...)
		if err := second.parse(again); err != nil || !equalFrames(first.cut(), second.cut()) {
			t.Fatalf("rewritten from % x to % x: %v", raw, again, err)
		}
		if len(again) > len(raw) {
			t.Fatalf("grew from %d to %d bytes", len(raw), len(again))
		}
	})
}
