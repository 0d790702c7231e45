package room

import (
	"testing"
	"time"

	"besedka"
)

func TestTurnEndsByItself(t *testing.T) {
	sc := play(t, KindOpen, "anna", "boris")
	for _, s := range []int{0, -60, 59, 90, 3600} {
		sc.refused(sc.SetTimer("host", "anna", s, sc.now), ErrTimerInvalid)
	}
	sc.refused(sc.SetTimer("anna", "anna", 60, sc.now), ErrModeratorsOnly)
	sc.refused(sc.SetTimer("host", "boris", 60, sc.now), ErrNotOnStage)
	begun := sc.now
	sc.must(sc.SetTimer("host", "anna", 60, begun))
	sc.Tick(begun.Add(time.Minute - 1))
	if sc.must(nil); sc.turnView() == nil {
		t.Error("the turn ended early")
	}
	sc.Tick(begun.Add(time.Minute))
	if sc.must(nil); sc.turnView() != nil || len(sc.told("timer_over")) != 1 || len(sc.told("timer_cleared")) != 0 {
		t.Errorf("the turn is %+v, told %v", sc.turnView(), sc.told("timer_over"))
	}
	sc.is("anna", besedka.RoleSpeaker) // nothing is cut
}

func TestTurnEndsWhenCalledOffReplacedOrItsOwnerGoes(t *testing.T) {
	for name, end := range map[string]func(sc *scene){
		"called off":      func(sc *scene) { sc.must(sc.ClearTimer("host")); sc.must(sc.ClearTimer("host")) },
		"in the audience": func(sc *scene) { sc.must(sc.SetRole("host", "anna", besedka.RoleListener, sc.tick())) },
		"left":            func(sc *scene) { sc.leave("anna") },
		"removed":         func(sc *scene) { sc.must(sc.remove("host", "anna")) },
	} {
		sc := play(t, KindOpen, "anna", "boris")
		sc.must(sc.SetTimer("host", "anna", 300, sc.now))
		end(sc)
		sc.Tick(sc.now.Add(time.Hour))
		if sc.must(nil); sc.turnView() != nil || len(sc.told("timer_cleared")) != 1 || len(sc.told("timer_over")) != 0 {
			t.Errorf("%s: the turn is %+v, told %v", name, sc.turnView(), sc.told("timer_cleared"))
		}
	}
	sc := play(t, KindOpen, "anna")
	sc.must(sc.SetTimer("host", "anna", 300, sc.now))
	sc.must(sc.SetTimer("host", "host", 60, sc.now))
	if v := sc.turnView(); v.Account != "host" || v.Seconds != 60 {
		t.Errorf("the turn is %+v", v)
	}
}

func TestTurnIsSeenByAllAndOutlivesARestart(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := w.open("host", KindOpen)
		w.enter(room, "anna", "boris")
		w.do("timer", w.service.SetTimer(ctx, room, actor("host"), "anna", 120))
		begun := moment(w.clock.Now())
		w.clock.Advance(10 * time.Second)
		w.start()
		w.enter(room, "host", "anna", "boris")
		w.stay(room, "host", "anna", "boris")
		if v := w.view(room, "boris").Timer; v == nil || v.Account != "anna" || v.Seconds != 120 || !v.StartedAt.Equal(begun) || v.By.Name != "HOST" {
			t.Errorf("boris sees %+v", v)
		}
		w.pass(110 * time.Second)
		if v := w.view(room, "boris").Timer; v != nil {
			t.Errorf("in the end boris sees %+v", v)
		}
		if got := kinds(w.facts(room)); got[len(got)-1] != "timer_over" {
			t.Errorf("told %v", got)
		}
	})
}
