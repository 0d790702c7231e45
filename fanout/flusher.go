package fanout

import (
	"context"
	"sync"
	"time"
)

// flushEvery is how often floors with frames that wait in vain are looked at, at most.
const flushEvery = 10 * time.Millisecond

// Flusher sends the frames that wait on floors in vain for those they were to be
// merged with: one goroutine for all floors. It sleeps until the first of
// them would be due, which as a rule has gone out by then.
type Flusher struct {
	now  func() time.Time
	wake chan struct{}

	mu     sync.Mutex // a leaf: taken while Floor.mu is held
	floors map[*Floor]time.Time
	next   time.Time // when Run looks; zero: it sleeps
}

// NewFlusher makes a Flusher with a clock.
func NewFlusher(now func() time.Time) *Flusher {
	return &Flusher{now: now, wake: make(chan struct{}, 1), floors: make(map[*Floor]time.Time)}
}

// Run works until ctx ends.
func (x *Flusher) Run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var due []*Floor
	for {
		now := x.now()
		due = x.take(due[:0], now)
		for _, f := range due {
			f.Expire(now)
		}
		clear(due)
		if next := x.plan(); next.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(max(next.Sub(x.now()), 0))
		}
		select {
		case <-ctx.Done():
			return
		case <-x.wake:
		case <-timer.C:
		}
	}
}

// take removes the floors that are due from the list.
func (x *Flusher) take(due []*Floor, now time.Time) []*Floor {
	x.mu.Lock()
	defer x.mu.Unlock()
	for f, at := range x.floors {
		if !at.After(now) {
			due = append(due, f)
			delete(x.floors, f)
		}
	}
	return due
}

// plan is when to look next.
func (x *Flusher) plan() time.Time {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.next = time.Time{}
	for _, at := range x.floors {
		if x.next.IsZero() || at.Before(x.next) {
			x.next = at
		}
	}
	return x.next
}

// add asks to look at a floor at a time, and returns when that will be.
func (x *Flusher) add(f *Floor, at time.Time) time.Time {
	at = at.Add(flushEvery - time.Duration(at.UnixNano())%flushEvery) // floors are looked at together
	x.mu.Lock()
	defer x.mu.Unlock()
	x.floors[f] = at
	if x.next.IsZero() || at.Before(x.next) {
		x.next = at
		select {
		case x.wake <- struct{}{}:
		default:
		}
	}
	return at
}
