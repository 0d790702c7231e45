package chat

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"besedka"
	"besedka/db"
)

// Mute keeps somebody from writing in the room's chat for MutedFor (K11); muting
// again begins anew. Who may is as with silencing. Moderators and the person are told.
func (s *Service) Mute(ctx context.Context, room besedka.RoomID, by, target besedka.AccountID) error {
	return s.setMuted(ctx, room, by, target, true)
}

// Unmute takes a mute back; there need be none.
func (s *Service) Unmute(ctx context.Context, room besedka.RoomID, by, target besedka.AccountID) error {
	return s.setMuted(ctx, room, by, target, false)
}

func (s *Service) setMuted(ctx context.Context, room besedka.RoomID, by, target besedka.AccountID, muted bool) error {
	if err := s.Rooms.Governs(ctx, room, by, target); err != nil {
		return err
	}
	if _, err := s.person(ctx, target); err != nil {
		return err
	}
	in, err := s.Rooms.Inside(ctx, room, by)
	if err != nil {
		return err
	}
	to := participants(append(in.Moderators, target))
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		before, err := mutedUntil(tx, room, target)
		if err != nil || !muted && before.IsZero() {
			return err
		}
		kind, action, until := factUnmuted, logUnmuted, int64(0)
		data := map[string]any{"account": target, "by": by}
		if muted {
			kind, action, until = factMuted, logMuted, tx.Now.Add(MutedFor).UnixMilli()
			data["until"] = tx.Now.Add(MutedFor)
		}
		_, err = tx.Exec(`INSERT INTO message_authors (room_id, account_id, last_at, muted_until) VALUES ($1, $2, 0, $3)
			ON CONFLICT (room_id, account_id) DO UPDATE SET muted_until = excluded.muted_until`, room, target, until)
		if err != nil {
			return err
		}
		if err := s.Entry(tx, room, by, action, target, ""); err != nil {
			return err
		}
		_, err = tx.Publish(besedka.RoomTopic(room), kind, to, data)
		return err
	})
	if err != nil {
		return fmt.Errorf("mute in chat: %w", err)
	}
	return nil
}

// Muted returns ErrMuted, with the time left, if a moderator has muted the account in the room.
func (s *Service) Muted(ctx context.Context, room besedka.RoomID, account besedka.AccountID) error {
	var until time.Time
	err := s.DB.Read(ctx, func(tx *db.Tx) (err error) {
		until, err = mutedUntil(tx, room, account)
		return err
	})
	if err != nil {
		return fmt.Errorf("ask for a mute: %w", err)
	}
	if !until.IsZero() {
		return ErrMuted.After(until.Sub(s.Now()))
	}
	return nil
}

// mutedUntil is zero for who may write.
func mutedUntil(tx *db.Tx, room besedka.RoomID, account besedka.AccountID) (time.Time, error) {
	var muted int64
	err := tx.QueryRow(`SELECT muted_until FROM message_authors WHERE room_id = $1 AND account_id = $2`, room, account).Scan(&muted)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, nil
	}
	if until := time.UnixMilli(muted).UTC(); err == nil && until.After(tx.Now) {
		return until, nil
	}
	return time.Time{}, err
}

// Sweep deletes the backchannels of rooms that have ended, with what facts said
// of them, and forgets what only time keeps. Run calls it.
func (s *Service) Sweep(ctx context.Context) error {
	s.forget()
	rooms, err := s.withBackchannel(ctx)
	if err != nil {
		return err
	}
	for _, room := range rooms {
		ended, err := s.Rooms.Ended(ctx, room)
		if err != nil {
			return err
		}
		if !ended {
			continue
		}
		err = s.DB.Write(ctx, func(tx *db.Tx) error {
			if _, err := tx.Exec(`DELETE FROM messages WHERE room_id = $1 AND backstage = 1`, room); err != nil {
				return err
			}
			return tx.Redact(besedka.RoomTopic(room), factBackchannel, 0, gone{Deleted: true})
		})
		if err != nil {
			return fmt.Errorf("delete the backchannel of %s: %w", room, err)
		}
	}
	return nil
}

func (s *Service) withBackchannel(ctx context.Context) ([]besedka.RoomID, error) {
	var rooms []besedka.RoomID
	err := s.DB.Read(ctx, func(tx *db.Tx) error {
		rooms = nil
		found, err := tx.Query(`SELECT DISTINCT room_id FROM messages WHERE backstage = 1`)
		if err != nil {
			return err
		}
		defer found.Close()
		for found.Next() {
			var room besedka.RoomID
			if err := found.Scan(&room); err != nil {
				return err
			}
			rooms = append(rooms, room)
		}
		return found.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("look for backchannels: %w", err)
	}
	return rooms, nil
}
