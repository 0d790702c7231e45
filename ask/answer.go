package ask

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"besedka"
	"besedka/db"
)

// Actions in a room's log.
const (
	logAnswering   = "question_answering"
	logDeleted     = "question_deleted"
	logPollOpened  = "poll_opened" // detail: the question
	logPollClosed  = "poll_closed"
	factState      = "question_state"
	factOffered    = "question_offered" // of the author's account
	factPollOpened = "poll_opened"
	factPollClosed = "poll_closed"
)

// codeBlocked is how Rooms refuses to ask up whom somebody on stage blocks.
const codeBlocked = "blocked_on_stage"

// Answering says what came of a question's author.
type Answering struct {
	AskerInvited bool `json:"asker_invited" doc:"To the stage. Of a question without a name it is always true, and tells nothing: its author alone is asked."`
	OnStage      bool `json:"on_stage" doc:"The author is on stage now: a raised hand was the consent."`
	Blocked      bool `json:"blocked_on_stage" doc:"The author was not asked, because somebody on stage blocks them: invite them, with confirm."`
}

// Answer marks the question as the one being answered, in the place of any
// other, and asks its author to the stage; of an anonymous one only the author
// learns that they may come. Doing so twice asks twice. Moderators only.
func (s *Service) Answer(ctx context.Context, room besedka.RoomID, by besedka.AccountID, id string) (Answering, error) {
	if err := s.moderator(ctx, room, by); err != nil {
		return Answering{}, err
	}
	var q stored
	err := s.DB.Write(ctx, func(tx *db.Tx) (err error) {
		q, err = answer(tx, s, room, by, id)
		return err
	})
	if err != nil {
		return Answering{}, fmt.Errorf("answer a question: %w", err)
	}
	if q.anonymous {
		return Answering{AskerInvited: true}, nil
	}
	if q.author == by {
		return Answering{OnStage: true}, nil
	}
	onStage, err := s.Rooms.AskUp(ctx, room, by, q.author, false)
	if e := besedka.AsError(err); e != nil {
		if e.Kind == besedka.Internal || e.Kind == besedka.Unavailable {
			return Answering{}, err
		}
		// Not here, or no place on stage: the question is answered all the same.
		return Answering{Blocked: e.Code == codeBlocked}, nil
	}
	return Answering{AskerInvited: true, OnStage: onStage}, nil
}

func answer(tx *db.Tx, s *Service, room besedka.RoomID, by besedka.AccountID, id string) (stored, error) {
	seen, err := find(tx, room, id, "")
	if err != nil {
		return seen, err
	}
	if seen.state != StateAnswering {
		target := seen.author
		if seen.anonymous {
			target = ""
		}
		if err := s.Entry(tx, room, by, logAnswering, target, ""); err != nil {
			return seen, err
		}
	}
	q, err := find(tx, room, id, tx.ForUpdate())
	if err != nil || q.state == StateAnswering {
		return q, err
	}
	var before string
	err = tx.QueryRow(`SELECT id FROM questions WHERE room_id = $1 AND state = $2`, room, StateAnswering).Scan(&before)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return q, err
	}
	topic := besedka.RoomTopic(room)
	if err == nil {
		if err := setState(tx, before, StateAnswered, ""); err != nil {
			return q, err
		}
		if _, err := tx.Publish(topic, factState, members, changed{before, StateAnswered, by}); err != nil {
			return q, err
		}
	}
	offeredBy := besedka.AccountID("")
	if q.anonymous {
		offeredBy = by
	}
	if err := setState(tx, id, StateAnswering, offeredBy); err != nil {
		return q, err
	}
	if _, err := tx.Publish(topic, factState, members, changed{id, StateAnswering, by}); err != nil {
		return q, err
	}
	if q.anonymous {
		_, err := tx.Publish(besedka.AccountTopic(q.author), factOffered, nil, map[string]any{"room": room, "question": id})
		return q, err
	}
	return q, nil
}

// changed is what the fact of a question's state says.
type changed struct {
	ID    string            `json:"id"`
	State State             `json:"state"`
	By    besedka.AccountID `json:"by,omitempty"`
}

func setState(tx *db.Tx, id string, state State, offeredBy besedka.AccountID) error {
	_, err := tx.Exec(`UPDATE questions SET state = $2, state_at = $3, offered_by = $4 WHERE id = $1`, id, state, tx.Millis(), offeredBy)
	return err
}

// Answered marks the question as answered; doing so twice is harmless. Moderators only.
func (s *Service) Answered(ctx context.Context, room besedka.RoomID, by besedka.AccountID, id string) error {
	if err := s.moderator(ctx, room, by); err != nil {
		return err
	}
	err := s.DB.Write(ctx, func(tx *db.Tx) error {
		q, err := find(tx, room, id, tx.ForUpdate())
		if err != nil || q.state == StateAnswered {
			return err
		}
		if err := setState(tx, id, StateAnswered, ""); err != nil {
			return err
		}
		_, err = tx.Publish(besedka.RoomTopic(room), factState, members, changed{id, StateAnswered, by})
		return err
	})
	if err != nil {
		return fmt.Errorf("mark a question as answered: %w", err)
	}
	return nil
}

// ComeUp brings the author of an anonymous question that is being answered on
// stage. That is their own act, and says who asked. ErrNotOffered.
func (s *Service) ComeUp(ctx context.Context, room besedka.RoomID, account besedka.AccountID, id string) error {
	if _, err := s.part(ctx, room, account); err != nil {
		return err
	}
	var q stored
	err := s.DB.Read(ctx, func(tx *db.Tx) (err error) {
		q, err = find(tx, room, id, "")
		return err
	})
	switch {
	case err != nil:
		return fmt.Errorf("come up for a question: %w", err)
	case q.author != account, q.state != StateAnswering, q.offeredBy == "":
		return ErrNotOffered
	}
	_, err = s.Rooms.AskUp(ctx, room, q.offeredBy, account, true)
	if e := besedka.AsError(err); e != nil && (e.Code == besedka.ErrModeratorsOnly.Code || e.Code == codeBlocked) {
		return ErrNotOffered // who offered it does not moderate any more, or there is what the author must not learn
	}
	return err
}

// Delete deletes a question: one's own at any time, also after the end of the
// room; those of others only as a moderator. What it said is gone.
func (s *Service) Delete(ctx context.Context, room besedka.RoomID, account besedka.AccountID, id string) error {
	in, inside := s.Rooms.Inside(ctx, room, account)
	ended, err := s.Rooms.Ended(ctx, room)
	if err != nil {
		return err
	}
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		seen, err := find(tx, room, id, "")
		if err != nil {
			return err
		}
		if seen.author != account {
			if inside != nil {
				return besedka.ErrNotFound
			}
			if !in.Role.Moderates() {
				return besedka.ErrModeratorsOnly
			}
			target := seen.author
			if seen.anonymous {
				target = ""
			}
			if err := s.Entry(tx, room, account, logDeleted, target, ""); err != nil {
				return err
			}
		}
		return erase(tx, room, id, ended)
	})
	if err != nil {
		return fmt.Errorf("delete a question: %w", err)
	}
	return nil
}

// erase takes away what a question said. The row stays, so that its author has asked it.
func erase(tx *db.Tx, room besedka.RoomID, id string, ended bool) error {
	q, err := find(tx, room, id, tx.ForUpdate())
	if err != nil {
		return err
	}
	for _, statement := range []string{`UPDATE questions SET state = '` + string(stateDeleted) + `', text = '', votes = 0, offered_by = '' WHERE id = $1`,
		`DELETE FROM question_votes WHERE question_id = $1`} {
		if _, err := tx.Exec(statement, id); err != nil {
			return err
		}
	}
	topic := besedka.RoomTopic(room)
	if err := tx.Redact(topic, "question_asked", q.seq, changed{ID: id, State: stateDeleted}); err != nil || ended {
		return err
	}
	_, err = tx.Publish(topic, factState, members, changed{ID: id, State: stateDeleted})
	return err
}
