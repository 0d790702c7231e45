// Package live brings facts to the people who are connected: in order within a
// topic, resumable by a cursor without loss or repetition, and bounded, so that a
// reader who does not read costs at most 256 events or 1 MiB and is then cut.
//
// A fact is read from the outbox once per topic, when a commit in this process
// wakes the hub or when the poll each second finds a commit of another process,
// is encoded once, and its bytes are shared by every stream that may see it.
// What is true only for the moment (who came, who is muted, that the hallway
// changed) is announced past the outbox, without an id, to those who are there.
//
// Whoever is not shown somebody (Veil) is not told of them either, and for everybody
// else that costs nothing.
//
// A stream stands on at most two topics: its account's and one room's. It begins
// with "hello" and ends by itself after the room's last fact, or when its reader
// is removed from the room. Who may listen to what is decided by the caller before
// Subscribe; CloseCredential, CloseParticipant and CloseOthers take it back. Hold
// keeps what is committed from everybody for as long as media is cut first.
//
// Order of locks: Hub.mu, then feed.mu, then Stream.mu. No lock is held while the
// outbox is read or a stream's reader is waited for.
package live

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"besedka"
)

// Outbox is where committed facts are kept, in order, for some time.
type Outbox interface {
	// FactsAfter gives at most limit facts after seq, in order.
	FactsAfter(ctx context.Context, topic besedka.Topic, seq int64, limit int) ([]besedka.Fact, error)
	// Head gives the numbers of the oldest fact kept and of the last fact. Both are 0 if there was none.
	Head(ctx context.Context, topic besedka.Topic) (oldest, head int64, err error)
	// Changed lists the topics with facts since a time.
	Changed(ctx context.Context, since time.Time) ([]besedka.Topic, error)
}

// Config is what a Hub stands on.
type Config struct {
	Outbox     Outbox
	Now        func() time.Time
	Log        *slog.Logger
	Veil       Veil // nil: everybody is shown everybody
	MaxStreams int  // 0 means 20,000
}

// ErrBusy says that there are as many event streams as the server takes.
var ErrBusy = besedka.NewError(besedka.Unavailable, "events_busy").After(10 * time.Second)

const (
	defaultMaxStreams = 20_000
	workers           = 4
	pollEvery         = time.Second
	// pollBack is how far back each poll looks: facts carry the time at which
	// their transaction began, by the clock of the process that ran it.
	pollBack    = 10 * time.Second
	tickEvery   = 50 * time.Millisecond
	closeWithin = 2 * time.Second // for reading the last facts of a stream that is being closed
)

// Hub hands facts to event streams.
type Hub struct {
	outbox     Outbox
	veil       Veil
	now        func() time.Time
	log        *slog.Logger
	maxStreams int

	kick chan struct{} // there is work for a worker
	stop chan struct{} // closed by Close
	cut  atomic.Int64  // streams cut because they were slow

	mu       sync.Mutex
	closed   bool
	stopping bool
	feeds    map[besedka.Topic]*feed
	streams  map[*Stream]struct{}
	byCred   map[besedka.CredentialID]map[*Stream]struct{}
	work     []*feed            // woken, not yet read
	failed   map[*feed]struct{} // could not be read; tried again at the next poll
	waiting  map[*feed]struct{} // have counts that wait for their turn
	hallway  coalesced          // data is only a mark here
	polled   time.Time
}

// New makes a Hub. Nothing is delivered until Run.
func New(c Config) *Hub {
	if c.MaxStreams == 0 {
		c.MaxStreams = defaultMaxStreams
	}
	return &Hub{
		outbox: c.Outbox, veil: c.Veil, now: c.Now, log: c.Log, maxStreams: c.MaxStreams,
		kick: make(chan struct{}, 1), stop: make(chan struct{}),
		feeds:   make(map[besedka.Topic]*feed),
		streams: make(map[*Stream]struct{}),
		byCred:  make(map[besedka.CredentialID]map[*Stream]struct{}),
		failed:  make(map[*feed]struct{}),
		waiting: make(map[*feed]struct{}),
		polled:  c.Now(),
	}
}

// Run delivers facts until ctx is done or Close is called. All streams are closed when it returns.
func (h *Hub) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var group sync.WaitGroup
	for range workers {
		group.Go(func() { h.read(ctx) })
	}
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	group.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-poll.C:
				h.poll(ctx)
			}
		}
	})
	for {
		select {
		case <-ctx.Done():
			h.Close()
		case <-h.stop:
			cancel()
			group.Wait()
			return nil
		case <-tick.C:
			h.tick()
		}
	}
}

// Close ends every stream, refuses new ones and makes Run return. Call it before
// the HTTP server is told to stop, which waits for its handlers.
func (h *Hub) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return
	}
	h.closed = true
	close(h.stop)
	for s := range h.streams {
		s.finish(ErrClosed)
	}
}

// Wake says that facts of these topics were committed. It does not wait.
func (h *Hub) Wake(topics []besedka.Topic) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, t := range topics {
		if f := h.feeds[t]; f != nil {
			h.scheduleLocked(f)
		}
	}
}

func (h *Hub) scheduleLocked(f *feed) {
	switch f.state {
	case idle:
		f.state = queued
		h.work = append(h.work, f)
		h.kickWorker()
	case running:
		f.state = runningAgain
	}
}

func (h *Hub) kickWorker() {
	select {
	case h.kick <- struct{}{}:
	default:
	}
}

// read is a worker: it reads the feeds that were woken.
func (h *Hub) read(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.kick:
		}
		for f := h.begin(); f != nil; f = h.begin() {
			err := f.pump(ctx)
			if err != nil && !errors.Is(err, errHeld) && ctx.Err() == nil {
				h.log.Warn("events wait: the outbox cannot be read", "topic", f.topic, "error", err)
			}
			h.done(f, err)
		}
	}
}

// begin takes the next feed to read, or nil. It wakes another worker for the rest.
func (h *Hub) begin() *feed {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.work) == 0 {
		return nil
	}
	f := h.work[0]
	h.work[0] = nil
	h.work = h.work[1:]
	f.state = running
	if len(h.work) > 0 {
		h.kickWorker()
	}
	return f
}

func (h *Hub) done(f *feed, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	again := f.state == runningAgain
	f.state = idle
	if errors.Is(err, errHeld) {
		err = nil // letGo schedules it
	}
	switch {
	case f.refs == 0:
	case err != nil:
		h.failed[f] = struct{}{}
	case again:
		h.scheduleLocked(f)
	}
}

// poll finds what other processes have committed, and tries again what failed.
func (h *Hub) poll(ctx context.Context) {
	h.mu.Lock()
	for f := range h.failed {
		h.scheduleLocked(f)
	}
	clear(h.failed)
	since, nobody := h.polled.Add(-pollBack), len(h.feeds) == 0
	h.mu.Unlock()
	now := h.now()
	if !nobody {
		topics, err := h.outbox.Changed(ctx, since)
		if err != nil {
			if ctx.Err() == nil {
				h.log.Warn("events wait: the outbox cannot be read", "error", err)
			}
			return
		}
		h.Wake(topics)
	}
	h.mu.Lock()
	h.polled = now
	h.mu.Unlock()
}

// Subscribe begins a stream, which its reader must Close. It returns ErrBusy when
// there are too many, ErrClosed when the server stops, and another error when the
// outbox cannot be read.
func (h *Hub) Subscribe(ctx context.Context, sub Subscription) (*Stream, error) {
	s := &Stream{hub: h, sub: sub, ready: make(chan struct{}, 1)}
	if err := h.enter(s); err != nil {
		return nil, err
	}
	if err := h.position(ctx, s); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// enter makes the stream known, with its feeds.
func (h *Hub) enter(s *Stream) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return ErrClosed
	}
	if h.stopping {
		return ErrStopping
	}
	if len(h.streams) >= h.maxStreams {
		return ErrBusy
	}
	h.streams[s] = struct{}{}
	if h.byCred[s.sub.Credential] == nil {
		h.byCred[s.sub.Credential] = make(map[*Stream]struct{})
	}
	h.byCred[s.sub.Credential][s] = struct{}{}
	if account := s.sub.Participant.Account(); account != "" {
		s.lines[0].feed = h.feedLocked(besedka.AccountTopic(account))
	}
	if s.sub.Room != "" {
		s.lines[1].feed = h.feedLocked(besedka.RoomTopic(s.sub.Room))
	}
	return nil
}

func (h *Hub) feedLocked(t besedka.Topic) *feed {
	f := h.feeds[t]
	if f == nil {
		f = newFeed(t, h.outbox, h.veil)
		h.feeds[t] = f
	}
	f.refs++
	return f
}

// leave forgets a stream, and the feeds that nobody else listens to.
func (h *Hub) leave(s *Stream) {
	for i := range s.lines {
		if f := s.lines[i].feed; f != nil {
			f.detach(s)
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, known := h.streams[s]; !known {
		return
	}
	delete(h.streams, s)
	if same := h.byCred[s.sub.Credential]; len(same) > 1 {
		delete(same, s)
	} else {
		delete(h.byCred, s.sub.Credential)
	}
	for i := range s.lines {
		if f := s.lines[i].feed; f != nil {
			h.releaseLocked(f)
		}
	}
}

func (h *Hub) releaseLocked(f *feed) {
	f.refs--
	if f.refs == 0 {
		delete(h.feeds, f.topic)
		delete(h.failed, f)
		delete(h.waiting, f)
	}
}

// position attaches the stream to its feeds, sets where it goes on from, and
// writes what it begins with.
func (h *Hub) position(ctx context.Context, s *Stream) error {
	from, resumed := parseCursor(s.sub.LastEventID)
	sameRoom := resumed && from.room == s.sub.Room
	missing := s.sub.LastEventID != "" && !resumed
	wanted := [2]int64{from.account, from.roomSeq}
	for i, resume := range [2]bool{resumed, sameRoom} {
		l := &s.lines[i]
		if l.feed == nil {
			continue
		}
		gap, err := h.join(ctx, s, l, wanted[i], resume)
		if err != nil {
			return fmt.Errorf("subscribe: %w", err)
		}
		missing = missing || gap
	}
	if missing {
		s.skipPast()
	}
	s.first = []Event{{ID: s.cursor(), Data: h.encodeOwn(kindHello, s.ownRoom(), resumedData(sameRoom && !missing))}}
	if missing {
		s.first = append(s.first, s.reset())
	}
	return nil
}

// join attaches the stream to one feed. It says whether the facts after the
// wanted number are no longer there, or never were.
func (h *Hub) join(ctx context.Context, s *Stream, l *line, wanted int64, resume bool) (gap bool, err error) {
	woken, err := l.feed.start(ctx)
	if err != nil {
		return false, err
	}
	if woken {
		h.Wake([]besedka.Topic{l.feed.topic})
	}
	head := l.feed.attach(s)
	l.seq, l.until = head, head
	if !resume || wanted == head {
		return false, nil
	}
	if wanted > head {
		// This feed may be a moment behind the outbox, but nobody can be before it.
		if _, last, err := l.feed.outbox.Head(ctx, l.feed.topic); err != nil || wanted > last {
			return err == nil, err
		}
		l.seq = wanted
		return false, nil
	}
	l.seq = wanted
	err = s.load(ctx, l)
	if err == errGap {
		return true, nil
	}
	return false, err
}

func resumedData(resumed bool) []byte {
	if resumed {
		return []byte(`{"resumed":true}`)
	}
	return []byte(`{"resumed":false}`)
}

// encodeOwn encodes an event of the hub's own, whose data is known to be JSON.
func (h *Hub) encodeOwn(kind string, room besedka.RoomID, data []byte) []byte {
	text, err := encode(kind, room, 0, h.now(), data)
	if err != nil {
		h.log.Error("event cannot be encoded", "kind", kind, "error", err)
		return emptyObject
	}
	return text
}

// Stats counts what the hub does.
type Stats struct {
	Streams int   // open now
	Topics  int   // listened to now
	Cut     int64 // streams cut for being slow, ever
}

// Stats gives the present figures.
func (h *Hub) Stats() Stats {
	h.mu.Lock()
	defer h.mu.Unlock()
	return Stats{Streams: len(h.streams), Topics: len(h.feeds), Cut: h.cut.Load()}
}
