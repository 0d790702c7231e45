package room

import (
	"context"
	"slices"
	"strings"

	"besedka"
)

// Bounds of pings (F1).
const (
	MaxPings     = 20 // by one person into one room
	maxInvitable = 50
)

// Invitable is somebody whom the viewer may ask into the room.
type Invitable struct {
	Person Person `json:"person"`
	InRoom bool   `json:"in_room"`
	Pinged bool   `json:"pinged" doc:"Was asked into this room already, by whomever; asking again does nothing."`
}

// pings counts whom somebody has asked in, but for those picked at the opening.
func (s *State) pings(by besedka.AccountID) int {
	n := 0
	for _, p := range s.picks.rows {
		if p.Pinged && p.By == by {
			n++
		}
	}
	return n
}

// mayPing says whether the account may ask others into the room.
func (s *State) mayPing(by besedka.AccountID) error {
	if err := s.needSeat(by); err != nil {
		return err
	}
	if s.info.Kind != KindOpen && !s.roleOf(by).Moderates() {
		return ErrModeratorsOnly
	}
	return nil
}

// Invitable lists at most 50 people whom the actor may ask into the room: also
// given ids first, then those who follow the actor back, then others followed. A
// query must be in name or username.
func (s *Service) Invitable(ctx context.Context, room besedka.RoomID, a Actor, query string, also ...besedka.AccountID) ([]Invitable, error) {
	query = fold(query)
	if len([]rune(query)) > MaxQuery {
		return nil, ErrQueryInvalid.In("q")
	}
	c, err := s.find(ctx, room)
	if err != nil {
		return nil, err
	}
	if err := unknown(s.see(ctx, c, a)); err != nil {
		return nil, err
	}
	a = s.tied(ctx, a)
	account := a.Who.Account()
	c.mu.RLock()
	err = c.state.mayPing(account)
	c.mu.RUnlock()
	if err != nil {
		return nil, err
	}
	mutual, err := s.graph.Mutuals(ctx, account)
	if err != nil {
		return nil, err
	}
	ids := slices.Concat(also, mutual, s.follows.of(ctx, account))
	people := s.people.show(ctx, ids)
	seen := map[besedka.AccountID]bool{account: true}
	list := []Invitable{}
	c.mu.RLock()
	defer c.mu.RUnlock()
	unseen := c.state.unseen(a)
	for _, id := range ids {
		p := people[id]
		if len(list) == maxInvitable || seen[id] || p.Username == "" {
			continue
		}
		seen[id] = true
		if query == "" || slices.Contains(also, id) || strings.Contains(fold(p.Name), query) || strings.Contains(p.Username, query) {
			list = append(list, Invitable{Person: p, InRoom: c.state.roleOf(id) != "" && !c.state.inOverflow(id) && !unseen(id), Pinged: c.state.picks.has(id)})
		}
	}
	return list, nil
}
