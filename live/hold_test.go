package live

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"besedka"
)

func TestHeldFactsAreToldByNobodyUntilReleased(t *testing.T) {
	b := newBench(t)
	b.tell(roomTopic, "before")
	s := b.subscribe(Subscription{Participant: anna, Room: room, LastEventID: "0.room1.0"})
	defer s.Close()
	release := b.Hold([]besedka.Topic{roomTopic})
	b.tell(roomTopic, "silenced")
	b.clock.advance(time.Second)
	b.poll(context.Background())
	b.settle()
	b.tell(annaTopic, "room_invited")
	events, _ := drain(t, s)
	wantKinds(t, events, "hello", "before", "room_invited")
	release()
	events, _ = drain(t, s)
	wantKinds(t, events, "silenced")
	release()
	b.settle()
	b.tell(roomTopic, "after")
	events, _ = drain(t, s)
	wantKinds(t, events, "after")
}

// TestReadingUnderWayWhenAHoldBeginsTellsNothingOfIt lets the hold, and the
// commit under it, come between a worker's decision to read and its reading.
func TestReadingUnderWayWhenAHoldBeginsTellsNothingOfIt(t *testing.T) {
	b := newBench(t)
	s := b.subscribe(Subscription{Participant: anna, Room: room})
	defer s.Close()
	b.box.commit(roomTopic, "told", nil, "")
	var release func()
	b.box.after = func() { release = b.Hold([]besedka.Topic{roomTopic}) }
	b.Wake([]besedka.Topic{roomTopic})
	b.settle()
	events, _ := drain(t, s)
	wantKinds(t, events, "hello")
	b.tell(roomTopic, "silenced")
	release()
	b.settle()
	events, _ = drain(t, s)
	wantKinds(t, events, "told", "silenced")
}

func TestHoldsOneAfterAnotherStarveNobody(t *testing.T) {
	b := newBench(t)
	s := b.subscribe(Subscription{Participant: anna, Room: room})
	defer s.Close()
	release := b.Hold([]besedka.Topic{roomTopic})
	b.tell(roomTopic, "first")
	release()
	again := b.Hold([]besedka.Topic{roomTopic})
	defer again()
	b.settle()
	events, _ := drain(t, s)
	wantKinds(t, events, "hello", "first")
}

func TestTwoHoldsEndWithTheLast(t *testing.T) {
	b := newBench(t)
	s := b.subscribe(Subscription{Participant: anna, Room: room})
	defer s.Close()
	one, two := b.Hold([]besedka.Topic{annaTopic, roomTopic}), b.Hold([]besedka.Topic{annaTopic})
	b.tell(annaTopic, "told")
	one()
	one()
	events, _ := drain(t, s)
	wantKinds(t, events, "hello")
	two()
	events, _ = drain(t, s)
	wantKinds(t, events, "told")
}

func TestStreamThatIsClosedWaitsForItsLastFacts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		s := b.subscribe(Subscription{Participant: anna, Room: room, Credential: "old"})
		defer s.Close()
		release := b.Hold([]besedka.Topic{roomTopic})
		b.tell(roomTopic, "silenced")
		ended := make(chan struct{})
		go func() { b.CloseCredential("old"); close(ended) }()
		synctest.Wait()
		select {
		case <-ended:
			t.Error("a stream was closed without its last facts")
		default:
		}
		release()
		<-ended
		events, err := drain(t, s)
		wantKinds(t, events, "hello", "silenced")
		if err != ErrClosed {
			t.Error(err)
		}
	})
}

func TestFirstReaderOfAHeldTopicWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		release := b.Hold([]besedka.Topic{roomTopic})
		b.tell(roomTopic, "silenced")
		begun := make(chan *Stream, 1)
		go func() { begun <- b.subscribe(Subscription{Participant: anna, Room: room, LastEventID: "0.room1.0"}) }()
		synctest.Wait()
		if len(begun) > 0 {
			t.Error("a reader begins in front of a fact that is held")
		}
		release()
		s := <-begun
		defer s.Close()
		events, _ := drain(t, s)
		wantKinds(t, events, "hello", "silenced")
	})
}

func TestForgottenHoldEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		s := b.subscribe(Subscription{Participant: anna, Room: room})
		release := b.Hold([]besedka.Topic{roomTopic})
		b.tell(roomTopic, "silenced")
		time.Sleep(holdAtMost + time.Second) // of the bubble
		synctest.Wait()
		events, _ := drain(t, s)
		wantKinds(t, events, "hello", "silenced")
		release()
		s.Close()
		if left := b.Stats(); left.Topics != 0 {
			t.Errorf("left behind: %+v", left)
		}
	})
}
