package account

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"besedka"
	"besedka/db"
)

// Suspend refuses the account from now on: nobody can sign in to it, and its
// sessions and tokens are refused, on this process at once and on others within
// about a second. Nothing is deleted. rule is what was broken and facts are what
// happened; both are kept for ever. until is nil for a suspension that lasts
// until Restore. An earlier suspension is replaced. besedka.ErrNotFound when
// nobody has the username.
func (s *Service) Suspend(ctx context.Context, username, rule, facts string, until *time.Time) error {
	rule, ok := cleanText(rule, maxRule)
	if !ok || rule == "" {
		return besedka.ErrInvalid.In("rule")
	}
	if facts, ok = cleanText(facts, maxFacts); !ok || facts == "" {
		return besedka.ErrInvalid.In("facts")
	}
	if until != nil && !until.After(s.now()) {
		return besedka.ErrInvalid.In("until")
	}
	var ends sql.NullInt64
	if until != nil {
		ends = sql.NullInt64{Int64: until.UnixMilli(), Valid: true}
	}
	err := s.revoke(ctx, func(tx *db.Tx) ([]ended, error) {
		id, err := lockUsername(tx, username)
		if err != nil {
			return nil, err
		}
		if err := lift(tx, id); err != nil {
			return nil, err
		}
		_, err = tx.Exec(`INSERT INTO suspensions (id, account_id, rule, facts, began_at, ends_at) VALUES ($1, $2, $3, $4, $5, $6)`,
			besedka.NewID(s.random), string(id), rule, facts, tx.Millis(), ends)
		if err != nil {
			return nil, err
		}
		f, err := tx.Publish(revocations, factSuspended, []besedka.ParticipantID{}, ended{Participant: id.Participant()})
		if err != nil {
			return nil, err
		}
		gone, err := live(tx, id)
		if len(gone) > 0 {
			gone[0].seq = f.Seq // one fact for all of them
		}
		return gone, err
	})
	if err != nil {
		return fmt.Errorf("suspend %s: %w", username, err)
	}
	return nil
}

// Restore lifts the suspension, if there is one: the account is as it was,
// with its sessions that have not ended meanwhile.
func (s *Service) Restore(ctx context.Context, username string) error {
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		id, err := lockUsername(tx, username)
		if err != nil {
			return err
		}
		return lift(tx, id)
	})
	if err != nil {
		return fmt.Errorf("restore %s: %w", username, err)
	}
	return nil
}

// lockUsername gives the account with the username, whose row nobody else
// changes until the transaction ends.
func lockUsername(tx *db.Tx, username string) (besedka.AccountID, error) {
	var id besedka.AccountID
	err := tx.QueryRow(`SELECT id FROM accounts WHERE username = $1`+tx.ForUpdate(), username).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return "", besedka.ErrNotFound
	}
	return id, err
}

func lift(tx *db.Tx, account besedka.AccountID) error {
	_, err := tx.Exec(`UPDATE suspensions SET lifted_at = $2 WHERE account_id = $1 AND lifted_at IS NULL`, string(account), tx.Millis())
	return err
}

func isSuspended(tx *db.Tx, account besedka.AccountID) (bool, error) {
	var n int
	err := tx.QueryRow(`SELECT COUNT(*) FROM suspensions WHERE account_id = $1 AND lifted_at IS NULL AND (ends_at IS NULL OR ends_at > $2)`,
		string(account), tx.Millis()).Scan(&n)
	return n > 0, err
}
