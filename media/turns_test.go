package media

import (
	"context"
	"sync"
	"testing"
	"time"
)

// inLine waits until n stand in line.
func inLine(t *testing.T, turns *turns, n int) {
	t.Helper()
	limit := time.After(10 * time.Second)
	for {
		if _, waiting, _ := turns.state(); waiting == n {
			return
		}
		select {
		case <-time.After(time.Millisecond):
		case <-limit:
			t.Fatalf("there are not %d in line", n)
		}
	}
}

func TestTurnsGoToTheFirstsFirstAndElseInOrder(t *testing.T) {
	turns := newTurns(1, time.Now)
	if !turns.take(false, nil, nil) {
		t.Fatal("the first turn was not to be had")
	}
	var busy sync.WaitGroup
	order := make(chan int, 6)
	for i := range 6 {
		busy.Go(func() {
			if turns.take(i >= 4, nil, nil) { // the last two go first
				order <- i
				turns.give()
			}
		})
		inLine(t, turns, i+1)
	}
	turns.give()
	busy.Wait()
	for _, want := range []int{4, 5, 0, 1, 2, 3} {
		if got := <-order; got != want {
			t.Fatalf("the turn of %d went to %d", want, got)
		}
	}
	if held, waiting, _ := turns.state(); held != 0 || waiting != 0 {
		t.Fatalf("%d turns are held at the end, %d wait", held, waiting)
	}
}

func TestWhoGivesUpLeavesTheLine(t *testing.T) {
	var now time.Time
	turns := newTurns(1, func() time.Time { return now })
	turns.take(false, nil, nil)
	off, gone := make(chan struct{}), make(chan bool)
	go func() { gone <- turns.take(false, off, nil) }()
	inLine(t, turns, 1)
	now = now.Add(5 * time.Second)
	if _, _, oldest := turns.state(); oldest != 5*time.Second {
		t.Errorf("the oldest has waited %v", oldest)
	}
	close(off)
	if <-gone {
		t.Error("a turn that nobody gave")
	}
	inLine(t, turns, 0)
	turns.give()
	if !turns.take(false, nil, nil) {
		t.Error("the turn was lost with him")
	}
}

func TestWhoCarriesSoundGoesBeforeAllWhoWait(t *testing.T) {
	turns := newTurns(1, time.Now)
	turns.seize()
	turns.seize() // more than there are turns: nobody asks
	taken := make(chan bool)
	go func() { taken <- turns.take(true, nil, nil) }()
	inLine(t, turns, 1)
	turns.release()
	if _, waiting, _ := turns.state(); waiting != 1 {
		t.Fatal("a turn was given while sound was carried")
	}
	turns.release()
	if !<-taken {
		t.Fatal("no turn after the sound was carried")
	}
	turns.give()
	if held, waiting, _ := turns.state(); held != 0 || waiting != 0 || turns.free != 1 {
		t.Fatalf("%d turns are held at the end, %d wait, %d are free", held, waiting, turns.free)
	}
}

func TestWhoComesInMakesWayForSound(t *testing.T) {
	s := &Server{computing: newTurns(1, time.Now)}
	s.computing.seize()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	s.MakeWay(gone) // who is gone waits for nobody
	passed := make(chan struct{})
	go func() { s.MakeWay(t.Context()); close(passed) }()
	inLine(t, s.computing, 1)
	select {
	case <-passed:
		t.Fatal("came in while sound was carried")
	default:
	}
	s.computing.release()
	<-passed
	if held, waiting, _ := s.computing.state(); held != 0 || waiting != 0 {
		t.Fatalf("%d turns are held at the end, %d wait", held, waiting)
	}
}
