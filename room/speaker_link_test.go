package room

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"besedka"
)

func bearing(code string) Entry { return Entry{SpeakerLink: code} }

func TestSpeakerLinkPutsOneBearerOnStageWithinTwoHours(t *testing.T) {
	sc := play(t, KindClosed)
	sc.must(sc.MakeSpeakerLink("host", "id", hashCode("code"), sc.tick()))
	sc.refused(sc.enter(actor("anna"), bearing("wrong"), false, sc.tick()), besedka.ErrNotFound)
	sc.must(sc.enter(actor("boris"), bearing("code"), false, sc.tick()))
	sc.is("boris", besedka.RoleSpeaker)
	sc.refused(sc.enter(actor("anna"), bearing("code"), false, sc.tick()), besedka.ErrNotFound)

	sc.must(sc.SetRole("host", "boris", besedka.RoleListener, sc.tick()))
	sc.must(sc.enter(actor("boris"), bearing("code"), false, sc.tick()))
	sc.is("boris", besedka.RoleListener) // once
	sc.leave("boris")
	sc.must(sc.Enter(actor("boris"), false, sc.tick())) // may return

	sc.must(sc.MakeSpeakerLink("host", "id2", hashCode("code2"), sc.tick()))
	sc.now = sc.now.Add(SpeakerLinkFor)
	sc.refused(sc.enter(actor("boris"), bearing("code2"), false, sc.tick()), ErrSpeakerLink)
}

func TestSpeakerLinkIsNoWayAroundARemovalOrAGuestsLimits(t *testing.T) {
	sc := play(t, KindOpen, "first", "boris")
	sc.must(sc.MakeSpeakerLink("host", "id", hashCode("code"), sc.tick()))
	sc.must(sc.remove("host", "boris"))
	sc.refused(sc.enter(actor("boris"), bearing("code"), false, sc.tick()), ErrRemoved)
	sc.refused(sc.enter(guestOf("guest-1"), bearing("code"), false, sc.tick()), ErrGuestsListen)
	sc.must(sc.WithdrawSpeakerLink("host", "id"))
	sc.refused(sc.enter(actor("vera"), bearing("code"), false, sc.tick()), ErrSpeakerLink)
}

func TestSpeakerLinkOpensAFullRoomButNoFullStage(t *testing.T) {
	sc := small(t)
	sc.must(sc.MakeSpeakerLink("host", "id", hashCode("code"), sc.tick()))
	sc.must(sc.MakeSpeakerLink("host", "id2", hashCode("code2"), sc.tick()))
	sc.must(sc.enter(actor("late"), Entry{Overflow: true}, false, sc.tick()))
	sc.must(sc.enter(actor("late"), bearing("code"), false, sc.tick()))
	sc.is("late", besedka.RoleSpeaker)
	if sc.overflow != 0 || sc.inOverflow("late") {
		t.Error("on stage and in overflow")
	}
	sc.refused(sc.enter(actor("vera"), bearing("code2"), false, sc.tick()), ErrStageFull)
	if _, _, usable := sc.linkOf("code2", sc.tick()); !usable {
		t.Error("a link that put nobody on stage is used up")
	}
}

func TestSpeakerLinksAreForModeratorsAndFew(t *testing.T) {
	sc := play(t, KindOpen, "first", "anna")
	sc.refused(sc.MakeSpeakerLink("first", "x", "h", sc.tick()), ErrModeratorsOnly)
	sc.refused(sc.WithdrawSpeakerLink("first", "x"), ErrModeratorsOnly)
	for i := range MaxSpeakerLinks {
		sc.must(sc.MakeSpeakerLink("host", fmt.Sprint("id", i), hashCode(fmt.Sprint(i)), sc.tick()))
	}
	sc.refused(sc.MakeSpeakerLink("host", "more", "h", sc.tick()), ErrTooManyLinks)
	sc.must(sc.enter(actor("anna"), bearing("3"), false, sc.tick()))
	sc.must(sc.MakeSpeakerLink("host", "more", "h", sc.tick()))
	sc.now = sc.now.Add(SpeakerLinkFor + time.Second)
	sc.must(sc.MakeSpeakerLink("host", "later", "h", sc.tick()))
	if n := len(sc.links.rows); n != 1 {
		t.Errorf("%d links are kept, of which 20 have expired", n)
	}
}

// TestSpeakerLinkSurvivesARestart goes by way of the service.
func TestSpeakerLinkSurvivesARestart(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := w.open("host", KindSocial)
		w.stay(room, "host")
		id, code, expires, err := w.service.NewSpeakerLink(ctx, room, actor("host"))
		if err != nil || len(code) < 26 || !expires.Equal(moment(w.clock.Now()).Add(SpeakerLinkFor)) {
			t.Fatalf("link %s %s until %v: %v", id, code, expires, err)
		}
		w.start()
		if err := w.service.EnterBy(ctx, room, actor("boris"), bearing(code)); err != nil {
			t.Fatal(err)
		}
		if role := w.role(room, "boris"); role != besedka.RoleSpeaker {
			t.Errorf("the bearer is a %s", role)
		}
		w.enter(room, "host")
		links, err := w.service.SpeakerLinks(ctx, room, actor("host"))
		if err != nil || len(links) != 1 || links[0].ID != id || links[0].By.Name != "HOST" || links[0].UsedBy == nil || links[0].UsedBy.Name != "BORIS" {
			t.Errorf("links %+v %v", links, err)
		}
		_, err = w.service.SpeakerLinks(ctx, room, actor("boris"))
		wantCode(t, "a speaker asks for the links", err, ErrModeratorsOnly)
		if text := dump(w.service, room); strings.Contains(text, code) {
			t.Error("the code itself is kept")
		}
	})
}
