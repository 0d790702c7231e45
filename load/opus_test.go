package load

import (
	"bytes"
	"testing"
)

func marked(speaker uint16, tick uint32, sent int64) []byte {
	f := newFrame()
	mark{speaker, tick, sent}.put(f)
	return f
}

// merge is code 3, constant size (RFC 6716 §3.2.5), as a server merges equal frames.
func merge(frames ...[]byte) []byte {
	out := []byte{frames[0][0] | 3, byte(len(frames))}
	for _, f := range frames {
		out = append(out, f[1:]...)
	}
	return out
}

func TestMarksSurviveEveryWayOfPackingFrames(t *testing.T) {
	a, b, c := marked(2, 7, 70), marked(2, 8, 80), marked(2, 9, 90)
	double := append(append([]byte{toc | 1}, a[1:]...), b[1:]...)
	uneven := append(append([]byte{toc | 2, framePayload}, a[1:]...), b[1:]...)
	variable := append([]byte{toc | 3, 0x80 | 3, framePayload, framePayload}, bytes.Join([][]byte{a[1:], b[1:], c[1:]}, nil)...)
	padded := append(append([]byte{toc | 3, 0x40 | 2, 4}, bytes.Join([][]byte{a[1:], b[1:]}, nil)...), 0, 0, 0, 0)
	for _, tc := range []struct {
		name   string
		packet []byte
		n      int
	}{
		{"one", a, 1}, {"two equal", double, 2}, {"two with a length", uneven, 2},
		{"three constant", merge(a, b, c), 3}, {"three variable", variable, 3}, {"padded", padded, 2},
	} {
		first, last, n, ok, err := marks(tc.packet)
		if err != nil || !ok || n != tc.n || first != (mark{2, 7, 70}) || last.tick != uint32(7+tc.n-1) {
			t.Errorf("%s: %+v %+v n=%d ok=%v err=%v", tc.name, first, last, n, ok, err)
		}
	}
}

func TestForeignAndBrokenPacketsHaveNoMarks(t *testing.T) {
	for _, tc := range []struct {
		name   string
		packet []byte
		broken bool
	}{
		{"DTX", []byte{toc}, false},
		{"foreign", bytes.Repeat([]byte{8}, 60), false},
		{"empty", nil, true},
		{"odd halves", []byte{1, 1, 2, 3}, true},
		{"length beyond the end", []byte{2, 200, 1}, true},
		{"no frames", []byte{3, 0}, true},
		{"uneven constant", []byte{3, 2, 1, 2, 3}, true},
		{"endless padding", []byte{3, 0x41, 255, 255}, true},
		{"padding beyond the end", []byte{3, 0x41, 9, 1}, true},
	} {
		if _, _, _, ok, err := marks(tc.packet); ok || (err != nil) != tc.broken {
			t.Errorf("%s: ok=%v err=%v", tc.name, ok, err)
		}
	}
}

func FuzzSplitOpusNeverPanicsNorInvents(f *testing.F) {
	f.Add(merge(marked(1, 1, 1), marked(1, 2, 2)))
	f.Add([]byte{3, 0xc2, 255, 1, 252, 0})
	f.Fuzz(func(t *testing.T, p []byte) {
		frames, err := splitOpus(p)
		sum := 0
		for _, b := range frames {
			sum += len(b)
		}
		if err == nil && sum >= max(len(p), 1) {
			t.Fatalf("%d bytes of frames in a packet of %d", sum, len(p))
		}
	})
}
