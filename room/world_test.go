package room

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"besedka"
	"besedka/db"
	"besedka/db/dbtest"
)

// gate is a media plane that remembers who may do what, and the sessions that
// people hold. It closes sessions as the true one must, and tells so from
// inside its calls, which the true one may.
type gate struct {
	mu       sync.Mutex
	service  *Service
	grants   map[besedka.RoomID]map[besedka.ParticipantID]Grant
	sessions map[string]session
	next     int
	onRevoke func(besedka.RoomID, besedka.ParticipantID)
}

type session struct {
	room besedka.RoomID
	who  besedka.ParticipantID
	cred besedka.CredentialID
	up   bool
}

// clockwork is an Airtime that says what it is set to.
type clockwork struct {
	mu    sync.Mutex
	heard map[besedka.RoomID]map[uint32]time.Duration
}

func (m *clockwork) Heard(room besedka.RoomID) map[uint32]time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.heard[room])
}

// hear lets a contributing source be heard for so much longer.
func (m *clockwork) hear(room besedka.RoomID, csrc uint32, d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.heard[room] == nil {
		m.heard[room] = map[uint32]time.Duration{}
	}
	m.heard[room][csrc] += d
}

func newGate() *gate {
	return &gate{grants: map[besedka.RoomID]map[besedka.ParticipantID]Grant{}, sessions: map[string]session{}}
}

func (g *gate) Grant(room besedka.RoomID, who besedka.ParticipantID, grant Grant) {
	g.mu.Lock()
	if g.grants[room] == nil {
		g.grants[room] = map[besedka.ParticipantID]Grant{}
	}
	g.grants[room][who] = grant
	g.mu.Unlock()
	if !grant.Publish {
		g.end(func(s session) bool { return s.room == room && s.who == who && s.up })
	}
}

func (g *gate) Revoke(room besedka.RoomID, who besedka.ParticipantID) {
	g.mu.Lock()
	delete(g.grants[room], who)
	hook := g.onRevoke
	g.mu.Unlock()
	if hook != nil {
		hook(room, who)
	}
	g.end(func(s session) bool { return s.room == room && s.who == who })
}

func (g *gate) Close(room besedka.RoomID) {
	g.mu.Lock()
	delete(g.grants, room)
	g.mu.Unlock()
	g.end(func(s session) bool { return s.room == room })
}

func (g *gate) CloseOthers(room besedka.RoomID, who besedka.ParticipantID, keep besedka.CredentialID) {
	g.end(func(s session) bool { return s.room == room && s.who == who && s.cred != keep })
}

func (g *gate) end(match func(session) bool) {
	g.mu.Lock()
	gone := map[string]session{}
	for id, s := range g.sessions {
		if match(s) {
			gone[id] = s
			delete(g.sessions, id)
		}
	}
	g.mu.Unlock()
	for id, s := range gone {
		g.service.Disconnected(s.room, s.who, id)
	}
}

// open makes a session if the grant allows it, as an answered offer would.
func (g *gate) open(room besedka.RoomID, a Actor, up bool) bool {
	g.mu.Lock()
	grant, ok := g.grants[room][a.Who]
	if !ok || up && !grant.Publish {
		g.mu.Unlock()
		return false
	}
	g.next++
	id := fmt.Sprint("session-", g.next)
	g.sessions[id] = session{room, a.Who, a.Credential, up}
	g.mu.Unlock()
	g.service.Connected(room, a.Who, a.Credential, Line{ID: id, Up: up})
	return true
}

// drop loses every session of a participant, as a dead network does.
func (g *gate) drop(who besedka.ParticipantID) {
	g.end(func(s session) bool { return s.who == who })
}

func (g *gate) granted(room besedka.RoomID) map[besedka.ParticipantID]Grant {
	g.mu.Lock()
	defer g.mu.Unlock()
	return maps.Clone(g.grants[room])
}

// board is an Announcer that counts.
type board struct {
	mu      sync.Mutex
	told    map[string]int
	heard   []telling
	hallway int
	closed  []besedka.ParticipantID
}

// Hold keeps nothing back: there is nobody to tell.
func (b *board) Hold([]besedka.Topic) func() { return func() {} }

// telling is an event that was announced.
type telling struct {
	kind string
	data any
	to   []besedka.ParticipantID
}

func (b *board) Announce(_ besedka.RoomID, kind string, data any, to []besedka.ParticipantID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.told[kind]++
	if b.heard = append(b.heard, telling{kind, data, to}); len(b.heard) > 2000 {
		b.heard = b.heard[1000:]
	}
}

func (b *board) AnnounceLatest(room besedka.RoomID, kind, _ string, data any, to []besedka.ParticipantID) {
	b.Announce(room, kind, data, to)
}

func (b *board) HallwayChanged() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hallway++
}

func (b *board) CloseParticipant(_ besedka.RoomID, who besedka.ParticipantID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = append(b.closed, who)
}

func (b *board) CloseOthers(_ besedka.RoomID, who besedka.ParticipantID, _ besedka.CredentialID) {
	b.CloseParticipant("", who)
}

// graph is a set of follow edges.
type graph struct {
	mu     sync.Mutex
	edges  map[[2]besedka.AccountID]bool // follower, followed
	walls  map[[2]besedka.AccountID]bool // blocker, blocked
	walled int                           // how often blocks were asked for
	asked  int
	err    error
}

func (g *graph) follow(follower, target besedka.AccountID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.edges[[2]besedka.AccountID{follower, target}] = true
}

func (g *graph) FollowedByAny(_ context.Context, target besedka.AccountID, by []besedka.AccountID) (bool, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked++
	return slices.ContainsFunc(by, func(f besedka.AccountID) bool { return g.edges[[2]besedka.AccountID{f, target}] }), g.err
}

func (g *graph) FollowedBySome(ctx context.Context, targets, by []besedka.AccountID) (map[besedka.AccountID]bool, error) {
	found := map[besedka.AccountID]bool{}
	for _, t := range targets {
		if ok, err := g.FollowedByAny(ctx, t, by); err != nil {
			return nil, err
		} else if ok {
			found[t] = true
		}
	}
	return found, nil
}

// Ringing is everybody who follows: all bells ring.
func (g *graph) Ringing(_ context.Context, account besedka.AccountID, limit int) ([]besedka.AccountID, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var list []besedka.AccountID
	for e := range g.edges {
		if e[1] == account && len(list) < limit {
			list = append(list, e[0])
		}
	}
	slices.Sort(list)
	return list, g.err
}

func (g *graph) Mutuals(ctx context.Context, account besedka.AccountID) ([]besedka.AccountID, error) {
	mine, err := g.Following(ctx, account)
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.DeleteFunc(mine, func(other besedka.AccountID) bool { return !g.edges[[2]besedka.AccountID{other, account}] }), err
}

func (g *graph) Following(_ context.Context, account besedka.AccountID) ([]besedka.AccountID, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var list []besedka.AccountID
	for e := range g.edges {
		if e[0] == account {
			list = append(list, e[1])
		}
	}
	return list, g.err
}

// everybody exists but accounts that begin with "nobody".
func everybody(_ context.Context, ids []besedka.AccountID) (map[besedka.AccountID]Person, error) {
	found := map[besedka.AccountID]Person{}
	for _, id := range ids {
		if id != "" && !strings.HasPrefix(string(id), "nobody") {
			found[id] = Person{ID: id, Username: string(id), Name: strings.ToUpper(string(id))}
		}
	}
	return found, nil
}

// world is a service with everything around it.
type world struct {
	t       testing.TB
	db      *db.DB
	service *Service
	gate    *gate
	airtime *clockwork
	board   *board
	graph   *graph
	clock   *dbtest.Clock
	journal string // the file, or ""
	limits  Limits
}

func newWorld(t testing.TB, d *db.DB, clock *dbtest.Clock) *world {
	w := &world{t: t, db: d, gate: newGate(), board: &board{told: map[string]int{}},
		graph: &graph{edges: map[[2]besedka.AccountID]bool{}}, clock: clock}
	w.start()
	return w
}

// start puts a new service on the same database, as after kill -9: media is gone.
func (w *world) start() {
	w.t.Helper()
	w.gate, w.airtime = newGate(), &clockwork{heard: map[besedka.RoomID]map[uint32]time.Duration{}}
	w.service = New(Deps{DB: w.db, Graph: w.graph, People: everybody, Active: everybody, Gate: w.gate, Airtime: w.airtime, Announce: w.board,
		Now: w.clock.Now, Random: rand.Reader, Log: dbtest.Log(w.t), Journal: w.journal, Limits: w.limits})
	w.gate.service = w.service
	if err := w.service.Recover(context.Background()); err != nil {
		w.t.Fatal(err)
	}
}

// inWorlds runs f with a fresh world on each database.
func inWorlds(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	dbtest.EachStore(t, func(t *testing.T, s dbtest.Store) {
		clock := dbtest.NewClock()
		f(t, newWorld(t, s.Open(t, clock.Now), clock))
	})
}

// actor is an account with the credential of its first device.
func actor(account besedka.AccountID) Actor {
	return Actor{Who: account.Participant(), Credential: besedka.CredentialID(account + "/1")}
}

func (w *world) open(host besedka.AccountID, kind Kind) besedka.RoomID {
	w.t.Helper()
	id, err := w.service.Open(context.Background(), actor(host), Opening{Title: "Evening", Kind: kind})
	if err != nil {
		w.t.Fatalf("open: %v", err)
	}
	return id
}

func (w *world) enter(room besedka.RoomID, accounts ...besedka.AccountID) {
	w.t.Helper()
	for _, account := range accounts {
		if err := w.service.Enter(context.Background(), room, actor(account)); err != nil {
			w.t.Fatalf("%s enters: %v", account, err)
		}
	}
}

func (w *world) view(room besedka.RoomID, account besedka.AccountID) *View {
	w.t.Helper()
	v, err := w.service.View(context.Background(), room, actor(account))
	if err != nil {
		w.t.Fatalf("%s looks: %v", account, err)
	}
	return v
}

func (w *world) role(room besedka.RoomID, account besedka.AccountID) besedka.Role {
	w.t.Helper()
	r := w.view(room, account).Me.Role
	if r == nil {
		return ""
	}
	return *r
}

// pass lets time go by, a second at a time, with sweeps.
func (w *world) pass(d time.Duration) {
	for ; d > 0; d -= time.Second {
		w.clock.Advance(min(d, time.Second))
		w.service.Sweep(context.Background())
	}
}

// stay connects everybody with an event stream, so that seats are kept.
func (w *world) stay(room besedka.RoomID, accounts ...besedka.AccountID) {
	for _, account := range accounts {
		a := actor(account)
		w.service.Connected(room, a.Who, a.Credential, Line{ID: "stream-" + string(account)})
	}
}

func (w *world) lose(room besedka.RoomID, account besedka.AccountID) {
	w.service.Disconnected(room, account.Participant(), "stream-"+string(account))
}

// facts is everything told in the room so far; numbers must be without a gap.
func (w *world) facts(room besedka.RoomID) []besedka.Fact {
	w.t.Helper()
	var all []besedka.Fact
	for {
		more, err := w.db.FactsAfter(context.Background(), besedka.RoomTopic(room), int64(len(all)), 500)
		if err != nil {
			w.t.Fatal(err)
		}
		if len(more) == 0 {
			return all
		}
		for _, f := range more {
			if f.Seq != int64(len(all))+1 {
				w.t.Fatalf("fact %d follows fact %d", f.Seq, len(all))
			}
			all = append(all, f)
		}
	}
}

func kinds(facts []besedka.Fact) []string {
	var list []string
	for _, f := range facts {
		list = append(list, f.Kind)
	}
	return list
}

// code is the stable code of an error, "" for none.
func code(err error) string {
	if err == nil {
		return ""
	}
	return besedka.AsError(err).Code
}

func wantCode(t testing.TB, what string, err error, want *besedka.Error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: got %q (%v), want %q", what, code(err), err, want.Code)
	}
}

// failing is a database that can be taken away.
type failing struct {
	rows
	mu   sync.Mutex
	away bool
}

func (f *failing) set(away bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.away = away
}

func (f *failing) gone() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.away
}

func (f *failing) save(ctx context.Context, version int64, w writes) (int64, error) {
	if f.gone() {
		return 0, db.ErrUnavailable
	}
	return f.rows.save(ctx, version, w)
}

func (f *failing) load(ctx context.Context, room besedka.RoomID) (*State, int64, int64, error) {
	if f.gone() {
		return nil, 0, 0, db.ErrUnavailable
	}
	return f.rows.load(ctx, room)
}

// oneWorld is a world on SQLite, for what the database has no part in.
func oneWorld(t *testing.T) *world {
	t.Helper()
	clock := dbtest.NewClock()
	return newWorld(t, dbtest.Store{Dir: t.TempDir()}.Open(t, clock.Now), clock)
}
