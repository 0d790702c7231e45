package fanout

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"
)

const blockType = 111

type sentPacket struct {
	timestamp uint32
	payload   []byte
}

// wantedBlocks tells from the whole history what a RED payload must repeat.
func wantedBlocks(history []sentPacket, p sentPacket, distance, limit int) []sentPacket {
	room := limit - 1 - len(p.payload)
	var out []sentPacket
	for i := len(history) - 1; i >= 0 && i >= len(history)-distance; i-- {
		h := history[i]
		room -= 4 + len(h.payload)
		if len(h.payload) > 1023 || p.timestamp-h.timestamp > 16383 || room < 0 {
			break
		}
		out = append([]sentPacket{h}, out...)
	}
	return append(out, p)
}

func TestREDRepeatsWhatFitsItsFields(t *testing.T) {
	for distance := range MaxREDDistance + 1 {
		r := rand.New(rand.NewPCG(5, uint64(distance)))
		e := NewREDEncoder(blockType, distance, 1400)
		at := uint32(0xffff0000) // wraps on the way
		var history []sentPacket
		for i := range 4000 {
			at += []uint32{960, 1920, 2880, 5760, 16383, 16384, 48000}[r.IntN(7)]
			p := sentPacket{at, randomBytes(r, []int{1, 2, 80, 240, 700, 1023, 1024, 1300}[r.IntN(8)])}
			raw := e.Append(nil, p.timestamp, p.payload)
			want := wantedBlocks(history, p, distance, 1400)
			history = append(history, p)
			got, err := ParseRED(nil, raw, p.timestamp)
			if err != nil || len(got) != len(want) {
				t.Fatalf("distance %d, packet %d: %d blocks, %v; want %d", distance, i, len(got), err, len(want))
			}
			if len(got) > 1 && len(raw) > 1400 {
				t.Fatalf("distance %d, packet %d: redundancy beyond the limit: %d bytes", distance, i, len(raw))
			}
			for k, b := range got {
				if b.PayloadType != blockType || b.Timestamp != want[k].timestamp ||
					!bytes.Equal(b.Payload, want[k].payload) || b.Primary != (k == len(got)-1) {
					t.Fatalf("distance %d, packet %d, block %d differs", distance, i, k)
				}
			}
		}
	}
}

func TestREDHeaderIsThatOfTheStandard(t *testing.T) {
	// RFC 2198 §3: F, block PT, timestamp offset, block length; last F = 0 and PT.
	e := NewREDEncoder(blockType, 1, 1200)
	if got := e.Append(nil, 5000, []byte{1, 2, 3}); !bytes.Equal(got, []byte{111, 1, 2, 3}) {
		t.Errorf("first payload % x", got)
	}
	offset := uint32(2880)
	want := []byte{0x80 | 111, byte(offset >> 6), byte(offset << 2), 3, 111, 1, 2, 3, 9, 9}
	if got := e.Append(nil, 5000+offset, []byte{9, 9}); !bytes.Equal(got, want) {
		t.Errorf("second payload % x, want % x", got, want)
	}
}

func TestLatePacketIsNotRepeatedNorCoveredByRED(t *testing.T) {
	e := NewREDEncoder(blockType, 2, 1200)
	e.Append(nil, 960, []byte("a"))
	e.Append(nil, 2880, []byte("c"))
	if got := e.Append(nil, 1920, []byte("b")); string(got) != "ob" {
		t.Errorf("late packet went out as %q", got)
	}
	got, err := ParseRED(nil, e.Append(nil, 3840, []byte("d")), 3840)
	if err != nil || len(got) != 3 || string(got[0].Payload) != "a" || string(got[1].Payload) != "c" {
		t.Errorf("after a late packet: %v %v", got, err)
	}
}

func TestREDGoesOnWhenTimeRestarts(t *testing.T) {
	e := NewREDEncoder(blockType, 1, 1200)
	e.Append(nil, 500000, []byte("a"))
	if got := e.Append(nil, 960, []byte("b")); string(got) != "ob" {
		t.Errorf("a packet of the time before was repeated: %q", got)
	}
	if got, err := ParseRED(nil, e.Append(nil, 1920, []byte("c")), 1920); err != nil || len(got) != 2 {
		t.Errorf("no redundancy after the restart: %v %v", got, err)
	}
}

func TestForgottenPacketsAreNotRepeated(t *testing.T) {
	e := NewREDEncoder(blockType, 2, 1200)
	e.Append(nil, 960, []byte("secret"))
	e.Append(nil, 1920, []byte("secret"))
	e.Forget()
	if got := e.Append(nil, 2880, []byte("b")); bytes.Contains(got, []byte("secret")) {
		t.Error("a forgotten packet was sent again")
	}
}

func TestMalformedREDIsRefused(t *testing.T) {
	many := bytes.Repeat([]byte{0x80 | blockType, 0, 4, 0}, maxREDBlocks)
	for name, raw := range map[string][]byte{
		"empty":                 {},
		"header cut":            {0x80 | blockType, 0, 4},
		"no last header":        {0x80 | blockType, 0, 4, 1},
		"no primary":            {blockType},
		"block beyond the end":  {0x80 | blockType, 0, 4, 3, blockType, 1, 2},
		"block eats primary":    {0x80 | blockType, 0, 4, 2, blockType, 1, 2},
		"more than sixteen":     append(append([]byte{}, many...), blockType, 1),
		"endless chain of bits": bytes.Repeat([]byte{0xff}, 1400),
	} {
		kept := make([]REDBlock, 1, 32)
		if got, err := ParseRED(kept, raw, 1); !errors.Is(err, ErrRED) || len(got) != 1 {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	if got, err := ParseRED(nil, append(append([]byte{}, many[4:]...), blockType, 1), 1); err != nil || len(got) != 1 {
		t.Errorf("fifteen empty blocks and a primary: %v, %v", got, err)
	}
}

func FuzzREDParse(f *testing.F) {
	e := NewREDEncoder(blockType, 2, 1200)
	for i := range uint32(4) {
		f.Add(e.Append(nil, i*960, []byte{1, 2, 3, byte(i)}), i*960)
	}
	f.Add([]byte{0xff, 0xff, 0xff, 0xff}, uint32(0))
	f.Fuzz(func(t *testing.T, raw []byte, timestamp uint32) {
		got, err := ParseRED(nil, raw, timestamp)
		if err != nil {
			return
		}
		total := 0
		for i, b := range got {
			total += len(b.Payload)
			if len(b.Payload) == 0 || timestamp-b.Timestamp > maxREDOffset || b.Primary != (i == len(got)-1) {
				t.Fatalf("block %d: %+v", i, b)
			}
		}
		if len(got) > maxREDBlocks || total >= len(raw) {
			t.Fatalf("%d blocks, %d of %d bytes", len(got), total, len(raw))
		}
	})
}

func BenchmarkREDAppend(b *testing.B) {
	for _, distance := range []int{1, 2} {
		b.Run([]string{1: "distance1", 2: "distance2"}[distance], func(b *testing.B) {
			e := NewREDEncoder(blockType, distance, 1200)
			payload, dst := make([]byte, 240), make([]byte, 0, 1500)
			b.ReportAllocs()
			for i := uint32(0); b.Loop(); i++ {
				dst = e.Append(dst[:0], i*2880, payload)
			}
		})
	}
}

func BenchmarkREDParse(b *testing.B) {
	e := NewREDEncoder(blockType, 2, 1200)
	var raw []byte
	for i := range uint32(3) {
		raw = e.Append(raw[:0], i*960, make([]byte, 80))
	}
	dst := make([]REDBlock, 0, maxREDBlocks)
	b.ReportAllocs()
	for b.Loop() {
		dst, _ = ParseRED(dst[:0], raw, 1920)
	}
}
