package web_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"besedka/web"
)

func TestBadInputIsRefusedAndChangesNothing(t *testing.T) {
	w := oneWorld(t)
	anna, boris, vera := w.member("anna"), w.member("boris"), w.member("vera")
	room := anna.open("open")
	boris.must(200, "PUT", "/rooms/"+room+"/seat", nil)
	vera.must(200, "PUT", "/rooms/"+room+"/seat", nil)
	before := anna.must(200, "GET", "/rooms/"+room, nil)
	here := "/rooms/" + room
	json := func(s string) raw { return raw{"application/json", s} }
	sdp := func(s string) raw { return raw{"application/sdp", s} }
	good := offer(t, receives)
	drop := func(prefix string) raw {
		var kept []string
		for _, line := range strings.SplitAfter(good, "\n") {
			if !strings.HasPrefix(line, prefix) {
				kept = append(kept, line)
			}
		}
		return sdp(strings.Join(kept, ""))
	}
	long := strings.Repeat("я", 10000)
	for _, c := range []struct {
		name, method, path string
		body               any
		status             int
		code, field        string
	}{
		{"no body", "POST", "/rooms", nil, 400, "invalid_request", ""},
		{"half a JSON", "POST", "/rooms", json(`{"title":`), 400, "invalid_request", ""},
		{"not UTF-8", "POST", "/rooms", json("{\"title\":\"\xff\",\"kind\":\"open\"}"), 400, "invalid_request", ""},
		{"an array", "POST", "/rooms", json(`[]`), 422, "invalid_request", ""},
		{"null", "POST", "/rooms", json(`null`), 422, "invalid_request", ""},
		{"a number for text", "POST", "/rooms", json(`{"title":7,"kind":"open"}`), 422, "invalid_request", "title"},
		{"a missing field", "POST", "/rooms", json(`{"title":"x"}`), 422, "invalid_request", "kind"},
		{"deep JSON", "POST", "/rooms", json(strings.Repeat("[", 30000) + strings.Repeat("]", 30000)), 400, "invalid_request", ""},
		{"large JSON", "POST", "/rooms", json(`{"kind":"` + strings.Repeat("x", 64<<10) + `"}`), 413, "payload_too_large", ""},
		{"huge JSON", "POST", "/rooms", json(`{"kind":"` + strings.Repeat("x", 1<<20) + `"}`), 413, "payload_too_large", ""},
		{"a form", "POST", "/rooms", raw{"application/x-www-form-urlencoded", "kind=open"}, 415, "unsupported_media_type", ""},
		{"text", "POST", "/rooms", raw{"text/plain", `{"kind":"open"}`}, 415, "unsupported_media_type", ""},
		{"nonsense for a type", "POST", "/rooms", raw{"a/b/c;;", `{"kind":"open"}`}, 415, "unsupported_media_type", ""},
		{"text where nothing is wanted", "PUT", here + "/mute", raw{"text/plain", "x"}, 415, "unsupported_media_type", ""},
		{"an unknown kind", "POST", "/rooms", object{"kind": "secret"}, 422, "kind_invalid", "kind"},
		{"a long title", "PATCH", here, object{"title": long}, 422, "title_invalid", "title"},
		{"a control character", "PATCH", here, object{"title": "a\u0007b"}, 422, "title_invalid", "title"},
		{"an unknown hand setting", "PATCH", here, object{"hands": "some"}, 422, "hands_invalid", "hands"},
		{"a long note", "PUT", here + "/hand", object{"note": long}, 422, "note_invalid", "note"},
		{"a list for a note", "PUT", here + "/hand", object{"note": []int{1}}, 422, "invalid_request", "note"},
		{"too many people", "POST", "/rooms", object{"kind": "open", "invite": make([]string, 101)}, 409, "too_many_picks", "invite"},
		{"nobody", "POST", here + "/stage-invitations", object{}, 422, "invalid_request", "account"},
		{"an unknown role", "PUT", here + "/participants/" + boris.id + "/role", object{"role": "king"}, 422, "role_invalid", "role"},
		{"an unknown reason", "DELETE", here + "/participants/" + boris.id + "?reason=because", nil, 422, "reason_invalid", "reason"},
		{"a long reason", "DELETE", here + "/participants/" + boris.id + "?reason=noise&note=" + strings.Repeat("x", 281), nil, 422, "note_invalid", "note"},
		{"no username", "GET", "/accounts", nil, 422, "invalid_request", "username"},
		{"an empty offer", "POST", here + "/whep", sdp(""), 400, "sdp_invalid", ""},
		{"text for an offer", "POST", here + "/whep", sdp("hello"), 400, "sdp_invalid", ""},
		{"half an offer", "POST", here + "/whep", sdp(good[:len(good)/3]), 400, "sdp_invalid", ""},
		{"bytes for an offer", "POST", here + "/whep", sdp("\xff\x00\xff"), 400, "sdp_invalid", ""},
		{"no ICE credentials", "POST", here + "/whep", drop("a=ice-"), 400, "sdp_invalid", ""},
		{"no fingerprint", "POST", here + "/whep", drop("a=fingerprint"), 400, "sdp_invalid", ""},
		{"video", "POST", here + "/whep", sdp(strings.ReplaceAll(good, "m=audio", "m=video")), 400, "sdp_invalid", ""},
		{"an offer as JSON", "POST", here + "/whep", object{"sdp": good}, 415, "unsupported_media_type", ""},
		{"an offer without a type", "POST", here + "/whep", raw{"", good}, 415, "unsupported_media_type", ""},
		{"a huge offer", "POST", here + "/whep", sdp(good + strings.Repeat("a=x:y\r\n", 1<<20/7)), 413, "payload_too_large", ""},
	} {
		begin := time.Now()
		who := anna
		if strings.HasSuffix(c.path, "/hand") {
			who = vera // the host has no hand to raise
		}
		a := who.refused(c.status, c.code, c.method, c.path, c.body)
		if field, _ := a.json()["field"].(string); field != c.field {
			t.Errorf("%s: field %q, want %q", c.name, field, c.field)
		}
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("%s took %s", c.name, took)
		}
	}
	if after := anna.must(200, "GET", "/rooms/"+room, nil); !bytes.Equal(before.body, after.body) {
		t.Errorf("the room has changed:\n%s%s", before.body, after.body)
	}
}

func TestUnknownFieldsAreIgnored(t *testing.T) {
	w := oneWorld(t)
	anna := w.member("anna")
	anna.must(201, "POST", "/rooms", object{"kind": "open", "of_a_newer_client": true})
	anna.must(201, "POST", "/rooms", raw{"application/json; charset=utf-8", `{"kind":"open"}`})
}

func TestSlowBodiesAreCutAndLargeHeadersRefused(t *testing.T) {
	w := oneWorld(t, func(_ *web.Deps, s *http.Server) {
		if s != nil {
			s.ReadTimeout, s.ReadHeaderTimeout = 300*time.Millisecond, 300*time.Millisecond
		}
	})
	anna := w.member("anna")
	c := w.dial()
	fmt.Fprintf(c, "POST /api/v1/rooms/x/whep HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/sdp\r\nContent-Length: 1000\r\n\r\nv=0", anna.token)
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || res.StatusCode != 408 {
		t.Errorf("a body that does not come: %v %v", res, err)
	}
	c = w.dial()
	fmt.Fprintf(c, "GET /api/v1/me HTTP/1.1\r\nHost: x\r\nX-Large: %s\r\n\r\n", strings.Repeat("x", 64<<10))
	res, err = http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || res.StatusCode != 431 {
		t.Errorf("a large header: %v %v", res, err)
	}
	c = w.dial()
	fmt.Fprint(c, "GET /api/v1/me HTTP/1.1\r\nHost: x\r\nX-Slow: ")
	if _, err := io.ReadAll(c); err != nil {
		t.Errorf("a header that does not come: %v", err)
	}
}

// dial connects to the server as something that is no browser.
func (w *world) dial() net.Conn {
	w.t.Helper()
	c, err := net.Dial("tcp", w.http.Listener.Addr().String())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		w.t.Fatal(err)
	}
	return c
}

func TestForwardedAddressesAreBelievedOfTrustedProxiesOnly(t *testing.T) {
	// Each person behind a trusted proxy has a budget of their own; behind a
	// stranger who claims to be one, all of them share the stranger's.
	for trusted, wantAll := range map[bool]bool{true: true, false: false} {
		w := oneWorld(t, func(d *web.Deps, _ *http.Server) {
			if trusted {
				d.TrustedProxies = loopback
			}
		})
		all := true
		for i := range 300 {
			p := w.stranger().with("X-Forwarded-For", fmt.Sprintf("203.0.113.%d", i%250))
			all = all && p.ask("GET", "/me", nil).status == 401
		}
		if all != wantAll {
			t.Errorf("trusted %v: all within budget %v", trusted, all)
		}
	}
}
