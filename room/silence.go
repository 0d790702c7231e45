package room

import "besedka"

// Mute and unmute are one's own: nobody can unmute another person. They are
// presence, not rows.

// SetMuted mutes or unmutes one's own microphone.
func (s *State) SetMuted(account besedka.AccountID, muted bool) error {
	if err := s.needSeat(account); err != nil {
		return err
	}
	if !s.roleOf(account).OnStage() {
		return ErrNotOnStage
	}
	s.setMuted(account, muted)
	return nil
}

// MuteOther mutes somebody on stage out of courtesy: they may unmute
// themselves. Moderators only.
func (s *State) MuteOther(by, target besedka.AccountID) error {
	if err := s.needModerator(by); err != nil {
		return err
	}
	if !s.roleOf(target).OnStage() {
		return ErrNotOnStage
	}
	if s.setMuted(target, true) {
		s.logLater(by, LogMuted, target)
	}
	return nil
}

// MuteAll mutes everybody on stage but the moderator who asks.
func (s *State) MuteAll(by besedka.AccountID) error {
	if err := s.needModerator(by); err != nil {
		return err
	}
	muted := false
	for _, account := range s.onStage() {
		if account != by {
			muted = s.setMuted(account, true) || muted
		}
	}
	if muted {
		s.logLater(by, LogMutedAll, "")
	}
	return nil
}

// setMuted says whether it changed anything.
func (s *State) setMuted(account besedka.AccountID, muted bool) bool {
	seat := s.seats.rows[account.Participant()]
	if seat.Muted == muted {
		return false
	}
	seat.Muted = muted
	s.seats.put(account.Participant(), seat)
	s.noticeMute(account.Participant())
	return true
}

// Silence holds somebody on stage silent until a moderator lifts it, also
// over leaving and returning. Whoever governs the target may.
func (s *State) Silence(by, target besedka.AccountID) error {
	if err := s.governs(by, target); err != nil {
		return err
	}
	if !s.roleOf(target).OnStage() {
		return ErrNotOnStage
	}
	voice := s.voices.rows[target]
	if voice.SilencedBy != "" {
		return nil
	}
	voice.SilencedBy = by
	s.voices.put(target, voice)
	s.tell("silenced", fields{"account": target, "by": by})
	s.log(by, LogSilenced, target, "")
	return nil
}

// LiftSilence lets somebody be heard again. Whoever governs the target may.
func (s *State) LiftSilence(by, target besedka.AccountID) error {
	if err := s.governs(by, target); err != nil {
		return err
	}
	s.lift(by, target)
	return nil
}

func (s *State) lift(by, target besedka.AccountID) {
	voice := s.voices.rows[target]
	if voice.SilencedBy == "" {
		return
	}
	voice.SilencedBy = ""
	s.voices.put(target, voice)
	s.tell("silence_lifted", fields{"account": target, "by": by})
	if by != target {
		s.log(by, LogSilenceLifted, target, "")
	}
}
