package ask

import (
	"context"
	"time"

	"besedka"
)

// How often the votes of a room are told: each telling costs an event for
// everybody in it.
const (
	newsLeast = time.Second
	newsMost  = 10 * time.Second
	newsEach  = 2 * time.Millisecond // for each person in the room
)

// news is what of a room waits to be told.
type news struct {
	people    int
	questions map[string]bool
	polls     map[string]bool
	next      time.Time // not before
}

// voted notes that somebody has voted on a question or in a poll.
func (s *Service) voted(room besedka.RoomID, people int, question, poll string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.rooms[room]
	if n == nil {
		n = &news{questions: map[string]bool{}, polls: map[string]bool{}}
		s.rooms[room] = n
	}
	n.people = people
	if question != "" {
		n.questions[question] = true
	}
	if poll != "" {
		n.polls[poll] = true
	}
}

// due takes what is to be told now, and forgets rooms in which nothing happens.
func (s *Service) due(now time.Time) map[besedka.RoomID]news {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := map[besedka.RoomID]news{}
	for room, n := range s.rooms {
		switch {
		case now.Before(n.next):
		case len(n.questions)+len(n.polls) == 0:
			delete(s.rooms, room)
		default:
			list[room] = *n
			wait := min(max(newsLeast, time.Duration(n.people)*newsEach), newsMost)
			s.rooms[room] = &news{people: n.people, questions: map[string]bool{}, polls: map[string]bool{}, next: now.Add(wait)}
		}
	}
	return list
}

// Run tells how votes stand until ctx is done.
func (s *Service) Run(ctx context.Context) error {
	tick := time.NewTicker(newsLeast / 4)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			s.Tell(ctx)
		}
	}
}

// Tell announces the votes that are due. Run calls it.
func (s *Service) Tell(ctx context.Context) {
	for room, n := range s.due(s.Now()) {
		if err := s.tell(ctx, room, n); err != nil && ctx.Err() == nil {
			s.Log.Warn("votes not told", "room", room, "error", err)
		}
	}
}

func (s *Service) tell(ctx context.Context, room besedka.RoomID, n news) error {
	if len(n.questions) > 0 {
		votes, err := s.votes(ctx, room, n.questions)
		if err != nil {
			return err
		}
		s.Announce.Announce(room, "question_voted", map[string]any{"votes": votes}, members)
	}
	for id := range n.polls {
		p, err := s.result(ctx, room, id)
		if err != nil {
			return err
		}
		if p.ClosedAt == nil { // otherwise poll_closed has said it
			s.Announce.Announce(room, "poll_result", map[string]any{"id": id, "options": p.Options, "voters": p.Voters}, members)
		}
	}
	return nil
}
