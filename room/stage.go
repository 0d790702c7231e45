package room

import (
	"time"

	"besedka"
)

// InviteToStage asks somebody in the audience to speak and says whether they
// are on stage now. Nobody is put there without an act of their own: a raised
// hand is one, so its owner goes at once; anybody else has to accept.
// Moderators only.
func (s *State) InviteToStage(by, target besedka.AccountID, now time.Time) (bool, error) {
	if err := s.needModerator(by); err != nil {
		return false, err
	}
	role := s.roleOf(target)
	switch {
	case role == "", s.inOverflow(target):
		return false, ErrNotInRoom.In("account")
	case role.OnStage():
		return true, nil
	case s.hands.has(target):
		return true, s.bringUp(by, target, now)
	case s.invited.has(target):
		return false, nil
	case len(s.invited.rows) >= s.limits.OnStage:
		return false, ErrStageFull
	}
	s.invited.put(target, StageInvitation{By: by, At: now})
	s.tellOnly(s.toModerators(target), "stage_invited", fields{"account": target, "by": by})
	s.log(by, LogInvited, target, "")
	return false, nil
}

// AcceptStage brings an invited listener on stage.
func (s *State) AcceptStage(account besedka.AccountID, now time.Time) error {
	if err := s.needSeat(account); err != nil {
		return err
	}
	if s.roleOf(account).OnStage() {
		return nil
	}
	if !s.invited.has(account) {
		return ErrNotInvited
	}
	return s.comeOnStage(account, now)
}

// DeclineStage lets the invitation go.
func (s *State) DeclineStage(account besedka.AccountID) error {
	if err := s.needSeat(account); err != nil {
		return err
	}
	if s.invited.has(account) {
		s.invited.drop(account)
		s.tellOnly(s.toModerators(account), "stage_invitation_declined", fields{"account": account})
	}
	return nil
}

// comeOnStage makes a speaker of a listener who has agreed.
func (s *State) comeOnStage(account besedka.AccountID, now time.Time) error {
	if len(s.stage.rows) >= s.limits.OnStage {
		return ErrStageFull
	}
	s.takeStage(account, besedka.RoleSpeaker, now)
	return nil
}

// takeStage puts a seated account on stage, unmuted, without hand and
// invitation, under the contributing source that is its own in this room.
func (s *State) takeStage(account besedka.AccountID, role besedka.Role, now time.Time) {
	s.lower(account)
	s.invited.drop(account)
	s.stage.put(account, Place{Role: role, Since: now})
	voice, known := s.voices.get(account)
	if !known {
		s.info.LastCSRC++
		voice = Voice{CSRC: s.info.LastCSRC}
		s.voices.put(account, voice)
	}
	seat := s.seats.rows[account.Participant()]
	seat.Muted = false
	s.seats.put(account.Participant(), seat)
	s.tell("speaker_joined", fields{"account": account, "csrc": voice.CSRC, "role": role})
	s.concludeAttribution()
}

// leftStage ends what waits for somebody on stage.
func (s *State) leftStage(account besedka.AccountID) {
	s.dropTimer(account)
	s.concludeAttribution()
}

// moveToAudience takes somebody off stage who stays in the room; a reason is
// told to them only.
func (s *State) moveToAudience(by, target besedka.AccountID, reason string, now time.Time) {
	s.stage.drop(target)
	if by != target {
		s.log(by, LogMovedToAudience, target, "")
	}
	who := target.Participant()
	if reason == "" {
		s.tell("moved_to_audience", fields{"account": target, "by": by})
	} else {
		s.tellOnly([]besedka.ParticipantID{besedka.Except(who)}, "moved_to_audience", fields{"account": target, "by": by})
		s.tellOnly([]besedka.ParticipantID{who}, "moved_to_audience", fields{"account": target, "by": by, "reason": reason})
	}
	s.leftStage(target)
	s.watch(now)
}
