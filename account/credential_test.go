package account_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"besedka"
	"besedka/account"
	"besedka/db"
)

// watcher notes what OnRevoke is told.
type watcher struct {
	mu   sync.Mutex
	seen []besedka.CredentialID
	some chan struct{}
}

func watch(in instance) *watcher {
	w := &watcher{some: make(chan struct{}, 1000)}
	in.OnRevoke(func(id besedka.CredentialID, _ besedka.ParticipantID) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.seen = append(w.seen, id)
		w.some <- struct{}{}
	})
	return w
}

func (w *watcher) told(id besedka.CredentialID) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Contains(w.seen, id)
}

// await waits until the watcher was told of the credential.
func (w *watcher) await(t *testing.T, id besedka.CredentialID) {
	t.Helper()
	late := time.After(10 * time.Second)
	for !w.told(id) {
		select {
		case <-w.some:
		case <-late:
			t.Fatal("nobody was told of the revocation")
		}
	}
}

func TestTokensAreRefusedUnlessTheyWereGivenOut(t *testing.T) {
	each(t, func(t *testing.T, in instance) {
		in.member(t, "member")
		_, token := in.signIn(t, "member", "")
		if !strings.HasPrefix(token, "bs_") || len(token) != 46 {
			t.Errorf("token %q", token)
		}
		for _, wrong := range []string{"", "bs_", token[:45], token + "A", "bt_" + token[3:], "bs_" + strings.Repeat("A", 43), strings.ToLower(token), "bs_' OR 1=1"} {
			_, err := in.Authenticate(ctx, wrong)
			want(t, err, besedka.ErrUnauthenticated)
		}
	})
}

func TestRevokedCredentialIsRefusedAtOnce(t *testing.T) {
	each(t, func(t *testing.T, in instance) {
		in.run(t)
		id := in.member(t, "member")
		stranger := in.member(t, "stranger")
		_, one := in.signIn(t, "member", "")
		_, two := in.signIn(t, "member", "")
		_, three := in.signIn(t, "member", "")
		w := watch(in)
		c := in.credential(t, one)
		want(t, in.Revoke(ctx, stranger, c), besedka.ErrNotFound)
		if err := in.Revoke(ctx, id, c); err != nil {
			t.Fatal(err)
		}
		if !w.told(c) {
			t.Error("OnRevoke was not called before Revoke returned")
		}
		_, err := in.Authenticate(ctx, one)
		want(t, err, besedka.ErrUnauthenticated)
		want(t, in.Revoke(ctx, id, c), besedka.ErrNotFound)

		keep := in.credential(t, three)
		if err := in.Revoke(ctx, id, in.credential(t, two)); err != nil {
			t.Fatal(err)
		}
		_, err = in.Authenticate(ctx, two)
		want(t, err, besedka.ErrUnauthenticated)
		for range 2 { // the second time there is nothing to end
			if err := in.SignOut(ctx, keep); err != nil {
				t.Fatal(err)
			}
		}
		_, err = in.Authenticate(ctx, three)
		want(t, err, besedka.ErrUnauthenticated)
		if !w.told(keep) {
			t.Error("OnRevoke was not called for a sign-out")
		}
	})
}

func TestRevocationByAnotherProcessIsNoticed(t *testing.T) {
	each(t, func(t *testing.T, in instance) {
		in.run(t)
		other := in.another(t)
		other.run(t)
		id := in.member(t, "member")
		_, token := in.signIn(t, "member", "")
		c := other.credential(t, token)
		w := watch(other)
		start := time.Now()
		if err := in.Revoke(ctx, id, c); err != nil {
			t.Fatal(err)
		}
		w.await(t, c)
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("it took %v", took)
		}
		_, err := other.Authenticate(ctx, token)
		want(t, err, besedka.ErrUnauthenticated)
	})
}

// TestMemoryIsNotBelievedWhenNobodyLooks: without Run a process asks the database each time.
func TestMemoryIsNotBelievedWhenNobodyLooks(t *testing.T) {
	each(t, func(t *testing.T, in instance) {
		other := in.another(t)
		id := in.member(t, "member")
		_, token := in.signIn(t, "member", "")
		c := other.credential(t, token)
		if err := in.Revoke(ctx, id, c); err != nil {
			t.Fatal(err)
		}
		_, err := other.Authenticate(ctx, token)
		want(t, err, besedka.ErrUnauthenticated)
	})
}

// TestNoCredentialIsRememberedAcrossItsRevocation races sign-outs against requests.
func TestNoCredentialIsRememberedAcrossItsRevocation(t *testing.T) {
	each(t, func(t *testing.T, in instance) {
		in.run(t)
		in.member(t, "member")
		for range 15 {
			_, token := in.signIn(t, "member", "")
			c := in.credential(t, token)
			c2, stop := context.WithCancel(ctx)
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					for c2.Err() == nil {
						_, _ = in.Authenticate(ctx, token)
					}
				})
			}
			if err := in.SignOut(ctx, c); err != nil {
				t.Fatal(err)
			}
			_, err := in.Authenticate(ctx, token)
			want(t, err, besedka.ErrUnauthenticated)
			stop()
			wg.Wait()
			_, err = in.Authenticate(ctx, token)
			want(t, err, besedka.ErrUnauthenticated)
		}
	})
}

func TestSessionEndsWhenIdleAndWhenOld(t *testing.T) {
	const day = 24 * time.Hour
	each(t, func(t *testing.T, in instance) {
		in.member(t, "member")
		_, idle := in.signIn(t, "member", "")
		_, used := in.signIn(t, "member", "")
		token, err := in.CreateToken(ctx, "member")
		if err != nil {
			t.Fatal(err)
		}
		use := func(token string) error {
			c, stop := context.WithCancel(ctx)
			stop()
			_, err := in.Authenticate(ctx, token)
			if err := in.Run(c); err != nil { // writes down what was used
				t.Fatal(err)
			}
			return err
		}
		for d := 0; d < 178; d += 2 {
			if err := use(used); err != nil {
				t.Fatalf("day %d: %v", d, err)
			}
			if err := use(token); err != nil {
				t.Fatalf("day %d: %v", d, err)
			}
			if d == 28 {
				// Not used: one day later it is over.
				if list, err := in.Sessions(ctx, account.Account{}.ID); err != nil || len(list) != 0 {
					t.Errorf("nobody has sessions %v, error %v", list, err)
				}
			}
			in.clock.Advance(2 * day)
			if d == 28 {
				want(t, use(idle), besedka.ErrUnauthenticated)
			}
		}
		in.clock.Advance(2*day - time.Second)
		if err := use(used); err != nil {
			t.Errorf("a second before it is 180 days old: %v", err)
		}
		in.clock.Advance(time.Second)
		want(t, use(used), besedka.ErrUnauthenticated)
		want(t, use(token), besedka.ErrUnauthenticated)
	})
}

func TestLastUseIsWrittenAtMostEveryTenMinutes(t *testing.T) {
	each(t, func(t *testing.T, in instance) {
		id := in.member(t, "member")
		_, token := in.signIn(t, "member", "")
		began := in.clock.Now()
		use := func() time.Time {
			t.Helper()
			in.credential(t, token)
			c, stop := context.WithCancel(ctx)
			stop()
			if err := in.Run(c); err != nil {
				t.Fatal(err)
			}
			list, err := in.Sessions(ctx, id)
			if err != nil || len(list) != 1 {
				t.Fatalf("sessions %v, error %v", list, err)
			}
			return list[0].LastSeenAt
		}
		in.clock.Advance(9 * time.Minute)
		if seen := use(); !seen.Equal(began) {
			t.Errorf("written after %v", seen.Sub(began))
		}
		in.clock.Advance(time.Minute)
		if seen := use(); !seen.Equal(began.Add(10 * time.Minute)) {
			t.Errorf("after ten minutes %v is written", seen)
		}
	})
}

func TestSessionsAreListedForTheirOwner(t *testing.T) {
	each(t, func(t *testing.T, in instance) {
		id, other := in.member(t, "member"), in.member(t, "other")
		in.signIn(t, "other", "")
		agent := "Mozilla/5.0\x00\n" + strings.Repeat("я", 400)
		_, _, err := in.SignIn(ctx, account.SignIn{Username: "member", Password: passphrase, UserAgent: agent})
		if err != nil {
			t.Fatal(err)
		}
		in.clock.Advance(time.Minute)
		if _, err := in.CreateToken(ctx, "member"); err != nil {
			t.Fatal(err)
		}
		list, err := in.Sessions(ctx, id)
		if err != nil || len(list) != 2 {
			t.Fatalf("sessions %v, error %v", list, err)
		}
		if list[0].Kind != account.KindToken || list[1].Kind != account.KindSession || !list[0].CreatedAt.Equal(in.clock.Now()) {
			t.Errorf("sessions %+v", list)
		}
		if a := list[1].UserAgent; !strings.HasPrefix(a, "Mozilla/5.0я") || len([]rune(a)) > 200 {
			t.Errorf("user agent %q", a)
		}
		if list, err := in.Sessions(ctx, other); err != nil || len(list) != 1 {
			t.Errorf("the other's sessions %v, error %v", list, err)
		}
	})
}

func TestOneAccountHasABoundedNumberOfSessions(t *testing.T) {
	each(t, func(t *testing.T, in instance) {
		id := in.member(t, "member")
		w := watch(in)
		var tokens []string
		for range 53 {
			token, err := in.CreateToken(ctx, "member")
			if err != nil {
				t.Fatal(err)
			}
			tokens = append(tokens, token)
			in.clock.Advance(time.Second)
		}
		list, err := in.Sessions(ctx, id)
		if err != nil || len(list) != 50 || len(w.seen) != 3 {
			t.Errorf("%d sessions, %d revoked, error %v", len(list), len(w.seen), err)
		}
		_, err = in.Authenticate(ctx, tokens[2])
		want(t, err, besedka.ErrUnauthenticated)
		if _, err = in.Authenticate(ctx, tokens[3]); err != nil {
			t.Error(err)
		}
	})
}

func TestGuestMayListenToOneRoomForADay(t *testing.T) {
	each(t, func(t *testing.T, in instance) {
		tokens, err := in.CreateGuests(ctx, "room", 1201) // more than one statement makes
		if err != nil || len(tokens) != 1201 {
			t.Fatalf("%d tokens, error %v", len(tokens), err)
		}
		seen := map[besedka.GuestID]bool{}
		for _, token := range tokens[:20] {
			p, err := in.Authenticate(ctx, token)
			if err != nil || p.Account != "" || p.Room != "room" || p.Kind != account.KindGuest || !p.Participant().IsGuest() || p.Founder {
				t.Fatalf("%+v, error %v", p, err)
			}
			seen[p.Guest] = true
		}
		if len(seen) != 20 {
			t.Errorf("20 tokens are of %d guests", len(seen))
		}
		if err := in.SignOut(ctx, in.credential(t, tokens[0])); err != nil {
			t.Fatal(err)
		}
		_, err = in.Authenticate(ctx, tokens[0])
		want(t, err, besedka.ErrUnauthenticated)
		in.clock.Advance(24 * time.Hour)
		_, err = in.Authenticate(ctx, tokens[1])
		want(t, err, besedka.ErrUnauthenticated)
		for _, n := range []int{-1, 0, 10_001} {
			_, err := in.CreateGuests(ctx, "room", n)
			want(t, err, besedka.ErrInvalid)
		}
	})
}

func TestOneRoomHasABoundedNumberOfGuests(t *testing.T) {
	each(t, func(t *testing.T, in instance) {
		for range 2 {
			if _, err := in.CreateGuests(ctx, "room", 10_000); err != nil {
				t.Fatal(err)
			}
		}
		_, err := in.CreateGuests(ctx, "room", 1)
		want(t, err, besedka.ErrTooMany)
		if _, err := in.CreateGuests(ctx, "other", 1); err != nil {
			t.Error(err)
		}
	})
}

func TestCredentialsStayGoodWhileTheDatabaseIsAway(t *testing.T) {
	each(t, func(t *testing.T, in instance) {
		in.run(t)
		w := watch(in)
		id := in.member(t, "member")
		_, token := in.signIn(t, "member", "")
		_, unused := in.signIn(t, "member", "")
		_, probe := in.signIn(t, "member", "")
		in.credential(t, token)
		// Run has looked at least once when it has told of this.
		other := in.another(t)
		c := other.credential(t, probe)
		if err := other.Revoke(ctx, id, c); err != nil {
			t.Fatal(err)
		}
		w.await(t, c)
		in.credential(t, token)
		if err := in.db.Close(); err != nil {
			t.Fatal(err)
		}
		in.clock.Advance(2 * time.Second) // longer than memory is believed otherwise
		if _, err := in.Authenticate(ctx, token); err != nil {
			t.Errorf("got %v for a credential used before", err)
		}
		if _, err := in.Authenticate(ctx, unused); err == nil {
			t.Error("somebody unknown was let in")
		}
		in.clock.Advance(6 * time.Minute)
		if _, err := in.Authenticate(ctx, token); err == nil {
			t.Error("memory is believed for ever")
		}
	})
}

func TestWhatHasEndedIsDeletedAfterAWhile(t *testing.T) {
	each(t, func(t *testing.T, in instance) {
		id := in.member(t, "member")
		in.signIn(t, "member", "192.0.2.1")
		_, revoked := in.signIn(t, "member", "")
		if err := in.SignOut(ctx, in.credential(t, revoked)); err != nil {
			t.Fatal(err)
		}
		if _, err := in.CreateGuests(ctx, "room", 600); err != nil {
			t.Fatal(err)
		}
		_ = in.guess("member", "192.0.2.9")
		_ = in.guess("nobody", "192.0.2.9")
		count := func(table string) (n int) {
			err := in.db.Read(ctx, func(tx *db.Tx) error { return tx.QueryRow(`SELECT COUNT(*) FROM ` + table).Scan(&n) })
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		for _, step := range []struct {
			after                         time.Duration
			credentials, failures, places int
		}{
			{0, 602, 2, 2},
			{25 * time.Hour, 2, 0, 2},
			{7 * 24 * time.Hour, 1, 0, 2},
			{37 * 24 * time.Hour, 0, 0, 2},
			{180 * 24 * time.Hour, 0, 0, 0},
		} {
			in.clock.Advance(step.after)
			if err := in.Clean(ctx); err != nil {
				t.Fatal(err)
			}
			got := fmt.Sprint(count("credentials"), count("sign_in_failures"), count("known_places"))
			if want := fmt.Sprint(step.credentials, step.failures, step.places); got != want {
				t.Errorf("after %v more: %s rows, want %s", step.after, got, want)
			}
		}
		if _, err := in.Account(ctx, id); err != nil {
			t.Error(err)
		}
	})
}
