package live

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"besedka"
)

const (
	anna  = besedka.ParticipantID("anna")
	boris = besedka.ParticipantID("boris")
	guest = besedka.ParticipantID("guest-1")
	room  = besedka.RoomID("room1")
)

var (
	roomTopic = besedka.RoomTopic(room)
	annaTopic = besedka.AccountTopic("anna")
)

func wantKinds(t testing.TB, events []got, want ...string) {
	t.Helper()
	if !slices.Equal(kinds(events), want) {
		t.Fatalf("got %v, want %v", kinds(events), want)
	}
}

func TestStreamBeginsWithHelloAndTellsInOrder(t *testing.T) {
	b := newBench(t)
	b.tell(roomTopic, "room_opened")
	s := b.subscribe(Subscription{Participant: anna, Room: room})
	defer s.Close()
	b.tell(roomTopic, "hand_raised")
	b.tell(annaTopic, "room_invited")
	b.tell(roomTopic, "speaker_joined")
	events, err := drain(t, s)
	if err != nil {
		t.Fatal(err)
	}
	wantKinds(t, events, "hello", "hand_raised", "room_invited", "speaker_joined")
	if ids := []string{events[0].ID, events[1].ID, events[2].ID, events[3].ID}; !slices.Equal(ids, []string{"0.room1.1", "0.room1.2", "1.room1.2", "1.room1.3"}) {
		t.Errorf("ids %v", ids)
	}
	if events[0].Data["resumed"] != false {
		t.Error("a fresh stream says that it resumed")
	}
}

func TestFactsAreSeenOnlyByThoseTheyAreFor(t *testing.T) {
	b := newBench(t)
	for who, want := range map[besedka.ParticipantID][]string{
		anna:  {"hello", "hand_raised", "speaker_joined"},
		boris: {"hello", "speaker_joined"},
		guest: {"hello", "speaker_joined"},
	} {
		s := b.subscribe(Subscription{Participant: who, Room: room})
		b.tell(roomTopic, "hand_raised", anna)
		b.tell(roomTopic, "speaker_joined")
		events, _ := drain(t, s)
		wantKinds(t, events, want...)
		s.Close()
		again := b.subscribe(Subscription{Participant: who, Room: room, LastEventID: events[0].ID})
		events, _ = drain(t, again)
		wantKinds(t, events, want...)
		again.Close()
	}
}

// TestNothingIsLostOrRepeated lets readers come and go at random while facts are
// committed, some by another process that wakes nobody, some for one reader only,
// and demands that each reader has seen each fact meant for them once and in order.
func TestNothingIsLostOrRepeated(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		b := newBench(t)
		hubs := []*bench{b, newBenchOn(t, b.clock, b.box)}
		readers := []*reader{{who: anna}, {who: boris}, {who: guest}}
		topics := []besedka.Topic{roomTopic, annaTopic, besedka.AccountTopic("boris")}
		want := make(map[besedka.ParticipantID][]string)
		for _, p := range readers {
			p.join(r, b)
		}
		steps := rapid.IntRange(1, 120).Draw(r, "steps")
		for range steps {
			p := rapid.SampledFrom(readers).Draw(r, "reader")
			switch rapid.IntRange(0, 9).Draw(r, "act") {
			case 0, 1, 2, 3, 4:
				topic := rapid.SampledFrom(topics).Draw(r, "topic")
				var to []besedka.ParticipantID
				if rapid.Bool().Draw(r, "filtered") {
					to = []besedka.ParticipantID{p.who}
				}
				seq := b.box.commit(topic, "told", to, "")
				f := besedka.Fact{To: to}
				for _, q := range readers {
					if f.VisibleTo(q.who) && q.reads(topic) {
						want[q.who] = append(want[q.who], fmt.Sprintf("%s %d", topic, seq))
					}
				}
				if rapid.Bool().Draw(r, "ours") {
					b.Wake([]besedka.Topic{topic})
				}
			case 5:
				rapid.SampledFrom(hubs).Draw(r, "hub").settle()
			case 6:
				rapid.SampledFrom(hubs).Draw(r, "hub").poll(context.Background())
			case 7:
				p.take(r, rapid.IntRange(0, 5).Draw(r, "count"))
			case 8:
				p.stream.Close()
				p.join(r, rapid.SampledFrom(hubs).Draw(r, "hub"))
			case 9:
				b.Announce(room, "mute_changed", map[string]any{"account": "x"}, nil)
			}
		}
		for _, h := range hubs {
			h.poll(context.Background())
			h.settle()
		}
		for _, p := range readers {
			p.take(r, 1<<20)
			for _, topic := range topics {
				prefix := string(topic) + " "
				if g, w := only(p.seen, prefix), only(want[p.who], prefix); !slices.Equal(g, w) {
					r.Fatalf("%s of %s: saw %v, want %v", p.who, topic, g, w)
				}
			}
			p.stream.Close()
		}
		for _, h := range hubs {
			if s := h.Stats(); s.Streams != 0 || s.Topics != 0 {
				r.Fatalf("left behind: %+v", s)
			}
		}
	})
}

func only(all []string, prefix string) []string {
	var out []string
	for _, a := range all {
		if strings.HasPrefix(a, prefix) {
			out = append(out, a)
		}
	}
	return out
}

type reader struct {
	who    besedka.ParticipantID
	hub    *bench
	stream *Stream
	last   string
	seen   []string
}

func (p *reader) reads(t besedka.Topic) bool {
	return t == roomTopic || !p.who.IsGuest() && t == besedka.AccountTopic(p.who.Account())
}

func (p *reader) join(r *rapid.T, b *bench) {
	s, err := b.Subscribe(context.Background(), Subscription{Participant: p.who, Room: room, LastEventID: p.last})
	if err != nil {
		r.Fatal(err)
	}
	p.stream = s
	p.hub = b
	p.take(r, 1) // hello
}

func (p *reader) take(r *rapid.T, count int) {
	for range count {
		e, ok, err := p.stream.Poll(context.Background())
		if errors.Is(err, ErrSlow) {
			p.stream.Close()
			p.join(r, p.hub)
			continue
		}
		if err != nil {
			r.Fatal(err)
		}
		if !ok {
			return
		}
		if e.ID == "" {
			continue
		}
		p.last = e.ID
		switch g := read(p.hub.t, e); g.Kind {
		case "told":
			topic := besedka.AccountTopic(p.who.Account())
			if g.Room != "" {
				topic = besedka.RoomTopic(g.Room)
			}
			p.seen = append(p.seen, fmt.Sprintf("%s %d", topic, g.Seq))
		case kindReset:
			r.Fatal("reset without reason")
		}
	}
}

func TestSlowReaderIsCutAndGoesOn(t *testing.T) {
	for name, c := range map[string]struct {
		facts int
		data  string
	}{
		"by count": {maxQueued + 1, `{}`},
		"by bytes": {20, `{"x":"` + strings.Repeat("y", 64<<10) + `"}`},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			slow := b.subscribe(Subscription{Participant: anna, Room: room})
			events, _ := drain(t, slow)
			for range c.facts {
				b.box.commit(roomTopic, "told", nil, c.data)
				b.Wake([]besedka.Topic{roomTopic})
				b.settle()
			}
			if _, err := drain(t, slow); !errors.Is(err, ErrSlow) {
				t.Fatalf("slow reader ended with %v", err)
			}
			if slow.bytes != 0 || slow.queue != nil || b.Stats().Cut != 1 {
				t.Error("a cut stream still holds events, or is not counted")
			}
			slow.Close()
			again := b.subscribe(Subscription{Participant: anna, Room: room, LastEventID: events[0].ID})
			defer again.Close()
			events, err := drain(t, again)
			if err != nil || len(events) != c.facts+1 || events[0].Data["resumed"] != true {
				t.Fatalf("came back to %d events, %v", len(events), err)
			}
			for i, e := range events[1:] {
				if e.Seq != int64(i+1) {
					t.Fatalf("event %d has number %d", i+1, e.Seq)
				}
			}
		})
	}
}

func TestReaderWhoseFactsAreGoneBeginsAnew(t *testing.T) {
	for name, last := range map[string]string{
		"too old":                 "0.room1.1",
		"from before a restore":   "0.room1.99",
		"not one of ours":         "<script>",
		"an account from nowhere": "7.room1.10",
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			for range 10 {
				b.tell(roomTopic, "told")
			}
			b.box.prune(roomTopic, 5)
			s := b.subscribe(Subscription{Participant: anna, Room: room, LastEventID: last})
			defer s.Close()
			b.tell(roomTopic, "after")
			events, err := drain(t, s)
			if err != nil {
				t.Fatal(err)
			}
			wantKinds(t, events, "hello", "reset", "after")
			if events[0].Data["resumed"] != false || events[1].ID != "0.room1.10" {
				t.Errorf("%+v", events)
			}
		})
	}
}

func TestCursorOfAnotherRoomResumesTheAccountOnly(t *testing.T) {
	b := newBench(t)
	b.tell(annaTopic, "room_invited")
	b.tell(roomTopic, "told")
	s := b.subscribe(Subscription{Participant: anna, Room: room, LastEventID: "0.other.55"})
	defer s.Close()
	events, _ := drain(t, s)
	wantKinds(t, events, "hello", "room_invited")
	if events[0].Data["resumed"] != false {
		t.Error("a room that was not followed before cannot be resumed")
	}
}

func TestCommitDuringAReadingIsNotMissed(t *testing.T) {
	b := newBench(t)
	s := b.subscribe(Subscription{Participant: anna, Room: room})
	defer s.Close()
	b.box.after = func() {
		b.box.commit(roomTopic, "meanwhile", nil, "")
		b.Wake([]besedka.Topic{roomTopic})
	}
	b.tell(roomTopic, "told")
	events, _ := drain(t, s)
	wantKinds(t, events, "hello", "told", "meanwhile")
}

func TestTwoReadingsAtOnceTellOnce(t *testing.T) {
	b := newBench(t)
	s := b.subscribe(Subscription{Participant: anna, Room: room, Credential: "old"})
	defer s.Close()
	b.box.after = func() { b.CloseCredential("another"); b.pumpNow(roomTopic) }
	b.tell(roomTopic, "told")
	events, _ := drain(t, s)
	wantKinds(t, events, "hello", "told")
}

func TestCommitWhileAFeedBeginsIsNotMissed(t *testing.T) {
	b := newBench(t)
	f := newFeed(roomTopic, b.box, nil)
	if err := f.pump(context.Background()); err != nil || f.head != 0 {
		t.Fatalf("a feed that knows no head was read: %v", err)
	}
	if woken, err := f.start(context.Background()); !woken || err != nil {
		t.Errorf("a wake before the start is forgotten: %v, %v", woken, err)
	}
}

func TestOtherProcessesAreHeardByThePoll(t *testing.T) {
	b := newBench(t)
	s := b.subscribe(Subscription{Participant: anna, Room: room})
	defer s.Close()
	b.box.commit(roomTopic, "told", nil, "")
	b.clock.advance(time.Second)
	b.poll(context.Background())
	b.settle()
	events, _ := drain(t, s)
	wantKinds(t, events, "hello", "told")
}

func TestNothingIsLostWhileTheOutboxIsAway(t *testing.T) {
	b := newBench(t)
	s := b.subscribe(Subscription{Participant: anna, Room: room})
	defer s.Close()
	b.box.setDown(true)
	b.tell(roomTopic, "told")
	if _, err := b.Subscribe(context.Background(), Subscription{Participant: boris}); !errors.Is(err, errDown) {
		t.Fatalf("subscribed to an outbox that is away: %v", err)
	}
	b.clock.advance(time.Minute)
	b.poll(context.Background())
	b.settle()
	b.box.setDown(false)
	b.poll(context.Background())
	b.settle()
	events, _ := drain(t, s)
	wantKinds(t, events, "hello", "told")
	if n := b.Stats().Streams; n != 1 {
		t.Errorf("%d streams after a failed one", n)
	}
}

func TestStreamEndsAfterTheRoomsLastFact(t *testing.T) {
	for name, end := range map[string]func(*bench){
		"room ended": func(b *bench) { b.tell(roomTopic, "room_ended") },
		"removed": func(b *bench) {
			b.box.commit(annaTopic, "removed_from_room", nil, `{"room":"room1"}`)
			b.Wake([]besedka.Topic{annaTopic})
			b.settle()
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			inRoom := b.subscribe(Subscription{Participant: anna, Room: room})
			elsewhere := b.subscribe(Subscription{Participant: anna, Room: "room2"})
			before, _ := drain(t, inRoom)
			end(b)
			b.tell(annaTopic, "late")
			events, err := drain(t, inRoom)
			if len(events) != 1 || !errors.Is(err, ErrEnded) {
				t.Fatalf("got %v, %v", kinds(events), err)
			}
			if _, err := drain(t, elsewhere); err != nil {
				t.Errorf("a stream of another room ended: %v", err)
			}
			inRoom.Close()
			late := b.subscribe(Subscription{Participant: anna, Room: room, LastEventID: before[0].ID})
			events, err = drain(t, late)
			if !errors.Is(err, ErrEnded) || len(events) < 2 {
				t.Fatalf("who comes back late gets %v, %v", kinds(events), err)
			}
			late.Close()
			elsewhere.Close()
		})
	}
}

func TestRevokedCredentialGetsTheLastFactAndNoMore(t *testing.T) {
	b := newBench(t)
	taken := b.subscribe(Subscription{Participant: anna, Room: room, Credential: "old"})
	other := b.subscribe(Subscription{Participant: anna, Room: room, Credential: "new"})
	defer taken.Close()
	defer other.Close()
	b.box.commit(annaTopic, "seat_taken", nil, "")
	b.CloseCredential("old")
	b.tell(roomTopic, "told")
	events, err := drain(t, taken)
	if !errors.Is(err, ErrClosed) {
		t.Fatalf("ended with %v", err)
	}
	wantKinds(t, events, "hello", "seat_taken")
	events, err = drain(t, other)
	if err != nil {
		t.Fatal(err)
	}
	wantKinds(t, events, "hello", "seat_taken", "told")
}

func TestStreamsOfOneRoomAreClosedByParticipant(t *testing.T) {
	b := newBench(t)
	open := func(who besedka.ParticipantID, in besedka.RoomID, c besedka.CredentialID) *Stream {
		return b.subscribe(Subscription{Participant: who, Room: in, Credential: c})
	}
	old, kept := open(anna, room, "c1"), open(anna, room, "c2")
	elsewhere, another := open(anna, "room2", "c1"), open(boris, room, "c1")
	ended := func(s *Stream) bool { _, err := drain(t, s); return err != nil }
	b.CloseOthers(room, anna, "c2")
	if !ended(old) || ended(kept) || ended(elsewhere) || ended(another) {
		t.Error("the wrong streams were closed but for one credential")
	}
	b.CloseParticipant(room, anna)
	if !ended(kept) || ended(elsewhere) || ended(another) {
		t.Error("the wrong streams of a participant were closed")
	}
	b.Close()
	if !ended(elsewhere) || !ended(another) {
		t.Error("streams survive the hub")
	}
	if _, err := b.Subscribe(context.Background(), Subscription{Participant: boris}); !errors.Is(err, ErrClosed) {
		t.Errorf("subscribed to a closed hub: %v", err)
	}
}

func TestTooManyStreamsAreRefused(t *testing.T) {
	b := newBench(t)
	b.maxStreams = 1
	s := b.subscribe(Subscription{Participant: anna})
	if _, err := b.Subscribe(context.Background(), Subscription{Participant: boris}); !errors.Is(err, ErrBusy) {
		t.Fatalf("got %v", err)
	}
	s.Close()
	s.Close()
	b.subscribe(Subscription{Participant: boris}).Close()
}

// TestOneRoomIsReadOnceForFiveThousand also lets them all come back at once,
// after facts that none has seen.
func TestOneRoomIsReadOnceForFiveThousand(t *testing.T) {
	b := newBench(t)
	b.tell(roomTopic, "told")
	join := func(last string) []*Stream {
		streams := make([]*Stream, 5000)
		for i := range streams {
			streams[i] = b.subscribe(Subscription{Participant: besedka.ParticipantID(fmt.Sprintf("guest-%d", i)), Room: room, LastEventID: last})
		}
		return streams
	}
	leave := func(streams []*Stream, want int) {
		for _, s := range streams {
			if n := len(s.first) + len(s.queue) + len(s.lines[1].page); n != want {
				t.Fatalf("%d events wait, want %d", n, want)
			}
			s.Close()
		}
	}
	streams := join("")
	b.tell(roomTopic, "told")
	leave(streams, 2)
	b.tell(roomTopic, "told")
	before := b.box.reads.Load()
	leave(join("0.room1.1"), 3)
	if n := b.box.reads.Load() - before; n > 2 {
		t.Errorf("the outbox was read %d times", n)
	}
}

func TestRunningHubDeliversAndStops(t *testing.T) {
	b := newBench(t)
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	go func() { done <- b.Run(ctx) }()
	s := b.subscribe(Subscription{Participant: anna, Room: room})
	defer s.Close()
	b.box.commit(roomTopic, "told", nil, "")
	b.Wake([]besedka.Topic{roomTopic})
	for _, want := range []string{"hello", "told"} {
		e, err := s.Next(ctx)
		if err != nil || read(t, e).Kind != want {
			t.Fatalf("got %s, %v; want %s", e.Data, err, want)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if _, err := s.Next(context.Background()); !errors.Is(err, ErrClosed) {
		t.Errorf("stream of a stopped hub ended with %v", err)
	}
}
