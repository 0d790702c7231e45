package web

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"runtime"
	"time"

	"besedka/media"
)

// joining are the requests with which a crowd comes in. They take turns, so that they are
// not all runnable at once and those who carry sound wait for a few of them at most.
var joining = map[string]bool{
	"PUT " + apiBase + "/rooms/{room}/seat":    true,
	"POST " + apiBase + "/rooms/{room}/stream": true,
	whepPattern:   true,
	whipPattern:   true,
	eventsPattern: true,
}

const (
	joinsAtOnce = 4                // for each core: some wait for the database or a room
	turnWait    = 10 * time.Second // who waits longer is told to come back
	turnFor     = time.Second      // who takes longer waits for something: his turn is the next one's
	comeBack    = 2 * time.Second
)

// place is one request's.
type place struct {
	joins <-chan struct{}
	late  *time.Timer
}

// takeTurn waits, in the order of arrival, until a request to join may be computed. Its
// body is read before, so that nobody holds a turn by sending slowly.
func (s *Server) takeTurn(r *http.Request, c *call) error {
	body, err := readBody(r)
	if err != nil {
		return err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	select {
	case s.joins <- struct{}{}:
	default:
		if err := s.stand(r.Context()); err != nil {
			return err
		}
	}
	c.turn = &place{s.joins, time.AfterFunc(turnFor, func() { <-s.joins })}
	return nil
}

// endTurn lets the next one, once.
func (c *call) endTurn() {
	if c.turn != nil && c.turn.late.Stop() {
		<-c.turn.joins
	}
}

// stand waits in line.
func (s *Server) stand(ctx context.Context) error {
	enough := time.NewTimer(turnWait)
	defer enough.Stop()
	select {
	case s.joins <- struct{}{}:
		runtime.Gosched() // whoever is runnable already comes first, above all those who carry sound
		return nil
	case <-enough.C:
		return media.ErrBusy.After(comeBack)
	case <-ctx.Done():
		return errTimeout.Because(ctx.Err())
	}
}
