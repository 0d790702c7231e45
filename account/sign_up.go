package account

import (
	"context"
	"errors"
	"fmt"

	"besedka"
	"besedka/db"
)

// FactInvitationRedeemed is told to the account whose invitation was redeemed;
// its data is {"account": Person}.
const FactInvitationRedeemed = "invitation_redeemed"

// SignUp is what somebody sends to become a member.
type SignUp struct {
	Invitation string // the code or the whole link
	Username   string
	Name       string
	Password   string
	UserAgent  string
	Address    string // where the request comes from
}

// SignUp makes an account from an invitation, which is then used up, and signs
// it in: token is the new session's. Of any number who try one invitation at the
// same time exactly one succeeds. It refuses with ErrInvitationInvalid before
// anything else, so that only who was invited learns which usernames are taken.
func (s *Service) SignUp(ctx context.Context, in SignUp) (a Account, token string, err error) {
	if err := s.allowNetwork(in.Address); err != nil {
		return a, "", err
	}
	err = s.db.Read(ctx, func(tx *db.Tx) error {
		_, err := findInvitation(tx, in.Invitation)
		return err
	})
	if err != nil {
		s.countInvalid(err, in.Address)
		return a, "", fmt.Errorf("sign up: %w", err)
	}
	if !validUsername(in.Username) {
		return a, "", ErrUsernameInvalid
	}
	name, err := validName(in.Name)
	if err != nil {
		return a, "", err
	}
	if err := checkPassword(in.Password, in.Username, name); err != nil {
		return a, "", err
	}
	switch _, err := s.ByUsername(ctx, in.Username); {
	case err == nil:
		return a, "", ErrUsernameTaken
	case !errors.Is(err, besedka.ErrNotFound):
		return a, "", fmt.Errorf("sign up: %w", err)
	}
	hash, err := s.hasher.hash(ctx, in.Password)
	if err != nil {
		return a, "", fmt.Errorf("sign up: %w", err)
	}
	err = s.db.Write(ctx, func(tx *db.Tx) (err error) {
		a, token, err = s.redeem(tx, in, newAccount{username: in.Username, name: name, hash: hash})
		return err
	})
	if err != nil {
		s.countInvalid(err, in.Address)
		return Account{}, "", fmt.Errorf("sign up: %w", err)
	}
	return a, token, nil
}

func (s *Service) redeem(tx *db.Tx, in SignUp, n newAccount) (Account, string, error) {
	i, err := findInvitation(tx, in.Invitation)
	if err != nil {
		return Account{}, "", err
	}
	n.founder, n.nominatedBy = i.founder, i.account
	id, err := s.insert(tx, n)
	if err != nil {
		return Account{}, "", err
	}
	redeemed, err := tx.Exec(`UPDATE invitations SET redeemed_at = $2, redeemed_by = $3 WHERE id = $1 AND redeemed_at IS NULL`,
		string(i.id), tx.Millis(), string(id))
	if err != nil {
		return Account{}, "", err
	}
	if redeemed != 1 {
		return Account{}, "", ErrInvitationInvalid
	}
	a, err := load(tx, `a.id = $1`, string(id))
	if err != nil {
		return Account{}, "", err
	}
	if i.account != "" {
		data := struct {
			Account Person `json:"account"`
		}{a.Person}
		if _, err := tx.Publish(besedka.AccountTopic(i.account), FactInvitationRedeemed, nil, data); err != nil {
			return Account{}, "", err
		}
	}
	if err := rememberPlace(tx, id, in.Address); err != nil {
		return Account{}, "", err
	}
	token, _, err := s.mint(tx, KindSession, id, in.UserAgent)
	return a, token, err
}

// newAccount is an account about to be made.
type newAccount struct {
	username, name, hash string
	founder              bool
	nominatedBy          besedka.AccountID
}

func (s *Service) insert(tx *db.Tx, n newAccount) (besedka.AccountID, error) {
	id := besedka.AccountID(besedka.NewID(s.random))
	_, err := tx.Exec(`INSERT INTO accounts (id, username, name, password, founder, nominated_by, invitation_stock, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, string(id), n.username, n.name, n.hash, integer(n.founder),
		nullable(string(n.nominatedBy)), invitationStock, tx.Millis())
	if db.IsUnique(err) {
		return "", ErrUsernameTaken
	}
	if err != nil {
		return "", fmt.Errorf("make account: %w", err)
	}
	return id, nil
}

// allowNetwork is ErrTooManyAttempts for an address whose network failed too often.
func (s *Service) allowNetwork(address string) error {
	if wait := s.places.wait(network(address), s.now()); wait > 0 {
		return ErrTooManyAttempts.After(wait)
	}
	return nil
}

// countInvalid counts a wrong code against the network that sent it.
func (s *Service) countInvalid(err error, address string) {
	if errors.Is(err, ErrInvitationInvalid) {
		s.places.fail(network(address), s.now())
	}
}
