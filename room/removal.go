package room

import (
	"slices"
	"time"

	"besedka"
)

// Reasons are the codes one of which every removal carries.
var Reasons = []string{"spam", "harassment", "hate", "noise", "impersonation", "off_topic", "other"}

// Bar is the first half of removing somebody: they lose the seat and may not
// come back, in memory, so that media can be cut at once and whatever the
// database does. Tidy writes it down. People who are not here can be removed
// too. Removing twice changes nothing. Whoever governs the target may.
func (s *State) Bar(by besedka.AccountID, target besedka.ParticipantID, r Removal) error {
	if err := s.governs(by, target.Account()); err != nil {
		return err
	}
	if !slices.Contains(Reasons, r.Reason) {
		return ErrReasonInvalid.In("reason")
	}
	note, ok := cleanText(r.Note, MaxReason)
	if !ok {
		return ErrNoteInvalid.In("note")
	}
	if s.removals.has(target) || s.barred.has(target) {
		return nil
	}
	s.barred.put(target, barring{Removal{By: by, Reason: r.Reason, Note: note, At: r.At}, s.seats.has(target)})
	s.Leave(target, r.At)
	return nil
}

// barAgain is Bar once more after a restart, for a removal that was decided
// before and not written.
func (s *State) barAgain(target besedka.ParticipantID, b barring) {
	if s.removals.has(target) || s.barred.has(target) {
		return
	}
	s.barred.put(target, b)
	s.Leave(target, b.At)
}

// expel is the second half: the removal becomes a row and is told, and what
// the person had in the room is cleared away. Somebody who could not know of
// the room is not told that it exists.
func (s *State) expel(target besedka.ParticipantID) {
	r, ok := s.barred.get(target)
	if !ok {
		return
	}
	s.barred.drop(target)
	s.removals.put(target, r.Removal)
	account := target.Account()
	knew := r.wasHere || s.info.Kind == KindOpen || s.picks.has(account) || s.voices.has(account)
	s.tidy(account)
	s.shares.drop(account)
	s.tellOnly(s.toModerators(), "removed", fields{"account": target, "by": r.By, "reason": r.Reason})
	s.log(r.By, LogRemoved, besedka.AccountID(target), r.Reason)
	if account != "" && knew {
		s.tellAccount(account, "removed_from_room", fields{
			"room": s.info.ID, "title": s.info.Title, "reason": r.Reason, "note": r.Note})
	}
}

// UndoRemoval lets somebody come back, as a listener, within UndoFor of their
// removal. Moderators only.
func (s *State) UndoRemoval(by besedka.AccountID, target besedka.ParticipantID, now time.Time) error {
	if err := s.needModerator(by); err != nil {
		return err
	}
	s.expel(target)
	r, ok := s.removals.get(target)
	if !ok {
		return nil
	}
	if now.Sub(r.At) > UndoFor {
		return ErrUndoTooLate
	}
	s.removals.drop(target)
	s.tellOnly(s.toModerators(), "removal_undone", fields{"account": target, "by": by})
	s.log(by, LogRemovalUndone, besedka.AccountID(target), "")
	return nil
}

// recentRemovals lists the removals that may still be undone, latest first.
func (s *State) recentRemovals(now time.Time) []besedka.ParticipantID {
	var list []besedka.ParticipantID
	for who := range s.removals.rows {
		if now.Sub(s.removals.rows[who].At) <= UndoFor {
			list = append(list, who)
		}
	}
	slices.SortFunc(list, func(a, b besedka.ParticipantID) int {
		return s.removals.rows[b].At.Compare(s.removals.rows[a].At)
	})
	return list
}
