package room

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"besedka"
	"besedka/db"
	"besedka/db/dbtest"
)

// These tests are the promises of the service, on both databases.

var ctx = context.Background()

func TestListenersComeAndGoWithoutTheDatabase(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := w.open("host", KindOpen)
		w.enter(room, "anna")
		w.service.rows = &failing{rows: w.service.rows, away: true}
		w.enter(room, "boris")
		if len(w.gate.granted(room)) != 3 {
			t.Errorf("granted %v", w.gate.granted(room))
		}
		if err := w.service.Leave(ctx, room, actor("boris")); err != nil {
			t.Error(err)
		}
		if _, there := w.gate.granted(room)["boris"]; there {
			t.Error("who has left may still listen")
		}
	})
}

func TestRaisedHandSurvivesReconnect(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := w.open("host", KindOpen)
		w.enter(room, "anna", "boris", "vera")
		w.stay(room, "host", "anna", "boris", "vera")
		for _, account := range []besedka.AccountID{"vera", "boris"} {
			if err := w.service.RaiseHand(ctx, room, actor(account), "about tea", ""); err != nil {
				t.Fatal(err)
			}
		}
		w.lose(room, "boris")
		w.pass(LostFor - time.Second)
		i := slices.IndexFunc(w.view(room, "host").Participants, func(p Participant) bool { return p.Account == "boris" })
		if i < 0 || w.view(room, "host").Participants[i].Connected {
			t.Fatal("who is reconnecting is not shown so")
		}
		w.stay(room, "boris")
		w.pass(2 * LostFor)
		me := w.view(room, "boris").Me
		if !me.Seated || me.Hand == nil || me.Hand.Place != 2 || me.Hand.Note != "about tea" {
			t.Errorf("me %+v, hand %+v", me, me.Hand)
		}
	})
}

func TestSeatNobodyComesBackToIsGivenUp(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := w.open("host", KindOpen)
		w.stay(room, "host")
		w.enter(room, "anna", "boris")
		w.stay(room, "anna")
		w.pass(GraceFor - time.Second)
		if w.role(room, "boris") != besedka.RoleListener {
			t.Error("given up before the grace is over")
		}
		w.pass(time.Second)
		if role := w.role(room, "boris"); role != "" {
			t.Errorf("who never connected is still %s", role)
		}
		w.lose(room, "anna")
		w.pass(LostFor)
		if role := w.role(room, "anna"); role != "" {
			t.Errorf("who is gone is still %s", role)
		}
		w.enter(room, "anna")
		if role := w.role(room, "anna"); role != besedka.RoleListener {
			t.Errorf("who was gone comes back as %s", role)
		}
		if g := w.gate.granted(room); len(g) != 2 {
			t.Errorf("granted %v", g)
		}
	})
}

func TestOneRoomAtATime(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		one, two, closed := w.open("host", KindOpen), w.open("other", KindOpen), w.open("third", KindClosed)
		w.enter(one, "anna")
		wantCode(t, "a closed room", w.service.Enter(ctx, closed, actor("anna")), besedka.ErrNotFound)
		if w.role(one, "anna") != besedka.RoleSpeaker {
			t.Error("a refused entry costs the seat elsewhere")
		}
		w.enter(two, "anna")
		if room, _, _ := w.service.SeatOf("anna"); room != two {
			t.Errorf("sits in %q", room)
		}
		if _, there := w.gate.granted(one)["anna"]; there {
			t.Error("hears two rooms")
		}
		w.open("anna", KindOpen)
		if _, there := w.gate.granted(two)["anna"]; there {
			t.Error("hears two rooms after opening one")
		}
	})
}

func TestSeatIsTakenOverByAnotherDevice(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := w.open("host", KindOpen)
		w.enter(room, "anna")
		phone, laptop := actor("anna"), Actor{Who: "anna", Credential: "anna/2"}
		if !w.gate.open(room, phone, true) || !w.gate.open(room, phone, false) {
			t.Fatal("no sessions")
		}
		if err := w.service.Enter(ctx, room, laptop); err != nil {
			t.Fatal(err)
		}
		if len(w.gate.sessions) != 0 {
			t.Errorf("sessions of the old device: %v", w.gate.sessions)
		}
		if _, cred, _ := w.service.SeatOf("anna"); cred != "anna/2" {
			t.Errorf("the seat is %q's", cred)
		}
		if !slices.Contains(w.board.closed, "anna") {
			t.Error("the old device's stream is open")
		}
		w.service.Connected(room, "anna", phone.Credential, Line{ID: "late"})
		w.pass(GraceFor)
		if role := w.role(room, "anna"); role != "" {
			t.Errorf("a connection of the old device keeps the seat: %s", role)
		}
		facts, err := w.db.FactsAfter(ctx, besedka.AccountTopic("anna"), 0, 10)
		if err != nil || len(facts) != 1 || facts[0].Kind != "seat_taken" {
			t.Errorf("told %v %v", kinds(facts), err)
		}
	})
}

func TestRevokedCredentialLosesItsSeat(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := w.open("host", KindOpen)
		w.enter(room, "anna")
		w.service.LeaveCredential(ctx, "anna/2")
		if w.role(room, "anna") != besedka.RoleSpeaker {
			t.Error("another credential's end costs the seat")
		}
		w.service.LeaveCredential(ctx, "anna/1")
		if _, there := w.gate.granted(room)["anna"]; there {
			t.Error("still granted")
		}
	})
}

func TestRemovalCutsMediaWhileTheDatabaseIsAway(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := w.open("host", KindOpen)
		w.enter(room, "anna", "boris")
		w.stay(room, "host", "anna", "boris")
		away := &failing{rows: w.service.rows, away: true}
		w.service.rows = away
		if err := w.service.Remove(ctx, room, actor("host"), "anna", "harassment", "loud"); err != nil {
			t.Fatalf("remove: %v", err)
		}
		if _, there := w.gate.granted(room)["anna"]; there {
			t.Error("still granted")
		}
		wantCode(t, "return", w.service.Enter(ctx, room, actor("anna")), ErrRemoved)
		for _, p := range w.view(room, "host").Participants {
			if p.Account == "anna" {
				t.Error("still shown")
			}
		}
		w.pass(3 * time.Second)
		away.set(false)
		w.pass(time.Second)
		if got := kinds(w.facts(room)); !slices.Contains(got, "removed") {
			t.Errorf("facts %v", got)
		}
		w.start()
		wantCode(t, "return after a restart", w.service.Enter(ctx, room, actor("anna")), ErrRemoved)
	})
}

func TestNothingChangesWhenItCannotBeSaved(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := w.open("host", KindOpen)
		w.enter(room, "anna", "boris")
		w.stay(room, "host", "anna", "boris")
		before, grants := dump(w.service, room), w.gate.granted(room)
		w.service.rows = &failing{rows: w.service.rows, away: true}
		for name, err := range map[string]error{
			"silence": w.service.Silence(ctx, room, actor("host"), "anna"),
			"hand":    w.service.RaiseHand(ctx, room, actor("boris"), "", ""),
			"role":    w.service.SetRole(ctx, room, actor("host"), "anna", besedka.RoleModerator),
			"title":   w.service.SetTitle(ctx, room, actor("host"), "Other"),
			"end":     w.service.End(ctx, room, actor("host")),
		} {
			wantCode(t, name, err, db.ErrUnavailable)
		}
		if after := dump(w.service, room); after != before {
			t.Errorf("before\n%s\nafter\n%s", before, after)
		}
		if fmt.Sprint(grants) != fmt.Sprint(w.gate.granted(room)) {
			t.Error("grants have changed")
		}
	})
}

func TestPowersActBeforeTheReply(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := w.open("host", KindOpen)
		w.enter(room, "anna")
		if !w.gate.open(room, actor("anna"), true) {
			t.Fatal("a speaker may not speak")
		}
		heard := func() bool { return w.gate.granted(room)["anna"].Forward }
		steps := []struct {
			name string
			do   func() error
			want bool
		}{
			{"mute", func() error { return w.service.Mute(ctx, room, actor("anna")) }, false},
			{"unmute", func() error { return w.service.Unmute(ctx, room, actor("anna")) }, true},
			{"silence", func() error { return w.service.Silence(ctx, room, actor("host"), "anna") }, false},
			{"unmute while silenced", func() error { return w.service.Unmute(ctx, room, actor("anna")) }, false},
			{"lift", func() error { return w.service.LiftSilence(ctx, room, actor("host"), "anna") }, true},
			{"courtesy", func() error { return w.service.MuteOther(ctx, room, actor("host"), "anna") }, false},
			{"unmute", func() error { return w.service.Unmute(ctx, room, actor("anna")) }, true},
			{"to audience", func() error {
				return w.service.SetRole(ctx, room, actor("host"), "anna", besedka.RoleListener)
			}, false},
		}
		for _, step := range steps {
			if err := step.do(); err != nil || heard() != step.want {
				t.Errorf("after %s: error %v, heard %v", step.name, err, heard())
			}
		}
		if len(w.gate.sessions) != 0 || w.gate.open(room, actor("anna"), true) {
			t.Error("a listener holds an up session")
		}
	})
}

func TestSpeakerIsShownMutedUntilTheUpSessionIsLive(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := w.open("host", KindOpen)
		if !w.view(room, "host").Me.Muted {
			t.Error("shown unmuted without a microphone")
		}
		w.gate.open(room, actor("host"), true)
		if w.view(room, "host").Me.Muted || w.board.told["mute_changed"] != 1 {
			t.Errorf("shown muted, announced %d times", w.board.told["mute_changed"])
		}
		w.stay(room, "host")
		w.gate.drop("host")
		if !w.view(room, "host").Me.Muted {
			t.Error("shown unmuted after the session is gone")
		}
	})
}

func TestRemovedSeesNoRoomAndEndedOneIsGone(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		open, closed := w.open("host", KindOpen), w.open("other", KindClosed)
		w.enter(open, "anna")
		w.enter(open, "other")
		w.enter(closed, "other")
		if err := w.service.Remove(ctx, open, actor("host"), "anna", "spam", ""); err != nil {
			t.Fatal(err)
		}
		_, err := w.service.View(ctx, open, actor("anna"))
		wantCode(t, "removed looks", err, besedka.ErrNotFound)
		wantCode(t, "removed acts", w.service.RaiseHand(ctx, open, actor("anna"), "", ""), ErrRemoved)
		for _, room := range []besedka.RoomID{open, closed} {
			host := map[besedka.RoomID]besedka.AccountID{open: "host", closed: "other"}[room]
			if err := w.service.End(ctx, room, actor(host)); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 { // in memory, then from rows
			_, err = w.service.View(ctx, open, actor("vera"))
			wantCode(t, "ended", err, ErrEnded)
			_, err = w.service.View(ctx, closed, actor("vera"))
			wantCode(t, "ended and closed", err, besedka.ErrNotFound)
			_, err = w.service.View(ctx, "no-such-room", actor("vera"))
			wantCode(t, "none", err, besedka.ErrNotFound)
			wantCode(t, "command", w.service.SetTitle(ctx, open, actor("host"), "x"), ErrEnded)
			w.start()
		}
	})
}

// TestEveryReadObeysTheOneAuthorization compares every read and way in with
// the standing of each kind of person.
func TestEveryReadObeysTheOneAuthorization(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		w.graph.follow("mod", "followed")
		w.graph.follow("listener", "fan")
		ok, no, out := "", "not_found", "removed_from_room"
		tests := map[Kind]map[string][2]string{ // read, enter
			KindOpen: {"stranger": {ok, ok}, "followed": {ok, ok}, "fan": {ok, ok}, "picked": {ok, ok}, "removed": {no, out},
				"guest-own": {ok, ok}, "guest-other": {no, no}},
			KindSocial: {"stranger": {no, no}, "followed": {ok, ok}, "fan": {no, no}, "picked": {ok, ok}, "removed": {no, out},
				"guest-own": {ok, ok}, "guest-other": {no, no}},
			KindClosed: {"stranger": {no, no}, "followed": {no, no}, "fan": {no, no}, "picked": {ok, ok}, "removed": {no, out},
				"guest-own": {ok, ok}, "guest-other": {no, no}},
		}
		for kind, people := range tests {
			room, err := w.service.Open(ctx, actor("host"), Opening{Kind: kind, Invite: []besedka.AccountID{"mod", "listener", "picked", "removed"}})
			if err != nil {
				t.Fatal(err)
			}
			w.enter(room, "mod", "listener")
			if err := errors.Join(w.service.SetRole(ctx, room, actor("host"), "mod", besedka.RoleModerator),
				w.service.Remove(ctx, room, actor("host"), "removed", "spam", "")); err != nil {
				t.Fatal(err)
			}
			for name, want := range people {
				a := actor(besedka.AccountID(name))
				if strings.HasPrefix(name, "guest") {
					a.GuestOf = map[string]besedka.RoomID{"guest-own": room}[name]
				}
				_, view := w.service.View(ctx, room, a)
				cards, _ := w.service.Hallway(ctx, a.Who.Account())
				listed := slices.ContainsFunc(cards, func(c Card) bool { return c.ID == room })
				if code(view) != want[0] || code(w.service.See(ctx, room, a)) != want[0] || !a.Who.IsGuest() && listed != (want[0] == ok) {
					t.Errorf("%s, %s: view %v, in hallway %v", kind, name, view, listed)
				}
				if err := w.service.Enter(ctx, room, a); code(err) != want[1] {
					t.Errorf("%s, %s enters: %v", kind, name, err)
				}
				w.service.Leave(ctx, room, a)
			}
			if err := w.service.End(ctx, room, actor("host")); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestGuestsOnlyListen(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := w.open("host", KindOpen)
		w.enter(room, "anna", "boris")
		guest := Actor{Who: "guest-1", Credential: "g", GuestOf: room}
		if err := w.service.Enter(ctx, room, guest); err != nil {
			t.Fatal(err)
		}
		for _, err := range []error{w.service.RaiseHand(ctx, room, guest, "", ""), w.service.SetTitle(ctx, room, guest, "x"),
			w.service.AcceptStage(ctx, room, guest), w.service.Mute(ctx, room, guest), w.service.Pick(ctx, room, guest, "vera")} {
			wantCode(t, "guest", err, ErrGuestsListen)
		}
		v, err := w.service.View(ctx, room, guest)
		if err != nil || len(v.Participants) != 2 || v.Counts != (Counts{All: 4, OnStage: 2, Audience: 1, Guests: 1}) {
			t.Errorf("guest sees %+v %v", v, err)
		}
		if v.Queue != nil || len(w.view(room, "host").Participants) != 3 {
			t.Error("a guest is shown by name, or sees the queue")
		}
		if err := w.service.Remove(ctx, room, actor("host"), "guest-1", "noise", ""); err != nil {
			t.Fatal(err)
		}
		wantCode(t, "removed guest", w.service.Enter(ctx, room, guest), ErrRemoved)
	})
}

func TestWhoMayAddGuests(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		without := w.open("host", KindOpen)
		with, err := w.service.Open(ctx, actor("other"), Opening{Kind: KindOpen, GuestsAllowed: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			room besedka.RoomID
			a    Actor
			want string
		}{
			{with, Actor{}, ""}, {with, actor("anna"), ""},
			{without, Actor{}, "not_found"}, {without, actor("anna"), "guests_not_allowed"}, {"none", Actor{}, "not_found"},
		} {
			if err := w.service.MayAddGuest(ctx, tt.room, tt.a); code(err) != tt.want {
				t.Errorf("%+v: %v", tt, err)
			}
		}
	})
}

func TestQueueIsForModerators(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := w.open("host", KindOpen)
		w.enter(room, "anna", "boris", "vera")
		w.graph.follow("anna", "vera")
		if err := errors.Join(w.service.RaiseHand(ctx, room, actor("boris"), "", ""), w.service.RaiseHand(ctx, room, actor("vera"), "about tea", "")); err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(w.view(room, "anna"))
		if err != nil || strings.Contains(string(text), `"queue"`) || strings.Contains(string(text), "about tea") {
			t.Errorf("a speaker sees %s", text)
		}
		q := w.view(room, "host").Queue
		if len(q) != 2 || q[0].Account != "boris" || q[1].Name != "VERA" || !q[1].FollowedBySpeakers || q[0].FollowedBySpeakers {
			t.Errorf("queue %+v", q)
		}
	})
}

func TestHallwayNamesFriendsFirstAndCounts(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		w.graph.follow("me", "gleb")
		plain := w.open("other", KindOpen)
		room := w.open("host", KindOpen)
		w.clock.Advance(time.Second)
		late := w.open("third", KindOpen)
		w.enter(room, "anna", "boris", "gleb")
		cards, err := w.service.Hallway(ctx, "me")
		if err != nil || len(cards) != 3 || cards[0].ID != room || cards[1].ID != late || cards[2].ID != plain {
			t.Fatalf("cards %+v %v", cards, err)
		}
		var faces []besedka.AccountID
		for _, f := range cards[0].Faces {
			faces = append(faces, f.Account)
		}
		if !slices.Equal(faces, []besedka.AccountID{"gleb", "host", "anna"}) || cards[0].Counts != (CardCounts{4, 2}) {
			t.Errorf("card %+v", cards[0])
		}
	})
}

func TestUnknownPeopleCannotBeAskedOrRemoved(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		_, err := w.service.Open(ctx, actor("host"), Opening{Kind: KindClosed, Invite: []besedka.AccountID{"nobody"}})
		wantCode(t, "open", err, besedka.ErrNotFound)
		room := w.open("host", KindClosed)
		wantCode(t, "pick", w.service.Pick(ctx, room, actor("host"), "nobody"), besedka.ErrNotFound)
		wantCode(t, "remove", w.service.Remove(ctx, room, actor("host"), "nobody", "spam", ""), besedka.ErrNotFound)
	})
}

func TestOneAccountHostsAFewRooms(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		for range MaxHosted {
			w.open("host", KindOpen)
		}
		_, err := w.service.Open(ctx, actor("host"), Opening{Kind: KindOpen})
		wantCode(t, "one more", err, ErrTooManyRooms)
	})
}

func TestRestartKeepsRolesHandsSilencesAndRemovals(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := w.open("host", KindOpen)
		w.enter(room, "anna", "boris", "vera", "gleb", "dina")
		s := w.service
		_, invite := s.InviteToStage(ctx, room, actor("host"), "vera")
		if err := errors.Join(invite, s.SetRole(ctx, room, actor("host"), "anna", besedka.RoleModerator),
			s.RaiseHand(ctx, room, actor("boris"), "tea", ""), s.Silence(ctx, room, actor("host"), "anna"),
			s.Remove(ctx, room, actor("host"), "gleb", "noise", "")); err != nil {
			t.Fatal(err)
		}
		w.start()
		v := w.view(room, "host")
		if len(v.Participants) != 4 || v.Counts.OnStage != 2 || len(v.Queue) != 1 || len(v.Invited) != 1 || !v.Participants[1].Silenced {
			t.Errorf("after a restart %+v", v)
		}
		for _, p := range v.Participants {
			if p.Connected {
				t.Errorf("%s is shown connected", p.Account)
			}
		}
		wantCode(t, "removed", w.service.Enter(ctx, room, actor("gleb")), ErrRemoved)
		w.pass(30 * time.Second)
		w.enter(room, "host", "boris")
		w.stay(room, "host", "boris")
		w.pass(LostFor)
		v = w.view(room, "host")
		if len(v.Participants) != 2 || v.Me.Seated != true || *v.Me.Role != besedka.RoleHost || len(v.Queue) != 1 {
			t.Errorf("a minute after %+v", v)
		}
	})
}

func TestRoomWithoutAnybodyIsFoundEndedAfterRestart(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := w.open("host", KindOpen)
		w.start()
		w.pass(LostFor + EmptyFor)
		_, err := w.service.View(ctx, room, actor("host"))
		wantCode(t, "look", err, ErrEnded)
		if got := kinds(w.facts(room)); got[len(got)-1] != "room_ended" {
			t.Errorf("facts %v", got)
		}
	})
}

// TestTwoProcessesShareARoom lets a second service change the rows under the first.
func TestRowsChangedElsewhereAreSeenBeforeWriting(t *testing.T) {
	dbtest.EachStore(t, func(t *testing.T, s dbtest.Store) {
		clock := dbtest.NewClock()
		w := newWorld(t, s.Open(t, clock.Now), clock)
		room := w.open("host", KindOpen)
		w.enter(room, "anna", "boris")
		other := newWorld(t, s.Open(t, clock.Now), clock)
		if err := other.service.Remove(ctx, room, actor("host"), "anna", "spam", ""); err != nil {
			t.Fatal(err)
		}
		if err := w.service.SetTitle(ctx, room, actor("host"), "New"); err != nil {
			t.Fatal(err)
		}
		if _, there := w.gate.granted(room)["anna"]; there {
			t.Error("who was removed elsewhere is still granted here")
		}
		w.facts(room)
	})
}

func TestConcurrentCommandsNumberFactsWithoutGap(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := w.open("host", KindOpen)
		w.enter(room, "anna")
		var wg sync.WaitGroup
		for i := range 8 {
			account := besedka.AccountID(fmt.Sprintf("p%d", i))
			wg.Go(func() {
				for range 5 {
					w.enter(room, account)
					_ = w.service.RaiseHand(ctx, room, actor(account), "", "")
					_, _ = w.service.InviteToStage(ctx, room, actor("host"), account)
					w.gate.open(room, actor(account), true)
					_, _ = w.service.View(ctx, room, actor(account))
					_, _ = w.service.Hallway(ctx, account)
					_ = w.service.Leave(ctx, room, actor(account))
				}
			})
		}
		wg.Wait()
		facts := w.facts(room)
		v := w.view(room, "host")
		if v.Seq != int64(len(facts)) || len(v.Participants) != 2 || len(w.gate.granted(room)) != 2 || len(w.gate.sessions) != 0 {
			t.Errorf("seq %d of %d, %d shown, %d granted", v.Seq, len(facts), len(v.Participants), len(w.gate.granted(room)))
		}
	})
}

// TestJoinCannotRaceRemoval: whoever is removed while entering is out.
func TestJoinCannotRaceRemoval(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := w.open("host", KindOpen)
		w.enter(room, "anna")
		for i := range 20 {
			account := besedka.AccountID(fmt.Sprintf("p%d", i))
			var wg sync.WaitGroup
			for range 3 {
				wg.Go(func() { _ = w.service.Enter(ctx, room, actor(account)) })
			}
			wg.Go(func() { _ = w.service.Remove(ctx, room, actor("host"), account.Participant(), "spam", "") })
			wg.Wait()
			if _, there := w.gate.granted(room)[account.Participant()]; there {
				t.Fatalf("%s was removed and is granted", account)
			}
			if _, _, seated := w.service.SeatOf(account.Participant()); seated {
				t.Fatalf("%s was removed and is seated", account)
			}
		}
	})
}

func TestReadsWaitForNoCommand(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := w.open("host", KindOpen)
		w.enter(room, "anna", "boris")
		w.stay(room, "host", "anna", "boris")
		stuck, release := make(chan struct{}), make(chan struct{})
		w.gate.onRevoke = func(besedka.RoomID, besedka.ParticipantID) { close(stuck); <-release }
		done := make(chan error)
		go func() { done <- w.service.Leave(ctx, room, actor("boris")) }()
		<-stuck
		if v := w.view(room, "anna"); v.Counts.All != 3 {
			t.Errorf("who is not cut yet is shown no more: %+v", v.Counts)
		}
		w.lose(room, "anna") // does not wait either
		close(release)
		if err := <-done; err != nil {
			t.Error(err)
		}
		for _, p := range w.view(room, "host").Participants {
			if p.Account == "anna" && p.Connected {
				t.Error("a connection lost meanwhile is forgotten")
			}
		}
		if v := w.view(room, "host"); v.Counts.All != 2 {
			t.Errorf("counts %+v", v.Counts)
		}
	})
}

// dump is everything a room has in memory, as text.
func dump(s *Service, room besedka.RoomID) string {
	c := s.known(room)
	c.mu.RLock()
	defer c.mu.RUnlock()
	return dumpRows(c.state) + fmt.Sprint(c.state.seats.rows, c.state.vigil, c.state.guests)
}

// dumpRows is everything that must survive a restart, as text.
func dumpRows(st *State) string {
	return fmt.Sprintf("%+v\nstage %v\nvoices %v\nhands %v\ninvited %v\nremovals %v\npicks %v\nagreed %v\nserved %v\nlinks %v\nshares %v\ntext %+v\n", st.info, st.stage.rows,
		st.voices.rows, st.hands.rows, st.invited.rows, st.removals.rows, st.picks.rows, st.agreed.rows, st.served.rows, st.links.rows, st.shares.rows, st.text)
}

func TestReadsGoOnWhenNamesAndFollowsCannotBeAsked(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		w.graph.follow("anna", "boris")
		room := w.open("host", KindOpen)
		w.enter(room, "anna", "boris")
		w.stay(room, "host", "anna", "boris")
		w.view(room, "anna")
		w.service.people.find = func(context.Context, []besedka.AccountID) (map[besedka.AccountID]Person, error) {
			return nil, db.ErrUnavailable
		}
		w.graph.err = db.ErrUnavailable
		w.pass(2 * namesFor)
		asked := w.graph.asked
		for range 10 {
			v := w.view(room, "anna")
			if len(v.Participants) != 3 || v.Participants[0].Name != "HOST" {
				t.Fatalf("shown %+v", v.Participants)
			}
		}
		if n := w.graph.asked - asked; n > 2 {
			t.Errorf("a graph that does not answer was asked %d times", n)
		}
		if cards, err := w.service.Hallway(ctx, "vera"); err != nil || len(cards) != 1 {
			t.Errorf("cards %v %v", cards, err)
		}
	})
}

func TestRemovedPersonDoesNotComeBackAsAGuest(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		here := func(who besedka.ParticipantID, place string) Actor {
			return Actor{Who: who, Credential: besedka.CredentialID(who + "/1"), Place: place}
		}
		opened := func(host besedka.AccountID) besedka.RoomID {
			room, err := w.service.Open(ctx, here(host.Participant(), "192.0.2.1"), Opening{Kind: KindOpen, GuestsAllowed: true})
			if err != nil {
				t.Fatal(err)
			}
			return room
		}
		room, other := opened("host"), opened("other")
		guest := func(id besedka.ParticipantID, place string) Actor {
			return Actor{Who: id, Credential: besedka.CredentialID(id), GuestOf: room, Place: place}
		}
		seated, waiting := guest("guest-1", "192.0.2.7"), guest("guest-2", "192.0.2.7")
		for _, a := range []Actor{here("anna", "192.0.2.7"), here("boris", "192.0.2.7"), seated} {
			if err := w.service.Enter(ctx, room, a); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.service.Remove(ctx, room, actor("host"), "anna", "noise", ""); err != nil {
			t.Fatal(err)
		}
		wantCode(t, "a token from there", w.service.MayAddGuest(ctx, room, Actor{Place: "192.0.2.7"}), ErrPlaceBarred)
		wantCode(t, "a token made before", w.service.Enter(ctx, room, waiting), ErrPlaceBarred)
		for what, err := range map[string]error{
			"a token from elsewhere":        w.service.MayAddGuest(ctx, room, Actor{Place: "192.0.2.8"}),
			"a token of another room":       w.service.MayAddGuest(ctx, other, Actor{Place: "192.0.2.7"}),
			"a token of a member there":     w.service.MayAddGuest(ctx, room, here("vera", "192.0.2.7")),
			"a member there":                w.service.Enter(ctx, room, here("vera", "192.0.2.7")),
			"a guest there who listens":     w.service.Enter(ctx, room, seated),
			"a guest whose network unknown": w.service.Enter(ctx, room, guest("guest-3", "")),
		} {
			if err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
		if err := w.service.UndoRemoval(ctx, room, actor("host"), "anna"); err != nil {
			t.Fatal(err)
		}
		if err := w.service.MayAddGuest(ctx, room, Actor{Place: "192.0.2.7"}); err != nil {
			t.Errorf("after the removal was undone: %v", err)
		}
	})
}

func TestNetworkIsBarredAsLongAsOneOfItsRemovedIs(t *testing.T) {
	p := newPlaces()
	for range 2 * placesEach {
		p.note("anna", "192.0.2.7")
	}
	p.note("boris", "192.0.2.7")
	p.bar("anna")
	p.bar("anna")
	p.bar("boris")
	p.lift("anna")
	p.lift("anna")
	if !p.bars("192.0.2.7") {
		t.Error("one of two is forgiven, and both may come back")
	}
	p.lift("boris")
	if p.bars("192.0.2.7") || p.bars("") || len(p.barred) != 0 {
		t.Error("nobody is removed, and guests are refused")
	}
}
