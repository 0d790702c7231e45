package account_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"besedka"
	"besedka/account"
)

func (in instance) guess(username, address string) error {
	_, _, err := in.SignIn(ctx, account.SignIn{Username: username, Password: "this is not the passphrase", Address: address})
	return err
}

func TestWrongAnswersDoNotTellWhetherAnAccountExists(t *testing.T) {
	each(t, func(t *testing.T, in instance) {
		in.member(t, "member")
		for attempt := range 14 { // beyond the throttle
			known, unknown := in.guess("member", "192.0.2.1"), in.guess("nobody", "192.0.2.1")
			a, b := besedka.AsError(known), besedka.AsError(unknown)
			if a.Code != b.Code || a.Kind != b.Kind || a.RetryAfter != b.RetryAfter || a.Field != b.Field {
				t.Errorf("attempt %d: %v (%v) for an account, %v (%v) for none", attempt, known, a.RetryAfter, unknown, b.RetryAfter)
			}
		}
		for _, username := range []string{"", "x", "' OR 1=1", "\x00", strings.Repeat("a", 1<<20)} {
			want(t, in.guess(username, "192.0.2.2"), account.ErrCredentialsInvalid)
		}
		_, _, err := in.SignIn(ctx, account.SignIn{Username: "member", Password: strings.Repeat("a", 1<<20), Address: "192.0.2.2"})
		want(t, err, account.ErrCredentialsInvalid)
		_, _, err = in.SignIn(ctx, account.SignIn{Username: "nobody_2", Password: "", Address: "192.0.2.2"})
		want(t, err, account.ErrCredentialsInvalid)
	})
}

// TestWorkDoesNotTellWhetherAnAccountExists: the time that an answer takes is
// that of its one hash, which is the same for an account and for none.
func TestWorkDoesNotTellWhetherAnAccountExists(t *testing.T) {
	eachAsShipped(t, func(t *testing.T, in instance) {
		in.member(t, "member")
		work := func(username string) int64 {
			before := in.HashWork()
			want(t, in.guess(username, "192.0.2.1"), account.ErrCredentialsInvalid)
			in.clock.Advance(25 * time.Hour) // no throttle
			return in.HashWork() - before
		}
		if known, unknown := work("member"), work("nobody"); known == 0 || known != unknown {
			t.Errorf("%d for an account, %d for none", known, unknown)
		}
	})
}

func TestGuessingOnOneAccountIsThrottled(t *testing.T) {
	each(t, func(t *testing.T, in instance) {
		in.member(t, "member")
		checked, refused := 0, 0
		for range 400 { // a day of one guess every 3.6 minutes, each from elsewhere
			err := in.guess("member", fmt.Sprintf("10.%d.%d.1", checked, refused%250))
			switch {
			case errors.Is(err, account.ErrCredentialsInvalid):
				checked++
			case errors.Is(err, account.ErrTooManyAttempts):
				refused++
				if besedka.AsError(err).RetryAfter > 15*time.Minute {
					t.Fatalf("retry after %v", besedka.AsError(err).RetryAfter)
				}
			default:
				t.Fatal(err)
			}
			in.clock.Advance(216 * time.Second)
		}
		if checked > 100 || refused == 0 {
			t.Errorf("%d guesses were checked and %d refused in a day", checked, refused)
		}
	})
}

func TestThrottleOutlivesARestartAndManyProcesses(t *testing.T) {
	each(t, func(t *testing.T, in instance) {
		in.member(t, "member")
		for range 10 {
			want(t, in.guess("member", "192.0.2.1"), account.ErrCredentialsInvalid)
		}
		want(t, in.another(t).guess("member", "192.0.2.1"), account.ErrTooManyAttempts)
	})
}

func TestManyGuessesAtOnceGainNothing(t *testing.T) {
	each(t, func(t *testing.T, in instance) {
		in.member(t, "member")
		var mu sync.Mutex
		checked := 0
		var wg sync.WaitGroup
		for range 60 {
			wg.Go(func() {
				if errors.Is(in.guess("member", "192.0.2.1"), account.ErrCredentialsInvalid) {
					mu.Lock()
					checked++
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if checked > 11 {
			t.Errorf("%d guesses at once were checked", checked)
		}
	})
}

func TestTrueOwnerIsNotLockedOutByAGuesser(t *testing.T) {
	each(t, func(t *testing.T, in instance) {
		in.member(t, "member")
		_, session := in.signIn(t, "member", "198.51.100.7")
		for range 30 {
			_ = in.guess("member", "192.0.2.1")
		}
		want(t, in.guess("member", "192.0.2.99"), account.ErrTooManyAttempts)
		in.signIn(t, "member", "198.51.100.7") // from home it works
		if _, err := in.Authenticate(ctx, session); err != nil {
			t.Errorf("the session is gone: %v", err)
		}
		want(t, in.guess("member", "192.0.2.99"), account.ErrTooManyAttempts) // the guesser gains nothing by it
		in.clock.Advance(15 * time.Minute)
		in.signIn(t, "member", "203.0.113.1") // and elsewhere after a while
	})
}

func TestSuccessForgetsFailures(t *testing.T) {
	each(t, func(t *testing.T, in instance) {
		in.member(t, "member")
		in.signIn(t, "member", "192.0.2.1")
		for range 5 {
			for range 8 {
				want(t, in.guess("member", "192.0.2.1"), account.ErrCredentialsInvalid)
			}
			in.signIn(t, "member", "192.0.2.1")
		}
	})
}

func TestGuessingFromOneNetworkIsLimitedOverAllAccounts(t *testing.T) {
	each(t, func(t *testing.T, in instance) {
		for i := range 250 { // by invitation codes, which cost no hash
			_, _ = in.PreviewInvitation(ctx, "x", "192.0.2.1")
			if err := in.guessIfRefused(i); err != nil {
				return
			}
		}
		t.Error("250 failures from one network were all answered")
	})
}

func (in instance) guessIfRefused(i int) error {
	if i < 199 {
		return nil
	}
	_, _, err := in.SignIn(ctx, account.SignIn{Username: fmt.Sprint("user", i), Password: "x", Address: "192.0.2.1:4711"})
	if errors.Is(err, account.ErrTooManyAttempts) {
		return err
	}
	return nil
}

func TestMoreSignInsThanCanBeHashedAreRefusedAndNotQueuedForEver(t *testing.T) {
	eachAsShipped(t, func(t *testing.T, in instance) {
		var mu sync.Mutex
		busy := 0
		var wg sync.WaitGroup
		start := time.Now()
		for i := range 300 {
			wg.Go(func() {
				err := in.guess(fmt.Sprint("nobody", i), fmt.Sprintf("10.%d.0.1", i%200))
				if errors.Is(err, account.ErrBusy) {
					mu.Lock()
					busy++
					mu.Unlock()
					if e := besedka.AsError(err); e.Kind != besedka.Unavailable || e.RetryAfter == 0 {
						t.Errorf("busy is %+v", e)
					}
				} else if !errors.Is(err, account.ErrCredentialsInvalid) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if busy < 100 {
			t.Errorf("%d of 300 were refused", busy)
		}
		t.Logf("300 at once took %v, %d refused", time.Since(start), busy)
	})
}
