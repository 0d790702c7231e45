package ask

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"besedka"
	"besedka/db"
	"besedka/db/dbtest"
)

func TestQuestionsStandInTheOrderOfTheirVotes(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		tea, sugar, milk := w.ask("boris", "tea?", false), w.ask("vera", "sugar?", false), w.ask("gleb", "milk?", false)
		w.must(w.Vote(ctx, room, "boris", milk.ID, true), w.Vote(ctx, room, "vera", milk.ID, true), w.Vote(ctx, room, "vera", milk.ID, true),
			w.Vote(ctx, room, "boris", sugar.ID, true), w.Vote(ctx, room, "anna", sugar.ID, true), w.Vote(ctx, room, "anna", sugar.ID, false),
			w.Vote(ctx, room, "anna", sugar.ID, false))
		dbtest.Want(t, "the order", w.texts("dina"), "milk?", "sugar?", "tea?")
		first := w.list("boris")[0]
		if first.Votes != 2 || !first.Voted || first.Mine || first.Author.Name != "GLEB" {
			t.Errorf("boris sees %+v", first)
		}
		if last := w.list("boris")[2]; !last.Mine || last.Votes != 0 || last.ID != tea.ID {
			t.Errorf("boris sees %+v", last)
		}
		dbtest.WantCode(t, "a vote for one's own", w.Vote(ctx, room, "boris", tea.ID, true), ErrOwn)
		dbtest.WantCode(t, "a vote from outside", w.Vote(ctx, room, "dina", tea.ID, true), errAbsent)
		dbtest.WantCode(t, "a vote for nothing", w.Vote(ctx, room, "anna", "nothing", true), besedka.ErrNotFound)
		dbtest.WantCode(t, "a vote in another room", w.Vote(ctx, "r2", "anna", tea.ID, true), besedka.ErrNotFound)
	})
}

func TestVotesAtOnceAreAllCounted(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		q := w.ask("boris", "tea?", false)
		for i := range 20 {
			w.house.roles[besedka.AccountID(fmt.Sprint("p", i))] = besedka.RoleListener
		}
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				for _, yes := range []bool{true, false, true, true} {
					if err := w.Vote(ctx, room, besedka.AccountID(fmt.Sprint("p", i)), q.ID, yes); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		if n := w.list("anna")[0].Votes; n != 20 {
			t.Errorf("%d votes", n)
		}
	})
}

func TestVotesAreToldAtMostOnceASecond(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		one, two := w.ask("boris", "tea?", false), w.ask("vera", "sugar?", false)
		w.Tell(ctx)
		if len(w.announced) != 0 {
			t.Errorf("told without votes: %v", w.announced)
		}
		w.must(w.Vote(ctx, room, "anna", one.ID, true), w.Vote(ctx, room, "anna", two.ID, true), w.Vote(ctx, room, "gleb", two.ID, true))
		w.Tell(ctx)
		w.must(w.Vote(ctx, room, "gleb", one.ID, true))
		w.Tell(ctx)
		w.clock.Advance(999 * time.Millisecond)
		w.Tell(ctx)
		if len(w.announced) != 1 || w.announced[0].kind != "question_voted" || !strings.Contains(w.announced[0].data, fmt.Sprintf("%q:2", two.ID)) {
			t.Fatalf("told %v", w.announced)
		}
		w.clock.Advance(time.Millisecond)
		w.Tell(ctx)
		if len(w.announced) != 2 || w.announced[1].data != fmt.Sprintf(`{"votes":{%q:2}}`, one.ID) {
			t.Fatalf("told %v", w.announced)
		}
		w.house.people = 5000
		w.must(w.Vote(ctx, room, "gleb", one.ID, false))
		w.tick()
		w.must(w.Vote(ctx, room, "gleb", one.ID, true))
		w.tick()
		if len(w.announced) != 3 {
			t.Errorf("a large room is told as often: %v", w.announced)
		}
		w.clock.Advance(newsMost)
		w.Tell(ctx)
		w.clock.Advance(newsMost)
		w.Tell(ctx)
		if len(w.announced) != 4 || len(w.rooms) != 0 {
			t.Errorf("told %d times, %d rooms remembered", len(w.announced), len(w.rooms))
		}
	})
}

func TestWhoMayNotAsk(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		try := func(account besedka.AccountID, text string, anonymous bool) error {
			_, err := w.Ask(ctx, room, account, text, anonymous)
			return err
		}
		for _, text := range []string{"", " \n", "bell \a", "\xff", strings.Repeat("я", MaxQuestion+1)} {
			dbtest.WantCode(t, fmt.Sprintf("text %.10q", text), try("boris", text, false), ErrQuestion)
		}
		dbtest.WantCode(t, "from outside", try("dina", "tea?", false), errAbsent)
		dbtest.WantCode(t, "a stranger", try("stranger", "tea?", false), besedka.ErrNotFound)
		w.muted["vera"] = true
		dbtest.WantCode(t, "who is muted in chat", try("vera", "tea?", true), errMuted)
		w.house.setting.Anonymous = false
		dbtest.WantCode(t, "without a name", try("boris", "tea?", true), ErrAnonymousOff)
		w.house.setting.On = false
		dbtest.WantCode(t, "when nobody may", try("boris", "tea?", false), ErrQuestionsOff)
		w.house.setting.On = true
		w.house.ended = true
		dbtest.WantCode(t, "after the end", try("boris", "tea?", false), errGone)
		if n := len(w.facts(besedka.RoomTopic(room), "host")); n != 0 {
			t.Errorf("%d facts", n)
		}
	})
}

func TestQuestionsAreBounded(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		first := w.ask("boris", "1?", false)
		w.clock.Advance(-askEvery / 2)
		_, err := w.Ask(ctx, room, "boris", "at once?", false)
		dbtest.WantCode(t, "another at once", err, besedka.ErrTooMany)
		w.clock.Advance(askEvery)
		w.ask("boris", "2?", false)
		w.ask("boris", "3?", true)
		_, err = w.Ask(ctx, room, "boris", "4?", false)
		dbtest.WantCode(t, "a fourth", err, ErrTooMany)
		w.must(w.Delete(ctx, room, "boris", first.ID))
		for i := 4; i <= MaxOfOne; i++ {
			q := w.ask("boris", fmt.Sprint(i, "?"), false)
			w.must(w.Delete(ctx, room, "boris", q.ID))
		}
		_, err = w.Ask(ctx, room, "boris", "one more?", false)
		dbtest.WantCode(t, "who asks and deletes for ever", err, ErrTooMany)
		err = w.db.Write(ctx, func(tx *db.Tx) error {
			for i := range MaxOpen - 2 {
				_, err := tx.Exec(`INSERT INTO questions (id, room_id, seq, author, anonymous, text, state, votes, asked_at, state_at, offered_by)
					VALUES ($1, $2, 0, $1, 0, 'x', 'open', 0, 1, 1, '')`, fmt.Sprint("q", i), room)
				if err != nil {
					return err
				}
			}
			return nil
		})
		w.must(err)
		_, err = w.Ask(ctx, room, "vera", "no place?", false)
		dbtest.WantCode(t, "a full room", err, ErrFull)
		if n := len(w.list("anna")); n != MaxOpen {
			t.Errorf("%d are listed", n)
		}
	})
}

func TestNobodyLearnsWhoAskedWithoutAName(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		q := w.ask("boris", "a delicate one?", true)
		w.must(w.Vote(ctx, room, "vera", q.ID, true))
		for _, reader := range []besedka.AccountID{"host", "mod", "vera"} {
			if shown := w.list(reader)[0]; shown.Author != nil || shown.Mine || !shown.Anonymous {
				t.Errorf("%s sees %+v", reader, shown)
			}
		}
		if !w.list("boris")[0].Mine {
			t.Error("the author does not know it again")
		}
		a, err := w.Answer(ctx, room, "host", q.ID)
		if err != nil || a != (Answering{AskerInvited: true}) {
			t.Errorf("answered %+v %v", a, err)
		}
		if len(w.house.asked) != 0 {
			t.Errorf("the stage was told: %v", w.house.asked)
		}
		for _, f := range w.facts(besedka.RoomTopic(room), "host") {
			if strings.Contains(f.data, "boris") {
				t.Errorf("told %s %s", f.kind, f.data)
			}
		}
		for _, entry := range w.log {
			if strings.Contains(entry, "boris") {
				t.Errorf("logged %s", entry)
			}
		}
		dbtest.Want(t, "the author is told", kinds(w.facts(besedka.AccountTopic("boris"), "boris")), "question_offered")
		if !w.list("boris")[0].Offered || w.list("vera")[0].Offered {
			t.Error("the offer is not the author's")
		}
		dbtest.WantCode(t, "somebody else comes up", w.ComeUp(ctx, room, "vera", q.ID), ErrNotOffered)
		w.must(w.ComeUp(ctx, room, "boris", q.ID))
		dbtest.Want(t, "asked up", w.house.asked, "host boris agreed")
		w.must(w.Answered(ctx, room, "mod", q.ID))
		dbtest.WantCode(t, "too late", w.ComeUp(ctx, room, "boris", q.ID), ErrNotOffered)
	})
}

func TestOfferEndsWithItsModerator(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		q := w.ask("boris", "tea?", true)
		if _, err := w.Answer(ctx, room, "mod", q.ID); err != nil {
			t.Fatal(err)
		}
		w.house.refuse = besedka.NewError(besedka.Conflict, codeBlocked)
		dbtest.WantCode(t, "beside somebody who blocks them", w.ComeUp(ctx, room, "boris", q.ID), ErrNotOffered)
		w.house.refuse, w.house.roles["mod"] = nil, besedka.RoleSpeaker
		dbtest.WantCode(t, "coming up", w.ComeUp(ctx, room, "boris", q.ID), ErrNotOffered)
	})
}

func TestAnsweringAsksTheAuthorUp(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		tea, sugar, own := w.ask("boris", "tea?", false), w.ask("vera", "sugar?", false), w.ask("mod", "mine?", false)
		for _, account := range []besedka.AccountID{"anna", "boris"} {
			_, err := w.Answer(ctx, room, account, tea.ID)
			dbtest.WantCode(t, "answering", err, besedka.ErrModeratorsOnly)
			dbtest.WantCode(t, "answered", w.Answered(ctx, room, account, tea.ID), besedka.ErrModeratorsOnly)
		}
		w.house.hands["vera"] = true
		for _, c := range []struct {
			question Question
			want     Answering
		}{{tea, Answering{AskerInvited: true}}, {sugar, Answering{AskerInvited: true, OnStage: true}}, {own, Answering{OnStage: true}}} {
			a, err := w.Answer(ctx, room, "mod", c.question.ID)
			if err != nil || a != c.want {
				t.Errorf("%s: %+v %v", c.question.Text, a, err)
			}
		}
		states := map[string]State{}
		for _, q := range w.list("dina") {
			states[q.Text] = q.State
		}
		if states["tea?"] != StateAnswered || states["sugar?"] != StateAnswered || states["mine?"] != StateAnswering {
			t.Errorf("states %v", states)
		}
		before := len(w.facts(besedka.RoomTopic(room), "host"))
		if _, err := w.Answer(ctx, room, "host", own.ID); err != nil {
			t.Error(err)
		}
		w.must(w.Answered(ctx, room, "host", own.ID), w.Answered(ctx, room, "host", own.ID))
		if n := len(w.facts(besedka.RoomTopic(room), "host")); n != before+1 {
			t.Errorf("%d facts of doing it twice", n-before)
		}
		dbtest.WantCode(t, "a vote afterwards", w.Vote(ctx, room, "anna", tea.ID, true), ErrAnswered)
		w.house.removed["boris"], w.house.roles["boris"] = true, ""
		if a, err := w.Answer(ctx, room, "host", tea.ID); err != nil || a != (Answering{}) {
			t.Errorf("of somebody who is not here: %+v %v", a, err)
		}
		w.house.refuse = besedka.NewError(besedka.Conflict, codeBlocked)
		if a, err := w.Answer(ctx, room, "host", sugar.ID); err != nil || a != (Answering{Blocked: true}) {
			t.Errorf("of somebody blocked on stage: %+v %v", a, err)
		}
		w.house.refuse = db.ErrUnavailable
		_, err := w.Answer(ctx, room, "host", sugar.ID)
		dbtest.WantCode(t, "with the database away", err, db.ErrUnavailable)
		dbtest.Want(t, "the log", w.log, "mod question_answering boris", "mod question_answering vera", "mod question_answering mod",
			"host question_answering boris", "host question_answering vera")
	})
}

func TestDeletedQuestionSaysNothingAnyMore(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		mine, theirs, hidden := w.ask("boris", "a secret?", false), w.ask("vera", "an insult?", false), w.ask("gleb", "a hidden insult?", true)
		w.must(w.Vote(ctx, room, "anna", theirs.ID, true))
		dbtest.WantCode(t, "somebody else's", w.Delete(ctx, room, "boris", theirs.ID), besedka.ErrModeratorsOnly)
		dbtest.WantCode(t, "a stranger's try", w.Delete(ctx, room, "stranger", theirs.ID), besedka.ErrNotFound)
		dbtest.WantCode(t, "in another room", w.Delete(ctx, "r2", "boris", mine.ID), besedka.ErrNotFound)
		w.must(w.Delete(ctx, room, "boris", mine.ID), w.Delete(ctx, room, "mod", theirs.ID), w.Delete(ctx, room, "mod", hidden.ID))
		dbtest.WantCode(t, "once more", w.Delete(ctx, room, "boris", mine.ID), besedka.ErrNotFound)
		dbtest.Want(t, "what is listed", w.texts("anna"))
		dump := dbtest.Dump(t, w.db)
		for _, text := range []string{"a secret?", "an insult?", "a hidden insult?"} {
			if strings.Contains(dump, text) {
				t.Errorf("the database still has %q", text)
			}
		}
		dbtest.Want(t, "the log", w.log, "mod question_deleted vera", "mod question_deleted")
		dbtest.Want(t, "told", kinds(w.facts(besedka.RoomTopic(room), "anna")), "question_asked", "question_asked", "question_asked",
			"question_state", "question_state", "question_state")
		late := w.ask("anna", "late?", false)
		w.house.ended = true
		dbtest.WantCode(t, "a moderator after the end", w.Delete(ctx, room, "mod", late.ID), besedka.ErrNotFound)
		w.must(w.Delete(ctx, room, "anna", late.ID))
		_, err := w.List(ctx, room, "anna")
		dbtest.WantCode(t, "reading after the end", err, errGone)
	})
}

func TestQuestionsOfWhomOneBlocksAreNotShown(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		w.blocks = dbtest.Blocks{{"vera", "boris"}}
		w.ask("boris", "named?", false)
		w.ask("boris", "unnamed?", true)
		dbtest.Want(t, "vera reads", w.texts("vera"), "unnamed?")
		dbtest.Want(t, "anna reads", w.texts("anna"), "named?", "unnamed?")
		if n := len(w.facts(besedka.RoomTopic(room), "vera")); n != 1 {
			t.Errorf("vera is told of %d", n)
		}
		if n := len(w.facts(besedka.RoomTopic(room), "guest-1")); n != 0 {
			t.Errorf("a guest is told of %d", n)
		}
		w.house.removed["gleb"] = true
		_, err := w.List(ctx, room, "gleb")
		dbtest.WantCode(t, "who was removed", err, besedka.ErrNotFound)
	})
}

func TestAskersAreNamedOnlyIfTheyToldTheirName(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		w.ask("boris", "tea?", false)
		w.ask("boris", "milk?", false)
		w.ask("gleb", "a delicate one?", true)
		answered := w.ask("vera", "sugar?", false)
		w.must(w.Answered(ctx, room, "host", answered.ID))
		if askers, err := w.Askers(ctx, room); err != nil || fmt.Sprint(askers) != "[boris]" {
			t.Errorf("askers %v, error %v", askers, err)
		}
	})
}
