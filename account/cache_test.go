package account

import (
	"testing"
	"time"

	"besedka"
)

// TestLookUpThatARevocationOvertookIsNotRemembered plays the race in which a
// credential is read, revoked, and only then put into memory.
func TestLookUpThatARevocationOvertookIsNotRemembered(t *testing.T) {
	now := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	read := &remembered{principal: Principal{Credential: "c", Account: "a", Kind: KindSession}, seen: now, expires: now.Add(time.Hour)}
	for name, forget := range map[string]func(c *cache){
		"revoked here":      func(c *cache) { c.drop([]ended{{Credential: "c", Participant: "a"}}) },
		"nobody had looked": func(c *cache) { c.confirm(now.Add(time.Hour)) },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCache()
			c.confirm(now)
			_, _, generation := c.find("hash", now)
			forget(c)
			if c.keep("hash", read, now, generation) {
				t.Error("it is remembered")
			}
			_, _, generation = c.find("hash", now)
			if !c.keep("hash", read, now, generation) {
				t.Error("what is looked up afterwards is not remembered")
			}
			if known, _, _ := c.find("hash", now); known == nil {
				t.Error("it is not found again")
			}
		})
	}
}

func TestMemoryOfCredentialsIsBounded(t *testing.T) {
	now := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	c := newCache()
	for i := range cacheAtMost + 100 {
		id := besedka.CredentialID(time.Duration(i).String())
		r := &remembered{principal: Principal{Credential: id, Kind: KindSession}, seen: now, expires: now.Add(time.Hour)}
		c.keep("hash of "+string(id), r, now, c.generation)
	}
	if len(c.byHash) > cacheAtMost || len(c.hashes) > cacheAtMost {
		t.Errorf("%d are remembered", len(c.byHash))
	}
}

func TestMemoryOfGuessersIsBounded(t *testing.T) {
	now := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	guesses, networks := newThrottle(), newBudget()
	for range 15 {
		guesses.begin("throttled", failures{}, now)
	}
	for i := range rememberAtMost + 100 {
		key := time.Duration(i).String()
		guesses.begin(key, failures{}, now)
		networks.fail(key, now)
	}
	if len(guesses.seen) > rememberAtMost || len(networks.full) > rememberAtMost {
		t.Errorf("%d guesses and %d networks are remembered", len(guesses.seen), len(networks.full))
	}
	if guesses.begin("throttled", failures{}, now) == 0 {
		t.Error("a flood of other names frees the one that is throttled")
	}
}
