package room

import (
	"time"

	"besedka"
)

// HandOver makes somebody on stage the host; the old host stays moderator.
// Host only.
func (s *State) HandOver(by, target besedka.AccountID, now time.Time) error {
	if err := s.needSeat(by); err != nil {
		return err
	}
	if by != s.info.Host {
		return ErrHostOnly
	}
	if !s.roleOf(target).OnStage() {
		return ErrNotOnStage.In("account")
	}
	if by == target {
		return nil
	}
	old := s.stage.rows[by]
	old.Role, old.AppointedBy = besedka.RoleModerator, ""
	s.stage.put(by, old)
	s.crown(by, target, now)
	return nil
}

// crown makes somebody on stage the host; by is "" when nobody decided it. A
// host cannot be held silent.
func (s *State) crown(by, account besedka.AccountID, now time.Time) {
	place := s.stage.rows[account]
	place.Role, place.AppointedBy = besedka.RoleHost, ""
	s.stage.put(account, place)
	s.info.Host = account
	s.tell("host_changed", fields{"account": account})
	s.log(by, LogHostChanged, account, "")
	s.lift(account, account)
	s.watch(now)
}

// headless says whether a moderator is here and the host is not.
func (s *State) headless() bool {
	return !s.Ended() && !s.seats.has(s.info.Host.Participant()) && len(s.moderators()) > 0
}

// succeed makes the moderator longest on stage the host when the host is gone;
// somebody who is connected goes before somebody who is reconnecting.
func (s *State) succeed(now time.Time) {
	if !s.headless() {
		return
	}
	heirs := s.moderators()
	for _, account := range heirs {
		if !s.seats.rows[account.Participant()].Lost {
			s.crown("", account, now)
			return
		}
	}
	s.crown("", heirs[0], now)
}

// watch keeps note of since when nobody is here, or nobody moderates.
func (s *State) watch(now time.Time) {
	if len(s.seats.rows) > 0 {
		s.vigil.EmptySince = time.Time{}
	} else if s.vigil.EmptySince.IsZero() {
		s.vigil.EmptySince = now
	}
	if len(s.moderators()) > 0 {
		s.vigil = vigil{EmptySince: s.vigil.EmptySince}
		s.declined.dropAll()
	} else if s.vigil.Moderatorless.IsZero() {
		s.vigil.Moderatorless = now
	}
}

// Watch does what time demands of a room that is empty or has no moderator:
// after EmptyFor it ends; after ModeratorlessFor the speakers are offered the
// room one after the other, the oldest first, each with OfferFor to answer;
// HeirsFor after the first offer it ends.
func (s *State) Watch(now time.Time) {
	v := s.vigil
	alone := now.Sub(v.Moderatorless)
	switch {
	case s.Ended():
	case !v.EmptySince.IsZero() && now.Sub(v.EmptySince) >= EmptyFor:
		s.end("", now)
	case v.Moderatorless.IsZero() || alone < ModeratorlessFor:
	case alone >= ModeratorlessFor+HeirsFor:
		s.end("", now)
	case s.eligible(v.Offered) && now.Sub(v.OfferedAt) < OfferFor:
	default:
		s.passOn(now)
	}
}

// watches says whether Watch would change anything.
func (s *State) watches() bool {
	return !s.Ended() && (!s.vigil.EmptySince.IsZero() || !s.vigil.Moderatorless.IsZero())
}

// passOn offers the room to the next speaker, if there is one.
func (s *State) passOn(now time.Time) {
	if s.vigil.Offered != "" {
		s.declined.put(s.vigil.Offered, true)
	}
	s.vigil.Offered, s.vigil.OfferedAt = "", time.Time{}
	for _, account := range s.onStage() {
		if s.eligible(account) {
			s.vigil.Offered, s.vigil.OfferedAt = account, now
			s.tellOnly([]besedka.ParticipantID{account.Participant()}, "heir_offered", fields{"account": account})
			return
		}
	}
}

// eligible says whether the account is a connected speaker who has not declined.
func (s *State) eligible(account besedka.AccountID) bool {
	return s.roleOf(account) == besedka.RoleSpeaker && !s.seats.rows[account.Participant()].Lost && !s.declined.has(account)
}

// AcceptHeir makes the speaker who was offered the room its host.
func (s *State) AcceptHeir(account besedka.AccountID, now time.Time) error {
	if err := s.needSeat(account); err != nil {
		return err
	}
	if account == s.info.Host {
		return nil
	}
	if s.vigil.Offered != account || !s.roleOf(account).OnStage() {
		return ErrNotOffered
	}
	s.crown(account, account, now)
	return nil
}

// DeclineHeir lets the offer pass to the next speaker.
func (s *State) DeclineHeir(account besedka.AccountID, now time.Time) error {
	if err := s.needSeat(account); err != nil {
		return err
	}
	if s.vigil.Offered == account {
		s.passOn(now)
	}
	return nil
}

// End closes the room for good. Moderators only.
func (s *State) End(by besedka.AccountID, now time.Time) error {
	if err := s.needModerator(by); err != nil {
		return err
	}
	s.end(by, now)
	return nil
}

// end is for whoever or whatever may; by is "" when nobody was there to end it.
func (s *State) end(by besedka.AccountID, now time.Time) {
	for who := range s.barred.rows {
		s.expel(who)
	}
	s.logLeft()
	s.info.EndedAt = now
	s.vigil, s.guests, s.overflow = vigil{}, 0, 0
	s.seats.dropAll()
	s.hands.dropAll()
	s.invited.dropAll()
	s.declined.dropAll()
	s.shares.dropAll()
	s.info.Widening, s.info.Asked, s.info.Timer = Widening{}, AttributionChange{}, Timer{}
	s.agreed.dropAll()
	data := fields{}
	if by != "" {
		data["by"] = by
	}
	s.tell("room_ended", data)
}
