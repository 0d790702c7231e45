package room

import "time"

// overdue says whether Tick would change anything.
func (s *State) overdue(now time.Time) bool {
	return !s.Ended() && (s.widens(now) || s.timesOut(now) || s.airtimeDue())
}

// Tick does what was set for a time that has come, and keeps what is measured.
func (s *State) Tick(now time.Time) {
	if !s.overdue(now) {
		return
	}
	s.widen(now)
	s.timeOut(now)
	s.keepAirtime()
}
