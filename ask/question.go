package ask

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

// State is what has become of a question.
type State string

// The states of a question. Deleted ones are counted and not shown.
const (
	StateOpen      State = "open"
	StateAnswering State = "answering" // one at a time
	StateAnswered  State = "answered"
	stateDeleted   State = "deleted"
)

// Question is what somebody wants to know, as one reader sees it.
type Question struct {
	ID        string    `json:"id"`
	Author    *Person   `json:"author" doc:"Null of one asked without a name."`
	Anonymous bool      `json:"anonymous"`
	Text      string    `json:"text" doc:"At most 280 characters: show it as text."`
	State     State     `json:"state"`
	Votes     int       `json:"votes"`
	Voted     bool      `json:"voted" doc:"By me."`
	Mine      bool      `json:"mine"`
	Offered   bool      `json:"offered" doc:"Mine, asked without a name and being answered: I may come on stage, which says that it is mine."`
	AskedAt   time.Time `json:"asked_at"`
}

// Questions are a room's questions: the one being answered, the open ones by
// their votes, and those answered last.
type Questions struct {
	besedka.QuestionSetting
	Questions []Question `json:"questions"`
}

// asked is what the fact of a question says.
type asked struct {
	ID        string    `json:"id"`
	Author    *Person   `json:"author"`
	Anonymous bool      `json:"anonymous"`
	Text      string    `json:"text"`
	AskedAt   time.Time `json:"asked_at"`
}

// Ask puts a question to the room. ErrQuestion, ErrQuestionsOff, ErrAnonymousOff,
// ErrFull, ErrTooMany, besedka.ErrTooMany with the time to wait, what Muted says,
// or what Rooms says.
func (s *Service) Ask(ctx context.Context, room besedka.RoomID, account besedka.AccountID, text string, anonymous bool) (Question, error) {
	text, ok := besedka.CleanText(text, MaxQuestion)
	if !ok || text == "" {
		return Question{}, ErrQuestion.In("text")
	}
	in, err := s.part(ctx, room, account)
	switch {
	case err != nil:
		return Question{}, err
	case !in.Questions.On:
		return Question{}, ErrQuestionsOff
	case anonymous && !in.Questions.Anonymous:
		return Question{}, ErrAnonymousOff.In("anonymous")
	}
	if err := s.Muted(ctx, room, account); err != nil {
		return Question{}, err
	}
	name, err := s.names(ctx, []besedka.AccountID{account})
	if err != nil {
		return Question{}, err
	}
	q := Question{ID: besedka.NewID(s.Random), Anonymous: anonymous, Text: text, State: StateOpen, Mine: true}
	to := members
	if !anonymous {
		author := name(account)
		q.Author = &author
		if to, err = s.butBlockers(ctx, account); err != nil {
			return Question{}, err
		}
	}
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		q.AskedAt = tx.Now
		return ask(tx, room, account, q, to)
	})
	if err != nil {
		return Question{}, fmt.Errorf("ask: %w", err)
	}
	return q, nil
}

// butBlockers is everybody who has not blocked the account.
func (s *Service) butBlockers(ctx context.Context, account besedka.AccountID) ([]besedka.ParticipantID, error) {
	_, all, err := s.BlocksOf(ctx, []besedka.AccountID{account})
	return besedka.MembersBut(all[account]), err
}

func ask(tx *db.Tx, room besedka.RoomID, account besedka.AccountID, q Question, to []besedka.ParticipantID) error {
	_, err := tx.Exec(`INSERT INTO questions (id, room_id, seq, author, anonymous, text, state, votes, asked_at, state_at, offered_by)
		VALUES ($1, $2, 0, $3, $4, $5, $6, 0, $7, $7, '')`, q.ID, room, account, bit(q.Anonymous), q.Text, StateOpen, tx.Millis())
	if err != nil {
		return err
	}
	fact, err := tx.Publish(besedka.RoomTopic(room), "question_asked", to, asked{q.ID, q.Author, q.Anonymous, q.Text, q.AskedAt})
	if err != nil {
		return err
	}
	if _, err := tx.Exec(`UPDATE questions SET seq = $2 WHERE id = $1`, q.ID, fact.Seq); err != nil {
		return err
	}
	// The topic is the lock under which they are counted.
	return countQuestions(tx, room, account, q.ID)
}

func countQuestions(tx *db.Tx, room besedka.RoomID, account besedka.AccountID, id string) error {
	var open, mine, mineOpen, last int64
	err := tx.QueryRow(`SELECT COUNT(*) FROM questions WHERE room_id = $1 AND state = $2`, room, StateOpen).Scan(&open)
	if err != nil {
		return err
	}
	err = tx.QueryRow(`SELECT COUNT(*), COALESCE(SUM(CASE WHEN state = $3 THEN 1 ELSE 0 END), 0),
		COALESCE(MAX(CASE WHEN id = $4 THEN 0 ELSE asked_at END), 0) FROM questions WHERE room_id = $1 AND author = $2`,
		room, account, StateOpen, id).Scan(&mine, &mineOpen, &last)
	switch next := moment(last).Add(askEvery); {
	case err != nil:
		return err
	case last != 0 && next.After(tx.Now):
		return besedka.ErrTooMany.After(next.Sub(tx.Now))
	case mineOpen > MaxOpenOfOne, mine > MaxOfOne:
		return ErrTooMany
	case open > MaxOpen:
		return ErrFull
	}
	return nil
}

// List reads the questions of a room, without those of people whom the reader
// has blocked and who have told their name.
func (s *Service) List(ctx context.Context, room besedka.RoomID, account besedka.AccountID) (Questions, error) {
	in, err := s.look(ctx, room, account)
	if err != nil {
		return Questions{}, err
	}
	list := Questions{QuestionSetting: in.Questions}
	var authors []besedka.AccountID
	err = s.DB.Read(ctx, func(tx *db.Tx) error {
		list.Questions, authors = []Question{}, nil
		for _, part := range []struct {
			state State
			order string
			limit int
		}{{StateAnswering, `seq`, MaxOpen}, {StateOpen, `votes DESC, seq`, MaxOpen}, {StateAnswered, `state_at DESC, seq DESC`, answeredShown}} {
			rows, err := tx.Query(`SELECT id, author, anonymous, text, votes, asked_at, offered_by,
				EXISTS (SELECT 1 FROM question_votes v WHERE v.question_id = questions.id AND v.account_id = $4)
				FROM questions WHERE room_id = $1 AND state = $2 ORDER BY `+part.order+` LIMIT $3`, room, part.state, part.limit, account)
			if err != nil {
				return err
			}
			if authors, err = scanQuestions(rows, part.state, account, &list.Questions, authors); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = s.dress(ctx, account, &list, authors)
	}
	if err != nil {
		return Questions{}, fmt.Errorf("list questions: %w", err)
	}
	return list, nil
}

func scanQuestions(rows *sql.Rows, state State, reader besedka.AccountID, to *[]Question, authors []besedka.AccountID) ([]besedka.AccountID, error) {
	defer rows.Close()
	for rows.Next() {
		q := Question{State: state}
		var author, offeredBy besedka.AccountID
		var anonymous, at int64
		if err := rows.Scan(&q.ID, &author, &anonymous, &q.Text, &q.Votes, &at, &offeredBy, &q.Voted); err != nil {
			return nil, err
		}
		q.Anonymous, q.AskedAt, q.Mine = anonymous != 0, moment(at), author == reader
		q.Offered = q.Mine && q.Anonymous && state == StateAnswering && offeredBy != ""
		*to = append(*to, q)
		authors = append(authors, author)
	}
	return authors, rows.Err()
}

// dress puts names on questions that have told them.
func (s *Service) dress(ctx context.Context, reader besedka.AccountID, list *Questions, authors []besedka.AccountID) error {
	if len(authors) == 0 {
		return nil
	}
	blocked, _, err := s.BlocksOf(ctx, []besedka.AccountID{reader})
	if err != nil {
		return err
	}
	named := slices.Clone(authors)
	slices.Sort(named)
	name, err := s.names(ctx, slices.Compact(named))
	if err != nil {
		return err
	}
	shown := make([]Question, 0, len(list.Questions))
	for i, q := range list.Questions {
		if !q.Anonymous {
			if slices.Contains(blocked[reader], authors[i]) {
				continue
			}
			author := name(authors[i])
			q.Author = &author
		}
		shown = append(shown, q)
	}
	list.Questions = shown
	return nil
}

// Askers lists who has put an open question to the room with their name, each once.
func (s *Service) Askers(ctx context.Context, room besedka.RoomID) ([]besedka.AccountID, error) {
	var askers []besedka.AccountID
	err := s.DB.Read(ctx, func(tx *db.Tx) error {
		askers = nil
		rows, err := tx.Query(`SELECT DISTINCT author FROM questions WHERE room_id = $1 AND state = $2 AND anonymous = 0`, room, StateOpen)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var asker besedka.AccountID
			if err := rows.Scan(&asker); err != nil {
				return err
			}
			askers = append(askers, asker)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("list askers: %w", err)
	}
	return askers, nil
}

// stored is a question as it stands in the rows.
type stored struct {
	author    besedka.AccountID
	anonymous bool
	state     State
	offeredBy besedka.AccountID
	seq       int64
}

// find reads a question of the room that is not deleted; besedka.ErrNotFound.
func find(tx *db.Tx, room besedka.RoomID, id, lock string) (stored, error) {
	var q stored
	var anonymous int64
	err := tx.QueryRow(`SELECT author, anonymous, state, offered_by, seq FROM questions WHERE id = $1 AND room_id = $2 AND state <> $3`+lock,
		id, room, stateDeleted).Scan(&q.author, &anonymous, &q.state, &q.offeredBy, &q.seq)
	if errors.Is(err, sql.ErrNoRows) {
		return q, besedka.ErrNotFound
	}
	q.anonymous = anonymous != 0
	return q, err
}

// Vote gives the account's vote to a question, or takes it back; doing so twice
// is harmless. ErrOwn, and ErrAnswered once it is no longer open.
func (s *Service) Vote(ctx context.Context, room besedka.RoomID, account besedka.AccountID, id string, yes bool) error {
	in, err := s.part(ctx, room, account)
	if err != nil {
		return err
	}
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		q, err := find(tx, room, id, tx.ForUpdate())
		switch {
		case err != nil:
			return err
		case q.author == account:
			return ErrOwn
		case q.state != StateOpen:
			return ErrAnswered
		}
		statement, by := `INSERT INTO question_votes (question_id, account_id) VALUES ($1, $2) ON CONFLICT DO NOTHING`, 1
		if !yes {
			statement, by = `DELETE FROM question_votes WHERE question_id = $1 AND account_id = $2`, -1
		}
		n, err := tx.Exec(statement, id, account)
		if err != nil || n == 0 {
			return err
		}
		_, err = tx.Exec(`UPDATE questions SET votes = votes + $2 WHERE id = $1`, id, by)
		return err
	})
	if err != nil {
		return fmt.Errorf("vote: %w", err)
	}
	s.voted(room, in.People, id, "")
	return nil
}

// votes counts the votes of some questions.
func (s *Service) votes(ctx context.Context, room besedka.RoomID, ids map[string]bool) (map[string]int, error) {
	var votes map[string]int
	err := s.DB.Read(ctx, func(tx *db.Tx) error {
		votes = map[string]int{}
		rows, err := tx.Query(`SELECT id, votes FROM questions WHERE room_id = $1 AND state <> $2`, room, stateDeleted)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id string
			var n int
			if err := rows.Scan(&id, &n); err != nil {
				return err
			}
			if ids[id] {
				votes[id] = n
			}
		}
		return rows.Err()
	})
	return votes, err
}
