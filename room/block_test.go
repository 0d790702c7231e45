package room

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"besedka"
)

func (g *graph) BlocksOf(_ context.Context, accounts []besedka.AccountID) (blocked, blockers map[besedka.AccountID][]besedka.AccountID, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.walled++
	blocked, blockers = map[besedka.AccountID][]besedka.AccountID{}, map[besedka.AccountID][]besedka.AccountID{}
	for pair := range g.walls {
		if slices.Contains(accounts, pair[0]) {
			blocked[pair[0]] = append(blocked[pair[0]], pair[1])
		}
		if slices.Contains(accounts, pair[1]) {
			blockers[pair[1]] = append(blockers[pair[1]], pair[0])
		}
	}
	return blocked, blockers, g.err
}

// block makes by block target, as the graph and its listener do.
func (w *world) block(by, target besedka.AccountID, blocked bool) {
	w.graph.mu.Lock()
	if w.graph.walls == nil {
		w.graph.walls = map[[2]besedka.AccountID]bool{}
	}
	delete(w.graph.walls, [2]besedka.AccountID{by, target})
	if blocked {
		w.graph.walls[[2]besedka.AccountID{by, target}] = true
	}
	w.graph.mu.Unlock()
	w.service.Blocked(ctx, by, target, blocked)
}

// bringUp has somebody in the room raise a hand and the moderator bring them up.
func (w *world) bringUp(room besedka.RoomID, by besedka.AccountID, accounts ...besedka.AccountID) {
	w.t.Helper()
	for _, account := range accounts {
		if err := w.service.RaiseHand(ctx, room, actor(account), "", ""); err != nil {
			w.t.Fatal(err)
		}
		if up, err := w.service.InviteToStage(ctx, room, actor(by), account); err != nil || !up {
			w.t.Fatalf("%s is on stage: %v, error %v", account, up, err)
		}
	}
}

// shown are those whom the account is shown in the room.
func (w *world) shown(room besedka.RoomID, account besedka.AccountID) string {
	w.t.Helper()
	var names []string
	for _, p := range w.view(room, account).Participants {
		names = append(names, string(p.Account))
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// finds says whether the room exists for somebody, in all ways to know of it.
func (w *world) finds(room besedka.RoomID, account besedka.AccountID) bool {
	w.t.Helper()
	cards, err := w.service.Hallway(ctx, account)
	if err != nil {
		w.t.Fatal(err)
	}
	listed := slices.ContainsFunc(cards, func(c Card) bool { return c.ID == room })
	_, err = w.service.View(ctx, room, actor(account))
	if err != nil && !errors.Is(err, besedka.ErrNotFound) {
		w.t.Errorf("%s looks: %v", account, err)
	}
	if seen := err == nil; seen != listed {
		w.t.Errorf("%s: listed %v, seen %v", account, listed, seen)
	}
	if see := w.service.See(ctx, room, actor(account)); (see == nil) != listed {
		w.t.Errorf("%s: listed %v, may follow: %v", account, listed, see)
	}
	return listed
}

func TestTheBlockedDoNotFindRoomsOfTheirBlocker(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		w.block("host", "boris", true)
		room := w.open("host", KindOpen)
		w.enter(room, "anna", "vera")
		refused := func(who besedka.AccountID) {
			t.Helper()
			if w.finds(room, who) {
				t.Errorf("%s finds the room", who)
			}
			if err := w.service.Enter(ctx, room, actor(who)); !errors.Is(err, besedka.ErrNotFound) {
				t.Errorf("%s enters: %v", who, err)
			}
			if ref := w.service.Where(ctx, actor(who), "vera"); ref != nil {
				t.Errorf("%s is told where somebody is: %v", who, ref)
			}
		}
		refused("boris")
		// Neither does who is asked in, or bears a link.
		if err := w.service.Pick(ctx, room, actor("anna"), "boris"); err != nil {
			t.Fatal(err)
		}
		refused("boris")
		_, code, _, err := w.service.NewSpeakerLink(ctx, room, actor("host"))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.service.EnterBy(ctx, room, actor("boris"), Entry{SpeakerLink: code}); !errors.Is(err, besedka.ErrNotFound) {
			t.Errorf("by a link: %v", err)
		}
		// Nor the blocked of a moderator; and the host is at home all the same.
		w.block("anna", "clara", true)
		w.block("anna", "host", true)
		if !w.finds(room, "clara") {
			t.Error("a speaker keeps somebody out")
		}
		if err := w.service.SetRole(ctx, room, actor("host"), "anna", besedka.RoleModerator); err != nil {
			t.Fatal(err)
		}
		refused("clara")
		if !w.finds(room, "host") {
			t.Error("a moderator keeps the host out")
		}
		w.block("host", "boris", false)
		if !w.finds(room, "boris") {
			t.Error("whom nobody blocks any more does not find the room")
		}
		w.enter(room, "boris")
	})
}

func TestWhoIsBlockedByAModeratorLeavesTheRoom(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := w.open("host", KindOpen)
		w.enter(room, "anna", "boris", "clara", "vera")
		w.stay(room, "host", "anna", "boris", "clara", "vera")
		w.bringUp(room, "host", "boris", "clara", "vera")
		for _, account := range []besedka.AccountID{"anna", "clara"} {
			if err := w.service.SetRole(ctx, room, actor("host"), account, besedka.RoleModerator); err != nil {
				t.Fatal(err)
			}
		}
		gone := func(account besedka.AccountID) bool {
			_, granted := w.gate.granted(room)[account.Participant()]
			_, _, seated := w.service.SeatOf(account.Participant())
			if granted != seated {
				t.Errorf("%s: granted %v, seated %v", account, granted, seated)
			}
			return !seated
		}
		w.block("vera", "boris", true) // a speaker
		w.block("anna", "clara", true) // a moderator whom she did not make
		w.block("anna", "host", true)
		if gone("boris") || gone("clara") || gone("host") {
			t.Error("somebody was sent out by who may not")
		}
		w.block("anna", "boris", true)
		if !gone("boris") || w.finds(room, "boris") {
			t.Error("the blocked is still there")
		}
		facts, err := w.db.FactsAfter(ctx, besedka.AccountTopic("boris"), 0, 10)
		if err != nil || len(facts) != 1 || facts[0].Kind != "seat_closed" {
			t.Errorf("told %v, error %v", facts, err)
		}
		if slices.Contains(kinds(w.facts(room)), "removed") {
			t.Error("he was removed")
		}
		w.block("host", "clara", true)
		if !gone("clara") || !slices.Contains(w.board.closed, "clara") {
			t.Error("whom the host blocks is still there")
		}
		w.block("host", "clara", false)
		w.block("anna", "clara", false)
		w.enter(room, "clara")
	})
}

func TestASpeakersBlockKeepsNobodyOutAndIsNotSeen(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := w.open("host", KindOpen)
		w.enter(room, "anna", "vera")
		w.stay(room, "host", "anna", "vera")
		w.block("anna", "boris", true) // on stage
		w.block("vera", "boris", true) // in the audience
		w.enter(room, "boris", "clara")
		if got := w.shown(room, "boris"); got != "boris clara host" {
			t.Errorf("boris is shown %s", got)
		}
		v := w.view(room, "boris")
		if v.Counts.All != 3 || v.Counts.OnStage != 1 || v.Counts.Audience != 2 || v.AudienceShown != 2 {
			t.Errorf("boris counts %+v, shown %d", v.Counts, v.AudienceShown)
		}
		for _, other := range []besedka.AccountID{"host", "anna", "vera", "clara"} {
			if got := w.shown(room, other); got != "anna boris clara host vera" {
				t.Errorf("%s is shown %s", other, got)
			}
		}
		page, err := w.service.Find(ctx, room, actor("boris"), "", "")
		if err != nil || len(page.People) != 3 {
			t.Errorf("boris finds %v, error %v", page, err)
		}
		if page, err = w.service.Find(ctx, room, actor("boris"), "anna", ""); err != nil || len(page.People) != 0 {
			t.Errorf("boris finds %v, error %v", page, err)
		}
		faces, err := w.service.Faces(ctx, room, actor("boris"))
		if err != nil || len(faces) != 3 {
			t.Errorf("boris fetches %v, error %v", faces, err)
		}
		cards, err := w.service.Hallway(ctx, "boris")
		if err != nil || len(cards) != 1 || cards[0].Counts != (CardCounts{3, 1}) || len(cards[0].Faces) != 1 || cards[0].BlockedOnStage {
			t.Errorf("boris passes by %+v, error %v", cards, err)
		}
		if ref := w.service.Where(ctx, actor("boris"), "anna"); ref != nil {
			t.Errorf("boris is told where anna is: %v", ref)
		}
		if ref := w.service.Where(ctx, actor("anna"), "boris"); ref == nil || ref.ID != room {
			t.Errorf("anna is told where boris is: %v", ref)
		}
		// A moderator sees everybody whom he has to govern.
		w.block("anna", "host", true)
		if got := w.shown(room, "host"); got != "anna boris clara host vera" {
			t.Errorf("the host is shown %s", got)
		}
	})
}

func TestWhoBlocksIsWarnedWhenTheyComeIn(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := w.open("host", KindOpen)
		w.enter(room, "anna", "vera")
		w.stay(room, "host", "anna", "vera")
		w.block("anna", "boris", true)
		w.block("vera", "boris", true) // in the audience: no alarm
		warnings := func() (list []besedka.Fact) {
			for _, f := range w.facts(room) {
				if f.Kind == "blocked_person_here" {
					list = append(list, f)
				}
			}
			return list
		}
		w.enter(room, "clara", "boris", "boris")
		told := warnings()
		if len(told) != 1 || string(told[0].Data) != `{"account":"boris"}` || len(told[0].To) != 1 || told[0].To[0] != "anna" {
			t.Fatalf("told %v", told)
		}
		again := func() {
			t.Helper()
			if err := w.service.Leave(ctx, room, actor("boris")); err != nil {
				t.Fatal(err)
			}
			w.enter(room, "boris")
		}
		again()
		if n := len(warnings()); n != 1 {
			t.Errorf("warned %d times within ten minutes", n)
		}
		w.clock.Advance(warnEvery)
		again()
		if n := len(warnings()); n != 2 {
			t.Errorf("warned %d times", n)
		}
		// Coming in does not wait for the database.
		w.clock.Advance(warnEvery)
		w.service.rows = &failing{rows: w.service.rows, away: true}
		again()
	})
}

func TestOnlyASureModeratorBringsTheBlockedUp(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := w.open("host", KindOpen)
		w.enter(room, "anna", "boris", "clara")
		w.stay(room, "host", "anna", "boris", "clara")
		w.block("anna", "boris", true)
		s := w.service
		if err := s.RaiseHand(ctx, room, actor("boris"), "", ""); err != nil {
			t.Fatal(err)
		}
		v := w.view(room, "host")
		if len(v.Queue) != 1 || v.Queue[0].BlockedOnStage != 1 {
			t.Errorf("queue %+v", v.Queue)
		}
		for _, p := range v.Participants {
			if want := map[besedka.AccountID]int{"boris": 1}[p.Account]; p.BlockedOnStage != want {
				t.Errorf("%s: %d", p.Account, p.BlockedOnStage)
			}
		}
		if me := w.view(room, "boris"); me.Me.Hand == nil || me.Participants[0].BlockedOnStage != 0 {
			t.Errorf("boris: %+v", me.Me)
		}
		for name, bringUp := range map[string]func(Actor) error{
			"invite":   func(a Actor) error { _, err := s.InviteToStage(ctx, room, a, "boris"); return err },
			"set role": func(a Actor) error { return s.SetRole(ctx, room, a, "boris", besedka.RoleSpeaker) },
			"next":     func(a Actor) error { _, err := s.BringUpNext(ctx, room, a, 2); return err },
		} {
			if err := bringUp(actor("host")); !errors.Is(err, ErrBlockedOnStage) {
				t.Errorf("%s: %v", name, err)
			}
			if err := bringUp(actor("clara")); !errors.Is(err, ErrModeratorsOnly) {
				t.Errorf("%s by a listener: %v", name, err)
			}
		}
		// Others are not held up by it.
		if err := s.RaiseHand(ctx, room, actor("clara"), "", ""); err != nil {
			t.Fatal(err)
		}
		if up, err := s.BringUpNext(ctx, room, actor("host"), 2); err != nil || !slices.Equal(up, []besedka.AccountID{"clara"}) {
			t.Errorf("brought up %v, error %v", up, err)
		}
		if up, err := s.InviteToStage(ctx, room, actor("host").Sure(), "boris"); err != nil || !up {
			t.Errorf("brought up %v, error %v", up, err)
		}
		if err := s.SetRole(ctx, room, actor("boris"), "boris", besedka.RoleListener); err != nil {
			t.Fatal(err)
		}
		// When who blocks has left the stage, and for who blocks himself, there is nothing to ask.
		if err := s.SetRole(ctx, room, actor("anna"), "anna", besedka.RoleListener); err != nil {
			t.Fatal(err)
		}
		w.bringUp(room, "host", "boris")
		w.block("clara", "vera", true)
		w.enter(room, "vera")
		if err := s.SetRole(ctx, room, actor("host"), "clara", besedka.RoleModerator); err != nil {
			t.Fatal(err)
		}
		w.bringUp(room, "clara", "vera")
	})
}

func TestALinkPutsNobodyBesideWhoBlocksThem(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := w.open("host", KindClosed)
		if err := w.service.Pick(ctx, room, actor("host"), "anna"); err != nil {
			t.Fatal(err)
		}
		w.enter(room, "anna")
		w.stay(room, "host", "anna")
		w.block("anna", "boris", true)
		_, code, _, err := w.service.NewSpeakerLink(ctx, room, actor("host"))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.service.EnterBy(ctx, room, actor("boris"), Entry{SpeakerLink: code}); err != nil || w.role(room, "boris") != besedka.RoleListener {
			t.Errorf("boris is %s, error %v", w.role(room, "boris"), err)
		}
		if err := w.service.EnterBy(ctx, room, actor("clara"), Entry{SpeakerLink: code}); err != nil || w.role(room, "clara") != besedka.RoleSpeaker {
			t.Errorf("clara is %s, error %v", w.role(room, "clara"), err)
		}
	})
}

func TestWhomIBlockIsShownAtTheDoor(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := w.open("host", KindOpen)
		w.enter(room, "boris", "vera")
		w.block("anna", "boris", true)
		w.block("anna", "vera", true) // in the audience: no alarm
		door := w.view(room, "anna")
		if door.Me.Seated || len(door.Me.BlockedOnStage) != 1 || door.Me.BlockedOnStage[0] != (Person{ID: "boris", Username: "boris", Name: "BORIS"}) {
			t.Errorf("at the door: %+v", door.Me)
		}
		for account, want := range map[besedka.AccountID]bool{"anna": true, "clara": false} {
			cards, err := w.service.Hallway(ctx, account)
			if err != nil || len(cards) != 1 || cards[0].BlockedOnStage != want {
				t.Errorf("%s passes by %+v, error %v", account, cards, err)
			}
		}
		w.enter(room, "anna")
		if got := w.shown(room, "anna"); got != "anna boris host vera" {
			t.Errorf("anna is shown %s", got)
		}
		if other := w.view(room, "host").Me.BlockedOnStage; other == nil || len(other) != 0 {
			t.Errorf("host: %v", other)
		}
	})
}

func TestWhoBlocksIsNotAskedIntoRooms(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		w.block("anna", "host", true)
		room, err := w.service.Open(ctx, actor("host"), Opening{Title: "Evening", Kind: KindOpen, Invite: []besedka.AccountID{"anna", "boris"}})
		if err != nil {
			t.Fatal(err)
		}
		w.enter(room, "clara")
		w.block("vera", "clara", true)
		for range 2 {
			if err := w.service.Pick(ctx, room, actor("clara"), "vera"); err != nil {
				t.Error(err)
			}
		}
		if v, err := w.service.Invitable(ctx, room, actor("clara"), "", "vera"); err != nil || len(v) != 1 || v[0].Pinged {
			t.Errorf("invitable %v, error %v", v, err) // somebody else may still ask her
		}
		for account, want := range map[besedka.AccountID]int{"anna": 0, "boris": 1, "vera": 0} {
			if facts, err := w.db.FactsAfter(ctx, besedka.AccountTopic(account), 0, 10); err != nil || len(facts) != want {
				t.Errorf("%s is told %v, error %v", account, facts, err)
			}
		}
	})
}

func TestBlocksAreRememberedWhileTheDatabaseIsAway(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := w.open("host", KindOpen)
		w.block("host", "boris", true)
		if w.finds(room, "boris") {
			t.Error("boris finds the room")
		}
		w.graph.mu.Lock()
		w.graph.err = errors.New("away")
		w.graph.mu.Unlock()
		w.clock.Advance(2 * tiesFor)
		if w.finds(room, "boris") {
			t.Error("boris finds the room while the database is away")
		}
		w.enter(room, "anna") // of whom nothing was known
		w.graph.mu.Lock()
		before := w.graph.walled
		w.graph.mu.Unlock()
		for range 10 {
			w.finds(room, "boris")
		}
		if w.graph.walled != before {
			t.Errorf("a database that is away was asked %d times", w.graph.walled-before)
		}
	})
}

func TestBlocksElsewhereCountWithinAMinute(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := w.open("host", KindOpen)
		if !w.finds(room, "boris") {
			t.Error("boris does not find the room")
		}
		w.graph.mu.Lock() // another process tells nobody here
		w.graph.walls = map[[2]besedka.AccountID]bool{{"host", "boris"}: true}
		w.graph.mu.Unlock()
		w.clock.Advance(tiesFor + time.Second)
		if w.finds(room, "boris") {
			t.Error("boris finds the room")
		}
	})
}

func TestWhoIsBlockedElsewhereLeavesTheRoomWithinAMinute(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := w.hosted()
		seated := func() bool {
			_, _, seated := w.service.SeatOf("boris")
			_, granted := w.gate.granted(room)["boris"]
			if seated != granted {
				t.Errorf("boris: seated %v, granted %v", seated, granted)
			}
			return seated
		}
		elsewhere := func(by besedka.AccountID) { // another process tells nobody here
			w.graph.mu.Lock()
			w.graph.walls = map[[2]besedka.AccountID]bool{{by, "boris"}: true}
			w.graph.mu.Unlock()
			w.pass(tiesFor + time.Second)
		}
		w.pass(time.Second)
		if elsewhere("anna"); !seated() {
			t.Error("a speaker sends somebody out")
		}
		if err := w.service.SetRole(ctx, room, actor("host"), "anna", besedka.RoleModerator); err != nil {
			t.Fatal(err)
		}
		if w.pass(2 * tiesFor); !seated() {
			t.Error("who becomes moderator sends out whom they blocked before")
		}
		if elsewhere("host"); seated() {
			t.Error("the blocked is still there")
		}
	})
}
