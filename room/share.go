package room

import (
	"cmp"
	"context"
	"slices"
	"time"

	"besedka"
	"besedka/db"
)

// Sharing a room (D11) shows it to one's followers in their hallways, with a
// comment if one likes, until it ends. It opens no door: only those read it who
// see the room anyway. It stays when the person leaves, and goes when they are
// removed, or blocked by who rules the room.

// Bounds of sharing.
const (
	MaxComment  = 280  // runes
	maxShares   = 2000 // of one room
	sharesAsked = 30   // of whom it is asked who shares, for one card
	sharesShown = 3
)

// share is that somebody shows the room to their followers.
type share struct {
	Comment string // "" for none
	At      time.Time
}

// Shared is a share as a follower reads it.
type Shared struct {
	Person  Person    `json:"person"`
	Comment string    `json:"comment" doc:"At most 280 characters, or empty: show it as text."`
	At      time.Time `json:"at"`

	seated bool // in the room, where they are counted already
}

// OwnShare is the viewer's.
type OwnShare struct {
	Comment string    `json:"comment"`
	At      time.Time `json:"at"`
}

// Share shows the room to the followers of somebody who is in it; doing so again
// replaces the comment.
func (s *State) Share(by besedka.AccountID, comment string, now time.Time) error {
	if err := s.needSeat(by); err != nil {
		return err
	}
	comment, ok := cleanText(comment, MaxComment)
	if !ok {
		return ErrCommentInvalid.In("comment")
	}
	before, shared := s.shares.get(by)
	switch {
	case shared && before.Comment == comment:
		return nil
	case !shared && len(s.shares.rows) >= maxShares:
		return ErrTooManyShares
	}
	s.shares.put(by, share{comment, now})
	return nil
}

// ownShare is the account's, or nil.
func (s *State) ownShare(account besedka.AccountID) *OwnShare {
	if own, ok := s.shares.get(account); ok {
		return &OwnShare{own.Comment, own.At}
	}
	return nil
}

// sharedBy lists who of those whom the actor follows shows the room to them, the
// latest first, without whom the actor blocks or is blocked by.
func (s *State) sharedBy(a Actor, follows map[besedka.AccountID]bool) []Shared {
	list := []Shared{}
	for account, one := range s.shares.rows {
		if follows[account] && !a.blocks(account) && (a.ties == nil || !a.ties.blockers[account]) {
			seated := s.roleOf(account) != "" && !s.inOverflow(account)
			list = append(list, Shared{Person: Person{ID: account}, Comment: one.Comment, At: one.At, seated: seated})
		}
	}
	slices.SortFunc(list, func(a, b Shared) int {
		return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.Person.ID, b.Person.ID))
	})
	return list[:min(len(list), sharesAsked)]
}

// Share is State.Share.
func (s *Service) Share(ctx context.Context, room besedka.RoomID, a Actor, comment string) error {
	return s.command(ctx, room, a, func(st *State, by besedka.AccountID, now time.Time) error {
		return st.Share(by, comment, now)
	})
}

// Unshare takes the actor's share back, also from outside the room; there need be none.
func (s *Service) Unshare(ctx context.Context, room besedka.RoomID, a Actor) error {
	c, err := s.find(ctx, room)
	if err != nil {
		return err
	}
	account := a.Who.Account()
	c.mu.RLock()
	shared := c.state.shares.has(account)
	c.mu.RUnlock()
	if !shared {
		return unknown(s.see(ctx, c, a))
	}
	c.lock()
	defer s.unlock(c)
	return s.do(ctx, c, func(st *State) error {
		st.shares.drop(account)
		return nil
	})
}

// dressShares names who shows the rooms of cards, at most three each, and counts
// them among those whom the viewer follows. Who is suspended or no more, or of whom
// it cannot be known now, shows nothing.
func (s *Service) dressShares(ctx context.Context, cards []Card) {
	var ids []besedka.AccountID
	for _, c := range cards {
		for _, one := range c.SharedBy {
			ids = append(ids, one.Person.ID)
		}
	}
	if ids == nil {
		return
	}
	people, _ := s.active.ask(ctx, unique(ids))
	for i := range cards {
		c := &cards[i]
		shown := []Shared{}
		for _, one := range c.SharedBy {
			person, active := people[one.Person.ID]
			if !active {
				continue
			}
			one.Person = person
			c.friends += int(bit(!one.seated))
			shown = append(shown, one)
		}
		c.SharedBy = shown[:min(len(shown), sharesShown)]
	}
}

var sharesTable = rowsTable{
	`INSERT INTO room_shares (room_id, account_id, comment, shared_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (room_id, account_id) DO UPDATE SET comment = excluded.comment, shared_at = excluded.shared_at`,
	`DELETE FROM room_shares WHERE room_id = $1 AND account_id = $2`,
}

// writeShares adds what is shared and taken back. When the room ends all of it goes at once.
func (s *State) writeShares(w *writes) {
	if s.Ended() && s.before.info.EndedAt.IsZero() {
		w.add(`DELETE FROM room_shares WHERE room_id = $1`)
		return
	}
	for _, c := range s.shares.changes() {
		w.row(c.now.there, c.key, sharesTable, c.now.value.Comment, millis(c.now.value.At))
	}
}

func loadShares(tx *db.Tx, room besedka.RoomID, st *State) error {
	rows, err := tx.Query(`SELECT account_id, comment, shared_at FROM room_shares WHERE room_id = $1`, room)
	return each(rows, err, func(scan scanner) error {
		var who besedka.AccountID
		var one share
		var at int64
		err := scan(&who, &one.Comment, &at)
		one.At = fromMillis(at)
		st.shares.rows[who] = one
		return err
	})
}
