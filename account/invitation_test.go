package account_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"besedka"
	"besedka/account"
)

// TestInvitationIsRedeemedExactlyOnceByManyRacers has 200 people redeem one
// invitation at the same moment, half of them by another process.
func TestInvitationIsRedeemedExactlyOnceByManyRacers(t *testing.T) {
	each(t, func(t *testing.T, in instance) {
		const racers = 200
		inviter := in.member(t, "inviter")
		i, err := in.Invite(ctx, inviter, "")
		if err != nil {
			t.Fatal(err)
		}
		processes := []instance{in, in.another(t)}
		var won atomic.Int32
		var wg sync.WaitGroup
		start := make(chan struct{})
		for r := range racers {
			wg.Go(func() {
				<-start
				_, _, err := processes[r%2].SignUp(ctx, account.SignUp{
					Invitation: i.URL, Username: fmt.Sprintf("racer_%d", r), Name: "Racer", Password: passphrase, Address: fmt.Sprintf("10.0.%d.1", r),
				})
				switch {
				case err == nil:
					won.Add(1)
				case errors.Is(err, account.ErrInvitationInvalid), errors.Is(err, account.ErrBusy):
				default:
					t.Errorf("racer %d: %v", r, err)
				}
			})
		}
		close(start)
		wg.Wait()
		if won.Load() != 1 {
			t.Errorf("%d racers won", won.Load())
		}
		list, err := in.Invitations(ctx, inviter)
		if err != nil || len(list.Invitations) != 1 || list.Invitations[0].State != account.InvitationRedeemed || *list.Left != 1 {
			t.Errorf("invitations %+v, error %v", list, err)
		}
	})
}

// TestStockIsNeverOverdrawn has one member invite many people at the same moment.
func TestStockIsNeverOverdrawn(t *testing.T) {
	each(t, func(t *testing.T, in instance) {
		member := in.member(t, "member")
		var made atomic.Int32
		var wg sync.WaitGroup
		for range 30 {
			wg.Go(func() {
				_, err := in.Invite(ctx, member, "")
				if err == nil {
					made.Add(1)
				} else if !errors.Is(err, account.ErrNoInvitationsLeft) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if made.Load() != 2 {
			t.Errorf("%d invitations were made from a stock of 2", made.Load())
		}
	})
}

func TestFounderInvitesWithoutLimit(t *testing.T) {
	each(t, func(t *testing.T, in instance) {
		link, _, err := in.OwnerLink(ctx)
		if err != nil {
			t.Fatal(err)
		}
		a, _, err := in.SignUp(ctx, account.SignUp{Invitation: link, Username: "owner", Name: "Owner", Password: passphrase})
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			if _, err := in.Invite(ctx, a.ID, ""); err != nil {
				t.Fatal(err)
			}
		}
		if list, err := in.Invitations(ctx, a.ID); err != nil || list.Left != nil || len(list.Invitations) != 20 {
			t.Errorf("left %v of %d, error %v", list.Left, len(list.Invitations), err)
		}
	})
}

func TestRevokedAndExpiredInvitationsReturnToTheStock(t *testing.T) {
	each(t, func(t *testing.T, in instance) {
		member, stranger := in.member(t, "member"), in.member(t, "stranger")
		left := func(want int) {
			t.Helper()
			a, err := in.Account(ctx, member)
			if err != nil || *a.InvitationsLeft != want {
				t.Errorf("left %v, error %v; want %d", a.InvitationsLeft, err, want)
			}
		}
		one, err := in.Invite(ctx, member, "")
		if err != nil {
			t.Fatal(err)
		}
		two, err := in.Invite(ctx, member, "")
		if err != nil {
			t.Fatal(err)
		}
		left(0)
		want(t, in.RevokeInvitation(ctx, stranger, one.ID), besedka.ErrNotFound)
		want(t, in.RevokeInvitation(ctx, member, "none"), besedka.ErrNotFound)
		if err := in.RevokeInvitation(ctx, member, one.ID); err != nil {
			t.Fatal(err)
		}
		want(t, in.RevokeInvitation(ctx, member, one.ID), besedka.ErrNotFound)
		left(1)
		in.clock.Advance(30*24*time.Hour - time.Millisecond)
		if _, err := in.PreviewInvitation(ctx, two.Code, ""); err != nil {
			t.Errorf("an hour before it expires: %v", err)
		}
		in.clock.Advance(time.Millisecond)
		left(2)
		for _, code := range []string{one.Code, two.Code} {
			_, err := in.PreviewInvitation(ctx, code, "")
			want(t, err, account.ErrInvitationInvalid)
			_, _, err = in.SignUp(ctx, account.SignUp{Invitation: code, Username: "late", Name: "Late", Password: passphrase})
			want(t, err, account.ErrInvitationInvalid)
		}
		want(t, in.RevokeInvitation(ctx, member, two.ID), besedka.ErrNotFound)
		list, err := in.Invitations(ctx, member)
		if err != nil || len(list.Invitations) != 2 {
			t.Fatalf("invitations %v, error %v", list, err)
		}
		states := map[besedka.InvitationID]string{}
		for _, i := range list.Invitations {
			states[i.ID] = i.State
		}
		if states[one.ID] != account.InvitationRevoked || states[two.ID] != account.InvitationExpired {
			t.Errorf("states %v", states)
		}
	})
}

func TestInvitationIsReadFromWhateverIsPasted(t *testing.T) {
	each(t, func(t *testing.T, in instance) {
		member := in.member(t, "member")
		i, err := in.Invite(ctx, member, "до встречи")
		if err != nil {
			t.Fatal(err)
		}
		if len(i.Code) != 26 || i.URL != "https://besedka.example/join/"+i.Code || !i.ExpiresAt.Equal(in.clock.Now().Add(30*24*time.Hour)) {
			t.Errorf("made %+v", i)
		}
		for _, pasted := range []string{i.Code, i.URL, " " + i.URL + "/ \n", i.URL + "?from=mail#x", strings.ToUpper(i.Code), "http://other.example/x/" + i.Code} {
			p, err := in.PreviewInvitation(ctx, pasted, "")
			if err != nil || p.Nominator == nil || p.Nominator.ID != member || p.Note != "до встречи" {
				t.Errorf("%q: %+v, error %v", pasted, p, err)
			}
		}
		for _, wrong := range []string{"", "/", i.Code[1:], i.Code + "0", strings.Repeat(i.Code, 100), "%", string(i.ID)} {
			_, err := in.PreviewInvitation(ctx, wrong, "")
			want(t, err, account.ErrInvitationInvalid)
		}
	})
}

func TestInvitationOfSomebodySuspendedRestsMeanwhile(t *testing.T) {
	each(t, func(t *testing.T, in instance) {
		i, err := in.Invite(ctx, in.member(t, "member"), "")
		if err != nil {
			t.Fatal(err)
		}
		if err := in.Suspend(ctx, "member", "spam", "sent 40 links", nil); err != nil {
			t.Fatal(err)
		}
		_, err = in.PreviewInvitation(ctx, i.Code, "")
		want(t, err, account.ErrInvitationInvalid)
		if err := in.Restore(ctx, "member"); err != nil {
			t.Fatal(err)
		}
		if _, err = in.PreviewInvitation(ctx, i.Code, ""); err != nil {
			t.Error(err)
		}
	})
}

func TestGuessingInvitationsIsLimitedByNetwork(t *testing.T) {
	each(t, func(t *testing.T, in instance) {
		var refused error
		tries := 0
		for ; refused == nil && tries < 1000; tries++ {
			_, err := in.PreviewInvitation(ctx, strings.Repeat("z", 26), "2001:db8::"+fmt.Sprint(tries%100))
			if errors.Is(err, account.ErrTooManyAttempts) {
				refused = err
			} else {
				want(t, err, account.ErrInvitationInvalid)
			}
		}
		var e *besedka.Error
		if tries > 300 || !errors.As(refused, &e) || e.RetryAfter <= 0 {
			t.Errorf("after %d guesses: %v", tries, refused)
		}
		_, _, err := in.SignUp(ctx, account.SignUp{Invitation: "x", Address: "2001:db8::5"})
		want(t, err, account.ErrTooManyAttempts)
		_, err = in.PreviewInvitation(ctx, "x", "192.0.2.1") // somebody else
		want(t, err, account.ErrInvitationInvalid)
		in.clock.Advance(time.Minute)
		_, err = in.PreviewInvitation(ctx, "x", "2001:db8::5")
		want(t, err, account.ErrInvitationInvalid)
	})
}

func TestNoteIsBounded(t *testing.T) {
	each(t, func(t *testing.T, in instance) {
		member := in.member(t, "member")
		for _, note := range []string{strings.Repeat("я", 281), "two\nlines", "\x00"} {
			_, err := in.Invite(ctx, member, note)
			want(t, err, besedka.ErrInvalid)
		}
		if _, err := in.Invite(ctx, member, strings.Repeat("я", 280)); err != nil {
			t.Error(err)
		}
		_, err := in.Invite(ctx, "nobody", "")
		want(t, err, besedka.ErrNotFound)
	})
}
