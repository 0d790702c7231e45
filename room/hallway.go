package room

import (
	"cmp"
	"context"
	"slices"
	"time"

	"besedka"
)

// Bounds of the hallway.
const (
	maxFaces = 5
	maxCards = 200
)

// Card is a room in the hallway.
type Card struct {
	ID            besedka.RoomID `json:"id"`
	Title         string         `json:"title"`
	Kind          Kind           `json:"kind"`
	StartedAt     time.Time      `json:"started_at"`
	Host          Person         `json:"host"`
	Faces         []Face         `json:"faces"`
	Counts        CardCounts     `json:"counts"`
	GuestsAllowed bool           `json:"guests_allowed"`
	Language      string         `json:"language"`
	Attribution   Attribution    `json:"attribution"`
	SharedBy      []Shared       `json:"shared_by" doc:"Who of those I follow shows me the room, the latest first: at most three."`

	BlockedOnStage bool `json:"blocked_on_stage" doc:"Somebody whom I block is on stage."`

	friends int // whom the viewer follows: in it, or showing it
}

// Face is somebody named on a card.
type Face struct {
	Account  besedka.AccountID `json:"account"`
	Name     string            `json:"name"`
	Username string            `json:"username"`
	Photo    string            `json:"photo"`
	OnStage  bool              `json:"on_stage"`
	Role     besedka.Role      `json:"role"`
}

// CardCounts says how many are in a room: all, and on stage.
type CardCounts struct {
	All     int `json:"all"`
	OnStage int `json:"on_stage"`
}

// Hallway lists the open rooms that the account may come into: those first in
// which there are more people whom it follows, or which more of them share, then
// the newest. It writes nothing and waits for no command.
func (s *Service) Hallway(ctx context.Context, account besedka.AccountID) ([]Card, error) {
	a := s.tied(ctx, Actor{Who: account.Participant()})
	mine := s.follows.of(ctx, account)
	where, follows := map[besedka.RoomID][]besedka.AccountID{}, make(map[besedka.AccountID]bool, len(mine))
	for _, id := range mine {
		follows[id] = true
		if t, seated := s.index.find(id.Participant()); seated {
			where[t.room] = append(where[t.room], id)
		}
	}
	cards := []Card{}
	hides := s.hides(ctx, account)
	for _, c := range s.all() {
		if hides(c.id) || c.sees(a, s.followedLately(ctx, c, a)) != nil {
			continue
		}
		c.mu.RLock()
		card := c.state.card(where[c.id])
		c.state.veilCard(&card, a)
		card.SharedBy = c.state.sharedBy(a, follows)
		ended := c.state.Ended()
		c.mu.RUnlock()
		if !ended {
			cards = append(cards, card)
		}
	}
	s.dressShares(ctx, cards)
	slices.SortFunc(cards, func(a, b Card) int {
		return cmp.Or(cmp.Compare(b.friends, a.friends), b.StartedAt.Compare(a.StartedAt), cmp.Compare(a.ID, b.ID))
	})
	cards = cards[:min(len(cards), maxCards)]
	s.nameCards(ctx, cards)
	return cards, nil
}

// lately is how old the answer of the graph may be that shows a social room in
// somebody's hallway. Coming in asks anew.
const lately = 5 * time.Second

// followedLately is followed with a short memory, because everybody's hallway
// asks about every social room each time something changes.
func (s *Service) followedLately(ctx context.Context, c *conversation, a Actor) bool {
	doors := c.asksGraph(a)
	if len(doors) == 0 {
		return false
	}
	account, now, k := a.Who.Account(), s.now(), &c.crowd
	k.visitorsMu.Lock()
	if now.Sub(k.visitorsAt) >= lately || !slices.Equal(doors, k.doors) {
		k.visitors, k.doors, k.visitorsAt = map[besedka.AccountID]bool{}, doors, now
	}
	visitors := k.visitors
	follows, known := visitors[account]
	k.visitorsMu.Unlock()
	if known {
		return follows
	}
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	follows, err := s.graph.FollowedByAny(ctx, account, doors)
	if err != nil {
		s.log.Warn("social room left out of a hallway", "room", c.id, "error", err)
		follows = false
	}
	k.visitorsMu.Lock()
	defer k.visitorsMu.Unlock()
	visitors[account] = follows
	return follows
}

// card composes a room's card for somebody who follows friends, who sit in it:
// they are named first, then moderators, then the stage.
func (s *State) card(friends []besedka.AccountID) Card {
	counts := s.counts()
	card := Card{ID: s.info.ID, Title: s.info.Title, Kind: s.info.Kind, StartedAt: s.info.StartedAt,
		Host: Person{ID: s.info.Host}, Counts: CardCounts{counts.All, counts.OnStage}, GuestsAllowed: s.info.GuestsAllowed,
		Language: s.info.Language, Attribution: s.info.Attribution}
	stage := s.stageOrder()
	rank := func(account besedka.AccountID) int {
		if i := slices.Index(stage, account); i >= 0 {
			return i
		}
		return len(stage)
	}
	friends = slices.DeleteFunc(friends, func(f besedka.AccountID) bool { return s.roleOf(f) == "" || s.inOverflow(f) })
	slices.SortStableFunc(friends, func(a, b besedka.AccountID) int { return cmp.Compare(rank(a), rank(b)) })
	card.friends = len(friends)
	named := unique(append(friends[:min(len(friends), maxFaces)], stage[:min(len(stage), maxFaces)]...))
	for _, account := range named[:min(len(named), maxFaces)] {
		role := s.roleOf(account)
		card.Faces = append(card.Faces, Face{Account: account, OnStage: role.OnStage(), Role: role})
	}
	if card.Faces == nil {
		card.Faces = []Face{}
	}
	return card
}

func (s *Service) nameCards(ctx context.Context, cards []Card) {
	var ids []besedka.AccountID
	for i := range cards {
		ids = append(ids, cards[i].Host.ID)
		for _, f := range cards[i].Faces {
			ids = append(ids, f.Account)
		}
	}
	people := s.people.show(ctx, ids)
	for i := range cards {
		cards[i].Host = people[cards[i].Host.ID]
		for j := range cards[i].Faces {
			f := &cards[i].Faces[j]
			who := people[f.Account]
			f.Name, f.Username, f.Photo = who.Name, who.Username, who.Photo
		}
	}
}
