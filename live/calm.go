package live

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"besedka"
)

// How often what is announced is told. A room of n streams costs n writes for every
// telling, so the larger it is the more is gathered into one.
const (
	countsAtLeast   = 250 * time.Millisecond // between two tellings of a room's counts
	hallwayAtLeast  = time.Second            // between two tellings that the hallway changed
	perStream       = 400 * time.Microsecond // and this for each stream: 2,500 events a second at most
	tapsPerSecond   = 5                      // changes of one thing that are told at once
	gatherAt        = 200                    // streams of a room from which on even these are gathered
	gatherFor       = 150 * time.Millisecond // for so long; with the tick 200 ms at most
	refetchEach     = time.Millisecond       // to ask for the hallway, for each stream
	refetchAtMost   = time.Minute
	manySubjects    = 256 // from here on those are forgotten of which nothing waits
	forgetCalmAfter = time.Second
)

func countsEvery(streams int) time.Duration {
	return max(countsAtLeast, time.Duration(streams)*perStream)
}

func hallwayEvery(streams int) time.Duration {
	return max(hallwayAtLeast, time.Duration(streams)*perStream)
}

// refetchData says within which time each is to ask anew, at a moment of its own.
func refetchData(streams int) []byte {
	within := time.Duration(0)
	if streams > gatherAt {
		within = min(time.Duration(streams)*refetchEach, refetchAtMost)
	}
	return append(strconv.AppendInt([]byte(`{"refetch_after_ms":`), within.Milliseconds(), 10), '}')
}

// coalesced is the latest of something that waits for its turn.
type coalesced struct {
	what *telling // nil when none waits
	next time.Time

	second time.Time // tellings are counted from here
	told   int
}

// subject is what is told apart.
type subject struct{ kind, key string }

// latest is what is told of a room in its latest form only. The counts of a room are
// told at most four times a second. Anything else is told at once up to five times a
// second for each subject, and its last form after that; in a large room all of them
// are gathered, so that people who clap with their microphones cost a few writes a
// second and not hundreds.
type latest struct {
	subjects map[subject]*coalesced
	order    []subject // of those that wait, as they came
	gathered time.Time // when something was told last
}

// announceLatest tells something now, or later in its place the latest when the
// last telling was too short ago. It says whether some waits.
func (f *feed) announceLatest(about subject, what *telling, now time.Time) (waits bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := &f.latest
	if l.subjects == nil {
		l.subjects = make(map[subject]*coalesced)
	}
	c := l.subjects[about]
	if c == nil {
		l.forget(now)
		c = &coalesced{}
		l.subjects[about] = c
	}
	if c.what == nil {
		l.order = append(l.order, about)
	}
	c.what = what
	return f.flushLatestLocked(now)
}

// forget drops subjects of which nothing waits, when there are many.
func (l *latest) forget(now time.Time) {
	if len(l.subjects) < manySubjects {
		return
	}
	maps.DeleteFunc(l.subjects, func(_ subject, c *coalesced) bool {
		return c.what == nil && now.Sub(c.next) > forgetCalmAfter
	})
}

// flushLatest tells what waits and is due. It says whether some waits still.
func (f *feed) flushLatest(now time.Time) (waits bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.flushLatestLocked(now)
}

func (f *feed) flushLatestLocked(now time.Time) (waits bool) {
	l, streams := &f.latest, f.count
	if streams > gatherAt && now.Sub(l.gathered) < gatherFor {
		return len(l.order) > 0
	}
	var due []*telling
	l.order = slices.DeleteFunc(l.order, func(about subject) bool {
		c := l.subjects[about]
		if now.Before(c.next) {
			return false
		}
		due = append(due, c.what)
		c.tell(about, streams, now)
		return true
	})
	if len(due) > 0 {
		l.gathered = now
		f.tellLocked(due...)
	}
	return len(l.order) > 0
}

// tell notes that the subject is told now, and when it may be again.
func (c *coalesced) tell(about subject, streams int, now time.Time) {
	c.what = nil
	if about.kind == kindParticipantsChanged {
		c.next = now.Add(countsEvery(streams))
		return
	}
	if now.Sub(c.second) >= time.Second {
		c.second, c.told = now, 0
	}
	c.next = now
	if c.told++; c.told >= tapsPerSecond {
		c.next = c.second.Add(time.Second)
	}
}

// announce hands an event that is told once to those who may see it.
func (f *feed) announce(what *telling) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tellLocked(what)
}

// tellLocked hands over events, to each reader all of them at once.
func (f *feed) tellLocked(due ...*telling) {
	to := recipients{} // everybody who listens
	if len(due) == 1 {
		to = due[0].to
	}
	var items []item
	f.readersLocked(&to, func(who besedka.ParticipantID, streams []*Stream) {
		items = items[:0]
		for _, what := range due {
			if !what.to.have(who) {
				continue
			}
			if data := what.seenBy(who); data != nil {
				items = append(items, item{data: data})
			}
		}
		for _, s := range streams {
			s.push(items...)
		}
	})
}
