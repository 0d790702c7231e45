package account

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"besedka"
	"besedka/db"
)

const (
	// seenEvery is how exactly it is written down when a credential was last used.
	seenEvery = 10 * time.Minute
	// trust is how long after the last look at other processes' revocations
	// the memory of this one is believed without asking the database.
	trust = time.Second
	// excuse is how long it is believed while the database is away.
	excuse = 5 * time.Minute
	// cacheAtMost is how many credentials are remembered.
	cacheAtMost = 20_000
)

// Principal is who makes a request, and with what credential.
type Principal struct {
	Account    besedka.AccountID // "" for a guest
	Guest      besedka.GuestID   // "" for an account
	Room       besedka.RoomID    // the only room of a guest
	Credential besedka.CredentialID
	Kind       string // KindSession, KindToken or KindGuest
	Founder    bool
}

// Participant is the principal as somebody in a room.
func (p Principal) Participant() besedka.ParticipantID {
	if p.Guest != "" {
		return p.Guest.Participant()
	}
	return p.Account.Participant()
}

// Authenticate says who holds the token. It is besedka.ErrUnauthenticated when
// nobody does: it is unknown, has ended, was revoked, or its account is suspended.
// While Run runs, it asks the database about once for each credential. While the
// database is away, credentials used shortly before stay good.
func (s *Service) Authenticate(ctx context.Context, token string) (Principal, error) {
	if !looksLikeToken(token) {
		return Principal{}, besedka.ErrUnauthenticated
	}
	hash := digest(token)
	for {
		now := s.now()
		known, trusted, generation := s.cache.find(hash, now)
		if known != nil && trusted {
			return known.principal, nil
		}
		found, err := s.lookup(ctx, hash)
		if errors.Is(err, db.ErrUnavailable) && known != nil && s.cache.excused(now) {
			return known.principal, nil
		}
		if err != nil {
			return Principal{}, err
		}
		// Something was revoked while we looked: it may have been this one.
		if s.cache.keep(hash, found, now, generation) {
			return found.principal, nil
		}
	}
}

// remembered is a credential that was good when it was looked up.
type remembered struct {
	principal Principal
	seen      time.Time // as written down, or about to be
	expires   time.Time
}

func (r *remembered) good(now time.Time) bool {
	return now.Before(r.expires) && (r.principal.Kind == KindGuest || now.Before(r.seen.Add(sessionIdle)))
}

func (s *Service) lookup(ctx context.Context, hash string) (*remembered, error) {
	var r remembered
	err := s.db.Lookup(ctx, func(tx *db.Tx) error {
		var account, guest, room, suspended sql.NullString
		var founder sql.NullInt64
		var seen, expires int64
		err := tx.QueryRow(`SELECT c.id, c.kind, c.account_id, c.guest_id, c.room_id, c.last_seen_at, c.expires_at, a.founder, s.id
			FROM credentials c LEFT JOIN accounts a ON a.id = c.account_id
			LEFT JOIN suspensions s ON s.account_id = c.account_id AND s.lifted_at IS NULL AND (s.ends_at IS NULL OR s.ends_at > $2)
			WHERE c.hash = $1 AND c.revoked_at IS NULL AND c.expires_at > $2`, hash, tx.Millis()).
			Scan(&r.principal.Credential, &r.principal.Kind, &account, &guest, &room, &seen, &expires, &founder, &suspended)
		if errors.Is(err, sql.ErrNoRows) || (err == nil && suspended.Valid) {
			return besedka.ErrUnauthenticated
		}
		if err != nil {
			return err
		}
		r.principal.Account = besedka.AccountID(account.String)
		r.principal.Guest = besedka.GuestID(guest.String)
		r.principal.Room = besedka.RoomID(room.String)
		r.principal.Founder = founder.Int64 == 1
		r.seen, r.expires = time.UnixMilli(seen), time.UnixMilli(expires)
		if !r.good(tx.Now) {
			return besedka.ErrUnauthenticated
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look up credential: %w", err)
	}
	return &r, nil
}

// cache remembers good credentials, and when they were used.
type cache struct {
	mu         sync.Mutex
	byHash     map[string]*remembered
	hashes     map[besedka.CredentialID]string
	generation int       // changes whenever something is forgotten because it is refused
	confirmed  time.Time // when other processes' revocations were last known
	asked      time.Time // when the database was last found away
	touched    map[besedka.CredentialID]time.Time
	told       map[int64]struct{} // numbers of facts that this process acted on already
}

func newCache() *cache {
	c := &cache{touched: map[besedka.CredentialID]time.Time{}, told: map[int64]struct{}{}}
	c.clear()
	return c
}

// find gives what is remembered of a credential and whether that may be believed now.
func (c *cache) find(hash string, now time.Time) (known *remembered, trusted bool, generation int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known = c.byHash[hash]
	if known == nil || !known.good(now) {
		return nil, false, c.generation
	}
	trusted = now.Sub(c.confirmed) <= trust || (now.Sub(c.asked) <= trust && now.Sub(c.confirmed) <= excuse)
	if trusted {
		c.touchLocked(known, now)
	}
	copied := *known
	return &copied, trusted, c.generation
}

// excused notes that the database is away and says whether memory may stand in for it.
func (c *cache) excused(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Sub(c.confirmed) > excuse {
		return false
	}
	c.asked = now
	return true
}

// keep remembers what was looked up, unless something was refused since the generation.
func (c *cache) keep(hash string, r *remembered, now time.Time, generation int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.generation != generation {
		return false
	}
	if _, known := c.byHash[hash]; !known && len(c.byHash) >= cacheAtMost {
		for other, o := range c.byHash { // any one: the next use looks it up again
			delete(c.byHash, other)
			delete(c.hashes, o.principal.Credential)
			break
		}
	}
	kept := *r
	c.byHash[hash] = &kept
	c.hashes[r.principal.Credential] = hash
	c.touchLocked(&kept, now)
	return true
}

func (c *cache) touchLocked(r *remembered, now time.Time) {
	if now.Sub(r.seen) < seenEvery || r.principal.Kind == KindGuest {
		return
	}
	r.seen = now
	if len(c.touched) < cacheAtMost {
		c.touched[r.principal.Credential] = now
	}
}

// takeTouched gives when credentials were used, once.
func (c *cache) takeTouched() map[besedka.CredentialID]time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := c.touched
	c.touched = map[besedka.CredentialID]time.Time{}
	return taken
}

// drop forgets credentials because they are refused from now on.
func (c *cache) drop(gone []ended) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation++
	if len(c.told) > cacheAtMost { // Run does not run: nobody asks
		clear(c.told)
	}
	for _, e := range gone {
		if hash, ok := c.hashes[e.Credential]; ok {
			delete(c.byHash, hash)
			delete(c.hashes, e.Credential)
		}
		delete(c.touched, e.Credential)
		if e.seq > 0 {
			c.told[e.seq] = struct{}{}
		}
	}
}

// toldHere says, once, that this process itself published the fact and has acted on it.
func (c *cache) toldHere(seq int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, here := c.told[seq]
	delete(c.told, seq)
	return here
}

// confirm notes that everything that was revoked before the time is known.
func (c *cache) confirm(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at.Sub(c.confirmed) > excuse {
		c.clearLocked() // nobody looked for long
	}
	c.confirmed = at
}

// clear forgets every credential.
func (c *cache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clearLocked()
}

func (c *cache) clearLocked() {
	c.generation++
	c.byHash = map[string]*remembered{}
	c.hashes = map[besedka.CredentialID]string{}
}
