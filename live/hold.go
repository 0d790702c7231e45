package live

import (
	"context"
	"errors"
	"sync"
	"time"

	"besedka"
)

// holdAtMost is the longest that facts are kept back. It is far above what a
// commit may take and the gate after it; who needs longer has broken down, and
// people are then told all the same.
const holdAtMost = 10 * time.Second

// errHeld says that facts were read and are kept back.
var errHeld = errors.New("facts are held")

// Hold keeps what is committed to the topics after this call from every stream
// until release is called, however it becomes known: by a wake, by the poll, to
// a stream that begins or comes back, to one that is being closed. Other topics
// go on. release hands out what was read meanwhile and has the rest read; a
// second call does nothing. A hold ends by itself after 10 seconds.
//
// Facts that another process commits meanwhile are kept back too, and its own
// holds are not known here: what it takes away, it takes away where it runs.
func (h *Hub) Hold(topics []besedka.Topic) (release func()) {
	if len(topics) == 0 {
		return func() {}
	}
	feeds := make([]*feed, len(topics))
	h.mu.Lock()
	for i, t := range topics {
		feeds[i] = h.feedLocked(t)
		feeds[i].hold()
	}
	h.mu.Unlock()
	var once sync.Once
	late := time.AfterFunc(holdAtMost, func() {
		once.Do(func() {
			h.log.Error("facts were held for too long and are told now", "topics", topics)
			h.letGo(feeds)
		})
	})
	return func() {
		late.Stop()
		once.Do(func() { h.letGo(feeds) })
	}
}

func (h *Hub) letGo(feeds []*feed) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, f := range feeds {
		f.letGo()
		h.releaseLocked(f)
		if f.refs > 0 {
			h.scheduleLocked(f)
		}
	}
}

func (f *feed) hold() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.held == 0 {
		f.freed = make(chan struct{})
	}
	f.held++
}

// letGo ends one hold. What was read while the topic was held had been committed
// by then, by holders who have all let go when the last one does.
func (f *feed) letGo() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.held--; f.held > 0 {
		return
	}
	close(f.freed)
	f.freed = nil
	f.deliverLocked(f.kept)
	f.kept = nil
}

// free waits until everybody has let go who holds the topic now.
func (f *feed) free(ctx context.Context) error {
	f.mu.Lock()
	freed := f.freed
	f.mu.Unlock()
	if freed == nil {
		return nil
	}
	select {
	case <-freed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// catchUp hands out everything that was committed before, which may mean to wait
// for those who hold the topic.
func (f *feed) catchUp(ctx context.Context) error {
	for {
		err := f.pump(ctx)
		if !errors.Is(err, errHeld) {
			return err
		}
		if err := f.free(ctx); err != nil {
			return err
		}
	}
}
