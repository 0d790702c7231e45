package account

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"sync"
	"time"
)

// The limits on guessing. NIST SP 800-63B-4 §3.2.2 allows a hundred consecutive
// failures on one account; here every failure after the tenth costs twice the
// wait of the one before, up to a quarter of an hour, and a day without any
// forgets them. Failures from places where the true owner signed in before are
// counted apart, so that nobody can lock the owner out from elsewhere.
const (
	freeFailures   = 10
	longestWait    = 15 * time.Minute
	forgetFailures = 24 * time.Hour

	// Of one network, over all accounts and invitations together.
	networkBurst  = 200
	networkRefill = 2 * time.Second // for each further failure

	// How much of either is remembered.
	rememberAtMost = 20_000
)

// failures are consecutive ones, with the time of the last.
type failures struct {
	count int
	last  time.Time
}

// wait is how long after the last failure nothing more is tried.
func (f failures) wait(now time.Time) time.Duration {
	if f.count < freeFailures || now.Sub(f.last) >= forgetFailures {
		return 0
	}
	wait := longestWait
	if n := f.count - freeFailures; n < 10 {
		wait = min(time.Second<<n, longestWait)
	}
	return f.last.Add(wait).Sub(now)
}

// throttle counts consecutive failures of this process by key. An attempt is
// counted as failed when it begins, so that many at once gain nothing.
type throttle struct {
	mu   sync.Mutex
	seen map[string]failures
}

func newThrottle() *throttle { return &throttle{seen: map[string]failures{}} }

// begin counts an attempt, on top of what is counted here or was stored by this
// or another process, whichever is more. A positive wait means that it may not
// be made now.
func (t *throttle) begin(key string, stored failures, now time.Time) (wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.seen[key]
	if stored.count > f.count {
		f = stored
	}
	if now.Sub(f.last) >= forgetFailures {
		f.count = 0
	}
	if wait := f.wait(now); wait > 0 {
		return wait
	}
	if _, known := t.seen[key]; !known && len(t.seen) >= rememberAtMost {
		t.makeRoomLocked(now)
	}
	t.seen[key] = failures{count: f.count + 1, last: now}
	return 0
}

// cancel takes back an attempt that was not made after all.
func (t *throttle) cancel(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if f, ok := t.seen[key]; ok && f.count > 0 {
		f.count--
		t.seen[key] = f
	}
}

// succeed forgets the failures.
func (t *throttle) succeed(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.seen, key)
}

// makeRoomLocked forgets what is out of date, or else something that was never
// throttled. Failures of existing accounts are kept in the database as well.
func (t *throttle) makeRoomLocked(now time.Time) {
	for key, f := range t.seen {
		if now.Sub(f.last) >= forgetFailures {
			delete(t.seen, key)
		}
	}
	for key, f := range t.seen {
		if len(t.seen) < rememberAtMost {
			return
		}
		if f.count < freeFailures {
			delete(t.seen, key)
		}
	}
	for key := range t.seen {
		if len(t.seen) < rememberAtMost {
			return
		}
		delete(t.seen, key)
	}
}

// budget allows each network a number of failures that grows back with time.
type budget struct {
	mu   sync.Mutex
	full map[string]time.Time // when the network will have its whole budget again
}

func newBudget() *budget { return &budget{full: map[string]time.Time{}} }

// wait is how long the network has to wait for its next attempt.
func (b *budget) wait(network string, now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	full, known := b.full[network]
	if !known {
		return 0
	}
	return max(0, full.Sub(now)-(networkBurst-1)*networkRefill)
}

// fail counts a failure.
func (b *budget) fail(network string, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	full, known := b.full[network]
	if !known && len(b.full) >= rememberAtMost {
		b.makeRoomLocked(now)
	}
	if full.Before(now) {
		full = now
	}
	b.full[network] = full.Add(networkRefill)
}

func (b *budget) makeRoomLocked(now time.Time) {
	for network, full := range b.full {
		if !full.After(now) {
			delete(b.full, network)
		}
	}
	for network := range b.full {
		if len(b.full) < rememberAtMost {
			return
		}
		delete(b.full, network)
	}
}

// network is the part of an address that one household or server holds: an
// address of IPv4, the first 64 bits of one of IPv6. Anything else stands for itself.
func network(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		if ap, err := netip.ParseAddrPort(address); err == nil {
			a = ap.Addr()
		} else {
			return address[:min(len(address), 64)]
		}
	}
	a = a.Unmap().WithZone("")
	if a.Is4() {
		return a.String()
	}
	return netip.PrefixFrom(a, 64).Masked().String()
}

// place is how a network is remembered for an account: enough to know it again,
// too little to tell it to somebody who reads the database.
func place(account, network string) string {
	sum := sha256.Sum256([]byte(account + " " + network))
	return hex.EncodeToString(sum[:3])
}
