package room

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"besedka"
	"besedka/db"
)

// logged is the room's log as the account reads it, oldest first: "action by→target detail".
func (w *world) logged(room besedka.RoomID, account besedka.AccountID) []string {
	w.t.Helper()
	var list []string
	for after := ""; ; {
		page, err := w.service.Log(ctx, room, actor(account), after)
		if err != nil {
			w.t.Fatalf("%s reads the log: %v", account, err)
		}
		for _, e := range page.Entries {
			by, target := besedka.AccountID(""), besedka.AccountID("")
			if e.By != nil {
				by = e.By.ID
			}
			if e.Target != nil {
				target = e.Target.ID
			}
			list = append(list, strings.TrimSpace(fmt.Sprintf("%s %s→%s %s", e.Action, by, target, e.Detail)))
		}
		if page.Next == nil {
			slices.Reverse(list)
			return list
		}
		after = *page.Next
	}
}

func (w *world) do(what string, err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatalf("%s: %v", what, err)
	}
}

func TestEverybodyInsideReadsWhatModeratorsDidAndOnlyModeratorsToWhom(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := w.open("host", KindOpen)
		w.enter(room, "anna", "boris", "vera")
		s, host := w.service, actor("host")
		w.do("title", s.SetTitle(ctx, room, host, "Morning"))
		w.do("hands", s.SetHands(ctx, room, host, HandsFollowed))
		w.do("mute", s.MuteOther(ctx, room, host, "anna"))
		w.do("mute again", s.MuteOther(ctx, room, host, "anna"))
		w.do("silence", s.Silence(ctx, room, host, "anna"))
		w.do("remove", s.Remove(ctx, room, host, "boris", "noise", "be quiet"))
		w.do("own", s.SetRole(ctx, room, actor("anna"), "anna", besedka.RoleListener))
		want := []string{"title host→ Morning", "hands host→ followed", "muted host→anna", "silenced host→anna", "removed host→boris noise"}
		if got := w.logged(room, "host"); !slices.Equal(got, want) {
			t.Errorf("a moderator reads\n%q, want\n%q", got, want)
		}
		for i := range want {
			want[i] = strings.ReplaceAll(strings.ReplaceAll(want[i], "→anna", "→"), "→boris", "→")
		}
		if got := w.logged(room, "vera"); !slices.Equal(got, want) {
			t.Errorf("a listener reads\n%q, want\n%q", got, want)
		}
		_, err := s.Log(ctx, room, actor("gleb"), "")
		wantCode(t, "somebody outside reads", err, ErrNotInRoom)
		_, err = s.Log(ctx, room, Actor{Who: "guest-1", GuestOf: room}, "")
		wantCode(t, "a guest reads", err, ErrGuestsListen)
		_, err = s.Log(ctx, room, host, "later")
		wantCode(t, "a page that cannot be", err, besedka.ErrInvalid)
	})
}

func TestLogOutlivesARestartAndIsReadInPages(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := w.open("host", KindOpen)
		const n = 2*logPage + 7
		for i := range n {
			w.do("title", w.service.SetTitle(ctx, room, actor("host"), fmt.Sprint("Title ", i)))
		}
		w.start()
		w.enter(room, "host")
		got := w.logged(room, "host")
		if len(got) != n || got[0] != "title host→ Title 0" || got[n-1] != fmt.Sprint("title host→ Title ", n-1) {
			t.Errorf("%d entries, the first %q, the last %q", len(got), got[0], got[len(got)-1])
		}
	})
}

// What others append stands in their transaction: it is there when that is
// committed, and only then.
func TestAppendedToTheLogWithTheWritersTransaction(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := w.open("host", KindOpen)
		failed := fmt.Errorf("not this time")
		for _, outcome := range []error{nil, failed} {
			err := w.db.Write(ctx, func(tx *db.Tx) error {
				if err := AppendLog(tx, room, "host", "pinned", "", strings.Repeat("ж", 400)); err != nil {
					return err
				}
				return outcome
			})
			if err != outcome {
				t.Fatal(err)
			}
		}
		want := []string{"pinned host→ " + strings.Repeat("ж", maxLogDetail)}
		if got := w.logged(room, "host"); !slices.Equal(got, want) {
			t.Errorf("logged %q, want %q", got, want)
		}
		w.do("the room goes on", w.service.SetTitle(ctx, room, actor("host"), "Morning"))
		err := w.db.Write(ctx, func(tx *db.Tx) error { return AppendLog(tx, "nowhere", "host", "pinned", "", "") })
		wantCode(t, "no such room", err, besedka.ErrNotFound)
	})
}

// A moderator's mute works while the database is away, and is logged when it is back.
func TestMuteWorksWithoutTheDatabaseAndIsLoggedLater(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := w.open("host", KindOpen)
		w.enter(room, "anna")
		w.stay(room, "host", "anna")
		away := &failing{rows: w.service.rows, away: true}
		w.service.rows = away
		w.do("mute", w.service.MuteOther(ctx, room, actor("host"), "anna"))
		if g := w.gate.granted(room)["anna"]; g.Forward {
			t.Error("the muted speaker is forwarded")
		}
		w.do("unmute", w.service.Unmute(ctx, room, actor("anna")))
		w.do("mute all", w.service.MuteAll(ctx, room, actor("host")))
		away.set(false)
		w.pass(2 * time.Second)
		want := []string{"muted host→anna", "muted_all host→"}
		if got := w.logged(room, "host"); !slices.Equal(got, want) {
			t.Errorf("logged %q, want %q", got, want)
		}
	})
}

func TestLogKeepsTheNewestOnly(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := w.open("host", KindOpen)
		err := w.db.Write(ctx, func(tx *db.Tx) error {
			if err := AppendLog(tx, room, "host", "first", "", ""); err != nil {
				return err
			}
			_, err := tx.Exec(`UPDATE room_log SET number = $2 WHERE room_id = $1`, room, KeepLog)
			return err
		})
		w.do("fill", err)
		w.do("title", w.service.SetTitle(ctx, room, actor("host"), "A"))
		w.do("title", w.service.SetTitle(ctx, room, actor("host"), "B"))
		if got := w.logged(room, "host"); len(got) != 3 {
			t.Errorf("%q", got)
		}
		err = w.db.Write(ctx, func(tx *db.Tx) error {
			_, err := tx.Exec(`UPDATE room_log SET number = 1 WHERE room_id = $1 AND action = 'first'`, room)
			return err
		})
		w.do("age", err)
		w.do("title", w.service.SetTitle(ctx, room, actor("host"), "C"))
		if got := w.logged(room, "host"); len(got) != 3 || got[0] != "title host→ A" {
			t.Errorf("%q", got)
		}
	})
}
