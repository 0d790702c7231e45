package room

import (
	"fmt"
	"testing"

	"besedka"
)

// small is a room that takes two listeners, three on stage and one in overflow:
// host and first are on stage, a and b in the audience.
func small(t *testing.T) *scene {
	sc := play(t, KindOpen, "first", "a", "b")
	sc.limits = Limits{Listeners: 2, OnStage: 3, Overflow: 1}
	return sc
}

func guestOf(who besedka.ParticipantID) Actor {
	return Actor{Who: who, Credential: besedka.CredentialID(who), GuestOf: "room"}
}

func TestAFullRoomSaysSoAndIsHeardInOverflow(t *testing.T) {
	sc := small(t)
	sc.refused(sc.Enter(actor("late"), false, sc.tick()), ErrRoomFull)
	sc.must(sc.Enter(actor("a"), false, sc.tick()))
	sc.must(sc.enter(actor("late"), Entry{Overflow: true}, false, sc.tick()))
	if g, ok := sc.GrantOf("late"); !ok || g != (Grant{}) {
		t.Errorf("in overflow: granted %+v %v", g, ok)
	}
	if got, want := sc.counts(), (Counts{All: 5, OnStage: 2, Audience: 2, Overflow: 1}); got != want {
		t.Errorf("counts %+v, want %+v", got, want)
	}
	if _, listed := sc.audience()["late"]; listed {
		t.Error("who is in overflow is listed")
	}
	sc.refused(sc.enter(actor("later"), Entry{Overflow: true}, false, sc.tick()), ErrRoomFull)
	sc.leave("late")
	sc.must(sc.enter(guestOf("guest-1"), Entry{Overflow: true}, false, sc.tick()))
	if got, want := sc.counts(), (Counts{All: 5, OnStage: 2, Audience: 2, Overflow: 1}); got != want {
		t.Errorf("with a guest %+v, want %+v", got, want)
	}
}

func TestOverflowIsForAFullRoomOnly(t *testing.T) {
	sc := small(t)
	sc.leave("b")
	sc.must(sc.enter(actor("c"), Entry{Overflow: true}, false, sc.tick()))
	if sc.inOverflow("c") {
		t.Error("in overflow while there is a place")
	}
}

func TestOverflowIsOneWay(t *testing.T) {
	sc := small(t)
	sc.must(sc.enter(actor("late"), Entry{Overflow: true}, false, sc.tick()))
	sc.refused(sc.LowerHand("late"), ErrInOverflow)
	sc.refused(sc.AcceptStage("late", sc.tick()), ErrInOverflow)
	sc.refused(sc.Pick(Person{ID: "late"}, "friend", sc.tick()), ErrInOverflow)
	sc.refused(sc.SetRole("late", "late", besedka.RoleSpeaker, sc.tick()), ErrInOverflow)
	_, err := sc.InviteToStage("host", "late", sc.tick())
	sc.refused(err, ErrNotInRoom)
	sc.refused(sc.SetRole("host", "late", besedka.RoleSpeaker, sc.tick()), ErrNotInRoom)
	sc.must(sc.remove("host", "late"))
	sc.refused(sc.enter(actor("late"), Entry{Overflow: true}, false, sc.tick()), ErrRemoved)
	if sc.overflow != 0 {
		t.Errorf("%d in overflow", sc.overflow)
	}
}

func TestEnteringAgainTakesAFreePlaceOutOfOverflow(t *testing.T) {
	sc := small(t)
	sc.must(sc.enter(actor("late"), Entry{Overflow: true}, false, sc.tick()))
	sc.must(sc.Enter(actor("late"), false, sc.tick()))
	if !sc.inOverflow("late") {
		t.Error("sits in a full audience")
	}
	sc.leave("a")
	sc.must(sc.Enter(actor("late"), false, sc.tick()))
	if sc.inOverflow("late") || sc.counts() != (Counts{All: 4, OnStage: 2, Audience: 2}) {
		t.Errorf("after a place was free: %+v", sc.counts())
	}
}

func TestHostComesBackToAFullRoom(t *testing.T) {
	sc := small(t)
	sc.moderator("first")
	sc.seats.drop("host")
	sc.settle()
	sc.must(sc.enter(actor("c"), Entry{Overflow: true}, false, sc.tick()))
	sc.must(sc.Enter(actor("host"), false, sc.tick()))
	sc.is("host", besedka.RoleHost)
}

func TestRoomAndStageAreBounded(t *testing.T) {
	sc := play(t, KindOpen, "anna")
	for i := range DefaultLimits.Listeners {
		sc.seats.put(besedka.ParticipantID(fmt.Sprint("x", i)), Seat{})
	}
	sc.settle()
	sc.refused(sc.Enter(actor("late"), false, sc.tick()), ErrRoomFull)
	sc.must(sc.Enter(actor("anna"), false, sc.tick()))
	for i := range DefaultLimits.OnStage - 2 {
		sc.takeStage(besedka.AccountID(fmt.Sprint("x", i)), besedka.RoleSpeaker, sc.tick())
	}
	sc.settle()
	sc.hands.put("x4000", Hand{Number: 1})
	sc.settle()
	_, err := sc.InviteToStage("host", "x4000", sc.tick())
	sc.refused(err, ErrStageFull)
}

// TestNobodyInOverflowIsNamed looks with everybody's eyes, and on the card.
func TestNobodyInOverflowIsNamed(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		w.limits = Limits{Listeners: 1}
		w.start()
		room := w.open("host", KindOpen)
		w.enter(room, "first", "a")
		wantCode(t, "a full room", w.service.Enter(ctx, room, actor("late")), ErrRoomFull)
		if err := w.service.EnterBy(ctx, room, actor("late"), Entry{Overflow: true}); err != nil {
			t.Fatal(err)
		}
		if !w.gate.open(room, actor("late"), false) {
			t.Error("hears nothing in overflow")
		}
		for _, who := range []besedka.AccountID{"host", "a", "late"} {
			v := w.view(room, who)
			if len(v.Participants) != 3 || v.AudienceShown != 1 || v.Me.Overflow != (who == "late") {
				t.Errorf("%s sees %+v", who, v)
			}
		}
		w.graph.follow("friend", "late")
		cards, err := w.service.Hallway(ctx, "friend")
		if err != nil || len(cards) != 1 || len(cards[0].Faces) != 2 || cards[0].Counts.All != 4 {
			t.Errorf("card %+v %v", cards, err)
		}
	})
}
