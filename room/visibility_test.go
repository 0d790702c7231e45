package room

import (
	"slices"
	"testing"
	"time"

	"besedka"
)

func TestRoomOnlyEverBecomesWider(t *testing.T) {
	for _, tt := range []struct {
		is, to Kind
		want   *besedka.Error
	}{
		{KindClosed, KindSocial, nil}, {KindClosed, KindOpen, nil}, {KindSocial, KindOpen, nil},
		{KindClosed, KindClosed, ErrOnlyWider}, {KindSocial, KindClosed, ErrOnlyWider}, {KindSocial, KindSocial, ErrOnlyWider},
		{KindOpen, KindSocial, ErrOnlyWider}, {KindOpen, KindOpen, ErrOnlyWider}, {KindClosed, "club", ErrKindInvalid},
	} {
		sc := play(t, tt.is)
		err := sc.Widen("host", tt.to, sc.now)
		if tt.want != nil {
			sc.refused(err, tt.want)
			continue
		}
		sc.must(err)
		sc.Tick(sc.now.Add(WidenFor - time.Millisecond))
		if sc.must(nil); sc.info.Kind != tt.is {
			t.Errorf("%s was %s before the warning was over", tt.is, sc.info.Kind)
		}
		sc.Tick(sc.now.Add(WidenFor))
		if sc.must(nil); sc.info.Kind != tt.to || sc.info.Widening.To != "" {
			t.Errorf("%s became %s, want %s", tt.is, sc.info.Kind, tt.to)
		}
		told := slices.Concat(sc.told("visibility_changing"), sc.told("visibility_changed"))
		if len(told) != 2 || told[0].data["to"] != tt.to || told[1].data["kind"] != tt.to || told[0].to != nil {
			t.Errorf("told %v", told)
		}
	}
}

func TestAnyModeratorCallsAWideningOff(t *testing.T) {
	sc := play(t, KindClosed)
	for _, account := range []besedka.AccountID{"anna", "boris"} {
		sc.must(sc.Pick(Person{ID: "host"}, account, sc.now))
		sc.must(sc.Enter(actor(account), false, sc.tick()))
	}
	sc.moderator("anna")
	sc.must(sc.Widen("host", KindOpen, sc.now))
	sc.refused(sc.KeepVisibility("boris"), ErrModeratorsOnly)
	sc.refused(sc.Widen("boris", KindSocial, sc.now), ErrModeratorsOnly)
	sc.must(sc.KeepVisibility("anna"))
	sc.must(sc.KeepVisibility("anna"))
	sc.Tick(sc.now.Add(time.Minute))
	sc.must(nil)
	if told := sc.told("visibility_kept"); len(told) != 1 || told[0].data["by"] != besedka.AccountID("anna") || sc.info.Kind != KindClosed {
		t.Errorf("told %v; the room is %s", told, sc.info.Kind)
	}
}

func TestAskingAgainForTheSameDoesNotPutItOffAndForAnotherKindBeginsAnew(t *testing.T) {
	sc := play(t, KindClosed)
	begun := sc.now
	sc.must(sc.Widen("host", KindSocial, begun))
	sc.must(sc.Widen("host", KindSocial, begun.Add(3*time.Second)))
	if at := sc.info.Widening.At; !at.Equal(begun.Add(WidenFor)) {
		t.Errorf("put off to %s", at.Sub(begun))
	}
	sc.must(sc.Widen("host", KindOpen, begun.Add(3*time.Second)))
	if w := sc.info.Widening; w.To != KindOpen || !w.At.Equal(begun.Add(3*time.Second+WidenFor)) {
		t.Errorf("now %+v", w)
	}
}

func TestWideningOutlivesARestart(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := w.open("host", KindClosed)
		w.do("widen", w.service.Widen(ctx, room, actor("host"), KindOpen))
		if c := w.view(room, "host").VisibilityChange; c == nil || c.To != KindOpen || c.By.Name != "HOST" || !c.At.Equal(w.clock.Now().Add(WidenFor)) {
			t.Errorf("warned of %+v", c)
		}
		w.start()
		w.enter(room, "host")
		w.pass(4 * time.Second)
		wantCode(t, "somebody looks early", w.service.See(ctx, room, actor("anna")), besedka.ErrNotFound)
		w.pass(time.Second)
		w.do("somebody looks after", w.service.See(ctx, room, actor("anna")))
		if v := w.view(room, "host"); v.Kind != KindOpen || v.VisibilityChange != nil {
			t.Errorf("the room is %s, about to become %+v", v.Kind, v.VisibilityChange)
		}
		if got, want := w.logged(room, "host"), []string{"visibility host→ open"}; !slices.Equal(got, want) {
			t.Errorf("logged %q", got)
		}
	})
}

// started counts the rooms that the account was told of.
func (w *world) started(account besedka.AccountID) int {
	w.t.Helper()
	facts, err := w.db.FactsAfter(ctx, besedka.AccountTopic(account), 0, 100)
	w.do("facts", err)
	n := 0
	for _, f := range facts {
		if f.Kind == "room_started" {
			n++
		}
	}
	return n
}

func TestFollowersAreToldWhenTheRoomIsOpenToEveryoneAndNotBefore(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		for _, account := range []besedka.AccountID{"anna", "boris", "vera"} {
			w.graph.follow(account, "host")
		}
		w.graph.follow("gleb", "anna")
		told := func() []int {
			return []int{w.started("anna"), w.started("boris"), w.started("vera"), w.started("gleb"), w.started("host")}
		}
		room := w.open("host", KindClosed)
		w.stay(room, "host")
		w.do("pick", w.service.Pick(ctx, room, actor("host"), "anna"))
		w.enter(room, "anna")
		w.stay(room, "anna")
		w.do("bar", w.service.Remove(ctx, room, actor("host"), "vera", "noise", ""))
		for _, kind := range []Kind{KindSocial, KindOpen} {
			if got := told(); !slices.Equal(got, []int{0, 0, 0, 0, 0}) {
				t.Errorf("told %v before %s", got, kind)
			}
			w.do("widen", w.service.Widen(ctx, room, actor("host"), kind))
			w.pass(WidenFor + 2*time.Second)
		}
		w.start()
		w.enter(room, "host")
		w.pass(3 * time.Second)
		// anna is there, and vera was removed
		if got := told(); !slices.Equal(got, []int{0, 1, 0, 0, 0}) {
			t.Errorf("told %v in the end", got)
		}
		w.open("host", KindOpen)
		w.pass(2 * time.Second)
		if got := told(); !slices.Equal(got, []int{1, 2, 1, 0, 0}) {
			t.Errorf("told %v of the room opened to everyone", got)
		}
	})
}
