package room

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"besedka"
	"besedka/db"
)

// Hiding a room (C3) takes it out of somebody's own hallway until it ends; it
// changes nothing for anybody else, and nothing in the room.

// Bounds of what is remembered about hidden rooms.
const (
	hiddenFor = 30 * time.Second
	maxHidden = 20_000 // accounts
)

// SetHidden hides a room that the account may see from its hallway, or shows it
// again, which is always allowed. Both may be done twice.
func (s *Service) SetHidden(ctx context.Context, room besedka.RoomID, a Actor, hide bool) error {
	account := a.Who.Account()
	if account == "" {
		return ErrGuestsListen
	}
	if hide {
		if err := s.See(ctx, room, a); err != nil {
			return err
		}
	}
	err := s.rows.hide(ctx, room, account, hide)
	s.hidden.forget(account)
	return err
}

// hidden remembers for a while which rooms people have hidden.
type hidden struct {
	mu    sync.Mutex
	known map[besedka.AccountID]hiddenRooms
}

type hiddenRooms struct {
	rooms []besedka.RoomID
	at    time.Time
}

func (h *hidden) forget(account besedka.AccountID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.known, account)
}

// hides says which rooms the account has hidden. Without the database it is as
// it was known last.
func (s *Service) hides(ctx context.Context, account besedka.AccountID) func(besedka.RoomID) bool {
	h, now := &s.hidden, s.now()
	h.mu.Lock()
	k, known := h.known[account]
	h.mu.Unlock()
	if !known || now.Sub(k.at) >= hiddenFor {
		ctx, cancel := context.WithTimeout(ctx, askFor)
		defer cancel()
		rooms, err := s.rows.hidden(ctx, account)
		if err != nil {
			s.log.Warn("hidden rooms not found", "error", err)
			rooms = k.rooms
		}
		k = hiddenRooms{rooms, now}
		h.mu.Lock()
		if h.known == nil || len(h.known) >= maxHidden {
			h.known = map[besedka.AccountID]hiddenRooms{}
		}
		h.known[account] = k
		h.mu.Unlock()
	}
	return func(room besedka.RoomID) bool { return slices.Contains(k.rooms, room) }
}

// hide writes or deletes one row. A room that ends takes its rows with it.
func (s store) hide(ctx context.Context, room besedka.RoomID, account besedka.AccountID, hide bool) error {
	return s.db.Write(ctx, func(tx *db.Tx) error {
		query := `DELETE FROM room_hidden WHERE account_id = $1 AND room_id = $2`
		if hide {
			query = `INSERT INTO room_hidden (account_id, room_id) SELECT $1, id FROM rooms WHERE id = $2 AND ended_at = 0
				ON CONFLICT (account_id, room_id) DO NOTHING`
		}
		if _, err := tx.Exec(query, account, room); err != nil {
			return fmt.Errorf("hide room %s: %w", room, err)
		}
		return nil
	})
}

func (s store) hidden(ctx context.Context, account besedka.AccountID) ([]besedka.RoomID, error) {
	var list []besedka.RoomID
	err := s.db.Read(ctx, func(tx *db.Tx) error {
		list = nil
		rows, err := tx.Query(`SELECT room_id FROM room_hidden WHERE account_id = $1`, account)
		return each(rows, err, func(scan scanner) error {
			var id besedka.RoomID
			err := scan(&id)
			list = append(list, id)
			return err
		})
	})
	return list, err
}
