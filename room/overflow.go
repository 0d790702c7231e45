package room

import (
	"time"

	"besedka"
)

// Limits say how many may be in one room (D6).
type Limits struct {
	Listeners int // in the audience, guests included
	OnStage   int
	Overflow  int // who listen when the audience is full
}

// NoOverflow as a limit is none at all.
const NoOverflow = -1

// DefaultLimits are those of an instance that was told nothing else.
var DefaultLimits = Limits{Listeners: 5000, OnStage: 100, Overflow: 20_000}

func (l Limits) orDefault() Limits {
	if l.Listeners == 0 {
		l.Listeners = DefaultLimits.Listeners
	}
	if l.OnStage == 0 {
		l.OnStage = DefaultLimits.OnStage
	}
	if l.Overflow == 0 {
		l.Overflow = DefaultLimits.Overflow
	}
	return l
}

// Entry says how somebody comes in; the zero Entry is through the door.
type Entry struct {
	// Overflow: if the audience is full, to listen all the same, one way: such
	// people hear and are counted, but nobody sees them, and they can do nothing
	// in the room but leave it. Entering again gives them a place in the audience
	// when one is free.
	Overflow bool

	// SpeakerLink is the code of a link that puts its bearer on stage, or "".
	SpeakerLink string

	now time.Time
}

// full says whether the audience is.
func (s *State) full() bool {
	return len(s.seats.rows)-s.overflow-s.counts().OnStage >= s.limits.Listeners
}

// inOverflow says whether the account listens to the room in overflow.
func (s *State) inOverflow(account besedka.AccountID) bool {
	return s.seats.rows[account.Participant()].Overflow
}

// sitInOverflow gives a seat that is only counted.
func (s *State) sitInOverflow(a Actor, now time.Time) {
	s.seats.put(a.Who, Seat{Credential: a.Credential, EnteredAt: now, Deadline: now.Add(GraceFor), Overflow: true})
	s.overflow++
	s.watch(now)
}

// leaveOverflow makes the account's seat one like any other.
func (s *State) leaveOverflow(who besedka.ParticipantID) {
	if seat := s.seats.rows[who]; seat.Overflow {
		seat.Overflow = false
		s.overflow--
		s.seats.put(who, seat)
	}
}

// moveUp makes the seat one in the audience if there is a place.
func (s *State) moveUp(who besedka.ParticipantID, seat *Seat) {
	if !seat.Overflow || s.full() {
		return
	}
	seat.Overflow = false
	s.overflow--
	if who.IsGuest() {
		s.guests++
	}
}
