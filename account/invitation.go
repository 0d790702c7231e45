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

const (
	invitationStock = 2 // of a new member
	invitationLife  = 30 * 24 * time.Hour
	// pendingAtMost bounds those whose stock is without limit, and the operator.
	pendingAtMost = 1000
	// listedAtMost is how many of the newest invitations are listed.
	listedAtMost = 500
)

// The states of an invitation.
const (
	InvitationPending  = "pending"
	InvitationRedeemed = "redeemed"
	InvitationRevoked  = "revoked"
	InvitationExpired  = "expired"
)

// Invitation lets one person sign up. Code and URL are told once, to who made it.
type Invitation struct {
	ID         besedka.InvitationID `json:"id"`
	Code       string               `json:"code,omitempty"`
	URL        string               `json:"url,omitempty"`
	Note       string               `json:"note,omitempty"`
	CreatedAt  time.Time            `json:"created_at"`
	ExpiresAt  time.Time            `json:"expires_at"`
	State      string               `json:"state"`
	RedeemedBy *Person              `json:"redeemed_by"`
}

// InvitationList is what an account has given out, the newest first, and how
// many it may still give; nil means without limit.
type InvitationList struct {
	Left        *int         `json:"left"`
	Invitations []Invitation `json:"invitations"`
}

// Preview is what an invitation tells somebody who holds it, before they sign up.
type Preview struct {
	Nominator *Person `json:"nominator"` // nil: the operator
	Note      string  `json:"note"`
}

// Invite takes an invitation from the account's stock. The note, at most 280
// characters, is for the person invited. ErrNoInvitationsLeft when the stock is empty.
func (s *Service) Invite(ctx context.Context, account besedka.AccountID, note string) (Invitation, error) {
	note, ok := cleanText(note, maxNote)
	if !ok {
		return Invitation{}, besedka.ErrInvalid.In("note")
	}
	var made Invitation
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		var founder, stock, pending int
		err := tx.QueryRow(`SELECT founder, invitation_stock FROM accounts WHERE id = $1`+tx.ForUpdate(), string(account)).Scan(&founder, &stock)
		if errors.Is(err, sql.ErrNoRows) {
			return besedka.ErrNotFound
		}
		if err != nil {
			return err
		}
		left, err := invitationsLeft(tx, account, founder == 1, stock)
		if err != nil {
			return err
		}
		if left != nil && *left == 0 {
			return ErrNoInvitationsLeft
		}
		err = tx.QueryRow(`SELECT COUNT(*) FROM invitations WHERE account_id = $1 AND revoked_at IS NULL AND redeemed_at IS NULL AND expires_at > $2`,
			string(account), tx.Millis()).Scan(&pending)
		if err != nil {
			return err
		}
		if pending >= pendingAtMost {
			return ErrNoInvitationsLeft
		}
		made, err = s.newInvitation(tx, account, false, note)
		return err
	})
	if err != nil {
		return Invitation{}, fmt.Errorf("invite: %w", err)
	}
	return made, nil
}

// newInvitation makes an invitation; account is "" for the operator's.
func (s *Service) newInvitation(tx *db.Tx, account besedka.AccountID, founder bool, note string) (Invitation, error) {
	i := Invitation{
		ID:        besedka.InvitationID(besedka.NewID(s.random)),
		Code:      besedka.NewID(s.random), // 128 bits
		Note:      note,
		CreatedAt: tx.Now,
		ExpiresAt: tx.Now.Add(invitationLife),
		State:     InvitationPending,
	}
	i.URL = s.url + "/join/" + i.Code
	_, err := tx.Exec(`INSERT INTO invitations (id, hash, account_id, founder, note, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		string(i.ID), digest(i.Code), nullable(string(account)), integer(founder), note, tx.Millis(), i.ExpiresAt.UnixMilli())
	if err != nil {
		return Invitation{}, fmt.Errorf("keep invitation: %w", err)
	}
	return i, nil
}

// invitationsLeft counts what remains of the stock: an invitation that expired
// or was revoked before anybody redeemed it has returned to it.
func invitationsLeft(tx *db.Tx, account besedka.AccountID, founder bool, stock int) (*int, error) {
	if founder {
		return nil, nil
	}
	var used int
	err := tx.QueryRow(`SELECT COUNT(*) FROM invitations
		WHERE account_id = $1 AND (redeemed_at IS NOT NULL OR (revoked_at IS NULL AND expires_at > $2))`, string(account), tx.Millis()).Scan(&used)
	if err != nil {
		return nil, fmt.Errorf("count invitations: %w", err)
	}
	left := max(0, stock-used)
	return &left, nil
}

// Invitations lists what the account has given out.
func (s *Service) Invitations(ctx context.Context, account besedka.AccountID) (InvitationList, error) {
	var list InvitationList
	err := s.db.Read(ctx, func(tx *db.Tx) error {
		list = InvitationList{Invitations: []Invitation{}}
		owner, err := load(tx, `a.id = $1`, string(account))
		if err != nil {
			return err
		}
		list.Left = owner.InvitationsLeft
		rows, err := tx.Query(`SELECT i.id, i.note, i.created_at, i.expires_at, i.revoked_at, i.redeemed_at,
			p.id, p.username, p.name, `+photoOf("p", "$3")+`
			FROM invitations i LEFT JOIN accounts p ON p.id = i.redeemed_by
			WHERE i.account_id = $1 ORDER BY i.created_at DESC, i.id LIMIT $2`, string(account), listedAtMost, tx.Millis())
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			i, err := scanInvitation(rows, tx.Now)
			if err != nil {
				return err
			}
			list.Invitations = append(list.Invitations, i)
		}
		return rows.Err()
	})
	if err != nil {
		return InvitationList{}, fmt.Errorf("list invitations: %w", err)
	}
	return list, nil
}

func scanInvitation(rows *sql.Rows, now time.Time) (Invitation, error) {
	var i Invitation
	var created, expires int64
	var revoked, redeemed sql.NullInt64
	var by nullPerson
	if err := rows.Scan(&i.ID, &i.Note, &created, &expires, &revoked, &redeemed, &by.id, &by.username, &by.name, &by.photo); err != nil {
		return i, err
	}
	i.CreatedAt, i.ExpiresAt = time.UnixMilli(created).UTC(), time.UnixMilli(expires).UTC()
	switch {
	case redeemed.Valid:
		i.State = InvitationRedeemed
		i.RedeemedBy = by.person()
	case revoked.Valid:
		i.State = InvitationRevoked
	case !i.ExpiresAt.After(now):
		i.State = InvitationExpired
	default:
		i.State = InvitationPending
	}
	return i, nil
}

// RevokeInvitation takes back a pending invitation of the account, which returns
// to its stock. It is besedka.ErrNotFound when there is no such pending one.
func (s *Service) RevokeInvitation(ctx context.Context, account besedka.AccountID, id besedka.InvitationID) error {
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		n, err := tx.Exec(`UPDATE invitations SET revoked_at = $3
			WHERE id = $1 AND account_id = $2 AND revoked_at IS NULL AND redeemed_at IS NULL AND expires_at > $3`,
			string(id), string(account), tx.Millis())
		if err == nil && n == 0 {
			return besedka.ErrNotFound
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("revoke invitation: %w", err)
	}
	return nil
}

// PreviewInvitation says who invites, given a code or the whole link.
// ErrInvitationInvalid when it is not good (any more); address is who asks, and
// after many failures gets ErrTooManyAttempts.
func (s *Service) PreviewInvitation(ctx context.Context, code, address string) (Preview, error) {
	if err := s.allowNetwork(address); err != nil {
		return Preview{}, err
	}
	var p Preview
	err := s.db.Read(ctx, func(tx *db.Tx) error {
		p = Preview{}
		i, err := findInvitation(tx, code)
		if err != nil {
			return err
		}
		p.Note = i.note
		if i.account == "" {
			return nil
		}
		people := map[besedka.AccountID]Person{}
		err = loadPeople(tx, []besedka.AccountID{i.account}, "", people)
		nominator := people[i.account]
		p.Nominator = &nominator
		return err
	})
	if err != nil {
		s.countInvalid(err, address)
		return Preview{}, fmt.Errorf("preview invitation: %w", err)
	}
	return p, nil
}

// redeemable is an invitation that may be redeemed now.
type redeemable struct {
	id      besedka.InvitationID
	account besedka.AccountID // "" for the operator's
	founder bool
	note    string
}

// findInvitation gives the invitation with the code and locks it in a writing
// transaction. One of somebody who is suspended is not good meanwhile, and the
// owner's is good only while nobody has an account.
func findInvitation(tx *db.Tx, code string) (redeemable, error) {
	code, ok := invitationCode(code)
	if !ok {
		return redeemable{}, ErrInvitationInvalid
	}
	var i redeemable
	var account sql.NullString
	var founder, blocked int
	err := tx.QueryRow(`SELECT id, account_id, founder, note FROM invitations
		WHERE hash = $1 AND revoked_at IS NULL AND redeemed_at IS NULL AND expires_at > $2`+tx.ForUpdate(), digest(code), tx.Millis()).
		Scan(&i.id, &account, &founder, &i.note)
	if errors.Is(err, sql.ErrNoRows) {
		return i, ErrInvitationInvalid
	}
	if err != nil {
		return i, err
	}
	i.account, i.founder = besedka.AccountID(account.String), founder == 1
	switch {
	case i.founder:
		err = tx.QueryRow(`SELECT COUNT(*) FROM accounts`).Scan(&blocked)
	case i.account != "":
		err = tx.QueryRow(`SELECT COUNT(*) FROM suspensions WHERE account_id = $1 AND lifted_at IS NULL AND (ends_at IS NULL OR ends_at > $2)`,
			string(i.account), tx.Millis()).Scan(&blocked)
	}
	if err == nil && blocked > 0 {
		err = ErrInvitationInvalid
	}
	return i, err
}

// codeLength is that of besedka.NewID.
const codeLength = 26

// invitationCode finds the code in what somebody pasted: the code or a link that ends in it.
func invitationCode(text string) (string, bool) {
	if len(text) > 1000 {
		return "", false
	}
	text = strings.TrimSpace(text)
	if i := strings.IndexAny(text, "?#"); i >= 0 {
		text = text[:i]
	}
	text = strings.TrimRight(text, "/")
	text = strings.ToLower(text[strings.LastIndexByte(text, '/')+1:])
	text = strings.NewReplacer("o", "0", "i", "1", "l", "1").Replace(text) // written down by hand
	return text, len(text) == codeLength
}

// nullable is the text, or NULL instead of the empty one.
func nullable(s string) sql.NullString { return sql.NullString{String: s, Valid: s != ""} }

// integer is a truth as it stands in the tables.
func integer(b bool) int {
	if b {
		return 1
	}
	return 0
}
