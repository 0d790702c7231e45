package room

import (
	"time"

	"besedka"
)

// SetRole changes somebody's role to moderator, speaker or listener; how, and
// who may, is said at makeModerator, makeSpeaker and makeListener. The host's
// role changes by handing over only. A role that somebody already has is no change.
func (s *State) SetRole(by, target besedka.AccountID, role besedka.Role, now time.Time) error {
	return s.setRole(by, target, role, "", now)
}

// MoveToAudience is SetRole to listener with a reason, which is told to whom
// it concerns and to nobody else.
func (s *State) MoveToAudience(by, target besedka.AccountID, reason string, now time.Time) error {
	reason, ok := cleanText(reason, MaxReason)
	if !ok {
		return ErrNoteInvalid.In("reason")
	}
	return s.setRole(by, target, besedka.RoleListener, reason, now)
}

func (s *State) setRole(by, target besedka.AccountID, role besedka.Role, reason string, now time.Time) error {
	if err := s.needSeat(by); err != nil {
		return err
	}
	if by != target {
		if err := s.needModerator(by); err != nil {
			return err
		}
	}
	present := s.roleOf(target)
	switch {
	case present == "", s.inOverflow(target):
		return ErrNotInRoom.In("account")
	case role != besedka.RoleModerator && role != besedka.RoleSpeaker && role != besedka.RoleListener:
		return ErrRoleInvalid.In("role")
	case present == role:
		return nil
	case present == besedka.RoleHost && by == target:
		return ErrHandOverFirst
	case present == besedka.RoleHost:
		return ErrHostProtected
	}
	switch role {
	case besedka.RoleModerator:
		return s.makeModerator(by, target)
	case besedka.RoleSpeaker:
		return s.makeSpeaker(by, target, now)
	}
	return s.makeListener(by, target, reason, now)
}

// makeModerator: any moderator, of any speaker.
func (s *State) makeModerator(by, target besedka.AccountID) error {
	if err := s.needModerator(by); err != nil {
		return err
	}
	if s.roleOf(target) != besedka.RoleSpeaker {
		return ErrNotASpeaker
	}
	place := s.stage.rows[target]
	place.Role, place.AppointedBy = besedka.RoleModerator, by
	s.stage.put(target, place)
	s.tell("moderator_made", fields{"account": target, "by": by})
	s.log(by, LogModeratorMade, target, "")
	return nil
}

// makeSpeaker: of a moderator, whoever governs them and they themselves; of a
// listener, any moderator if the listener's hand is up.
func (s *State) makeSpeaker(by, target besedka.AccountID, now time.Time) error {
	if s.roleOf(target) == besedka.RoleListener {
		if err := s.needModerator(by); err != nil {
			return err
		}
		if !s.hands.has(target) {
			return ErrConsentNeeded
		}
		return s.bringUp(by, target, now)
	}
	if by != target {
		if err := s.governs(by, target); err != nil {
			return err
		}
	}
	place := s.stage.rows[target]
	place.Role, place.AppointedBy = besedka.RoleSpeaker, ""
	s.stage.put(target, place)
	s.tell("moderator_unmade", fields{"account": target, "by": by})
	if by != target {
		s.log(by, LogModeratorUnmade, target, "")
	}
	s.watch(now)
	return nil
}

// makeListener: oneself at any time, otherwise whoever governs the target.
func (s *State) makeListener(by, target besedka.AccountID, reason string, now time.Time) error {
	if by != target {
		if err := s.governs(by, target); err != nil {
			return err
		}
	}
	s.moveToAudience(by, target, reason, now)
	return nil
}

// governs says whether by may act against target: any moderator against
// speakers, listeners and people who are not here; against a moderator only
// the host and whoever appointed them; against the host nobody (E10, E12).
func (s *State) governs(by, target besedka.AccountID) error {
	if err := s.needModerator(by); err != nil {
		return err
	}
	place, staged := s.stage.get(target)
	switch {
	case by == target:
		return ErrNotYourself
	case target == s.info.Host:
		return ErrHostProtected
	case staged && place.Role.Moderates() && by != s.info.Host && place.AppointedBy != by:
		return ErrNotYourModerator
	}
	return nil
}

// needSeat refuses whoever is not in the room, and everybody once it has ended.
func (s *State) needSeat(account besedka.AccountID) error {
	switch {
	case s.Ended():
		return ErrEnded
	case s.roleOf(account) == "":
		return ErrNotInRoom
	case s.inOverflow(account):
		return ErrInOverflow
	}
	return nil
}

// needModerator refuses whoever does not moderate the room now.
func (s *State) needModerator(account besedka.AccountID) error {
	switch {
	case s.Ended():
		return ErrEnded
	case !s.roleOf(account).Moderates():
		return ErrModeratorsOnly
	}
	return nil
}
