package room

import (
	"time"

	"besedka"
)

// How long somebody has been heard in the room (N10): what the media plane has
// measured since the process began, and what was written before. A crash
// forgets less than keepAirtimeAt of everybody.

// Airtime measures how long people are heard.
type Airtime interface {
	// Heard says for how long every contributing source of the room has been
	// heard since it began to count; it may begin anew, from nothing. It must
	// not call back, and leaves alone what it has returned.
	Heard(room besedka.RoomID) map[uint32]time.Duration
}

const (
	spokenFrom    = time.Second // whoever was heard for less has not spoken
	keepAirtimeAt = 30 * time.Second
)

// unkept is the airtime that is measured and not yet part of the voice's row.
func (s *State) unkept(v Voice) time.Duration {
	return max(0, s.heard[v.CSRC]-s.aired.rows[v.CSRC])
}

// airtime is how long the account has been heard in the room.
func (s *State) airtime(account besedka.AccountID) time.Duration {
	v := s.voices.rows[account]
	return v.Airtime + s.unkept(v)
}

// spoken says whether the account has spoken in the room.
func (s *State) spoken(account besedka.AccountID) bool { return s.airtime(account) >= spokenFrom }

// airtimeDue says whether there is airtime to be written.
func (s *State) airtimeDue() bool {
	for _, v := range s.voices.rows {
		more := s.unkept(v)
		if more >= keepAirtimeAt || v.Airtime < spokenFrom && v.Airtime+more >= spokenFrom {
			return true
		}
	}
	return false
}

// keepAirtime makes what is measured a part of the rows.
func (s *State) keepAirtime() {
	for account, v := range s.voices.rows {
		more := s.unkept(v).Truncate(time.Millisecond)
		if more == 0 {
			continue
		}
		s.aired.put(v.CSRC, s.aired.rows[v.CSRC]+more)
		v.Airtime += more
		s.voices.put(account, v)
	}
}

// seconds is a time as views say it.
func seconds(d time.Duration) int64 { return int64(d / time.Second) }

// measure takes over what the media plane has counted. Only Sweep calls it.
func (s *Service) measure(c *conversation) {
	counted := s.airtime.Heard(c.id)
	if len(counted)+len(c.counted) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for csrc, now := range counted {
		before := c.counted[csrc]
		if now < before {
			before = 0
		}
		c.state.heard[csrc] += now - before
	}
	c.counted = counted
}
