package room

import (
	"testing"

	"besedka"
	"besedka/db"
)

func TestRoomsThatEndedLongAgoAreDeletedWithAllThatBelongsToThem(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		end := func(room besedka.RoomID) {
			if err := w.service.End(ctx, room, actor("host")); err != nil {
				t.Fatal(err)
			}
		}
		for range pruneAtOnce + 1 {
			end(w.open("host", KindOpen))
		}
		old := w.open("host", KindOpen)
		w.enter(old, "anna", "boris")
		if err := w.service.Remove(ctx, old, actor("host"), "boris", "spam", ""); err != nil {
			t.Fatal(err)
		}
		end(old)
		w.pass(forgetAfter)
		w.clock.Advance(keepEnded - 2*forgetAfter)
		young, open := w.open("host", KindOpen), w.open("other", KindOpen)
		end(young)
		w.service.prune(ctx)
		if _, err := w.service.View(ctx, old, actor("anna")); code(err) != "room_ended" {
			t.Errorf("deleted before its time: %v", err)
		}
		w.clock.Advance(3 * forgetAfter)
		w.service.prune(ctx)
		_, err := w.service.View(ctx, old, actor("anna"))
		wantCode(t, "look at what was deleted", err, besedka.ErrNotFound)
		_, err = w.service.View(ctx, young, actor("anna"))
		wantCode(t, "look at what ended lately", err, ErrEnded)
		w.view(open, "anna")
		for table, want := range map[string]int{"rooms": 2, "room_removals": 0, "room_voices": 2} {
			if n := count(t, w, `SELECT COUNT(*) FROM `+table); n != want {
				t.Errorf("%d rows in %s, want %d", n, table, want)
			}
		}
		if n := count(t, w, `SELECT COUNT(*) FROM topics WHERE topic = '`+string(besedka.RoomTopic(old))+`'`); n != 0 {
			t.Error("the topic is kept")
		}
	})
}

func count(t *testing.T, w *world, query string) (n int) {
	t.Helper()
	err := w.db.Read(ctx, func(tx *db.Tx) error { return tx.QueryRow(query).Scan(&n) })
	if err != nil {
		t.Fatal(err)
	}
	return n
}
