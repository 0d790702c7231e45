package room

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

// Text is what a room has beside the voice that is part of its state: the link
// that is pinned (pin.go), the agenda (agenda.go), and how chat and questions
// are set. What people write is rows of other packages, which ask Inside.
type Text struct {
	Pin        Pin
	Pins       int64     // how many were ever pinned
	PinChanged time.Time // when one was last pinned or taken away

	Agenda        string // Markdown
	AgendaNow     int    // the item under discussion, from 1; 0 = none
	AgendaStarted string // when each item began; see starts

	Chat      besedka.ChatSetting
	Questions besedka.QuestionSetting
}

// Chats are all of them.
var Chats = []besedka.Chat{besedka.ChatEveryone, besedka.ChatFollowers, besedka.ChatOff}

// MaxSlow is the longest time between two messages of one person that may be asked for.
const MaxSlow = 60 // seconds

// textOf is what a room begins with.
func textOf(chat besedka.Chat) Text {
	return Text{Chat: besedka.ChatSetting{Mode: chat}, Questions: besedka.QuestionSetting{On: true}}
}

// SetChat says who may write and how often; nil leaves a part as it is. Moderators only.
func (s *State) SetChat(by besedka.AccountID, mode *besedka.Chat, slow *int) error {
	if err := s.needModerator(by); err != nil {
		return err
	}
	set := s.text.Chat
	if mode != nil {
		set.Mode = *mode
	}
	if slow != nil {
		set.SlowSeconds = *slow
	}
	if !slices.Contains(Chats, set.Mode) {
		return ErrChatInvalid.In("mode")
	}
	if set.SlowSeconds < 0 || set.SlowSeconds > MaxSlow {
		return ErrChatInvalid.In("slow_seconds")
	}
	if set == s.text.Chat {
		return nil
	}
	s.text.Chat = set
	s.tell("chat_set", fields{"mode": set.Mode, "slow_seconds": set.SlowSeconds, "by": by})
	s.log(by, LogChatSetting, "", fmt.Sprintf("%s %d", set.Mode, set.SlowSeconds))
	return nil
}

// SetQuestions says whether questions may be asked, and whether without a
// name; nil leaves a part as it is. Moderators only.
func (s *State) SetQuestions(by besedka.AccountID, on, anonymous *bool) error {
	if err := s.needModerator(by); err != nil {
		return err
	}
	set := s.text.Questions
	if on != nil {
		set.On = *on
	}
	if anonymous != nil {
		set.Anonymous = *anonymous
	}
	if set == s.text.Questions {
		return nil
	}
	s.text.Questions = set
	s.tell("questions_set", fields{"on": set.On, "anonymous": set.Anonymous, "by": by})
	detail := "off"
	switch {
	case set.On && set.Anonymous:
		detail = "anonymous"
	case set.On:
		detail = "on"
	}
	s.log(by, LogQuestionsSetting, "", detail)
	return nil
}

// SetChat is State.SetChat.
func (s *Service) SetChat(ctx context.Context, room besedka.RoomID, a Actor, mode *besedka.Chat, slow *int) error {
	return s.command(ctx, room, a, func(st *State, by besedka.AccountID, _ time.Time) error { return st.SetChat(by, mode, slow) })
}

// SetQuestions is State.SetQuestions.
func (s *Service) SetQuestions(ctx context.Context, room besedka.RoomID, a Actor, on, anonymous *bool) error {
	return s.command(ctx, room, a, func(st *State, by besedka.AccountID, _ time.Time) error { return st.SetQuestions(by, on, anonymous) })
}

// Inside says what the account is in a room. The errors are those of every
// command: besedka.ErrNotFound, ErrRemoved, ErrEnded.
func (s *Service) Inside(ctx context.Context, room besedka.RoomID, account besedka.AccountID) (besedka.Inside, error) {
	c, err := s.find(ctx, room)
	if err != nil {
		return besedka.Inside{}, err
	}
	if err := s.see(ctx, c, Actor{Who: account.Participant()}); err != nil {
		return besedka.Inside{}, err
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	st := c.state
	in := besedka.Inside{Role: st.roleOf(account), Refusal: st.needSeat(account), Chat: st.text.Chat, Questions: st.text.Questions, People: len(st.seats.rows),
		Stage: st.onStage(), Moderators: st.moderators()}
	if in.Role.OnStage() {
		in.OnStageSince = st.stage.rows[account].Since
	}
	return in, nil
}

// Governs returns nil if by may act against target in the room; the rule is
// that of silencing and removing.
func (s *Service) Governs(ctx context.Context, room besedka.RoomID, by, target besedka.AccountID) error {
	c, err := s.find(ctx, room)
	if err != nil {
		return err
	}
	if err := s.see(ctx, c, Actor{Who: by.Participant()}); err != nil {
		return err
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.state.governs(by, target)
}

// AskUp invites target to the stage as the moderator by does; agreed means that
// target has said yes already. It says whether target is on stage now. Whom
// somebody on stage blocks is not asked: ErrBlockedOnStage.
func (s *Service) AskUp(ctx context.Context, room besedka.RoomID, by, target besedka.AccountID, agreed bool) (onStage bool, err error) {
	a := Actor{Who: by.Participant()}
	unsure := s.unsure(ctx, room, a)
	err = s.command(ctx, room, a, func(st *State, by besedka.AccountID, now time.Time) (err error) {
		if err := st.needSure(by, target, unsure); err != nil {
			return err
		}
		onStage, err = st.InviteToStage(by, target, now)
		if err == nil && agreed && !onStage {
			onStage, err = true, st.AcceptStage(target, now)
		}
		return err
	})
	return onStage && err == nil, err
}

// Ended says whether the room is over, or was never there.
func (s *Service) Ended(ctx context.Context, room besedka.RoomID) (bool, error) {
	c, err := s.find(ctx, room)
	if errors.Is(err, besedka.ErrNotFound) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.state.Ended(), nil
}

// viewText adds what everybody sees of it.
func (s *State) viewText(v *View) {
	v.Chat, v.Questions, v.Agenda = s.text.Chat, s.text.Questions, s.text.agenda()
	if p := s.text.Pin; p.Number != 0 {
		v.Pin = &Pinned{URL: p.URL, Domain: p.Domain, Title: p.Title, At: p.At, By: Person{ID: p.By}}
	}
}

// writeText adds what the running transition has changed of it.
func (s *State) writeText(w *writes) {
	now, was := s.text, s.before.text
	if now == was {
		return
	}
	w.add(`INSERT INTO room_texts (room_id, pins, pin, pin_changed_at, agenda, agenda_now, agenda_started, chat, slow_seconds,
		questions, anonymous) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		ON CONFLICT (room_id) DO UPDATE SET pins = excluded.pins, pin = excluded.pin, pin_changed_at = excluded.pin_changed_at,
		agenda = excluded.agenda, agenda_now = excluded.agenda_now, agenda_started = excluded.agenda_started,
		chat = excluded.chat, slow_seconds = excluded.slow_seconds, questions = excluded.questions, anonymous = excluded.anonymous`,
		now.Pins, now.Pin.Number, millis(now.PinChanged), now.Agenda, now.AgendaNow, now.AgendaStarted, now.Chat.Mode,
		now.Chat.SlowSeconds, bit(now.Questions.On), bit(now.Questions.Anonymous))
	writePin(w, now, was)
}

func loadText(tx *db.Tx, room besedka.RoomID, st *State) error {
	t := textOf(besedka.ChatEveryone)
	var pinChanged, on, anonymous int64
	err := tx.QueryRow(`SELECT pins, pin, pin_changed_at, agenda, agenda_now, agenda_started, chat, slow_seconds, questions, anonymous
		FROM room_texts WHERE room_id = $1`, room).Scan(&t.Pins, &t.Pin.Number, &pinChanged, &t.Agenda, &t.AgendaNow, &t.AgendaStarted,
		&t.Chat.Mode, &t.Chat.SlowSeconds, &on, &anonymous)
	if errors.Is(err, sql.ErrNoRows) {
		st.text = textOf(besedka.ChatEveryone) // a room from before there was text
		return nil
	}
	if err != nil {
		return err
	}
	t.PinChanged, t.Questions = fromMillis(pinChanged), besedka.QuestionSetting{On: on != 0, Anonymous: anonymous != 0}
	st.text = t
	return loadPin(tx, room, &st.text.Pin)
}
