package room

import (
	"cmp"
	"slices"
	"time"

	"besedka"
)

// Raising is what somebody says who raises a hand, and what is known of them.
type Raising struct {
	Note     string // what it is about
	Group    string // whom they speak for
	Lot      int64  // drawn now, in case hands are served by lot
	Followed bool   // by somebody on stage
}

// RaiseHand puts the account into the queue that only moderators see. Raising
// again keeps the place and may change note and group.
func (s *State) RaiseHand(account besedka.AccountID, r Raising, now time.Time) error {
	if err := s.needSeat(account); err != nil {
		return err
	}
	if s.roleOf(account).OnStage() {
		return ErrOnStage
	}
	note, ok := cleanText(r.Note, MaxHandNote)
	if !ok {
		return ErrNoteInvalid.In("note")
	}
	group, ok := cleanText(r.Group, MaxGroup)
	if !ok {
		return ErrGroupInvalid.In("group")
	}
	before, up := s.hands.get(account)
	hand := before
	if !up {
		if !s.mayRaise(account, r.Followed) {
			return ErrHandsClosed
		}
		s.info.LastHand++
		hand = Hand{Number: s.info.LastHand, Lot: r.Lot, RaisedAt: now}
	}
	hand.Note, hand.Group = cmp.Or(note, hand.Note), cmp.Or(group, hand.Group)
	if hand == before {
		return nil
	}
	s.hands.put(account, hand)
	s.tellOnly(s.toModerators(account), "hand_raised",
		fields{"account": account, "note": hand.Note, "group": hand.Group, "raised_at": hand.RaisedAt})
	return nil
}

// mayRaise says whether the setting lets the account raise a hand (E5).
func (s *State) mayRaise(account besedka.AccountID, followed bool) bool {
	switch s.info.Hands {
	case HandsEveryone:
		return true
	case HandsFollowed:
		return followed
	case HandsNew:
		return !s.spoken(account)
	}
	return false
}

// LowerHand takes one's own hand down.
func (s *State) LowerHand(account besedka.AccountID) error {
	if err := s.needSeat(account); err != nil {
		return err
	}
	s.lower(account)
	return nil
}

// LowerHandOf takes somebody's hand down. Moderators only.
func (s *State) LowerHandOf(by, target besedka.AccountID) error {
	if err := s.needModerator(by); err != nil {
		return err
	}
	if s.hands.has(target) {
		s.log(by, LogHandLowered, target, "")
	}
	s.lower(target)
	return nil
}

// LowerAllHands empties the queue. Moderators only.
func (s *State) LowerAllHands(by besedka.AccountID) error {
	if err := s.needModerator(by); err != nil {
		return err
	}
	queue := s.queue()
	if len(queue) == 0 {
		return nil
	}
	s.hands.dropAll()
	s.log(by, LogHandsLowered, "", "")
	s.tellOnly(s.toModerators(queue...), "hands_lowered", fields{"by": by})
	return nil
}

// SetHands says who may raise a hand from now on; hands that are up stay up.
// Moderators only.
func (s *State) SetHands(by besedka.AccountID, setting Hands) error {
	if err := s.needModerator(by); err != nil {
		return err
	}
	if !slices.Contains([]Hands{HandsEveryone, HandsFollowed, HandsNew, HandsOff}, setting) {
		return ErrHandsInvalid.In("hands")
	}
	if setting != s.info.Hands {
		s.info.Hands = setting
		s.tell("hands_set", fields{"setting": setting, "by": by})
		s.log(by, LogHands, "", string(setting))
	}
	return nil
}

// lower takes a hand down, if it is up, and tells whom it concerns.
func (s *State) lower(account besedka.AccountID) {
	if !s.hands.has(account) {
		return
	}
	s.hands.drop(account)
	s.tellOnly(s.toModerators(account), "hand_lowered", fields{"account": account})
}
