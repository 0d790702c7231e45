package live

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"besedka"
)

const (
	pageSize  = 256 // facts read from the outbox at once
	maxRecent = 256 // facts kept encoded for streams that come back
)

// errGap says that facts between two numbers are no longer in the outbox.
var errGap = errors.New("facts are missing")

// feed is one topic as long as somebody listens to it. It reads each fact from
// the outbox once and hands the encoded bytes to every stream.
type feed struct {
	topic  besedka.Topic
	room   besedka.RoomID // "" for an account's topic
	outbox Outbox
	veil   Veil // or nil

	// Guarded by Hub.mu.
	refs  int
	state feedState

	reading chan struct{} // a semaphore: one stream at a time reads old facts, the others then find them in recent

	mu      sync.Mutex
	held    int           // who keeps facts back; see Hub.Hold
	freed   chan struct{} // closed when nobody does any more; nil when nobody does
	kept    []*entry      // read meanwhile, handed out then
	ready   bool          // head is known
	missed  bool          // was woken before it was ready
	head    int64         // last fact handed out
	recent  []*entry      // the last facts handed out, without a gap, ending at head
	streams map[besedka.ParticipantID][]*Stream
	count   int // of streams
	latest  latest
}

type feedState int

const (
	idle feedState = iota
	queued
	running
	runningAgain // woken while running
)

func newFeed(t besedka.Topic, o Outbox, v Veil) *feed {
	return &feed{
		topic: t, room: roomOf(t), outbox: o, veil: v,
		reading: make(chan struct{}, 1), streams: make(map[besedka.ParticipantID][]*Stream),
	}
}

// start learns where the topic stands now, and waits until facts up to there may
// be told. It says whether the feed was woken meanwhile and must be read.
func (f *feed) start(ctx context.Context) (woken bool, err error) {
	if err := f.lockReading(ctx); err != nil {
		return false, err
	}
	defer f.unlockReading()
	f.mu.Lock()
	ready := f.ready
	f.mu.Unlock()
	if ready {
		return false, nil
	}
	_, head, err := f.outbox.Head(ctx, f.topic)
	if err != nil {
		return false, fmt.Errorf("head of %s: %w", f.topic, err)
	}
	if err := f.free(ctx); err != nil {
		return false, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.head, f.ready = head, true
	return f.missed, nil
}

func (f *feed) lockReading(ctx context.Context) error {
	select {
	case f.reading <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *feed) unlockReading() { <-f.reading }

// attach adds a stream and gives the number of the last fact that it will not be
// handed: those up to there it reads itself, if it misses any.
func (f *feed) attach(s *Stream) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	who := s.sub.Participant
	f.streams[who] = append(f.streams[who], s)
	f.count++
	return f.head
}

func (f *feed) detach(s *Stream) {
	f.mu.Lock()
	defer f.mu.Unlock()
	who := s.sub.Participant
	i := slices.Index(f.streams[who], s)
	if i < 0 {
		return
	}
	f.count--
	if f.streams[who] = slices.Delete(f.streams[who], i, i+1); len(f.streams[who]) == 0 {
		delete(f.streams, who)
	}
}

// pump reads what is new and hands it to all streams. It returns errHeld when
// somebody keeps it back, who then hands out what was read.
func (f *feed) pump(ctx context.Context) error {
	for {
		f.mu.Lock()
		head, ready := f.head, f.ready
		if !ready {
			f.missed = true
		}
		f.mu.Unlock()
		if !ready {
			return nil
		}
		facts, err := f.outbox.FactsAfter(ctx, f.topic, head, pageSize)
		if err != nil {
			return fmt.Errorf("facts of %s: %w", f.topic, err)
		}
		entries, err := f.encode(facts)
		if err != nil {
			return err
		}
		for _, e := range entries {
			e.unseen = f.hides(ctx, &e.telling)
		}
		if !f.deliver(entries) {
			return errHeld
		}
		if len(facts) < pageSize {
			return nil
		}
	}
}

func (f *feed) encode(facts []besedka.Fact) ([]*entry, error) {
	entries := make([]*entry, len(facts))
	for i := range facts {
		e, err := newEntry(&facts[i], f.room)
		if err != nil {
			return nil, err
		}
		entries[i] = e
	}
	return entries, nil
}

// deliver hands entries to all streams. Entries that were handed out already,
// because two read at once, are left out; where facts are missing the streams
// are told to begin anew. It is false when the entries are kept until whoever
// holds the topic lets go.
func (f *feed) deliver(entries []*entry) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.held > 0 {
		f.kept = entries
		return false
	}
	f.deliverLocked(entries)
	return true
}

func (f *feed) deliverLocked(entries []*entry) {
	for _, e := range entries {
		if e.seq <= f.head {
			continue
		}
		if e.seq != f.head+1 {
			f.recent = nil
			for _, streams := range f.streams {
				for _, s := range streams {
					s.pushReset(f, e.seq-1)
				}
			}
		}
		f.head = e.seq
		if e.redacts {
			f.recent = nil // who comes back reads the outbox, as it is now
		}
		f.remember(e)
		f.readersLocked(&e.to, func(who besedka.ParticipantID, streams []*Stream) {
			data := e.seenBy(who)
			for _, s := range streams {
				s.pushEntry(f, e, data)
			}
		})
	}
}

// readersLocked gives everybody who listens and whom something is for. What is
// for a few costs as much in a room of thousands.
func (f *feed) readersLocked(to *recipients, do func(who besedka.ParticipantID, streams []*Stream)) {
	if to.among != nil {
		for who := range to.among {
			if streams := f.streams[who]; streams != nil {
				do(who, streams)
			}
		}
		return
	}
	for who, streams := range f.streams {
		if to.have(who) {
			do(who, streams)
		}
	}
}

func (f *feed) remember(e *entry) {
	if len(f.recent) >= maxRecent {
		copy(f.recent, f.recent[1:])
		f.recent = f.recent[:len(f.recent)-1]
	}
	f.recent = append(f.recent, e)
}

// page gives entries after a number that is below head, from memory or from the
// outbox. Many streams that come back at once make one reading. It returns errGap
// when the next fact is no longer kept.
func (f *feed) page(ctx context.Context, after int64) ([]*entry, error) {
	if p := f.remembered(after); p != nil {
		return p, nil
	}
	if err := f.lockReading(ctx); err != nil {
		return nil, err
	}
	defer f.unlockReading()
	if p := f.remembered(after); p != nil {
		return p, nil
	}
	facts, err := f.outbox.FactsAfter(ctx, f.topic, after, pageSize)
	if err != nil {
		return nil, fmt.Errorf("facts of %s: %w", f.topic, err)
	}
	if len(facts) == 0 || facts[0].Seq != after+1 {
		return nil, errGap
	}
	entries, err := f.encode(facts)
	if err != nil {
		return nil, err
	}
	f.rememberOlder(entries)
	return entries, nil
}

// remembered gives the entries after a number out of memory, or nil if the next is not there.
func (f *feed) remembered(after int64) []*entry {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.recent) == 0 {
		return nil
	}
	i := after + 1 - f.recent[0].seq
	if i < 0 || i >= int64(len(f.recent)) {
		return nil
	}
	return append([]*entry(nil), f.recent[i:]...)
}

// rememberOlder puts entries before those in memory, if they join and there is room.
func (f *feed) rememberOlder(entries []*entry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	next := f.head + 1
	if len(f.recent) > 0 {
		next = f.recent[0].seq
	}
	for len(entries) > 0 && entries[len(entries)-1].seq >= next {
		entries = entries[:len(entries)-1]
	}
	if len(entries) == 0 || entries[len(entries)-1].seq != next-1 {
		return
	}
	if over := len(entries) + len(f.recent) - maxRecent; over > 0 {
		entries = entries[min(over, len(entries)):]
	}
	f.recent = append(append(make([]*entry, 0, len(entries)+len(f.recent)), entries...), f.recent...)
}
