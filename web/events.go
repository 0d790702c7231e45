package web

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"besedka"
	"besedka/live"
	rooms "besedka/room"
)

const eventsPattern = "GET " + apiBase + "/events"

const (
	keepAlive     = 10 * time.Second
	eventDeadline = 15 * time.Second // for one batch to be taken by the network

	// Who loses the server comes back after soonest at the earliest, and each at a moment
	// of his own within returnWithin from then on.
	soonest      = 300 * time.Millisecond
	returnWithin = 2 * time.Second
)

const maxStreams = 16 // of one credential

// streams are the open event streams of each credential, with the room that each follows.
type streams struct {
	mu   sync.Mutex
	last uint64 // number given to a stream
	open map[besedka.CredentialID]map[string]besedka.RoomID
}

// add counts a stream and gives it a number and the name that goes with it, or returns an
// error when there are too many.
func (t *streams) add(c besedka.CredentialID, room besedka.RoomID) (n uint64, line string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.open[c]) >= maxStreams {
		return 0, "", errStreams
	}
	if t.open == nil {
		t.open = make(map[besedka.CredentialID]map[string]besedka.RoomID)
	}
	if t.open[c] == nil {
		t.open[c] = make(map[string]besedka.RoomID)
	}
	t.last++
	line = "events-" + strconv.FormatUint(t.last, 10)
	t.open[c][line] = room
	return t.last, line, nil
}

func (t *streams) remove(c besedka.CredentialID, line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.open[c], line)
	if len(t.open[c]) == 0 {
		delete(t.open, c)
	}
}

// of lists the streams of a credential that follow a room.
func (t *streams) of(c besedka.CredentialID, room besedka.RoomID) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var lines []string
	for line, follows := range t.open[c] {
		if follows == room {
			lines = append(lines, line)
		}
	}
	return lines
}

// events streams what happens to the caller, in the hallway, and in one room
// (HTML standard, section 9.2: server-sent events).
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	ctx, c := r.Context(), callerOf(r.Context())
	room, err := s.roomToFollow(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	number, line, err := s.streams.add(c.Credential, room)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	stream, err := s.Live.Subscribe(ctx, live.Subscription{
		Participant: c.Participant(), Room: room, Credential: c.Credential, LastEventID: lastEventID(r),
	})
	if err != nil {
		s.streams.remove(c.Credential, line)
		s.fail(w, r, unavailable(err))
		return
	}
	f := &follower{server: s, stream: stream, who: c.Participant(), credential: c.Credential, room: room, line: line, retry: soonest + live.Stagger(number, returnWithin)}
	if room != "" {
		s.Rooms.Connected(room, f.who, c.Credential, rooms.Line{ID: line})
	}
	// A revocation or removal since the request was admitted has found no stream to close.
	if err = s.still(ctx); err == nil {
		_, err = s.roomToFollow(r)
	}
	if err != nil {
		f.leave()
		s.fail(w, r, err)
		return
	}
	callOf(ctx).endTurn() // what follows waits more than it works
	eventHeader(w.Header())
	if f.takeOver(w, r) {
		return
	}
	defer f.leave()
	if err := writeEvents(ctx, w, stream, f.retry); err != nil {
		s.log.Debug("event stream ended", "error", err)
	}
}

func eventHeader(h http.Header) {
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // a proxy must not gather events
}

// roomToFollow is the room that is asked for, if the caller may follow it, or "" if none is.
func (s *Server) roomToFollow(r *http.Request) (besedka.RoomID, error) {
	c := callerOf(r.Context())
	id := r.URL.Query().Get("room")
	switch {
	case id == "" && c.Guest != "":
		id = string(c.Room)
	case id == "":
		return "", nil
	case !validID(id):
		return "", besedka.ErrNotFound
	}
	return besedka.RoomID(id), s.Rooms.See(r.Context(), besedka.RoomID(id), c.actor())
}

func lastEventID(r *http.Request) string {
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		return id
	}
	return r.URL.Query().Get("last_event_id")
}

// unavailable is the error of somebody who may come back for a stream.
func unavailable(err error) error {
	var known *besedka.Error
	if errors.As(err, &known) {
		return err
	}
	return errUnavailable.Because(err)
}

// writeEvents sends events until the stream or the reader ends. Each batch has a
// deadline of its own, so that a reader who takes nothing does not stay for ever.
func writeEvents(ctx context.Context, w http.ResponseWriter, stream *live.Stream, retry time.Duration) error {
	rc := http.NewResponseController(w)
	// The server's deadlines are for requests that end.
	if err := rc.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	out := eventWriter{text: appendRetry(nil, retry), send: func(text []byte) error {
		if err := rc.SetWriteDeadline(time.Now().Add(eventDeadline)); err != nil {
			return err
		}
		if _, err := w.Write(text); err != nil {
			return err
		}
		return rc.Flush()
	}}
	alive := time.NewTicker(keepAlive)
	defer alive.Stop()
	for {
		if err := out.drain(ctx, stream); err != nil {
			return err
		}
		select {
		case <-stream.Ready():
		case <-alive.C:
			out.text = append(out.text, comment...)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// comment says nothing but that the server is there.
const comment = ": \n\n"

// appendRetry says after what time to come back if the server is lost.
func appendRetry(text []byte, retry time.Duration) []byte {
	return append(strconv.AppendInt(append(text, "retry: "...), retry.Milliseconds(), 10), '\n', '\n')
}

// eventWriter gathers events into one write.
type eventWriter struct {
	send func([]byte) error
	text []byte
}

// drain sends all that there is, and says why the stream or its reader ended, if one did.
func (o *eventWriter) drain(ctx context.Context, stream *live.Stream) error {
	end := o.gather(ctx, stream)
	if err := o.flush(); err != nil {
		return err
	}
	return end
}

// gather appends what there is to send, up to about one write's worth at a time,
// and says why the stream ended if it did.
func (o *eventWriter) gather(ctx context.Context, stream *live.Stream) error {
	for {
		e, ok, err := stream.Poll(ctx)
		if !ok {
			return err
		}
		if e.ID != "" {
			o.text = append(append(append(o.text, "id: "...), e.ID...), '\n')
		}
		o.text = append(append(append(o.text, "data: "...), e.Data...), "\n\n"...)
		if len(o.text) < 16<<10 {
			continue
		}
		if err := o.flush(); err != nil {
			return err
		}
	}
}

func (o *eventWriter) flush() error {
	if len(o.text) == 0 {
		return nil
	}
	err := o.send(o.text)
	o.text = o.text[:0]
	if cap(o.text) > 16<<10 {
		o.text = nil // 5,000 quiet streams must not each hold a buffer
	}
	return err
}
