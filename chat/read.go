package chat

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"besedka"
	"besedka/db"
)

// Page is a part of a room's messages, the newest first.
type Page struct {
	Messages []Message `json:"messages"`
	Next     *string   `json:"next" doc:"Asks for the older ones, as before; null when there are none."`
	// MutedUntil is the reader's own.
	MutedUntil *time.Time `json:"muted_until" doc:"Until when a moderator has muted me in this chat; null if none has."`
}

// Messages reads the chat: at most limit messages (50 if that is 0) with a number
// below before, which is Next of another page (the newest if that is ""), without those of people whom the reader
// has blocked. Who may not read it, because the room has ended or they have been
// removed, reads their own messages, which they may still delete.
func (s *Service) Messages(ctx context.Context, room besedka.RoomID, account besedka.AccountID, before string, limit int) (Page, error) {
	_, err := s.Rooms.Inside(ctx, room, account)
	if err != nil {
		var known *besedka.Error
		if !errors.As(err, &known) || known.Kind == besedka.Unavailable || known.Kind == besedka.Internal {
			return Page{}, err
		}
		own, failed := s.read(ctx, room, account, query{where: ` AND backstage = 0 AND author = $4`, arg: account, before: before, limit: limit})
		if failed != nil {
			return Page{}, failed
		}
		if len(own.Messages) > 0 || errors.Is(err, errEnded) {
			return own, nil
		}
		if known.Kind == besedka.Forbidden {
			return Page{}, besedka.ErrNotFound // to who was removed the room is not there
		}
		return Page{}, err
	}
	return s.read(ctx, room, account, query{where: ` AND backstage = 0 AND $4 = 0`, arg: 0, before: before, limit: limit})
}

// errEnded is what rooms say after their end.
var errEnded = &besedka.Error{Kind: besedka.Gone, Code: "room_ended"}

// Backchannel reads what was written to the stage, as Messages does: moderators
// read all of it, other speakers what was written since they came on stage.
func (s *Service) Backchannel(ctx context.Context, room besedka.RoomID, account besedka.AccountID, before string, limit int) (Page, error) {
	in, err := s.backstage(ctx, room, account)
	if err != nil {
		return Page{}, err
	}
	since := int64(0)
	if !in.Role.Moderates() {
		since = in.OnStageSince.UnixMilli()
	}
	return s.read(ctx, room, account, query{where: ` AND backstage = 1 AND created_at >= $4`, arg: since, before: before, limit: limit})
}

// backstage is Inside for who must be on stage.
func (s *Service) backstage(ctx context.Context, room besedka.RoomID, account besedka.AccountID) (besedka.Inside, error) {
	in, err := s.Rooms.Inside(ctx, room, account)
	switch {
	case err != nil:
		return in, err
	case in.Refusal != nil:
		return in, in.Refusal
	case !in.Role.OnStage():
		return in, ErrStageOnly
	}
	return in, nil
}

// authorsOf bounds the messages among which Authors looks, the latest.
const authorsOf = 500

// Authors lists who wrote into the room's chat since a time, each once, as far as
// their messages are still there.
func (s *Service) Authors(ctx context.Context, room besedka.RoomID, since time.Time) ([]besedka.AccountID, error) {
	var authors []besedka.AccountID
	err := s.DB.Read(ctx, func(tx *db.Tx) error {
		authors = nil
		rows, err := tx.Query(`SELECT DISTINCT author FROM (SELECT author, created_at FROM messages WHERE room_id = $1 AND backstage = 0
			ORDER BY seq DESC LIMIT $2) AS latest WHERE created_at >= $3`, room, authorsOf, since.UnixMilli())
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var author besedka.AccountID
			if err := rows.Scan(&author); err != nil {
				return err
			}
			authors = append(authors, author)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("list authors: %w", err)
	}
	return authors, nil
}

// query is which messages are read; where has the argument $4.
type query struct {
	where  string
	arg    any
	before string
	limit  int
}

func (s *Service) read(ctx context.Context, room besedka.RoomID, reader besedka.AccountID, q query) (Page, error) {
	if q.limit <= 0 {
		q.limit = pageSize
	}
	q.limit = min(q.limit, MaxPage)
	last := int64(math.MaxInt64)
	if q.before != "" {
		var err error
		if last, err = strconv.ParseInt(q.before, 10, 64); err != nil {
			return Page{}, besedka.ErrInvalid.In("before")
		}
	}
	page := Page{Messages: []Message{}}
	err := s.DB.Read(ctx, func(tx *db.Tx) error {
		page = Page{Messages: []Message{}}
		if err := readMessages(tx, room, q, last, &page); err != nil {
			return err
		}
		until, err := mutedUntil(tx, room, reader)
		if !until.IsZero() {
			page.MutedUntil = &until
		}
		return err
	})
	if err == nil {
		err = s.dress(ctx, reader, &page)
	}
	if err != nil {
		return Page{}, fmt.Errorf("read messages: %w", err)
	}
	return page, nil
}

func readMessages(tx *db.Tx, room besedka.RoomID, q query, last int64, page *Page) error {
	rows, err := tx.Query(`SELECT id, seq, author, text, created_at FROM messages WHERE room_id = $1 AND seq < $2`+q.where+`
		ORDER BY seq DESC LIMIT $3`, room, last, q.limit+1, q.arg)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var m Message
		var at int64
		if err := rows.Scan(&m.ID, &m.Seq, &m.Author.ID, &m.Text, &at); err != nil {
			return err
		}
		m.At = time.UnixMilli(at).UTC()
		page.Messages = append(page.Messages, m)
	}
	if len(page.Messages) > q.limit {
		page.Messages = page.Messages[:q.limit]
		next := strconv.FormatInt(page.Messages[q.limit-1].Seq, 10)
		page.Next = &next
	}
	return rows.Err()
}

// dress puts names on messages and leaves out those that the reader does not want to see.
func (s *Service) dress(ctx context.Context, reader besedka.AccountID, page *Page) error {
	seen := map[besedka.AccountID]bool{}
	var authors []besedka.AccountID
	for _, m := range page.Messages {
		if !seen[m.Author.ID] {
			seen[m.Author.ID] = true
			authors = append(authors, m.Author.ID)
		}
	}
	if len(authors) == 0 {
		return nil
	}
	blocked, _, err := s.Graph.BlocksOf(ctx, []besedka.AccountID{reader})
	if err != nil {
		return err
	}
	people, err := s.People(ctx, authors)
	if err != nil {
		return err
	}
	shown := make([]Message, 0, len(page.Messages))
	for _, m := range page.Messages {
		if slices.Contains(blocked[reader], m.Author.ID) {
			continue
		}
		if p, ok := people[m.Author.ID]; ok {
			m.Author = p
		}
		shown = append(shown, m)
	}
	page.Messages = shown
	return nil
}
