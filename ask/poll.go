package ask

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"besedka"
	"besedka/db"
)

// Poll is a question with answers to choose from.
type Poll struct {
	ID       string     `json:"id"`
	Question string     `json:"question"`
	Options  []Option   `json:"options"`
	Voters   int        `json:"voters"`
	Choice   *int       `json:"choice" doc:"What I chose, from 0; null if nothing."`
	OpenedBy Person     `json:"opened_by"`
	OpenedAt time.Time  `json:"opened_at"`
	ClosedAt *time.Time `json:"closed_at" doc:"Null while it is open."`
}

// Option is one answer of a poll, and how many have chosen it.
type Option struct {
	Text  string `json:"text"`
	Votes int    `json:"votes"`
}

// cleanPoll says whether a poll may be asked.
func cleanPoll(question string, options []string) (string, []string, error) {
	question, ok := besedka.CleanLine(question, MaxPollQuestion)
	if !ok || question == "" {
		return "", nil, ErrPoll.In("question")
	}
	if len(options) < MinOptions || len(options) > MaxOptions {
		return "", nil, ErrPoll.In("options")
	}
	var clean []string
	for _, o := range options {
		o, ok := besedka.CleanLine(o, MaxOption)
		if !ok || o == "" || slices.Contains(clean, o) {
			return "", nil, ErrPoll.In("options")
		}
		clean = append(clean, o)
	}
	return question, clean, nil
}

// OpenPoll begins a poll. ErrPoll, ErrPollOpen while there is another,
// ErrTooManyPolls. Moderators only.
func (s *Service) OpenPoll(ctx context.Context, room besedka.RoomID, by besedka.AccountID, question string, options []string) (Poll, error) {
	question, options, err := cleanPoll(question, options)
	if err != nil {
		return Poll{}, err
	}
	if err := s.moderator(ctx, room, by); err != nil {
		return Poll{}, err
	}
	name, err := s.names(ctx, []besedka.AccountID{by})
	if err != nil {
		return Poll{}, err
	}
	p := Poll{ID: besedka.NewID(s.Random), Question: question, OpenedBy: name(by)}
	for _, o := range options {
		p.Options = append(p.Options, Option{Text: o})
	}
	text, err := json.Marshal(options)
	if err != nil {
		return Poll{}, err
	}
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		p.OpenedAt = tx.Now
		if err := s.Entry(tx, room, by, logPollOpened, "", question); err != nil {
			return err
		}
		n, err := tx.Exec(`INSERT INTO polls (id, room_id, seq, question, options, opened_by, opened_at, closed_at)
			VALUES ($1, $2, 0, $3, $4, $5, $6, 0) ON CONFLICT DO NOTHING`, p.ID, room, question, string(text), by, tx.Millis())
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrPollOpen
		}
		var count int
		if err := tx.QueryRow(`SELECT COUNT(*) FROM polls WHERE room_id = $1`, room).Scan(&count); err != nil {
			return err
		}
		if count > MaxPolls {
			return ErrTooManyPolls
		}
		fact, err := tx.Publish(besedka.RoomTopic(room), factPollOpened, members, p)
		if err != nil {
			return err
		}
		_, err = tx.Exec(`UPDATE polls SET seq = $2 WHERE id = $1`, p.ID, fact.Seq)
		return err
	})
	if err != nil {
		return Poll{}, fmt.Errorf("open a poll: %w", err)
	}
	return p, nil
}

// VotePoll chooses an answer, counted from 0, in the place of any chosen before.
// ErrPoll for one that is not, ErrPollClosed.
func (s *Service) VotePoll(ctx context.Context, room besedka.RoomID, account besedka.AccountID, id string, option int) error {
	in, err := s.part(ctx, room, account)
	if err != nil {
		return err
	}
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		p, err := findPoll(tx, room, id, tx.ForUpdate())
		switch {
		case err != nil:
			return err
		case p.ClosedAt != nil:
			return ErrPollClosed
		case option < 0 || option >= len(p.Options):
			return ErrPoll.In("option")
		}
		_, err = tx.Exec(`INSERT INTO poll_votes (poll_id, account_id, choice) VALUES ($1, $2, $3)
			ON CONFLICT (poll_id, account_id) DO UPDATE SET choice = excluded.choice`, id, account, option)
		return err
	})
	if err != nil {
		return fmt.Errorf("vote in a poll: %w", err)
	}
	s.voted(room, in.People, "", id)
	return nil
}

// ClosePoll ends a poll and tells its result; doing so twice is harmless. Moderators only.
func (s *Service) ClosePoll(ctx context.Context, room besedka.RoomID, by besedka.AccountID, id string) (Poll, error) {
	if err := s.moderator(ctx, room, by); err != nil {
		return Poll{}, err
	}
	var p Poll
	err := s.DB.Write(ctx, func(tx *db.Tx) (err error) {
		if p, err = findPoll(tx, room, id, ""); err != nil {
			return err
		}
		if p.ClosedAt == nil {
			if err := s.Entry(tx, room, by, logPollClosed, "", p.Question); err != nil {
				return err
			}
		}
		if p, err = findPoll(tx, room, id, tx.ForUpdate()); err != nil {
			return err
		}
		if p.ClosedAt == nil {
			if _, err := tx.Exec(`UPDATE polls SET closed_at = $2 WHERE id = $1`, id, tx.Millis()); err != nil {
				return err
			}
			now := tx.Now
			p.ClosedAt = &now
			if err := tally(tx, &p); err != nil {
				return err
			}
			told := map[string]any{"id": id, "options": p.Options, "voters": p.Voters, "closed_at": now, "by": by}
			_, err := tx.Publish(besedka.RoomTopic(room), factPollClosed, members, told)
			return err
		}
		return tally(tx, &p)
	})
	if err != nil {
		return Poll{}, fmt.Errorf("close a poll: %w", err)
	}
	return s.own(ctx, by, p)
}

// Polls lists the polls of a room, the latest first.
func (s *Service) Polls(ctx context.Context, room besedka.RoomID, account besedka.AccountID) ([]Poll, error) {
	if _, err := s.look(ctx, room, account); err != nil {
		return nil, err
	}
	var list []Poll
	err := s.DB.Read(ctx, func(tx *db.Tx) error {
		list = []Poll{}
		var ids []string
		rows, err := tx.Query(`SELECT id FROM polls WHERE room_id = $1 ORDER BY seq DESC LIMIT $2`, room, MaxPolls)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id string
			if err := rows.Scan(&id); err != nil {
				return err
			}
			ids = append(ids, id)
		}
		if err := rows.Err(); err != nil {
			return err
		}
		for _, id := range ids {
			p, err := findPoll(tx, room, id, "")
			if err == nil {
				err = errors.Join(tally(tx, &p), choice(tx, &p, account))
			}
			if err != nil {
				return err
			}
			list = append(list, p)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list polls: %w", err)
	}
	var openers []besedka.AccountID
	for _, p := range list {
		openers = append(openers, p.OpenedBy.ID)
	}
	slices.Sort(openers)
	name, err := s.names(ctx, slices.Compact(openers))
	for i := range list {
		list[i].OpenedBy = name(list[i].OpenedBy.ID)
	}
	return list, err
}

// result is how a poll stands.
func (s *Service) result(ctx context.Context, room besedka.RoomID, id string) (Poll, error) {
	var p Poll
	err := s.DB.Read(ctx, func(tx *db.Tx) (err error) {
		if p, err = findPoll(tx, room, id, ""); err == nil {
			err = tally(tx, &p)
		}
		return err
	})
	return p, err
}

// own adds to a poll what its reader sees of it.
func (s *Service) own(ctx context.Context, reader besedka.AccountID, p Poll) (Poll, error) {
	err := s.DB.Read(ctx, func(tx *db.Tx) error { return choice(tx, &p, reader) })
	if err != nil {
		return p, err
	}
	name, err := s.names(ctx, []besedka.AccountID{p.OpenedBy.ID})
	p.OpenedBy = name(p.OpenedBy.ID)
	return p, err
}

// findPoll reads a poll of the room without its votes; besedka.ErrNotFound.
func findPoll(tx *db.Tx, room besedka.RoomID, id, lock string) (Poll, error) {
	p := Poll{ID: id}
	var options string
	var opened, closed int64
	err := tx.QueryRow(`SELECT question, options, opened_by, opened_at, closed_at FROM polls WHERE id = $1 AND room_id = $2`+lock, id, room).
		Scan(&p.Question, &options, &p.OpenedBy.ID, &opened, &closed)
	if errors.Is(err, sql.ErrNoRows) {
		return p, besedka.ErrNotFound
	}
	if err != nil {
		return p, err
	}
	var texts []string
	if err := json.Unmarshal([]byte(options), &texts); err != nil {
		return p, fmt.Errorf("options of poll %s: %w", id, err)
	}
	for _, text := range texts {
		p.Options = append(p.Options, Option{Text: text})
	}
	p.OpenedAt = moment(opened)
	if closed != 0 {
		at := moment(closed)
		p.ClosedAt = &at
	}
	return p, nil
}

// tally counts the votes.
func tally(tx *db.Tx, p *Poll) error {
	rows, err := tx.Query(`SELECT choice, COUNT(*) FROM poll_votes WHERE poll_id = $1 GROUP BY choice`, p.ID)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var option, votes int
		if err := rows.Scan(&option, &votes); err != nil {
			return err
		}
		if option >= 0 && option < len(p.Options) {
			p.Options[option].Votes = votes
			p.Voters += votes
		}
	}
	return rows.Err()
}

// choice reads what somebody chose.
func choice(tx *db.Tx, p *Poll, account besedka.AccountID) error {
	var option int
	err := tx.QueryRow(`SELECT choice FROM poll_votes WHERE poll_id = $1 AND account_id = $2`, p.ID, account).Scan(&option)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	p.Choice = &option
	return err
}
