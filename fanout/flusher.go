package fanout

import (
	"context"
	"sync"
	"time"
)

// flushEvery is how often floors with frames that wait to be merged are looked at.
const flushEvery = 10 * time.Millisecond

// Flusher sends the frames that wait on floors in vain for those they were to be
// merged with: one goroutine for all floors, which sleeps while nothing waits.
type Flusher struct {
	now  func() time.Time
	wake chan struct{}

	mu     sync.Mutex // a leaf: taken while Floor.mu is held
	floors []*Floor
}

// NewFlusher makes a Flusher with a clock.
func NewFlusher(now func() time.Time) *Flusher {
	return &Flusher{now: now, wake: make(chan struct{}, 1)}
}

// Run works until ctx ends.
func (x *Flusher) Run(ctx context.Context) {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	var waiting []*Floor
	for {
		waiting = x.look(waiting)
		ready := tick.C
		if len(waiting) == 0 {
			tick.Stop()
			ready = nil
		}
		select {
		case <-ctx.Done():
			return
		case <-x.wake:
			if ready == nil {
				tick.Reset(flushEvery)
			}
		case <-ready:
		}
	}
}

// look lets every floor send what is due and gives those where something waits still.
func (x *Flusher) look(waiting []*Floor) []*Floor {
	x.mu.Lock()
	waiting = append(waiting, x.floors...)
	clear(x.floors)
	x.floors = x.floors[:0]
	x.mu.Unlock()
	now, kept := x.now(), 0
	for _, f := range waiting {
		if f.Expire(now) {
			waiting[kept] = f
			kept++
		}
	}
	clear(waiting[kept:])
	return waiting[:kept]
}

// add puts a floor on the list on which it is not yet.
func (x *Flusher) add(f *Floor) {
	x.mu.Lock()
	x.floors = append(x.floors, f)
	x.mu.Unlock()
	select {
	case x.wake <- struct{}{}:
	default:
	}
}
