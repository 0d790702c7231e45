package account

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"besedka"
	"besedka/db"
)

// How long credentials live. OWASP ASVS 7.3 asks for both limits to be documented.
const (
	sessionIdle     = 30 * 24 * time.Hour
	sessionAbsolute = 180 * 24 * time.Hour
	guestLife       = 24 * time.Hour
)

// sessionsAtMost is how many live credentials of one kind an account has; one
// more ends the one that was used least recently.
const sessionsAtMost = 50

// The kinds of credentials, with what their tokens begin with.
const (
	KindSession = "session" // bs_…: a browser or program that somebody signed in with
	KindToken   = "token"   // bt_…: made by the operator
	KindGuest   = "guest"   // bg_…: listens to one room, without an account
)

var prefixes = map[string]string{KindSession: "bs_", KindToken: "bt_", KindGuest: "bg_"}

// tokenLength is the length of any token: a prefix and 256 bits in base64url.
const tokenLength = 3 + 43

// Session is a session or bearer token as its owner sees it in a list.
type Session struct {
	ID         besedka.CredentialID `json:"id"`
	Kind       string               `json:"kind"`
	CreatedAt  time.Time            `json:"created_at"`
	LastSeenAt time.Time            `json:"last_seen_at"`
	UserAgent  string               `json:"user_agent"`
	Current    bool                 `json:"current"` // left to the caller, who knows the request's own
}

// digest is what is kept of a code or token. Being as random as it is long, it
// needs no salt and no slow hash.
func digest(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

func (s *Service) newToken(kind string) string {
	var b [32]byte
	if _, err := io.ReadFull(s.random, b[:]); err != nil {
		panic(fmt.Sprintf("no randomness: %v", err)) // as besedka.NewID
	}
	return prefixes[kind] + base64.RawURLEncoding.EncodeToString(b[:])
}

// looksLikeToken spares the database what cannot be a token.
func looksLikeToken(token string) bool {
	return len(token) == tokenLength &&
		(strings.HasPrefix(token, "bs_") || strings.HasPrefix(token, "bt_") || strings.HasPrefix(token, "bg_"))
}

// mint makes a session or token for the account and gives the secret and what
// had to end for it.
func (s *Service) mint(tx *db.Tx, kind string, account besedka.AccountID, userAgent string) (string, []ended, error) {
	gone, err := s.endOldest(tx, kind, account)
	if err != nil {
		return "", nil, err
	}
	token := s.newToken(kind)
	_, err = tx.Exec(`INSERT INTO credentials (id, hash, kind, account_id, user_agent, created_at, last_seen_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $6, $7)`, besedka.NewID(s.random), digest(token), kind, string(account),
		shorten(userAgent), tx.Millis(), tx.Now.Add(sessionAbsolute).UnixMilli())
	if err != nil {
		return "", nil, fmt.Errorf("keep credential: %w", err)
	}
	return token, gone, nil
}

// endOldest makes room for one more credential of the kind.
func (s *Service) endOldest(tx *db.Tx, kind string, account besedka.AccountID) ([]ended, error) {
	ids, err := credentialIDs(tx, `SELECT id FROM credentials
		WHERE account_id = $1 AND kind = $2 AND revoked_at IS NULL AND expires_at > $3 AND last_seen_at > $4
		ORDER BY last_seen_at DESC, created_at DESC, id LIMIT 1000 OFFSET $5`,
		string(account), kind, tx.Millis(), tx.Now.Add(-sessionIdle).UnixMilli(), sessionsAtMost-1)
	if err != nil {
		return nil, fmt.Errorf("count credentials: %w", err)
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

func credentialIDs(tx *db.Tx, query string, args ...any) ([]besedka.CredentialID, error) {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var ids []besedka.CredentialID
	for rows.Next() {
		var id besedka.CredentialID
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

// Sessions lists the live sessions and tokens of the account, the one used last first.
func (s *Service) Sessions(ctx context.Context, account besedka.AccountID) ([]Session, error) {
	var list []Session
	err := s.db.Read(ctx, func(tx *db.Tx) error {
		list = []Session{}
		rows, err := tx.Query(`SELECT id, kind, created_at, last_seen_at, user_agent FROM credentials
			WHERE account_id = $1 AND revoked_at IS NULL AND expires_at > $2 AND last_seen_at > $3
			ORDER BY last_seen_at DESC, created_at DESC, id LIMIT 200`,
			string(account), tx.Millis(), tx.Now.Add(-sessionIdle).UnixMilli())
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var one Session
			var created, seen int64
			if err := rows.Scan(&one.ID, &one.Kind, &created, &seen, &one.UserAgent); err != nil {
				return err
			}
			one.CreatedAt, one.LastSeenAt = time.UnixMilli(created).UTC(), time.UnixMilli(seen).UTC()
			list = append(list, one)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	return list, nil
}

// Revoke ends one of the account's own sessions or tokens; besedka.ErrNotFound
// when it has no such one. The OnRevoke hooks have been called when it returns.
func (s *Service) Revoke(ctx context.Context, account besedka.AccountID, id besedka.CredentialID) error {
	return s.revoke(ctx, func(tx *db.Tx) ([]ended, error) {
		var owner sql.NullString
		err := tx.QueryRow(`SELECT account_id FROM credentials WHERE id = $1 AND account_id = $2 AND revoked_at IS NULL`+tx.ForUpdate(),
			string(id), string(account)).Scan(&owner)
		if errors.Is(err, sql.ErrNoRows) {
			return nil, besedka.ErrNotFound
		}
		if err != nil {
			return nil, err
		}
		e, err := end(tx, id, account.Participant())
		return []ended{e}, err
	})
}

// SignOut ends the credential, a guest's too. It is no error that it has ended already.
func (s *Service) SignOut(ctx context.Context, id besedka.CredentialID) error {
	return s.revoke(ctx, func(tx *db.Tx) ([]ended, error) {
		var account, guest sql.NullString
		err := tx.QueryRow(`SELECT account_id, guest_id FROM credentials WHERE id = $1 AND revoked_at IS NULL`+tx.ForUpdate(), string(id)).
			Scan(&account, &guest)
		if errors.Is(err, sql.ErrNoRows) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		e, err := end(tx, id, besedka.ParticipantID(account.String+guest.String))
		return []ended{e}, err
	})
}
