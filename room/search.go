package room

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"besedka"
)

// Bounds of looking for people in a room (C9).
const (
	peoplePage = 50
	MaxQuery   = 60 // runes
)

// PeoplePage is a part of the list of everybody in a room.
type PeoplePage struct {
	People []Participant `json:"people"`
	Next   *string       `json:"next" doc:"Hand it back as after for the next page; null at the end."`
}

// Find lists those in the room whom people see, in the order of faces that is
// the same for everybody, 50 at a time. With a query it lists those whose name
// or username holds it. Who comes and goes meanwhile may be listed twice, or
// not. Only those who may see the room may ask, and guests may not.
func (s *Service) Find(ctx context.Context, room besedka.RoomID, a Actor, query, after string) (*PeoplePage, error) {
	query = fold(query)
	if utf8.RuneCountInString(query) > MaxQuery || !utf8.ValidString(query) {
		return nil, ErrQueryInvalid.In("q")
	}
	c, crowd, err := s.visit(ctx, room, a)
	if err != nil {
		return nil, err
	}
	a = s.tied(ctx, a)
	c.mu.RLock()
	all := c.state.faces(a, crowd.order)
	c.mu.RUnlock()
	from, err := cursorPlace(after, all)
	if err != nil {
		return nil, err
	}
	page, next := s.match(ctx, all, from, query)
	p := &PeoplePage{People: c.people(page, crowd)}
	if next < len(all) {
		text := strconv.Itoa(next) + "." + string(all[next])
		p.Next = &text
	}
	s.nameParticipants(ctx, p.People)
	return p, nil
}

// visit gives the room and who is in it to a member who may see it. To somebody
// removed it is not there.
func (s *Service) visit(ctx context.Context, room besedka.RoomID, a Actor) (*conversation, *crowd, error) {
	c, err := s.find(ctx, room)
	if err != nil {
		return nil, nil, err
	}
	if err := unknown(s.see(ctx, c, a)); err != nil {
		return nil, nil, err
	}
	if a.Who.IsGuest() {
		return nil, nil, ErrGuestsListen
	}
	return c, s.crowdOf(ctx, c), nil
}

// faces are the stage, and whom of an audience the actor is shown.
func (s *State) faces(a Actor, audience []besedka.AccountID) []besedka.AccountID {
	list := s.stageOrder()
	for _, account := range audience {
		if s.listed(account) {
			list = append(list, account)
		}
	}
	return slices.DeleteFunc(list, s.unseen(a))
}

// people are the accounts as participants, without who has left or is not shown.
func (c *conversation) people(accounts []besedka.AccountID, w *crowd) []Participant {
	c.mu.RLock()
	defer c.mu.RUnlock()
	list := make([]Participant, 0, len(accounts))
	for _, account := range accounts {
		if c.state.roleOf(account).OnStage() || c.state.listed(account) {
			list = append(list, c.state.participant(account, w))
		}
	}
	return list
}

// match gives the first page of those from a place on whom the query fits, and
// the place after it. It looks at names that are known; those of a page without
// a query are asked for later.
func (s *Service) match(ctx context.Context, all []besedka.AccountID, from int, query string) (page []besedka.AccountID, next int) {
	if query == "" {
		next = min(from+peoplePage, len(all))
		return all[from:next], next
	}
	const portion = 1000
	for next = from; next < len(all); {
		some := all[next:min(next+portion, len(all))]
		people := s.people.show(ctx, some)
		for _, account := range some {
			if len(page) == peoplePage {
				return page, next
			}
			next++
			if p := people[account]; strings.Contains(fold(p.Name), query) || strings.Contains(p.Username, query) {
				page = append(page, account)
			}
		}
	}
	return page, next
}

// cursorPlace finds where a page begins: where the one stands who was next, or
// else at the place where they stood.
func cursorPlace(after string, all []besedka.AccountID) (int, error) {
	if after == "" {
		return 0, nil
	}
	number, account, ok := strings.Cut(after, ".")
	place, err := strconv.Atoi(number)
	if !ok || err != nil || place < 0 || len(after) > 96 {
		return 0, ErrQueryInvalid.In("after")
	}
	if now := slices.Index(all, besedka.AccountID(account)); now >= 0 {
		return now, nil
	}
	return min(place, len(all)), nil
}

// fold makes text fit for comparing: people write е for ё, and in any case.
func fold(text string) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimSpace(text)), "ё", "е")
}

func (s *Service) nameParticipants(ctx context.Context, list []Participant) {
	ids := make([]besedka.AccountID, 0, len(list))
	for i := range list {
		ids = append(ids, list[i].Account)
	}
	people := s.people.show(ctx, ids)
	for i := range list {
		p := &list[i]
		who := people[p.Account]
		p.Username, p.Name, p.Photo = who.Username, who.Name, who.Photo
	}
}
