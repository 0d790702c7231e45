package room

import (
	"slices"
	"testing"

	"besedka"
	"besedka/db/dbtest"
)

func TestAttributionChangesByTheYesOfEverybodyOnStage(t *testing.T) {
	sc := play(t, KindOpen, "anna", "boris", "vera")
	if sc.info.Attribution != OffRecord {
		t.Errorf("at first %s", sc.info.Attribution)
	}
	sc.speaker("boris")
	sc.must(sc.AskAttribution("host", OnRecord))
	v := sc.attributionView()
	if !slices.Equal(v.Agreed, []besedka.AccountID{"host"}) || !slices.Equal(v.Waiting, []besedka.AccountID{"anna", "boris"}) {
		t.Errorf("agreed %v, waiting for %v", v.Agreed, v.Waiting)
	}
	sc.must(sc.AgreeAttribution("anna"))
	sc.must(sc.AgreeAttribution("anna"))
	sc.speaker("vera") // came while it was asked: has to agree as well
	sc.must(sc.AgreeAttribution("boris"))
	if sc.info.Attribution != OffRecord {
		t.Error("changed without vera")
	}
	sc.must(sc.AgreeAttribution("vera"))
	if sc.info.Attribution != OnRecord || sc.attributionView() != nil || len(sc.agreed.rows) != 0 {
		t.Errorf("in the end %s, asked %+v", sc.info.Attribution, sc.info.Asked)
	}
	if a, c := sc.told("attribution_agreed"), sc.told("attribution_changed"); len(a) != 3 || len(c) != 1 || c[0].data["attribution"] != OnRecord {
		t.Errorf("told %v and %v", a, c)
	}
}

func TestOneNoKeepsTheAttribution(t *testing.T) {
	sc := play(t, KindOpen, "anna", "boris")
	sc.must(sc.AskAttribution("host", Background))
	sc.must(sc.RefuseAttribution("anna"))
	sc.must(sc.RefuseAttribution("anna"))
	sc.refused(sc.AgreeAttribution("anna"), ErrNothingAsked)
	if told := sc.told("attribution_refused"); len(told) != 1 || sc.info.Attribution != OffRecord || sc.info.Asked.To != "" {
		t.Errorf("told %v, %s, asked %+v", told, sc.info.Attribution, sc.info.Asked)
	}
	sc.must(sc.AskAttribution("host", ChathamHouse))
	sc.must(sc.WithdrawAttribution("host"))
	sc.must(sc.AskAttribution("host", ChathamHouse))
	sc.must(sc.AskAttribution("host", OffRecord)) // as it is: nothing is asked any more
	if sc.info.Asked.To != "" {
		t.Errorf("asked %+v", sc.info.Asked)
	}
}

func TestOnlyTheHostAsksAndOnlyTheStageAnswers(t *testing.T) {
	sc := play(t, KindOpen, "anna", "boris")
	sc.moderator("anna")
	sc.refused(sc.AskAttribution("anna", OnRecord), ErrHostOnly)
	sc.refused(sc.AskAttribution("host", "aloud"), ErrAttributionInvalid)
	sc.must(sc.AskAttribution("host", OnRecord))
	sc.refused(sc.WithdrawAttribution("anna"), ErrHostOnly)
	sc.refused(sc.AgreeAttribution("boris"), ErrNotOnStage)
	sc.refused(sc.RefuseAttribution("boris"), ErrNotOnStage)
	sc.refused(sc.AgreeAttribution("nobody"), ErrNotInRoom)
}

func TestWhoLeavesTheStageIsNotWaitedFor(t *testing.T) {
	for name, away := range map[string]func(sc *scene){
		"by moving to the audience": func(sc *scene) { sc.must(sc.SetRole("boris", "boris", besedka.RoleListener, sc.tick())) },
		"by leaving the room":       func(sc *scene) { sc.leave("boris") },
	} {
		sc := play(t, KindOpen, "anna", "boris")
		sc.speaker("boris")
		sc.must(sc.AskAttribution("host", OnRecord))
		sc.must(sc.AgreeAttribution("anna"))
		if away(sc); sc.info.Attribution != OnRecord {
			t.Errorf("%s: still %s", name, sc.info.Attribution)
		}
	}
	sc := play(t, KindOpen, "anna")
	sc.must(sc.SetRole("anna", "anna", besedka.RoleListener, sc.tick()))
	sc.must(sc.AskAttribution("host", OnRecord)) // alone on stage
	if sc.info.Attribution != OnRecord {
		t.Error("the host alone waits for nobody")
	}
}

func TestAttributionStandsInViewAndHallwayAndOutlivesARestart(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room, err := w.service.Open(ctx, actor("host"), Opening{Kind: KindOpen, Language: "RU", Attribution: ChathamHouse, Queue: QueueLot})
		w.do("open", err)
		w.enter(room, "anna", "boris")
		cards, err := w.service.Hallway(ctx, "vera")
		if err != nil || len(cards) != 1 || cards[0].Language != "ru" || cards[0].Attribution != ChathamHouse {
			t.Errorf("the hallway shows %+v, %v", cards, err)
		}
		w.do("ask", w.service.AskAttribution(ctx, room, actor("host"), OnRecord))
		w.start()
		w.enter(room, "host", "anna", "boris")
		v := w.view(room, "boris")
		c := v.AttributionChange
		if v.Language != "ru" || v.Attribution != ChathamHouse || v.QueueRule != QueueLot || c == nil || c.To != OnRecord || c.By.Name != "HOST" ||
			!slices.Equal(c.Agreed, []besedka.AccountID{"host"}) || !slices.Equal(c.Waiting, []besedka.AccountID{"anna"}) {
			t.Fatalf("after a restart %s, %s, %s, asked %+v", v.Language, v.Attribution, v.QueueRule, c)
		}
		w.do("agree", w.service.AgreeAttribution(ctx, room, actor("anna")))
		if v := w.view(room, "boris"); v.Attribution != OnRecord || v.AttributionChange != nil {
			t.Errorf("in the end %s, asked %+v", v.Attribution, v.AttributionChange)
		}
		want := []string{"attribution_asked host→ on_record", "attribution host→ on_record"}
		if got := w.logged(room, "host"); !slices.Equal(got, want) {
			t.Errorf("logged %q", got)
		}
	})
}

func TestYesSaidElsewhereCounts(t *testing.T) {
	dbtest.EachStore(t, func(t *testing.T, s dbtest.Store) {
		clock := dbtest.NewClock()
		w := newWorld(t, s.Open(t, clock.Now), clock)
		room := w.open("host", KindOpen)
		w.enter(room, "anna", "boris")
		w.do("raise", w.service.RaiseHand(ctx, room, actor("boris"), "", ""))
		w.do("up", w.service.SetRole(ctx, room, actor("host"), "boris", besedka.RoleSpeaker))
		w.do("ask", w.service.AskAttribution(ctx, room, actor("host"), OnRecord))
		other := newWorld(t, s.Open(t, clock.Now), clock)
		w.do("agree in another process", other.service.AgreeAttribution(ctx, room, actor("anna")))
		w.do("agree", w.service.AgreeAttribution(ctx, room, actor("boris")))
		if v := w.view(room, "host"); v.Attribution != OnRecord {
			t.Errorf("%s, asked %+v", v.Attribution, v.AttributionChange)
		}
	})
}

func TestOpeningIsCheckedForLanguageAttributionAndQueueRule(t *testing.T) {
	for _, tt := range []struct {
		o    Opening
		want *besedka.Error
	}{
		{Opening{Language: "english"}, ErrLanguageInvalid}, {Opening{Language: "r"}, ErrLanguageInvalid}, {Opening{Language: "r1"}, ErrLanguageInvalid},
		{Opening{Attribution: "secret"}, ErrAttributionInvalid}, {Opening{Queue: "loudest"}, ErrQueueRuleInvalid},
	} {
		tt.o.Kind = KindOpen
		_, err := Open("room", actor("host"), Person{ID: "host"}, tt.o, noon)
		wantCode(t, string(tt.o.Attribution), err, tt.want)
	}
}
