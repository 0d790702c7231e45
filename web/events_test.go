package web_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"besedka/web"
)

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// stream is an open event stream.
type stream struct {
	t    *testing.T
	res  *http.Response
	scan *bufio.Scanner
	last string // id
}

type event struct {
	ID    string
	Kind  string
	Topic string
	Room  string
	Seq   int64
	Data  object
}

// events opens a stream.
func (p *person) events(t *testing.T, path string) *stream {
	t.Helper()
	res, err := p.w.http.Client().Transport.RoundTrip(p.request("GET", path, nil))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" {
		text, _ := io.ReadAll(res.Body)
		t.Fatalf("%s: %d %s", path, res.StatusCode, text)
	}
	return &stream{t: t, res: res, scan: bufio.NewScanner(res.Body)}
}

// read gives the next event, or false when the server has ended the stream.
func (s *stream) read() (event, bool) {
	s.t.Helper()
	var e event
	watchdog := time.AfterFunc(15*time.Second, func() { s.res.Body.Close() })
	defer watchdog.Stop()
	for s.scan.Scan() {
		name, value, _ := strings.Cut(s.scan.Text(), ": ")
		switch name {
		case "id":
			e.ID, s.last = value, value
		case "data":
			if err := json.Unmarshal([]byte(value), &e); err != nil {
				s.t.Fatalf("%s: %v", value, err)
			}
		case "":
			if e.Kind != "" {
				return e, true
			}
		}
	}
	return e, false
}

// next skips to the next event of the kind.
func (s *stream) next(kind string) event {
	s.t.Helper()
	for {
		e, ok := s.read()
		if !ok {
			s.t.Fatalf("the stream ended before %s", kind)
		}
		if e.Kind == kind {
			return e
		}
	}
}

// ends reads to the end, which the server must make.
func (s *stream) ends() {
	s.t.Helper()
	begin := time.Now()
	for {
		if _, ok := s.read(); !ok {
			break
		}
	}
	if took := time.Since(begin); took > 5*time.Second {
		s.t.Errorf("the stream ended after %s", took)
	}
}

func TestEventsResumeWhereTheyWereLeft(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		anna := w.member("anna")
		room := anna.open("open")
		s := anna.events(t, "/events?room="+room)
		if hello := s.next("hello"); hello.Data["resumed"] != false {
			t.Error("a fresh stream resumes")
		}
		for i := range 3 {
			anna.must(200, "PATCH", "/rooms/"+room, object{"title": fmt.Sprint("one ", i)})
		}
		first := s.next("room_titled")
		if first.Topic != "room" || first.Room != room || first.Data["title"] != "one 0" {
			t.Errorf("%+v", first)
		}
		s.res.Body.Close()
		anna.must(200, "PATCH", "/rooms/"+room, object{"title": "meanwhile"})
		byHeader := anna.with("Last-Event-ID", first.ID).events(t, "/events?room="+room)
		byQuery := anna.events(t, "/events?room="+room+"&last_event_id="+first.ID)
		for _, again := range []*stream{byHeader, byQuery} {
			if hello := again.next("hello"); hello.Data["resumed"] != true {
				t.Error("not resumed")
			}
			for i, want := range []string{"one 1", "one 2", "meanwhile"} {
				e := again.next("room_titled")
				if e.Data["title"] != want || e.Seq != first.Seq+int64(i)+1 {
					t.Errorf("%+v, want %s", e, want)
				}
			}
		}
	})
}

func TestEachStreamIsGivenAnotherMomentToComeBack(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		anna := w.member("anna")
		given := map[int]bool{}
		for range 8 {
			s := anna.events(t, "/events")
			if !s.scan.Scan() {
				t.Fatal(s.scan.Err())
			}
			ms, err := strconv.Atoi(strings.TrimPrefix(s.scan.Text(), "retry: "))
			if err != nil || ms < 300 || ms >= 2300 || given[ms] {
				t.Errorf("%q after %v", s.scan.Text(), given)
			}
			given[ms] = true
		}
	})
}

func TestStreamEndsWithTheRoom(t *testing.T) {
	w := oneWorld(t)
	anna := w.member("anna")
	room := anna.open("open")
	s := anna.events(t, "/events?room="+room)
	s.next("hello")
	guest := w.guest(room).events(t, "/events")
	guest.next("hello")
	anna.must(204, "DELETE", "/rooms/"+room, nil)
	for _, one := range []*stream{s, guest} {
		one.next("room_ended")
		one.ends()
	}
}

func TestRemovedPersonLearnsWhyAndHearsNoMore(t *testing.T) {
	w := oneWorld(t)
	anna, boris := w.member("anna"), w.member("boris")
	room := anna.open("open")
	boris.must(200, "PUT", "/rooms/"+room+"/seat", nil)
	inRoom, aside := boris.events(t, "/events?room="+room), boris.events(t, "/events")
	inRoom.next("hello")
	aside.next("hello")
	anna.must(204, "DELETE", "/rooms/"+room+"/participants/"+boris.id+"?reason=noise&note=Loud", nil)
	if e := inRoom.next("removed_from_room"); e.Data["reason"] != "noise" || e.Data["note"] != "Loud" {
		t.Errorf("%+v", e)
	}
	inRoom.ends()
	aside.next("removed_from_room")
	boris.refused(404, "not_found", "GET", "/events?room="+room, nil)
}

func TestStreamKeepsTheSeatWhicheverCameFirst(t *testing.T) {
	for name, streamFirst := range map[string]bool{"stream first": true, "seat first": false} {
		t.Run(name, func(t *testing.T) {
			w := oneWorld(t)
			anna, boris := w.member("anna"), w.member("boris")
			room := anna.open("open")
			if !streamFirst {
				boris.must(200, "PUT", "/rooms/"+room+"/seat", nil)
			}
			s := boris.events(t, "/events?room="+room)
			s.next("hello")
			boris.must(200, "PUT", "/rooms/"+room+"/seat", nil)
			s.res.Body.Close()
			// With its last connection gone the seat is shown as reconnecting.
			deadline := time.Now().Add(10 * time.Second)
			for {
				connected := true
				for _, p := range anna.must(200, "GET", "/rooms/"+room, nil).json()["participants"].([]any) {
					if p := p.(object); p["account"] == boris.id {
						connected = p["connected"].(bool)
					}
				}
				if !connected {
					return
				}
				if time.Now().After(deadline) {
					t.Fatal("the stream was never counted as a connection of the seat")
				}
				<-time.After(20 * time.Millisecond)
			}
		})
	}
}

func TestStreamOutlivesTheDeadlinesOfRequests(t *testing.T) {
	const limit = 300 * time.Millisecond
	w := oneWorld(t, func(_ *web.Deps, s *http.Server) {
		if s != nil {
			s.ReadTimeout, s.WriteTimeout = limit, limit
		}
	})
	anna := w.member("anna")
	room := anna.open("open")
	s := anna.events(t, "/events?room="+room)
	s.next("hello")
	<-time.After(3 * limit)
	anna.must(200, "PATCH", "/rooms/"+room, object{"title": "still here"})
	s.next("room_titled")
}

func TestStreamsOfOneCredentialAreBounded(t *testing.T) {
	w := oneWorld(t)
	anna := w.member("anna")
	for range 16 {
		anna.events(t, "/events").next("hello")
	}
	anna.refused(429, "too_many_streams", "GET", "/events", nil)
	w.signIn("anna").events(t, "/events").next("hello")
}

func TestSeatTakenByAnotherDeviceClosesTheFirst(t *testing.T) {
	w := oneWorld(t)
	anna := w.member("anna")
	room := anna.open("open")
	s := anna.events(t, "/events?room="+room)
	s.next("hello")
	browser := w.signIn("anna")
	if me := browser.must(200, "GET", "/me", nil).json(); me["room"] != room || me["seat_here"] != false {
		t.Errorf("%v", me)
	}
	browser.must(200, "PUT", "/rooms/"+room+"/seat", nil)
	s.next("seat_taken")
	s.ends()
	if me := browser.must(200, "GET", "/me", nil).json(); me["seat_here"] != true {
		t.Errorf("%v", me)
	}
}

func TestHealthAndMetrics(t *testing.T) {
	w := oneWorld(t)
	anna := w.member("anna")
	anna.open("open")
	anna.events(t, "/events").next("hello")
	if a := w.stranger().must(200, "GET", "//healthz", nil); string(a.body) != "ok\n" {
		t.Errorf("%s", a.body)
	}
	a := w.stranger().ask("GET", "//metrics", nil)
	if strings.Contains(string(a.body), "besedka_") {
		t.Error("metrics are public")
	}
	text := metricsOf(t, w)
	for _, want := range []string{
		"besedka_rooms 1", "besedka_room_on_stage 1", "besedka_event_streams 1", "besedka_media_sessions_up 0",
		`besedka_http_requests_total{route="POST /api/v1/rooms",status="201"} 1`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no %q in the metrics", want)
		}
	}
}
