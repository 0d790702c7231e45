package account_test

import (
	"strings"
	"testing"
	"time"

	"besedka"
	"besedka/account"
)

const another = "nine grey geese above the mill"

func TestChangedPassphraseEndsTheOtherSessions(t *testing.T) {
	each(t, func(t *testing.T, in instance) {
		in.run(t)
		id := in.member(t, "member")
		bearer, err := in.CreateToken(ctx, "member")
		if err != nil {
			t.Fatal(err)
		}
		_, here := in.signIn(t, "member", "192.0.2.1")
		_, there := in.signIn(t, "member", "192.0.2.2")
		w, elsewhere := watch(in), in.credential(t, there)
		change := account.PasswordChange{Account: id, Credential: in.credential(t, here), Current: passphrase, Password: another, Address: "192.0.2.1"}
		if err := in.ChangePassword(ctx, change); err != nil {
			t.Fatal(err)
		}
		if !w.told(elsewhere) {
			t.Error("OnRevoke was not called before ChangePassword returned")
		}
		_, err = in.Authenticate(ctx, there)
		want(t, err, besedka.ErrUnauthenticated)
		for _, token := range []string{here, bearer} {
			if _, err := in.Authenticate(ctx, token); err != nil {
				t.Errorf("what should have stayed: %v", err)
			}
		}
		_, _, err = in.SignIn(ctx, account.SignIn{Username: "member", Password: passphrase, Address: "192.0.2.1"})
		want(t, err, account.ErrCredentialsInvalid)
		if _, _, err := in.SignIn(ctx, account.SignIn{Username: "member", Password: another, Address: "192.0.2.1"}); err != nil {
			t.Errorf("with the new passphrase: %v", err)
		}
	})
}

func TestPassphraseIsNotChangedWithoutThePresentOne(t *testing.T) {
	each(t, func(t *testing.T, in instance) {
		id := in.member(t, "member")
		_, token := in.signIn(t, "member", "192.0.2.1")
		change := account.PasswordChange{Account: id, Credential: in.credential(t, token), Current: passphrase, Password: "short", Address: "192.0.2.1"}
		want(t, in.ChangePassword(ctx, change), account.ErrPasswordTooShort)
		change.Password = "member-member-77"
		want(t, in.ChangePassword(ctx, change), account.ErrPasswordTooCommon)
		change.Current, change.Password = "this is not the passphrase", another
		for range 10 {
			want(t, in.ChangePassword(ctx, change), account.ErrPasswordWrong)
		}
		change.Current = passphrase
		err := in.ChangePassword(ctx, change)
		want(t, err, account.ErrTooManyAttempts)
		if wait := besedka.AsError(err).RetryAfter; wait <= 0 || wait > time.Minute {
			t.Errorf("wait %s", wait)
		}
		in.signIn(t, "member", "192.0.2.1") // a thief of a session does not lock the owner out
		in.clock.Advance(time.Minute)
		if err := in.ChangePassword(ctx, change); err != nil {
			t.Error(err)
		}
	})
}

// TestWrongPresentPassphraseCostsAHash whatever is sent.
func TestWrongPresentPassphraseCostsAHash(t *testing.T) {
	eachAsShipped(t, func(t *testing.T, in instance) {
		id := in.member(t, "member")
		for _, wrong := range []string{"", "x", another, strings.Repeat("a", 1<<20)} {
			before := in.HashWork()
			want(t, in.guess("member", "192.0.2.1"), account.ErrCredentialsInvalid)
			hash := in.HashWork() - before
			err := in.ChangePassword(ctx, account.PasswordChange{Account: id, Current: wrong, Password: another, Address: "192.0.2.1"})
			want(t, err, account.ErrPasswordWrong)
			if work := in.HashWork() - before - hash; hash == 0 || work != hash {
				t.Errorf("a wrong passphrase of %d bytes costs %d, a hash %d", len(wrong), work, hash)
			}
			in.clock.Advance(25 * time.Hour)
		}
	})
}
