package live

import (
	"fmt"
	"testing"
	"time"

	"besedka"
)

func TestCountsAreToldAtMostFourTimesASecond(t *testing.T) {
	b := newBench(t)
	s := b.subscribe(Subscription{Participant: anna, Room: room})
	defer s.Close()
	for i := range 100 {
		b.AnnounceLatest(room, "participants_changed", "", map[string]any{"counts": i}, nil)
		b.AnnounceLatest("room2", "participants_changed", "", map[string]any{"counts": i}, nil)
		b.clock.advance(10 * time.Millisecond)
		b.tick()
	}
	b.clock.advance(time.Second)
	b.tick()
	events, _ := drain(t, s)
	told := len(events) - 1
	if told < 4 || told > 5 {
		t.Errorf("told %d times in a second", told)
	}
	if last := events[told]; last.Data["counts"] != 99.0 || last.ID != "" {
		t.Errorf("the last telling is %+v", last)
	}
}

func TestWhatIsAnnouncedIsToldAtOnceToThoseItIsFor(t *testing.T) {
	b := newBench(t)
	a, g := b.subscribe(Subscription{Participant: anna, Room: room}), b.subscribe(Subscription{Participant: guest, Room: room})
	defer a.Close()
	defer g.Close()
	b.Announce(room, "noticed", map[string]any{"muted": true}, nil)
	b.Announce(room, "noticed", nil, []besedka.ParticipantID{anna})
	b.Announce(room, "noticed", func() {}, nil) // cannot be encoded: logged, not told
	events, _ := drain(t, a)
	wantKinds(t, events, "hello", "noticed", "noticed")
	events, _ = drain(t, g)
	wantKinds(t, events, "hello", "noticed")
}

func TestHallwayIsToldOnceASecondAndNotToGuests(t *testing.T) {
	b := newBench(t)
	a, g := b.subscribe(Subscription{Participant: anna}), b.subscribe(Subscription{Participant: guest, Room: room})
	defer a.Close()
	defer g.Close()
	for range 20 {
		b.HallwayChanged()
		b.clock.advance(100 * time.Millisecond)
		b.tick()
	}
	events, _ := drain(t, a)
	if told := len(events) - 1; told < 2 || told > 3 {
		t.Errorf("told %d times in two seconds", told)
	}
	events, _ = drain(t, g)
	wantKinds(t, events, "hello")
}

func TestAHallwayOfManyIsAskedForAtMomentsApart(t *testing.T) {
	b := newBench(t)
	for i := range 400 {
		defer b.subscribe(Subscription{Participant: besedka.ParticipantID(fmt.Sprint("account-", i))}).Close()
	}
	s := b.subscribe(Subscription{Participant: anna})
	defer s.Close()
	b.HallwayChanged()
	events, _ := drain(t, s)
	wantKinds(t, events, "hello", "hallway_changed")
	if within := events[1].Data["refetch_after_ms"]; within != 401.0 {
		t.Errorf("to ask within %v ms", within)
	}
}

// tap mutes or unmutes.
func tap(b *bench, who string, muted bool) {
	b.AnnounceLatest(room, "mute_changed", who, map[string]any{"account": who, "muted": muted}, nil)
}

func TestMicTapsShowAtOnceFiveTimesASecondAndTheLastStateWins(t *testing.T) {
	b := newBench(t)
	s := b.subscribe(Subscription{Participant: anna, Room: room})
	defer s.Close()
	drain(t, s)
	for i := range 5 {
		tap(b, "boris", i%2 == 0)
		events, _ := drain(t, s)
		wantKinds(t, events, "mute_changed")
		b.clock.advance(10 * time.Millisecond)
	}
	for i := range 20 {
		tap(b, "boris", i%2 == 0)
	}
	tap(b, "vera", true)
	events, _ := drain(t, s)
	wantKinds(t, events, "mute_changed") // one person's clapping is no other's
	for range 20 {
		b.clock.advance(tickEvery)
		b.tick()
	}
	events, _ = drain(t, s)
	wantKinds(t, events, "mute_changed")
	if events[0].Data["account"] != "boris" || events[0].Data["muted"] != false {
		t.Errorf("at last %v", events[0].Data)
	}
}

func TestMicTapsOfALargeRoomReachEverybodyWithinTwoTenthsOfASecond(t *testing.T) {
	b := newBench(t)
	for i := range gatherAt {
		defer b.subscribe(Subscription{Participant: besedka.ParticipantID(fmt.Sprint("guest-", i)), Room: room}).Close()
	}
	s := b.subscribe(Subscription{Participant: anna, Room: room})
	defer s.Close()
	drain(t, s)
	seen := 0
	waited := map[string]time.Time{}
	for i := range 100 {
		who := fmt.Sprint("speaker-", i%20)
		if i < 60 && waited[who].IsZero() {
			waited[who] = b.clock.Now()
		}
		if i < 60 {
			tap(b, who, i%40 < 20)
		}
		b.clock.advance(10 * time.Millisecond)
		if i%5 == 4 {
			b.tick()
		}
		events, _ := drain(t, s)
		if len(events) > 0 {
			seen++
		}
		for _, e := range events {
			who := e.Data["account"].(string)
			if late := b.clock.Now().Sub(waited[who]); late > 200*time.Millisecond {
				t.Errorf("a tap of %s took %v", who, late)
			}
			waited[who] = time.Time{}
		}
	}
	if seen > 8 {
		t.Errorf("60 taps in 0.6 seconds cost %d writes to everybody", seen)
	}
}

func TestWhatIsMeantForManyIsToldToThem(t *testing.T) {
	b := newBench(t)
	var to []besedka.ParticipantID
	for i := range 20 {
		to = append(to, besedka.ParticipantID(fmt.Sprint("account-", i)))
	}
	s, other := b.subscribe(Subscription{Participant: to[3], Room: room}), b.subscribe(Subscription{Participant: anna, Room: room})
	defer s.Close()
	defer other.Close()
	b.Announce(room, "room_reset", nil, to)
	events, _ := drain(t, s)
	wantKinds(t, events, "hello", "room_reset")
	events, _ = drain(t, other)
	wantKinds(t, events, "hello")
}
