package account

import (
	"context"
	"fmt"
	"time"

	"besedka"
	"besedka/db"
)

const (
	followEvery = 500 * time.Millisecond // half of trust
	writeEvery  = 30 * time.Second
	cleanEvery  = time.Hour

	// keepEnded is how long a credential that ended is kept, for questions.
	keepEnded = 7 * 24 * time.Hour
	// rowsAtOnce is how many rows one transaction changes, so that nobody waits long.
	rowsAtOnce = 500
)

// Run looks for what other processes revoked, writes down when credentials were
// used, and deletes what has ended, until ctx ends; then it returns nil.
func (s *Service) Run(ctx context.Context) error {
	following := time.NewTicker(followEvery)
	defer following.Stop()
	writing := time.NewTicker(writeEvery)
	defer writing.Stop()
	cleaning := time.NewTicker(cleanEvery)
	defer cleaning.Stop()

	seq := int64(-1) // not yet known
	for {
		seq = s.followFrom(ctx, seq)
		select {
		case <-ctx.Done():
			// What is still in memory is worth one more try.
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), db.Patience)
			defer cancel()
			s.complain(last, "write when credentials were used", s.writeTouched(last))
			return nil
		case <-following.C:
		case <-writing.C:
			s.complain(ctx, "write when credentials were used", s.writeTouched(ctx))
		case <-cleaning.C:
			s.complain(ctx, "clean", s.clean(ctx))
		}
	}
}

// followFrom does one step of following and gives the number to go on from.
func (s *Service) followFrom(ctx context.Context, seq int64) int64 {
	if seq < 0 {
		_, head, err := s.db.Head(ctx, revocations)
		if err != nil {
			s.complain(ctx, "follow revocations", err)
			return seq
		}
		s.cache.clear() // it may hold what was revoked before we began to look
		seq = head
	}
	next, err := s.follow(ctx, seq)
	s.complain(ctx, "follow revocations", err)
	return next
}

func (s *Service) complain(ctx context.Context, what string, err error) {
	if err != nil && ctx.Err() == nil {
		s.log.Warn("account: "+what, "error", err)
	}
}

// writeTouched writes down when credentials were used.
func (s *Service) writeTouched(ctx context.Context) error {
	touched := s.cache.takeTouched()
	for len(touched) > 0 {
		some := map[besedka.CredentialID]time.Time{}
		for id, at := range touched {
			if some[id] = at; len(some) == rowsAtOnce {
				break
			}
		}
		err := s.db.Write(ctx, func(tx *db.Tx) error {
			for id, at := range some {
				_, err := tx.Exec(`UPDATE credentials SET last_seen_at = $2 WHERE id = $1 AND last_seen_at < $2`, string(id), at.UnixMilli())
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			s.cache.touchAgain(touched)
			return err
		}
		for id := range some {
			delete(touched, id)
		}
	}
	return nil
}

// touchAgain takes back what could not be written.
func (c *cache) touchAgain(touched map[besedka.CredentialID]time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, at := range touched {
		if len(c.touched) < cacheAtMost && c.touched[id].Before(at) {
			c.touched[id] = at
		}
	}
}

// clean deletes what has ended, a little at a time.
func (s *Service) clean(ctx context.Context) error {
	now := s.now()
	for _, step := range []struct {
		what, statement string
		before          time.Time
	}{
		{"guests", `DELETE FROM credentials WHERE id IN (SELECT id FROM credentials WHERE kind = 'guest' AND expires_at < $1 LIMIT $2)`, now},
		{"credentials", `DELETE FROM credentials WHERE id IN (SELECT id FROM credentials WHERE expires_at < $1 LIMIT $2)`, now.Add(-keepEnded)},
		{"revoked", `DELETE FROM credentials WHERE id IN (SELECT id FROM credentials WHERE revoked_at < $1 LIMIT $2)`, now.Add(-keepEnded)},
		{"idle", `DELETE FROM credentials WHERE id IN (SELECT id FROM credentials WHERE kind <> 'guest' AND last_seen_at < $1 LIMIT $2)`,
			now.Add(-sessionIdle - keepEnded)},
		{"failures", `DELETE FROM sign_in_failures WHERE account_id IN (SELECT account_id FROM sign_in_failures WHERE last_at < $1 LIMIT $2)
			AND last_at < $1`, now.Add(-forgetFailures)},
		{"places", `DELETE FROM known_places WHERE account_id IN (SELECT account_id FROM known_places WHERE last_at < $1 LIMIT $2)
			AND last_at < $1`, now.Add(-placeLife)},
	} {
		for more := true; more; {
			err := s.db.Write(ctx, func(tx *db.Tx) error {
				n, err := tx.Exec(step.statement, step.before.UnixMilli(), rowsAtOnce)
				more = n > 0
				return err
			})
			if err != nil {
				return fmt.Errorf("%s: %w", step.what, err)
			}
		}
	}
	if s.photos == nil {
		return nil
	}
	return s.sweepPhotos(ctx)
}
