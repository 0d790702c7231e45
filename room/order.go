package room

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"besedka"
)

// The order of faces (E2): host, moderators, speakers by their time on stage;
// then the audience followed by somebody on stage, then the others; within
// both whom the viewer follows first, then by time of entry.

// crowd is the audience of a room in the order that is the same for everybody.
// It is never changed once made.
type crowd struct {
	order    []besedka.AccountID
	place    map[besedka.AccountID]int  // in order
	followed map[besedka.AccountID]bool // by somebody on stage
	splitAt  int                        // order[:splitAt] are the followed
	lots     []uint64                   // random, of each in order; the same as long as the process lives
}

// How fresh a crowd is. Small ones are made anew for every change.
const (
	crowdEvery    = 250 * time.Millisecond // at most so often when it is large
	followedFor   = 60 * time.Second       // follow edges are asked anew
	crowdLargeAt  = 500
	followedBatch = 1000
)

// crowdCache keeps the crowd of a room between reads. mu lets one reader make it.
type crowdCache struct {
	mu      sync.Mutex
	crowd   *crowd
	change  int64
	made    time.Time
	stage   []besedka.AccountID
	asked   map[besedka.AccountID]bool // whom the graph was asked about, and its answer
	askedAt time.Time
	retryAt time.Time // the graph is not asked before

	visitorsMu sync.Mutex
	visitors   map[besedka.AccountID]bool // whom one of doors follows, for the hallway
	doors      []besedka.AccountID
	visitorsAt time.Time
}

// crowdOf is the room's audience in order.
func (s *Service) crowdOf(ctx context.Context, c *conversation) *crowd {
	k := &c.crowd
	k.mu.Lock()
	defer k.mu.Unlock()
	now := s.now()
	c.mu.RLock()
	change := c.change
	fresh := k.crowd != nil && now.Sub(k.askedAt) < followedFor &&
		(change == k.change || len(k.crowd.order) > crowdLargeAt && now.Sub(k.made) < crowdEvery)
	var stage []besedka.AccountID
	var entered map[besedka.AccountID]time.Time
	if !fresh {
		stage, entered = c.state.onStage(), c.state.audience()
	}
	c.mu.RUnlock()
	if fresh {
		return k.crowd
	}
	slices.Sort(stage)
	if !slices.Equal(stage, k.stage) || now.Sub(k.askedAt) >= followedFor {
		k.asked, k.askedAt, k.stage = map[besedka.AccountID]bool{}, now, stage
	}
	if !now.Before(k.retryAt) && !s.ask(ctx, k, entered) {
		k.retryAt = now.Add(retryAfter)
	}
	k.crowd, k.change, k.made = newCrowd(entered, k.asked), change, now
	return k.crowd
}

// ask asks the graph about those in the audience whom it was not asked about
// yet, and says whether it answered.
func (s *Service) ask(ctx context.Context, k *crowdCache, entered map[besedka.AccountID]time.Time) bool {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	maps.DeleteFunc(k.asked, func(account besedka.AccountID, _ bool) bool {
		_, here := entered[account]
		return !here
	})
	var missing []besedka.AccountID
	for account := range entered {
		if _, known := k.asked[account]; !known {
			missing = append(missing, account)
		}
	}
	if len(k.stage) == 0 {
		return true
	}
	for batch := range slices.Chunk(missing, followedBatch) {
		answer, err := s.graph.FollowedBySome(ctx, batch, k.stage)
		if err != nil {
			s.log.Warn("followed by speakers not found", "error", err)
			return false
		}
		for _, account := range batch {
			k.asked[account] = answer[account]
		}
	}
	return true
}

func newCrowd(entered map[besedka.AccountID]time.Time, followed map[besedka.AccountID]bool) *crowd {
	w := &crowd{order: slices.Collect(maps.Keys(entered)), place: make(map[besedka.AccountID]int, len(entered)),
		followed: maps.Clone(followed)}
	slices.SortFunc(w.order, func(a, b besedka.AccountID) int {
		return cmp.Or(-compareBool(w.followed[a], w.followed[b]), entered[a].Compare(entered[b]), cmp.Compare(a, b))
	})
	w.lots = make([]uint64, len(w.order))
	for i, account := range w.order {
		w.place[account], w.lots[i] = i, lot(account)
		if w.followed[account] {
			w.splitAt = i + 1
		}
	}
	return w
}

func compareBool(a, b bool) int { return int(bit(a) - bit(b)) }

// audience lists the accounts that listen, with their time of entry.
func (s *State) audience() map[besedka.AccountID]time.Time {
	entered := make(map[besedka.AccountID]time.Time, len(s.seats.rows))
	for who, seat := range s.seats.rows {
		if account := who.Account(); account != "" && !seat.Overflow && !s.stage.has(account) {
			entered[account] = seat.EnteredAt
		}
	}
	return entered
}

// stageOrder lists the stage: host, moderators, speakers.
func (s *State) stageOrder() []besedka.AccountID {
	rank := map[besedka.Role]int{besedka.RoleHost: 0, besedka.RoleModerator: 1, besedka.RoleSpeaker: 2}
	list := s.onStage()
	slices.SortStableFunc(list, func(a, b besedka.AccountID) int {
		return cmp.Compare(rank[s.stage.rows[a].Role], rank[s.stage.rows[b].Role])
	})
	return list
}
