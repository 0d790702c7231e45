package relay

import (
	"container/heap"
	"sync"
	"time"
)

// maxUnderWay is how many datagrams may be under way at a time.
const maxUnderWay = 1 << 14

// parcel is a datagram under way.
type parcel struct {
	at    time.Time
	order uint64 // among those of one time
	link  *link
	d     Direction
	turn  int // of the link's socket it came from (down)
	data  []byte
}

// queue holds what is under way until its time comes and hands it to deliver, in
// order of time, from the one goroutine that runs it.
type queue struct {
	now     func() time.Time
	deliver func(*parcel)
	wake    chan struct{}

	mu      sync.Mutex
	parcels parcels
	spare   []*parcel
	order   uint64
}

func newQueue(now func() time.Time, deliver func(*parcel)) *queue {
	return &queue{now: now, deliver: deliver, wake: make(chan struct{}, 1)}
}

// push takes a copy of p and its data, or returns false when the queue is full.
func (q *queue) push(p parcel) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.parcels) >= maxUnderWay {
		return false
	}
	var kept *parcel
	if n := len(q.spare); n > 0 {
		kept, q.spare = q.spare[n-1], q.spare[:n-1]
	} else {
		kept = new(parcel)
	}
	p.data = append(kept.data[:0], p.data...)
	q.order++
	p.order = q.order
	*kept = p
	heap.Push(&q.parcels, kept)
	if q.parcels[0] == kept {
		select {
		case q.wake <- struct{}{}:
		default:
		}
	}
	return true
}

// pop gives the first parcel whose time has come, or how long to wait for it
// (negative: for a push).
func (q *queue) pop() (*parcel, time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.parcels) == 0 {
		return nil, -1
	}
	if wait := q.parcels[0].at.Sub(q.now()); wait > 0 {
		return nil, wait
	}
	return heap.Pop(&q.parcels).(*parcel), 0
}

func (q *queue) recycle(p *parcel) {
	q.mu.Lock()
	defer q.mu.Unlock()
	p.link = nil
	q.spare = append(q.spare, p)
}

// run delivers until done is closed.
func (q *queue) run(done <-chan struct{}) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		p, wait := q.pop()
		if p != nil {
			q.deliver(p)
			q.recycle(p)
			continue
		}
		if wait < 0 {
			timer.Stop()
		} else {
			timer.Reset(wait)
		}
		select {
		case <-timer.C:
		case <-q.wake:
		case <-done:
			return
		}
	}
}

// parcels is a heap by time, then by order of arrival.
type parcels []*parcel

// Len is for container/heap.
func (p parcels) Len() int { return len(p) }

// Swap is for container/heap.
func (p parcels) Swap(i, j int) { p[i], p[j] = p[j], p[i] }

// Less is for container/heap.
func (p parcels) Less(i, j int) bool {
	if p[i].at.Equal(p[j].at) {
		return p[i].order < p[j].order
	}
	return p[i].at.Before(p[j].at)
}

// Push is for container/heap.
func (p *parcels) Push(x any) { *p = append(*p, x.(*parcel)) }

// Pop is for container/heap.
func (p *parcels) Pop() any {
	n := len(*p) - 1
	x := (*p)[n]
	(*p)[n] = nil
	*p = (*p)[:n]
	return x
}
