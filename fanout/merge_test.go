package fanout

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	celt20  = 31 << 3 // CELT fullband, 20 ms, mono
	speech  = 13 << 3 // hybrid super-wideband, 20 ms, mono
	speechS = speech | 4
)

var start = time.Unix(1_700_000_000, 0)

// heard is one frame with all that must arrive with it.
type heard struct {
	timestamp uint32
	source    uint32
	toc       byte // without code
	frame     string
}

// hear cuts packets into the frames that a decoder would see.
func hear(t *testing.T, packets ...OpusPacket) []heard {
	t.Helper()
	var out []heard
	for _, p := range packets {
		var o opusFrames
		if err := o.parse(p.Payload); err != nil {
			t.Fatalf("packet %d is malformed: % x", p.Sequence, p.Payload)
		}
		for i, f := range o.cut() {
			out = append(out, heard{p.Timestamp + uint32(i*frameSamples(o.toc)), p.Source, o.toc &^ 3, string(f)})
		}
	}
	return out
}

// clone copies packets whose payloads the Merger will overwrite.
func clone(packets []OpusPacket) []OpusPacket {
	out := slices.Clone(packets)
	for i := range out {
		out[i].Payload = bytes.Clone(out[i].Payload)
	}
	return out
}

// talker draws what speakers may send, at its worst.
type talker struct {
	r      *rand.Rand
	at     uint32
	toc    byte
	who    uint32
	common bool // what Chromium sends: 20 ms each
}

func (s *talker) next() OpusPacket {
	raw := randomOpus(s.r, 200)
	if s.common || s.r.IntN(3) > 0 {
		raw = rawOpus{toc: s.toc, padding: -1, frames: [][]byte{randomBytes(s.r, 2+s.r.IntN(100))}}
	} else if s.r.IntN(4) > 0 {
		raw.toc = s.toc
		raw.frames = raw.frames[:min(len(raw.frames), maxOpusSamples/frameSamples(s.toc))]
		if raw.code < 3 && len(raw.frames) < 2 {
			raw.code = 0
		}
	}
	p := OpusPacket{Timestamp: s.at, Source: s.who, Level: byte(s.r.IntN(128)), Payload: raw.bytes()}
	switch s.r.IntN(40) {
	case 0: // silence, then 400 ms of nothing
		p.Payload = []byte{s.toc, 0}[:1+s.r.IntN(2)]
		s.at += 19200 - 960
	case 1: // lost on the way up
		s.at += 960 * uint32(1+s.r.IntN(10))
	case 2:
		s.toc = []byte{speech, speechS, celt20, 1 << 3, 16 << 3}[s.r.IntN(5)]
	case 3:
		s.who++
		p.Marker = true
		p.Source = s.who
	case 4:
		p.Marker = true
	}
	p.Timestamp = s.at
	n, err := OpusSamples(p.Payload)
	if err != nil {
		panic(err)
	}
	s.at += uint32(n)
	return p
}

func TestEveryFrameComesOutOnceInOrderAndUnchanged(t *testing.T) {
	for seed := range uint64(12) {
		s := &talker{r: rand.New(rand.NewPCG(seed, 1)), at: 0xffff0000, toc: speech, who: 7, common: seed%2 == 0}
		m := NewMerger(Framing(1+seed%3), 1150)
		now := start
		var want []heard
		var got []OpusPacket
		for i := range 2000 {
			p := s.next()
			want = append(want, hear(t, p)...)
			now = now.Add(time.Duration(s.r.IntN(60)) * time.Millisecond)
			got = append(got, clone(m.Expire(nil, now))...)
			out, err := m.Push(nil, p, now)
			if err != nil {
				t.Fatalf("seed %d, packet %d: %v", seed, i, err)
			}
			checkMerged(t, m, p, out)
			got = append(got, clone(out)...)
			if at, ok := m.Deadline(); ok && at.Before(now) {
				t.Fatalf("seed %d, packet %d waits since %v", seed, i, now.Sub(at))
			}
		}
		got = append(got, clone(m.Flush(nil))...)
		for i, p := range got {
			if p.Sequence != uint32(i) {
				t.Fatalf("seed %d: packet %d has sequence number %d", seed, i, p.Sequence)
			}
		}
		if !slices.Equal(hear(t, got...), want) {
			t.Fatalf("seed %d: frames differ", seed)
		}
	}
}

// checkMerged looks at the packets that came out when p went in.
func checkMerged(t *testing.T, m *Merger, p OpusPacket, out []OpusPacket) {
	t.Helper()
	if len(out) > 2 {
		t.Fatalf("%d packets at once", len(out))
	}
	for _, o := range out {
		n, err := OpusSamples(o.Payload)
		if err != nil {
			t.Fatal(err)
		}
		alone := o.Timestamp == p.Timestamp && o.Source == p.Source
		if !alone && (n > Framing60.samples() || len(o.Payload) > 1150) {
			t.Fatalf("merged %d samples, %d bytes", n, len(o.Payload))
		}
	}
	if len(p.Payload) <= 2 {
		last := out[len(out)-1]
		if m.Pending() != 0 || !bytes.Equal(last.Payload, p.Payload) || last.Timestamp != p.Timestamp {
			t.Fatalf("silence % x did not go out alone: % x", p.Payload, last.Payload)
		}
	}
}

// speak pushes n packets of 20 ms and gives what comes out as "frames@timestamp".
type line struct {
	t   *testing.T
	m   *Merger
	at  uint32
	now time.Time
	out []string
}

func (s *line) push(p OpusPacket) {
	s.t.Helper()
	out, err := s.m.Push(nil, p, s.now)
	if err != nil {
		s.t.Fatal(err)
	}
	s.note(out)
	n, _ := OpusSamples(p.Payload)
	s.at = p.Timestamp + uint32(n)
	s.now = s.now.Add(samplesDuration(n))
}

func (s *line) note(out []OpusPacket) {
	for _, p := range out {
		s.out = append(s.out, fmt.Sprintf("%d@%d", len(hear(s.t, p)), p.Timestamp/960))
	}
}

func (s *line) speak(toc byte, n int) {
	s.t.Helper()
	for range n {
		s.push(OpusPacket{Timestamp: s.at, Payload: []byte{toc, 1, 2, 3, byte(s.at)}})
	}
}

func TestWhatBreaksAMergedPacket(t *testing.T) {
	big := append([]byte{speech}, make([]byte, 600)...)
	for name, c := range map[string]struct {
		do   func(s *line)
		want string
	}{
		"nothing":               {func(s *line) { s.speak(speech, 6) }, "3@0 3@3"},
		"another configuration": {func(s *line) { s.speak(speech, 2); s.speak(celt20, 3) }, "2@0 3@2"},
		"stereo":                {func(s *line) { s.speak(speech, 1); s.speak(speechS, 3) }, "1@0 3@1"},
		"a hole":                {func(s *line) { s.speak(speech, 2); s.at += 960; s.speak(speech, 3) }, "2@0 3@3"},
		"silence": {func(s *line) {
			s.speak(speech, 2)
			s.push(OpusPacket{Timestamp: s.at, Payload: []byte{OpusSilence(speech)}})
			s.speak(speech, 3)
		}, "2@0 1@2 3@3"},
		"silence in two bytes": {func(s *line) {
			s.speak(speech, 1)
			s.push(OpusPacket{Timestamp: s.at, Payload: []byte{speech, 0}})
			s.push(OpusPacket{Timestamp: s.at, Payload: []byte{speech, 0}})
		}, "1@0 1@1 1@2"},
		"silence within a packet": {func(s *line) {
			s.speak(speech, 1)
			s.push(OpusPacket{Timestamp: s.at, Payload: []byte{speech | 1, 1, 2}})
		}, "1@0 2@1"},
		"another speaker": {func(s *line) {
			s.speak(speech, 2)
			s.push(OpusPacket{Timestamp: s.at, Source: 1, Payload: []byte{speech, 1, 2}})
			s.push(OpusPacket{Timestamp: s.at, Source: 1, Payload: []byte{speech, 1, 2}})
			s.push(OpusPacket{Timestamp: s.at, Source: 1, Payload: []byte{speech, 1, 2}})
		}, "2@0 3@2"},
		"a new talkspurt": {func(s *line) {
			s.speak(speech, 2)
			s.push(OpusPacket{Timestamp: s.at, Marker: true, Payload: []byte{speech, 1, 2}})
			s.speak(speech, 2)
		}, "2@0 3@2"},
		"a packet that is long enough": {func(s *line) {
			s.speak(speech, 1)
			s.push(OpusPacket{Timestamp: s.at, Payload: []byte{speech | 3, 4, 1, 2, 1, 2, 1, 2, 1, 2}})
			s.speak(speech, 1)
		}, "1@0 4@1"},
		"frames that cannot be doubled": {func(s *line) { // 40 ms: a second one would make 80
			s.push(OpusPacket{Timestamp: 0, Payload: []byte{speech | 1, 1, 2, 3, 4}})
		}, "2@0"},
		"the limit in bytes": {func(s *line) {
			s.push(OpusPacket{Timestamp: 0, Payload: big})
			s.push(OpusPacket{Timestamp: 960, Payload: big})
		}, "1@0"},
		"a restart": {func(s *line) { s.at = 960 * 100; s.speak(speech, 2); s.at = 0; s.speak(speech, 3) }, "2@100 3@0"},
		"time": {func(s *line) {
			s.speak(speech, 2) // full at 40 ms, late at 55
			s.note(s.m.Expire(nil, start.Add(55*time.Millisecond-1)))
			s.out = append(s.out, "|")
			s.note(s.m.Expire(nil, start.Add(55*time.Millisecond)))
			s.note(s.m.Expire(nil, start.Add(time.Second)))
		}, "| 2@0"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &line{t: t, m: NewMerger(Framing60, 1150), now: start}
			c.do(s)
			if got := strings.Join(s.out, " "); got != c.want {
				t.Errorf("%s; want %s", got, c.want)
			}
		})
	}
}

func TestShortFramesFillThePacketToo(t *testing.T) {
	for toc, frames := range map[byte]int{28 << 3: 24, 29 << 3: 12, 30 << 3: 6, 31 << 3: 3} {
		s := &line{t: t, m: NewMerger(Framing60, 1150), now: start}
		s.speak(toc, 2*frames)
		if want := fmt.Sprintf("%d@0 %d@3", frames, frames); strings.Join(s.out, " ") != want {
			t.Errorf("toc %#x: %v; want %s", toc, s.out, want)
		}
	}
}

func TestMergedPacketTellsOfItsLoudestFrame(t *testing.T) {
	m := NewMerger(Framing60, 1150)
	var out []OpusPacket
	for i, level := range []uint8{60, 20, 90} {
		p := OpusPacket{Timestamp: uint32(960 * i), Source: 5, Marker: i == 0, Level: level, Voice: i == 1, Payload: []byte{speech, 1, 2}}
		out, _ = m.Push(nil, p, start)
	}
	if len(out) != 1 || out[0].Level != 20 || !out[0].Voice || !out[0].Marker || out[0].Source != 5 {
		t.Errorf("%+v", out)
	}
}

func TestReorderedPacketFillsItsHoleOnce(t *testing.T) {
	frame := func(i uint32) OpusPacket {
		return OpusPacket{Timestamp: 960 * i, Payload: []byte{speech, 1, 2, byte(i)}}
	}
	m := NewMerger(Framing20, 1150)
	var order []string
	for _, i := range []uint32{0, 1, 5, 3, 3, 2, 4, 4, 5, 1, 6, 30, 7, 29, 20} {
		out, err := m.Push(nil, frame(i), start)
		if err != nil && !errors.Is(err, ErrLate) {
			t.Fatal(err)
		}
		for _, p := range out {
			order = append(order, fmt.Sprint(p.Timestamp/960))
		}
		if err != nil {
			order = append(order, "-")
		}
	}
	// 3, 4, 5, 1 come twice; 7 comes later than 200 ms; 20 is 220 ms late.
	if got := strings.Join(order, " "); got != "0 1 5 3 - 2 4 - - - 6 30 - 29 -" {
		t.Error(got)
	}
}

func TestLatePacketLongerThanItsHoleIsRefused(t *testing.T) {
	s := &line{t: t, m: NewMerger(Framing20, 1150), now: start}
	s.speak(speech, 1)
	s.at += 960
	s.speak(speech, 1)
	if out, err := s.m.Push(nil, OpusPacket{Timestamp: 960, Payload: []byte{speech | 1, 1, 2, 3, 4}}, start); !errors.Is(err, ErrLate) || len(out) != 0 {
		t.Errorf("%v %v", out, err)
	}
}

func TestDiscardedFramesNeverComeOut(t *testing.T) {
	m := NewMerger(Framing60, 1150)
	secret := []byte{speech, 0xde, 0xad, 0xbe, 0xef}
	m.Push(nil, OpusPacket{Timestamp: 0, Source: 1, Payload: secret}, start)
	m.Discard()
	out := clone(m.Expire(nil, start.Add(time.Hour)))
	for i := range uint32(4) {
		more, err := m.Push(nil, OpusPacket{Timestamp: 960 * (i + 1), Source: 1, Payload: []byte{speech, 1, 2}}, start)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, clone(more)...)
	}
	if len(out) != 1 || bytes.Contains(out[0].Payload, secret[1:]) || out[0].Timestamp != 960 {
		t.Errorf("%+v", out)
	}
}

func TestPaddingIsNotForwarded(t *testing.T) {
	m := NewMerger(Framing20, 1150)
	raw := rawOpus{toc: speech, code: 3, padding: 900, frames: [][]byte{{1, 2, 3}}}.bytes()
	before := bytes.Clone(raw)
	out, err := m.Push(nil, OpusPacket{Payload: raw}, start)
	if err != nil || len(out) != 1 || !bytes.Equal(out[0].Payload, []byte{speech, 1, 2, 3}) || !bytes.Equal(raw, before) {
		t.Errorf("%v %v", out, err)
	}
}

func TestMalformedPacketLeavesTheMergerAsItWas(t *testing.T) {
	s := &line{t: t, m: NewMerger(Framing60, 1150), now: start}
	s.speak(speech, 2)
	if out, err := s.m.Push(nil, OpusPacket{Timestamp: s.at, Source: 9, Payload: nil}, start); !errors.Is(err, ErrOpus) || len(out) != 0 {
		t.Errorf("%v %v", out, err)
	}
	s.speak(speech, 1)
	if got := strings.Join(s.out, " "); got != "3@0" {
		t.Error(got)
	}
}

// TestLostPacketsComeBackFromRED sends packets as RED over a line that loses some, never
// more in a row than the distance, and pushes the blocks as they come.
func TestLostPacketsComeBackFromRED(t *testing.T) {
	for distance := 1; distance <= MaxREDDistance; distance++ {
		r := rand.New(rand.NewPCG(9, uint64(distance)))
		e, m := NewREDEncoder(blockType, distance, 1200), NewMerger(Framing60, 1150)
		var want []heard
		var got []OpusPacket
		lost := 0
		for i := range uint32(5000) {
			p := OpusPacket{Timestamp: 960 * i, Payload: append([]byte{speech}, randomBytes(r, 40)...)}
			raw := e.Append(nil, p.Timestamp, p.Payload)
			want = append(want, hear(t, p)...)
			if lost < distance && i > 0 && i < 4999 && r.IntN(3) == 0 {
				lost++
				continue
			}
			lost = 0
			blocks, err := ParseRED(nil, raw, p.Timestamp)
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range blocks {
				out, err := m.Push(nil, OpusPacket{Timestamp: b.Timestamp, Payload: b.Payload}, start)
				if err != nil && (b.Primary || !errors.Is(err, ErrLate)) {
					t.Fatal(err)
				}
				got = append(got, clone(out)...)
			}
		}
		got = append(got, clone(m.Flush(nil))...)
		if !slices.Equal(hear(t, got...), want) {
			t.Errorf("distance %d: frames are missing", distance)
		}
	}
}

func TestThePacketPathAllocatesNothing(t *testing.T) {
	m, e := NewMerger(Framing60, 1150), NewREDEncoder(blockType, 2, 1200)
	dst, raw, blocks := make([]OpusPacket, 0, 2), make([]byte, 0, 1500), make([]REDBlock, 0, maxREDBlocks)
	payload := append([]byte{speech}, make([]byte, 79)...)
	padded := rawOpus{toc: speech, code: 3, padding: 300, frames: [][]byte{payload[1:]}}.bytes()
	var at uint32
	push := func(p []byte) {
		dst, _ = m.Push(dst[:0], OpusPacket{Timestamp: at, Payload: p}, start)
		at += 960
		for _, p := range dst {
			raw = e.Append(raw[:0], p.Timestamp, p.Payload)
			blocks, _ = ParseRED(blocks[:0], raw, p.Timestamp)
		}
	}
	n := testing.AllocsPerRun(500, func() {
		push(payload)
		push(padded)
		push(payload)
		push(payload[:1])
		push(payload)
		at += 960
		push(payload)
		dst = m.Expire(dst[:0], start.Add(time.Hour))
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzMerger(f *testing.F) {
	r := rand.New(rand.NewPCG(6, 7))
	for range 10 {
		var seed []byte
		for range 12 {
			raw := randomOpus(r, 8).bytes()
			raw = raw[:min(len(raw), 40)]
			seed = append(append(seed, byte(r.Uint32()), byte(r.Uint32()), byte(len(raw))), raw...)
		}
		f.Add(seed, uint16(r.IntN(1500)))
	}
	f.Fuzz(func(t *testing.T, script []byte, limit uint16) {
		m := NewMerger(Framing60, int(limit))
		var at, sequence uint32
		var dst []OpusPacket
		for len(script) >= 3 {
			what, step, n := script[0], script[1], min(int(script[2]), len(script)-3)
			payload := script[3 : 3+n]
			script = script[3+n:]
			p := OpusPacket{Timestamp: at, Source: uint32(what & 1), Marker: what&2 != 0, Payload: payload}
			switch what >> 5 {
			case 0:
				p.Timestamp += uint32(step) * 240
			case 1:
				p.Timestamp -= uint32(step) * 240
			case 3:
				m.Discard()
			}
			dst, _ = m.Push(dst[:0], p, start)
			if what>>5 == 4 {
				dst = m.Expire(dst, start.Add(time.Duration(step)*time.Millisecond))
			}
			for _, o := range dst {
				if samples, err := OpusSamples(o.Payload); err != nil || samples > maxOpusSamples || o.Sequence != sequence {
					t.Fatalf("%+v: %v, want sequence %d", o, err, sequence)
				}
				sequence++
			}
			samples, _ := OpusSamples(payload)
			at = p.Timestamp + uint32(samples)
		}
	})
}

func BenchmarkMerge(b *testing.B) {
	for _, framing := range []Framing{Framing20, Framing40, Framing60} {
		b.Run(framing.Duration().String(), func(b *testing.B) {
			m := NewMerger(framing, 1150)
			dst := make([]OpusPacket, 0, 2)
			var payloads [8][]byte
			for i := range payloads {
				payloads[i] = append([]byte{speech}, make([]byte, 70+i)...)
			}
			b.ReportAllocs()
			for i := uint32(0); b.Loop(); i++ {
				dst, _ = m.Push(dst[:0], OpusPacket{Timestamp: i * 960, Payload: payloads[i%8]}, start)
			}
		})
	}
}
