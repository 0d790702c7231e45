package account_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"besedka"
	"besedka/account"
	"besedka/blob"
	"besedka/db"
	"besedka/db/dbtest"
	"besedka/picture"
)

const passphrase = "seven tall birches by the river"

var ctx = context.Background()

// instance is one process of an instance with a clock that the test moves.
type instance struct {
	*account.Service
	db    *db.DB
	clock *dbtest.Clock
	store dbtest.Store
}

// each runs f on both databases, with hashes of passphrases that cost next to nothing.
func each(t *testing.T, f func(t *testing.T, in instance)) {
	t.Helper()
	eachAsShipped(t, func(t *testing.T, in instance) {
		in.HashCheaply()
		f(t, in)
	})
}

// eachAsShipped is each with the true cost of a hash.
func eachAsShipped(t *testing.T, f func(t *testing.T, in instance)) {
	t.Helper()
	dbtest.EachStore(t, func(t *testing.T, s dbtest.Store) {
		f(t, instance{clock: dbtest.NewClock(), store: s}.another(t))
	})
}

// another is one more process of the same instance.
func (in instance) another(t *testing.T) instance {
	t.Helper()
	in.db = in.store.Open(t, in.clock.Now)
	photos, err := blob.Open(filepath.Join(in.store.Dir, "blobs"), in.clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := photos.Close(); err != nil {
			t.Error(err)
		}
	})
	in.Service = account.New(in.db, account.Config{
		URL: "https://besedka.example/", Now: in.clock.Now, Random: rand.Reader, Log: dbtest.Log(t), Photos: photos, Pictures: picture.New(),
	})
	return in
}

// run has the instance watch for other processes' revocations until the test ends. When it
// returns, what is revoked from then on is seen.
func (in instance) run(t *testing.T) {
	t.Helper()
	c, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- in.Run(c) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	late := time.After(30 * time.Second)
	for !in.Follows() {
		select {
		case <-time.After(time.Millisecond):
		case <-late:
			t.Fatal("nobody looks for what others revoke")
		}
	}
}

// member makes an account by the operator's command and gives its id.
func (in instance) member(t *testing.T, username string) besedka.AccountID {
	t.Helper()
	id, err := in.CreateAccount(ctx, username, "Name of "+username, passphrase)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func (in instance) signIn(t *testing.T, username, address string) (besedka.AccountID, string) {
	t.Helper()
	a, token, err := in.SignIn(ctx, account.SignIn{Username: username, Password: passphrase, UserAgent: "test", Address: address})
	if err != nil {
		t.Fatal(err)
	}
	return a.ID, token
}

func (in instance) credential(t *testing.T, token string) besedka.CredentialID {
	t.Helper()
	p, err := in.Authenticate(ctx, token)
	if err != nil {
		t.Fatal(err)
	}
	return p.Credential
}

func want(t *testing.T, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("got %v, want %v", err, target)
	}
}

func TestFirstOwnerSignsUpByAOneTimeLink(t *testing.T) {
	each(t, func(t *testing.T, in instance) {
		older, fresh, err := in.OwnerLink(ctx)
		if err != nil || !fresh || !strings.HasPrefix(older, "https://besedka.example/join/") {
			t.Fatalf("link %q, fresh %v, error %v", older, fresh, err)
		}
		link, _, err := in.OwnerLink(ctx)
		if err != nil {
			t.Fatal(err)
		}
		sign := account.SignUp{Invitation: older, Username: "owner", Name: "Хозяйка", Password: passphrase}
		_, _, err = in.SignUp(ctx, sign)
		want(t, err, account.ErrInvitationInvalid) // the newer link made it so
		sign.Invitation = link
		a, token, err := in.SignUp(ctx, sign)
		if err != nil {
			t.Fatal(err)
		}
		if !a.Founder || a.NominatedBy != nil || a.InvitationsLeft != nil || a.Name != "Хозяйка" {
			t.Errorf("the owner is %+v", a)
		}
		if p, err := in.Authenticate(ctx, token); err != nil || p.Account != a.ID || !p.Founder || p.Kind != account.KindSession {
			t.Errorf("signed in as %+v, error %v", p, err)
		}
		sign.Username = "usurper"
		_, _, err = in.SignUp(ctx, sign)
		want(t, err, account.ErrInvitationInvalid)
		if link, fresh, err := in.OwnerLink(ctx); err != nil || fresh || link != "" {
			t.Errorf("another owner's link %q was made, error %v", link, err)
		}
	})
}

func TestOwnerLinkIsUselessOnceSomebodyHasAnAccount(t *testing.T) {
	each(t, func(t *testing.T, in instance) {
		link, _, err := in.OwnerLink(ctx)
		if err != nil {
			t.Fatal(err)
		}
		in.member(t, "first")
		_, _, err = in.SignUp(ctx, account.SignUp{Invitation: link, Username: "late", Name: "Late", Password: passphrase})
		want(t, err, account.ErrInvitationInvalid)
	})
}

func TestProfileSaysForEverWhoInvited(t *testing.T) {
	each(t, func(t *testing.T, in instance) {
		inviter := in.member(t, "inviter")
		i, err := in.Invite(ctx, inviter, "come in")
		if err != nil {
			t.Fatal(err)
		}
		a, _, err := in.SignUp(ctx, account.SignUp{Invitation: i.Code, Username: "invited", Name: "Invited", Password: passphrase})
		if err != nil {
			t.Fatal(err)
		}
		if err := in.Suspend(ctx, "inviter", "rule", "facts", nil); err != nil {
			t.Fatal(err)
		}
		for name, find := range map[string]func() (account.Account, error){
			"by id":       func() (account.Account, error) { return in.Account(ctx, a.ID) },
			"by username": func() (account.Account, error) { return in.ByUsername(ctx, "invited") },
		} {
			got, err := find()
			if err != nil || got.NominatedBy == nil || *got.NominatedBy != (account.Person{ID: inviter, Username: "inviter", Name: "Name of inviter"}) {
				t.Errorf("%s: nominated by %v, error %v", name, got.NominatedBy, err)
			}
			if !got.CreatedAt.Equal(in.clock.Now()) || got.InvitationsLeft == nil || *got.InvitationsLeft != 2 {
				t.Errorf("%s: %+v", name, got)
			}
		}
		facts, err := in.db.FactsAfter(ctx, besedka.AccountTopic(inviter), 0, 10)
		wantData := fmt.Sprintf(`{"account":{"id":"%s","username":"invited","name":"Invited","photo":""}}`, a.ID)
		if err != nil || len(facts) != 1 || facts[0].Kind != account.FactInvitationRedeemed || string(facts[0].Data) != wantData {
			t.Errorf("facts %v, error %v", facts, err)
		}
	})
}

func TestUnknownAccountIsNotFound(t *testing.T) {
	each(t, func(t *testing.T, in instance) {
		known := in.member(t, "known")
		for _, id := range []besedka.AccountID{"", "x", "' OR 1=1 --", besedka.AccountID(strings.Repeat("a", 100))} {
			_, err := in.Account(ctx, id)
			want(t, err, besedka.ErrNotFound)
		}
		for _, username := range []string{"", "nobody", "Known", "known ", "kno%"} {
			_, err := in.ByUsername(ctx, username)
			want(t, err, besedka.ErrNotFound)
		}
		var ids []besedka.AccountID
		for i := range 1200 { // more than one query asks for
			ids = append(ids, besedka.AccountID(fmt.Sprint("unknown", i)))
		}
		people, err := in.People(ctx, append(ids, known))
		if err != nil || len(people) != 1 || people[known].Username != "known" {
			t.Errorf("people %v, error %v", people, err)
		}
	})
}

func TestSignUpSaysWhatIsWrong(t *testing.T) {
	each(t, func(t *testing.T, in instance) {
		in.member(t, "taken")
		link, err := in.AdminInvite(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			name string
			in   account.SignUp
			want error
		}{
			{"no invitation", account.SignUp{Invitation: "", Username: "new", Name: "New", Password: passphrase}, account.ErrInvitationInvalid},
			{"a wrong code", account.SignUp{Invitation: strings.Repeat("0", 26), Username: "new", Name: "New", Password: passphrase}, account.ErrInvitationInvalid},
			{"no way to learn who exists", account.SignUp{Invitation: "x", Username: "taken", Name: "", Password: "x"}, account.ErrInvitationInvalid},
			{"short username", account.SignUp{Invitation: link, Username: "ab", Name: "New", Password: passphrase}, account.ErrUsernameInvalid},
			{"long username", account.SignUp{Invitation: link, Username: "abcdefghijklmnopq", Name: "New", Password: passphrase}, account.ErrUsernameInvalid},
			{"capitals", account.SignUp{Invitation: link, Username: "Anna", Name: "New", Password: passphrase}, account.ErrUsernameInvalid},
			{"letters that look alike", account.SignUp{Invitation: link, Username: "tаken", Name: "New", Password: passphrase}, account.ErrUsernameInvalid},
			{"username taken", account.SignUp{Invitation: link, Username: "taken", Name: "New", Password: passphrase}, account.ErrUsernameTaken},
			{"no name", account.SignUp{Invitation: link, Username: "new", Name: " \u00a0 ", Password: passphrase}, account.ErrNameInvalid},
			{"long name", account.SignUp{Invitation: link, Username: "new", Name: strings.Repeat("я", 61), Password: passphrase}, account.ErrNameInvalid},
			{"a name of two lines", account.SignUp{Invitation: link, Username: "new", Name: "New\nModerator", Password: passphrase}, account.ErrNameInvalid},
			{"a name that turns text around", account.SignUp{Invitation: link, Username: "new", Name: "New \u202egnp", Password: passphrase}, account.ErrNameInvalid},
			{"a name that is no text", account.SignUp{Invitation: link, Username: "new", Name: "New \xff", Password: passphrase}, account.ErrNameInvalid},
			{"short passphrase", account.SignUp{Invitation: link, Username: "new", Name: "New", Password: "только 14 букв"}, account.ErrPasswordTooShort},
			{"long passphrase", account.SignUp{Invitation: link, Username: "new", Name: "New", Password: strings.Repeat("long ", 52)}, account.ErrPasswordTooLong},
			{"common passphrase", account.SignUp{Invitation: link, Username: "new", Name: "New", Password: "passwordpassword"}, account.ErrPasswordTooCommon},
		} {
			t.Run(c.name, func(t *testing.T) {
				_, _, err := in.SignUp(ctx, c.in)
				want(t, err, c.want)
			})
		}
		// None of it has used the invitation up.
		long := strings.Repeat("длинно ", 36) // 252 characters
		if _, _, err := in.SignUp(ctx, account.SignUp{Invitation: link, Username: "new", Name: " New\u0301 ", Password: long}); err != nil {
			t.Fatal(err)
		}
		if _, _, err := in.SignIn(ctx, account.SignIn{Username: " NEW ", Password: long}); err != nil {
			t.Errorf("sign in with a long passphrase: %v", err)
		}
	})
}

// TestStolenDatabaseHoldsNoUsableSecret looks for every secret that was ever
// given out in every column.
func TestStolenDatabaseHoldsNoUsableSecret(t *testing.T) {
	eachAsShipped(t, func(t *testing.T, in instance) {
		secrets := map[string]string{"passphrase": passphrase}
		link, _, err := in.OwnerLink(ctx)
		if err != nil {
			t.Fatal(err)
		}
		secrets["owner's link"] = link[strings.LastIndex(link, "/")+1:]
		a, token, err := in.SignUp(ctx, account.SignUp{Invitation: link, Username: "owner", Name: "Owner", Password: passphrase, Address: "192.0.2.77"})
		if err != nil {
			t.Fatal(err)
		}
		secrets["session of sign-up"] = token
		_, secrets["session of sign-in"] = in.signIn(t, "owner", "192.0.2.77")
		if secrets["bearer token"], err = in.CreateToken(ctx, "owner"); err != nil {
			t.Fatal(err)
		}
		i, err := in.Invite(ctx, a.ID, "note")
		if err != nil {
			t.Fatal(err)
		}
		secrets["invitation"] = i.Code
		guests, err := in.CreateGuests(ctx, "room", 2)
		if err != nil {
			t.Fatal(err)
		}
		secrets["guest's token"] = guests[1]
		if err := in.SignOut(ctx, in.credential(t, token)); err != nil {
			t.Fatal(err)
		}
		secrets["address"] = "192.0.2.77"

		dump := dbtest.Dump(t, in.db)
		if !strings.Contains(dump, "owner") || !strings.Contains(dump, "$argon2id$v=19$m=19456,t=2,p=1$") {
			t.Fatal("the dump does not show the account: the test proves nothing")
		}
		for what, secret := range secrets {
			if len(secret) < 9 {
				t.Fatalf("%s is %q", what, secret)
			}
			for _, part := range []string{secret, secret[3:], strings.ToUpper(secret)} {
				if strings.Contains(dump, part) {
					t.Errorf("the %s stands in the database", what)
				}
			}
		}
	})
}

func TestIdsCannotBeGuessedOrCounted(t *testing.T) {
	each(t, func(t *testing.T, in instance) {
		one, two := in.member(t, "one"), in.member(t, "two")
		if len(one) != 26 || len(two) != 26 || one[:8] == two[:8] {
			t.Errorf("ids %s and %s", one, two)
		}
		for i := range 300 {
			id := besedka.AccountID(besedka.NewID(rand.Reader))
			if _, err := in.Account(ctx, id); !errors.Is(err, besedka.ErrNotFound) {
				t.Errorf("guess %d: %v", i, err)
			}
		}
	})
}
