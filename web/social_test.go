package web_test

import (
	"fmt"
	"testing"
)

// names are the usernames of a list of people.
func (a answer) names(key string) string {
	a.t.Helper()
	list, ok := a.json()[key].([]any)
	if !ok {
		a.t.Fatalf("no list %s in %s", key, a.body)
	}
	all := ""
	for _, p := range list {
		all += p.(object)["username"].(string) + " "
	}
	return all
}

func TestProfileSaysWhoOfMineFollows(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		anna, boris, clara := w.member("anna"), w.member("boris"), w.member("clara")
		anna.must(204, "PUT", "/accounts/"+boris.id+"/follow", nil)
		boris.must(204, "PUT", "/accounts/"+clara.id+"/follow", nil)
		p := anna.must(200, "GET", "/accounts/"+clara.id, nil).json()
		mutuals := p["mutuals"].(object)
		if mutuals["count"] != 1.0 || mutuals["people"].([]any)[0].(object)["username"] != "boris" || p["followers"] != 1.0 || p["blocked"] != false || p["in_room"] != nil {
			t.Errorf("%v", p)
		}
		anna.refused(409, "not_followed", "PUT", "/accounts/"+clara.id+"/bell", object{"bell": "always"})
		anna.refused(422, "bell_invalid", "PUT", "/accounts/"+boris.id+"/bell", object{"bell": "loud"})
		anna.must(204, "PUT", "/accounts/"+boris.id+"/bell", object{"bell": "always"})
		if p := anna.must(200, "GET", "/accounts/"+boris.id, nil).json(); p["bell"] != "always" || p["followed"] != true {
			t.Errorf("%v", p)
		}
		for path, want := range map[string]string{
			"/accounts/" + clara.id + "/followers": "boris ", "/accounts/" + boris.id + "/following": "clara ", "/accounts/" + clara.id + "/following": "", "/me/following": "boris ",
		} {
			if got := anna.must(200, "GET", path, nil).names("accounts"); got != want {
				t.Errorf("%s: %s", path, got)
			}
		}
		anna.refused(404, "not_found", "GET", "/accounts/"+anna.id+"x/followers", nil)
		anna.refused(422, "page_invalid", "GET", "/accounts/"+clara.id+"/followers?after=x", nil)
	})
}

func TestProfileSaysWhereSomebodyIsToWhoMayComeIn(t *testing.T) {
	w := oneWorld(t)
	anna, boris, clara := w.member("anna"), w.member("boris"), w.member("clara")
	where := func(p *person) any { return p.must(200, "GET", "/accounts/"+anna.id, nil).json()["in_room"] }
	room := anna.must(201, "POST", "/rooms", object{"title": "Evening", "kind": "closed", "invite": []string{boris.id}}).text("id")
	if got := fmt.Sprint(where(boris)); got != "map[id:"+room+" title:Evening]" {
		t.Errorf("to who was invited: %s", got)
	}
	if got := where(clara); got != nil {
		t.Errorf("to who was not: %v", got)
	}
	anna.must(204, "DELETE", "/rooms/"+room+"/seat", nil)
	if got := where(boris); got != nil {
		t.Errorf("after leaving: %v", got)
	}
}

func TestTheBlockedSeeANameAndNoMore(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		anna, boris, clara := w.member("anna"), w.member("boris"), w.member("clara")
		anna.must(204, "PUT", "/accounts/"+boris.id+"/follow", nil)
		boris.must(204, "PUT", "/accounts/"+anna.id+"/follow", nil)
		anna.must(200, "PATCH", "/me", object{"bio": "about me"})
		anna.must(204, "PUT", "/accounts/"+boris.id+"/block", nil)
		want := fmt.Sprintf(`{"id":%q,"username":"anna","name":"anna","photo":"","restricted":true}`, anna.id)
		if got := string(boris.must(200, "GET", "/accounts/"+anna.id, nil).body); got != want+"\n" {
			t.Errorf("profile %s", got)
		}
		if got := string(boris.must(200, "GET", "/accounts?username=anna", nil).body); got != `{"account":`+want+"}\n" {
			t.Errorf("found %s", got)
		}
		boris.refused(403, "not_possible", "PUT", "/accounts/"+anna.id+"/follow", nil)
		boris.refused(403, "not_possible", "GET", "/accounts/"+anna.id+"/followers", nil)
		boris.refused(403, "not_possible", "GET", "/accounts/"+anna.id+"/following", nil)
		if p := anna.must(200, "GET", "/accounts/"+boris.id, nil).json(); p["blocked"] != true || p["followed"] != false || p["follows_me"] != false || p["followers"] != 0.0 {
			t.Errorf("to who blocks: %v", p)
		}
		if p := clara.must(200, "GET", "/accounts/"+anna.id, nil).json(); p["bio"] != "about me" || p["restricted"] != nil {
			t.Errorf("to another: %v", p)
		}
		if got := anna.must(200, "GET", "/me/blocks", nil).names("accounts"); got != "boris " {
			t.Errorf("blocks: %s", got)
		}
		if got := boris.must(200, "GET", "/me/blocks", nil).names("accounts"); got != "" {
			t.Errorf("blocks of the blocked: %s", got)
		}
		anna.refused(422, "invalid_request", "GET", "/hallway?blocked=x", nil)
		anna.refused(422, "block_self", "PUT", "/accounts/"+anna.id+"/block", nil)
		anna.refused(404, "not_found", "PUT", "/accounts/nobody/block", nil)
		anna.must(204, "DELETE", "/accounts/"+boris.id+"/block", nil)
		boris.must(204, "PUT", "/accounts/"+anna.id+"/follow", nil)
	})
}

func TestWhoIsSuspendedShowsANameAndNoMore(t *testing.T) {
	w := oneWorld(t)
	anna, boris := w.member("anna"), w.member("boris")
	boris.must(204, "PUT", "/accounts/"+anna.id+"/follow", nil)
	if err := w.accounts.Suspend(t.Context(), "anna", "rule", "facts", nil); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`{"id":%q,"username":"anna","name":"anna","photo":"","restricted":true}`+"\n", anna.id)
	if got := string(boris.must(200, "GET", "/accounts/"+anna.id, nil).body); got != want {
		t.Errorf("profile %s", got)
	}
	if err := w.accounts.Restore(t.Context(), "anna"); err != nil {
		t.Fatal(err)
	}
	if p := boris.must(200, "GET", "/accounts/"+anna.id, nil).json(); p["followed"] != true || p["followers"] != 1.0 {
		t.Errorf("afterwards: %v", p)
	}
}
