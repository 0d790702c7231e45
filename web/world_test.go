package web_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"besedka"
	"besedka/account"
	"besedka/ask"
	"besedka/blob"
	"besedka/chat"
	"besedka/db"
	"besedka/db/dbtest"
	"besedka/live"
	"besedka/media"
	"besedka/picture"
	"besedka/room"
	"besedka/social"
	"besedka/web"
)

// world is a server with all that stands behind it, wired as the program is.
type world struct {
	t        testing.TB
	db       *db.DB
	accounts *account.Service
	rooms    *room.Service
	chat     *chat.Service
	ask      *ask.Service
	live     *live.Hub
	media    *media.Server
	web      *web.Server
	http     *httptest.Server
	isLoaded atomic.Bool // the processor has more to do than it can
}

// processor is what the world's process seems to have used.
func (w *world) processor() time.Duration {
	if !w.isLoaded.Load() {
		return 0
	}
	return time.Duration(time.Now().UnixNano()) * time.Duration(runtime.GOMAXPROCS(0))
}

// listeners are as many as a room of a world takes.
const listeners = 20

// config changes what a world is made of.
type config func(*web.Deps, *http.Server)

type gate struct{ *media.Server }

func (g gate) Grant(r besedka.RoomID, who besedka.ParticipantID, may room.Grant) {
	g.Server.Grant(r, who, media.Grant(may))
}
func (g gate) Close(r besedka.RoomID) { g.EndRoom(r) }

// eachWorld runs f on a world on SQLite and on one on PostgreSQL.
func eachWorld(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, d *db.DB) { f(t, newWorld(t, d)) })
}

// oneWorld is a world on SQLite, for what the database has no part in.
func oneWorld(t testing.TB, more ...config) *world {
	t.Helper()
	return newWorld(t, dbtest.Store{Dir: t.TempDir()}.Open(t, time.Now), more...)
}

func newWorld(t testing.TB, d *db.DB, more ...config) *world {
	t.Helper()
	log := dbtest.Log(t)
	w := &world{t: t, db: d}
	photos, err := blob.Open(t.TempDir(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := photos.Close(); err != nil {
			t.Error(err)
		}
	})
	w.accounts = account.New(d, account.Config{URL: "http://localhost:8080", Now: time.Now, Random: rand.Reader, Log: log, Photos: photos, Pictures: picture.New()})
	graph := social.New(d)
	w.live = live.New(live.Config{Outbox: d, Now: time.Now, Log: log})
	d.OnCommit(w.live.Wake)
	w.media, err = media.Listen(media.Config{Listen: netip.MustParseAddrPort("127.0.0.1:0"), Now: time.Now, Random: rand.Reader,
		Log: slog.New(slog.DiscardHandler), OnSession: w.session, CPU: w.processor})
	if err != nil {
		t.Fatal(err)
	}
	w.rooms = room.New(room.Deps{DB: d, Graph: graph, People: peopleAs[room.Person](w.accounts.People), Active: peopleAs[room.Person](w.accounts.Active), Gate: gate{w.media}, Airtime: w.media, Announce: w.live,
		Now: time.Now, Random: rand.Reader, Log: log, Limits: room.Limits{Listeners: listeners}})
	graph.OnBlock(w.rooms.Blocked)
	w.accounts.OnRevoke(func(c besedka.CredentialID, _ besedka.ParticipantID) {
		w.media.CloseCredential(c)
		w.live.CloseCredential(c)
		w.rooms.LeaveCredential(context.Background(), c)
	})
	w.chat = chat.New(chat.Deps{DB: d, Rooms: w.rooms, Graph: graph, People: peopleAs[chat.Person](w.accounts.People), Entry: room.AppendLog,
		Now: time.Now, Random: rand.Reader, Log: log})
	w.ask = ask.New(ask.Deps{DB: d, Rooms: w.rooms, Announce: w.live, People: peopleAs[ask.Person](w.accounts.People), BlocksOf: graph.BlocksOf,
		Muted: w.chat.Muted, Entry: room.AppendLog, Now: time.Now, Random: rand.Reader, Log: log})
	deps := web.Deps{Accounts: w.accounts, Social: graph, Rooms: w.rooms, Media: w.media, Live: w.live, Chat: w.chat, Ask: w.ask, Ping: d.Check,
		URL: &url.URL{Scheme: "http", Host: "localhost:8080"}, Name: "Besedka", Version: "test", Guests: true, Now: time.Now, Log: log}
	for _, change := range more {
		change(&deps, nil)
	}
	w.web = web.New(deps)
	w.http = httptest.NewUnstartedServer(nil)
	w.http.Config = w.web.HTTPServer()
	for _, change := range more {
		change(&deps, w.http.Config)
	}
	w.http.Start()
	w.run()
	return w
}

// run starts what the program runs beside the server, and ends it after the test.
func (w *world) run() {
	ctx, cancel := context.WithCancel(context.Background())
	var parts sync.WaitGroup
	for _, part := range []func(context.Context) error{w.accounts.Run, w.rooms.Run, w.live.Run, w.chat.Run, w.ask.Run, w.web.Run} {
		parts.Go(func() {
			if err := part(ctx); err != nil {
				w.t.Error(err)
			}
		})
	}
	w.t.Cleanup(func() {
		w.live.Close()
		w.http.Close()
		if err := w.media.Close(); err != nil {
			w.t.Error(err)
		}
		cancel()
		parts.Wait()
	})
}

func (w *world) session(e media.Event) {
	if e.Live {
		w.rooms.Connected(e.Room, e.Who, e.Credential, room.Line{ID: string(e.Session), Up: e.Direction == media.Up})
		return
	}
	w.rooms.Disconnected(e.Room, e.Who, string(e.Session))
}

// peopleAs gives a capability the names of accounts, as its own type.
func peopleAs[P chat.Person | ask.Person | room.Person](find func(context.Context, []besedka.AccountID) (map[besedka.AccountID]account.Person, error)) func(context.Context, []besedka.AccountID) (map[besedka.AccountID]P, error) {
	return func(ctx context.Context, ids []besedka.AccountID) (map[besedka.AccountID]P, error) {
		found, err := find(ctx, ids)
		people := make(map[besedka.AccountID]P, len(found))
		for id, person := range found {
			people[id] = P(person)
		}
		return people, err
	}
}

// person is a client: somebody with a token, or a stranger without.
type person struct {
	w      *world
	id     string
	token  string
	cookie string            // sent instead of the token
	header map[string]string // sent with every request
}

const passphrase = "correct horse battery staple"

// member makes an account and a bearer token.
func (w *world) member(username string) *person {
	w.t.Helper()
	ctx := context.Background()
	id, err := w.accounts.CreateAccount(ctx, username, username, passphrase)
	if err != nil {
		w.t.Fatal(err)
	}
	token, err := w.accounts.CreateToken(ctx, username)
	if err != nil {
		w.t.Fatal(err)
	}
	return &person{w: w, id: string(id), token: token}
}

func (w *world) stranger() *person { return &person{w: w} }

// with is the same person with one more header.
func (p *person) with(name, value string) *person {
	q := *p
	q.header = map[string]string{name: value}
	for n, v := range p.header {
		q.header[n] = v
	}
	return &q
}

// answer is what came back.
type answer struct {
	t      testing.TB
	status int
	header http.Header
	body   []byte
}

// raw is a body of another type than JSON.
type raw struct{ kind, body string }

// request makes a request without sending it. Paths are below /api/v1 unless they say otherwise.
func (p *person) request(method, path string, body any) *http.Request {
	p.w.t.Helper()
	var r io.Reader
	kind := ""
	switch b := body.(type) {
	case nil:
	case raw:
		kind, r = b.kind, strings.NewReader(b.body)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			p.w.t.Fatal(err)
		}
		kind, r = "application/json", bytes.NewReader(text)
	}
	if !strings.HasPrefix(path, "//") {
		path = "/api/v1" + path
	} else {
		path = path[1:]
	}
	req, err := http.NewRequest(method, p.w.http.URL+path, r)
	if err != nil {
		p.w.t.Fatal(err)
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	switch {
	case p.cookie != "":
		req.Header.Set("Cookie", p.cookie)
	case p.token != "":
		req.Header.Set("Authorization", "Bearer "+p.token)
	}
	for n, v := range p.header {
		req.Header.Set(n, v)
	}
	return req
}

// ask sends a request and reads the answer.
func (p *person) ask(method, path string, body any) answer {
	p.w.t.Helper()
	res, err := p.w.http.Client().Transport.RoundTrip(p.request(method, path, body))
	if err != nil {
		p.w.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		p.w.t.Fatalf("%s %s: %v", method, path, err)
	}
	return answer{t: p.w.t, status: res.StatusCode, header: res.Header, body: text}
}

// must is ask, and wants the status.
func (p *person) must(status int, method, path string, body any) answer {
	p.w.t.Helper()
	a := p.ask(method, path, body)
	if a.status != status {
		p.w.t.Fatalf("%s %s: %d %s; want %d", method, path, a.status, a.body, status)
	}
	return a
}

// refused wants the status and the code of a problem.
func (p *person) refused(status int, code, method, path string, body any) answer {
	p.w.t.Helper()
	a := p.ask(method, path, body)
	if a.status != status || a.code() != code {
		p.w.t.Errorf("%s %s: %d %s; want %d %s", method, path, a.status, a.body, status, code)
	}
	return a
}

type object = map[string]any

func (a answer) json() object {
	a.t.Helper()
	var o object
	if err := json.Unmarshal(a.body, &o); err != nil {
		a.t.Fatalf("not JSON: %s", a.body)
	}
	return o
}

// code is that of a problem; "" for anything that is not a whole one.
func (a answer) code() string {
	var p web.Problem
	if a.header.Get("Content-Type") != "application/problem+json" || json.Unmarshal(a.body, &p) != nil ||
		p.Type != "about:blank" || p.Status != a.status || p.Title == "" || p.Detail == "" {
		return ""
	}
	return p.Code
}

func (a answer) text(key string) string {
	a.t.Helper()
	s, _ := a.json()[key].(string)
	return s
}

// open opens a room and gives its id.
func (p *person) open(kind string) string {
	p.w.t.Helper()
	return p.must(201, "POST", "/rooms", object{"title": "Evening", "kind": kind, "guests_allowed": kind == "open"}).text("id")
}

// guest is somebody with a token for one room.
func (w *world) guest(room string) *person {
	w.t.Helper()
	a := w.stranger().must(201, "POST", "/rooms/"+room+"/guests", nil)
	return &person{w: w, token: a.text("token")}
}

// metricsOf reads the operator's metrics.
func metricsOf(t *testing.T, w *world) string {
	t.Helper()
	rec := httptest.NewRecorder()
	w.web.MetricsHandler().ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	if rec.Code != 200 {
		t.Fatal(rec.Code)
	}
	return rec.Body.String()
}
