package account

import (
	"context"
	"encoding/json"
	"fmt"

	"besedka"
	"besedka/db"
)

// revocations is the line of facts by which processes tell one another whom to refuse.
const revocations besedka.Topic = "credentials"

const (
	factRevoked   = "credential_revoked"
	factSuspended = "account_suspended"
)

// ended is a credential that is refused from the commit on.
type ended struct {
	Credential  besedka.CredentialID  `json:"credential,omitempty"`
	Participant besedka.ParticipantID `json:"participant"`
	seq         int64                 // of the fact that says so
}

// OnRevoke has f called with every credential that is refused from now on,
// before Revoke, ChangePassword, SignOut or Suspend returns, and when another process
// has done so, within about a second (see Run). It may be called more than once
// for the same credential. Whoever opens something that outlives a request
// registers it where f finds it first, and authenticates after that.
func (s *Service) OnRevoke(f func(besedka.CredentialID, besedka.ParticipantID)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hooks = append(s.hooks, f)
}

// end marks a credential as revoked and tells the other processes.
func end(tx *db.Tx, id besedka.CredentialID, who besedka.ParticipantID) (ended, error) {
	e := ended{Credential: id, Participant: who}
	if _, err := tx.Exec(`UPDATE credentials SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL`, string(id), tx.Millis()); err != nil {
		return e, fmt.Errorf("revoke credential: %w", err)
	}
	f, err := tx.Publish(revocations, factRevoked, []besedka.ParticipantID{}, e)
	e.seq = f.Seq
	return e, err
}

// revoke runs f in a transaction and then refuses what it ended.
func (s *Service) revoke(ctx context.Context, f func(tx *db.Tx) ([]ended, error)) error {
	var gone []ended
	err := s.db.Write(ctx, func(tx *db.Tx) (err error) {
		gone, err = f(tx)
		return err
	})
	if err != nil {
		return fmt.Errorf("revoke: %w", err)
	}
	s.refuse(gone)
	return nil
}

// refuse makes this process forget that the credentials were good and calls the hooks.
func (s *Service) refuse(gone []ended) {
	if len(gone) == 0 {
		return
	}
	s.cache.drop(gone)
	s.mu.RLock()
	hooks := s.hooks
	s.mu.RUnlock()
	for _, e := range gone {
		for _, hook := range hooks {
			hook(e.Credential, e.Participant)
		}
	}
}

// follow refuses what other processes have revoked since the fact numbered seq,
// and gives the number up to which it knows.
func (s *Service) follow(ctx context.Context, seq int64) (int64, error) {
	began := s.now()
	for {
		facts, err := s.db.FactsAfter(ctx, revocations, seq, 500)
		if err != nil {
			return seq, err
		}
		if len(facts) == 0 {
			s.cache.confirm(began)
			return seq, nil
		}
		if facts[0].Seq != seq+1 {
			s.cache.clear() // we were away for longer than the outbox remembers
		}
		for _, f := range facts {
			if err := s.apply(ctx, f); err != nil {
				return seq, err
			}
			seq = f.Seq
		}
	}
}

func (s *Service) apply(ctx context.Context, f besedka.Fact) error {
	if s.cache.toldHere(f.Seq) {
		return nil
	}
	var e ended
	if err := json.Unmarshal(f.Data, &e); err != nil {
		return fmt.Errorf("fact %d of %s: %w", f.Seq, revocations, err)
	}
	gone := []ended{e}
	if f.Kind == factSuspended {
		var err error
		if gone, err = s.liveOf(ctx, e.Participant.Account()); err != nil {
			return err
		}
	}
	s.refuse(gone)
	return nil
}

// liveOf gives every credential of the account that a suspension refuses.
func (s *Service) liveOf(ctx context.Context, account besedka.AccountID) ([]ended, error) {
	var gone []ended
	err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
		gone, err = live(tx, account)
		return err
	})
	return gone, err
}

func live(tx *db.Tx, account besedka.AccountID) ([]ended, error) {
	ids, err := credentialIDs(tx, `SELECT id FROM credentials WHERE account_id = $1 AND revoked_at IS NULL AND expires_at > $2`,
		string(account), tx.Millis())
	var gone []ended
	for _, id := range ids {
		gone = append(gone, ended{Credential: id, Participant: account.Participant()})
	}
	return gone, err
}
