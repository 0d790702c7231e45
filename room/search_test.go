package room

import (
	"context"
	"fmt"
	"testing"
	"time"

	"besedka"
)

func (w *world) find(room besedka.RoomID, account besedka.AccountID, query, after string) *PeoplePage {
	w.t.Helper()
	p, err := w.service.Find(ctx, room, actor(account), query, after)
	if err != nil {
		w.t.Fatalf("%s looks for %q after %q: %v", account, query, after, err)
	}
	return p
}

// pages goes through all pages.
func (w *world) pages(room besedka.RoomID, query string, between func()) []besedka.AccountID {
	w.t.Helper()
	var all []besedka.AccountID
	for after := ""; ; {
		p := w.find(room, "host", query, after)
		for _, one := range p.People {
			all = append(all, one.Account)
		}
		if p.Next == nil {
			return all
		}
		after = *p.Next
		if between != nil {
			between()
			between = nil
		}
	}
}

func TestEverybodyInARoomCanBePagedThrough(t *testing.T) {
	w := oneWorld(t)
	room := crowded(t, w, 230)
	all := w.pages(room, "", nil)
	if len(all) != 232 || all[0] != "host" || all[1] != "first" || all[2] != "p0000" || all[231] != "p0229" {
		t.Errorf("%d people, first %v", len(all), all[:3])
	}
	// The next one leaves, and somebody who was listed already.
	all = w.pages(room, "", func() {
		for _, account := range []besedka.AccountID{"p0048", "p0003"} {
			if err := w.service.Leave(ctx, room, actor(account)); err != nil {
				t.Fatal(err)
			}
		}
	})
	if n := len(all); n < 229 || n > 231 {
		t.Errorf("%d people while two leave", n)
	}
	if _, err := w.service.Find(ctx, room, actor("host"), "", "100000.nobody"); err != nil {
		t.Errorf("beyond the end: %v", err)
	}
}

func TestSearchInARoomFindsByNameAndUsernameInAnyCase(t *testing.T) {
	w := oneWorld(t)
	room := crowded(t, w, 150)
	if all := w.pages(room, " P011", nil); len(all) != 10 || all[0] != "p0110" {
		t.Errorf("found %v", all)
	}
	if all := w.pages(room, "p", nil); len(all) != 150 {
		t.Errorf("found %d in pages", len(all))
	}
	if all := w.pages(room, "nobody", nil); len(all) != 0 {
		t.Errorf("found %v", all)
	}
	if got := fold(" Семён "); got != "семен" {
		t.Errorf("folded to %q", got)
	}
}

func TestSearchShowsWhatTheViewMay(t *testing.T) {
	w := oneWorld(t)
	w.limits = Limits{Listeners: 1}
	w.start()
	room := w.open("host", KindClosed)
	for _, account := range []besedka.AccountID{"first", "a", "late"} {
		if err := w.service.Pick(ctx, room, actor("host"), account); err != nil {
			t.Fatal(err)
		}
	}
	w.enter(room, "first", "a")
	if err := w.service.EnterBy(ctx, room, actor("late"), Entry{Overflow: true}); err != nil {
		t.Fatal(err)
	}
	if all := w.pages(room, "", nil); len(all) != 3 {
		t.Errorf("found %v", all)
	}
	_, err := w.service.Find(ctx, room, actor("stranger"), "", "")
	wantCode(t, "a stranger", err, besedka.ErrNotFound)
}

func BenchmarkSearchInAFullRoom(b *testing.B) {
	w, room := full(b)
	for b.Loop() {
		if _, err := w.service.Find(context.Background(), room, actor("p4000"), "p49", ""); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkViewsWhileAFullRoomChanges is what readers cost while people stream
// in and out: each view is asked for after somebody else has come or gone.
func BenchmarkViewsWhileAFullRoomChanges(b *testing.B) {
	w, room := full(b)
	for i := 0; b.Loop(); i++ {
		who := besedka.AccountID(fmt.Sprintf("p%04d", i%4000))
		_ = w.service.Leave(ctx, room, actor(who))
		w.enter(room, who)
		w.clock.Advance(3 * time.Millisecond) // 333 readers a second
		w.view(room, "p4500")
	}
}
