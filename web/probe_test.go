package web_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"besedka/web"
)

func TestAConnectionTestIsOnesOwnAndShort(t *testing.T) {
	var mu sync.Mutex
	ahead := time.Duration(0)
	now := func() time.Time { mu.Lock(); defer mu.Unlock(); return time.Now().Add(ahead) }
	w := oneWorld(t, withRelay, func(d *web.Deps, _ *http.Server) { d.Now = now })
	anna, boris := w.member("anna"), w.member("boris")
	down := raw{"application/sdp", offer(t, receives)}
	w.stranger().refused(401, "unauthenticated", "POST", "/connection-tests", nil)
	first := anna.must(201, "POST", "/connection-tests", nil)
	if servers := first.json()["ice_servers"].([]any); len(servers) != 1 {
		t.Errorf("%s", first.body)
	}
	path := "/connection-tests/" + first.text("id") + "/whep"
	a := anna.must(201, "POST", path, down)
	session := strings.TrimPrefix(a.header.Get("Location"), "/api/v1")
	boris.refused(404, "not_found", "POST", path, down)
	boris.refused(404, "not_found", "DELETE", session, nil)
	anna.must(200, "DELETE", session, nil)
	// It is no room: nobody finds it, nobody is in it.
	anna.refused(404, "not_found", "GET", "/rooms/"+first.text("id"), nil)
	anna.refused(404, "not_found", "PUT", "/rooms/"+first.text("id")+"/seat", nil)
	anna.refused(404, "not_found", "GET", "/events?room="+first.text("id"), nil)
	anna.refused(404, "not_found", "GET", "/rooms/"+first.text("id")+"/ice-servers", nil)
	if _, _, seated := w.rooms.SeatOf(participant(anna.id)); seated {
		t.Error("a test took a seat")
	}
	// A new one ends the old, and time ends each.
	second := anna.must(201, "POST", "/connection-tests", nil).text("id")
	anna.refused(404, "not_found", "POST", path, down)
	late := anna.must(201, "POST", "/connection-tests/"+second+"/whep", down).header.Get("Location")
	mu.Lock()
	ahead = 2 * time.Minute
	mu.Unlock()
	anna.refused(404, "not_found", "POST", "/connection-tests/"+second+"/whep", down)
	boris.must(201, "POST", "/connection-tests", nil) // whoever comes next sweeps
	anna.refused(404, "not_found", "DELETE", strings.TrimPrefix(late, "/api/v1"), nil)
}

func TestConnectionTestsAreBudgeted(t *testing.T) {
	w := oneWorld(t)
	anna := w.member("anna")
	refused := 0
	for range 10 {
		if anna.ask("POST", "/connection-tests", nil).status == 429 {
			refused++
		}
	}
	if refused < 3 {
		t.Errorf("of 10 tests at once %d were refused", refused)
	}
}
