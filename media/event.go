package media

import "sync"

// eventQueue hands events to Config.OnSession in the order in which they
// happened, in a goroutine of its own. It holds at most two events for each
// session that there was while OnSession was busy.
type eventQueue struct {
	hand func(Event)

	mu      sync.Mutex
	more    sync.Cond
	waiting []Event
	shut    bool
}

func (q *eventQueue) init(hand func(Event)) {
	q.hand = hand
	q.more.L = &q.mu
}

func (q *eventQueue) push(e Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, e)
	q.more.Signal()
}

// close lets run end once it has handed out what waits.
func (q *eventQueue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.shut = true
	q.more.Signal()
}

func (q *eventQueue) run(wg *sync.WaitGroup) {
	defer wg.Done()
	for {
		q.mu.Lock()
		for len(q.waiting) == 0 && !q.shut {
			q.more.Wait()
		}
		batch := q.waiting
		q.waiting = nil
		q.mu.Unlock()
		if len(batch) == 0 {
			return
		}
		for _, e := range batch {
			q.hand(e)
		}
	}
}

// tell queues an event about a session.
func (s *Server) tell(x *session, live bool) {
	s.events.push(Event{
		Room: x.place.room, Who: x.who, Credential: x.cred, Session: x.id, Direction: x.dir, Live: live,
	})
}
