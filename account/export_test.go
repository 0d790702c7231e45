package account

import "context"

// Clean is what Run does every hour.
func (s *Service) Clean(ctx context.Context) error { return s.clean(ctx) }

// CheckPassword is the rule for passphrases chosen over the network.
var CheckPassword = checkPassword

// CheckOperatorPassword is the rule for those that the operator sets.
var CheckOperatorPassword = checkOperatorPassword

// HashCheaply is for tests of other things than passphrases.
func (s *Service) HashCheaply() {
	h := newHasher(s.random)
	h.memory, h.time = 64, 1
	h.dummy = h.encode(make([]byte, argonSalt), make([]byte, argonKey))
	s.hasher = h
}

// HashWork is what hashing has cost so far, in KiB times passes.
func (s *Service) HashWork() int64 { return s.hasher.work.Load() }

// Confirm is what Run does when no other process has revoked anything.
func (s *Service) Confirm() { s.cache.confirm(s.now()) }

// Follows says whether Run knows by now from where on it looks for what others revoke.
func (s *Service) Follows() bool {
	s.cache.mu.Lock()
	defer s.cache.mu.Unlock()
	return !s.cache.confirmed.IsZero()
}
