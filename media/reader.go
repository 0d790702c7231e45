package media

import (
	"io"
	"slices"
	"sync"

	"besedka"
)

// Reader is somebody who hears a room without WebRTC, as a file that does not end (Ogg
// Opus, RFC 7845): a few seconds late, with one speaker at a time. He has a seat and a
// grant as every listener has, and loses the sound as they do.
type Reader struct {
	server *Server
	place  *place
	id     SessionID
	who    besedka.ParticipantID
	cred   besedka.CredentialID
	cut    func()

	broadcast *broadcast
	next      uint64 // the page that he is given next
	begun     bool   // he has the headers

	once sync.Once
	gone chan struct{}
}

// OpenReader lets a participant read the room; he is told to OnSession as a session in
// the direction Down. An earlier reader of his in the room is ended: a seat has one. cut is called once, when
// the reader ends for whatever reason: when it has returned, nothing more must reach him, so
// that Revoke, EndRoom, CloseCredential and CloseOthers keep their promise. It is called with
// locks held and must neither wait nor call the Server.
func (s *Server) OpenReader(room besedka.RoomID, who besedka.ParticipantID, cred besedka.CredentialID, cut func()) (*Reader, error) {
	p := s.find(room)
	if p == nil {
		return nil, ErrNotInRoom
	}
	defer p.mu.Unlock()
	have := p.seats[who]
	full, _, _ := s.admission.state()
	switch {
	case have == nil:
		return nil, ErrNotInRoom
	case s.revoked.has(cred):
		return nil, besedka.ErrUnauthenticated
	case full && !have.goesFirst() || s.count.readers.Load() >= int64(s.cfg.MaxSessions) && have.reader == nil:
		s.count.turnedAway.Add(1)
		return nil, ErrBusy.After(comeBack)
	}
	if p.broadcast == nil {
		p.broadcast = s.newBroadcast(p.floor)
	}
	r := &Reader{server: s, place: p, id: SessionID(besedka.NewID(s.cfg.Random)), who: who, cred: cred, cut: cut,
		broadcast: p.broadcast, next: p.broadcast.begin(), gone: make(chan struct{})}
	p.readers++ // before the other one goes, so that the broadcast goes on
	p.dropReader(have)
	have.reader, have.wasLive = r, true
	s.count.readers.Add(1)
	s.tellReader(r, true)
	return r, nil
}

// Next waits for pages that have not been read and appends them to dst. Their bytes must not
// be changed. It returns io.EOF when the reader has ended. One goroutine at a time may call it.
func (r *Reader) Next(dst [][]byte) ([][]byte, error) {
	had := len(dst)
	if !r.begun {
		r.begun = true
		dst = append(dst, r.broadcast.headers)
	}
	for {
		pages, then, missed, more := r.broadcast.after(dst, r.next)
		r.next = then
		r.server.count.pagesMissed.Add(int64(missed))
		select {
		case <-r.gone:
			return dst, io.EOF
		default:
		}
		if len(pages) > had {
			return pages, nil
		}
		select {
		case <-more:
		case <-r.gone:
			return dst, io.EOF
		}
	}
}

// Close ends the reader; it may be called again.
func (r *Reader) Close() {
	r.place.mu.Lock()
	defer r.place.mu.Unlock()
	if have := r.place.seats[r.who]; have != nil && have.reader == r {
		r.place.dropReader(have)
		return
	}
	r.place.endReader(r) // his seat is gone: so is he
}

// dropReader takes the reader from a seat, if it has one, and ends him. p.mu is held.
func (p *place) dropReader(have *seat) {
	if r := have.reader; r != nil {
		have.reader = nil
		p.endReader(r)
	}
}

// endReader ends a reader once. p.mu is held.
func (p *place) endReader(r *Reader) {
	r.once.Do(func() {
		close(r.gone)
		r.cut()
		r.server.count.readers.Add(-1)
		r.server.tellReader(r, false)
		if p.readers--; p.readers == 0 {
			r.server.endBroadcast(p.broadcast)
			p.broadcast = nil
		}
	})
}

// CloseReaders ends all readers, when the program is about to end.
func (s *Server) CloseReaders() {
	for _, p := range s.tables.places(nil) {
		p.mu.Lock()
		for _, have := range p.seats {
			p.dropReader(have)
		}
		p.mu.Unlock()
	}
}

func (s *Server) tellReader(r *Reader, live bool) {
	s.events.push(Event{Room: r.place.room, Who: r.who, Credential: r.cred, Session: r.id, Direction: Down, Live: live})
}

// closeWhere ends the sessions and readers of those whom match names by who they are and with
// what credential they came.
func (p *place) closeWhere(match func(besedka.ParticipantID, besedka.CredentialID) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, have := range p.seats {
		for _, x := range slices.Clone(have.sessions) {
			if match(x.who, x.cred) {
				p.drop(x)
			}
		}
		if r := have.reader; r != nil && match(r.who, r.cred) {
			p.dropReader(have)
		}
	}
}
