package room

import (
	"cmp"
	"context"
	"slices"

	"besedka"
)

// Asked lists who has asked something in the room in writing, in the chat or
// among the questions.
type Asked func(ctx context.Context, room besedka.RoomID) ([]besedka.AccountID, error)

const maxSuggested = 30

// Why somebody is suggested.
const (
	WhyAsked      = "asked_in_chat"
	WhyFollowed   = "followed_by_speakers"
	WhyNeverSpoke = "never_spoke"
)

// Suggestion is somebody in the audience whom a moderator may want to bring up.
type Suggestion struct {
	Person Person   `json:"person"`
	Why    []string `json:"why" doc:"asked_in_chat, followed_by_speakers, never_spoke: at least one of them."`
}

// SuggestedSpeakers lists people in the audience who might be brought up (E8):
// first who asked in writing, then whom speakers follow, then who has never
// spoken in the room. Whose hand is up, or who is invited, is not among them.
// For moderators.
func (s *Service) SuggestedSpeakers(ctx context.Context, room besedka.RoomID, a Actor) ([]Suggestion, error) {
	c, err := s.find(ctx, room)
	if err != nil {
		return nil, err
	}
	if err := s.see(ctx, c, a); err != nil {
		return nil, err
	}
	if a.Who.IsGuest() {
		return nil, ErrGuestsListen
	}
	c.mu.RLock()
	err = c.state.needModerator(a.Who.Account())
	c.mu.RUnlock()
	if err != nil {
		return nil, err
	}
	asked := s.askedIn(ctx, room)
	crowd := s.crowdOf(ctx, c)
	c.mu.RLock()
	list := c.state.suggest(crowd, asked)
	c.mu.RUnlock()
	ids := make([]besedka.AccountID, 0, len(list))
	for _, x := range list {
		ids = append(ids, x.Person.ID)
	}
	people := s.people.show(ctx, ids)
	for i := range list {
		list[i].Person = people[list[i].Person.ID]
	}
	return list, nil
}

// askedIn is who asked in writing; a list without them is better than none.
func (s *Service) askedIn(ctx context.Context, room besedka.RoomID) map[besedka.AccountID]bool {
	if s.asked == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	list, err := s.asked(ctx, room)
	if err != nil {
		s.log.Warn("who asked is not found", "room", room, "error", err)
	}
	asked := make(map[besedka.AccountID]bool, len(list))
	for _, account := range list {
		asked[account] = true
	}
	return asked
}

func (s *State) suggest(crowd *crowd, asked map[besedka.AccountID]bool) []Suggestion {
	list := []Suggestion{}
	for _, account := range crowd.order {
		if s.roleOf(account) != besedka.RoleListener || s.hands.has(account) || s.invited.has(account) {
			continue
		}
		var why []string
		if asked[account] {
			why = append(why, WhyAsked)
		}
		if crowd.followed[account] {
			why = append(why, WhyFollowed)
		}
		if !s.spoken(account) {
			why = append(why, WhyNeverSpoke)
		}
		if why != nil {
			list = append(list, Suggestion{Person: Person{ID: account}, Why: why})
		}
	}
	reasons := []string{WhyAsked, WhyFollowed, WhyNeverSpoke}
	slices.SortStableFunc(list, func(a, b Suggestion) int { // by the best reason, then by how many there are
		return cmp.Or(slices.Index(reasons, a.Why[0])-slices.Index(reasons, b.Why[0]), len(b.Why)-len(a.Why))
	})
	return list[:min(len(list), maxSuggested)]
}
