package room

import (
	"context"
	"slices"
	"time"

	"besedka"
)

// Poster is what a link to a room may show beside it (D11).
type Poster struct {
	Title     string
	Host      Person
	Stage     []Person // the first of it, the host first
	Language  string   // "" for not said
	StartedAt time.Time
	People    int
}

const postedStage = 5

// Poster is that of an open room. The zero Actor is somebody who is not signed
// in: to them only rooms that anybody may listen to have one. It asks the
// database for names at most.
func (s *Service) Poster(ctx context.Context, room besedka.RoomID, a Actor) (*Poster, error) {
	c := s.known(room)
	if c == nil {
		return nil, besedka.ErrNotFound
	}
	a = s.tied(ctx, a)
	if a.Who != "" {
		if err := unknown(s.see(ctx, c, a)); err != nil {
			return nil, err
		}
	}
	c.mu.RLock()
	st := c.state
	public := st.info.GuestsAllowed && !st.Ended()
	p := &Poster{Title: st.info.Title, Host: Person{ID: st.info.Host}, Language: st.info.Language, StartedAt: st.info.StartedAt,
		People: len(st.seats.rows)}
	stage := slices.DeleteFunc(st.stageOrder(), st.unseen(a))
	c.mu.RUnlock()
	if a.Who == "" && !public {
		return nil, besedka.ErrNotFound
	}
	stage = stage[:min(len(stage), postedStage)]
	people := s.people.show(ctx, append(stage, p.Host.ID))
	p.Host = people[p.Host.ID]
	for _, account := range stage {
		p.Stage = append(p.Stage, people[account])
	}
	return p, nil
}
