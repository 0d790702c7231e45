package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"besedka/web"
)

// forStrangers are the routes that need no credential.
var forStrangers = map[string]bool{
	"GET /instance": true, "GET /openapi.json": true, "POST /sessions": true, "POST /accounts": true,
	"POST /invitations/preview": true, "GET /photos/{photo}/{size}": true, "POST /rooms/{room}/guests": true, "GET /rooms/{room}/card.png": true,
	"GET /rooms/{room}/stream/{ticket}": true, // the ticket says who it is
	"OPTIONS /rooms/{room}/whep":        true, "OPTIONS /rooms/{room}/whip": true, "OPTIONS /rooms/{room}/sessions/{session}": true,
}

// forGuests are the routes that guests may use besides.
var forGuests = map[string]bool{
	"GET /me": true, "DELETE /sessions/current": true, "GET /rooms/{room}": true, "PUT /rooms/{room}/seat": true, "DELETE /rooms/{room}/seat": true,
	"POST /rooms/{room}/whep": true, "POST /rooms/{room}/whip": true, "DELETE /rooms/{room}/sessions/{session}": true,
	"PATCH /rooms/{room}/sessions/{session}": true, "GET /events": true, "GET /rooms/{room}/ice-servers": true,
	"POST /rooms/{room}/stream": true, "POST /connection-tests": true, "POST /connection-tests/{room}/whep": true,
}

// allRoutes lists the API out of its own document.
func allRoutes(t *testing.T) []string {
	t.Helper()
	text, err := web.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	var all []string
	for path, methods := range doc.Paths {
		for method := range methods {
			all = append(all, strings.ToUpper(method)+" "+strings.TrimPrefix(path, "/api/v1"))
		}
	}
	if len(all) < 50 {
		t.Fatalf("only %d routes", len(all))
	}
	return all
}

var placeholder = regexp.MustCompile(`\{[a-z]+\}`)

// ready fills a route's ids and gives it a body that its checks let pass.
func ready(route, room string) (method, path string, body any) {
	method, path, _ = strings.Cut(route, " ")
	path = strings.ReplaceAll(path, "{room}", room)
	path = placeholder.ReplaceAllString(path, strings.Repeat("0", 26))
	switch {
	case strings.HasSuffix(path, "/whip"), strings.HasSuffix(path, "/whep"):
		body = raw{"application/sdp", "v=0"}
	case strings.HasSuffix(path, "/photo"):
		body = raw{"image/png", "no picture"}
	case method == "PATCH" && strings.Contains(path, "/sessions/"):
		body = raw{"application/trickle-ice-sdpfrag", "a=end-of-candidates"}
	case method == "POST" || method == "PUT" || method == "PATCH":
		body = object{}
	}
	return method, path, body
}

func TestEveryRouteIsClosedToStrangersUnlessTheTableOpensIt(t *testing.T) {
	var later atomic.Int64 // the table is longer than what one address may ask at once
	w := oneWorld(t, func(d *web.Deps, _ *http.Server) {
		d.Now = func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	})
	room := w.member("anna").open("closed")
	forger := &person{w: w, token: "bs_" + strings.Repeat("A", 43)}
	cookie := &person{w: w, cookie: "besedka=bs_" + strings.Repeat("A", 43)}
	open := 0
	for _, route := range allRoutes(t) {
		later.Add(int64(time.Second))
		method, path, body := ready(route, room)
		if forStrangers[route] {
			open++
			if a := w.stranger().ask(method, path, body); a.status == 401 {
				t.Errorf("%s is closed to strangers", route)
			}
			continue
		}
		var first answer
		for i, p := range []*person{w.stranger(), forger, cookie} {
			a := p.refused(401, "unauthenticated", method, path, body)
			if a.header.Get("WWW-Authenticate") == "" {
				t.Errorf("%s: no WWW-Authenticate", route)
			}
			if i == 0 {
				first = a
			} else if !bytes.Equal(a.body, first.body) {
				t.Errorf("%s: a wrong token is told apart from none", route)
			}
		}
	}
	if open != len(forStrangers) {
		t.Errorf("%d routes are open, want %d", open, len(forStrangers))
	}
	w.stranger().refused(404, "not_found", "POST", "/rooms/"+room+"/guests", nil)
}

func TestGuestsMayOnlyListenToTheirRoom(t *testing.T) {
	w := oneWorld(t)
	anna := w.member("anna")
	room := anna.open("open")
	elsewhere := w.member("boris").open("open")
	guest := w.guest(room)
	for _, route := range allRoutes(t) {
		if forStrangers[route] || forGuests[route] {
			continue
		}
		method, path, body := ready(route, room)
		guest.refused(403, "guests_only_listen", method, path, body)
	}
	me := guest.must(200, "GET", "/me", nil).json()
	if me["guest"] != true || me["room"] != room || !strings.HasPrefix(me["id"].(string), "guest-") {
		t.Errorf("a guest is %v", me)
	}
	guest.must(200, "PUT", "/rooms/"+room+"/seat", nil)
	guest.refused(404, "not_found", "GET", "/rooms/"+elsewhere, nil)
	guest.refused(404, "not_found", "PUT", "/rooms/"+elsewhere+"/seat", nil)
	guest.refused(404, "not_found", "GET", "/events?room="+elsewhere, nil)
	guest.refused(403, "not_on_stage", "POST", "/rooms/"+room+"/whip", raw{"application/sdp", offer(t, sends)})
	guest.must(204, "DELETE", "/sessions/current", nil)
	guest.refused(401, "unauthenticated", "GET", "/me", nil)
}

func TestWhatOneMayNotKnowOfIsTheSameBytesAsWhatIsNot(t *testing.T) {
	w := oneWorld(t)
	room := w.member("anna").open("closed")
	boris := w.member("boris")
	own := boris.open("open")
	want := boris.must(404, "GET", "/rooms/"+strings.Repeat("0", 26), nil).body
	for _, a := range []answer{
		boris.ask("GET", "/rooms/"+room, nil), boris.ask("GET", "/rooms/x", nil), boris.ask("GET", "/rooms/"+strings.Repeat("x", 3000), nil),
		boris.ask("GET", "/rooms/%00", nil), boris.ask("GET", "/rooms/..%2f..%2fme", nil), boris.ask("PUT", "/rooms/"+room+"/seat", nil),
		boris.ask("POST", "/rooms/"+room+"/whep", raw{"application/sdp", offer(t, receives)}),
		boris.ask("POST", "/rooms/"+room+"/whip", raw{"application/sdp", offer(t, sends)}),
		boris.ask("GET", "/events?room="+room, nil), boris.ask("GET", "/events?room=%22", nil), boris.ask("GET", "/accounts/nobody", nil),
		boris.ask("GET", "/accounts?username=nobody", nil), boris.ask("DELETE", "/sessions/"+room, nil), boris.ask("DELETE", "/invitations/x", nil),
		boris.ask("GET", "/no/such/thing", nil), boris.ask("POST", "/rooms/"+room+"/guests", nil), boris.ask("GET", "/accounts/"+boris.id+"x/following", nil),
		boris.ask("DELETE", "/rooms/"+own+"/participants/nobody?reason=noise", nil), boris.ask("POST", "/rooms/"+own+"/invites", object{"account": "nobody"}),
	} {
		if a.status != 404 || !bytes.Equal(a.body, want) {
			t.Errorf("%d %s, want %s", a.status, a.body, want)
		}
	}
}

func TestUnknownMethodsAreRefused(t *testing.T) {
	w := oneWorld(t)
	anna := w.member("anna")
	for request, allow := range map[string]string{
		"PUT /me": "GET, PATCH", "DELETE /hallway": "GET", "PATCH /accounts": "GET, POST", "TRACE /rooms": "POST", "GET /rooms/x/seat": "PUT, DELETE",
	} {
		method, path, _ := strings.Cut(request, " ")
		a := anna.refused(405, "method_not_allowed", method, path, nil)
		if got := a.header.Get("Allow"); got != allow {
			t.Errorf("%s: Allow %q, want %q", request, got, allow)
		}
	}
}

// TestForgedRequestsOfOtherSitesAreRefused sends every unsafe request with a
// cookie as a browser would that was sent by another site.
func TestForgedRequestsOfOtherSitesAreRefused(t *testing.T) {
	w := oneWorld(t)
	anna := w.member("anna")
	room := anna.open("open")
	victim := w.signIn("anna")
	forged := []map[string]string{
		{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "http://sub.localhost:8080"}, {"Origin": "https://localhost:8080"},
		{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site", "Origin": "http://sub.localhost:8080"},
		{"Origin": "https://evil.example", "Content-Type": "text/plain"}, {"Sec-Fetch-Site": "cross-site", "Content-Type": "application/x-www-form-urlencoded"},
	}
	for _, route := range allRoutes(t) {
		method, path, body := ready(route, room)
		if method == "GET" || method == "OPTIONS" {
			continue
		}
		for _, headers := range forged {
			p := *victim
			p.header = headers
			p.refused(403, "cross_origin", method, path, body)
		}
	}
	for _, headers := range []map[string]string{
		{"Sec-Fetch-Site": "same-origin"}, {"Origin": "http://localhost:8080"}, {"Sec-Fetch-Site": "none"}, {},
	} {
		p := *victim
		p.header = headers
		p.must(204, "PUT", "/rooms/"+room+"/mute", nil)
	}
	// A bearer token is nothing that a browser sends by itself.
	anna.with("Origin", "https://player.example").must(204, "PUT", "/rooms/"+room+"/mute", nil)
}

// signIn signs in as a browser does and gives somebody with the cookie.
func (w *world) signIn(username string) *person {
	w.t.Helper()
	a := w.stranger().must(201, "POST", "/sessions", object{"username": username, "password": passphrase})
	cookie, _, _ := strings.Cut(a.header.Get("Set-Cookie"), ";")
	return &person{w: w, cookie: cookie, id: a.text("id")}
}

func TestForeignPlayersMayUseTokensAndNeverCookies(t *testing.T) {
	w := oneWorld(t)
	anna := w.member("anna")
	room := anna.open("open")
	browser := w.signIn("anna")
	path := "/rooms/" + room + "/whep"
	pre := w.stranger().with("Origin", "https://player.example").must(204, "OPTIONS", path, nil)
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin": "*", "Accept-Post": "application/sdp", "Access-Control-Allow-Headers": "Authorization, Content-Type, If-Match",
		"Access-Control-Allow-Methods": "POST, OPTIONS", "Access-Control-Allow-Credentials": "",
	} {
		if got := pre.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	a := anna.with("Origin", "https://player.example").must(201, "POST", path, raw{"application/sdp", offer(t, receives)})
	if a.header.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(a.header.Get("Access-Control-Expose-Headers"), "Location") {
		t.Error("a foreign player cannot read the answer")
	}
	browser.with("Origin", "https://player.example").refused(403, "cross_origin", "POST", path, raw{"application/sdp", offer(t, receives)})
	for _, a := range []answer{browser.ask("POST", path, raw{"application/sdp", offer(t, receives)}), anna.ask("GET", "/me", nil)} {
		if got := a.header.Get("Access-Control-Allow-Origin"); got != "" {
			t.Errorf("another site may read %d %.20s", a.status, a.body)
		}
	}
}

func TestCookieIsAsSafeAsTheAddressAllows(t *testing.T) {
	for scheme, want := range map[string]string{
		"https": "__Host-besedka=bs_; Path=/; Max-Age=15552000; HttpOnly; Secure; SameSite=Lax",
		"http":  "besedka=bs_; Path=/; Max-Age=15552000; HttpOnly; SameSite=Lax",
	} {
		w := oneWorld(t, func(d *web.Deps, _ *http.Server) { d.URL = &url.URL{Scheme: scheme, Host: "talk.example"} })
		w.member("anna")
		a := w.stranger().must(201, "POST", "/sessions", object{"username": "anna", "password": passphrase})
		got := regexp.MustCompile(`bs_[^;]*`).ReplaceAllString(a.header.Get("Set-Cookie"), "bs_")
		if got != want {
			t.Errorf("%s: %s, want %s", scheme, got, want)
		}
		if hsts := a.header.Get("Strict-Transport-Security") != ""; hsts != (scheme == "https") {
			t.Errorf("%s: HSTS %v", scheme, hsts)
		}
	}
}

func TestAnswersCarryTheHeadersThatProtectThem(t *testing.T) {
	w := oneWorld(t)
	for _, path := range []string{"/instance", "/me", "//", "//healthz", "/nothing"} {
		h := w.stranger().ask("GET", path, nil).header
		csp := h.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: policy %q", path, csp)
		}
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
		} {
			if h.Get(name) != want {
				t.Errorf("%s: %s %q", path, name, h.Get(name))
			}
		}
		if !strings.Contains(h.Get("Permissions-Policy"), "microphone=(self)") {
			t.Errorf("%s: permissions %q", path, h.Get("Permissions-Policy"))
		}
	}
}

func TestRevokedCredentialIsUselessBeforeTheReply(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		anna := w.member("anna")
		browser, thief := w.signIn("anna"), w.signIn("anna")
		room := thief.open("open")
		stream := thief.events(t, "/events?room="+room)
		stream.next("hello")
		stolen := ""
		for _, one := range thief.must(200, "GET", "/sessions", nil).json()["sessions"].([]any) {
			if one := one.(object); one["current"] == true {
				stolen = one["id"].(string)
			}
		}
		w.member("boris").refused(404, "not_found", "DELETE", "/sessions/"+stolen, nil)
		browser.must(204, "DELETE", "/sessions/"+stolen, nil)
		thief.refused(401, "unauthenticated", "GET", "/me", nil)
		if _, _, seated := w.rooms.SeatOf(participant(anna.id)); seated {
			t.Error("the revoked credential still holds a seat")
		}
		stream.ends()
		browser.must(200, "GET", "/me", nil)
	})
}

func TestSuspendedAccountIsRefusedAtOnce(t *testing.T) {
	w := oneWorld(t)
	anna := w.member("anna")
	room := anna.open("open")
	stream := anna.events(t, "/events?room="+room)
	stream.next("hello")
	if err := w.accounts.Suspend(context.Background(), "anna", "rule", "facts", nil); err != nil {
		t.Fatal(err)
	}
	stream.ends()
	anna.refused(401, "unauthenticated", "GET", "/me", nil)
	w.stranger().refused(403, "account_suspended", "POST", "/sessions", object{"username": "anna", "password": passphrase})
}

func TestSigningUpInviteAndSignOut(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		anna := w.member("anna")
		invitation := anna.must(201, "POST", "/invitations", object{"note": "Come in"}).json()
		for _, form := range []any{invitation["code"], invitation["url"]} {
			p := w.stranger().must(200, "POST", "/invitations/preview", object{"invitation": form}).json()
			if p["note"] != "Come in" || p["nominator"].(object)["username"] != "anna" {
				t.Errorf("preview %v", p)
			}
		}
		form := object{"invitation": invitation["code"], "username": "vera", "name": "Вера", "password": passphrase}
		a := w.stranger().must(201, "POST", "/accounts", form)
		me := a.json()
		if me["name"] != "Вера" || me["nominated_by"].(object)["username"] != "anna" || me["invitations_left"] != 2.0 || me["room"] != nil {
			t.Errorf("signed up as %v", me)
		}
		form["username"] = "vera2"
		w.stranger().refused(404, "invitation_invalid", "POST", "/accounts", form)
		cookie, _, _ := strings.Cut(a.header.Get("Set-Cookie"), ";")
		vera := &person{w: w, cookie: cookie, id: me["id"].(string)}
		vera.must(204, "PUT", "/accounts/"+anna.id+"/follow", nil)
		profile := vera.must(200, "GET", "/accounts?username=anna", nil).json()["account"].(object)
		if profile["followed"] != true || profile["follows_me"] != false || profile["followers"] != 1.0 || profile["id"] != anna.id {
			t.Errorf("profile %v", profile)
		}
		if list := vera.must(200, "GET", "/accounts/"+vera.id+"/following", nil).json()["accounts"].([]any); len(list) != 1 {
			t.Errorf("following %v", list)
		}
		vera.must(204, "DELETE", "/accounts/"+anna.id+"/follow", nil)
		out := vera.must(204, "DELETE", "/sessions/current", nil)
		if c := out.header.Get("Set-Cookie"); !strings.Contains(c, "Max-Age=0") {
			t.Errorf("signing out leaves the cookie: %q", c)
		}
		vera.refused(401, "unauthenticated", "GET", "/me", nil)
		// An old cookie keeps nobody from signing in again.
		vera.must(201, "POST", "/sessions", object{"username": "vera", "password": passphrase})
		w.stranger().refused(401, "credentials_invalid", "POST", "/sessions", object{"username": "vera", "password": "not it, not it, not it"})
		w.stranger().refused(401, "credentials_invalid", "POST", "/sessions", object{"username": "nobody", "password": "not it, not it, not it"})
	})
}

func TestProblemsSpeakTheLanguageAskedFor(t *testing.T) {
	w := oneWorld(t)
	en := w.stranger().ask("GET", "/me", nil).json()
	ru := w.stranger().with("Accept-Language", "ru-RU,ru;q=0.9").ask("GET", "/me", nil).json()
	if en["code"] != ru["code"] || en["detail"] != "Sign in first." || ru["detail"] != "Сначала войдите." || ru["title"] != "Нужен вход" {
		t.Errorf("%v %v", en, ru)
	}
}

func TestProfilesCannotBeHarvested(t *testing.T) {
	w := oneWorld(t)
	anna := w.member("anna")
	read := 0
	for i := range 500 {
		a := anna.ask("GET", fmt.Sprintf("/accounts/%026d", i), nil)
		if a.status == 429 {
			if a.code() != "too_many_requests" || a.header.Get("Retry-After") == "" {
				t.Errorf("%s", a.body)
			}
			break
		}
		read++
	}
	if read > 400 {
		t.Errorf("%d profiles were read at once", read)
	}
}
