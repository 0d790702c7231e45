// Package social keeps who follows whom and who blocks whom: one-way edges between
// accounts, made and taken away at once and in silence.
//
// Rooms ask it in sets ("whom of these does she follow?"), so that one question
// serves a whole audience. It does not know whether an account is suspended:
// somebody who comes back finds every follower.
package social

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"besedka"
	"besedka/db"
)

// FollowsAtMost is how many accounts one account follows.
const FollowsAtMost = 10_000

// What this package refuses, besides besedka.ErrNotFound for an account that does not exist.
var (
	ErrFollowSelf     = besedka.NewError(besedka.Invalid, "follow_self")
	ErrTooManyFollows = besedka.NewError(besedka.Conflict, "too_many_follows")
	ErrNotFollowed    = besedka.NewError(besedka.Conflict, "not_followed")
	ErrBellInvalid    = besedka.NewError(besedka.Invalid, "bell_invalid").In("bell")
	ErrPageInvalid    = besedka.NewError(besedka.Invalid, "page_invalid").In("after")
	ErrBlockSelf      = besedka.NewError(besedka.Invalid, "block_self")
	ErrTooManyBlocks  = besedka.NewError(besedka.Conflict, "too_many_blocks")
	// ErrNotPossible does not say why, so that a block is not told to the blocked.
	ErrNotPossible = besedka.NewError(besedka.Forbidden, "not_possible")
)

// Service is the graph. It is safe for use by several goroutines.
type Service struct {
	db      *db.DB
	onBlock []func(ctx context.Context, by, target besedka.AccountID, blocked bool)
}

// New gives the graph in the database.
func New(d *db.DB) *Service { return &Service{db: d} }

// Counts are how many follow an account and how many it follows.
type Counts struct {
	Followers int `json:"followers"`
	Following int `json:"following"`
}

// Follow makes by follow target; it is no error that it does already.
// ErrFollowSelf, ErrTooManyFollows, ErrNotPossible where one of them blocks the
// other, or besedka.ErrNotFound for an unknown target.
func (s *Service) Follow(ctx context.Context, by, target besedka.AccountID) error {
	if by == target {
		return ErrFollowSelf
	}
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		// One's own row is the lock under which one's follows are counted, and blocked.
		if err := errors.Join(find(tx, by, tx.ForUpdate()), find(tx, target, "")); err != nil {
			return err
		}
		var blocks int
		err := tx.QueryRow(`SELECT COUNT(*) FROM blocks WHERE blocker_id = $1 AND blocked_id = $2 OR blocker_id = $2 AND blocked_id = $1`,
			string(by), string(target)).Scan(&blocks)
		if err != nil {
			return err
		}
		if blocks > 0 {
			return ErrNotPossible
		}
		added, err := tx.Exec(`INSERT INTO follows (follower_id, followed_id, created_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
			string(by), string(target), tx.Millis())
		if err != nil || added == 0 {
			return err
		}
		var follows int
		if err := tx.QueryRow(`SELECT COUNT(*) FROM follows WHERE follower_id = $1`, string(by)).Scan(&follows); err != nil {
			return err
		}
		if follows > FollowsAtMost {
			return ErrTooManyFollows
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("follow: %w", err)
	}
	return nil
}

// find is besedka.ErrNotFound for an account that does not exist, whose row it may lock.
func find(tx *db.Tx, account besedka.AccountID, lock string) error {
	var id string
	err := tx.QueryRow(`SELECT id FROM accounts WHERE id = $1`+lock, string(account)).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return besedka.ErrNotFound
	}
	return err
}

// Unfollow undoes Follow; it is no error that there is nothing to undo.
func (s *Service) Unfollow(ctx context.Context, by, target besedka.AccountID) error {
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(`DELETE FROM follows WHERE follower_id = $1 AND followed_id = $2`, string(by), string(target))
		return err
	})
	if err != nil {
		return fmt.Errorf("unfollow: %w", err)
	}
	return nil
}

// Counts gives how many follow the account and how many it follows.
func (s *Service) Counts(ctx context.Context, account besedka.AccountID) (Counts, error) {
	var c Counts
	err := s.db.Read(ctx, func(tx *db.Tx) error {
		return tx.QueryRow(`SELECT (SELECT COUNT(*) FROM follows WHERE followed_id = $1), (SELECT COUNT(*) FROM follows WHERE follower_id = $1)`,
			string(account)).Scan(&c.Followers, &c.Following)
	})
	if err != nil {
		return Counts{}, fmt.Errorf("count follows: %w", err)
	}
	return c, nil
}

// Follows says whether by follows target.
func (s *Service) Follows(ctx context.Context, by, target besedka.AccountID) (bool, error) {
	return s.FollowedByAny(ctx, target, []besedka.AccountID{by})
}

// Following gives whom the account follows, the latest first.
func (s *Service) Following(ctx context.Context, account besedka.AccountID) ([]besedka.AccountID, error) {
	var ids []besedka.AccountID
	err := s.db.Read(ctx, func(tx *db.Tx) error {
		ids = []besedka.AccountID{}
		return each(tx, func(id besedka.AccountID) { ids = append(ids, id) },
			`SELECT followed_id FROM follows WHERE follower_id = $1 ORDER BY created_at DESC, followed_id LIMIT $2`, string(account), FollowsAtMost)
	})
	if err != nil {
		return nil, fmt.Errorf("list follows: %w", err)
	}
	return ids, nil
}

// Mutuals gives whom the account follows and who follow it, the latest followed
// first.
func (s *Service) Mutuals(ctx context.Context, account besedka.AccountID) ([]besedka.AccountID, error) {
	var ids []besedka.AccountID
	err := s.db.Read(ctx, func(tx *db.Tx) error {
		ids = []besedka.AccountID{}
		return each(tx, func(id besedka.AccountID) { ids = append(ids, id) },
			`SELECT mine.followed_id FROM follows mine JOIN follows theirs
				ON theirs.follower_id = mine.followed_id AND theirs.followed_id = mine.follower_id
				WHERE mine.follower_id = $1 ORDER BY mine.created_at DESC, mine.followed_id LIMIT $2`, string(account), FollowsAtMost)
	})
	if err != nil {
		return nil, fmt.Errorf("list mutual follows: %w", err)
	}
	return ids, nil
}

// FollowedByAny says whether any of by follows target.
func (s *Service) FollowedByAny(ctx context.Context, target besedka.AccountID, by []besedka.AccountID) (bool, error) {
	some, err := s.FollowedBySome(ctx, []besedka.AccountID{target}, by)
	return some[target], err
}

// Among gives whom of among the follower follows: those, and only those, are in the map.
func (s *Service) Among(ctx context.Context, follower besedka.AccountID, among []besedka.AccountID) (map[besedka.AccountID]bool, error) {
	return s.FollowedBySome(ctx, among, []besedka.AccountID{follower})
}

// FollowedBySome gives which of the targets at least one of by follows: those,
// and only those, are in the map.
func (s *Service) FollowedBySome(ctx context.Context, targets, by []besedka.AccountID) (map[besedka.AccountID]bool, error) {
	followed := map[besedka.AccountID]bool{}
	if len(targets) == 0 || len(by) == 0 {
		return followed, nil
	}
	ask := lookUp
	if len(by) <= len(targets) && len(by)*len(targets) > lookUpsAtMost {
		ask = scan
	}
	err := s.db.Read(ctx, func(tx *db.Tx) error {
		clear(followed)
		return ask(tx, followed, targets, by)
	})
	if err != nil {
		return nil, fmt.Errorf("ask the graph: %w", err)
	}
	return followed, nil
}

const (
	// atOnce is how many ids of a set one query names.
	atOnce = 400
	// lookUpsAtMost is up to how many pairs are cheaper to look up than all
	// edges of the askers are to read, of which each has some hundreds.
	lookUpsAtMost = 2000
)

// lookUp asks for each pair of a target and an asker.
func lookUp(tx *db.Tx, followed map[besedka.AccountID]bool, targets, by []besedka.AccountID) error {
	for t := range slices.Chunk(targets, atOnce) {
		for b := range slices.Chunk(by, atOnce) {
			in, args := list(nil, t)
			of, args := list(args, b)
			err := each(tx, func(id besedka.AccountID) { followed[id] = true },
				`SELECT DISTINCT followed_id FROM follows WHERE followed_id IN (`+in+`) AND follower_id IN (`+of+`)`, args...)
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// scan reads everybody whom the askers follow and picks the targets.
func scan(tx *db.Tx, followed map[besedka.AccountID]bool, targets, by []besedka.AccountID) error {
	wanted := make(map[besedka.AccountID]bool, len(targets))
	for _, id := range targets {
		wanted[id] = true
	}
	for b := range slices.Chunk(by, atOnce) {
		of, args := list(nil, b)
		err := each(tx, func(id besedka.AccountID) {
			if wanted[id] {
				followed[id] = true
			}
		}, `SELECT DISTINCT followed_id FROM follows WHERE follower_id IN (`+of+`)`, args...)
		if err != nil {
			return err
		}
	}
	return nil
}

// list adds the ids to the arguments and gives the places for them, "$1, $2".
func list(args []any, ids []besedka.AccountID) (string, []any) {
	places := make([]string, len(ids))
	for i, id := range ids {
		args = append(args, string(id))
		places[i] = fmt.Sprintf("$%d", len(args))
	}
	return strings.Join(places, ", "), args
}

func each(tx *db.Tx, f func(besedka.AccountID), query string, args ...any) error {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id besedka.AccountID
		if err := rows.Scan(&id); err != nil {
			return err
		}
		f(id)
	}
	return rows.Err()
}
