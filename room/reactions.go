package room

import (
	"context"
	"slices"
	"sync"
	"time"

	"besedka"
)

// Reactions are what people show without a voice (E15). They are told to who is
// there and kept nowhere.

// Reaction is one of a few signs.
type Reaction string

// Reactions are all there are.
var Reactions = []Reaction{"clap", "heart", "laugh", "hundred", "think"}

// Bounds of reactions.
const (
	reactionsAtOnce = 5 // of one person within reactionsFor
	reactionsFor    = 5 * time.Second
	reactionsEvery  = 250 * time.Millisecond // told so often at most
	reactionsNamed  = 200                    // people in a room up to which it is said who
	reactionItems   = 100                    // of one telling, more are counted
)

// SetStageReactions says whether people on stage may react, who otherwise have
// their voice. Moderators only.
func (s *State) SetStageReactions(by besedka.AccountID, on bool) error {
	if err := s.needModerator(by); err != nil {
		return err
	}
	if on != s.info.StageReactions {
		s.info.StageReactions = on
		s.tell("stage_reactions_set", fields{"on": on, "by": by})
	}
	return nil
}

// mayReact says whether the account may show a reaction.
func (s *State) mayReact(account besedka.AccountID) error {
	if err := s.needSeat(account); err != nil {
		return err
	}
	if s.roleOf(account).OnStage() && !s.info.StageReactions {
		return ErrReactionsOff
	}
	return nil
}

// reacted is somebody's reaction that has not been told.
type reacted struct {
	Account  besedka.AccountID `json:"account"`
	Reaction Reaction          `json:"reaction"`
}

// reactions gathers the reactions of a room between two tellings.
type reactions struct {
	mu      sync.Mutex
	recent  map[besedka.AccountID][]time.Time // of the last reactionsFor
	waiting []reacted                         // at most reactionItems of them
	counts  map[Reaction]int                  // all that wait
	told    time.Time
}

// add notes a reaction, or refuses it when the person has shown too many.
func (r *reactions) add(one reacted, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	recent := slices.DeleteFunc(r.recent[one.Account], func(at time.Time) bool { return now.Sub(at) >= reactionsFor })
	if len(recent) >= reactionsAtOnce {
		r.recent[one.Account] = recent
		return ErrTooManyReactions.After(recent[0].Add(reactionsFor).Sub(now))
	}
	if r.recent == nil {
		r.recent, r.counts = map[besedka.AccountID][]time.Time{}, map[Reaction]int{}
	}
	r.recent[one.Account] = append(recent, now)
	r.counts[one.Reaction]++
	if len(r.waiting) < reactionItems {
		r.waiting = append(r.waiting, one)
	}
	return nil
}

// due takes what is to be told now to a room of so many people; nil when there is
// nothing, or it was told a moment ago. waits says whether to look again.
func (r *reactions) due(people int, now time.Time) (data fields, waits bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	total := 0
	for _, n := range r.counts {
		total += n
	}
	switch {
	case total == 0:
		for account, recent := range r.recent {
			if now.Sub(recent[len(recent)-1]) >= reactionsFor {
				delete(r.recent, account)
			}
		}
		return nil, len(r.recent) > 0
	case now.Sub(r.told) < reactionsEvery:
		return nil, true
	case people <= reactionsNamed && total == len(r.waiting):
		data = fields{"items": r.waiting}
	default:
		data = fields{"counts": r.counts}
	}
	r.waiting, r.counts, r.told = nil, map[Reaction]int{}, now
	return data, true
}

// SetStageReactions is State.SetStageReactions.
func (s *Service) SetStageReactions(ctx context.Context, room besedka.RoomID, a Actor, on bool) error {
	return s.command(ctx, room, a, func(st *State, by besedka.AccountID, _ time.Time) error {
		return st.SetStageReactions(by, on)
	})
}

// React shows a reaction of somebody in the room. Guests only listen; people on
// stage may if the room is set so.
func (s *Service) React(ctx context.Context, room besedka.RoomID, a Actor, reaction Reaction) error {
	if !slices.Contains(Reactions, reaction) {
		return ErrReactionInvalid.In("reaction")
	}
	c, err := s.find(ctx, room)
	if err != nil {
		return err
	}
	if err := s.see(ctx, c, a); err != nil {
		return err
	}
	if a.Who.IsGuest() {
		return ErrGuestsListen
	}
	account := a.Who.Account()
	c.mu.RLock()
	err = c.state.mayReact(account)
	c.mu.RUnlock()
	if err == nil {
		err = c.reactions.add(reacted{account, reaction}, s.now())
	}
	if err != nil {
		return err
	}
	s.reacting.put(c)
	s.tellReactions(c)
	return nil
}

// tellReactions tells what waits and is due.
func (s *Service) tellReactions(c *conversation) {
	c.mu.RLock()
	people := len(c.state.seats.rows)
	c.mu.RUnlock()
	if data := s.reacting.due(c, people, s.now()); data != nil {
		s.announce.Announce(c.id, "reactions", data, nil)
	}
}

// reacting are the rooms in which reactions wait, or are counted.
type reacting struct {
	mu    sync.Mutex
	rooms map[*conversation]struct{}
}

func (r *reacting) put(c *conversation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rooms == nil {
		r.rooms = map[*conversation]struct{}{}
	}
	r.rooms[c] = struct{}{}
}

// due is that of the room, which is forgotten when nothing waits. Who adds a
// reaction puts the room after it, so none is forgotten.
func (r *reacting) due(c *conversation, people int, now time.Time) fields {
	r.mu.Lock()
	defer r.mu.Unlock()
	data, waits := c.reactions.due(people, now)
	if !waits {
		delete(r.rooms, c)
	}
	return data
}

func (r *reacting) all() []*conversation {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]*conversation, 0, len(r.rooms))
	for c := range r.rooms {
		list = append(list, c)
	}
	return list
}

// runReactions tells what waits until ctx is done.
func (s *Service) runReactions(ctx context.Context) {
	tick := time.NewTicker(reactionsEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.tellAllReactions()
		}
	}
}

func (s *Service) tellAllReactions() {
	for _, c := range s.reacting.all() {
		s.tellReactions(c)
	}
}
