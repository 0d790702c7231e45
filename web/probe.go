package web

import (
	"context"
	"net/http"
	"sync"
	"time"

	"besedka"
	"besedka/media"
)

const (
	testWHEPPattern = "POST " + apiBase + "/connection-tests/{room}/whep"

	probeLife  = time.Minute
	probeSweep = 5 * time.Second
	maxProbes  = 64
)

// probe is a connection test: a room of its own without anybody in it, for
// media and relay only, in which its maker tries the ways to the server.
type probe struct {
	room  besedka.RoomID
	who   besedka.ParticipantID
	until time.Time
}

// probes are the tests under way, one for a credential at most.
type probes struct {
	mu  sync.Mutex
	all map[besedka.CredentialID]probe
}

// connectionTest is a new test.
type connectionTest struct {
	ID string `json:"id"`
	iceServers
}

// openTest begins a connection test, which ends by itself. An earlier one of the caller's ends.
func (s *Server) openTest(ctx context.Context, _ *struct{}) (*out[connectionTest], error) {
	c := callerOf(ctx)
	if err := s.limits.tests.spend(string(c.Credential)); err != nil {
		return nil, err
	}
	p := probe{room: besedka.RoomID("test-" + besedka.NewID(s.Random)), who: c.Participant(), until: s.Now().Add(probeLife)}
	s.probes.mu.Lock()
	defer s.probes.mu.Unlock()
	s.endTestsLocked(func(of besedka.CredentialID, old probe) bool { return of == c.Credential || s.Now().After(old.until) })
	if len(s.probes.all) >= maxProbes {
		return nil, media.ErrBusy.After(probeLife)
	}
	s.probes.all[c.Credential] = p
	s.Media.Grant(p.room, p.who, media.Grant{})
	if s.Relay != nil {
		s.Relay.Grant(p.room, p.who)
	}
	test := connectionTest{ID: string(p.room), iceServers: s.relayFor(p.room, c)}
	return reply(test, nil)
}

// endTestsLocked ends those tests: media and relay let go of them.
func (s *Server) endTestsLocked(which func(besedka.CredentialID, probe) bool) {
	for of, p := range s.probes.all {
		if !which(of, p) {
			continue
		}
		delete(s.probes.all, of)
		s.Media.EndRoom(p.room)
		if s.Relay != nil {
			s.Relay.EndRoom(p.room)
		}
	}
}

// testWHEP makes a media session in the caller's own test. Nothing is heard in it.
func (s *Server) testWHEP(w http.ResponseWriter, r *http.Request) {
	c := callerOf(r.Context())
	if err := s.limits.media.spend(string(c.Credential)); err != nil {
		s.fail(w, r, err)
		return
	}
	s.probes.mu.Lock()
	p, found := s.probes.all[c.Credential]
	s.probes.mu.Unlock()
	if !found || p.room != roomOf(r) || s.Now().After(p.until) {
		s.fail(w, r, besedka.ErrNotFound)
		return
	}
	offer, err := readBody(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.answer(w, r, media.Down, offer)
}

// Run ends connection tests in time, until ctx ends; then it waits for the event streams,
// whose hub has to end with ctx too.
func (s *Server) Run(ctx context.Context) error {
	tick := time.NewTicker(probeSweep)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			s.seeOff()
			return nil
		case <-tick.C:
			s.probes.mu.Lock()
			s.endTestsLocked(func(_ besedka.CredentialID, p probe) bool { return s.Now().After(p.until) })
			s.probes.mu.Unlock()
		}
	}
}
