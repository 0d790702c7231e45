package room

import (
	"testing"
	"time"

	"besedka"
)

// airtimeOf is how long the viewer sees somebody to have been heard.
func (w *world) airtimeOf(room besedka.RoomID, account besedka.AccountID) int64 {
	w.t.Helper()
	for _, p := range w.view(room, "host").Participants {
		if p.Account == account {
			return p.Airtime
		}
	}
	w.t.Fatalf("%s is not there", account)
	return 0
}

func TestAirtimeAddsUpOverMediaThatBeginsAnewAndRestarts(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := w.open("host", KindOpen)
		w.enter(room, "anna")
		w.stay(room, "host", "anna")
		want := func(what string, seconds int64) {
			t.Helper()
			w.pass(time.Second)
			if got := w.airtimeOf(room, "anna"); got != seconds {
				t.Errorf("%s: %d s, want %d", what, got, seconds)
			}
		}
		want("silent", 0)
		w.airtime.hear(room, 2, 12*time.Second)
		want("heard", 12)
		w.airtime.hear(room, 2, 40*time.Second) // enough to be written
		want("heard on", 52)
		w.airtime.heard[room] = nil // everybody has left, and come back
		want("media begins anew", 52)
		w.airtime.hear(room, 2, 5*time.Second)
		want("heard anew", 57)
		w.airtime.hear(room, 2, 50*time.Second)
		want("heard on anew", 107)
		w.airtime.heard[room] = map[uint32]time.Duration{2: 3 * time.Second} // anew, and heard before anybody looked
		want("anew between two looks", 110)
		w.airtime.hear(room, 2, 27*time.Second)
		want("heard on", 137)
		w.airtime.hear(room, 2, 20*time.Second) // too little to be written at once
		want("heard a little more", 157)
		w.start()
		w.enter(room, "host", "anna")
		w.stay(room, "host", "anna")
		want("after a crash, which forgets the last half minute", 137)
		w.do("step down", w.service.SetRole(ctx, room, actor("anna"), "anna", besedka.RoleListener))
		if st := w.service.known(room).state; !st.spoken("anna") || st.spoken("host") {
			t.Error("who has spoken is not known any more")
		}
	})
}

// The first second is written at once: after a crash who has spoken is known.
func TestWhoHasSpokenIsKnownAfterACrash(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := w.open("host", KindOpen)
		w.enter(room, "anna")
		w.stay(room, "host", "anna")
		w.airtime.hear(room, 2, 1500*time.Millisecond)
		w.pass(time.Second)
		w.start()
		w.enter(room, "host", "anna")
		if st := w.service.known(room).state; !st.spoken("anna") {
			t.Errorf("anna was heard for %s", st.airtime("anna"))
		}
	})
}

func TestAirtimeThatIsNotSavedIsNotLostAndNotCountedTwice(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := w.open("host", KindOpen)
		w.enter(room, "anna")
		w.stay(room, "host", "anna")
		away := &failing{rows: w.service.rows, away: true}
		w.service.rows = away
		w.airtime.hear(room, 2, time.Minute)
		w.pass(3 * time.Second)
		if got := w.airtimeOf(room, "anna"); got != 60 {
			t.Errorf("while the database is away: %d s", got)
		}
		away.set(false)
		w.pass(3 * time.Second)
		if got, kept := w.airtimeOf(room, "anna"), w.service.known(room).state.voices.rows["anna"].Airtime; got != 60 || kept != time.Minute {
			t.Errorf("when it is back: %d s, of which %s are kept", got, kept)
		}
	})
}
