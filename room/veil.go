package room

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"besedka"
)

// Whom somebody is not shown in a room, because they are blocked by them (K1):
// neither lists nor counts nor events have these people. Where one of them did
// something that stays, as a pin does, it is not said who.

// blockedBy says whether the account blocks the actor.
func (a Actor) blockedBy(account besedka.AccountID) bool {
	return a.ties != nil && a.ties.blockers[account]
}

// unseen says whom the actor is not shown: people who block them.
func (s *State) unseen(a Actor) func(besedka.AccountID) bool {
	if a.ties == nil || len(a.ties.blockers) == 0 || s.Role(a.Who).Moderates() {
		return func(besedka.AccountID) bool { return false }
	}
	return a.blockedBy
}

// unseenIn is unseen for who is not known to be tied.
func (s *Service) unseenIn(ctx context.Context, room besedka.RoomID, a Actor) func(besedka.AccountID) bool {
	a = s.tied(ctx, a)
	c := s.known(room)
	if c == nil {
		return a.blockedBy
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.state.unseen(a)
}

// veil takes out of a view whom its viewer is not shown, and says whom on stage
// the viewer blocks.
func (s *State) veil(v *View, a Actor) {
	v.Me.BlockedOnStage = []Person{}
	if !a.isTied() {
		return
	}
	unseen := s.unseen(a)
	v.Participants = slices.DeleteFunc(v.Participants, func(p Participant) bool {
		if !unseen(p.Account) {
			return false
		}
		if !p.Role.OnStage() {
			v.AudienceShown--
		}
		return true
	})
	v.Counts = s.lessUnseen(v.Counts, a)
	if v.Timer != nil && unseen(v.Timer.Account) {
		v.Timer = nil
	}
	if asked := v.AttributionChange; asked != nil {
		asked.Agreed, asked.Waiting = slices.DeleteFunc(asked.Agreed, unseen), slices.DeleteFunc(asked.Waiting, unseen)
	}
	for _, p := range v.single() {
		if p != &v.Host && unseen(p.ID) {
			*p = Person{}
		}
	}
	for _, account := range s.onStage() {
		if a.blocks(account) {
			v.Me.BlockedOnStage = append(v.Me.BlockedOnStage, Person{ID: account})
		}
	}
}

// lessUnseen are the counts of a room without those whom the actor is not shown.
func (s *State) lessUnseen(c Counts, a Actor) Counts {
	if a.ties == nil {
		return c
	}
	unseen := s.unseen(a)
	for account := range a.ties.blockers {
		switch role := s.roleOf(account); {
		case role == "" || s.inOverflow(account) || !unseen(account):
		case role.OnStage():
			c.All, c.OnStage = c.All-1, c.OnStage-1
		default:
			c.All, c.Audience = c.All-1, c.Audience-1
		}
	}
	return c
}

// veilCard does for a card what veil does for a view.
func (s *State) veilCard(card *Card, a Actor) {
	if !a.isTied() {
		return
	}
	card.BlockedOnStage = slices.ContainsFunc(s.onStage(), a.blocks)
	unseen := s.unseen(a)
	card.Faces = slices.DeleteFunc(card.Faces, func(f Face) bool { return unseen(f.Account) })
	for account := range a.ties.blockers {
		if role := s.roleOf(account); role != "" && unseen(account) {
			card.Counts.All--
			card.Counts.OnStage -= int(bit(role.OnStage()))
		}
	}
}

// Unseen says whom readers of the room are not shown of the accounts that one of
// its events names: nil for nobody, as nearly always, else whom for each reader.
// Blocks made by this process count at once, by another within a minute.
func (s *Service) Unseen(ctx context.Context, room besedka.RoomID, named []besedka.AccountID) func(reader besedka.ParticipantID) []besedka.AccountID {
	blocking := s.blocks.of(ctx, named...)
	for account, t := range blocking {
		if len(t.blocked) == 0 {
			delete(blocking, account)
		}
	}
	c := s.known(room)
	if len(blocking) == 0 || c == nil {
		return nil
	}
	c.mu.RLock()
	moderators := c.state.moderators()
	c.mu.RUnlock()
	return func(reader besedka.ParticipantID) (unseen []besedka.AccountID) {
		account := reader.Account()
		if account == "" || slices.Contains(moderators, account) {
			return nil
		}
		for other, t := range blocking {
			if t.blocked[account] {
				unseen = append(unseen, other)
			}
		}
		return unseen
	}
}

// veiled are those who look at a room and whom somebody anywhere blocks: its
// counts may be others for them.
type veiled struct {
	mu  sync.Mutex
	set map[besedka.AccountID]struct{}
}

// maxVeiled bounds them; more are told the counts that they see only when they look.
const maxVeiled = 10_000

// note remembers whether the actor, who looks, is one of them.
func (v *veiled) note(a Actor) {
	account := a.Who.Account()
	if account == "" {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case a.ties == nil || len(a.ties.blockers) == 0:
		delete(v.set, account)
	case len(v.set) < maxVeiled:
		if v.set == nil {
			v.set = map[besedka.AccountID]struct{}{}
		}
		v.set[account] = struct{}{}
	}
}

// list gives them; nil for nobody, as nearly always.
func (v *veiled) list() (accounts []besedka.AccountID) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for account := range v.set {
		accounts = append(accounts, account)
	}
	return accounts
}

// tellCounts tells the room how many are in it: everybody how many they see.
func (s *Service) tellCounts(c *conversation, counts Counts) {
	tell := func(key string, counts Counts, to []besedka.ParticipantID) {
		s.announce.AnnounceLatest(c.id, "participants_changed", key,
			fields{"counts": counts, "refetch_after_ms": counts.refetchAfter().Milliseconds()}, to)
	}
	looking := c.veiled.list()
	if looking == nil {
		tell("", counts, nil)
		return
	}
	less := map[Counts][]besedka.ParticipantID{}
	var others []besedka.ParticipantID
	ties := s.blocks.of(context.Background(), looking...)
	c.mu.RLock()
	for _, account := range looking {
		seen := c.state.lessUnseen(counts, Actor{Who: account.Participant(), ties: ties[account]})
		if seen != counts {
			less[seen] = append(less[seen], account.Participant())
			others = append(others, besedka.Except(account.Participant()))
		}
	}
	c.mu.RUnlock()
	tell("", counts, others)
	for seen, to := range less {
		tell(fmt.Sprint(counts.All-seen.All, counts.OnStage-seen.OnStage), seen, to)
	}
}

// showAnew has two who sit in one room look at it again, because one of them
// blocks the other from now on, or no longer.
func (s *Service) showAnew(ctx context.Context, by, target besedka.AccountID) {
	one, seated := s.index.find(by.Participant())
	other, too := s.index.find(target.Participant())
	c := s.known(one.room)
	if !seated || !too || one.room != other.room || c == nil {
		return
	}
	c.veiled.note(s.tied(ctx, Actor{Who: target.Participant()}))
	c.mu.RLock()
	counts := c.state.counts()
	c.mu.RUnlock()
	s.tellCounts(c, counts)
}
