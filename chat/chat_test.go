package chat

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"besedka"
	"besedka/db"
	"besedka/db/dbtest"
)

func TestMessageIsToldAndKept(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		m := w.post("boris", " hello\r\nthere ")
		if m.Text != "hello\nthere" || m.Author.Name != "BORIS" || m.Seq != w.facts()[0].Seq || m.At.IsZero() {
			t.Errorf("answered %+v", m)
		}
		w.post("anna", "hi")
		dbtest.Want(t, "vera reads", w.texts("vera"), "hi", "hello\nthere")
		dbtest.Want(t, "who looks in reads", w.texts("dina"), "hi", "hello\nthere")
		dbtest.Want(t, "vera is told", w.seen("vera"), "message hello\nthere", "message hi")
		dbtest.Want(t, "a guest is told", w.seen("guest-1"))
		if _, err := w.Messages(ctx, room, "stranger", "", 0); err != besedka.ErrNotFound {
			t.Errorf("a stranger reads: %v", err)
		}
	})
}

func TestMessagesAreReadByPages(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		for i := range 7 {
			w.post("boris", fmt.Sprint(i))
		}
		var all []string
		before := ""
		for range 3 {
			page, err := w.Messages(ctx, room, "vera", before, 3)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, textsOf(page)...)
			if page.Next == nil {
				break
			}
			before = *page.Next
		}
		dbtest.Want(t, "all pages", all, "6", "5", "4", "3", "2", "1", "0")
		_, err := w.Messages(ctx, room, "vera", "x", 3)
		dbtest.WantCode(t, "a page that is not", err, besedka.ErrInvalid)
		page, err := w.Messages(ctx, "r2", "vera", "", 1000)
		if err != nil || len(page.Messages) != 0 || page.Next != nil {
			t.Errorf("another room: %+v %v", page, err)
		}
	})
}

func TestWhoMayNotWrite(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		try := func(account besedka.AccountID) error { _, err := w.Post(ctx, room, account, "x"); return err }
		dbtest.WantCode(t, "from outside", try("dina"), errAbsent)
		dbtest.WantCode(t, "a stranger", try("stranger"), besedka.ErrNotFound)
		for _, text := range []string{"", "  \n ", "bell \a", "\xff", strings.Repeat("я", MaxText+1)} {
			_, err := w.Post(ctx, room, "boris", text)
			dbtest.WantCode(t, fmt.Sprintf("text %.20q", text), err, ErrText)
		}
		w.house.setting.Mode = besedka.ChatOff
		dbtest.WantCode(t, "an empty chat", try("host"), ErrOff)
		w.house.setting.Mode = besedka.ChatFollowers
		w.graph.follows = dbtest.Blocks{{"vera", "mod"}, {"boris", "anna"}}
		dbtest.WantCode(t, "who follows no moderator", try("boris"), ErrFollowers)
		for _, account := range []besedka.AccountID{"vera", "anna", "host"} {
			if err := try(account); err != nil {
				t.Errorf("%s: %v", account, err)
			}
		}
		w.house.removed["vera"] = true
		dbtest.WantCode(t, "who was removed", try("vera"), errRemoved)
		w.house.ended = true
		dbtest.WantCode(t, "after the end", try("boris"), errGone)
		if n := len(w.facts()); n != 3 {
			t.Errorf("%d messages were told", n)
		}
	})
}

func TestSlowModeHoldsForAllButModerators(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		w.post("boris", "one")
		w.clock.Advance(-500 * time.Millisecond)
		_, err := w.Post(ctx, room, "boris", "at once")
		dbtest.WantCode(t, "within a second", err, ErrSlow)
		if after := besedka.AsError(err).RetryAfter; after != 500*time.Millisecond {
			t.Errorf("told to wait %s", after)
		}
		w.clock.Advance(500 * time.Millisecond)
		w.house.setting.SlowSeconds = 30
		_, err = w.Post(ctx, room, "boris", "too soon")
		dbtest.WantCode(t, "within slow mode", err, ErrSlow)
		w.post("mod", "a moderator")
		w.post("mod", "again")
		w.clock.Advance(30 * time.Second)
		w.post("boris", "two")
		dbtest.Want(t, "vera reads", w.texts("vera"), "two", "again", "a moderator", "one")
	})
}

func TestOnePersonWritesOnceASecondFromAllProcesses(t *testing.T) {
	dbtest.EachStore(t, func(t *testing.T, s dbtest.Store) {
		clock := dbtest.NewClock()
		one, two := s.Open(t, clock.Now), s.Open(t, clock.Now)
		h := &house{people: 2, setting: besedka.ChatSetting{Mode: besedka.ChatEveryone}, roles: map[besedka.AccountID]besedka.Role{"boris": besedka.RoleListener}}
		err := one.Write(ctx, func(tx *db.Tx) error {
			_, err := tx.Exec(`INSERT INTO rooms (id, title, kind, host, hands, guests_allowed, second_came, last_csrc, last_hand, started_at,
				ended_at, version) VALUES ($1, '', 'open', 'host', 'everyone', 0, 0, 0, 0, 0, 0, 1)`, room)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		first := New(Deps{DB: one, Rooms: h, Graph: &graph{}, People: everybody, Now: clock.Now, Random: rand.Reader, Log: dbtest.Log(t)})
		if _, err := first.Post(ctx, room, "boris", "first"); err != nil {
			t.Fatal(err)
		}
		clock.Advance(time.Second)
		second := New(Deps{DB: two, Rooms: h, Graph: &graph{}, People: everybody, Now: clock.Now, Random: rand.Reader, Log: dbtest.Log(t)})
		for round := range 15 {
			var written atomic.Int64
			var all sync.WaitGroup
			for i := range 8 {
				all.Go(func() {
					c := []*Service{first, second}[i%2]
					if _, err := c.Post(ctx, room, "boris", "x"); err == nil {
						written.Add(1)
					} else if besedka.AsError(err).Code != ErrSlow.Code {
						t.Error(err)
					}
				})
			}
			all.Wait()
			if written.Load() != 1 {
				t.Errorf("round %d: %d messages in a second", round, written.Load())
			}
			clock.Advance(time.Second)
		}
	})
}

func TestRoomAsAWholeIsBounded(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		w.house.people = 5000
		for i := range int(roomMost) {
			if err := w.spend(room, 5000); err != nil {
				t.Fatalf("message %d: %v", i, err)
			}
		}
		_, err := w.Post(ctx, room, "boris", "one more")
		dbtest.WantCode(t, "a flood", err, ErrBusy)
		if after := besedka.AsError(err).RetryAfter; after <= 0 || after > time.Second {
			t.Errorf("told to wait %s", after)
		}
		w.clock.Advance(time.Second)
		for i := range int(roomLeast) {
			if err := w.spend(room, 5000); err != nil {
				t.Fatalf("a second later, message %d: %v", i, err)
			}
		}
		if err := w.spend(room, 5000); err == nil {
			t.Error("more than a large room can bear")
		}
		if _, err := w.Post(ctx, "r2", "boris", "another room"); err != nil {
			t.Errorf("another room: %v", err)
		}
		w.clock.Advance(2 * time.Minute)
		w.forget()
		if len(w.rooms) != 0 {
			t.Errorf("%d budgets are kept", len(w.rooms))
		}
	})
}

// Somebody who may not write must not use up what the others may.
func TestWhoIsSlowedDownCostsTheRoomNothing(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		w.house.setting.SlowSeconds = 60
		w.post("boris", "one")
		if err := w.Mute(ctx, room, "host", "vera"); err != nil {
			t.Fatal(err)
		}
		for range 3 * int(roomMost) {
			_, err := w.Post(ctx, room, "boris", "flood")
			dbtest.WantCode(t, "boris", err, ErrSlow)
			_, err = w.Post(ctx, room, "vera", "flood")
			dbtest.WantCode(t, "vera", err, ErrMuted)
		}
		w.post("anna", "I may")
	})
}

func TestDeletedMessageIsGoneEverywhere(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		mine, theirs := w.post("boris", "a secret"), w.post("vera", "an insult")
		dbtest.WantCode(t, "somebody else's", w.Delete(ctx, room, "boris", theirs.ID), besedka.ErrModeratorsOnly)
		dbtest.WantCode(t, "a speaker's try", w.Delete(ctx, room, "anna", theirs.ID), besedka.ErrModeratorsOnly)
		dbtest.WantCode(t, "a stranger's try", w.Delete(ctx, room, "stranger", theirs.ID), besedka.ErrNotFound)
		dbtest.WantCode(t, "a message of another room", w.Delete(ctx, "r2", "host", theirs.ID), besedka.ErrNotFound)
		dbtest.WantCode(t, "a message that is not", w.Delete(ctx, room, "host", "nothing"), besedka.ErrNotFound)
		if err := w.Delete(ctx, room, "boris", mine.ID); err != nil {
			t.Fatal(err)
		}
		if err := w.Delete(ctx, room, "mod", theirs.ID); err != nil {
			t.Fatal(err)
		}
		dbtest.WantCode(t, "once more", w.Delete(ctx, room, "boris", mine.ID), besedka.ErrNotFound)
		dbtest.Want(t, "vera reads", w.texts("vera"))
		dbtest.Want(t, "vera is told", w.seen("vera"), "message", "message", "message_deleted", "message_deleted")
		dbtest.Want(t, "a guest is told", w.seen("guest-1"))
		dbtest.Want(t, "the log", w.log, "mod message_deleted vera")
		dump := dbtest.Dump(t, w.db)
		if strings.Contains(dump, "a secret") || strings.Contains(dump, "an insult") {
			t.Error("the database still has the text")
		}
	})
}

func TestAuthorsDeleteTheirOwnAlsoAfterTheEnd(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		mine, other := w.post("boris", "mine"), w.post("vera", "other")
		w.house.change(func() { w.house.ended = true; w.house.removed["vera"] = true })
		dbtest.Want(t, "boris reads", w.texts("boris"), "mine")
		dbtest.Want(t, "who was removed reads", w.texts("vera"), "other")
		dbtest.Want(t, "anna reads", w.texts("anna"))
		_, err := w.Messages(ctx, room, "stranger", "", 0)
		dbtest.WantCode(t, "a stranger", err, besedka.ErrNotFound)
		dbtest.WantCode(t, "a moderator after the end", w.Delete(ctx, room, "host", other.ID), besedka.ErrNotFound)
		facts := len(w.facts())
		if err := w.Delete(ctx, room, "boris", mine.ID); err != nil {
			t.Fatal(err)
		}
		if err := w.Delete(ctx, room, "vera", other.ID); err != nil {
			t.Fatal(err)
		}
		if len(w.facts()) != facts {
			t.Error("something is told after the end")
		}
		if strings.Contains(dbtest.Dump(t, w.db), "mine") {
			t.Error("the database still has the text")
		}
	})
}

func TestWhoWasRemovedReadsNothingOfOthers(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		w.post("anna", "for those inside")
		w.house.change(func() { w.house.removed["boris"] = true })
		_, err := w.Messages(ctx, room, "boris", "", 0)
		dbtest.WantCode(t, "who was removed", err, besedka.ErrNotFound)
	})
}

func TestMutedPersonDoesNotWriteForTenMinutes(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		dbtest.WantCode(t, "by a speaker", w.Mute(ctx, room, "anna", "boris"), besedka.ErrModeratorsOnly)
		dbtest.WantCode(t, "of the host", w.Mute(ctx, room, "mod", "host"), besedka.ErrModeratorsOnly)
		dbtest.WantCode(t, "of nobody", w.Mute(ctx, room, "mod", "nobody"), besedka.ErrNotFound)
		if err := w.Unmute(ctx, room, "mod", "boris"); err != nil || len(w.facts()) != 0 {
			t.Errorf("an unmute of who is not muted: %v", err)
		}
		if err := w.Mute(ctx, room, "mod", "boris"); err != nil {
			t.Fatal(err)
		}
		_, err := w.Post(ctx, room, "boris", "x")
		dbtest.WantCode(t, "who is muted", err, ErrMuted)
		if after := besedka.AsError(err).RetryAfter; after != MutedFor {
			t.Errorf("told to wait %s", after)
		}
		dbtest.WantCode(t, "asked", w.Muted(ctx, room, "boris"), ErrMuted)
		if err := w.Muted(ctx, "r2", "boris"); err != nil {
			t.Errorf("in another room: %v", err)
		}
		page, err := w.Messages(ctx, room, "boris", "", 0)
		if err != nil || page.MutedUntil == nil || !page.MutedUntil.Equal(w.clock.Now().Add(MutedFor)) {
			t.Errorf("page %+v %v", page, err)
		}
		for who, wanted := range map[besedka.ParticipantID]int{"mod": 1, "host": 1, "boris": 1, "anna": 0, "vera": 0, "guest-1": 0} {
			if got := len(w.seen(who)); got != wanted {
				t.Errorf("%s is told %d facts", who, got)
			}
		}
		w.clock.Advance(MutedFor)
		w.post("boris", "I am back")
		if err := w.Mute(ctx, room, "host", "boris"); err != nil {
			t.Fatal(err)
		}
		if err := w.Unmute(ctx, room, "mod", "boris"); err != nil {
			t.Fatal(err)
		}
		w.post("boris", "again")
		dbtest.Want(t, "the log", w.log, "mod chat_muted boris", "host chat_muted boris", "mod chat_unmuted boris")
	})
}

func TestBlockerDoesNotReadWhomTheyBlocked(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		w.graph.blocks = dbtest.Blocks{{"vera", "boris"}}
		w.post("boris", "from boris")
		w.post("vera", "from vera")
		dbtest.Want(t, "vera reads", w.texts("vera"), "from vera")
		dbtest.Want(t, "vera is told", w.seen("vera"), "message from vera")
		dbtest.Want(t, "boris reads", w.texts("boris"), "from vera", "from boris")
		dbtest.Want(t, "boris is told", w.seen("boris"), "message from boris", "message from vera")
		dbtest.Want(t, "anna is told", w.seen("anna"), "message from boris", "message from vera")
	})
}

func TestBackchannelIsForTheStage(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		w.whisper("host", "who is next?")
		w.clock.Advance(time.Minute)
		w.house.change(func() { w.house.since["anna"] = w.clock.Now() })
		w.whisper("mod", "anna is here")
		w.whisper("anna", "so I am")
		for _, account := range []besedka.AccountID{"boris", "dina"} {
			_, err := w.PostBackchannel(ctx, room, account, "me too")
			if code := besedka.AsError(err).Code; code != "stage_only" && code != "not_in_room" {
				t.Errorf("%s writes: %v", account, err)
			}
			if _, err := w.Backchannel(ctx, room, account, "", 0); err == nil {
				t.Errorf("%s reads", account)
			}
		}
		all, err := w.Backchannel(ctx, room, "mod", "", 0)
		if err != nil {
			t.Fatal(err)
		}
		dbtest.Want(t, "a moderator reads", textsOf(all), "so I am", "anna is here", "who is next?")
		since, err := w.Backchannel(ctx, room, "anna", "", 0)
		if err != nil {
			t.Fatal(err)
		}
		dbtest.Want(t, "a speaker reads what came since", textsOf(since), "so I am", "anna is here")
		dbtest.Want(t, "the audience is told", w.seen("boris"))
		dbtest.Want(t, "the chat", w.texts("host"))
		own := all.Messages[0]
		dbtest.WantCode(t, "deleting from the audience", w.Delete(ctx, room, "boris", own.ID), besedka.ErrNotFound)
		w.house.change(func() { w.house.roles["anna"] = besedka.RoleListener })
		if err := w.Delete(ctx, room, "anna", own.ID); err != nil {
			t.Fatal(err)
		}
		dbtest.Want(t, "the host is told", w.seen("host"), "backchannel_message who is next?", "backchannel_message anna is here",
			"backchannel_message", "message_deleted")
		dbtest.Want(t, "the author, who is in the audience now", w.seen("anna"), "backchannel_message who is next?", "backchannel_message anna is here",
			"backchannel_message", "message_deleted")
	})
}

func TestBackchannelIsGoneAfterTheEnd(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		w.whisper("host", "between us")
		w.post("host", "to all")
		if err := w.Sweep(ctx); err != nil || !strings.Contains(dbtest.Dump(t, w.db), "between us") {
			t.Fatalf("gone before the end: %v", err)
		}
		w.house.change(func() { w.house.ended = true })
		if err := w.Sweep(ctx); err != nil {
			t.Fatal(err)
		}
		dump := dbtest.Dump(t, w.db)
		if strings.Contains(dump, "between us") {
			t.Error("the database still has it")
		}
		if !strings.Contains(dump, "to all") {
			t.Error("the chat is gone too")
		}
		_, err := w.Backchannel(ctx, room, "host", "", 0)
		dbtest.WantCode(t, "reading it", err, errGone)
		if len(w.facts()) != 2 {
			t.Error("the facts have lost a number")
		}
	})
}

func TestSweepEndsWhenTheServerDoes(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		running, stop := context.WithCancel(ctx)
		stop()
		if err := w.Run(running); err != nil {
			t.Error(err)
		}
	})
}

func TestOldMessagesGoWhenThereAreTooMany(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		for i := range 5 {
			w.post("boris", fmt.Sprint(i))
		}
		if err := w.db.Write(ctx, func(tx *db.Tx) error { return trim(tx, room, 10) }); err != nil {
			t.Fatal(err)
		}
		if err := w.db.Write(ctx, func(tx *db.Tx) error { return trim(tx, room, 2) }); err != nil {
			t.Fatal(err)
		}
		dbtest.Want(t, "what is left", w.texts("vera"), "4", "3")
	})
}

func TestMessagesGoWithTheirRoom(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		w.post("boris", "words of a room")
		err := w.db.Write(ctx, func(tx *db.Tx) error {
			_, err := tx.Exec(`DELETE FROM rooms WHERE id = $1`, room)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if dump := dbtest.Dump(t, w.db); strings.Contains(dump, "messages.text") || strings.Contains(dump, "message_authors.") {
			t.Error("rows are left")
		}
	})
}

// Writing, muting, deleting and governing at once lock in one order.
func TestManyWritersDoNotLockOneAnotherOut(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		w.Entry = func(tx *db.Tx, r besedka.RoomID, _ besedka.AccountID, _ string, _ besedka.AccountID, _ string) error {
			var version int64
			return tx.QueryRow(`SELECT version FROM rooms WHERE id = $1`+tx.ForUpdate(), r).Scan(&version)
		}
		w.house.change(func() {
			for i := range 8 {
				w.house.roles[besedka.AccountID(fmt.Sprint("p", i))] = besedka.RoleModerator
			}
		})
		var all sync.WaitGroup
		for i := range 8 {
			account := besedka.AccountID(fmt.Sprint("p", i))
			all.Go(func() {
				for range 5 {
					m, err := w.Post(ctx, room, account, "x")
					if err == nil && i%2 == 0 {
						err = w.Delete(ctx, room, "host", m.ID)
					}
					if code := besedka.AsError(err); code != nil && code.Code != "slow_mode" && code.Code != "chat_busy" && code.Code != "chat_muted" {
						t.Error(err)
					}
					if err := w.Mute(ctx, room, "host", account); err != nil {
						t.Error(err)
					}
					if err := w.Unmute(ctx, room, "host", account); err != nil {
						t.Error(err)
					}
				}
			})
			all.Go(func() {
				for range 5 {
					err := w.db.Write(ctx, func(tx *db.Tx) error { // as a command of the room does
						if err := w.Entry(tx, room, "", "", "", ""); err != nil {
							return err
						}
						_, err := tx.Publish(besedka.RoomTopic(room), "room_titled", nil, nil)
						return err
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
	})
}

func TestAuthorsAreThoseWhoWroteLatelyAndWhoseMessagesAreThere(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		w.post("vera", "early")
		w.clock.Advance(time.Minute)
		since := w.clock.Now()
		w.post("boris", "one")
		w.post("boris", "two")
		w.whisper("anna", "to the stage")
		taken := w.post("mod", "never mind")
		if err := w.Delete(ctx, room, "mod", taken.ID); err != nil {
			t.Fatal(err)
		}
		for r, want := range map[besedka.RoomID]string{room: "[boris]", "r2": "[]"} {
			if authors, err := w.Authors(ctx, r, since); err != nil || fmt.Sprint(authors) != want {
				t.Errorf("authors in %s: %v, error %v", r, authors, err)
			}
		}
		if authors, err := w.Authors(ctx, room, time.Time{}); err != nil || len(authors) != 2 {
			t.Errorf("authors ever: %v, error %v", authors, err)
		}
	})
}
