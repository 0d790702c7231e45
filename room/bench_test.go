package room

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/json"
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

// seen is a full room with a full stage, as one of its listeners gets it: names and
// ids are as long as true ones, and as hard to compress.
func seen(b testing.TB) *View {
	b.Helper()
	clock := dbtest.NewClock()
	d, err := db.Open(ctx, db.Options{Dir: b.TempDir(), Now: clock.Now, Log: dbtest.Log(b)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = d.Close() })
	w := newWorld(b, d, clock)
	w.service.people.find = func(_ context.Context, ids []besedka.AccountID) (map[besedka.AccountID]Person, error) {
		found := map[besedka.AccountID]Person{}
		for _, id := range ids {
			found[id] = Person{ID: id, Username: "user_" + string(id[:8]), Name: "Имя Фамилия " + string(id[8:16]), Photo: besedka.NewID(rand.Reader)}
		}
		return found, nil
	}
	who := func() besedka.AccountID { return besedka.AccountID(besedka.NewID(rand.Reader)) }
	host, me := who(), who()
	room := w.open(host, KindOpen)
	c, _ := w.service.find(ctx, room)
	w.enter(room, me, who())
	for range 97 {
		speaker := who()
		w.enter(room, speaker)
		w.service.seatOnly(c, func(st *State) { st.takeStage(speaker, besedka.RoleSpeaker, clock.Now()) })
	}
	for i := range DefaultLimits.Listeners - 10 {
		listener := who()
		w.enter(room, listener)
		switch {
		case i < 300:
			w.graph.follow(me, listener)
		case i < 600:
			w.graph.follow(host, listener)
		}
	}
	clock.Advance(followedFor)
	return w.view(room, me)
}

// squeeze is the view as it is sent.
func squeeze(t testing.TB, z *gzip.Writer, v *View) (plain, small int) {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	z.Reset(&out)
	_, _ = z.Write(text)
	_ = z.Close()
	return len(text), out.Len()
}

func newSqueezer() *gzip.Writer {
	z, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	return z
}

func TestViewOfAFullRoomFitsIntoTwentyFiveKilobytes(t *testing.T) {
	v := seen(t)
	plain, small := squeeze(t, newSqueezer(), v)
	t.Logf("%d shown: %d bytes, %d compressed", len(v.Participants), plain, small)
	if small > 25<<10 {
		t.Errorf("%d shown in %d bytes, %d compressed", len(v.Participants), plain, small)
	}
}

func BenchmarkEncodingAViewOfAFullRoom(b *testing.B) {
	v := seen(b)
	z := newSqueezer()
	plain, small := squeeze(b, z, v)
	for b.Loop() {
		squeeze(b, z, v)
	}
	b.ReportMetric(float64(plain), "bytes")
	b.ReportMetric(float64(small), "compressed")
}
