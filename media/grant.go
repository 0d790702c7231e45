package media

import (
	"slices"
	"sync"

	"besedka"
	"besedka/fanout"
)

// maxSame bounds the sessions of one participant in one room and direction: one that
// lives, and one that is to take its place. Who speaks has one at the end: an up
// session ends when a younger one has come up, so that nobody sees him without.
const maxSame = 2

// place is a room as media sees it: who may be here, and their sessions.
type place struct {
	room  besedka.RoomID
	floor *fanout.Floor

	mu    sync.Mutex
	seats map[besedka.ParticipantID]*seat
	ended bool // out of the table; whoever still holds it must look again

	broadcast *broadcast // nil: nobody reads the room
	readers   int
}

// seat is one participant's grant and sessions, the oldest first.
type seat struct {
	grant    Grant
	sessions []*session
	reader   *Reader // or nil
	wasLive  bool    // he has heard or spoken: if he is without a session, he comes back
}

// Grant gives a participant of a room what he may do, or changes it. With
// Forward false his packets stop at once: none is forwarded after Grant has
// returned. With Publish false his up session ends.
func (s *Server) Grant(room besedka.RoomID, who besedka.ParticipantID, g Grant) {
	p := s.enter(room)
	defer p.mu.Unlock()
	have := p.seats[who]
	if have == nil {
		have = &seat{}
		p.seats[who] = have
	}
	have.grant = g
	now := s.cfg.Now()
	for _, x := range slices.Clone(have.sessions) {
		if x.dir == Up && !g.Publish {
			p.drop(x)
			continue
		}
		x.regrant(g, now)
	}
}

// enter finds or makes the room's place and locks it.
func (s *Server) enter(room besedka.RoomID) *place {
	for {
		p := s.tables.place(room, func() *place {
			return &place{room: room, floor: s.newFloor(), seats: make(map[besedka.ParticipantID]*seat)}
		})
		p.mu.Lock()
		if !p.ended {
			return p
		}
		p.mu.Unlock()
	}
}

// find locks the room's place if there is one.
func (s *Server) find(room besedka.RoomID) *place {
	p := s.tables.place(room, nil)
	if p == nil {
		return nil
	}
	p.mu.Lock()
	if p.ended {
		p.mu.Unlock()
		return nil
	}
	return p
}

// Revoke takes a participant's grant away. When it returns his sessions in the
// room have ended: not one further packet is sent to him or forwarded from him.
func (s *Server) Revoke(room besedka.RoomID, who besedka.ParticipantID) {
	p := s.find(room)
	if p == nil {
		return
	}
	defer p.mu.Unlock()
	if have := p.seats[who]; have != nil {
		delete(p.seats, who)
		for _, x := range have.sessions {
			x.close()
		}
		p.dropReader(have)
	}
	if len(p.seats) == 0 {
		p.ended = true
		s.tables.forget(p)
	}
}

// EndRoom takes every grant of the room away, as Revoke does for one.
func (s *Server) EndRoom(room besedka.RoomID) {
	p := s.find(room)
	if p == nil {
		return
	}
	defer p.mu.Unlock()
	p.ended = true
	s.tables.forget(p)
	for _, have := range p.seats {
		for _, x := range have.sessions {
			x.close()
		}
		p.dropReader(have)
	}
	clear(p.seats)
}

// CloseCredential ends every session made with the credential, in all rooms,
// and lets no new one be made with it. The grants stay.
func (s *Server) CloseCredential(cred besedka.CredentialID) {
	s.revoked.add(cred, s.cfg.Now())
	for _, p := range s.tables.places(nil) {
		p.closeWhere(func(_ besedka.ParticipantID, with besedka.CredentialID) bool { return with == cred })
	}
}

// CloseOthers ends the participant's sessions in the room that were made with
// another credential than keep.
func (s *Server) CloseOthers(room besedka.RoomID, who besedka.ParticipantID, keep besedka.CredentialID) {
	if p := s.tables.place(room, nil); p != nil {
		p.closeWhere(func(whose besedka.ParticipantID, with besedka.CredentialID) bool { return whose == who && with != keep })
	}
}

// drop closes a session and takes it off its seat. p.mu is held.
func (p *place) drop(x *session) {
	if have := p.seats[x.who]; have != nil {
		have.sessions = slices.DeleteFunc(have.sessions, func(y *session) bool { return y == x })
	}
	x.close()
}

// end closes a session from within: it has failed, left or gone silent. No
// lock of a session may be held.
func (s *Server) end(x *session) {
	x.place.mu.Lock()
	defer x.place.mu.Unlock()
	x.place.drop(x)
}

// CloseSession ends a session. It returns besedka.ErrNotFound unless the
// session is that participant's in that room.
func (s *Server) CloseSession(id SessionID, room besedka.RoomID, who besedka.ParticipantID) error {
	x := s.tables.id(id)
	if x == nil || x.who != who || x.place.room != room {
		return besedka.ErrNotFound
	}
	s.end(x)
	return nil
}

// admit seats a session under the same lock as Revoke: a join cannot race a
// removal. Older sessions beyond the participant's bounds end.
func (s *Server) admit(x *session, room besedka.RoomID) error {
	p := s.find(room)
	if p == nil {
		return ErrNotInRoom
	}
	defer p.mu.Unlock()
	have := p.seats[x.who]
	switch {
	case have == nil:
		return ErrNotInRoom
	case x.dir == Up && !have.grant.Publish:
		return ErrNotOnStage
	case s.revoked.has(x.cred):
		return besedka.ErrUnauthenticated
	case !s.halfOpenFor(have.goesFirst()):
		return ErrBusy.After(comeBack)
	}
	var same []*session
	for _, y := range have.sessions {
		if y.dir == x.dir {
			same = append(same, y)
		}
	}
	for len(same) >= maxSame {
		p.drop(same[0])
		same = same[1:]
	}
	x.place, x.first = p, have.goesFirst()
	have.sessions = append(have.sessions, x)
	s.count.halfOpen.Add(1)
	s.tables.add(x)
	return nil
}
