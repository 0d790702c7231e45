package social

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"besedka"
	"besedka/db"
)

// Bell says how much somebody wants to be told of somebody they follow.
type Bell string

// The settings of a bell.
const (
	BellAlways    Bell = "always"
	BellSometimes Bell = "sometimes" // until they choose
	BellNever     Bell = "never"
)

// Edge is what is between two accounts, as the first may see it.
type Edge struct {
	Followed  bool // by the first
	FollowsMe bool
	Bell      Bell // BellSometimes where nobody is followed
	Blocked   bool // by the first
	BlockedBy bool
}

// SetBell sets the bell of by for target, whom it must follow: ErrNotFollowed.
func (s *Service) SetBell(ctx context.Context, by, target besedka.AccountID, bell Bell) error {
	switch bell {
	case BellAlways, BellSometimes, BellNever:
	default:
		return ErrBellInvalid
	}
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		set, err := tx.Exec(`UPDATE follows SET bell = $3 WHERE follower_id = $1 AND followed_id = $2`, string(by), string(target), string(bell))
		if err == nil && set == 0 {
			return ErrNotFollowed
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("set bell: %w", err)
	}
	return nil
}

// Between gives what is between me and the other.
func (s *Service) Between(ctx context.Context, me, other besedka.AccountID) (Edge, error) {
	var e Edge
	err := s.db.Read(ctx, func(tx *db.Tx) error {
		e = Edge{Bell: BellSometimes}
		err := tx.QueryRow(`SELECT bell FROM follows WHERE follower_id = $1 AND followed_id = $2`, string(me), string(other)).Scan(&e.Bell)
		e.Followed = err == nil
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		return tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM follows WHERE follower_id = $2 AND followed_id = $1),
			EXISTS (SELECT 1 FROM blocks WHERE blocker_id = $1 AND blocked_id = $2),
			EXISTS (SELECT 1 FROM blocks WHERE blocker_id = $2 AND blocked_id = $1)`, string(me), string(other)).
			Scan(&e.FollowsMe, &e.Blocked, &e.BlockedBy)
	})
	if err != nil {
		return Edge{}, fmt.Errorf("ask the graph: %w", err)
	}
	return e, nil
}
