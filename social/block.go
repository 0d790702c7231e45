package social

import (
	"context"
	"fmt"
	"slices"

	"besedka"
	"besedka/db"
)

// BlocksAtMost is how many accounts one account blocks.
const BlocksAtMost = 5_000

// OnBlock has f called, by whoever blocks or unblocks, after it is written and
// before they are answered. It must be called before the Service is used.
func (s *Service) OnBlock(f func(ctx context.Context, by, target besedka.AccountID, blocked bool)) {
	s.onBlock = append(s.onBlock, f)
}

// Block makes by block target: neither follows the other any more, nor can they
// until it is undone. It is no error that it is so already. Nobody is told.
// ErrBlockSelf, ErrTooManyBlocks, or besedka.ErrNotFound for an unknown target.
func (s *Service) Block(ctx context.Context, by, target besedka.AccountID) error {
	if by == target {
		return ErrBlockSelf
	}
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		if err := lockBoth(tx, by, target); err != nil {
			return err
		}
		added, err := tx.Exec(`INSERT INTO blocks (blocker_id, blocked_id, created_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
			string(by), string(target), tx.Millis())
		if err != nil || added == 0 {
			return err
		}
		var blocks int
		if err := tx.QueryRow(`SELECT COUNT(*) FROM blocks WHERE blocker_id = $1`, string(by)).Scan(&blocks); err != nil {
			return err
		}
		if blocks > BlocksAtMost {
			return ErrTooManyBlocks
		}
		_, err = tx.Exec(`DELETE FROM follows WHERE follower_id = $1 AND followed_id = $2 OR follower_id = $2 AND followed_id = $1`,
			string(by), string(target))
		return err
	})
	if err != nil {
		return fmt.Errorf("block: %w", err)
	}
	s.tell(ctx, by, target, true)
	return nil
}

// Unblock undoes Block, but for the follows; it is no error that there is nothing to undo.
func (s *Service) Unblock(ctx context.Context, by, target besedka.AccountID) error {
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(`DELETE FROM blocks WHERE blocker_id = $1 AND blocked_id = $2`, string(by), string(target))
		return err
	})
	if err != nil {
		return fmt.Errorf("unblock: %w", err)
	}
	s.tell(ctx, by, target, false)
	return nil
}

func (s *Service) tell(ctx context.Context, by, target besedka.AccountID, blocked bool) {
	for _, f := range s.onBlock {
		f(ctx, by, target, blocked)
	}
}

// lockBoth takes the rows of two accounts, always in the same order, so that no
// follow and no block between them happens meanwhile. besedka.ErrNotFound.
func lockBoth(tx *db.Tx, accounts ...besedka.AccountID) error {
	slices.Sort(accounts)
	for _, id := range accounts {
		if err := find(tx, id, tx.ForUpdate()); err != nil {
			return err
		}
	}
	return nil
}

// Blocks gives whom the account blocks, the latest first.
func (s *Service) Blocks(ctx context.Context, account besedka.AccountID) ([]besedka.AccountID, error) {
	var ids []besedka.AccountID
	err := s.db.Read(ctx, func(tx *db.Tx) error {
		ids = []besedka.AccountID{}
		return each(tx, func(id besedka.AccountID) { ids = append(ids, id) },
			`SELECT blocked_id FROM blocks WHERE blocker_id = $1 ORDER BY created_at DESC, blocked_id`, string(account))
	})
	if err != nil {
		return nil, fmt.Errorf("list blocks: %w", err)
	}
	return ids, nil
}

// BlocksOf gives for each of the accounts whom it blocks, and who block it, where
// there is anybody. The latter must not be told to anybody.
func (s *Service) BlocksOf(ctx context.Context, accounts []besedka.AccountID) (blocked, blockers map[besedka.AccountID][]besedka.AccountID, err error) {
	err = s.db.Read(ctx, func(tx *db.Tx) error {
		blocked, blockers = map[besedka.AccountID][]besedka.AccountID{}, map[besedka.AccountID][]besedka.AccountID{}
		for some := range slices.Chunk(accounts, atOnce) {
			in, args := list(nil, some)
			if err := pairs(tx, blocked, `SELECT blocker_id, blocked_id FROM blocks WHERE blocker_id IN (`+in+`)`, args); err != nil {
				return err
			}
			if err := pairs(tx, blockers, `SELECT blocked_id, blocker_id FROM blocks WHERE blocked_id IN (`+in+`)`, args); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("ask for blocks: %w", err)
	}
	return blocked, blockers, nil
}

// pairs adds the second of each row to what belongs to the first.
func pairs(tx *db.Tx, into map[besedka.AccountID][]besedka.AccountID, query string, args []any) error {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var first, second besedka.AccountID
		if err := rows.Scan(&first, &second); err != nil {
			return err
		}
		into[first] = append(into[first], second)
	}
	return rows.Err()
}
