package ask

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"besedka"
	"besedka/db"
	"besedka/db/dbtest"
)

func (w *world) poll(question string, options ...string) Poll {
	w.t.Helper()
	p, err := w.OpenPoll(ctx, room, "host", question, options)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

func TestPollIsCountedAndClosed(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		p := w.poll(" Tea or coffee? ", "tea", "coffee", "neither")
		if p.Question != "Tea or coffee?" || p.OpenedBy.Name != "HOST" || len(p.Options) != 3 {
			t.Errorf("opened %+v", p)
		}
		vote := func(account besedka.AccountID, option int) error { return w.VotePoll(ctx, room, account, p.ID, option) }
		w.must(vote("boris", 0), vote("vera", 1), vote("gleb", 1), vote("gleb", 1), vote("boris", 2))
		list, err := w.Polls(ctx, room, "boris")
		w.must(err)
		got := list[0]
		if got.Options[0].Votes != 0 || got.Options[1].Votes != 2 || got.Options[2].Votes != 1 || got.Voters != 3 || *got.Choice != 2 ||
			got.ClosedAt != nil || got.OpenedBy.Name != "HOST" {
			t.Errorf("boris sees %+v", got)
		}
		if list, _ := w.Polls(ctx, room, "dina"); list[0].Choice != nil {
			t.Error("who has not voted has chosen")
		}
		w.tick()
		if len(w.announced) != 1 || w.announced[0].kind != "poll_result" || !strings.Contains(w.announced[0].data, `"voters":3`) {
			t.Errorf("told %v", w.announced)
		}
		w.must(vote("anna", 0))
		closed, err := w.ClosePoll(ctx, room, "mod", p.ID)
		if err != nil || closed.ClosedAt == nil || closed.Voters != 4 {
			t.Fatalf("closed %+v %v", closed, err)
		}
		again, err := w.ClosePoll(ctx, room, "mod", p.ID)
		if err != nil || again.Voters != 4 || !again.ClosedAt.Equal(*closed.ClosedAt) {
			t.Errorf("closed again %+v %v", again, err)
		}
		dbtest.WantCode(t, "a vote too late", vote("vera", 0), ErrPollClosed)
		w.tick()
		if len(w.announced) != 1 {
			t.Errorf("told after the end: %v", w.announced)
		}
		dbtest.Want(t, "the facts", kinds(w.facts(besedka.RoomTopic(room), "anna")), "poll_opened", "poll_closed")
		dbtest.Want(t, "a guest's facts", kinds(w.facts(besedka.RoomTopic(room), "guest-1")))
		dbtest.Want(t, "the log", w.log, "host poll_opened  Tea or coffee?", "mod poll_closed  Tea or coffee?")
	})
}

func TestOnePollAtATime(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		var all sync.WaitGroup
		var mu sync.Mutex
		opened := 0
		for range 6 {
			all.Go(func() {
				_, err := w.OpenPoll(ctx, room, "host", "Which?", []string{"a", "b"})
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					opened++
				} else if besedka.AsError(err).Code != ErrPollOpen.Code {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if opened != 1 {
			t.Fatalf("%d polls are open", opened)
		}
		list, _ := w.Polls(ctx, room, "host")
		if _, err := w.ClosePoll(ctx, room, "host", list[0].ID); err != nil {
			t.Fatal(err)
		}
		w.poll("And now?", "a", "b")
		if list, _ := w.Polls(ctx, room, "host"); len(list) != 2 || list[0].Question != "And now?" {
			t.Errorf("listed %+v", list)
		}
	})
}

func TestPollsOfTheWrongKindAreRefused(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		for name, c := range map[string]struct {
			question string
			options  []string
		}{
			"no question":    {" ", []string{"a", "b"}},
			"a long one":     {strings.Repeat("я", MaxPollQuestion+1), []string{"a", "b"}},
			"two lines":      {"a\nb", []string{"a", "b"}},
			"one option":     {"Which?", []string{"a"}},
			"no options":     {"Which?", nil},
			"seven options":  {"Which?", []string{"a", "b", "c", "d", "e", "f", "g"}},
			"an empty one":   {"Which?", []string{"a", " "}},
			"the same twice": {"Which?", []string{"a", " a"}},
			"a long option":  {"Which?", []string{"a", strings.Repeat("я", MaxOption+1)}},
		} {
			_, err := w.OpenPoll(ctx, room, "host", c.question, c.options)
			dbtest.WantCode(t, name, err, ErrPoll)
		}
		for _, account := range []besedka.AccountID{"anna", "boris", "dina"} {
			_, err := w.OpenPoll(ctx, room, account, "Which?", []string{"a", "b"})
			dbtest.WantCode(t, string(account), err, besedka.ErrModeratorsOnly)
		}
		p := w.poll("Which?", "a", "b")
		for _, option := range []int{-1, 2, 1 << 40} {
			dbtest.WantCode(t, fmt.Sprint("option ", option), w.VotePoll(ctx, room, "boris", p.ID, option), ErrPoll)
		}
		dbtest.WantCode(t, "a vote from outside", w.VotePoll(ctx, room, "dina", p.ID, 0), errAbsent)
		dbtest.WantCode(t, "a vote in another room", w.VotePoll(ctx, "r2", "boris", p.ID, 0), besedka.ErrNotFound)
		_, err := w.ClosePoll(ctx, room, "anna", p.ID)
		dbtest.WantCode(t, "closed by a speaker", err, besedka.ErrModeratorsOnly)
		_, err = w.ClosePoll(ctx, room, "host", "nothing")
		dbtest.WantCode(t, "closing nothing", err, besedka.ErrNotFound)
		w.house.ended = true
		dbtest.WantCode(t, "a vote after the end", w.VotePoll(ctx, room, "boris", p.ID, 0), errGone)
		_, err = w.Polls(ctx, room, "boris")
		dbtest.WantCode(t, "reading after the end", err, errGone)
	})
}

func TestPollsAreBounded(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		err := w.db.Write(ctx, func(tx *db.Tx) error {
			for i := range MaxPolls {
				_, err := tx.Exec(`INSERT INTO polls (id, room_id, seq, question, options, opened_by, opened_at, closed_at)
					VALUES ($1, $2, 0, 'x', '["a","b"]', 'host', 1, 2)`, fmt.Sprint("p", i), room)
				if err != nil {
					return err
				}
			}
			return nil
		})
		w.must(err)
		_, err = w.OpenPoll(ctx, room, "host", "One more?", []string{"a", "b"})
		dbtest.WantCode(t, "one more", err, ErrTooManyPolls)
		if list, err := w.Polls(ctx, room, "boris"); err != nil || len(list) != MaxPolls {
			t.Errorf("%d are listed: %v", len(list), err)
		}
	})
}

func TestQuestionsAndPollsGoWithTheirRoom(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		q, p := w.ask("boris", "tea?", false), w.poll("Which?", "a", "b")
		w.must(w.Vote(ctx, room, "vera", q.ID, true), w.VotePoll(ctx, room, "vera", p.ID, 1))
		w.must(w.db.Write(ctx, func(tx *db.Tx) error {
			_, err := tx.Exec(`DELETE FROM rooms WHERE id = $1`, room)
			return err
		}))
		dump := dbtest.Dump(t, w.db)
		for _, table := range []string{"questions.", "question_votes.", "polls.", "poll_votes."} {
			if strings.Contains(dump, "\n"+table) || strings.HasPrefix(dump, table) {
				t.Errorf("rows are left in %s", table)
			}
		}
		running, stop := context.WithCancel(ctx)
		stop()
		w.must(w.Run(running))
	})
}
