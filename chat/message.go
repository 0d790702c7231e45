package chat

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"besedka"
	"besedka/db"
)

// Kinds of facts.
const (
	factMessage     = "message"
	factBackchannel = "backchannel_message"
	factDeleted     = "message_deleted" // of either
	factMuted       = "chat_muted"
	factUnmuted     = "chat_unmuted"
)

// Actions in a room's log.
const (
	logDeleted = "message_deleted"
	logMuted   = "chat_muted"
	logUnmuted = "chat_unmuted"
)

// Message is what somebody wrote.
type Message struct {
	ID     string    `json:"id"`
	Seq    int64     `json:"seq" doc:"The number of the fact that told it: messages are in this order."`
	Author Person    `json:"author"`
	Text   string    `json:"text" doc:"At most 500 characters, line ends among them: show it as text."`
	At     time.Time `json:"at"`
}

// told is what the fact of a message says.
type told struct {
	ID     string    `json:"id"`
	Author Person    `json:"author"`
	Text   string    `json:"text"`
	At     time.Time `json:"at"`
}

// gone is what the fact of a deleted message says.
type gone struct {
	ID      string `json:"id"`
	Deleted bool   `json:"deleted"`
}

// clean says whether text may be sent.
func clean(text string) (string, error) {
	text, ok := besedka.CleanText(text, MaxText)
	if !ok || text == "" {
		return "", ErrText.In("text")
	}
	return text, nil
}

// Post writes into the room's chat. ErrText, ErrOff, ErrFollowers, ErrMuted,
// ErrSlow and ErrBusy with the time to wait, or what Rooms says.
func (s *Service) Post(ctx context.Context, room besedka.RoomID, account besedka.AccountID, text string) (Message, error) {
	text, err := clean(text)
	if err != nil {
		return Message{}, err
	}
	in, err := s.Rooms.Inside(ctx, room, account)
	if err != nil {
		return Message{}, err
	}
	if err := s.mayWrite(ctx, in, account); err != nil {
		return Message{}, err
	}
	to, err := s.readers(ctx, account)
	if err != nil {
		return Message{}, err
	}
	slow := everyone
	if !in.Role.Moderates() {
		slow = max(slow, time.Duration(in.Chat.SlowSeconds)*time.Second)
	}
	w := writing{room: room, account: account, text: text, to: to, slow: slow, people: in.People}
	return s.write(ctx, w)
}

// PostBackchannel writes to those on stage, of whom the account must be one: ErrStageOnly.
func (s *Service) PostBackchannel(ctx context.Context, room besedka.RoomID, account besedka.AccountID, text string) (Message, error) {
	text, err := clean(text)
	if err != nil {
		return Message{}, err
	}
	in, err := s.backstage(ctx, room, account)
	if err != nil {
		return Message{}, err
	}
	return s.write(ctx, writing{room: room, account: account, text: text, to: participants(in.Stage), slow: everyone,
		people: len(in.Stage), backstage: true})
}

// mayWrite asks the room's setting.
func (s *Service) mayWrite(ctx context.Context, in besedka.Inside, account besedka.AccountID) error {
	switch {
	case in.Refusal != nil:
		return in.Refusal
	case in.Chat.Mode == besedka.ChatOff:
		return ErrOff
	case in.Chat.Mode != besedka.ChatFollowers, in.Role.OnStage():
		return nil
	}
	follows, err := s.Graph.Among(ctx, account, in.Moderators)
	if err != nil {
		return err
	}
	if len(follows) == 0 {
		return ErrFollowers
	}
	return nil
}

// readers are whom a message of the account is for.
func (s *Service) readers(ctx context.Context, account besedka.AccountID) ([]besedka.ParticipantID, error) {
	_, all, err := s.Graph.BlocksOf(ctx, []besedka.AccountID{account})
	return besedka.MembersBut(all[account]), err
}

func participants(accounts []besedka.AccountID) []besedka.ParticipantID {
	to := make([]besedka.ParticipantID, 0, len(accounts))
	for _, a := range accounts[:min(len(accounts), maxOnStage)] {
		to = append(to, a.Participant())
	}
	return to
}

// writing is a message that is about to be written.
type writing struct {
	room      besedka.RoomID
	account   besedka.AccountID
	text      string
	to        []besedka.ParticipantID
	slow      time.Duration
	people    int
	backstage bool
}

func (s *Service) write(ctx context.Context, w writing) (Message, error) {
	author, err := s.person(ctx, w.account)
	if err != nil {
		return Message{}, err
	}
	// Who may not write now must not spend what the whole room has.
	if err := s.DB.Read(ctx, func(tx *db.Tx) error { return due(tx, w, "") }); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return Message{}, fmt.Errorf("write a message: %w", err)
	}
	if err := s.spend(w.room, w.people); err != nil {
		return Message{}, err
	}
	m := Message{ID: besedka.NewID(s.Random), Author: author, Text: w.text}
	kind := factMessage
	if w.backstage {
		kind = factBackchannel
	}
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		if err := s.take(tx, w); err != nil {
			return err
		}
		m.At = tx.Now
		// The row comes before the fact, whose number it then gets: what refers to the room goes before the topic.
		_, err := tx.Exec(`INSERT INTO messages (id, room_id, backstage, seq, author, text, created_at) VALUES ($1, $2, $3, 0, $4, $5, $6)`,
			m.ID, w.room, bit(w.backstage), w.account, w.text, tx.Millis())
		if err != nil {
			return err
		}
		fact, err := tx.Publish(besedka.RoomTopic(w.room), kind, w.to, told{m.ID, m.Author, m.Text, m.At})
		if err != nil {
			return err
		}
		m.Seq = fact.Seq
		_, err = tx.Exec(`UPDATE messages SET seq = $2 WHERE id = $1`, m.ID, m.Seq)
		return err
	})
	if err != nil {
		return Message{}, fmt.Errorf("write a message: %w", err)
	}
	s.trim(ctx, w.room, m.Seq)
	return m, nil
}

// take counts the message against the author, whose row is the lock.
func (s *Service) take(tx *db.Tx, w writing) error {
	_, err := tx.Exec(`INSERT INTO message_authors (room_id, account_id, last_at, muted_until) VALUES ($1, $2, 0, 0) ON CONFLICT DO NOTHING`,
		w.room, w.account)
	if err != nil {
		return err
	}
	if err := due(tx, w, tx.ForUpdate()); err != nil {
		return err
	}
	_, err = tx.Exec(`UPDATE message_authors SET last_at = $3 WHERE room_id = $1 AND account_id = $2`, w.room, w.account, tx.Millis())
	return err
}

// due says whether the author may write now; sql.ErrNoRows is that they never have.
func due(tx *db.Tx, w writing, lock string) error {
	var last, muted int64
	err := tx.QueryRow(`SELECT last_at, muted_until FROM message_authors WHERE room_id = $1 AND account_id = $2`+lock,
		w.room, w.account).Scan(&last, &muted)
	if err != nil {
		return err
	}
	if until := time.UnixMilli(muted); !w.backstage && until.After(tx.Now) {
		return ErrMuted.After(until.Sub(tx.Now))
	}
	if next := time.UnixMilli(last).Add(w.slow); last != 0 && next.After(tx.Now) {
		return ErrSlow.After(next.Sub(tx.Now))
	}
	return nil
}

// trimEvery is after how many facts of a room it is looked whether it has too many messages.
const trimEvery = 256

// trim deletes the oldest messages of a room that has too many.
func (s *Service) trim(ctx context.Context, room besedka.RoomID, seq int64) {
	if seq%trimEvery != 0 {
		return
	}
	err := s.DB.Write(ctx, func(tx *db.Tx) error { return trim(tx, room, MaxKept) })
	if err != nil {
		s.Log.Warn("old messages not deleted", "room", room, "error", err)
	}
}

func trim(tx *db.Tx, room besedka.RoomID, keep int) error {
	_, err := tx.Exec(`DELETE FROM messages WHERE room_id = $1 AND seq < (SELECT MIN(seq) FROM
		(SELECT seq FROM messages WHERE room_id = $1 ORDER BY seq DESC LIMIT $2) AS newest)`, room, keep)
	return err
}

func (s *Service) person(ctx context.Context, account besedka.AccountID) (Person, error) {
	known, err := s.People(ctx, []besedka.AccountID{account})
	if err != nil {
		return Person{}, err
	}
	p, ok := known[account]
	if !ok {
		return Person{}, besedka.ErrNotFound.In("account")
	}
	return p, nil
}

// stored is a message as it stands in the rows.
type stored struct {
	id        string
	room      besedka.RoomID
	author    besedka.AccountID
	backstage bool
	seq       int64
}

func (s *Service) find(ctx context.Context, id string) (stored, error) {
	m := stored{id: id}
	err := s.DB.Read(ctx, func(tx *db.Tx) error {
		var backstage int64
		err := tx.QueryRow(`SELECT room_id, author, backstage, seq FROM messages WHERE id = $1`, id).Scan(&m.room, &m.author, &backstage, &m.seq)
		m.backstage = backstage != 0
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return m, besedka.ErrNotFound
	}
	return m, err
}

// Delete deletes a message: one's own at any time, also after the end of the
// room; those of others only as a moderator. Whoever may not read a message is
// told that there is none; besedka.ErrModeratorsOnly is for the others.
func (s *Service) Delete(ctx context.Context, room besedka.RoomID, account besedka.AccountID, id string) error {
	m, err := s.find(ctx, id)
	if err != nil {
		return err
	}
	if m.room != room {
		return besedka.ErrNotFound
	}
	in, inside := s.Rooms.Inside(ctx, m.room, account)
	if m.author != account {
		switch {
		case inside != nil:
			return besedka.ErrNotFound
		case m.backstage && !in.Role.OnStage():
			return besedka.ErrNotFound
		case !in.Role.Moderates():
			return besedka.ErrModeratorsOnly
		}
	}
	ended, err := s.Rooms.Ended(ctx, m.room)
	if err != nil {
		return err
	}
	to, err := s.toldOf(ctx, m, in.Stage)
	if err != nil {
		return err
	}
	err = s.DB.Write(ctx, func(tx *db.Tx) error { return s.delete(tx, m, account, to, ended) })
	if err != nil {
		return fmt.Errorf("delete a message: %w", err)
	}
	return nil
}

// toldOf are those who are told that a message is gone: those who were told of
// it and, of the backchannel, those who may have read it since.
func (s *Service) toldOf(ctx context.Context, m stored, stage []besedka.AccountID) ([]besedka.ParticipantID, error) {
	if !m.backstage {
		return []besedka.ParticipantID{besedka.Members}, nil
	}
	to := participants(stage)
	facts, err := s.DB.FactsAfter(ctx, besedka.RoomTopic(m.room), m.seq-1, 1)
	if err != nil {
		return nil, err
	}
	for _, f := range facts {
		for _, who := range f.To {
			if f.Seq == m.seq && len(to) < maxOnStage && !slices.Contains(to, who) {
				to = append(to, who)
			}
		}
	}
	return to, nil
}

func (s *Service) delete(tx *db.Tx, m stored, by besedka.AccountID, to []besedka.ParticipantID, ended bool) error {
	if by != m.author {
		if err := s.Entry(tx, m.room, by, logDeleted, m.author, ""); err != nil {
			return err
		}
	}
	n, err := tx.Exec(`DELETE FROM messages WHERE id = $1`, m.id)
	if err != nil {
		return err
	}
	if n == 0 {
		return besedka.ErrNotFound // somebody else was faster
	}
	kind := factMessage
	if m.backstage {
		kind = factBackchannel
	}
	topic := besedka.RoomTopic(m.room)
	if err := tx.Redact(topic, kind, m.seq, gone{m.id, true}); err != nil {
		return err
	}
	if ended {
		return nil // nobody follows the room any more
	}
	_, err = tx.Publish(topic, factDeleted, to, struct {
		ID string `json:"id"`
	}{m.id})
	return err
}

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
