package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"besedka"
)

// bare is a server without anything behind it.
func bare(t *testing.T, dir fstest.MapFS) *Server {
	t.Helper()
	s := New(Deps{URL: &url.URL{Scheme: "http", Host: "localhost"}, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	c, err := newClient(dir)
	if err != nil {
		t.Fatal(err)
	}
	s.client = c
	return s
}

func built(t *testing.T) *Server {
	t.Helper()
	return bare(t, fstest.MapFS{
		".gitkeep": {}, "index.html": {Data: []byte("<!doctype html>page")}, "index.html.br": {Data: []byte("br page")},
		"assets/main-1a2b.js": {Data: []byte("script")}, "assets/main-1a2b.js.gz": {Data: []byte("gz script")}, "assets/main-1a2b.js.br": {Data: []byte("br script")},
		"favicon.svg": {Data: []byte("<svg/>")}, "manifest.webmanifest": {Data: []byte("{}")},
	})
}

func get(s *Server, method, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w
}

func TestEveryPageIsTheClient(t *testing.T) {
	s := built(t)
	for _, path := range []string{"/", "/index.html", "/join/abc", "/room/xyz", "/listen/xyz", "/sign-in", "/people/anna", "/settings", "/settings/sessions", "/apiary"} {
		w := get(s, "GET", path)
		if w.Code != 200 || w.Body.String() != "<!doctype html>page" || w.Header().Get("Content-Type") != "text/html; charset=utf-8" ||
			w.Header().Get("Cache-Control") != "no-cache" || !strings.Contains(w.Header().Get("Content-Security-Policy"), "script-src 'self'") {
			t.Errorf("%s: %d %v %s", path, w.Code, w.Header(), w.Body)
		}
	}
	for _, path := range []string{"/assets/gone-9f.js", "/robots.txt", "/.gitkeep", "/favicon.svg.br", "/index.html.br"} {
		if w := get(s, "GET", path); w.Code != 404 {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	if w := get(s, "POST", "/"); w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST /: %d", w.Code)
	}
}

func TestFilesAreSentInTheBestCodingAndKeptForEver(t *testing.T) {
	s := built(t)
	const path = "/assets/main-1a2b.js"
	for accept, want := range map[string]string{
		"": "script", "gzip": "gz script", "gzip, deflate, br, zstd": "br script", "br;q=0, gzip": "gz script", "br;q=0.0": "script",
		"br;q=0.5": "br script", "identity": "script", "*;q=0": "script",
	} {
		w := get(s, "GET", path, "Accept-Encoding", accept)
		if w.Body.String() != want || w.Header().Get("Vary") != "Accept-Encoding" || (w.Header().Get("Content-Encoding") == "") != (want == "script") ||
			w.Header().Get("Content-Length") != fmt.Sprint(len(want)) || w.Header().Get("Content-Type") != "text/javascript; charset=utf-8" {
			t.Errorf("%q: %v %s", accept, w.Header(), w.Body)
		}
		if !strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("an asset with a hash in its name is not kept: %v", w.Header())
		}
	}
	tag := get(s, "GET", "/").Header().Get("ETag")
	for _, header := range []string{tag, "W/" + tag, `"x", ` + tag, "*"} {
		if w := get(s, "GET", "/", "If-None-Match", header); w.Code != 304 || w.Body.Len() != 0 {
			t.Errorf("If-None-Match %s: %d", header, w.Code)
		}
	}
	if w := get(s, "GET", "/", "If-None-Match", `"x"`); w.Code != 200 {
		t.Errorf("another tag: %d", w.Code)
	}
	if w := get(s, "HEAD", "/"); w.Code != 200 || w.Body.Len() != 0 {
		t.Errorf("HEAD: %d %s", w.Code, w.Body)
	}
	for path, kind := range map[string]string{"/favicon.svg": "image/svg+xml", "/manifest.webmanifest": "application/manifest+json"} {
		if got := get(s, "GET", path).Header().Get("Content-Type"); got != kind {
			t.Errorf("%s is %s", path, got)
		}
	}
}

func TestProgramWithoutClientSaysSo(t *testing.T) {
	s := bare(t, fstest.MapFS{".gitkeep": {}})
	for accept, want := range map[string]string{"": "Besedka is running", "ru": "Беседка работает"} {
		if w := get(s, "GET", "/room/x", "Accept-Language", accept); w.Code != 200 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%q: %d %s", accept, w.Code, w.Body)
		}
	}
}

func TestFaultInOneRequestIsAnswered(t *testing.T) {
	s := built(t)
	s.access["GET /api/v1/fault"] = byStrangers
	s.mux.HandleFunc("GET /api/v1/fault", func(http.ResponseWriter, *http.Request) { panic("secret cause") })
	w := get(s, "GET", "/api/v1/fault")
	if w.Code != 500 || !strings.Contains(w.Body.String(), `"code":"internal"`) || strings.Contains(w.Body.String(), "secret") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestRouteThatTheTableForgotIsClosed(t *testing.T) {
	s := built(t)
	s.mux.HandleFunc("GET /api/v1/forgotten", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "open") })
	if w := get(s, "GET", "/api/v1/forgotten"); w.Code != 401 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestUnhealthyWithoutDatabase(t *testing.T) {
	s := built(t)
	s.Ping = func(context.Context) error { return errors.New("away") }
	if w := get(s, "GET", "/healthz"); w.Code != 503 || strings.Contains(w.Body.String(), "away") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestAddressIsThePeersUnlessATrustedProxySaysOtherwise(t *testing.T) {
	s := built(t)
	s.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	for _, c := range []struct{ peer, forwarded, want string }{
		{"198.51.100.7:1", "", "198.51.100.7"},
		{"198.51.100.7:1", "203.0.113.9", "198.51.100.7"},
		{"10.0.0.1:1", "", "10.0.0.1"},
		{"10.0.0.1:1", "203.0.113.9", "203.0.113.9"},
		{"10.0.0.1:1", "1.1.1.1, 203.0.113.9, 10.0.0.2", "203.0.113.9"},
		{"10.0.0.1:1", "1.1.1.1, nonsense", "10.0.0.1"},
		{"[::1]:1", "2001:db8::5", "2001:db8::5"},
		{"[::ffff:10.0.0.1]:1", "203.0.113.9", "203.0.113.9"},
		{"nonsense", "203.0.113.9", "0.0.0.0"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.peer
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		if got := s.address(r).String(); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

func TestBudgetIsSpentGivenBackAndBounded(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	b := newBudget(func() time.Time { return now }, 2, 3)
	spent := func(caller string) (n int) {
		for b.spend(caller) == nil {
			n++
		}
		return n
	}
	if n := spent("anna"); n != 3 {
		t.Errorf("%d at once", n)
	}
	var e *besedka.Error
	if err := b.spend("anna"); !errors.As(err, &e) || e.RetryAfter != 500*time.Millisecond {
		t.Errorf("%v", err)
	}
	if n := spent("boris"); n != 3 {
		t.Errorf("another caller has %d", n)
	}
	now = now.Add(time.Second)
	if n := spent("anna"); n != 2 {
		t.Errorf("%d after a second", n)
	}
	for i := range 3 * budgetParts * maxBudgets {
		_ = b.spend(fmt.Sprint("caller ", i))
	}
	total := 0
	for i := range b.parts {
		total += len(b.parts[i].callers)
	}
	if total > budgetParts*maxBudgets {
		t.Errorf("%d callers are remembered", total)
	}
}

func TestHouseholdsShareABudget(t *testing.T) {
	for address, want := range map[string]string{
		"203.0.113.9": "203.0.113.9", "::ffff:203.0.113.9": "203.0.113.9", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64",
	} {
		if got := addressKey(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: %s", address, got)
		}
	}
}
