package room

import (
	"context"
	"slices"
	"strconv"
	"time"

	"besedka"
)

// Turns are the lengths of a turn to speak, in seconds.
var Turns = []int{60, 120, 180, 300}

// Timer is a turn to speak (E19): everybody sees it run, nothing is cut when
// it is over. The zero Timer is none.
type Timer struct {
	Account besedka.AccountID
	By      besedka.AccountID
	Seconds int
	From    time.Time
}

// SetTimer begins somebody's turn on stage, in place of any other. Moderators only.
func (s *State) SetTimer(by, target besedka.AccountID, seconds int, now time.Time) error {
	if err := s.needModerator(by); err != nil {
		return err
	}
	switch {
	case !slices.Contains(Turns, seconds):
		return ErrTimerInvalid.In("seconds")
	case !s.roleOf(target).OnStage():
		return ErrNotOnStage.In("account")
	}
	s.info.Timer = Timer{Account: target, By: by, Seconds: seconds, From: now}
	s.tell("timer_set", fields{"account": target, "seconds": seconds, "started_at": now, "by": by})
	s.log(by, LogTimer, target, strconv.Itoa(seconds))
	return nil
}

// ClearTimer ends the turn that runs, if one does. Moderators only.
func (s *State) ClearTimer(by besedka.AccountID) error {
	if err := s.needModerator(by); err != nil {
		return err
	}
	if target := s.info.Timer.Account; target != "" {
		s.info.Timer = Timer{}
		s.tell("timer_cleared", fields{"account": target, "by": by})
		s.log(by, LogTimerCleared, target, "")
	}
	return nil
}

// dropTimer ends the turn of somebody who is not on stage any more.
func (s *State) dropTimer(account besedka.AccountID) {
	if account != "" && s.info.Timer.Account == account {
		s.info.Timer = Timer{}
		s.tell("timer_cleared", fields{"account": account})
	}
}

// timesOut says whether the turn is over.
func (s *State) timesOut(now time.Time) bool {
	t := s.info.Timer
	return t.Account != "" && !now.Before(t.From.Add(time.Duration(t.Seconds)*time.Second))
}

func (s *State) timeOut(now time.Time) {
	if s.timesOut(now) {
		s.tell("timer_over", fields{"account": s.info.Timer.Account})
		s.info.Timer = Timer{}
	}
}

// SetTimer is State.SetTimer.
func (s *Service) SetTimer(ctx context.Context, room besedka.RoomID, a Actor, target besedka.AccountID, seconds int) error {
	return s.command(ctx, room, a, func(st *State, by besedka.AccountID, now time.Time) error {
		return st.SetTimer(by, target, seconds, now)
	})
}

// ClearTimer is State.ClearTimer.
func (s *Service) ClearTimer(ctx context.Context, room besedka.RoomID, a Actor) error {
	return s.command(ctx, room, a, func(st *State, by besedka.AccountID, _ time.Time) error {
		return st.ClearTimer(by)
	})
}

// TurnView is a turn to speak as everybody in the room sees it.
type TurnView struct {
	Account   besedka.AccountID `json:"account"`
	Seconds   int               `json:"seconds"`
	StartedAt time.Time         `json:"started_at"`
	By        Person            `json:"by"`
}

func (s *State) turnView() *TurnView {
	t := s.info.Timer
	if t.Account == "" {
		return nil
	}
	return &TurnView{Account: t.Account, Seconds: t.Seconds, StartedAt: t.From, By: Person{ID: t.By}}
}
