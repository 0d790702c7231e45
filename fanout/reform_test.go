package fanout

import (
	"strings"
	"testing"
	"time"
)

func TestNobodysPacketsAreCutShortBecauseOthersAreMoved(t *testing.T) {
	h := crowd(t)
	e, _ := h.ear(ListenerConfig{})
	h.ear(ListenerConfig{})
	v := h.voice(1, 30)
	h.floor.Save(true)
	h.seconds(30, v)
	e.rtp = nil
	for range 25 { // until the first of them have climbed through all lengths
		h.floor.Save(false) // or they would begin with the longest
		h.ear(ListenerConfig{})
		h.floor.Save(true)
		h.seconds(1, v)
	}
	if got := e.lengths(); len(got) != 1 || !strings.HasPrefix(got[0], "120×") {
		t.Errorf("who had 120 ms got %v", got)
	}
	e.clean()
	if climbed := h.floor.counters.Reforms.Load(); climbed < 20 {
		t.Errorf("only %d moves", climbed)
	}
}

func TestBusyMomentIsForgottenWhenItIsOver(t *testing.T) {
	h := newHall(t)
	h.floor.policy = Policy{Audience: 2, Crowd: 10}.complete()
	e, _ := h.ear(ListenerConfig{})
	for range 7 { // so many would keep 80 ms if they had come down from ten
		h.ear(ListenerConfig{})
	}
	v := h.voice(1, 30)
	h.seconds(12, v)
	h.floor.Save(true)
	h.seconds(10, v)
	h.floor.Save(false)
	h.seconds(20, v)
	got := e.lengths()
	if last := got[len(got)-1]; !strings.HasPrefix(last, "60×") || !strings.Contains(strings.Join(got, " "), "120×") {
		t.Errorf("framed %s", got)
	}
	e.clean()
}

func TestREDFillsHolesOfASpeakerWhoHasNotPausedForDays(t *testing.T) {
	h := newHall(t)
	e, _ := h.ear(ListenerConfig{})
	v := h.voice(1, 30)
	v.send(numbered(v.p.Index)...)
	for range 30 * 3600 / 2 { // two seconds at a time, to spare the test the rest: more than 2^32 samples
		h.now = h.now.Add(2 * time.Second)
		v.p.Index++
		v.p.Timestamp += 2 * clockRate
		v.send(numbered(v.p.Index)...)
		if e.rtp = e.rtp[:0]; v.p.Index%1000 != 0 {
			continue
		}
		h.now = h.now.Add(40 * time.Millisecond)
		v.next(2) // one is lost
		v.p.Earlier = []REDBlock{{111, v.p.Timestamp - 960, numbered(v.p.Index - 1), false}}
		v.send(numbered(v.p.Index)...)
		v.p.Earlier = nil
		if len(e.rtp) != 2 {
			t.Fatalf("%d packets of two, after %d samples", len(e.rtp), uint64(v.p.Index)*2*clockRate)
		}
	}
}
