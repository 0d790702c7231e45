package room

import (
	"fmt"
	"testing"

	"besedka"
	"besedka/db"
	"besedka/db/dbtest"
)

// full is a room with a full audience, everybody connected.
func full(b *testing.B) (*world, besedka.RoomID) {
	clock := dbtest.NewClock()
	d, err := db.Open(ctx, db.Options{Dir: b.TempDir(), Now: clock.Now, Log: dbtest.Log(b)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = d.Close() })
	w := newWorld(b, d, clock)
	room := w.open("host", KindOpen)
	for i := range DefaultLimits.Listeners {
		account := besedka.AccountID(fmt.Sprintf("p%04d", i))
		w.enter(room, account)
		w.stay(room, account)
	}
	return w, room
}

func BenchmarkViewOfAFullRoom(b *testing.B) {
	w, room := full(b)
	for b.Loop() {
		w.view(room, "p4000")
	}
}

func BenchmarkHallway(b *testing.B) {
	w, _ := full(b)
	for i := range 50 {
		w.open(besedka.AccountID(fmt.Sprintf("host%d", i)), KindOpen)
	}
	for b.Loop() {
		if _, err := w.service.Hallway(ctx, "p4000"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEnterAndLeaveAFullRoom(b *testing.B) {
	w, room := full(b)
	_ = w.service.Leave(ctx, room, actor("p4000"))
	for b.Loop() {
		w.enter(room, "p4000")
		_ = w.service.Leave(ctx, room, actor("p4000"))
	}
}

func BenchmarkSweepOfAFullRoom(b *testing.B) {
	w, _ := full(b)
	for b.Loop() {
		w.service.Sweep(ctx)
	}
}
