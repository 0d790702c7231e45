package test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestAdminInvitationLetsSomebodyInBesideARunningServer(t *testing.T) {
	w := begin(t)
	out, err := w.admin("", "invite")
	if err != nil {
		t.Fatal(err)
	}
	link := lastLine(out)
	if !strings.HasPrefix(link, "http://") {
		t.Errorf("printed %q; want a link", link)
	}
	newcomer := w.stranger(t)
	body := object{"invitation": link, "username": "newcomer", "name": "Новая", "password": password}
	a := newcomer.must(http.MethodPost, "/accounts", body)
	if a.status != http.StatusCreated || a.text("username") != "newcomer" || a.header.Get("Set-Cookie") == "" {
		t.Errorf("%s %v", a, a.header)
	}
	body["username"] = "second"
	newcomer.refused(http.StatusNotFound, "invitation_invalid", http.MethodPost, "/accounts", body)
}

func TestAdminAccountsTokensAndGuestsWorkAtOnce(t *testing.T) {
	w := begin(t)
	out, err := w.admin("a passphrase of his own\n", "account", "create", "--username", "visitor", "--name", "Visitor")
	if err != nil {
		t.Fatal(err)
	}
	id := lastLine(out)
	out, err = w.admin("", "token", "create", "--username", "visitor")
	if err != nil {
		t.Fatal(err)
	}
	visitor := &person{t: t, server: w.server, name: "visitor", id: id, token: lastLine(out)}
	if me := visitor.must(http.MethodGet, "/me", nil); me.text("id") != id || me.text("username") != "visitor" {
		t.Errorf("%s; want id %s", me, id)
	}
	room := visitor.open("open")
	out, err = w.admin("", "guests", "--room", room, "--count", "150")
	if err != nil {
		t.Fatal(err)
	}
	tokens := strings.Fields(out)
	if len(tokens) != 150 {
		t.Fatalf("%d tokens; want 150", len(tokens))
	}
	(&person{t: t, server: w.server, name: "guest", token: tokens[149]}).must(http.MethodGet, "/rooms/"+room, nil)
	for _, bad := range [][]string{
		{"account", "create", "--username", "visitor", "--name", "Again"}, {"account", "create", "--username", "No Spaces", "--name", "X"},
		{"token", "create", "--username", "nobody"}, {"account", "suspend", "--username", "nobody", "--rule", "r", "--facts", "f"},
	} {
		if out, err := w.admin("a passphrase of his own\n", bad...); err == nil {
			t.Errorf("admin %v succeeded: %q", bad, out)
		}
	}
}

func TestSuspendedAccountIsOutWithinTwoSecondsAndComesBackWhole(t *testing.T) {
	s := newStage(t)
	s.host.must(http.MethodPut, "/accounts/"+s.speaker.id+"/follow", nil)
	events := s.speaker.events(s.room, "")
	if _, err := s.admin("", "account", "suspend", "--username", s.speaker.name, "--rule", "noise", "--facts", "He shouted."); err != nil {
		t.Fatal(err)
	}
	suspended := time.Now()
	took := within(t, 2*time.Second, "the suspended account is refused", func() bool {
		return s.speaker.call(http.MethodGet, "/me", nil).status != http.StatusOK
	})
	t.Logf("refused %s after the command", took)
	silentFrom(t, s.ear, s.speakerNumber, suspended, 2*time.Second)
	events.endsWithin(2 * time.Second)
	if a := s.stranger(t).call(http.MethodPost, "/sessions", object{"username": s.speaker.name, "password": password}); a.status < 400 {
		t.Errorf("a suspended account signs in: %s", a)
	}
	if _, err := s.admin("", "account", "restore", "--username", s.speaker.name); err != nil {
		t.Fatal(err)
	}
	session := s.speaker.signIn()
	if profile := session.must(http.MethodGet, "/accounts/"+s.speaker.id, nil).json(); profile["followers"] != 1.0 {
		t.Errorf("followers after the suspension: %v", profile["followers"])
	}
}
