// Package chat keeps what people write in a room: its chat (F3), and the
// backchannel of those on stage (F4).
//
// A message is a row of its own and a fact of the room's topic, in one
// transaction that does not touch the room's row, so that any process may write
// one while another governs the stage. The number of that fact orders the
// messages. Who somebody is in the room, and whether they may write, is asked of
// Rooms at the moment of writing.
//
// A message that is deleted is gone: its row, and what the fact said, so that
// nobody who comes back reads it. The backchannel goes the same way within a
// minute of the room's end. People who have blocked an author are not told what
// they write; guests are told nothing, because they only listen.
//
// Locks of the database are taken in this order: the author's row, the room's (by
// the log, and by what refers to it), messages, the topic.
package chat

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"besedka"
	"besedka/db"
)

// Bounds of the chat.
const (
	MaxText  = 500    // runes of a message
	MaxPage  = 100    // messages read at once
	MaxKept  = 20_000 // messages of one room; older ones go
	MutedFor = 10 * time.Minute

	pageSize   = 50
	everyone   = time.Second // the least time between two messages of one person, whatever is set
	maxOnStage = 900         // who are told of the backchannel
	sweepEvery = 15 * time.Second
)

// What a room as a whole may write, so that a message costs all who are in it no
// more than some thousands of events a second.
const (
	roomMost   = 20.0 // messages a second
	roomLeast  = 4.0
	roomEvents = 20_000.0 // events a second
)

// What this package refuses, besides what Rooms does.
var (
	ErrText      = besedka.NewError(besedka.Invalid, "message_invalid")
	ErrOff       = besedka.NewError(besedka.Forbidden, "chat_off")
	ErrFollowers = besedka.NewError(besedka.Forbidden, "chat_followers_only")
	ErrMuted     = besedka.NewError(besedka.Forbidden, "chat_muted")
	ErrSlow      = besedka.NewError(besedka.TooMany, "slow_mode")
	ErrBusy      = besedka.NewError(besedka.TooMany, "chat_busy")
	ErrStageOnly = besedka.NewError(besedka.Forbidden, "stage_only")
)

// Rooms knows who is in a room.
type Rooms interface {
	// Inside says what an account is in the room. Its errors are for the account to
	// read: besedka.ErrNotFound for who may not know of it, and others for who was
	// removed, or comes after the end.
	Inside(ctx context.Context, room besedka.RoomID, account besedka.AccountID) (besedka.Inside, error)
	// Governs returns nil if by may act against target.
	Governs(ctx context.Context, room besedka.RoomID, by, target besedka.AccountID) error
	// Ended says whether the room is over.
	Ended(ctx context.Context, room besedka.RoomID) (bool, error)
}

// Graph knows who follows and who has blocked whom.
type Graph interface {
	// Among gives whom of among the follower follows.
	Among(ctx context.Context, follower besedka.AccountID, among []besedka.AccountID) (map[besedka.AccountID]bool, error)
	// BlocksOf gives, of each of the accounts, whom it blocks and who blocks it.
	BlocksOf(ctx context.Context, accounts []besedka.AccountID) (blocked, blockers map[besedka.AccountID][]besedka.AccountID, err error)
}

// Person is an account as others see it.
type Person struct {
	ID       besedka.AccountID `json:"id"`
	Username string            `json:"username"`
	Name     string            `json:"name"`
	Photo    string            `json:"photo"`
}

// Deps is what the chat needs. All of it must be given.
type Deps struct {
	DB     *db.DB
	Rooms  Rooms
	Graph  Graph
	People func(ctx context.Context, ids []besedka.AccountID) (map[besedka.AccountID]Person, error) // unknown ids are left out
	// Entry adds to the room's log what a moderator did. It takes the room's lock.
	Entry  func(tx *db.Tx, room besedka.RoomID, by besedka.AccountID, action string, target besedka.AccountID, detail string) error
	Now    func() time.Time
	Random io.Reader // safe for several goroutines
	Log    *slog.Logger
}

// Service keeps the messages of all rooms. It is safe for concurrent use.
type Service struct {
	Deps

	mu    sync.Mutex
	rooms map[besedka.RoomID]*budget
}

// budget is what a room may write.
type budget struct {
	limiter *rate.Limiter
	used    time.Time
}

// New makes the service. Somebody has to call Run.
func New(d Deps) *Service { return &Service{Deps: d, rooms: map[besedka.RoomID]*budget{}} }

// Run deletes the backchannels of rooms that have ended, until ctx is done.
func (s *Service) Run(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
				s.Log.Warn("backchannels not deleted; trying again", "error", err)
			}
		}
	}
}

// spend takes one message from the budget of a room with so many people.
func (s *Service) spend(room besedka.RoomID, people int) error {
	now := s.Now()
	perSecond := rate.Limit(min(roomMost, max(roomLeast, roomEvents/float64(max(people, 1)))))
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.rooms[room]
	if b == nil {
		b = &budget{limiter: rate.NewLimiter(perSecond, int(roomMost))}
		s.rooms[room] = b
	}
	b.used = now
	if b.limiter.Limit() != perSecond {
		b.limiter.SetLimitAt(now, perSecond)
	}
	r := b.limiter.ReserveN(now, 1)
	if wait := r.DelayFrom(now); wait > 0 {
		r.CancelAt(now)
		return ErrBusy.After(wait)
	}
	return nil
}

// forget drops the budgets of rooms in which nobody has written for a while.
func (s *Service) forget() {
	before := s.Now().Add(-time.Minute)
	s.mu.Lock()
	defer s.mu.Unlock()
	for room, b := range s.rooms {
		if b.used.Before(before) {
			delete(s.rooms, room)
		}
	}
}
