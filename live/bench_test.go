package live

import (
	"context"
	"fmt"
	"testing"

	"besedka"
)

// BenchmarkOneFactForFiveThousand brings one fact to the readers of 5,000 streams of one room.
func BenchmarkOneFactForFiveThousand(b *testing.B) {
	h := newBench(b)
	streams := make([]*Stream, 5000)
	for i := range streams {
		streams[i] = h.subscribe(Subscription{Participant: besedka.ParticipantID(fmt.Sprintf("guest-%d", i)), Room: room})
		drain(b, streams[i])
	}
	b.ReportAllocs()
	for b.Loop() {
		h.tell(roomTopic, "told")
		for _, s := range streams {
			if _, ok, err := s.Poll(context.Background()); !ok || err != nil {
				b.Fatal(ok, err)
			}
		}
	}
	b.StopTimer()
	for _, s := range streams {
		s.Close()
	}
}

// BenchmarkOneFactForOneOfFiveThousand tells one person something in a room of 5,000 streams.
func BenchmarkOneFactForOneOfFiveThousand(b *testing.B) {
	h := newBench(b)
	for i := range 5000 {
		s := h.subscribe(Subscription{Participant: besedka.ParticipantID(fmt.Sprintf("guest-%d", i)), Room: room})
		defer s.Close()
	}
	s := h.subscribe(Subscription{Participant: anna, Room: room})
	defer s.Close()
	drain(b, s)
	b.ReportAllocs()
	for b.Loop() {
		h.tell(roomTopic, "told", anna)
		if _, ok, err := s.Poll(context.Background()); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}
