package room

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"besedka"
)

// Blocking (K1, K3). Nobody finds a room that is hosted or moderated by somebody
// who blocks them, and who sits in one when they are blocked leaves it. Somebody
// who blocks and merely speaks, or listens, in a room keeps nobody out of it: the
// blocked do not see them in any list, and come on stage beside them only when a
// moderator who has been told decides so. Moderators see everybody in their room,
// and the host is at home in it, so that a block is no weapon against them. The
// blocked are told nothing.

// Bounds of warning people.
const (
	warnEvery = 10 * time.Minute
	maxWarned = 1000 // people of whom others were warned in one room
)

// tied is the actor with the blocks that concern them.
func (s *Service) tied(ctx context.Context, a Actor) Actor {
	if account := a.Who.Account(); account != "" {
		a.ties = s.blocks.of(ctx, account)[account]
	}
	return a
}

// Sure is the actor who was told that somebody on stage blocks whom they bring
// up, and who does it all the same.
func (a Actor) Sure() Actor {
	a.sure = true
	return a
}

// isTied says whether there is any block that concerns the actor.
func (a Actor) isTied() bool { return a.ties != nil && a.ties.size() > 1 }

// blocks says whether the actor blocks the account.
func (a Actor) blocks(account besedka.AccountID) bool {
	return a.ties != nil && a.ties.blocked[account]
}

// shutOut says whether the room is none for the actor, because somebody who
// hosts or moderates it blocks them. Who sits in it sits in it.
func (s *State) shutOut(a Actor) bool {
	if a.ties == nil || s.seats.has(a.Who) || a.Who == s.info.Host.Participant() {
		return false
	}
	for blocker := range a.ties.blockers {
		if blocker == s.info.Host || s.stage.rows[blocker].Role.Moderates() {
			return true
		}
	}
	return false
}

// blockedByStage counts for everybody who is blocked by people on stage how many
// of them do so, without one who knows it.
func (s *Service) blockedByStage(ctx context.Context, c *conversation, but besedka.AccountID) map[besedka.AccountID]int {
	c.mu.RLock()
	stage := c.state.onStage()
	c.mu.RUnlock()
	count := map[besedka.AccountID]int{}
	for account, t := range s.blocks.of(ctx, stage...) {
		if account == but {
			continue
		}
		for blocked := range t.blocked {
			count[blocked]++
		}
	}
	return count
}

// mark tells a moderator who would come on stage beside somebody who blocks them.
// Nobody is named.
func (s *Service) mark(ctx context.Context, c *conversation, v *View) {
	if v.Queue == nil {
		return
	}
	blocked := s.blockedByStage(ctx, c, "")
	if len(blocked) == 0 {
		return
	}
	for i := range v.Participants {
		if p := &v.Participants[i]; !p.Role.OnStage() {
			p.BlockedOnStage = blocked[p.Account]
		}
	}
	for i := range v.Queue {
		v.Queue[i].BlockedOnStage = blocked[v.Queue[i].Account]
	}
}

// unsure gives the listeners whom the actor must not bring up without being sure.
func (s *Service) unsure(ctx context.Context, room besedka.RoomID, a Actor) map[besedka.AccountID]int {
	c := s.known(room)
	if c == nil || a.sure {
		return nil
	}
	return s.blockedByStage(ctx, c, a.Who.Account())
}

// needSure refuses a moderator who brings up one of the unsure.
func (s *State) needSure(by, target besedka.AccountID, unsure map[besedka.AccountID]int) error {
	if unsure[target] > 0 && s.needModerator(by) == nil && s.roleOf(target) == besedka.RoleListener {
		return ErrBlockedOnStage
	}
	return nil
}

// pickInSilence is Pick of somebody who blocks by: it is refused when Pick would
// be, and does nothing.
func (s *State) pickInSilence(by Person, target besedka.AccountID, now time.Time) error {
	told, picked := len(s.out.facts), s.picks.has(target)
	err := s.Pick(by, target, now)
	if !picked {
		s.picks.drop(target)
	}
	s.out.facts = s.out.facts[:told]
	return err
}

// hush takes back that accounts which block the actor were asked into a new room.
func (s *State) hush(a Actor) {
	if a.ties == nil {
		return
	}
	for blocker := range a.ties.blockers {
		s.picks.drop(blocker)
	}
	s.out.facts = slices.DeleteFunc(s.out.facts, func(f fact) bool {
		return f.account != "" && a.ties.blockers[f.account]
	})
}

// warn tells those on stage who block somebody that they have come in. It is a
// courtesy: coming in does not wait for it to succeed. c.cmd must be held.
func (s *Service) warn(ctx context.Context, c *conversation, a Actor) {
	if a.ties == nil || len(a.ties.blockers) == 0 {
		return
	}
	account, now := a.Who.Account(), s.now()
	if last, ok := c.warned[account]; ok && now.Sub(last) < warnEvery {
		return
	}
	var to []besedka.ParticipantID
	c.mu.RLock()
	for _, other := range c.state.onStage() {
		if a.ties.blockers[other] {
			to = append(to, other.Participant())
		}
	}
	c.mu.RUnlock()
	if to == nil {
		return
	}
	err := s.do(ctx, c, func(st *State) error {
		st.tellOnly(to, "blocked_person_here", fields{"account": account})
		return nil
	})
	if err != nil {
		s.log.Warn("nobody is told that somebody blocked has come in", "room", c.id, "error", err)
		return
	}
	if c.warned == nil || len(c.warned) >= maxWarned {
		c.warned = map[besedka.AccountID]time.Time{}
	}
	c.warned[account] = now
}

// Blocked tells that by blocks target from now on, or no longer. When it returns,
// every answer takes account of it, and target has left the rooms that by hosts,
// or moderates above them, and shares them no more.
func (s *Service) Blocked(ctx context.Context, by, target besedka.AccountID, blocked bool) {
	s.blocks.forget(by, target)
	s.follows.forget(by)
	s.follows.forget(target)
	s.rulers.heeded(by, target, blocked)
	s.showAnew(ctx, by, target)
	if blocked {
		s.sendOut(ctx, by, target)
	}
}

// sendOut has target leave the rooms that by rules.
func (s *Service) sendOut(ctx context.Context, by, target besedka.AccountID) {
	for _, c := range s.all() {
		if c.ruledBy(by) && s.close(ctx, c, by, target) {
			s.announce.CloseParticipant(c.id, target.Participant())
		}
	}
}

func (c *conversation) ruledBy(account besedka.AccountID) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return account == c.state.info.Host || c.state.roleOf(account).Moderates()
}

// close gives up the seat of somebody whom by may not have to meet, and says
// whether there was one. Nothing more is sent to them then. What they share of the
// room is taken back.
func (s *Service) close(ctx context.Context, c *conversation, by, target besedka.AccountID) bool {
	c.lock()
	defer s.unlock(c)
	c.mu.RLock()
	place := c.state.stage.rows[target]
	seated, shares := c.state.seats.has(target.Participant()), c.state.shares.has(target)
	may := target != c.state.info.Host &&
		(by == c.state.info.Host || c.state.roleOf(by).Moderates() && (!place.Role.Moderates() || place.AppointedBy == by))
	c.mu.RUnlock()
	if !may || !seated && !shares {
		return false
	}
	now := moment(s.now())
	s.seatOnly(c, func(st *State) { st.Leave(target.Participant(), now) })
	err := s.do(ctx, c, func(st *State) error {
		if seated {
			st.tellAccount(target, "seat_closed", fields{"room": c.id})
		}
		st.shares.drop(target)
		st.Tidy(now)
		return nil
	})
	if err != nil {
		s.log.Warn("leaving a room is not written yet", "room", c.id, "error", err)
	}
	return seated
}

// rulers are those who host or moderate a room, with their blocks as far as they
// have been heeded.
type rulers struct {
	mu    sync.Mutex
	known map[besedka.AccountID]*ties
}

// heeded notes that a block of a ruler, or its end, has taken effect.
func (r *rulers) heeded(by, target besedka.AccountID, blocked bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.known[by]
	if t == nil {
		return
	}
	all := map[besedka.AccountID]bool{}
	maps.Copy(all, t.blocked)
	delete(all, target)
	if blocked {
		all[target] = true
	}
	r.known[by] = &ties{blocked: all}
}

// news takes over the blocks of all rulers and gives those that have not been
// heeded. Who begins to rule sends nobody out whom they blocked before.
func (r *rulers) news(fresh map[besedka.AccountID]*ties) map[besedka.AccountID][]besedka.AccountID {
	r.mu.Lock()
	defer r.mu.Unlock()
	var news map[besedka.AccountID][]besedka.AccountID
	before := r.known
	r.known = make(map[besedka.AccountID]*ties, len(fresh))
	for by, t := range fresh {
		was, known := before[by]
		if t == untied && known {
			t = was
		}
		r.known[by] = t
		if !known || was == t || was == untied {
			continue
		}
		for target := range t.blocked {
			if !was.blocked[target] {
				if news == nil {
					news = map[besedka.AccountID][]besedka.AccountID{}
				}
				news[by] = append(news[by], target)
			}
		}
	}
	return news
}

// heedBlocks sends out whom somebody who rules a room has blocked in another
// process, once it is known here.
func (s *Service) heedBlocks(ctx context.Context, rooms []*conversation) {
	var ruling []besedka.AccountID
	for _, c := range rooms {
		c.mu.RLock()
		if !c.state.Ended() {
			ruling = append(append(ruling, c.state.info.Host), c.state.moderators()...)
		}
		c.mu.RUnlock()
	}
	for by, targets := range s.rulers.news(s.blocks.of(ctx, ruling...)) {
		for _, target := range targets {
			s.showAnew(ctx, by, target)
			s.sendOut(ctx, by, target)
		}
	}
}

// Ref names a room.
type Ref struct {
	ID    besedka.RoomID `json:"id"`
	Title string         `json:"title"`
}

// Where says in which room the account is, if the actor may come in there and
// would see the account in it; else nil.
func (s *Service) Where(ctx context.Context, a Actor, account besedka.AccountID) *Ref {
	t, seated := s.index.find(account.Participant())
	if !seated {
		return nil
	}
	a = s.tied(ctx, a)
	c := s.known(t.room)
	if c == nil || c.sees(a, s.followedLately(ctx, c, a)) != nil {
		return nil
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.state.roleOf(account) == "" || c.state.inOverflow(account) || c.state.unseen(a)(account) {
		return nil
	}
	return &Ref{c.id, c.state.info.Title}
}
