package room

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"besedka"
)

func TestEverybodyHasTwentyPingsInARoomAndOneForEach(t *testing.T) {
	sc := play(t, KindOpen, "anna", "boris")
	for i := range MaxPings {
		sc.must(sc.Pick(Person{ID: "boris"}, besedka.AccountID(fmt.Sprint("friend", i)), sc.tick()))
	}
	sc.refused(sc.Pick(Person{ID: "boris"}, "one-more", sc.tick()), ErrTooManyPings)
	sc.must(sc.Pick(Person{ID: "boris"}, "friend3", sc.tick())) // was asked already: nothing happens
	sc.must(sc.Pick(Person{ID: "anna"}, "one-more", sc.tick()))
	if told := sc.told("room_invited"); len(told) != MaxPings+1 {
		t.Errorf("%d were told", len(told))
	}
}

func TestPeoplePickedAtTheOpeningAreNoPings(t *testing.T) {
	o := Opening{Kind: KindClosed}
	for i := range 100 {
		o.Invite = append(o.Invite, besedka.AccountID(fmt.Sprint("friend", i)))
	}
	st, err := Open("room", actor("host"), Person{ID: "host"}, o, noon)
	if err != nil {
		t.Fatal(err)
	}
	st.settle()
	if err := st.Pick(Person{ID: "host"}, "another", noon); err != nil {
		t.Error(err)
	}
}

func TestInvitableAreMutualsFirst(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := w.open("host", KindClosed)
		for _, friend := range []besedka.AccountID{"anna", "boris", "vera", "nobody"} {
			w.graph.follow("host", friend)
		}
		w.graph.follow("vera", "host")
		w.service.ForgetFollows("host")
		if err := w.service.Pick(ctx, room, actor("host"), "boris"); err != nil {
			t.Fatal(err)
		}
		w.enter(room, "boris")
		list, err := w.service.Invitable(ctx, room, actor("host"), "")
		if err != nil || len(list) != 3 || list[0].Person.ID != "vera" {
			t.Fatalf("invitable %+v %v", list, err)
		}
		i := slices.IndexFunc(list, func(one Invitable) bool { return one.Person.ID == "boris" })
		if i < 0 || !list[i].InRoom || !list[i].Pinged || list[0].InRoom || list[0].Pinged {
			t.Errorf("invitable %+v", list)
		}
		list, err = w.service.Invitable(ctx, room, actor("host"), "ANN", "gleb")
		if err != nil || len(list) != 2 || list[0].Person.ID != "gleb" || list[1].Person.ID != "anna" {
			t.Errorf("found %+v %v", list, err)
		}
		_, err = w.service.Invitable(ctx, room, actor("boris"), "")
		wantCode(t, "a listener of a closed room", err, ErrModeratorsOnly)
		_, err = w.service.Invitable(ctx, room, actor("anna"), "")
		wantCode(t, "a stranger", err, besedka.ErrNotFound)
	})
}

// tellings are the events of a kind that a board has heard.
func (b *board) tellings(kind string) []telling {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []telling
	for _, one := range b.heard {
		if one.kind == kind {
			list = append(list, one)
		}
	}
	return list
}

func TestReactionsAreFewEachAndGathered(t *testing.T) {
	w := oneWorld(t)
	room := w.open("host", KindOpen)
	w.enter(room, "first", "anna", "boris")
	react := func(who besedka.AccountID, r Reaction) error { return w.service.React(ctx, room, actor(who), r) }
	for range reactionsAtOnce {
		if err := react("anna", "clap"); err != nil {
			t.Fatal(err)
		}
	}
	err := react("anna", "clap")
	wantCode(t, "the sixth within five seconds", err, ErrTooManyReactions)
	if after := besedka.AsError(err).RetryAfter; after <= 0 || after > reactionsFor {
		t.Errorf("again after %v", after)
	}
	if err := react("boris", "heart"); err != nil {
		t.Fatal(err)
	}
	if told := w.board.tellings("reactions"); len(told) != 1 {
		t.Fatalf("told %d times at once", len(told))
	}
	w.clock.Advance(reactionsEvery)
	w.service.tellAllReactions()
	told := w.board.tellings("reactions")
	items, _ := told[len(told)-1].data.(fields)["items"].([]reacted)
	if len(told) != 2 || len(items) != 5 || items[4] != (reacted{"boris", "heart"}) {
		t.Errorf("told %+v", told)
	}
	w.clock.Advance(reactionsFor)
	if err := react("anna", "think"); err != nil {
		t.Errorf("after a while: %v", err)
	}
	w.clock.Advance(2 * reactionsFor)
	w.service.tellAllReactions()
	w.service.tellAllReactions()
	if n := len(w.service.reacting.all()); n != 0 {
		t.Errorf("%d rooms are looked at although nobody reacts", n)
	}
}

func TestStageReactsOnlyIfTheRoomIsSetSo(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := w.open("host", KindOpen)
		w.enter(room, "first", "anna")
		wantCode(t, "from the stage", w.service.React(ctx, room, actor("first"), "clap"), ErrReactionsOff)
		wantCode(t, "a listener sets it", w.service.SetStageReactions(ctx, room, actor("anna"), true), ErrModeratorsOnly)
		if err := w.service.SetStageReactions(ctx, room, actor("host"), true); err != nil {
			t.Fatal(err)
		}
		w.start()
		w.enter(room, "first")
		if !w.view(room, "first").StageReactions {
			t.Error("the setting does not survive")
		}
		if err := w.service.React(ctx, room, actor("first"), "clap"); err != nil {
			t.Error(err)
		}
		wantCode(t, "an unknown one", w.service.React(ctx, room, actor("first"), "tomato"), ErrReactionInvalid)
		wantCode(t, "who is not there", w.service.React(ctx, room, actor("vera"), "clap"), ErrNotInRoom)
	})
}

func TestReactionsOfALargeRoomAreCounted(t *testing.T) {
	w := oneWorld(t)
	room := crowded(t, w, reactionsNamed)
	for i := range 30 {
		if err := w.service.React(ctx, room, actor(besedka.AccountID(fmt.Sprintf("p%04d", i))), "clap"); err != nil {
			t.Fatal(err)
		}
	}
	w.clock.Advance(reactionsEvery)
	w.service.tellAllReactions()
	told := w.board.tellings("reactions")
	last := told[len(told)-1].data.(fields)
	if counts, _ := last["counts"].(map[Reaction]int); counts["clap"] != 29 || last["items"] != nil {
		t.Errorf("told %+v", last)
	}
}

func TestHiddenRoomIsOutOfOnesOwnHallwayUntilItEnds(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := w.open("host", KindOpen)
		cards := func(who besedka.AccountID) int {
			list, err := w.service.Hallway(ctx, who)
			if err != nil {
				t.Fatal(err)
			}
			return len(list)
		}
		hide := func(hide bool) {
			if err := w.service.SetHidden(ctx, room, actor("anna"), hide); err != nil {
				t.Fatal(err)
			}
		}
		hide(true)
		hide(true)
		if cards("anna") != 0 || cards("boris") != 1 {
			t.Errorf("hidden: %d, for others %d", cards("anna"), cards("boris"))
		}
		w.start()
		if cards("anna") != 0 {
			t.Error("shown after a restart")
		}
		hide(false)
		if cards("anna") != 1 {
			t.Error("not shown again")
		}
		hide(true)
		if err := w.service.End(ctx, room, actor("host")); err != nil {
			t.Fatal(err)
		}
		left, err := w.service.rows.hidden(ctx, "anna")
		if err != nil || len(left) != 0 {
			t.Errorf("rows of rooms that have ended: %v %v", left, err)
		}
		wantCode(t, "a room one may not see", w.service.SetHidden(ctx, w.open("gleb", KindClosed), actor("anna"), true), besedka.ErrNotFound)
	})
}

func TestResetTellsNewcomersOnceAMinute(t *testing.T) {
	w := oneWorld(t)
	room := w.open("host", KindOpen)
	w.enter(room, "first", "old")
	w.stay(room, "host", "first", "old")
	w.clock.Advance(newcomeFor)
	w.enter(room, "new")
	wantCode(t, "a listener", w.service.Reset(ctx, room, actor("new")), ErrModeratorsOnly)
	if err := w.service.Reset(ctx, room, actor("host")); err != nil {
		t.Fatal(err)
	}
	told := w.board.tellings("room_reset")
	if len(told) != 1 || !slices.Equal(told[0].to, []besedka.ParticipantID{"new"}) {
		t.Fatalf("told %+v", told)
	}
	data := told[0].data.(fields)
	if data["title"] != "Evening" || data["hosts"].([]Person)[0].Name != "HOST" || data["by"].(Person).ID != "host" {
		t.Errorf("told %+v", data)
	}
	wantCode(t, "again at once", w.service.Reset(ctx, room, actor("host")), ErrResetTooSoon)
	w.clock.Advance(resetEvery)
	if err := w.service.Reset(ctx, room, actor("host")); err != nil {
		t.Error(err)
	}
}

func TestNewFaceIsSeenByWhoPullsAtOnceAndByAllWithinAMinute(t *testing.T) {
	w := oneWorld(t)
	room := w.open("host", KindOpen)
	w.enter(room, "first", "anna")
	w.stay(room, "host", "first", "anna")
	photo := "old"
	w.service.people.find = func(_ context.Context, ids []besedka.AccountID) (map[besedka.AccountID]Person, error) {
		found := map[besedka.AccountID]Person{}
		for _, id := range ids {
			found[id] = Person{ID: id, Username: string(id), Name: string(id), Photo: photo}
		}
		return found, nil
	}
	w.view(room, "anna")
	photo = "new"
	w.clock.Advance(facesFreshFor)
	faces, err := w.service.Faces(ctx, room, actor("anna"))
	if err != nil || len(faces) != 3 || faces[0] != (FreshFace{"host", "new", "host"}) {
		t.Errorf("pulled: %+v %v", faces, err)
	}
	w.service.ForgetPerson("host")
	w.pass(time.Minute - 16*time.Second) // the time to ask again is 15 seconds among 5,000
	if told := w.board.tellings("faces_changed"); len(told) != 1 {
		t.Errorf("told %d times", len(told))
	}
}

func TestPosterShowsTheStageToWhoMaySeeIt(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room, err := w.service.Open(ctx, actor("host"), Opening{Title: "Evening", Kind: KindOpen, GuestsAllowed: true, Language: "ru"})
		if err != nil {
			t.Fatal(err)
		}
		w.enter(room, "first", "anna")
		p, err := w.service.Poster(ctx, room, Actor{})
		if err != nil || p.Title != "Evening" || p.Host.Name != "HOST" || len(p.Stage) != 2 || p.Language != "ru" || p.People != 3 {
			t.Errorf("poster %+v %v", p, err)
		}
		w.block("first", "boris", true)
		p, err = w.service.Poster(ctx, room, actor("boris"))
		if err != nil || len(p.Stage) != 1 {
			t.Errorf("to whom a speaker blocks: %+v %v", p, err)
		}
		list, err := w.service.Invitable(ctx, room, actor("anna"), "first", "first")
		if err != nil || len(list) != 1 || !list[0].InRoom {
			t.Errorf("invitable %+v %v", list, err)
		}
		w.enter(room, "boris")
		list, err = w.service.Invitable(ctx, room, actor("boris"), "first", "first")
		if err != nil || len(list) != 1 || list[0].InRoom {
			t.Errorf("whom a speaker blocks sees %+v %v", list, err)
		}
		_, err = w.service.Poster(ctx, w.open("vera", KindOpen), Actor{})
		wantCode(t, "a room without guests, to a stranger", err, besedka.ErrNotFound)
	})
}
