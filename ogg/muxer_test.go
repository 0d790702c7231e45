package ogg

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/pion/webrtc/v4/pkg/media/oggreader"
)

// voice is a speech packet of 20 ms that carries a number.
func voice(n uint32) []byte {
	b := append([]byte{15 << 3}, make([]byte, 60)...) // hybrid, 20 ms, one frame
	binary.BigEndian.PutUint32(b[1:], n)
	return b
}

// numberOf is the number of a voice packet; false for what fills gaps.
func numberOf(b []byte) (uint32, bool) {
	if len(b) != 61 {
		return 0, false
	}
	return binary.BigEndian.Uint32(b[1:]), true
}

// studio is a muxer with a clock that is looked at each 20 ms.
type studio struct {
	t     *testing.T
	mux   *Muxer
	now   time.Time
	pages []*Page
}

func newStudio(t *testing.T) *studio {
	now := time.Unix(1_700_000_000, 0)
	return &studio{t: t, now: now, mux: NewMuxer(7, now)}
}

// pass lets time pass.
func (s *studio) pass(d time.Duration) {
	for end := s.now.Add(d); s.now.Before(end); {
		s.now = s.now.Add(20 * time.Millisecond)
		s.pages = s.mux.Pages(s.pages, s.now)
	}
}

// say adds the packets from … to at their time, 20 ms apart.
func (s *studio) say(from, to uint32) {
	for n := from; n < to; n++ {
		s.mux.Add(Packet{Timestamp: n * 960, Samples: 960, Source: 1, Marker: n == from, Payload: voice(n)}, s.now)
		s.pass(20 * time.Millisecond)
	}
}

// parsed are the packets of a page, whose form is checked.
func parsed(t *testing.T, page []byte) (packets [][]byte, granule int64, sequence uint32) {
	t.Helper()
	if string(page[:4]) != "OggS" || page[4] != 0 {
		t.Fatalf("no page: %x", page[:8])
	}
	bare := bytes.Clone(page)
	clear(bare[22:26])
	if binary.LittleEndian.Uint32(page[22:]) != checksum(bare) {
		t.Fatal("wrong checksum")
	}
	lacing, body := page[27:27+int(page[26])], page[27+int(page[26]):]
	size := 0
	for _, x := range lacing {
		if size += int(x); x < 255 {
			packets, body, size = append(packets, body[:size]), body[size:], 0
		}
	}
	if size != 0 || len(body) != 0 {
		t.Fatalf("a packet does not end in its page, or %d bytes too many", len(body))
	}
	return packets, int64(binary.LittleEndian.Uint64(page[6:])), binary.LittleEndian.Uint32(page[18:])
}

// lengthOf is how many samples a packet has, by RFC 6716 §3.1 and §3.2 alone.
func lengthOf(p []byte) int64 {
	n := int64(1)
	switch p[0] & 3 {
	case 1, 2:
		n = 2
	case 3:
		n = int64(p[1] & 63)
	}
	return n * int64(frameSamples(p[0]))
}

// heard checks that the stream has no seam and gives its packets.
func (s *studio) heard() (packets [][]byte) {
	s.t.Helper()
	end := int64(0)
	for i, p := range s.pages {
		in, granule, sequence := parsed(s.t, p.Bytes)
		if sequence != uint32(i)+firstData || p.From != end {
			s.t.Fatalf("page %d has number %d and begins at %d, not %d", i, sequence, p.From, end)
		}
		for _, x := range in {
			end += lengthOf(x)
		}
		if granule != end || p.To != end {
			s.t.Fatalf("page %d ends at %d by its granule, at %d by its packets", i, granule, end)
		}
		packets = append(packets, in...)
	}
	return packets
}

// numbers are the voice packets of the stream in their order.
func (s *studio) numbers() (list []uint32) {
	s.t.Helper()
	for _, p := range s.heard() {
		if n, ok := numberOf(p); ok {
			list = append(list, n)
		}
	}
	return list
}

func (s *studio) wantNumbers(want ...uint32) {
	s.t.Helper()
	if got := s.numbers(); len(got) != len(want) || !bytes.Equal(packed(got), packed(want)) {
		s.t.Errorf("heard %v, want %v", got, want)
	}
}

func packed(list []uint32) (b []byte) {
	for _, n := range list {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return b
}

func span(from, to uint32) (list []uint32) {
	for ; from < to; from++ {
		list = append(list, from)
	}
	return list
}

func TestSilenceKeepsTheClockGoing(t *testing.T) {
	s := newStudio(t)
	s.pass(10 * time.Second)
	for _, p := range s.heard() {
		if !bytes.Equal(p, silent[0]) {
			t.Fatalf("packet %x in the silence", p)
		}
	}
	if last := s.pages[len(s.pages)-1].To; last < 9*clockRate || last > 10*clockRate {
		t.Errorf("after 10 s the stream stands at %d samples", last)
	}
	size := 0
	for _, p := range s.pages {
		size += len(p.Bytes)
	}
	if size > 4000 {
		t.Errorf("10 s of silence take %d bytes", size)
	}
}

func TestEveryPacketComesOnceAndInOrder(t *testing.T) {
	s := newStudio(t)
	s.pass(time.Second)
	s.say(100, 400)
	s.pass(time.Second)
	s.wantNumbers(span(100, 400)...)
	if n := len(s.pages); n > 8000/300 {
		t.Errorf("%d pages in 8 s", n)
	}
}

func TestPacketsThatOvertookEachOtherOrCameTwiceAreInOrder(t *testing.T) {
	s := newStudio(t)
	add := func(n uint32) bool {
		return s.mux.Add(Packet{Timestamp: n * 960, Samples: 960, Source: 1, Marker: n == 1, Payload: voice(n)}, s.now)
	}
	for i, n := range []uint32{1, 3, 2, 2, 4} {
		if ok := add(n); ok != (i != 3) {
			t.Errorf("packet %d (%d): %t", i, n, ok)
		}
	}
	s.pass(time.Second)
	if add(2) {
		t.Error("a packet came a second late and was taken")
	}
	s.wantNumbers(1, 2, 3, 4)
}

func TestAGapIsConcealedAndALongOneIsSilence(t *testing.T) {
	s := newStudio(t)
	s.say(0, 10)
	s.pass(60 * time.Millisecond)
	s.say(13, 20)
	s.pass(5 * time.Second)
	packets, kinds, samples := s.heard(), map[byte]int{}, int64(0)
	for _, p := range packets {
		if samples += lengthOf(p); len(p) == 61 {
			kinds['v']++
		} else if bytes.Equal(p, silent[0]) {
			kinds['s']++
		} else if p[0]>>3 == 15 && len(p) <= 2 {
			kinds['c'] += int(lengthOf(p) / 960)
		} else {
			t.Errorf("packet %x", p)
		}
	}
	if kinds['v'] != 17 || kinds['c'] < 50 || kinds['c'] > 56 || kinds['s'] < 150 {
		t.Errorf("packets by kind: %d of voice, %d concealed, %d silent", kinds['v'], kinds['c'], kinds['s'])
	}
}

func TestWhatComesInAHeapIsHeardLaterAndNotLess(t *testing.T) {
	s := newStudio(t)
	s.say(0, 20)
	s.pass(600 * time.Millisecond) // the speaker's network stands still
	for n := range uint32(30) {
		s.mux.Add(Packet{Timestamp: (20 + n) * 960, Samples: 960, Source: 1, Payload: voice(20 + n)}, s.now)
	}
	s.say(50, 60)
	s.pass(2 * time.Second)
	s.wantNumbers(span(0, 60)...)
}

func TestAFloodIsBounded(t *testing.T) {
	s := newStudio(t)
	for n := range uint32(10_000) {
		s.mux.Add(Packet{Timestamp: n * 960, Samples: 960, Source: 1, Payload: voice(n)}, s.now)
	}
	if n := len(s.mux.waiting); n > 110 {
		t.Errorf("%d packets wait", n)
	}
	s.pass(10 * time.Second)
	s.heard()
}

func TestASpeakerWhoseClockIsWrongIsHeardForHours(t *testing.T) {
	for name, drift := range map[string]float64{"fast": 1.0003, "slow": 0.9997} {
		t.Run(name, func(t *testing.T) {
			s := newStudio(t)
			begin, n := s.now, uint32(0)
			for s.now.Sub(begin) < time.Hour {
				for ; float64(n)*20 < float64(s.now.Sub(begin).Milliseconds())*drift; n++ {
					s.mux.Add(Packet{Timestamp: n * 960, Samples: 960, Source: 1, Payload: voice(n)}, s.now)
				}
				s.pass(20 * time.Millisecond)
			}
			if heard := len(s.numbers()); float64(heard) < 0.999*float64(n) {
				t.Errorf("%d of %d packets were heard", heard, n)
			}
		})
	}
}

func TestAForgottenSpeakerIsNotHeard(t *testing.T) {
	s := newStudio(t)
	s.say(0, 50)
	before := len(s.numbers())
	s.mux.Forget(1)
	s.pass(time.Second)
	packets := s.heard()
	if n := len(s.numbers()); n != before {
		t.Errorf("%d packets were heard after the speaker was forgotten", n-before)
	}
	if last := packets[len(packets)-1]; !bytes.Equal(last, silent[0]) {
		t.Errorf("packet %x after it", last)
	}
	for i, p := range s.pages {
		if p.Carries(1) {
			s.pages[i] = s.mux.Silent(p)
		}
	}
	if n := len(s.numbers()); n != 0 {
		t.Errorf("%d packets are left in the pages", n)
	}
}

func TestAnotherImplementationReadsTheStream(t *testing.T) {
	s := newStudio(t)
	s.pass(time.Second)
	s.say(0, 100)
	s.pass(time.Second)
	file := bytes.NewBuffer(s.mux.Headers())
	for _, p := range s.pages {
		file.Write(p.Bytes)
	}
	r, head, err := oggreader.NewWith(file)
	if err != nil || head.Channels != 2 || head.SampleRate != clockRate || head.PreSkip != preSkip {
		t.Fatalf("%+v, %v", head, err)
	}
	pages := 0
	for ; ; pages++ {
		_, h, err := r.ParseNextPage()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if pages > 0 && h.GranulePosition != uint64(s.pages[pages-1].To) {
			t.Errorf("page %d: granule %d", pages, h.GranulePosition)
		}
	}
	if pages != len(s.pages)+1 {
		t.Errorf("%d pages were read, %d written", pages, len(s.pages)+1)
	}
}

// TestNothingThatIsAddedBreaksTheStream adds packets of all lengths, sizes and times.
func TestNothingThatIsAddedBreaksTheStream(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 1))
		s := newStudio(t)
		timestamp := random.Uint32()
		for range 400 {
			toc := byte(random.UintN(32)) << 3
			p := Packet{Source: random.Uint32N(3), Marker: random.UintN(10) == 0, Samples: frameSamples(toc), Payload: make([]byte, 1+random.UintN(1300))}
			p.Payload[0] = toc
			timestamp += uint32(p.Samples)
			switch random.UintN(20) {
			case 0:
				timestamp = random.Uint32()
			case 1:
				timestamp += random.Uint32N(200_000)
			case 2:
				timestamp -= random.Uint32N(20_000)
			case 3:
				s.mux.Forget(p.Source)
			}
			p.Timestamp = timestamp
			s.mux.Add(p, s.now)
			if random.UintN(3) == 0 {
				s.pass(time.Duration(random.UintN(100)) * time.Millisecond)
			}
		}
		s.pass(4 * time.Second)
		s.heard()
		if at := s.pages[len(s.pages)-1].To; s.mux.position(s.now)-at > patience+2*pageSpan {
			t.Fatalf("seed %d: the stream stands at %d, the clock at %d", seed, at, s.mux.position(s.now))
		}
	}
}
