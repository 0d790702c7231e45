// Package ask keeps what a room is asked in writing: questions with votes (F5),
// which hosts answer, and polls (F6), one at a time.
//
// Both are rows and facts of the room's topic in one transaction, as in package
// chat, and who somebody is in the room is asked of Rooms. Votes are rows too,
// one a person; how many there are now is announced to those who are connected
// here, at most once a second in a small room and less often in a large one, and
// is not kept.
//
// A question may be asked without a name, where the room allows it. Its author
// is then told to nobody: not in answers, not in facts, not in the log. When it
// is answered only the author learns that the stage is open to them, and their
// own act of coming up is what makes them known.
//
// Locks of the database are taken in this order: the room's row (by the log, and
// by what refers to it), a question or poll, its votes, the topics.
package ask

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	"besedka"
	"besedka/db"
)

// Bounds of questions and polls.
const (
	MaxQuestion     = 280 // runes
	MaxOpen         = 300 // questions of a room that are not answered
	MaxOpenOfOne    = 3   // of one person
	MaxOfOne        = 20  // ever, of one person in one room
	MaxPollQuestion = 140 // runes
	MaxOption       = 60  // runes
	MinOptions      = 2
	MaxOptions      = 6
	MaxPolls        = 50 // ever, in one room

	answeredShown = 50
	askEvery      = 5 * time.Second // one person
)

// What this package refuses, besides what Rooms does.
var (
	ErrQuestion     = besedka.NewError(besedka.Invalid, "question_invalid")
	ErrQuestionsOff = besedka.NewError(besedka.Forbidden, "questions_off")
	ErrAnonymousOff = besedka.NewError(besedka.Forbidden, "anonymous_off")
	ErrFull         = besedka.NewError(besedka.Conflict, "questions_full")
	ErrTooMany      = besedka.NewError(besedka.Conflict, "too_many_questions")
	ErrOwn          = besedka.NewError(besedka.Conflict, "own_question")
	ErrAnswered     = besedka.NewError(besedka.Conflict, "question_answered")
	ErrNotOffered   = besedka.NewError(besedka.Conflict, "question_not_offered")
	ErrPoll         = besedka.NewError(besedka.Invalid, "poll_invalid")
	ErrPollOpen     = besedka.NewError(besedka.Conflict, "poll_open")
	ErrPollClosed   = besedka.NewError(besedka.Conflict, "poll_closed")
	ErrTooManyPolls = besedka.NewError(besedka.Conflict, "too_many_polls")
)

// Rooms knows who is in a room.
type Rooms interface {
	// Inside says what an account is in the room. Its errors are for the account to
	// read: besedka.ErrNotFound for who may not know of it, and others for who was
	// removed, or comes after the end.
	Inside(ctx context.Context, room besedka.RoomID, account besedka.AccountID) (besedka.Inside, error)
	// AskUp invites target to the stage as the moderator by does; agreed means that
	// target has said yes already. It says whether target is on stage now.
	AskUp(ctx context.Context, room besedka.RoomID, by, target besedka.AccountID, agreed bool) (onStage bool, err error)
	// Ended says whether the room is over.
	Ended(ctx context.Context, room besedka.RoomID) (bool, error)
}

// Person is an account as others see it.
type Person struct {
	ID       besedka.AccountID `json:"id"`
	Username string            `json:"username"`
	Name     string            `json:"name"`
	Photo    string            `json:"photo"`
}

// Announcer tells who is connected what is true only now.
type Announcer interface {
	Announce(room besedka.RoomID, kind string, data any, to []besedka.ParticipantID)
}

// Deps is what questions and polls need. All of it must be given.
type Deps struct {
	DB       *db.DB
	Rooms    Rooms
	Announce Announcer
	People   func(ctx context.Context, ids []besedka.AccountID) (map[besedka.AccountID]Person, error) // unknown ids are left out
	// BlocksOf gives, of each of the accounts, whom it blocks and who blocks it.
	BlocksOf func(ctx context.Context, accounts []besedka.AccountID) (blocked, blockers map[besedka.AccountID][]besedka.AccountID, err error)
	// Muted returns an error for who may not write in the room's chat now.
	Muted func(ctx context.Context, room besedka.RoomID, account besedka.AccountID) error
	// Entry adds to the room's log what a moderator did. It takes the room's lock.
	Entry  func(tx *db.Tx, room besedka.RoomID, by besedka.AccountID, action string, target besedka.AccountID, detail string) error
	Now    func() time.Time
	Random io.Reader // safe for several goroutines
	Log    *slog.Logger
}

// Service keeps the questions and polls of all rooms. It is safe for concurrent use.
type Service struct {
	Deps

	mu    sync.Mutex
	rooms map[besedka.RoomID]*news
}

// New makes the service. Somebody has to call Run.
func New(d Deps) *Service { return &Service{Deps: d, rooms: map[besedka.RoomID]*news{}} }

// members is who may see what everybody in a room with an account may.
var members = []besedka.ParticipantID{besedka.Members}

// part is Inside for who takes part.
func (s *Service) part(ctx context.Context, room besedka.RoomID, account besedka.AccountID) (besedka.Inside, error) {
	in, err := s.Rooms.Inside(ctx, room, account)
	if err == nil {
		err = in.Refusal
	}
	return in, err
}

// moderator is Inside for who must moderate.
func (s *Service) moderator(ctx context.Context, room besedka.RoomID, account besedka.AccountID) error {
	in, err := s.Rooms.Inside(ctx, room, account)
	if err == nil && !in.Role.Moderates() {
		err = besedka.ErrModeratorsOnly
	}
	return err
}

// look is Inside for who only reads: to who was removed the room is not there.
func (s *Service) look(ctx context.Context, room besedka.RoomID, account besedka.AccountID) (besedka.Inside, error) {
	in, err := s.Rooms.Inside(ctx, room, account)
	var known *besedka.Error
	if errors.As(err, &known) && known.Kind == besedka.Forbidden {
		err = besedka.ErrNotFound
	}
	return in, err
}

// names finds people; who is not found has an id only.
func (s *Service) names(ctx context.Context, ids []besedka.AccountID) (func(besedka.AccountID) Person, error) {
	people, err := s.People(ctx, ids)
	return func(id besedka.AccountID) Person {
		if p, ok := people[id]; ok {
			return p
		}
		return Person{ID: id}
	}, err
}

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func moment(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
