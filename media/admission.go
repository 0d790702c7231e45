package media

import (
	"sync"
	"time"

	"besedka"
)

const (
	// fullFrom is the share of the cores from which the server takes no new listeners, when
	// it has been so for fullFor: what is left is for those who are there.
	fullFrom = 0.85
	fullFor  = time.Second
	// freeBelow is where it takes them again, when it has been so for freeFor: what joining
	// itself costs lies in between, so that the door does not open because it has been shut.
	freeBelow = 0.75
	freeFor   = 3 * time.Second
	// saveFrom is the share of the cores from which audiences get longer packets, when it has
	// been so for saveFor, and spendBelow where they get the usual ones again: what is saved is
	// less than what lies in between, so that saving does not end because it has helped.
	saveFrom   = 0.60
	saveFor    = time.Second
	spendBelow = 0.25
	spendFor   = 15 * time.Second
	// slowFrom is how long a handshake may wait for its turn; beyond, the server is full
	// whatever the cores say, which others may have taken.
	slowFrom = 3 * time.Second
	// comeBack is when who was refused is asked to try again.
	comeBack = 5 * time.Second

	loadEvery   = 250 * time.Millisecond
	loadSamples = 5 // a second
)

// admission decides whether new listeners come in, and whether those who are there get
// longer packets. It knows only what observe is told.
type admission struct {
	mu      sync.Mutex
	samples [loadSamples]loadSample // a ring, the oldest at next
	next    int
	known   int
	busy    float64 // share of the cores in the last second
	full    tide    // nobody else comes in
	saving  tide    // audiences get longer packets
}

// tide is something that is so or not, and changes only when that has been asked for a while.
type tide struct {
	is    bool
	since time.Time // since when change is asked for; zero if it is not
}

// turn takes whether a change is asked for at this moment, and how long it must have been.
func (t *tide) turn(now time.Time, change bool, after time.Duration) {
	switch {
	case !change:
		t.since = time.Time{}
	case t.since.IsZero():
		t.since = now
	case now.Sub(t.since) >= after:
		t.is, t.since = !t.is, time.Time{}
	}
}

type loadSample struct {
	at   time.Time
	used time.Duration
}

// observe takes a reading: the processor time that this process has used so far, the cores
// that it may use, and for how long the oldest handshake has waited for its turn.
func (a *admission) observe(now time.Time, used time.Duration, cores int, waited time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.busy = 0
	if oldest := a.samples[a.next]; a.known == loadSamples && now.After(oldest.at) {
		a.busy = float64(used-oldest.used) / float64(now.Sub(oldest.at)) / float64(max(cores, 1))
	}
	a.samples[a.next] = loadSample{now, used}
	a.next = (a.next + 1) % loadSamples
	a.known = min(a.known+1, loadSamples)
	if a.full.is {
		a.full.turn(now, a.busy < freeBelow && waited < slowFrom/2, freeFor)
	} else {
		a.full.turn(now, a.busy >= fullFrom || waited >= slowFrom, fullFor)
	}
	if a.saving.is {
		a.saving.turn(now, a.busy < spendBelow, spendFor)
	} else {
		a.saving.turn(now, a.busy >= saveFrom, saveFor)
	}
}

// state is whether the server is full, whether it saves, and the share of the cores it uses.
func (a *admission) state() (full, saving bool, busy float64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.full.is, a.saving.is, a.busy
}

// watchLoad reads the load until the server is closed.
func (s *Server) watchLoad() {
	tick := time.NewTicker(loadEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-s.ctx.Done():
			return
		}
		_, _, begin := s.underWay.state()
		_, _, compute := s.computing.state()
		s.admission.observe(s.cfg.Now(), s.cfg.CPU(), s.cfg.Cores, max(begin, compute))
	}
}

// Admits says whether the participant would be let in to listen now: nil, or ErrBusy with
// the time after which to ask again. Whoever is on stage, or has heard the room and comes
// back while his seat is kept, is let in before all others, and also when the server is full.
func (s *Server) Admits(room besedka.RoomID, who besedka.ParticipantID) error {
	if full, _, _ := s.admission.state(); !full || s.goesFirst(room, who) {
		return nil
	}
	s.count.turnedAway.Add(1)
	return ErrBusy.After(comeBack)
}

// goesFirst says whether the participant is on stage or coming back.
func (s *Server) goesFirst(room besedka.RoomID, who besedka.ParticipantID) bool {
	p := s.find(room)
	if p == nil {
		return false
	}
	defer p.mu.Unlock()
	have := p.seats[who]
	return have != nil && have.goesFirst()
}

func (s *seat) goesFirst() bool { return s.grant.Publish || s.wasLive }
