package room

import "besedka"

// Actor is who asks: a participant and what they signed in with. GuestOf is
// the only room of a guest, and empty for an account.
type Actor struct {
	Who        besedka.ParticipantID
	Credential besedka.CredentialID
	GuestOf    besedka.RoomID
	Place      string // the network that they come from; "" is not known

	bearsLink bool  // that admits to the room in question; see speaker_link.go
	ties      *ties // the blocks that concern them; see block.go
	sure      bool
}

// standing is what a room is to somebody.
type standing int

const (
	stranger standing = iota // may not know that it exists
	expelled                 // was removed and may not return
	admitted                 // may see it and come in
)

// standing is the one authorization function of rooms: every read and every
// way in asks it, and it denies by default. followed says whether a moderator
// who is on stage follows the actor; it matters in social rooms only. That a
// room has ended is no secret to whom it admits, so the caller asks Ended after.
func (s *State) standing(a Actor, followed bool) standing {
	known := false
	account := a.Who.Account()
	switch {
	case a.Who == "":
	case a.Who.IsGuest():
		known = a.GuestOf == s.info.ID
	case a.GuestOf != "", s.shutOut(a):
	case account == s.info.Host, s.seats.has(a.Who), s.picks.has(account), a.bearsLink:
		known = true
	case s.info.Kind == KindOpen:
		known = true
	case s.info.Kind == KindSocial:
		known = followed
	}
	switch {
	case !known:
		return stranger
	case s.removals.has(a.Who), s.barred.has(a.Who):
		return expelled
	}
	return admitted
}

// asksGraph says whether the follow edges decide about the actor.
func (s *State) asksGraph(a Actor) bool {
	return s.info.Kind == KindSocial && a.Who.Account() != "" && s.standing(a, false) == stranger
}
