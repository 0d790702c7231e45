package test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// event is one event of a stream.
type event struct {
	ID    string
	Kind  string
	Topic string
	Room  string
	Seq   int64
	At    string
	Data  object
}

// stream is an event stream and all that it has told.
type stream struct {
	t      *testing.T
	cancel context.CancelFunc
	ended  chan struct{} // closed when the server has closed it

	mu     sync.Mutex
	events []event
}

// events opens an event stream, after last if that is not "", and waits for its hello.
func (p *person) events(room, last string) *stream {
	p.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	path := "/api/v1/events"
	if room != "" {
		path += "?room=" + room
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.server.url+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	p.sign(req.Header)
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		p.t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK {
		p.t.Fatalf("GET %s: %d", path, res.StatusCode)
	}
	s := &stream{t: p.t, cancel: cancel, ended: make(chan struct{})}
	go s.read(res)
	p.t.Cleanup(func() { cancel(); <-s.ended })
	s.until("hello")
	return s
}

func (s *stream) read(res *http.Response) {
	defer close(s.ended)
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(make([]byte, 64<<10), 1<<20)
	id := ""
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "id":
			id = value
		case "data":
			e := event{ID: id}
			if err := json.Unmarshal([]byte(value), &e); err != nil {
				e.Kind = "not JSON: " + value
			}
			e.ID = id
			s.mu.Lock()
			s.events = append(s.events, e)
			s.mu.Unlock()
			id = ""
		}
	}
}

// all are the events so far.
func (s *stream) all() []event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]event(nil), s.events...)
}

// until waits for an event of the kind.
func (s *stream) until(kind string) event {
	s.t.Helper()
	var found event
	within(s.t, 5*time.Second, "event "+kind, func() bool {
		for _, e := range s.all() {
			if e.Kind == kind {
				found = e
				return true
			}
		}
		return false
	})
	return found
}

// cursor is the id of the last event that had one.
func (s *stream) cursor() string {
	all := s.all()
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].ID != "" {
			return all[i].ID
		}
	}
	return ""
}

// facts are the kinds of the room's facts (those with a sequence number), in order.
func (s *stream) facts(room string) (kinds []string, seqs []int64) {
	for _, e := range s.all() {
		if e.Topic == "room" && e.Room == room && e.Seq > 0 && e.ID != "" && e.Kind != "hello" {
			kinds, seqs = append(kinds, e.Kind), append(seqs, e.Seq)
		}
	}
	return kinds, seqs
}

// endsWithin waits for the server to close the stream.
func (s *stream) endsWithin(d time.Duration) time.Duration {
	s.t.Helper()
	begin := time.Now()
	select {
	case <-s.ended:
	case <-time.After(d):
		s.t.Errorf("the event stream is still open after %s", d)
	}
	return time.Since(begin)
}
