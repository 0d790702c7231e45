package account

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"besedka"
	"besedka/db"
)

// unknownAccount is counted against where an account does not exist, so that
// the same is written, and takes as long, as where one does.
const unknownAccount = "-"

// placeLife is how long a place stays known after the last sign-in from it.
const placeLife = 180 * 24 * time.Hour

// placesAtMost is how many places are known for one account.
const placesAtMost = 50

// SignIn is what somebody sends to sign in.
type SignIn struct {
	Username  string // in any case
	Password  string
	UserAgent string
	Address   string // where the request comes from
}

// SignIn checks username and passphrase and makes a session; token is its
// secret. ErrCredentialsInvalid says no more than that the two do not fit.
// ErrTooManyAttempts (with RetryAfter) comes after too many failures on one
// username or from one network, whether the account exists or not; a place from
// which the account was signed in to before has a count of its own. ErrSuspended
// is told to who knows the passphrase only. ErrBusy when too many sign in at once.
func (s *Service) SignIn(ctx context.Context, in SignIn) (a Account, token string, err error) {
	if err := s.allowNetwork(in.Address); err != nil {
		return a, "", err
	}
	username := strings.ToLower(strings.TrimSpace(in.Username))
	if !validUsername(username) || len(in.Password) > 4*maxPassword {
		username, in.Password = unknownAccount+digest(username)[:16], "" // the same work as for a name that nobody has
	}
	c, err := s.claimed(ctx, username, network(in.Address))
	if err != nil {
		return a, "", fmt.Errorf("sign in: %w", err)
	}
	key := username + " " + c.place
	if wait := s.guesses.begin(key, c.failed, s.now()); wait > 0 {
		return a, "", ErrTooManyAttempts.After(wait)
	}
	right, err := s.hasher.check(ctx, in.Password, c.hash)
	if err != nil {
		s.guesses.cancel(key)
		return a, "", fmt.Errorf("sign in: %w", err)
	}
	if !right {
		s.places.fail(network(in.Address), s.now())
		if err := s.writeFailure(ctx, c); err != nil {
			return a, "", fmt.Errorf("sign in: %w", err)
		}
		return a, "", ErrCredentialsInvalid
	}
	s.guesses.succeed(key)
	a, token, err = s.enter(ctx, c, in)
	if err != nil {
		return Account{}, "", fmt.Errorf("sign in: %w", err)
	}
	return a, token, nil
}

// claim is the account that somebody says is theirs.
type claim struct {
	id     besedka.AccountID // unknownAccount when it does not exist
	hash   string            // "" when it does not exist
	place  string            // where the request comes from, if the account knows it; otherwise ""
	failed failures          // as stored for that place
}

func (s *Service) claimed(ctx context.Context, username, network string) (claim, error) {
	var c claim
	err := s.db.Read(ctx, func(tx *db.Tx) error {
		c = claim{id: unknownAccount}
		err := tx.QueryRow(`SELECT id, password FROM accounts WHERE username = $1`, username).Scan(&c.id, &c.hash)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		here := place(string(c.id), network)
		err = tx.QueryRow(`SELECT place FROM known_places WHERE account_id = $1 AND place = $2 AND last_at > $3`,
			string(c.id), here, tx.Now.Add(-placeLife).UnixMilli()).Scan(&c.place)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		var last int64
		err = tx.QueryRow(`SELECT failures, last_at FROM sign_in_failures WHERE account_id = $1 AND place = $2`,
			string(c.id), c.place).Scan(&c.failed.count, &last)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		c.failed.last = time.UnixMilli(last)
		if c.hash == "" {
			c.failed = failures{} // counted by username, in memory only
		}
		return nil
	})
	return c, err
}

// writeFailure stores a failure beside those of other processes and earlier ones.
func (s *Service) writeFailure(ctx context.Context, c claim) error {
	return s.db.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(`INSERT INTO sign_in_failures (account_id, place, failures, last_at) VALUES ($1, $2, 1, $3)
			ON CONFLICT (account_id, place) DO UPDATE SET last_at = excluded.last_at,
				failures = CASE WHEN sign_in_failures.last_at > $4 THEN sign_in_failures.failures + 1 ELSE 1 END`,
			string(c.id), c.place, tx.Millis(), tx.Now.Add(-forgetFailures).UnixMilli())
		return err
	})
}

// enter makes the session of somebody who has given the right passphrase.
func (s *Service) enter(ctx context.Context, c claim, in SignIn) (a Account, token string, err error) {
	var gone []ended
	err = s.db.Write(ctx, func(tx *db.Tx) error {
		// The lock keeps a suspension from passing us by.
		if err := tx.QueryRow(`SELECT id FROM accounts WHERE id = $1`+tx.ForUpdate(), string(c.id)).Scan(&c.id); err != nil {
			return err
		}
		if _, err := tx.Exec(`DELETE FROM sign_in_failures WHERE account_id = $1 AND place = $2`, string(c.id), c.place); err != nil {
			return err
		}
		suspended, err := isSuspended(tx, c.id)
		if err != nil {
			return err
		}
		if suspended {
			return ErrSuspended
		}
		if err := rememberPlace(tx, c.id, in.Address); err != nil {
			return err
		}
		if token, gone, err = s.mint(tx, KindSession, c.id, in.UserAgent); err != nil {
			return err
		}
		a, err = load(tx, `a.id = $1`, string(c.id))
		return err
	})
	if err != nil {
		return Account{}, "", err
	}
	s.refuse(gone)
	return a, token, nil
}

// rememberPlace makes the address one from which the account is known.
func rememberPlace(tx *db.Tx, account besedka.AccountID, address string) error {
	_, err := tx.Exec(`INSERT INTO known_places (account_id, place, last_at) VALUES ($1, $2, $3)
		ON CONFLICT (account_id, place) DO UPDATE SET last_at = excluded.last_at`,
		string(account), place(string(account), network(address)), tx.Millis())
	if err != nil {
		return fmt.Errorf("remember place: %w", err)
	}
	_, err = tx.Exec(`DELETE FROM known_places WHERE account_id = $1 AND place IN
		(SELECT place FROM known_places WHERE account_id = $1 ORDER BY last_at DESC, place LIMIT 1000 OFFSET $2)`, string(account), placesAtMost)
	if err != nil {
		return fmt.Errorf("forget old places: %w", err)
	}
	return nil
}
