package live

import (
	"encoding/json"
	"testing"

	"besedka"
)

func TestWhoComesBackDoesNotReadWhatWasTakenBack(t *testing.T) {
	b := newBench(t)
	s := b.subscribe(Subscription{Participant: anna, Room: room})
	defer s.Close()
	said := b.tell(roomTopic, "message")
	b.tell(roomTopic, "hand_raised")
	events, _ := drain(t, s)
	if events[1].Data["n"] == nil {
		t.Fatalf("a reader does not get what is said: %v", events[1])
	}
	b.box.facts[roomTopic][said-1].Data = json.RawMessage(`{"deleted":true}`)
	b.tell(roomTopic, "message_deleted")
	again := b.subscribe(Subscription{Participant: boris, Room: room, LastEventID: "0.room1.0"})
	defer again.Close()
	events, _ = drain(t, again)
	wantKinds(t, events, "hello", "message", "hand_raised", "message_deleted")
	if events[1].Data["n"] != nil || events[1].Data["deleted"] != true {
		t.Errorf("told %v", events[1].Data)
	}
}

func TestGuestsAndThoseExceptedAreNotToldWhatIsForMembers(t *testing.T) {
	b := newBench(t)
	for who, want := range map[besedka.ParticipantID][]string{
		anna: {"hello", "message"}, boris: {"hello"}, guest: {"hello"},
	} {
		s := b.subscribe(Subscription{Participant: who, Room: room})
		b.tell(roomTopic, "message", besedka.Members, besedka.Except(boris))
		events, _ := drain(t, s)
		wantKinds(t, events, want...)
		s.Close()
	}
}
