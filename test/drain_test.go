package test

import (
	"net/http"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// drained is how soon a server that was asked to end must have ended.
const drained = 10 * time.Second

func TestStoppingServerSendsEverybodyAwayInOrder(t *testing.T) {
	w := begin(t)
	host, listener := w.founder(), w.member(1)
	room := host.open("open")
	host.speak(room)
	w.member(0).enter(room)
	listener.enter(room)
	e := listener.listen(room, 3)
	e.untilHeard(host.csrcOf(room, host))
	var streams []*stream
	for range 8 {
		streams = append(streams, listener.events(room, ""))
	}
	c, ended := w.cmd, w.ended
	asked := time.Now()
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	times := map[float64]bool{}
	for _, s := range streams {
		retry, _ := s.until("server_stopping").Data["retry_ms"].(float64)
		if retry < 0 || retry > 5000 {
			t.Errorf("come back after %v ms", retry)
		}
		times[retry] = true
	}
	if len(times) < 2 {
		t.Errorf("everybody is to come back in the same moment: %v", times)
	}
	// What begins is refused, what is there goes on.
	for _, r := range []struct {
		method, path string
		body         any
	}{
		{http.MethodPost, "/rooms", object{"title": "Too late", "kind": "open"}},
		{http.MethodPut, "/rooms/" + room + "/seat", nil},
		{http.MethodGet, "/events", nil},
	} {
		a := w.member(2).refused(http.StatusServiceUnavailable, "server_stopping", r.method, r.path, r.body)
		if after, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || after < 1 {
			t.Errorf("%s %s: Retry-After %q", r.method, r.path, a.header.Get("Retry-After"))
		}
	}
	host.must(http.MethodPatch, "/rooms/"+room, object{"title": "Written at the end"})
	select {
	case <-ended:
	case <-time.After(drained - time.Since(asked)):
		t.Fatalf("still there %s after it was asked to end", time.Since(asked))
	}
	t.Logf("ended %s after it was asked to", time.Since(asked).Round(time.Millisecond))
	checkExit(t, c)
	if _, err := w.start(); err != nil {
		t.Fatal(err)
	}
	if title := host.room(room).Title; title != "Written at the end" {
		t.Errorf("the title is %q", title)
	}
}

func TestServerWithNobodyConnectedEndsAtOnce(t *testing.T) {
	w := begin(t)
	c, ended, asked := w.cmd, w.ended, time.Now()
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-time.After(drained):
		t.Fatal("still there")
	}
	t.Logf("ended %s after it was asked to", time.Since(asked).Round(time.Millisecond))
	checkExit(t, c)
}

// checkExit wants a program to have ended in order.
func checkExit(t *testing.T, c *exec.Cmd) {
	t.Helper()
	if !c.ProcessState.Success() {
		t.Errorf("the server ended with %s", c.ProcessState)
	}
}
