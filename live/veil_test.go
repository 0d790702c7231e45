package live

import (
	"context"
	"slices"
	"strings"
	"testing"

	"besedka"
)

// newVeiled is a bench on which vera is hidden from boris, or whoever hidden says.
func newVeiled(t testing.TB, hidden map[besedka.ParticipantID][]besedka.AccountID) *bench {
	b := newBench(t)
	b.veil = func(_ context.Context, id besedka.RoomID, named []besedka.AccountID) func(besedka.ParticipantID) []besedka.AccountID {
		if id != room {
			t.Errorf("the veil of %s is asked for", id)
		}
		return func(reader besedka.ParticipantID) (unseen []besedka.AccountID) {
			for _, account := range hidden[reader] {
				if slices.Contains(named, account) {
					unseen = append(unseen, account)
				}
			}
			return unseen
		}
	}
	return b
}

// say commits a fact of the room with its data.
func (b *bench) say(kind, data string, to ...besedka.ParticipantID) {
	b.box.commit(roomTopic, kind, to, data)
	b.Wake([]besedka.Topic{roomTopic})
	b.settle()
}

func TestReadersAreNotToldOfWhomTheyAreNotShown(t *testing.T) {
	b := newVeiled(t, map[besedka.ParticipantID][]besedka.AccountID{boris: {"vera"}})
	streams := map[besedka.ParticipantID]*Stream{}
	for _, who := range []besedka.ParticipantID{anna, boris, guest} {
		streams[who] = b.subscribe(Subscription{Participant: who, Room: room})
		defer streams[who].Close()
	}
	b.say("speaker_joined", `{"account":"vera","csrc":7}`)
	b.say("pinned", `{"by":"vera","url":"https://vera.example/","at":1234567890123456789}`)
	b.say("speaker_joined", `{"account":"anna","by":{"id":"vera","name":"Vera"}}`)
	b.say("told_to_two", `{"account":"vera"}`, boris, anna)
	b.Announce(room, "reactions", map[string]any{"items": []any{map[string]any{"account": "vera"}, map[string]any{"account": "anna"}}}, nil)
	b.Announce(room, "reactions", map[string]any{"items": []any{map[string]any{"account": "vera"}}}, nil)
	b.Announce(room, "room_reset", map[string]any{"hosts": []any{map[string]any{"id": "vera"}}, "by": map[string]any{"id": "anna"}}, nil)
	b.AnnounceLatest(room, "mute_changed", "vera", map[string]any{"account": "vera"}, nil)
	b.AnnounceLatest(room, "mute_changed", "anna", map[string]any{"account": "anna"}, nil)
	b.say("room_ended", `{"by":"vera"}`)

	facts := []string{"hello", "speaker_joined", "pinned", "speaker_joined", "told_to_two", "reactions", "reactions", "room_reset", "mute_changed", "mute_changed", "room_ended"}
	events, err := drain(t, streams[anna])
	wantKinds(t, events, facts...)
	first := events[0].ID
	if err != ErrEnded {
		t.Errorf("anna's stream: %v", err)
	}
	events, _ = drain(t, streams[guest])
	wantKinds(t, events, slices.Delete(slices.Clone(facts), 4, 5)...)
	veiled := []string{"hello", "pinned", "speaker_joined", "reactions", "room_reset", "mute_changed", "room_ended"}
	events, err = drain(t, streams[boris])
	wantKinds(t, events, veiled...)
	if err != ErrEnded {
		t.Errorf("boris's stream: %v", err)
	}
	for _, e := range events {
		if e.Data["by"] == "vera" || e.Data["account"] == "vera" {
			t.Errorf("%s names her: %v", e.Kind, e.Data)
		}
	}
	if url := events[1].Data["url"]; url != "https://vera.example/" {
		t.Errorf("what she pinned is %v", url)
	}
	if items := events[3].Data["items"].([]any); len(items) != 1 {
		t.Errorf("reactions of %v", items)
	}
	if hosts := events[4].Data["hosts"].([]any); len(hosts) != 0 || events[4].Data["by"] == nil {
		t.Errorf("reset: %v", events[4].Data)
	}

	again := b.subscribe(Subscription{Participant: boris, Room: room, LastEventID: first})
	defer again.Close()
	events, _ = drain(t, again)
	wantKinds(t, events, "hello", "pinned", "speaker_joined", "room_ended")
}

func TestTheNumbersInAnEventStayWhatTheyAre(t *testing.T) {
	text := `{"kind":"pinned","topic":"room","room":"r","seq":3,"at":"2026-11-01T12:00:00.000Z","data":{"by":"vera","n":1234567890123456789,"x":0.10}}`
	got := string(without([]byte(text), []besedka.AccountID{"vera"}))
	if got != strings.Replace(text, `"by":"vera",`, "", 1) {
		t.Errorf("got %s", got)
	}
}

func TestABlockHidesThePastToo(t *testing.T) {
	hidden := map[besedka.ParticipantID][]besedka.AccountID{}
	b := newVeiled(t, hidden)
	s := b.subscribe(Subscription{Participant: boris, Room: room})
	b.say("speaker_joined", `{"account":"vera"}`)
	events, _ := drain(t, s)
	wantKinds(t, events, "hello", "speaker_joined")
	s.Close()
	hidden[boris] = []besedka.AccountID{"vera"}
	again := b.subscribe(Subscription{Participant: boris, Room: room, LastEventID: events[0].ID})
	defer again.Close()
	events, _ = drain(t, again)
	wantKinds(t, events, "hello")
}

// TestNobodyPaysForTheVeilOfAnother: all who are shown everybody share one text,
// and so do all from whom the same people are hidden.
func TestNobodyPaysForTheVeilOfAnother(t *testing.T) {
	dina := besedka.ParticipantID("dina")
	b := newVeiled(t, map[besedka.ParticipantID][]besedka.AccountID{boris: {"vera"}, dina: {"vera"}})
	texts := map[besedka.ParticipantID]*byte{}
	var streams []*Stream
	who := []besedka.ParticipantID{anna, guest, boris, dina}
	for _, p := range who {
		s := b.subscribe(Subscription{Participant: p, Room: room})
		defer s.Close()
		drain(t, s)
		streams = append(streams, s)
	}
	b.say("pinned", `{"by":"vera"}`)
	for i, s := range streams {
		e, ok, err := s.Poll(context.Background())
		if !ok {
			t.Fatalf("%s is told nothing: %v", who[i], err)
		}
		texts[who[i]] = &e.Data[0]
	}
	if texts[anna] != texts[guest] || texts[boris] != texts[dina] || texts[anna] == texts[boris] {
		t.Error("the texts are not shared")
	}
}

// TestEverybodyButOne: a fact for all but one person names that one only.
func TestEverybodyButOne(t *testing.T) {
	b := newBench(t)
	for who, want := range map[besedka.ParticipantID][]string{
		anna: {"hello", "moved_to_audience"}, guest: {"hello", "moved_to_audience"}, boris: {"hello"},
	} {
		s := b.subscribe(Subscription{Participant: who, Room: room})
		b.tell(roomTopic, "moved_to_audience", besedka.Except(boris))
		events, _ := drain(t, s)
		wantKinds(t, events, want...)
		s.Close()
	}
}
