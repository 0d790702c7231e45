package test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// open are the requests that anybody may make, as the contract lists them.
var open = map[string]bool{
	"GET /api/v1/openapi.json": true, "GET /api/v1/instance": true, "POST /api/v1/sessions": true, "POST /api/v1/accounts": true,
	"POST /api/v1/invitations/preview": true, "POST /api/v1/rooms/{room}/guests": true,
	"GET /api/v1/photos/{photo}/{size}": true, "GET /api/v1/rooms/{room}/card.png": true,
}

// routes reads the requests that the server says it answers.
func routes(t *testing.T, w *world) []string {
	t.Helper()
	a := w.stranger(t).must(http.MethodGet, "/openapi.json", nil)
	paths, _ := a.json()["paths"].(object)
	var all []string
	for path, item := range paths {
		operations, _ := item.(object)
		for method := range operations {
			switch m := strings.ToUpper(method); m {
			case "GET", "PUT", "POST", "DELETE", "PATCH":
				if !strings.HasPrefix(path, "/api/v1") {
					path = "/api/v1" + path
				}
				all = append(all, m+" "+path)
			}
		}
	}
	return all
}

var wildcard = regexp.MustCompile(`\{[^}]*\}`)

func TestStrangersAreRefusedEverywhere(t *testing.T) {
	w := begin(t)
	room := w.founder().open("closed")
	all := routes(t, w)
	// The contract names these; a document that forgot them would let the walk below pass by them.
	for _, must := range []string{"GET /api/v1/me", "POST /api/v1/invitations", "GET /api/v1/hallway", "POST /api/v1/rooms", "GET /api/v1/rooms/{room}",
		"PUT /api/v1/rooms/{room}/seat", "POST /api/v1/rooms/{room}/whep", "POST /api/v1/rooms/{room}/whip", "PUT /api/v1/rooms/{room}/hand",
		"POST /api/v1/rooms/{room}/stage-invitations", "PUT /api/v1/rooms/{room}/participants/{account}/role", "DELETE /api/v1/rooms/{room}/participants/{account}",
		"DELETE /api/v1/rooms/{room}", "GET /api/v1/events", "DELETE /api/v1/sessions/current"} {
		if !contains(all, must) {
			t.Errorf("the OpenAPI document lacks %s", must)
		}
	}
	for _, route := range all {
		method, path, _ := strings.Cut(route, " ")
		path = strings.ReplaceAll(path, "{room}", room)
		path = wildcard.ReplaceAllString(path, w.founder().id)
		var body any
		if method != http.MethodGet && method != http.MethodDelete {
			body = object{}
		}
		if strings.HasSuffix(path, "/whip") || strings.HasSuffix(path, "/whep") {
			body = raw{"application/sdp", []byte("v=0\r\n")}
		}
		if route == "PUT /api/v1/me/photo" {
			body = raw{"image/png", []byte("no picture")}
		}
		if route == "PATCH /api/v1/rooms/{room}/sessions/{session}" {
			body = raw{"application/trickle-ice-sdpfrag", []byte("a=end-of-candidates\r\n")}
		}
		for _, p := range []*person{w.stranger(t), {t: t, server: w.server, name: "forger", token: "bt_" + strings.Repeat("0", 43)}} {
			a := p.call(method, path, body)
			switch {
			case strings.HasSuffix(route, "/guests"), strings.HasSuffix(route, "/card.png"), strings.HasSuffix(route, "/stream/{ticket}"):
				if a.status != http.StatusNotFound {
					t.Errorf("%s: %s: %s; want 404 for a room that lets no guests in, and for a ticket that was not given out", p.name, route, a)
				}
			case open[route]:
				if a.status == http.StatusUnauthorized && a.code() != "credentials_invalid" {
					t.Errorf("%s: %s: %s", p.name, route, a)
				}
			case a.status != http.StatusUnauthorized || a.code() != "unauthenticated":
				t.Errorf("%s: %s: %s; want 401 unauthenticated", p.name, route, a)
			}
		}
	}
	t.Logf("%d routes", len(all))
}

func contains(all []string, s string) bool {
	for _, x := range all {
		if x == s {
			return true
		}
	}
	return false
}

func TestWhatOneMayNotKnowOfDoesNotExist(t *testing.T) {
	w := begin(t)
	room := w.founder().open("closed")
	missing := strings.Repeat("0", len(room))
	other := w.member(3)
	offer := raw{"application/sdp", someOffer(t, recvonly, audio)}
	for _, r := range []struct {
		method, path string
		body         any
	}{
		{http.MethodGet, "", nil}, {http.MethodPut, "/seat", nil}, {http.MethodPut, "/hand", object{}}, {http.MethodPost, "/whep", offer}, {http.MethodPost, "/whip", offer},
		{http.MethodPatch, "", object{"title": "mine"}}, {http.MethodDelete, "", nil}, {http.MethodPost, "/stage-invitations", object{"account": other.id}},
		{http.MethodPost, "/guests", object{}}, {http.MethodPost, "/stage-invitations/accept", nil}, {http.MethodPut, "/participants/" + other.id + "/role", object{"role": "speaker"}},
		{http.MethodDelete, "/participants/" + w.founder().id + "?reason=noise", nil},
	} {
		hidden := other.call(r.method, "/rooms/"+room+r.path, r.body)
		absent := other.call(r.method, "/rooms/"+missing+r.path, r.body)
		if hidden.status != http.StatusNotFound || absent.status != http.StatusNotFound {
			t.Errorf("%s %s: a closed room answers %d %s, one that does not exist %d %s; want 404", r.method, r.path, hidden.status, hidden.body, absent.status, absent.body)
		} else if string(hidden.body) != string(absent.body) {
			t.Errorf("%s %s: told apart by\n%s%s", r.method, r.path, hidden.body, absent.body)
		}
	}
	if e := other.call(http.MethodGet, "/events?room="+room, nil); e.status != http.StatusNotFound {
		t.Errorf("events of a closed room: %d", e.status)
	}
}

func TestGuestsOnlyListenAndOnlyThere(t *testing.T) {
	w := begin(t)
	room := w.founder().open("open")
	elsewhere := w.member(5).open("open")
	guest := w.guest(t, room)
	offer, voice := raw{"application/sdp", someOffer(t, recvonly, audio)}, raw{"application/sdp", someOffer(t, sendonly, audio)}
	guest.must(http.MethodGet, "/rooms/"+room, nil)
	guest.must(http.MethodPost, "/rooms/"+room+"/whep", offer)
	for _, r := range []struct {
		method, path string
		body         any
	}{
		{http.MethodGet, "/rooms/" + elsewhere, nil}, {http.MethodPost, "/rooms/" + elsewhere + "/whep", offer}, {http.MethodPut, "/rooms/" + elsewhere + "/seat", nil},
		{http.MethodPost, "/rooms/" + room + "/whip", voice}, {http.MethodPut, "/rooms/" + room + "/hand", object{}}, {http.MethodPatch, "/rooms/" + room, object{"title": "mine"}},
		{http.MethodDelete, "/rooms/" + room, nil}, {http.MethodPost, "/rooms", object{"kind": "open"}}, {http.MethodPost, "/invitations", object{}}, {http.MethodGet, "/hallway", nil},
		{http.MethodGet, "/accounts?username=anna", nil}, {http.MethodPut, "/accounts/" + w.member(0).id + "/follow", nil},
	} {
		if a := guest.call(r.method, r.path, r.body); a.status != http.StatusForbidden && a.status != http.StatusNotFound {
			t.Errorf("a guest may: %s", a)
		}
	}
	if v := w.founder().room(room); v.Title != "Evening talk" {
		t.Errorf("title %q", v.Title)
	}
}
