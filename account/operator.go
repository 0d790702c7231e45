package account

import (
	"context"
	"fmt"
	"time"

	"besedka"
	"besedka/db"
)

// OwnerLink gives a link with which the first owner signs up. It works once, only
// while nobody has an account, and makes the one before it invalid. fresh is
// false, and the link empty, when somebody has an account already.
func (s *Service) OwnerLink(ctx context.Context) (link string, fresh bool, err error) {
	err = s.db.Write(ctx, func(tx *db.Tx) error {
		link, fresh = "", false
		// Of several programs that start at once, one makes its link after the other.
		if err := tx.SetSetting("owner_link_made", tx.Now.Format(time.RFC3339)); err != nil {
			return err
		}
		var accounts int
		if err := tx.QueryRow(`SELECT COUNT(*) FROM accounts`).Scan(&accounts); err != nil || accounts > 0 {
			return err
		}
		_, err := tx.Exec(`UPDATE invitations SET revoked_at = $1 WHERE founder = 1 AND revoked_at IS NULL AND redeemed_at IS NULL`, tx.Millis())
		if err != nil {
			return err
		}
		i, err := s.newInvitation(tx, "", true, "")
		link, fresh = i.URL, true
		return err
	})
	if err != nil {
		return "", false, fmt.Errorf("make the owner's link: %w", err)
	}
	return link, fresh, nil
}

// AdminInvite gives the link of a new invitation by the operator.
func (s *Service) AdminInvite(ctx context.Context) (link string, err error) {
	err = s.db.Write(ctx, func(tx *db.Tx) error {
		i, err := s.newInvitation(tx, "", false, "")
		link = i.URL
		return err
	})
	if err != nil {
		return "", fmt.Errorf("invite: %w", err)
	}
	return link, nil
}

// CreateAccount makes an account without an invitation. A passphrase of eight
// characters is enough here.
func (s *Service) CreateAccount(ctx context.Context, username, name, password string) (besedka.AccountID, error) {
	if !validUsername(username) {
		return "", ErrUsernameInvalid
	}
	name, err := validName(name)
	if err != nil {
		return "", err
	}
	if err := checkOperatorPassword(password); err != nil {
		return "", err
	}
	hash, err := s.hasher.hash(ctx, password)
	if err != nil {
		return "", fmt.Errorf("create account: %w", err)
	}
	var id besedka.AccountID
	err = s.db.Write(ctx, func(tx *db.Tx) (err error) {
		id, err = s.insert(tx, newAccount{username: username, name: name, hash: hash})
		return err
	})
	if err != nil {
		return "", fmt.Errorf("create account: %w", err)
	}
	return id, nil
}

// CreateToken makes a bearer token for the account with the username. It lives
// as long as a session does. ErrSuspended for somebody who is suspended.
func (s *Service) CreateToken(ctx context.Context, username string) (token string, err error) {
	var gone []ended
	err = s.db.Write(ctx, func(tx *db.Tx) error {
		id, err := lockUsername(tx, username)
		if err != nil {
			return err
		}
		suspended, err := isSuspended(tx, id)
		if err != nil {
			return err
		}
		if suspended {
			return ErrSuspended
		}
		token, gone, err = s.mint(tx, KindToken, id, "")
		return err
	})
	if err != nil {
		return "", fmt.Errorf("create token: %w", err)
	}
	s.refuse(gone)
	return token, nil
}
