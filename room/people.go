package room

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"time"

	"besedka"
)

// Bounds of what is remembered about people, so that reads stay cheap with
// thousands of listeners.
const (
	namesFor     = time.Minute
	maxNames     = 50_000
	followsFor   = 30 * time.Second
	maxFollows   = 200_000 // ids in all
	maxFollowing = 5_000   // ids of one account that count for the order of faces

	askFor     = time.Second      // a read waits no longer for names or follows
	retryAfter = 10 * time.Second // and asks no sooner again when it got no answer
)

// names remembers names for a while.
type names struct {
	find People
	now  func() time.Time
	log  *slog.Logger

	mu      sync.Mutex
	known   map[besedka.AccountID]named
	retryAt time.Time // reads do not ask before
}

type named struct {
	person Person
	at     time.Time
}

// look finds names; ids without an account are left out.
func (n *names) look(ctx context.Context, ids []besedka.AccountID) (map[besedka.AccountID]Person, error) {
	found, missing := n.remembered(ids, namesFor)
	if len(missing) == 0 {
		return found, nil
	}
	fresh, err := n.find(ctx, missing)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.known)+len(fresh) > maxNames {
		clear(n.known)
	}
	for id, p := range fresh {
		found[id] = p
		n.known[id] = named{p, n.now()}
	}
	return found, nil
}

// show is look for reads, which go on without what cannot be found now: an old
// name, or none, is better than no answer.
func (n *names) show(ctx context.Context, ids []besedka.AccountID) map[besedka.AccountID]Person {
	found, missing := n.ask(ctx, ids)
	if len(missing) == 0 {
		return found
	}
	old, _ := n.remembered(missing, 1<<62)
	for _, id := range missing {
		if _, ok := found[id]; ok {
			continue
		}
		found[id] = Person{ID: id}
		if person, ok := old[id]; ok {
			found[id] = person
		}
	}
	return found
}

// ask is look for reads, which go on with those who are known when nobody can
// be asked now. It also gives who was not found.
func (n *names) ask(ctx context.Context, ids []besedka.AccountID) (found map[besedka.AccountID]Person, missing []besedka.AccountID) {
	found, missing = n.remembered(ids, namesFor)
	if len(missing) == 0 || !n.mayAsk() {
		return found, missing
	}
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	more, err := n.look(ctx, missing)
	if err != nil {
		n.log.Warn("names not found", "error", err)
		n.rest()
	}
	maps.Copy(found, more)
	return found, missing
}

func (n *names) forget(account besedka.AccountID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.known, account)
}

// ForgetPerson makes the next read see how the account looks now, and has
// everybody in its room look within a minute.
func (s *Service) ForgetPerson(account besedka.AccountID) {
	s.people.forget(account)
	s.faceChanged(account)
}

func (n *names) mayAsk() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return !n.now().Before(n.retryAt)
}

func (n *names) rest() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.retryAt = n.now().Add(retryAfter)
}

func (n *names) remembered(ids []besedka.AccountID, age time.Duration) (found map[besedka.AccountID]Person, missing []besedka.AccountID) {
	found = make(map[besedka.AccountID]Person, len(ids))
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.now()
	for _, id := range ids {
		if k, ok := n.known[id]; ok && now.Sub(k.at) < age {
			found[id] = k.person
		} else {
			missing = append(missing, id)
		}
	}
	return found, missing
}

// follows remembers for a short while whom people follow. It orders faces and
// never decides what somebody may see.
type follows struct {
	graph Graph
	now   func() time.Time
	log   *slog.Logger

	mu      sync.Mutex
	known   map[besedka.AccountID]followList
	size    int
	retryAt time.Time // not asked before
}

type followList struct {
	ids []besedka.AccountID
	at  time.Time
}

// of lists whom the account follows; it must not be changed.
func (f *follows) of(ctx context.Context, account besedka.AccountID) []besedka.AccountID {
	if account == "" {
		return nil
	}
	now := f.now()
	f.mu.Lock()
	k, ok := f.known[account]
	resting := now.Before(f.retryAt)
	f.mu.Unlock()
	if resting || ok && now.Sub(k.at) < followsFor {
		return k.ids
	}
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	ids, err := f.graph.Following(ctx, account)
	if err != nil {
		f.log.Warn("follows not found", "error", err)
		f.mu.Lock()
		defer f.mu.Unlock()
		f.retryAt = now.Add(retryAfter)
		return k.ids
	}
	ids = ids[:min(len(ids), maxFollowing)]
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.size+len(ids) > maxFollows {
		clear(f.known)
		f.size = 0
	}
	if k, ok := f.known[account]; ok {
		f.size -= len(k.ids) + 1
	}
	f.size += len(ids) + 1
	f.known[account] = followList{ids, now}
	return ids
}

func (f *follows) forget(account besedka.AccountID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if k, ok := f.known[account]; ok {
		f.size -= len(k.ids) + 1
		delete(f.known, account)
	}
}

// ForgetFollows makes the next read see whom the account follows now.
func (s *Service) ForgetFollows(account besedka.AccountID) { s.follows.forget(account) }
