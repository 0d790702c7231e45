package fanout

import (
	"encoding/binary"
	"testing"
	"time"
)

// word is a frame of 20 ms with a number in it.
func word(n uint64) []byte { return binary.BigEndian.AppendUint64([]byte{speech}, n) }

// words are the numbers of all frames that an ear got from packet n on, whatever they came in.
func (e *ear) words(from int) (all []uint64) {
	e.t.Helper()
	for _, p := range e.rtp[from:] {
		for _, b := range e.blocks(p) {
			var o opusFrames
			if err := o.parse(b.Payload); err != nil {
				e.t.Fatal(err)
			}
			for _, f := range o.cut() {
				if len(f) == 8 {
					all = append(all, binary.BigEndian.Uint64(f))
				}
			}
		}
	}
	return all
}

// TestRedundancyIsTakenFromTheSpeakersBudget: a packet of RED may bring fifteen others.
func TestRedundancyIsTakenFromTheSpeakersBudget(t *testing.T) {
	h := newHall(t)
	e, _ := h.ear(ListenerConfig{})
	v := h.voice(1, 30)
	const seconds, blocks = 4, 15
	for range 50 * seconds {
		h.now = h.now.Add(20 * time.Millisecond)
		v.next(blocks + 1) // all but the last are lost, and come with it
		v.p.Earlier = nil
		for k := uint32(blocks); k > 0; k-- {
			v.p.Earlier = append(v.p.Earlier, REDBlock{111, v.p.Timestamp - 960*k, word(v.p.Index - uint64(k)), false})
		}
		v.send(word(v.p.Index)...)
	}
	most := packetBurst + packetsPerSecond*seconds
	if n := len(e.rtp); n > most || n < most/2 {
		t.Errorf("%d packets were sent; the budget is %d", n, most)
	}
	if h.counters.DropRate.Load() == 0 {
		t.Error("nothing is counted as too much")
	}
}

// TestWhatWasSaidWhileMutedIsNotMadeUpFor: RED repeats up to 341 ms, also of what nobody was to hear.
func TestWhatWasSaidWhileMutedIsNotMadeUpFor(t *testing.T) {
	h := newHall(t)
	e, _ := h.ear(ListenerConfig{})
	tap := &words{}
	defer h.floor.Tap(tap)()
	v := h.voice(1, 30)
	say := func(n int) {
		for range n {
			h.now = h.now.Add(20 * time.Millisecond)
			v.next(1)
			v.p.Earlier = nil
			for k := uint32(10); k > 0; k-- {
				v.p.Earlier = append(v.p.Earlier, REDBlock{111, v.p.Timestamp - 960*k, word(v.p.Index - uint64(k)), false})
			}
			v.send(word(v.p.Index)...)
		}
	}
	say(20)
	v.sp.SetForward(h.now, false)
	muted := v.p.Index
	say(30)
	v.sp.SetForward(h.now, true)
	again := v.p.Index
	say(20)
	for who, all := range map[string][]uint64{"a listener": e.words(0), "a tap": tap.all} {
		heard := 0
		for _, n := range all {
			if n > muted && n <= again {
				t.Errorf("%s heard word %d of those said while muted (%d to %d)", who, n, muted+1, again)
			}
			if n > again {
				heard++
			}
		}
		if heard != 20 {
			t.Errorf("%s heard %d of 20 words said after", who, heard)
		}
	}
}

// words is a tap that takes everything.
type words struct{ all []uint64 }

func (w *words) Take(p OpusPacket, _ time.Time) bool {
	if len(p.Payload) == 9 {
		w.all = append(w.all, binary.BigEndian.Uint64(p.Payload[1:]))
	}
	return true
}

func (w *words) Forget(uint32) {}

// TestNothingOfARemovedSpeakerIsRepeatedByTheNext: packets of who has taken his slot repeat the end of his sound.
func TestNothingOfARemovedSpeakerIsRepeatedByTheNext(t *testing.T) {
	h := newHall(t)
	e, l := h.ear(ListenerConfig{Class: withRED, Slots: 1})
	l.Report(h.now, 1000, heavyLoss)
	one, two := h.voice(1, 60), h.voice(2, 5)
	one.p.Index, two.p.Index = 1000, 2000
	speak := func(v *voice) {
		v.next(1)
		v.send(word(v.p.Index)...)
	}
	for i := range 150 {
		h.now = h.now.Add(20 * time.Millisecond)
		speak(one)
		if i%50 == 49 {
			h.floor.Sweep(h.now)
		}
	}
	before := len(e.rtp)
	for range 3 { // louder: the slot is his
		h.now = h.now.Add(20 * time.Millisecond)
		speak(two)
	}
	last := e.rtp[len(e.rtp)-1]
	control := 0
	for _, n := range e.words(before) {
		if n < 2000 {
			control++
		}
	}
	if last.CSRC[0] != 2 || control == 0 {
		t.Fatalf("the slot is %d's, and repeats %d words of the other", last.CSRC[0], control)
	}
	one.sp.Close(h.now)
	removed := len(e.rtp)
	for seq := range uint16(20) {
		l.Nack(h.now.Add(time.Duration(seq)*time.Second), 1000, last.SequenceNumber-seq, 0)
	}
	for _, n := range e.words(removed) {
		if n < 2000 {
			t.Errorf("word %d of the removed speaker was sent again", n)
		}
	}
	for range 10 {
		h.now = h.now.Add(20 * time.Millisecond)
		speak(two)
	}
	if got := e.words(removed); len(got) == 0 || got[len(got)-1] != two.p.Index {
		t.Error("the other one is not heard on")
	}
}
