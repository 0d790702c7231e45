package room

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"besedka"
)

// TestRemovalWhileTheDatabaseIsAwaySurvivesACrash also cuts the file short, as
// a crash in the middle of a line does.
func TestRemovalWhileTheDatabaseIsAwaySurvivesACrash(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		w.journal = filepath.Join(t.TempDir(), "removals.jsonl")
		w.start()
		room, over := w.open("host", KindOpen), w.open("other", KindOpen)
		w.enter(room, "anna", "boris")
		w.enter(over, "vera")
		w.stay(room, "host", "anna", "boris")
		w.service.rows = &failing{rows: w.service.rows, away: true}
		for _, err := range []error{w.service.Remove(ctx, room, actor("host"), "anna", "noise", "loud"),
			w.service.Remove(ctx, over, actor("other"), "vera", "spam", "")} {
			if err != nil {
				t.Fatal(err)
			}
		}
		text, err := os.ReadFile(w.journal)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(w.journal, append(text, `{"room":"`+string(room)+`","target":"bo`...), 0o600); err != nil {
			t.Fatal(err)
		}
		w.start() // after kill -9, with the database back
		wantCode(t, "return after a crash", w.service.Enter(ctx, room, actor("anna")), ErrRemoved)
		w.stay(room, "host", "boris")
		w.pass(2 * time.Second)
		if got := kinds(w.facts(room)); !slices.Contains(got, "removed") {
			t.Errorf("facts %v", got)
		}
		told, err := w.db.FactsAfter(ctx, besedka.AccountTopic("anna"), 0, 10)
		if err != nil || len(told) != 1 || told[0].Kind != "removed_from_room" {
			t.Errorf("told %v %v", kinds(told), err)
		}
		if _, err := os.Stat(w.journal); !os.IsNotExist(err) {
			t.Errorf("the journal is kept after it was written: %v", err)
		}
		w.journal = ""
		w.start()
		wantCode(t, "return after another start", w.service.Enter(ctx, room, actor("anna")), ErrRemoved)
		wantCode(t, "return to the other room", w.service.Enter(ctx, over, actor("vera")), ErrRemoved)
	})
}

func TestWrittenRemovalLeavesNoJournal(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		w.journal = filepath.Join(t.TempDir(), "removals.jsonl")
		w.start()
		room := w.open("host", KindOpen)
		w.enter(room, "anna")
		if err := w.service.Remove(ctx, room, actor("host"), "anna", "noise", ""); err != nil {
			t.Fatal(err)
		}
		if err := w.service.UndoRemoval(ctx, room, actor("host"), "anna"); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(w.journal); !os.IsNotExist(err) {
			t.Errorf("kept: %v", err)
		}
		w.start()
		w.enter(room, "anna")
	})
}

func TestJournalOfRoomsThatAreOverIsForgotten(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		w.journal = filepath.Join(t.TempDir(), "removals.jsonl")
		room := w.open("host", KindOpen)
		j := journal{path: w.journal}
		for _, r := range []record{{Room: room, Target: "anna"}, {Room: "none", Target: "anna"}, {Room: room, Target: "boris"}} {
			if err := j.add(r); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.service.End(ctx, room, actor("host")); err != nil {
			t.Fatal(err)
		}
		w.start()
		if left := w.service.journal.all(); len(left) != 0 {
			t.Errorf("left %v", left)
		}
		if _, err := os.Stat(w.journal); !os.IsNotExist(err) {
			t.Errorf("kept: %v", err)
		}
	})
}
