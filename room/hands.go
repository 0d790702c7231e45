package room

import (
	"cmp"
	"slices"
	"time"

	"besedka"
)

// RaiseHand puts the account into the queue that only moderators see. Raising
// again keeps the place and may change the note. followed says whether
// somebody on stage follows the account.
func (s *State) RaiseHand(account besedka.AccountID, note string, followed bool, now time.Time) error {
	if err := s.needSeat(account); err != nil {
		return err
	}
	if s.roleOf(account).OnStage() {
		return ErrOnStage
	}
	note, ok := cleanText(note, MaxHandNote)
	if !ok {
		return ErrNoteInvalid.In("note")
	}
	hand, up := s.hands.get(account)
	if up && (note == "" || note == hand.Note) {
		return nil
	}
	if !up {
		if s.info.Hands == HandsOff || (s.info.Hands == HandsFollowed && !followed) {
			return ErrHandsClosed
		}
		s.info.LastHand++
		hand = Hand{Number: s.info.LastHand, RaisedAt: now}
	}
	hand.Note = note
	s.hands.put(account, hand)
	s.tellOnly(s.toModerators(account), "hand_raised",
		fields{"account": account, "note": note, "raised_at": hand.RaisedAt})
	return nil
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
	if !slices.Contains([]Hands{HandsEveryone, HandsFollowed, HandsOff}, setting) {
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

// queue lists whose hands are up, first raised first.
func (s *State) queue() []besedka.AccountID {
	list := make([]besedka.AccountID, 0, len(s.hands.rows))
	for account := range s.hands.rows {
		if s.seats.has(account.Participant()) {
			list = append(list, account)
		}
	}
	slices.SortFunc(list, func(a, b besedka.AccountID) int {
		return cmp.Compare(s.hands.rows[a].Number, s.hands.rows[b].Number)
	})
	return list
}
