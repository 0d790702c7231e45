package room

import (
	"slices"
	"testing"
	"time"

	"besedka"
)

// waiting is a room whose hands are up in this order: boris, vera, gleb, dina, egor.
func waiting(t *testing.T, rule QueueRule, raise map[besedka.AccountID]Raising) *scene {
	t.Helper()
	crowd := []besedka.AccountID{"boris", "vera", "gleb", "dina", "egor"}
	sc := play(t, KindOpen, append([]besedka.AccountID{"anna"}, crowd...)...)
	for _, account := range crowd {
		sc.must(sc.RaiseHand(account, raise[account], sc.tick()))
	}
	sc.must(sc.SetQueueRule("host", rule))
	return sc
}

func (sc *scene) inQueue(want ...besedka.AccountID) {
	sc.t.Helper()
	if got := sc.queue(); !slices.Equal(got, want) {
		sc.t.Errorf("%s: the queue is %v, want %v", sc.info.Queue, got, want)
	}
}

// heardFor lets somebody have been heard, also if never on stage.
func (sc *scene) heardFor(account besedka.AccountID, d time.Duration) {
	v := sc.voices.rows[account]
	v.Airtime = d
	sc.voices.put(account, v)
	sc.settle()
}

func TestQueueIsServedByItsRule(t *testing.T) {
	sc := waiting(t, QueueFirstCome, nil)
	sc.inQueue("boris", "vera", "gleb", "dina", "egor")

	sc = waiting(t, QueueLeastAirtime, nil)
	sc.heardFor("boris", time.Minute)
	sc.heardFor("vera", time.Second)
	sc.heardFor("dina", time.Second)
	sc.inQueue("gleb", "egor", "vera", "dina", "boris")

	sc = waiting(t, QueueFirstTimers, nil)
	sc.heardFor("boris", time.Minute)
	sc.heardFor("vera", spokenFrom-1) // a cough
	sc.heardFor("dina", spokenFrom)
	sc.inQueue("vera", "gleb", "egor", "boris", "dina")

	sc = waiting(t, QueueLot, map[besedka.AccountID]Raising{"boris": {Lot: 9}, "vera": {Lot: 4}, "gleb": {Lot: 5}, "dina": {Lot: 4}, "egor": {Lot: 1}})
	sc.inQueue("egor", "vera", "dina", "gleb", "boris")
}

func TestGroupsTakeTurns(t *testing.T) {
	sc := waiting(t, QueueAlternate, map[besedka.AccountID]Raising{"boris": {Group: "Tenants"}, "vera": {Group: "tenants"}, "gleb": {Group: "TENANTS"},
		"dina": {Group: "Owners"}})
	sc.inQueue("boris", "dina", "egor", "vera", "gleb") // egor speaks for nobody, which is a group too
	up, err := sc.BringUpNext("host", 1, sc.tick())
	sc.must(err)
	if !slices.Equal(up, []besedka.AccountID{"boris"}) {
		t.Errorf("brought up %v", up)
	}
	sc.inQueue("dina", "egor", "vera", "gleb") // the tenants were served
	sc.must(sc.SetRole("host", "egor", besedka.RoleSpeaker, sc.tick()))
	sc.must(sc.SetRole("egor", "egor", besedka.RoleListener, sc.tick()))
	sc.must(sc.RaiseHand("egor", Raising{}, sc.tick()))
	sc.inQueue("dina", "vera", "egor", "gleb")
	up, err = sc.BringUpNext("host", 3, sc.tick())
	sc.must(err)
	if !slices.Equal(up, []besedka.AccountID{"dina", "vera", "egor"}) {
		t.Errorf("brought up %v", up)
	}
}

func TestBringingUpNextTakesAsManyAsThereAre(t *testing.T) {
	sc := waiting(t, QueueFirstCome, nil)
	for _, n := range []int{0, -1, maxNext + 1} {
		_, err := sc.BringUpNext("host", n, sc.tick())
		sc.refused(err, ErrCountInvalid)
	}
	_, err := sc.BringUpNext("anna", 1, sc.tick())
	sc.refused(err, ErrModeratorsOnly)
	for _, want := range [][]besedka.AccountID{{"boris", "vera", "gleb"}, {"dina", "egor"}, {}} {
		up, err := sc.BringUpNext("host", 3, sc.tick())
		sc.must(err)
		if !slices.Equal(up, want) {
			t.Errorf("brought up %v, want %v", up, want)
		}
	}
	for _, account := range sc.onStage() {
		if sc.hands.has(account) {
			t.Errorf("%s is on stage with a hand up", account)
		}
	}
}

func TestLeavingTheOrderIsAllowedAndLogged(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := w.open("host", KindOpen)
		w.enter(room, "anna", "boris", "vera", "gleb", "dina")
		s, host := w.service, actor("host")
		w.do("rule", s.SetQueueRule(ctx, room, host, QueueFirstTimers))
		w.do("rule again", s.SetQueueRule(ctx, room, host, QueueFirstTimers))
		for _, account := range []besedka.AccountID{"boris", "vera", "gleb"} {
			w.do("raise", s.RaiseHand(ctx, room, actor(account), "", "Tenants"))
		}
		if q := w.view(room, "host").Queue; len(q) != 3 || q[0].Group != "Tenants" || q[0].Account != "boris" {
			t.Errorf("the queue shows %+v", q)
		}
		if h := w.view(room, "gleb").Me.Hand; h == nil || h.Place != 3 || h.Group != "Tenants" {
			t.Errorf("gleb's own hand is %+v", h)
		}
		_, err := s.InviteToStage(ctx, room, host, "gleb")
		w.do("the last first", err)
		w.do("the first", s.SetRole(ctx, room, host, "boris", besedka.RoleSpeaker))
		_, err = s.InviteToStage(ctx, room, host, "dina")
		w.do("one without a hand", err)
		up, err := s.BringUpNext(ctx, room, host, 5)
		if w.do("next", err); !slices.Equal(up, []besedka.AccountID{"vera"}) {
			t.Errorf("brought up %v", up)
		}
		want := []string{"queue_rule host→ first_timers", "out_of_order host→gleb first_timers", "brought_up host→boris", "invited host→dina", "brought_up host→vera"}
		if got := w.logged(room, "host"); !slices.Equal(got, want) {
			t.Errorf("logged %q, want %q", got, want)
		}
	})
}

func TestWhoHasSpokenMayNotRaiseAHandWhereOnlyNewVoicesMay(t *testing.T) {
	sc := play(t, KindOpen, "anna", "boris", "vera")
	sc.must(sc.SetHands("host", HandsNew))
	sc.heardFor("boris", time.Minute)
	sc.refused(sc.RaiseHand("boris", Raising{Followed: true}, sc.tick()), ErrHandsClosed)
	sc.must(sc.RaiseHand("vera", Raising{}, sc.tick()))
}

func TestGroupIsBoundedAndMayBeChanged(t *testing.T) {
	sc := play(t, KindOpen, "anna", "boris")
	sc.refused(sc.RaiseHand("boris", Raising{Group: "a\nb"}, sc.tick()), ErrGroupInvalid)
	sc.must(sc.RaiseHand("boris", Raising{Group: "Tenants", Note: "heating"}, sc.tick()))
	sc.must(sc.RaiseHand("boris", Raising{Group: "Owners"}, sc.tick()))
	if h := sc.hands.rows["boris"]; h.Group != "Owners" || h.Note != "heating" || len(sc.told("hand_raised")) != 2 {
		t.Errorf("the hand is %+v", h)
	}
	for i := range maxGroups + 20 {
		sc.info.LastServed++
		sc.served.put(string(rune(0x4e00+i)), sc.info.LastServed)
		sc.forgetGroups()
	}
	if _, first := sc.served.rows["一"]; len(sc.served.rows) != maxGroups || first {
		t.Errorf("%d groups are remembered", len(sc.served.rows))
	}
}

func TestOrderOfTheQueueOutlivesARestart(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := w.open("host", KindOpen)
		w.enter(room, "anna", "boris", "vera", "gleb", "dina")
		for account, group := range map[besedka.AccountID]string{"boris": "x", "vera": "x", "gleb": "y", "dina": "y"} {
			w.do("raise", w.service.RaiseHand(ctx, room, actor(account), "", group))
		}
		w.do("rule", w.service.SetQueueRule(ctx, room, actor("host"), QueueAlternate))
		_, err := w.service.BringUpNext(ctx, room, actor("host"), 1)
		w.do("next", err)
		for _, rule := range QueueRules {
			w.do("rule", w.service.SetQueueRule(ctx, room, actor("host"), rule))
			before := w.service.known(room).state.queue()
			w.start()
			w.enter(room, "host")
			if after := w.service.known(room).state.queue(); !slices.Equal(before, after) || len(after) != 3 {
				t.Errorf("%s: %v before, %v after", rule, before, after)
			}
		}
	})
}
