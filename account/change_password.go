package account

import (
	"context"
	"fmt"

	"besedka"
	"besedka/db"
)

// PasswordChange is what somebody who is signed in sends to change their passphrase.
type PasswordChange struct {
	Account    besedka.AccountID
	Credential besedka.CredentialID // signed in with; the only session that stays
	Current    string
	Password   string // the new one
	Address    string // where the request comes from
}

// ChangePassword gives the account another passphrase and ends every other
// session of it; bearer tokens, which the operator made, stay. ErrPasswordWrong
// (after the same work as for the right one) when the current one does not fit;
// attempts are throttled as those to sign in, by account. The OnRevoke hooks
// have been called when it returns.
func (s *Service) ChangePassword(ctx context.Context, in PasswordChange) error {
	if err := s.allowNetwork(in.Address); err != nil {
		return err
	}
	a, err := s.Account(ctx, in.Account)
	if err != nil {
		return fmt.Errorf("change passphrase: %w", err)
	}
	if err := checkPassword(in.Password, a.Username, a.Name); err != nil {
		return err
	}
	if err := s.checkCurrent(ctx, in); err != nil {
		return err
	}
	hash, err := s.hasher.hash(ctx, in.Password)
	if err != nil {
		return fmt.Errorf("change passphrase: %w", err)
	}
	return s.revoke(ctx, func(tx *db.Tx) ([]ended, error) {
		if _, err := tx.Exec(`UPDATE accounts SET password = $2 WHERE id = $1`, string(in.Account), hash); err != nil {
			return nil, err
		}
		if _, err := tx.Exec(`DELETE FROM sign_in_failures WHERE account_id = $1`, string(in.Account)); err != nil {
			return nil, err
		}
		return endSessions(tx, in.Account, in.Credential)
	})
}

// checkCurrent returns nil when the current passphrase is right.
func (s *Service) checkCurrent(ctx context.Context, in PasswordChange) error {
	var kept string
	err := s.db.Read(ctx, func(tx *db.Tx) error {
		return tx.QueryRow(`SELECT password FROM accounts WHERE id = $1`, string(in.Account)).Scan(&kept)
	})
	if err != nil {
		return fmt.Errorf("change passphrase: %w", err)
	}
	if len(in.Current) > 4*maxPassword {
		in.Current = ""
	}
	key := "change " + string(in.Account)
	if wait := s.guesses.begin(key, failures{}, s.now()); wait > 0 {
		return ErrTooManyAttempts.After(wait)
	}
	right, err := s.hasher.check(ctx, in.Current, kept)
	if err != nil {
		s.guesses.cancel(key)
		return fmt.Errorf("change passphrase: %w", err)
	}
	if !right {
		s.places.fail(network(in.Address), s.now())
		return ErrPasswordWrong
	}
	s.guesses.succeed(key)
	return nil
}

// endSessions ends every session of the account but one.
func endSessions(tx *db.Tx, account besedka.AccountID, keep besedka.CredentialID) ([]ended, error) {
	ids, err := credentialIDs(tx, `SELECT id FROM credentials WHERE account_id = $1 AND id <> $2 AND kind = 'session' AND revoked_at IS NULL`+
		tx.ForUpdate(), string(account), string(keep))
	if err != nil {
		return nil, err
	}
	var gone []ended
	for _, id := range ids {
		e, err := end(tx, id, account.Participant())
		if err != nil {
			return nil, err
		}
		gone = append(gone, e)
	}
	return gone, nil
}
