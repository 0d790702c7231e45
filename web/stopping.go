package web

import "besedka/live"

// beginnings are what is not begun any more by a server that is about to end. What is
// there goes on: hands are raised, people are removed, sound is heard.
var beginnings = map[string]bool{
	"POST " + apiBase + "/rooms":               true,
	"PUT " + apiBase + "/rooms/{room}/seat":    true,
	"POST " + apiBase + "/rooms/{room}/guests": true,
	"POST " + apiBase + "/rooms/{room}/stream": true,
	streamPattern: true,
	whepPattern:   true,
	whipPattern:   true,
	eventsPattern: true,
	healthPattern: true,
}

// Stop refuses from now on, with 503 and Retry-After, to begin rooms, sessions and
// streams. It is called when the program is about to end.
func (s *Server) Stop() { s.stopping.Store(true) }

// refusal is why a request is not even looked at, or nil.
func (s *Server) refusal(pattern string) error {
	if s.stopping.Load() && beginnings[pattern] {
		return live.ErrStopping
	}
	return nil
}
