package fanout

import (
	"maps"
	"testing"
	"time"
)

func TestAirtimeCountsWhatIsForwardedAndLouderThanSilence(t *testing.T) {
	h := newHall(t)
	loud, quiet := h.voice(1, 20), h.voice(2, 90)
	h.say(50, loud) // nobody listens
	h.ear(ListenerConfig{})
	h.say(100, loud, quiet)
	for range 10 {
		h.now = h.now.Add(60 * time.Millisecond)
		loud.next(3)
		loud.send(0x78|3, 3, 1, 2, 3, 4, 5, 6) // three frames of 20 ms in one packet
		quiet.next(3)
		quiet.p.Level = NoLevel // whose level is not known is taken for a voice
		quiet.send()
	}
	loud.sp.SetForward(h.now, false)
	h.say(100, loud) // muted
	want := map[uint32]time.Duration{1: 2600 * time.Millisecond, 2: 200 * time.Millisecond}
	if got := h.floor.Airtime(); !maps.Equal(got, want) {
		t.Errorf("counted %v, want %v", got, want)
	}
}

func TestAirtimeIsOfTheNumberHoweverOftenItsOwnerComesAndGoes(t *testing.T) {
	h := newHall(t)
	h.ear(ListenerConfig{})
	first := h.voice(7, 20)
	h.say(50, first)
	second := h.voice(7, 20)
	first.sp.Close(h.now)
	h.say(50, second)
	second.sp.SetCSRC(h.now, 8)
	h.say(25, second)
	want := map[uint32]time.Duration{7: 2 * time.Second, 8: 500 * time.Millisecond}
	if got := h.floor.Airtime(); !maps.Equal(got, want) {
		t.Errorf("counted %v, want %v", got, want)
	}
}
