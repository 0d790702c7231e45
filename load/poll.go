package load

import (
	"sync"

	"time"
)

// A shard's goroutine visits each connected socket every visitEvery, more
// seldom when it has so many that it could not keep up, and the sockets of peers
// that are joining at every tick. Once nobody joins any more it ticks slowly.
const (
	pollTick   = time.Millisecond
	calmTick   = 5 * time.Millisecond
	visitEvery = 40 * time.Millisecond
	maxVisit   = 200 * time.Millisecond
	visitCost  = 20 * time.Microsecond // at most one visit in this time
)

// shard polls a share of the peers.
type shard struct {
	window *window
	now    func() time.Time
	done   chan struct{}
	end    sync.Once
	calls  chan func() // done between two turns

	mu    sync.Mutex
	added []*peer

	// Of the polling goroutine, and after it has ended of whoever waited for it.
	joining, settled []*peer
	next             int
	isCalm           bool // everybody has joined
	tally            tally
	batch            *batch
}

func newShard(w *window, now func() time.Time, capacity int) *shard {
	return &shard{window: w, now: now, done: make(chan struct{}), calls: make(chan func()), batch: newBatch(), settled: make([]*peer, 0, capacity)}
}

// add hands a peer over to the shard.
func (s *shard) add(p *peer) {
	s.mu.Lock()
	s.added = append(s.added, p)
	s.mu.Unlock()
}

func (s *shard) stop() { s.end.Do(func() { close(s.done) }) }

// poll runs until stop and closes the sockets then.
func (s *shard) poll() {
	tick := time.NewTicker(pollTick)
	defer tick.Stop()
	last := s.now()
	for {
		select {
		case <-s.done:
			s.closeAll()
			return
		case f := <-s.calls:
			was := s.isCalm
			f()
			if s.isCalm != was {
				tick.Reset(map[bool]time.Duration{true: calmTick, false: pollTick}[s.isCalm])
			}
			continue
		case <-tick.C:
		}
		now := s.now()
		s.turn(now, now.Sub(last))
		last = now
	}
}

// turn is one tick: all joining peers, and as many of the others as the time
// since the last tick asks for.
func (s *shard) turn(now time.Time, since time.Duration) {
	s.mu.Lock()
	s.joining = append(s.joining, s.added...)
	s.added = s.added[:0]
	s.mu.Unlock()
	waiting := s.joining[:0]
	for _, p := range s.joining {
		if p.abandoned.Load() {
			p.sock.close()
			continue
		}
		s.visit(p, now)
		if p.isHeard || p.isGone || (p.isNominated && p.keys.Load() != nil) {
			s.settled = append(s.settled, p)
		} else {
			waiting = append(waiting, p)
		}
	}
	clear(s.joining[len(waiting):])
	s.joining = waiting
	round := min(max(visitEvery, time.Duration(len(s.settled))*visitCost), maxVisit)
	n := min(int(int64(len(s.settled))*int64(since)/int64(round))+1, len(s.settled))
	for range n {
		if s.next++; s.next >= len(s.settled) {
			s.next = 0
		}
		s.visit(s.settled[s.next], now)
	}
}

func (s *shard) visit(p *peer, now time.Time) {
	if p.isGone {
		return
	}
	for {
		n, refused := s.batch.receive(p.sock)
		for i := range n {
			b, stamp := s.batch.datagram(i)
			p.take(b, stamp, s.window, &s.tally)
		}
		if refused {
			p.end(&s.tally)
			return
		}
		if n < batchSize {
			break
		}
	}
	p.duty(now, &s.tally)
}

func (s *shard) closeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, list := range [][]*peer{s.joining, s.settled, s.added} {
		for _, p := range list {
			p.sock.close()
		}
	}
}
