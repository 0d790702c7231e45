package room

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"besedka"
)

func TestSuggestedSpeakersAreOfTheAudienceWithTheirReasons(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := w.open("host", KindOpen)
		w.enter(room, "anna", "boris", "vera", "gleb", "dina", "egor")
		w.graph.follow("anna", "gleb")
		w.graph.follow("host", "boris")
		w.do("raise", w.service.RaiseHand(ctx, room, actor("boris"), "", ""))
		w.do("up", w.service.SetRole(ctx, room, actor("host"), "boris", besedka.RoleSpeaker))
		w.stay(room, "host", "anna", "boris", "vera", "gleb", "dina", "egor")
		w.airtime.hear(room, 3, time.Minute)
		w.pass(time.Second)
		w.do("down", w.service.SetRole(ctx, room, actor("boris"), "boris", besedka.RoleListener))
		w.do("raise", w.service.RaiseHand(ctx, room, actor("egor"), "", ""))
		w.service.asked = func(context.Context, besedka.RoomID) ([]besedka.AccountID, error) {
			return []besedka.AccountID{"dina", "anna", "egor", "nobody"}, nil
		}
		suggested := func() string {
			list, err := w.service.SuggestedSpeakers(ctx, room, actor("host"))
			w.do("suggest", err)
			var lines []string
			for _, x := range list {
				lines = append(lines, x.Person.Name+" "+strings.Join(x.Why, "+"))
			}
			return strings.Join(lines, ", ")
		}
		if got, want := suggested(), "DINA asked_in_chat+never_spoke, GLEB followed_by_speakers+never_spoke, BORIS followed_by_speakers, VERA never_spoke"; got != want {
			t.Errorf("suggested %s, want %s", got, want)
		}
		w.service.asked = func(context.Context, besedka.RoomID) ([]besedka.AccountID, error) { return nil, fmt.Errorf("away") }
		if got, want := suggested(), "GLEB followed_by_speakers+never_spoke, BORIS followed_by_speakers, DINA never_spoke, VERA never_spoke"; got != want {
			t.Errorf("suggested %s, want %s", got, want)
		}
		_, err := w.service.SuggestedSpeakers(ctx, room, actor("anna"))
		wantCode(t, "a speaker asks", err, ErrModeratorsOnly)
		_, err = w.service.SuggestedSpeakers(ctx, room, actor("zoya"))
		wantCode(t, "somebody outside asks", err, ErrModeratorsOnly)
	})
}

func TestReasonOfAMoveToTheAudienceIsForThatPersonOnly(t *testing.T) {
	sc := play(t, KindOpen, "anna", "boris")
	sc.refused(sc.MoveToAudience("host", "anna", strings.Repeat("x", MaxReason+1), sc.tick()), ErrNoteInvalid)
	sc.refused(sc.MoveToAudience("boris", "anna", "", sc.tick()), ErrModeratorsOnly)
	sc.must(sc.MoveToAudience("host", "anna", "others wait", sc.tick()))
	told := sc.told("moved_to_audience")
	if len(told) != 2 || !slices.Equal(told[0].to, []besedka.ParticipantID{besedka.Except("anna")}) || told[0].data["reason"] != nil ||
		!slices.Equal(told[1].to, []besedka.ParticipantID{"anna"}) || told[1].data["reason"] != "others wait" {
		t.Errorf("told %+v", told)
	}
	sc.is("anna", besedka.RoleListener)
}

func TestLastModeratorIsToldSo(t *testing.T) {
	sc := play(t, KindOpen, "anna", "boris")
	if !sc.me("host").LastModerator || sc.me("anna").LastModerator || sc.me("boris").LastModerator {
		t.Error("the host alone moderates")
	}
	sc.moderator("anna")
	if sc.me("host").LastModerator || sc.me("anna").LastModerator {
		t.Error("two moderate")
	}
	sc.leave("host")
	if !sc.me("anna").LastModerator {
		t.Error("one is left")
	}
}
