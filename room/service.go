package room

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"besedka"
	"besedka/db"
)

// Graph answers who follows whom.
type Graph interface {
	// FollowedByAny says whether any of by follows target.
	FollowedByAny(ctx context.Context, target besedka.AccountID, by []besedka.AccountID) (bool, error)
	// FollowedBySome says which of targets are followed by any of by.
	FollowedBySome(ctx context.Context, targets, by []besedka.AccountID) (map[besedka.AccountID]bool, error)
	// Ringing lists at most limit followers of an account who want to be told of
	// every room it opens.
	Ringing(ctx context.Context, account besedka.AccountID, limit int) ([]besedka.AccountID, error)
	// Mutuals lists whom an account follows and who follow it.
	Mutuals(ctx context.Context, account besedka.AccountID) ([]besedka.AccountID, error)
	// BlocksOf says for each of the accounts whom it blocks and who block it.
	BlocksOf(ctx context.Context, accounts []besedka.AccountID) (blocked, blockers map[besedka.AccountID][]besedka.AccountID, err error)
	// Following lists whom an account follows.
	Following(ctx context.Context, account besedka.AccountID) ([]besedka.AccountID, error)
}

// People finds the names of accounts; unknown ids are left out.
type People func(ctx context.Context, ids []besedka.AccountID) (map[besedka.AccountID]Person, error)

// Person is an account as others see it.
type Person struct {
	ID       besedka.AccountID `json:"id"`
	Username string            `json:"username"`
	Name     string            `json:"name"`
	Photo    string            `json:"photo"` // "" for none
}

// Deps is what rooms need. All of it must be given.
type Deps struct {
	DB       *db.DB
	Graph    Graph
	People   People
	Active   People // without those who are suspended
	Gate     Gate
	Airtime  Airtime
	Announce Announcer
	Now      func() time.Time
	Random   io.Reader // safe for several goroutines
	Log      *slog.Logger

	// Journal is the file that keeps removals until the database has them; "" for none.
	Journal string
	Limits  Limits // zero fields take DefaultLimits
	Asked   Asked  // nil: nobody asks in writing
}

// Service holds the open rooms of the instance. It is safe for concurrent use.
// It starts no goroutine of its own: somebody has to call Run.
type Service struct {
	rows     rows
	graph    Graph
	people   *names
	active   *names
	follows  *follows
	blocks   *blocks
	gate     Gate
	airtime  Airtime
	announce Announcer
	now      func() time.Time
	random   io.Reader
	log      *slog.Logger
	limits   Limits
	asked    Asked
	hidden   hidden
	reacting reacting
	rulers   rulers

	turns   turns
	index   index
	journal journal

	previews chan preview // of pins, for Preview

	mu    sync.RWMutex
	rooms map[besedka.RoomID]*conversation
}

// New makes the service; call Recover before serving.
func New(d Deps) *Service {
	return &Service{
		rows: store{d.DB}, graph: d.Graph, gate: d.Gate, airtime: d.Airtime, asked: d.Asked, announce: d.Announce, now: d.Now, random: d.Random, log: d.Log,
		people:  &names{find: d.People, now: d.Now, log: d.Log, known: map[besedka.AccountID]named{}},
		active:  &names{find: d.Active, now: d.Now, log: d.Log, known: map[besedka.AccountID]named{}},
		follows: &follows{graph: d.Graph, now: d.Now, log: d.Log, known: map[besedka.AccountID]followList{}},
		blocks:  &blocks{graph: d.Graph, now: d.Now, log: d.Log, known: map[besedka.AccountID]*ties{}},
		limits:  d.Limits.orDefault(),
		turns:   turns{waiting: map[besedka.ParticipantID]*turn{}},
		index:   index{seats: map[besedka.ParticipantID]sitting{}},
		rooms:   map[besedka.RoomID]*conversation{}, previews: make(chan preview, previewQueue),
		journal: journal{path: d.Journal},
	}
}

// Recover loads every open room, as at start. Who was on stage, had a hand up
// or was invited to the stage gets a seat that waits LostFor for them. Whoever was
// removed while the database was away is still removed.
func (s *Service) Recover(ctx context.Context) error {
	ids, err := s.rows.open(ctx)
	if err != nil {
		return fmt.Errorf("recover rooms: %w", err)
	}
	for _, id := range ids {
		if _, err := s.find(ctx, id); err != nil {
			return fmt.Errorf("recover rooms: %w", err)
		}
	}
	if err := s.replay(ctx); err != nil {
		return fmt.Errorf("recover rooms: %w", err)
	}
	return nil
}

// known is the room if it is in memory, or nil.
func (s *Service) known(id besedka.RoomID) *conversation {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.rooms[id]
}

// find is the room, loaded if need be. A room that has ended is found, but not kept.
func (s *Service) find(ctx context.Context, id besedka.RoomID) (*conversation, error) {
	if c := s.known(id); c != nil {
		return c, nil
	}
	if id == "" || len(id) > 64 {
		return nil, besedka.ErrNotFound
	}
	st, version, seq, err := s.rows.load(ctx, id)
	if err != nil {
		return nil, err
	}
	st.limits = s.limits
	c := newConversation(st, version, seq)
	if st.Ended() {
		return c, nil
	}
	c.lock()
	defer s.unlock(c)
	s.mu.Lock()
	if other := s.rooms[id]; other != nil {
		s.mu.Unlock()
		return other, nil
	}
	s.rooms[id] = c
	s.mu.Unlock()
	s.seatOnly(c, func(st *State) {
		st.recoverSeats(func(who besedka.ParticipantID) bool {
			_, seated := s.index.find(who)
			return seated
		}, moment(s.now()))
	})
	return c, nil
}

func (s *Service) all() []*conversation {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Collect(maps.Values(s.rooms))
}

// followed says whether a moderator on stage follows the actor, where that decides.
func (s *Service) followed(ctx context.Context, c *conversation, a Actor) (bool, error) {
	by := c.asksGraph(a)
	if len(by) == 0 {
		return false, nil
	}
	return s.graph.FollowedByAny(ctx, a.Who.Account(), by)
}

// asksGraph lists the moderators one of whom must follow the actor to let them
// in; it is empty where that does not decide.
func (c *conversation) asksGraph(a Actor) []besedka.AccountID {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if !c.state.asksGraph(a) {
		return nil
	}
	return c.state.moderators()
}

// see returns nil if the actor may see the room and it is open.
func (s *Service) see(ctx context.Context, c *conversation, a Actor) error {
	a = s.tied(ctx, a)
	followed, err := s.followed(ctx, c, a)
	if err != nil {
		return err
	}
	return c.sees(a, followed)
}

func (c *conversation) sees(a Actor, followed bool) error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	switch standing := c.state.standing(a, followed); {
	case standing == stranger:
		return besedka.ErrNotFound
	case standing == expelled:
		return ErrRemoved
	case c.state.Ended():
		return ErrEnded
	}
	return nil
}

// See returns nil if the actor may see the room now. To somebody removed it
// does not exist; ErrEnded is for those who might have seen it.
func (s *Service) See(ctx context.Context, room besedka.RoomID, a Actor) error {
	c, err := s.find(ctx, room)
	if err != nil {
		return err
	}
	return unknown(s.see(ctx, c, a))
}

// unknown hides from somebody removed that the room exists.
func unknown(err error) error {
	if errors.Is(err, ErrRemoved) {
		return besedka.ErrNotFound
	}
	return err
}

// MayAddGuest returns nil if a guest's token may be made for the room by the
// actor; an Actor who is nobody is not signed in, and is refused from where
// somebody came in who was removed.
func (s *Service) MayAddGuest(ctx context.Context, room besedka.RoomID, a Actor) error {
	c, err := s.find(ctx, room)
	if err != nil {
		return err
	}
	c.mu.RLock()
	allowed := c.state.info.GuestsAllowed
	ended := c.state.Ended()
	c.mu.RUnlock()
	switch {
	case allowed && ended:
		return ErrEnded
	case allowed && a.Who == "" && c.places.bars(a.Place):
		return ErrPlaceBarred
	case allowed && a.Who == "":
		return nil
	}
	if err := unknown(s.see(ctx, c, a)); err != nil {
		return err
	}
	if !allowed {
		return ErrGuestsNotAllowed
	}
	return nil
}

// Run sweeps once a second, and deletes once an hour what is kept of rooms that
// ended more than 30 days ago, until ctx is done.
func (s *Service) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	cleaning := time.NewTicker(pruneEvery)
	defer cleaning.Stop()
	done := make(chan struct{})
	defer func() { <-done }()
	go func() {
		defer close(done)
		s.runReactions(ctx)
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			s.Sweep(ctx)
		case <-cleaning.C:
			s.prune(ctx)
		}
	}
}

// Sweep does what the time demands: it gives up seats nobody came back to,
// takes over what another process has changed, writes what could not be written, opens rooms whose warning is over, offers rooms to heirs, ends rooms that are
// empty or have none, and forgets rooms that have ended. Run calls it.
func (s *Service) Sweep(ctx context.Context) {
	rooms := s.all()
	now := moment(s.now())
	for _, c := range rooms {
		s.expire(c, now)
		s.measure(c)
		s.tellFaces(c, now)
	}
	s.heedBlocks(ctx, rooms)
	versions := s.versions(ctx, rooms)
	for _, c := range rooms {
		if ctx.Err() != nil {
			return
		}
		if err := s.tend(ctx, c, now, versions); err != nil {
			s.log.Warn("room not tended; trying again", "room", c.id, "error", err)
			if besedka.AsError(err).Kind == besedka.Unavailable {
				return
			}
		}
	}
}

// expire gives up seats. It needs no database.
func (s *Service) expire(c *conversation, now time.Time) {
	c.mu.RLock()
	due := c.state.due(now)
	c.mu.RUnlock()
	if len(due) == 0 {
		return
	}
	c.lock()
	defer s.unlock(c)
	s.seatOnly(c, func(st *State) {
		for _, who := range st.due(now) {
			st.Leave(who, now)
		}
	})
}

// forgetAfter is how long a room that has ended is still known in memory.
const forgetAfter = time.Minute

// versions are those of the rows of all rooms; nil when they are not known now, or
// of no use.
func (s *Service) versions(ctx context.Context, rooms []*conversation) map[besedka.RoomID]int64 {
	if len(rooms) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	versions, err := s.rows.versions(ctx)
	if err != nil {
		s.log.Debug("not known what other processes have changed", "error", err)
		return nil
	}
	return versions
}

// behind says whether another process has changed the room, of which the versions
// were read after it was begun here. c.cmd must be held.
func (c *conversation) behind(versions map[besedka.RoomID]int64) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	version, open := versions[c.id]
	return versions != nil && !c.state.Ended() && (!open || version > c.version)
}

// tend does what may need the database.
func (s *Service) tend(ctx context.Context, c *conversation, now time.Time, versions map[besedka.RoomID]int64) error {
	c.mu.RLock()
	idle := !c.state.untidy() && !c.state.watches() && !c.state.overdue(now)
	untold := c.state.info.Untold && !c.state.Ended()
	forget := c.state.Ended() && now.Sub(c.state.info.EndedAt) >= forgetAfter
	c.mu.RUnlock()
	if forget {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.rooms, c.id)
		return nil
	}
	c.lock()
	defer s.unlock(c)
	if c.suspect || c.behind(versions) {
		if err := s.reload(ctx, c); err != nil {
			return err
		}
	}
	if untold {
		if err := s.tellFollowers(ctx, c); err != nil {
			return err
		}
	}
	if idle {
		return nil
	}
	return s.do(ctx, c, func(st *State) error {
		st.Tidy(now)
		st.Tick(now)
		st.Watch(now)
		return nil
	})
}

// Stats counts what is there now.
type Stats struct {
	Rooms        int
	Participants int // seats
	Guests       int // among them
	OnStage      int
	Hands        int
}

// Stats counts the open rooms and who is in them.
func (s *Service) Stats() Stats {
	var total Stats
	for _, c := range s.all() {
		c.mu.RLock()
		counts := c.state.counts()
		if !c.state.Ended() {
			total.Rooms++
		}
		total.Participants += counts.All
		total.Guests += counts.Guests
		total.OnStage += counts.OnStage
		total.Hands += len(c.state.hands.rows)
		c.mu.RUnlock()
	}
	return total
}
