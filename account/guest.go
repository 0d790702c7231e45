package account

import (
	"context"
	"fmt"
	"strings"

	"besedka"
	"besedka/db"
)

const (
	// guestsAtMost is how many live guests' tokens one room has.
	guestsAtMost = 20_000
	// guestsAtOnce is how many are made in one transaction.
	guestsAtOnce = 500
)

// CreateGuests makes n (1 to 10 000) tokens, each of a different guest who may
// only listen to the room, for 24 hours. Whether the room exists and allows
// guests is the caller's to know. besedka.ErrTooMany when the room has too many.
func (s *Service) CreateGuests(ctx context.Context, room besedka.RoomID, n int) ([]string, error) {
	if room == "" || len(room) > 64 || n < 1 || n > 10_000 {
		return nil, besedka.ErrInvalid
	}
	var all []string
	for len(all) < n {
		some := min(n-len(all), guestsAtOnce)
		var tokens []string
		err := s.db.Write(ctx, func(tx *db.Tx) (err error) {
			tokens, err = s.insertGuests(tx, room, some)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("create guests: %w", err)
		}
		all = append(all, tokens...)
	}
	return all, nil
}

func (s *Service) insertGuests(tx *db.Tx, room besedka.RoomID, n int) ([]string, error) {
	var guests int
	err := tx.QueryRow(`SELECT COUNT(*) FROM credentials WHERE room_id = $1 AND expires_at > $2`, string(room), tx.Millis()).Scan(&guests)
	if err != nil {
		return nil, err
	}
	if guests+n > guestsAtMost {
		return nil, besedka.ErrTooMany
	}
	args := []any{string(room), tx.Millis(), tx.Now.Add(guestLife).UnixMilli()}
	var rows, tokens []string
	for range n {
		token := s.newToken(KindGuest)
		tokens = append(tokens, token)
		args = append(args, besedka.NewID(s.random), digest(token), besedka.GuestPrefix+besedka.NewID(s.random))
		k := len(args)
		rows = append(rows, fmt.Sprintf("($%d, $%d, 'guest', $%d, $1, '', $2, $2, $3)", k-2, k-1, k))
	}
	_, err = tx.Exec(`INSERT INTO credentials (id, hash, kind, guest_id, room_id, user_agent, created_at, last_seen_at, expires_at)
		VALUES `+strings.Join(rows, ", "), args...)
	return tokens, err
}
