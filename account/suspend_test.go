package account_test

import (
	"strings"
	"testing"
	"time"

	"besedka"
	"besedka/account"
	"besedka/db/dbtest"
)

func TestSuspensionFreezesAndRestoringBringsEverythingBack(t *testing.T) {
	each(t, func(t *testing.T, in instance) {
		in.run(t)
		in.member(t, "member")
		_, session := in.signIn(t, "member", "")
		token, err := in.CreateToken(ctx, "member")
		if err != nil {
			t.Fatal(err)
		}
		c := in.credential(t, session)
		in.credential(t, token)
		w := watch(in)
		if err := in.Suspend(ctx, "member", "harassment", "Followed somebody from room to room.", nil); err != nil {
			t.Fatal(err)
		}
		if !w.told(c) || len(w.seen) != 2 {
			t.Errorf("OnRevoke was told of %v", w.seen)
		}
		for _, secret := range []string{session, token} {
			_, err := in.Authenticate(ctx, secret)
			want(t, err, besedka.ErrUnauthenticated)
		}
		_, _, err = in.SignIn(ctx, account.SignIn{Username: "member", Password: passphrase})
		want(t, err, account.ErrSuspended)
		want(t, in.guess("member", ""), account.ErrCredentialsInvalid) // told to nobody else
		_, err = in.CreateToken(ctx, "member")
		want(t, err, account.ErrSuspended)
		if a, err := in.ByUsername(ctx, "member"); err != nil || a.Username != "member" {
			t.Errorf("the profile is gone: %v", err)
		}
		dump := dbtest.Dump(t, in.db)
		if !strings.Contains(dump, "suspensions.rule=harassment") || !strings.Contains(dump, "Followed somebody from room to room.") {
			t.Error("no reason was left")
		}

		for range 2 { // restoring twice is no error
			if err := in.Restore(ctx, "member"); err != nil {
				t.Fatal(err)
			}
		}
		for _, secret := range []string{session, token} {
			if _, err := in.Authenticate(ctx, secret); err != nil {
				t.Errorf("not restored: %v", err)
			}
		}
		in.signIn(t, "member", "")
		if !strings.Contains(dbtest.Dump(t, in.db), "suspensions.rule=harassment") {
			t.Error("the reason was deleted")
		}
	})
}

func TestSuspensionByAnotherProcessIsNoticed(t *testing.T) {
	each(t, func(t *testing.T, in instance) {
		in.run(t)
		in.member(t, "member")
		_, token := in.signIn(t, "member", "")
		c := in.credential(t, token)
		w := watch(in)
		if err := in.another(t).Suspend(ctx, "member", "spam", "links", nil); err != nil {
			t.Fatal(err)
		}
		w.await(t, c)
		_, err := in.Authenticate(ctx, token)
		want(t, err, besedka.ErrUnauthenticated)
	})
}

func TestSuspensionEndsByItselfAndMayBeReplaced(t *testing.T) {
	each(t, func(t *testing.T, in instance) {
		in.member(t, "member")
		_, token := in.signIn(t, "member", "")
		until := in.clock.Now().Add(time.Hour)
		if err := in.Suspend(ctx, "member", "noise", "played music", &until); err != nil {
			t.Fatal(err)
		}
		longer := in.clock.Now().Add(2 * time.Hour)
		if err := in.Suspend(ctx, "member", "noise", "did it again by another account", &longer); err != nil {
			t.Fatal(err)
		}
		in.clock.Advance(time.Hour)
		_, err := in.Authenticate(ctx, token)
		want(t, err, besedka.ErrUnauthenticated)
		in.clock.Advance(time.Hour)
		if _, err := in.Authenticate(ctx, token); err != nil {
			t.Error(err)
		}
		in.signIn(t, "member", "")
		if err := in.Suspend(ctx, "member", "noise", "once more", nil); err != nil {
			t.Fatal(err)
		}
		_, err = in.Authenticate(ctx, token)
		want(t, err, besedka.ErrUnauthenticated)
	})
}

func TestSuspensionNeedsAReason(t *testing.T) {
	each(t, func(t *testing.T, in instance) {
		in.member(t, "member")
		want(t, in.Suspend(ctx, "member", "", "facts", nil), besedka.ErrInvalid)
		want(t, in.Suspend(ctx, "member", "rule", " ", nil), besedka.ErrInvalid)
		want(t, in.Suspend(ctx, "member", "rule", strings.Repeat("f", 2001), nil), besedka.ErrInvalid)
		past := in.clock.Now()
		want(t, in.Suspend(ctx, "member", "rule", "facts", &past), besedka.ErrInvalid)
		want(t, in.Suspend(ctx, "nobody", "rule", "facts", nil), besedka.ErrNotFound)
		want(t, in.Restore(ctx, "nobody"), besedka.ErrNotFound)
	})
}
