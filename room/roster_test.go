package room

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"besedka"
)

// crowded is a room with n people in the audience, p0000 first.
func crowded(t testing.TB, w *world, n int) besedka.RoomID {
	t.Helper()
	room := w.open("host", KindOpen)
	w.enter(room, "first")
	for i := range n {
		w.enter(room, besedka.AccountID(fmt.Sprintf("p%04d", i)))
	}
	return room
}

// audienceOf are the listeners of a view, as shown.
func audienceOf(v *View) []besedka.AccountID {
	var list []besedka.AccountID
	for _, p := range v.Participants {
		if !p.Role.OnStage() {
			list = append(list, p.Account)
		}
	}
	return list
}

func TestLargeAudienceIsShownInPart(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := crowded(t, w, 600)
		for i := range 70 {
			w.graph.follow("p0599", besedka.AccountID(fmt.Sprintf("p%04d", 500+i)))
			w.graph.follow("first", besedka.AccountID(fmt.Sprintf("p%04d", 300+i)))
		}
		w.clock.Advance(followedFor)
		v := w.view(room, "p0599")
		shown := audienceOf(v)
		drawn := len(shown) == 3*rosterPart // who looks is among the others by chance, else the last
		if !drawn && len(shown) != 3*rosterPart+1 || v.AudienceShown != len(shown) || v.Counts.Audience != 600 {
			t.Fatalf("%d shown, said to be %d of %d", len(shown), v.AudienceShown, v.Counts.Audience)
		}
		if shown[0] != "p0500" || shown[rosterPart-1] != "p0559" {
			t.Errorf("my people are %v", shown[:rosterPart])
		}
		if shown[rosterPart] != "p0300" || shown[2*rosterPart-1] != "p0359" {
			t.Errorf("the speakers' people are %v", shown[rosterPart:2*rosterPart])
		}
		others := shown[2*rosterPart : 3*rosterPart]
		if !slices.IsSorted(others) || slices.ContainsFunc(others, func(a besedka.AccountID) bool { return slices.Contains(shown[:2*rosterPart], a) }) {
			t.Errorf("the others are %v", others)
		}
		if drawn != slices.Contains(others, "p0599") || !drawn && shown[3*rosterPart] != "p0599" {
			t.Error("who looks is not shown")
		}
		if v.RefetchAfterMS != 602*3 {
			t.Errorf("to ask again within %d ms", v.RefetchAfterMS)
		}
	})
}

func TestUpToTwoHundredListenersEverybodyIsShown(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := crowded(t, w, rosterWholeUpTo)
		w.graph.follow("p0007", "p0150")
		shown := audienceOf(w.view(room, "p0007"))
		if len(shown) != rosterWholeUpTo || shown[0] != "p0150" || shown[1] != "p0000" {
			t.Errorf("%d shown, first %v", len(shown), shown[:2])
		}
	})
}

func TestSampleStaysForAWhileAndIsEverybodysOwn(t *testing.T) {
	w := oneWorld(t)
	room := crowded(t, w, 1000)
	w.clock.Advance(sampleFor)
	first := audienceOf(w.view(room, "p0000"))
	if other := audienceOf(w.view(room, "p0001")); slices.Equal(first[:50], other[:50]) {
		t.Error("two people are shown the same sample")
	}
	changes := 0
	last := first
	for range 30 {
		w.clock.Advance(time.Second)
		now := audienceOf(w.view(room, "p0000"))
		if !slices.Equal(now, last) {
			changes++
		}
		last = now
	}
	if changes != 1 {
		t.Errorf("the sample changed %d times in 30 seconds", changes)
	}
	w.clock.Advance(crowdEvery)
	if err := w.service.Leave(ctx, room, actor(last[10])); err != nil {
		t.Fatal(err)
	}
	now := audienceOf(w.view(room, "p0000"))
	kept := 0
	for _, account := range last {
		kept += int(bit(slices.Contains(now, account)))
	}
	if kept < len(last)-2 {
		t.Errorf("one left, and %d of %d stayed in the sample", kept, len(last))
	}
}

// TestEverybodyIsShownToSomebody holds the sample to being fair.
func TestEverybodyIsShownToSomebody(t *testing.T) {
	w := oneWorld(t)
	room := crowded(t, w, 500)
	seen := map[besedka.AccountID]int{}
	for i := range 500 {
		for _, account := range audienceOf(w.view(room, besedka.AccountID(fmt.Sprintf("p%04d", i)))) {
			seen[account]++
		}
	}
	for i := range 500 {
		// Each is drawn by about 60 of 500.
		if n := seen[besedka.AccountID(fmt.Sprintf("p%04d", i))]; n < 15 || n > 180 {
			t.Errorf("p%04d is shown to %d of 500", i, n)
		}
	}
}

func TestTimeToAskAgainGrowsWithTheRoom(t *testing.T) {
	for all, want := range map[int]time.Duration{1: 0, 50: 0, 200: 600 * time.Millisecond, 5000: 15 * time.Second, 25_000: time.Minute} {
		if got := (Counts{All: all}).refetchAfter(); got != want {
			t.Errorf("%d people: %v, want %v", all, got, want)
		}
	}
}
