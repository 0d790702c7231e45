package room

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"time"

	"besedka"
)

// Bounds of what is remembered about blocks.
const (
	tiesFor = time.Minute // a block by another process counts then; by this one, at once
	maxTies = 200_000     // accounts and blocks in all
)

// ties are the blocks between one account and others. They must not be changed.
type ties struct {
	blocked  map[besedka.AccountID]bool // by the account
	blockers map[besedka.AccountID]bool // who block it
	at       time.Time
}

// untied is what is taken of an account of which nothing can be known now: while
// the database is away, people are not kept out of rooms for it.
var untied = &ties{}

// blocks remembers ties for a while.
type blocks struct {
	graph Graph
	now   func() time.Time
	log   *slog.Logger

	mu         sync.Mutex
	known      map[besedka.AccountID]*ties
	size       int
	generation int       // changes whenever ties do
	retryAt    time.Time // not asked before
}

// of gives the ties of each of the accounts.
func (b *blocks) of(ctx context.Context, accounts ...besedka.AccountID) map[besedka.AccountID]*ties {
	for {
		found, missing, generation := b.remembered(accounts)
		if len(missing) == 0 {
			return found
		}
		ask, cancel := context.WithTimeout(ctx, askFor)
		blocked, blockers, err := b.graph.BlocksOf(ask, missing)
		cancel()
		if err != nil {
			b.log.Warn("blocks not found", "error", err)
			b.rest()
			continue // with what was known
		}
		if fresh := b.keep(missing, blocked, blockers, generation); fresh != nil {
			maps.Copy(found, fresh)
			return found
		}
	}
}

// remembered gives what is known, and of whom to ask now.
func (b *blocks) remembered(accounts []besedka.AccountID) (found map[besedka.AccountID]*ties, missing []besedka.AccountID, generation int) {
	found = make(map[besedka.AccountID]*ties, len(accounts))
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	for _, account := range accounts {
		t, ok := b.known[account]
		switch {
		case ok && now.Sub(t.at) < tiesFor, ok && now.Before(b.retryAt):
			found[account] = t
		case now.Before(b.retryAt):
			found[account] = untied
		default:
			missing = append(missing, account)
		}
	}
	return found, missing, b.generation
}

func (b *blocks) rest() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.retryAt = b.now().Add(retryAfter)
}

// keep remembers what was asked for, or gives nil when it has changed meanwhile.
func (b *blocks) keep(asked []besedka.AccountID, blocked, blockers map[besedka.AccountID][]besedka.AccountID, generation int) map[besedka.AccountID]*ties {
	fresh := make(map[besedka.AccountID]*ties, len(asked))
	size := 0
	for _, account := range asked {
		t := &ties{setOf(blocked[account]), setOf(blockers[account]), b.now()}
		fresh[account] = t
		size += t.size()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if generation != b.generation {
		return nil
	}
	if b.size+size > maxTies {
		clear(b.known)
		b.size = 0
	}
	for account, t := range fresh {
		if old, ok := b.known[account]; ok {
			b.size -= old.size()
		}
		b.known[account] = t
		b.size += t.size()
	}
	return fresh
}

func (b *blocks) forget(accounts ...besedka.AccountID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.generation++
	for _, account := range accounts {
		if t, ok := b.known[account]; ok {
			b.size -= t.size()
			delete(b.known, account)
		}
	}
}

func (t *ties) size() int { return 1 + len(t.blocked) + len(t.blockers) }

func setOf(ids []besedka.AccountID) map[besedka.AccountID]bool {
	if len(ids) == 0 {
		return nil
	}
	set := make(map[besedka.AccountID]bool, len(ids))
	for _, id := range ids {
		set[id] = true
	}
	return set
}
