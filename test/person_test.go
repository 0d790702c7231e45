package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

type object = map[string]any

// person is somebody with a credential (or, without one, a stranger).
type person struct {
	t        *testing.T
	server   *server
	name, id string
	token    string
	cookie   string
	ifMatch  string
}

// answer is what the server said.
type answer struct {
	method, path string
	status       int
	header       http.Header
	body         []byte
	took         time.Duration
}

var client = &http.Client{Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// try makes a request under /api/v1. A body is JSON, unless it is raw.
func (p *person) try(method, path string, body any) (answer, error) {
	var in []byte
	contentType := "application/json"
	switch b := body.(type) {
	case nil:
		contentType = ""
	case raw:
		in, contentType = b.body, b.contentType
	default:
		var err error
		if in, err = json.Marshal(b); err != nil {
			return answer{}, err
		}
	}
	if strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "/api/") {
		path = "/api/v1" + path
	}
	req, err := http.NewRequest(method, p.server.url+path, bytes.NewReader(in))
	if err != nil {
		return answer{}, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	p.sign(req.Header)
	begin := time.Now()
	res, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	out, err := io.ReadAll(io.LimitReader(res.Body, 8<<20))
	return answer{method, path, res.StatusCode, res.Header, out, time.Since(begin)}, err
}

// raw is a body that is not JSON, or not meant to be.
type raw struct {
	contentType string
	body        []byte
}

func (p *person) sign(h http.Header) {
	if p.token != "" {
		h.Set("Authorization", "Bearer "+p.token)
	}
	if p.cookie != "" {
		h.Set("Cookie", p.cookie)
	}
	if p.ifMatch != "" {
		h.Set("If-Match", p.ifMatch)
	}
}

// matching is the person asking with If-Match.
func (p *person) matching(tag string) *person {
	q := *p
	q.ifMatch = tag
	return &q
}

// call is try for a server that must answer.
func (p *person) call(method, path string, body any) answer {
	p.t.Helper()
	a, err := p.try(method, path, body)
	if err != nil {
		p.t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

// must is call for a request that must succeed.
func (p *person) must(method, path string, body any) answer {
	p.t.Helper()
	a := p.call(method, path, body)
	if a.status >= 300 {
		p.t.Fatalf("%s: %s", p.name, a)
	}
	return a
}

// refused checks that the request is refused with this status and code.
func (p *person) refused(status int, code, method, path string, body any) answer {
	p.t.Helper()
	a := p.call(method, path, body)
	if a.status != status || a.code() != code {
		p.t.Errorf("%s: %s; want %d %s", p.name, a, status, code)
	}
	return a
}

// String is the answer in one line.
func (a answer) String() string {
	return fmt.Sprintf("%s %s: %d %s", a.method, a.path, a.status, a.body[:min(len(a.body), 400)])
}

// json is the body as an object; nil when it is none.
func (a answer) json() object {
	var o object
	if json.Unmarshal(a.body, &o) != nil {
		return nil
	}
	return o
}

// text is a string of the body's object.
func (a answer) text(key string) string {
	s, _ := a.json()[key].(string)
	return s
}

// code is that of a problem document, "" if it is none.
func (a answer) code() string {
	if !strings.HasPrefix(a.header.Get("Content-Type"), "application/problem+json") {
		return ""
	}
	return a.text("code")
}

// view is a room as somebody sees it.
type view struct {
	ID           string
	Title        string
	Host         struct{ ID string }
	EndedAt      *string `json:"ended_at"`
	Participants []seat
	Queue        []struct {
		Account  string
		Note     string
		RaisedAt string `json:"raised_at"`
	}
	Me struct {
		Participant string
		Role        string
		Seated      bool
		Hand        *struct {
			RaisedAt string `json:"raised_at"`
			Note     string
		}
		Silenced bool
	}
}

type seat struct {
	Account   string
	Role      string
	CSRC      uint32 `json:"csrc"`
	Silenced  bool
	Muted     bool
	Connected bool
}

func (v view) of(p *person) (seat, bool) {
	for _, s := range v.Participants {
		if s.Account == p.id {
			return s, true
		}
	}
	return seat{}, false
}

// role is somebody's role in the roster, "" for who is not in it.
func (v view) role(p *person) string {
	s, _ := v.of(p)
	return s.Role
}

// room is the room as this person sees it.
func (p *person) room(id string) view {
	p.t.Helper()
	var v view
	a := p.must(http.MethodGet, "/rooms/"+id, nil)
	if err := json.Unmarshal(a.body, &v); err != nil {
		p.t.Fatalf("%s: %v", a, err)
	}
	return v
}

// open opens a room in which guests may listen.
func (p *person) open(kind string) string {
	p.t.Helper()
	return p.must(http.MethodPost, "/rooms", object{"title": "Evening talk", "kind": kind, "guests_allowed": kind == "open"}).text("id")
}

func (p *person) enter(room string) {
	p.t.Helper()
	p.must(http.MethodPut, "/rooms/"+room+"/seat", nil)
}

// toStage brings somebody, who is in the room, on stage by invitation.
func (p *person) toStage(room string, who *person) {
	p.t.Helper()
	p.must(http.MethodPost, "/rooms/"+room+"/stage-invitations", object{"account": who.id})
	who.must(http.MethodPost, "/rooms/"+room+"/stage-invitations/accept", nil)
}

// guest is somebody without an account who may listen to the room.
func (w *world) guest(t *testing.T, room string) *person {
	t.Helper()
	a := (&person{t: t, server: w.server}).must(http.MethodPost, "/rooms/"+room+"/guests", object{})
	return &person{t: t, server: w.server, name: "guest", token: a.text("token")}
}

// stranger is nobody.
func (w *world) stranger(t *testing.T) *person {
	return &person{t: t, server: w.server, name: "stranger"}
}

// signIn is the person in another place: with a session of its own.
func (p *person) signIn() *person {
	p.t.Helper()
	a := (&person{t: p.t, server: p.server}).must(http.MethodPost, "/sessions", object{"username": p.name, "password": password})
	for _, c := range (&http.Response{Header: a.header}).Cookies() {
		return &person{t: p.t, server: p.server, name: p.name, id: p.id, cookie: c.Name + "=" + c.Value}
	}
	p.t.Fatalf("%s: no cookie", a)
	return nil
}

// within asks again until done is true; it fails the test after d.
func within(t *testing.T, d time.Duration, what string, done func() bool) time.Duration {
	t.Helper()
	begin := time.Now()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for !done() {
		if time.Since(begin) > d {
			t.Fatalf("not within %s: %s", d, what)
		}
		<-poll.C
	}
	return time.Since(begin)
}
