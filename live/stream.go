package live

import (
	"context"
	"errors"
	"sync"

	"besedka"
)

const (
	maxQueued      = 256     // events that wait for a slow reader
	maxQueuedBytes = 1 << 20 // bytes that wait for a slow reader
)

// Why a stream ended.
var (
	// ErrSlow says that the reader fell too far behind. It may come back with its last cursor.
	ErrSlow = errors.New("event stream cut: too slow")
	// ErrEnded says that a fact given before was the last: the room has ended, or the reader was removed from it.
	ErrEnded = errors.New("event stream ended")
	// ErrClosed says that the stream was closed: its reader may no longer read, or the server stops.
	ErrClosed = errors.New("event stream closed")
)

// Subscription says who listens to what. Whether they may is for the caller to know.
type Subscription struct {
	Participant besedka.ParticipantID // whose account topic is read, unless a guest; and who filtered facts are for
	Room        besedka.RoomID        // the room listened to, or ""
	Credential  besedka.CredentialID  // what they signed in with
	LastEventID string                // the cursor to go on from, or "" to begin now
}

// Stream is one reader's events, in order. Its methods but Close are for one goroutine.
type Stream struct {
	hub   *Hub
	sub   Subscription
	ready chan struct{}

	// For the reader only.
	first []Event // before anything else: hello, and reset if facts are missing
	lines [2]line // the account's, the room's
	over  bool    // a fact of the past was the last

	mu    sync.Mutex
	wake  func() // called instead of a signal to ready, if there is one
	queue []item
	bytes int
	err   error // why it ended; what is queued is still given, then err
}

// line is one topic in a stream.
type line struct {
	feed  *feed    // nil if the stream has no such topic
	seq   int64    // last fact given to the reader, or not meant for them
	until int64    // facts up to here are read from the feed's past, later ones come through the queue
	page  []*entry // some of that past
}

func (l *line) behind() bool { return l.feed != nil && l.seq < l.until }

// item is a queued event.
type item struct {
	feed  *feed // the topic of a fact; nil for what is told once
	seq   int64
	data  []byte
	reset bool // facts up to seq are missing
}

// Ready gives a signal when there may be something to Poll.
func (s *Stream) Ready() <-chan struct{} { return s.ready }

// Notify has f called instead of Ready's signals, from whichever goroutine there is
// something to Poll in. It must not wait, nor call the stream.
func (s *Stream) Notify(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wake = f
}

// Next waits for the next event. After the last one it returns ErrSlow, ErrEnded or ErrClosed.
func (s *Stream) Next(ctx context.Context) (Event, error) {
	for {
		e, ok, err := s.Poll(ctx)
		if ok || err != nil {
			return e, err
		}
		select {
		case <-s.ready:
		case <-ctx.Done():
			return Event{}, ctx.Err()
		}
	}
}

// Poll gives the next event if there is one now. A reader that waits for Ready
// must Poll until there is none. After the last event it returns ErrSlow, ErrEnded
// or ErrClosed; another error means that the outbox cannot be read, and that the
// reader should come back with its cursor.
func (s *Stream) Poll(ctx context.Context) (e Event, ok bool, err error) {
	if len(s.first) > 0 {
		e, s.first = s.first[0], s.first[1:]
		if len(s.first) == 0 {
			s.first = nil
		}
		return e, true, nil
	}
	if s.over {
		return Event{}, false, ErrEnded
	}
	for i := range s.lines {
		for s.lines[i].behind() {
			if err := s.ended(); err != nil && !errors.Is(err, ErrEnded) {
				return Event{}, false, err
			}
			if e, ok, err := s.past(ctx, &s.lines[i]); ok || err != nil {
				return e, ok, err
			}
		}
	}
	for {
		it, ok, err := s.pop()
		if !ok {
			return Event{}, false, err
		}
		if e, ok := s.take(it); ok {
			return e, true, nil
		}
	}
}

// past gives the next fact of a line's past, if it is visible.
func (s *Stream) past(ctx context.Context, l *line) (Event, bool, error) {
	if err := s.load(ctx, l); errors.Is(err, errGap) {
		s.skipPast()
		return s.reset(), true, nil
	} else if err != nil {
		return Event{}, false, err
	}
	e := l.page[0]
	l.page, l.seq = l.page[1:], e.seq
	if !e.to.have(s.sub.Participant) {
		return Event{}, false, nil
	}
	s.over = s.endedBy(e)
	data := e.data
	if unseen := l.feed.hides(ctx, &e.telling); unseen != nil { // as it is now, not as it was
		if data = without(data, unseen(s.sub.Participant)); data == nil {
			return Event{}, false, nil
		}
	}
	return Event{ID: s.cursor(), Data: data}, true, nil
}

// load makes sure that a line which is behind has a page.
func (s *Stream) load(ctx context.Context, l *line) (err error) {
	if len(l.page) == 0 && l.behind() {
		l.page, err = l.feed.page(ctx, l.seq)
	}
	return err
}

// skipPast gives up reading the past of both lines.
func (s *Stream) skipPast() {
	for i := range s.lines {
		l := &s.lines[i]
		l.page, l.seq = nil, max(l.seq, l.until)
	}
}

// take turns a queued item into an event, unless the reader has had it.
func (s *Stream) take(it item) (Event, bool) {
	if it.feed == nil {
		return Event{Data: it.data}, true
	}
	l := s.line(it.feed)
	if it.seq <= l.seq {
		return Event{}, false
	}
	l.seq = it.seq
	if it.reset {
		return s.reset(), true
	}
	return Event{ID: s.cursor(), Data: it.data}, true
}

func (s *Stream) line(f *feed) *line {
	if s.lines[0].feed == f {
		return &s.lines[0]
	}
	return &s.lines[1]
}

func (s *Stream) cursor() string {
	return cursor{account: s.lines[0].seq, room: s.sub.Room, roomSeq: s.lines[1].seq}.String()
}

// reset is the event that tells the reader to fetch the state anew.
func (s *Stream) reset() Event {
	return Event{ID: s.cursor(), Data: s.hub.encodeOwn(kindReset, s.ownRoom(), emptyObject)}
}

// ownRoom is the room that events about the stream itself are named for: guests have nothing else.
func (s *Stream) ownRoom() besedka.RoomID {
	if s.sub.Participant.IsGuest() {
		return s.sub.Room
	}
	return ""
}

func (s *Stream) endedBy(e *entry) bool { return e.ends != "" && e.ends == s.sub.Room }

// pushEntry queues a fact of a feed that is for this reader, as data, which is nil
// when they are told nothing of it. It is called by the feed, in order.
func (s *Stream) pushEntry(f *feed, e *entry, data []byte) {
	if data != nil {
		s.push(item{feed: f, seq: e.seq, data: data})
	}
	if s.endedBy(e) {
		s.finish(ErrEnded)
	}
}

// pushReset queues word that a feed's facts up to seq are missing.
func (s *Stream) pushReset(f *feed, seq int64) {
	s.push(item{feed: f, seq: seq, reset: true})
}

// push queues items, or cuts the stream of a reader that is too slow for them.
func (s *Stream) push(items ...item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, it := range items {
		if s.err != nil {
			return
		}
		if len(s.queue) >= maxQueued || s.bytes+len(it.data) > maxQueuedBytes {
			s.queue, s.bytes, s.err = nil, 0, ErrSlow
			s.hub.cut.Add(1)
		} else {
			s.queue = append(s.queue, it)
			s.bytes += len(it.data)
		}
	}
	s.signal()
}

func (s *Stream) pop() (item, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return item{}, false, s.err
	}
	it := s.queue[0]
	s.queue[0] = item{}
	s.queue = s.queue[1:]
	s.bytes -= len(it.data)
	if len(s.queue) == 0 {
		s.queue = nil
	}
	return it, true, nil
}

// finish ends the stream after what is queued. The first reason stands.
func (s *Stream) finish(reason error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = reason
	}
	s.signal()
}

func (s *Stream) dropQueue() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue, s.bytes = nil, 0
}

func (s *Stream) ended() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (s *Stream) signal() {
	if s.wake != nil {
		s.wake()
		return
	}
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

// Close ends the stream at once and frees what it holds. It may be called from any goroutine, and twice.
func (s *Stream) Close() {
	s.finish(ErrClosed)
	s.dropQueue()
	s.hub.leave(s)
}
