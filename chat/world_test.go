package chat

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"besedka"
	"besedka/db"
	"besedka/db/dbtest"
)

var ctx = context.Background()

var (
	errGone    = besedka.NewError(besedka.Gone, "room_ended")
	errRemoved = besedka.NewError(besedka.Forbidden, "removed_from_room")
	errAbsent  = besedka.NewError(besedka.Conflict, "not_in_room")
)

// house is a room as the chat sees it.
type house struct {
	mu      sync.Mutex
	roles   map[besedka.AccountID]besedka.Role // "" is somebody who looks in
	since   map[besedka.AccountID]time.Time
	removed map[besedka.AccountID]bool
	setting besedka.ChatSetting
	ended   bool
	people  int
}

func (h *house) Inside(_ context.Context, _ besedka.RoomID, account besedka.AccountID) (besedka.Inside, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	role, known := h.roles[account]
	switch {
	case h.removed[account]:
		return besedka.Inside{}, errRemoved
	case !known:
		return besedka.Inside{}, besedka.ErrNotFound
	case h.ended:
		return besedka.Inside{}, errGone
	}
	in := besedka.Inside{Role: role, OnStageSince: h.since[account], Chat: h.setting, People: h.people}
	if role == "" {
		in.Refusal = errAbsent
	}
	for _, a := range []besedka.AccountID{"host", "mod", "anna"} {
		if h.roles[a].OnStage() {
			in.Stage = append(in.Stage, a)
		}
		if h.roles[a].Moderates() {
			in.Moderators = append(in.Moderators, a)
		}
	}
	return in, nil
}

func (h *house) Governs(_ context.Context, _ besedka.RoomID, by, target besedka.AccountID) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.roles[by].Moderates() || target == "host" {
		return besedka.ErrModeratorsOnly
	}
	return nil
}

func (h *house) Ended(context.Context, besedka.RoomID) (bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ended, nil
}

func (h *house) change(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
}

// graph is who follows and who has blocked whom.
type graph struct {
	follows [][2]besedka.AccountID
	blocks  dbtest.Blocks
}

func among(pairs [][2]besedka.AccountID, by besedka.AccountID, others []besedka.AccountID) map[besedka.AccountID]bool {
	found := map[besedka.AccountID]bool{}
	for _, p := range pairs {
		if p[0] == by && slices.Contains(others, p[1]) {
			found[p[1]] = true
		}
	}
	return found
}

func (g *graph) Among(_ context.Context, by besedka.AccountID, others []besedka.AccountID) (map[besedka.AccountID]bool, error) {
	return among(g.follows, by, others), nil
}

func (g *graph) BlocksOf(_ context.Context, accounts []besedka.AccountID) (blocked, blockers map[besedka.AccountID][]besedka.AccountID, err error) {
	blocked, blockers = g.blocks.Of(accounts)
	return blocked, blockers, nil
}

const room = besedka.RoomID("r1")

// world is a chat with everything around it: host and mod moderate, anna is a
// speaker, boris and vera listen, dina looks in from outside.
type world struct {
	*Service
	t     *testing.T
	db    *db.DB
	house *house
	graph *graph
	clock *dbtest.Clock
	log   []string
}

func everybody(_ context.Context, ids []besedka.AccountID) (map[besedka.AccountID]Person, error) {
	found := map[besedka.AccountID]Person{}
	for _, id := range ids {
		if !strings.HasPrefix(string(id), "nobody") {
			found[id] = Person{ID: id, Username: string(id), Name: strings.ToUpper(string(id))}
		}
	}
	return found, nil
}

func inWorlds(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	dbtest.EachStore(t, func(t *testing.T, s dbtest.Store) {
		clock := dbtest.NewClock()
		w := &world{t: t, db: s.Open(t, clock.Now), clock: clock, graph: &graph{}}
		w.house = &house{people: 5, setting: besedka.ChatSetting{Mode: besedka.ChatEveryone}, removed: map[besedka.AccountID]bool{},
			roles: map[besedka.AccountID]besedka.Role{"host": besedka.RoleHost, "mod": besedka.RoleModerator, "anna": besedka.RoleSpeaker,
				"boris": besedka.RoleListener, "vera": besedka.RoleListener, "dina": ""},
			since: map[besedka.AccountID]time.Time{"host": clock.Now(), "mod": clock.Now(), "anna": clock.Now()}}
		w.Service = New(Deps{DB: w.db, Rooms: w.house, Graph: w.graph, People: everybody, Now: clock.Now, Random: rand.Reader,
			Log: dbtest.Log(t), Entry: w.entry})
		for _, id := range []besedka.RoomID{room, "r2"} {
			dbtest.OpenRoom(t, w.db, id)
		}
		f(t, w)
	})
}

func (w *world) entry(tx *db.Tx, _ besedka.RoomID, by besedka.AccountID, action string, target besedka.AccountID, _ string) error {
	w.log = append(w.log, string(by)+" "+action+" "+string(target))
	return nil
}

func (w *world) post(account besedka.AccountID, text string) Message {
	w.t.Helper()
	m, err := w.Post(ctx, room, account, text)
	if err != nil {
		w.t.Fatalf("%s writes %q: %v", account, text, err)
	}
	w.clock.Advance(time.Second)
	return m
}

func (w *world) whisper(account besedka.AccountID, text string) Message {
	w.t.Helper()
	m, err := w.PostBackchannel(ctx, room, account, text)
	if err != nil {
		w.t.Fatalf("%s writes %q backstage: %v", account, text, err)
	}
	w.clock.Advance(time.Second)
	return m
}

// texts are what the account reads, the newest first.
func (w *world) texts(account besedka.AccountID) []string {
	w.t.Helper()
	page, err := w.Messages(ctx, room, account, "", 0)
	if err != nil {
		w.t.Fatalf("%s reads: %v", account, err)
	}
	return textsOf(page)
}

func textsOf(p Page) []string {
	list := []string{}
	for _, m := range p.Messages {
		list = append(list, m.Text)
	}
	return list
}

func (w *world) facts() []besedka.Fact {
	w.t.Helper()
	facts, err := w.db.FactsAfter(ctx, besedka.RoomTopic(room), 0, 1000)
	if err != nil {
		w.t.Fatal(err)
	}
	return facts
}

// seen are the facts that a participant is told: kind, and text if it has one.
func (w *world) seen(who besedka.ParticipantID) []string {
	w.t.Helper()
	list := []string{}
	for _, f := range w.facts() {
		var d struct{ Text string }
		if err := json.Unmarshal(f.Data, &d); err != nil {
			w.t.Fatal(err)
		}
		if f.VisibleTo(who) {
			list = append(list, strings.TrimSpace(f.Kind+" "+d.Text))
		}
	}
	return list
}
