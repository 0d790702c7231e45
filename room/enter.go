package room

import (
	"time"

	"besedka"
)

// Enter takes a seat. The host comes back as host; the first other account
// that ever enters joins the stage, to which entering is the consent shown
// (D5); everybody else is in the audience. Entering again is harmless; doing
// so with another credential takes the seat over. followed is as in standing.
func (s *State) Enter(a Actor, followed bool, now time.Time) error {
	return s.enter(a, Entry{}, followed, now)
}

func (s *State) enter(a Actor, how Entry, followed bool, now time.Time) error {
	how.now = now
	a = s.bearing(a, how)
	if err := s.mayEnter(a, how, followed); err != nil {
		return err
	}
	if seat, here := s.seats.get(a.Who); here {
		s.resit(a, seat, now)
		return s.ascend(a, how, now)
	}
	s.tidy(a.Who.Account())
	if s.full() && !a.bearsLink && a.Who != s.info.Host.Participant() {
		s.sitInOverflow(a, now)
		return nil
	}
	s.sit(a, now)
	account := a.Who.Account()
	switch {
	case account == "":
	case account == s.info.Host:
		s.takeStage(account, besedka.RoleHost, now)
	case !s.info.SecondCame:
		s.info.SecondCame = true
		if !a.bearsLink {
			s.takeStage(account, besedka.RoleSpeaker, now)
		}
	}
	s.watch(now)
	return s.ascend(a, how, now)
}

// mayEnter says whether entering would succeed.
func (s *State) mayEnter(a Actor, how Entry, followed bool) error {
	a = s.bearing(a, how)
	switch s.standing(a, followed) {
	case stranger:
		return besedka.ErrNotFound
	case expelled:
		return ErrRemoved
	}
	if s.Ended() {
		return ErrEnded
	}
	if err := s.mayBear(a, how); err != nil {
		return err
	}
	host := a.Who == s.info.Host.Participant()
	if !host && !a.bearsLink && !s.seats.has(a.Who) && s.full() && (!how.Overflow || s.overflow >= s.limits.Overflow) {
		return ErrRoomFull
	}
	return nil
}

// sit gives a fresh seat.
func (s *State) sit(a Actor, now time.Time) {
	s.seats.put(a.Who, Seat{Credential: a.Credential, EnteredAt: now, Deadline: now.Add(GraceFor)})
	if a.Who.IsGuest() {
		s.guests++
	}
}

// resit is entering while seated: from the same credential it gives time to
// connect again, from another it takes the seat over.
func (s *State) resit(a Actor, seat Seat, now time.Time) {
	if seat.Credential != "" && seat.Credential != a.Credential {
		seat.Up, seat.Lost, seat.Deadline = false, false, now.Add(GraceFor)
		s.out.taken = append(s.out.taken, a.Who)
		if account := a.Who.Account(); account != "" {
			s.tellAccount(account, "seat_taken", fields{"room": s.info.ID})
		}
	}
	seat.Credential = a.Credential
	s.moveUp(a.Who, &seat)
	turned := seat.Up != s.seats.rows[a.Who].Up
	if until := now.Add(GraceFor); !seat.Deadline.IsZero() && seat.Deadline.Before(until) {
		seat.Deadline = until
	}
	s.seats.put(a.Who, seat)
	if turned && s.Role(a.Who).OnStage() {
		s.noticeMute(a.Who)
	}
}

// Leave gives up the seat, quietly and at once; leaving twice is harmless.
// What is left in rows is for Tidy.
func (s *State) Leave(who besedka.ParticipantID, now time.Time) {
	if !s.seats.has(who) {
		return
	}
	if s.seats.rows[who].Overflow {
		s.overflow--
	} else if who.IsGuest() {
		s.guests--
	}
	s.seats.drop(who)
	s.watch(now)
}

// SeatTaken tells the account that another device of theirs sits elsewhere now.
func (s *State) SeatTaken(account besedka.AccountID) {
	s.tellAccount(account, "seat_taken", fields{"room": s.info.ID})
}

// Hold marks the seat as connected; up says whether an up session is live. A
// connection made with another credential than the seat's does not count, and
// the result says so.
func (s *State) Hold(who besedka.ParticipantID, cred besedka.CredentialID, up bool) bool {
	seat, here := s.seats.get(who)
	if !here || (seat.Credential != "" && seat.Credential != cred) {
		return false
	}
	turned := seat.Up != up
	seat.Credential, seat.Up, seat.Lost, seat.Deadline = cred, up, false, time.Time{}
	s.seats.put(who, seat)
	if turned && s.Role(who).OnStage() {
		s.noticeMute(who)
	}
	return true
}

// Lose marks that the seat's last connection is gone: seat, role, mute, hand
// and place are kept for LostFor (L4).
func (s *State) Lose(who besedka.ParticipantID, now time.Time) {
	seat, here := s.seats.get(who)
	if !here || !seat.Deadline.IsZero() {
		return
	}
	turned := seat.Up
	seat.Up, seat.Lost, seat.Deadline = false, true, now.Add(LostFor)
	s.seats.put(who, seat)
	if turned && s.Role(who).OnStage() {
		s.noticeMute(who)
	}
}

// due lists whose seats are to be given up.
func (s *State) due(now time.Time) []besedka.ParticipantID {
	var list []besedka.ParticipantID
	for who, seat := range s.seats.rows {
		if !seat.Deadline.IsZero() && !now.Before(seat.Deadline) {
			list = append(list, who)
		}
	}
	return list
}

// untidy says whether rows are left of people who are not here.
func (s *State) untidy() bool {
	return len(s.leftovers()) > 0 || len(s.barred.rows) > 0 || len(s.unlogged.rows) > 0 || s.headless()
}

// leftovers lists who has rows of presence (stage, hand, invitation) and no seat.
func (s *State) leftovers() []besedka.AccountID {
	if s.Ended() {
		return nil
	}
	var list []besedka.AccountID
	gone := func(account besedka.AccountID) {
		if !s.seats.has(account.Participant()) {
			list = append(list, account)
		}
	}
	for account := range s.stage.rows {
		gone(account)
	}
	for account := range s.hands.rows {
		gone(account)
	}
	for account := range s.invited.rows {
		gone(account)
	}
	return list
}

// Tidy clears away what people left behind who are gone, writes down who was
// removed and what is still to be logged, and lets a moderator who is here succeed a host who is not.
func (s *State) Tidy(now time.Time) {
	for who := range s.barred.rows {
		s.expel(who)
	}
	for _, account := range s.leftovers() {
		s.tidy(account)
	}
	s.succeed(now)
	s.logLeft()
	s.watch(now)
}

// tidy clears away what one account left behind.
func (s *State) tidy(account besedka.AccountID) {
	if account == "" {
		return
	}
	s.invited.drop(account)
	if s.hands.has(account) {
		s.hands.drop(account)
		s.tellOnly(s.toModerators(), "hand_lowered", fields{"account": account})
	}
	if s.stage.has(account) {
		s.stage.drop(account)
		s.tell("moved_to_audience", fields{"account": account, "by": account, "left": true})
		s.leftStage(account)
	}
}
