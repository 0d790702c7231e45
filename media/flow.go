package media

import (
	"time"

	"besedka"
)

// Flow is how sound went lately on the path of a session. A peer who hears nothing
// although the server sends, or whom the server does not hear although he sends, has
// lost his path, and needs not wait until ICE finds that out.
type Flow struct {
	// Age is how long ago the last packet was sent to a listener, or the last
	// authentic one came from a speaker.
	Age time.Duration
	// Any is false when there has been none.
	Any bool
}

// Flow tells of a session. It returns besedka.ErrNotFound unless the session is
// that participant's in that room.
func (s *Server) Flow(id SessionID, room besedka.RoomID, who besedka.ParticipantID) (Flow, error) {
	x := s.tables.id(id)
	if x == nil || x.who != who || x.place.room != room {
		return Flow{}, besedka.ErrNotFound
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	var last time.Time
	switch {
	case x.listener != nil:
		last = x.listener.SentAt()
	case x.up != nil && x.up.any:
		last = x.heard
	}
	if last.IsZero() {
		return Flow{}, nil
	}
	return Flow{Age: max(0, s.cfg.Now().Sub(last)), Any: true}, nil
}
