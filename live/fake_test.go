package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"besedka"
)

// outbox is an Outbox in memory.
type outbox struct {
	mu    sync.Mutex
	facts map[besedka.Topic][]besedka.Fact // what is still kept
	heads map[besedka.Topic]int64
	down  bool
	after func() // called once, after the next reading and before its facts are handed over
	now   func() time.Time
	reads atomic.Int64
}

var errDown = errors.New("database is away")

func newOutbox(now func() time.Time) *outbox {
	return &outbox{facts: map[besedka.Topic][]besedka.Fact{}, heads: map[besedka.Topic]int64{}, now: now}
}

func (o *outbox) commit(t besedka.Topic, kind string, to []besedka.ParticipantID, data string) int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.heads[t]++
	f := besedka.Fact{Topic: t, Seq: o.heads[t], Kind: kind, At: o.now(), To: to}
	if data != "" {
		f.Data = json.RawMessage(data)
	}
	o.facts[t] = append(o.facts[t], f)
	return f.Seq
}

func (o *outbox) prune(t besedka.Topic, keep int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if n := len(o.facts[t]); n > keep {
		o.facts[t] = append([]besedka.Fact(nil), o.facts[t][n-keep:]...)
	}
}

func (o *outbox) setDown(down bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.down = down
}

func (o *outbox) FactsAfter(_ context.Context, t besedka.Topic, seq int64, limit int) ([]besedka.Fact, error) {
	o.reads.Add(1)
	facts, after, err := o.factsAfter(t, seq, limit)
	if after != nil {
		after()
	}
	return facts, err
}

func (o *outbox) factsAfter(t besedka.Topic, seq int64, limit int) (facts []besedka.Fact, after func(), err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.down {
		return nil, nil, errDown
	}
	after = o.after
	o.after = nil
	for _, f := range o.facts[t] {
		if f.Seq > seq && len(facts) < limit {
			facts = append(facts, f)
		}
	}
	return facts, after, nil
}

func (o *outbox) Head(_ context.Context, t besedka.Topic) (oldest, head int64, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.down {
		return 0, 0, errDown
	}
	if kept := o.facts[t]; len(kept) > 0 {
		oldest = kept[0].Seq
	}
	return oldest, o.heads[t], nil
}

func (o *outbox) Changed(_ context.Context, since time.Time) ([]besedka.Topic, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.down {
		return nil, errDown
	}
	var out []besedka.Topic
	for t, kept := range o.facts {
		if len(kept) > 0 && !kept[len(kept)-1].At.Before(since) {
			out = append(out, t)
		}
	}
	return out, nil
}

// clock is a time that only the test moves.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// bench is a hub without its tickers: the tests turn its handle.
type bench struct {
	*Hub
	t     testing.TB
	box   *outbox
	clock *clock
}

func newBench(t testing.TB) *bench {
	c := newClock()
	return newBenchOn(t, c, newOutbox(c.Now))
}

// newBenchOn is one of several hubs on one outbox, as processes on one database are.
func newBenchOn(t testing.TB, c *clock, box *outbox) *bench {
	h := New(Config{Outbox: box, Now: c.Now, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	return &bench{Hub: h, t: t, box: box, clock: c}
}

// settle does the work of the workers until there is none.
func (b *bench) settle() {
	for f := b.begin(); f != nil; f = b.begin() {
		b.done(f, f.pump(context.Background()))
	}
}

// pumpNow reads a topic beside the workers, as closing a stream does.
func (b *bench) pumpNow(t besedka.Topic) {
	b.mu.Lock()
	f := b.feeds[t]
	b.mu.Unlock()
	if err := f.pump(context.Background()); err != nil {
		b.t.Error(err)
	}
}

// tell commits a fact of a room, wakes the hub and lets it work.
func (b *bench) tell(t besedka.Topic, kind string, to ...besedka.ParticipantID) int64 {
	seq := b.box.commit(t, kind, to, fmt.Sprintf(`{"n":%d}`, b.box.heads[t]+1))
	b.Wake([]besedka.Topic{t})
	b.settle()
	return seq
}

func (b *bench) subscribe(sub Subscription) *Stream {
	b.t.Helper()
	s, err := b.Subscribe(context.Background(), sub)
	if err != nil {
		b.t.Fatalf("subscribe: %v", err)
	}
	return s
}

// got is an event as its reader sees it.
type got struct {
	ID   string
	Kind string
	Room besedka.RoomID
	Seq  int64
	Data map[string]any
}

func read(t testing.TB, e Event) got {
	t.Helper()
	var g struct {
		Kind  string         `json:"kind"`
		Topic string         `json:"topic"`
		Room  besedka.RoomID `json:"room"`
		Seq   int64          `json:"seq"`
		At    time.Time      `json:"at"`
		Data  map[string]any `json:"data"`
	}
	if err := json.Unmarshal(e.Data, &g); err != nil {
		t.Fatalf("event %s: %v", e.Data, err)
	}
	if g.Data == nil || g.At.IsZero() || (g.Topic == "room") != (g.Room != "") {
		t.Fatalf("event %s is not complete", e.Data)
	}
	return got{ID: e.ID, Kind: g.Kind, Room: g.Room, Seq: g.Seq, Data: g.Data}
}

// drain reads all there is now, and why the stream ended if it did.
func drain(t testing.TB, s *Stream) ([]got, error) {
	t.Helper()
	var all []got
	for {
		e, ok, err := s.Poll(context.Background())
		if !ok {
			return all, err
		}
		all = append(all, read(t, e))
	}
}

func kinds(events []got) []string {
	out := make([]string, len(events))
	for i, e := range events {
		out[i] = e.Kind
	}
	return out
}
