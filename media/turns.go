package media

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"time"
)

// turns lets few do at once what many want to do: who comes while all turns are taken waits
// in line. Those who go first (on stage, or coming back) are served before the others,
// and in each of the two lines it goes by the order of arrival. Who carries sound takes a
// turn without asking.
type turns struct {
	now func() time.Time

	mu    sync.Mutex
	free  int          // below zero when more carry sound than there are turns
	held  int          // by those who have asked
	lines [2][]*waiter // those who go first, the others
}

// waiter stands in line.
type waiter struct {
	since time.Time
	turn  chan struct{} // closed when the turn is his
}

func newTurns(n int, now func() time.Time) *turns { return &turns{now: now, free: n} }

// take waits for a turn. It is false, and nothing is held, when one of the channels is
// closed before.
func (t *turns) take(first bool, off, done <-chan struct{}) bool {
	t.mu.Lock()
	if t.free > 0 {
		t.free--
		t.held++
		t.mu.Unlock()
		return true
	}
	line := 1
	if first {
		line = 0
	}
	w := &waiter{since: t.now(), turn: make(chan struct{})}
	t.lines[line] = append(t.lines[line], w)
	t.mu.Unlock()
	select {
	case <-w.turn:
		// Whoever is runnable already comes before us, above all those who carry sound.
		runtime.Gosched()
		return true
	case <-off:
	case <-done:
	}
	t.mu.Lock()
	if i := slices.Index(t.lines[line], w); i >= 0 {
		t.lines[line] = slices.Delete(t.lines[line], i, i+1)
		t.mu.Unlock()
		return false
	}
	t.mu.Unlock()
	t.give() // it became ours meanwhile
	return false
}

// give ends a turn: it is the next one's.
func (t *turns) give() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.held--
	t.endLocked()
}

// seize takes a turn at once, whoever waits: as long as it lasts one fewer goes on to his
// next step. release ends it.
func (t *turns) seize() {
	t.mu.Lock()
	t.free--
	t.mu.Unlock()
}

func (t *turns) release() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.endLocked()
}

func (t *turns) endLocked() {
	t.free++
	for i, line := range t.lines {
		for t.free > 0 && len(line) > 0 {
			close(line[0].turn)
			line[0] = nil
			line = line[1:]
			t.lines[i] = line
			t.free--
			t.held++
		}
	}
}

// state is how many turns are taken, how many wait, and for how long the oldest has.
func (t *turns) state() (held, waiting int, oldest time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, line := range t.lines {
		waiting += len(line)
		if len(line) > 0 {
			oldest = max(oldest, t.now().Sub(line[0].since))
		}
	}
	return t.held, waiting, oldest
}

// MakeWay returns when no sound waits for the processor, or when ctx ends: who is about to
// compute for somebody who comes in asks before.
func (s *Server) MakeWay(ctx context.Context) {
	if s.computing.take(true, ctx.Done(), nil) {
		s.computing.give()
	}
}
