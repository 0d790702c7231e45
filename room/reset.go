package room

import (
	"context"
	"slices"
	"time"

	"besedka"
)

// Bounds of resetting a room.
const (
	resetEvery = time.Minute
	newcomeFor = 10 * time.Minute // who came in within it is told where they are
	maxHosts   = 10               // named
	LogReset   = "reset"
)

// Reset lets those know who have come lately what the room is about and who
// hosts it (D13), once a minute at most. Moderators only.
func (s *State) Reset(by besedka.AccountID, now time.Time) error {
	if err := s.needModerator(by); err != nil {
		return err
	}
	if wait := s.resetAt.Add(resetEvery).Sub(now); !s.resetAt.IsZero() && wait > 0 {
		return ErrResetTooSoon.After(wait)
	}
	s.resetAt = now
	s.log(by, LogReset, "", "")
	return nil
}

// newcomers lists who came lately, and moderators that there are.
func (s *State) newcomers(now time.Time) (who []besedka.ParticipantID, hosts []besedka.AccountID) {
	who = []besedka.ParticipantID{}
	for one, seat := range s.seats.rows {
		if now.Sub(seat.EnteredAt) < newcomeFor {
			who = append(who, one)
		}
	}
	hosts = slices.DeleteFunc(s.stageOrder(), func(account besedka.AccountID) bool { return !s.roleOf(account).Moderates() })
	return who, hosts[:min(len(hosts), maxHosts)]
}

// Reset is State.Reset; the event room_reset is told and not kept, because it
// says what is true now.
func (s *Service) Reset(ctx context.Context, room besedka.RoomID, a Actor) error {
	var title string
	var who []besedka.ParticipantID
	var hosts []besedka.AccountID
	err := s.command(ctx, room, a, func(st *State, by besedka.AccountID, now time.Time) error {
		title = st.info.Title
		who, hosts = st.newcomers(now)
		return st.Reset(by, now)
	})
	if err != nil {
		return err
	}
	people := s.people.show(ctx, append([]besedka.AccountID{a.Who.Account()}, hosts...))
	named := make([]Person, 0, len(hosts))
	for _, account := range hosts {
		named = append(named, people[account])
	}
	s.announce.Announce(room, "room_reset", fields{"title": title, "hosts": named, "by": people[a.Who.Account()]}, who)
	return nil
}
