package ask

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
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
	errAbsent  = besedka.NewError(besedka.Conflict, "not_in_room")
	errMuted   = besedka.NewError(besedka.Forbidden, "chat_muted")
	errRemoved = besedka.NewError(besedka.Forbidden, "removed_from_room")
)

const room = besedka.RoomID("r1")

// house is a room as questions see it: host and mod moderate, anna speaks,
// boris, vera and gleb listen, dina looks in from outside.
type house struct {
	mu      sync.Mutex
	roles   map[besedka.AccountID]besedka.Role
	removed map[besedka.AccountID]bool
	setting besedka.QuestionSetting
	ended   bool
	people  int
	asked   []string // to the stage: by target agreed
	hands   map[besedka.AccountID]bool
	refuse  error
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
	in := besedka.Inside{Role: role, Questions: h.setting, People: h.people}
	if role == "" {
		in.Refusal = errAbsent
	}
	return in, nil
}

func (h *house) AskUp(_ context.Context, _ besedka.RoomID, by, target besedka.AccountID, agreed bool) (bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.refuse != nil:
		return false, h.refuse
	case !h.roles[by].Moderates():
		return false, besedka.ErrModeratorsOnly
	case h.roles[target] == "":
		return false, errAbsent
	}
	text := string(by + " " + target)
	if agreed {
		text += " agreed"
	}
	h.asked = append(h.asked, text)
	return agreed || h.hands[target] || h.roles[target].OnStage(), nil
}

func (h *house) Ended(context.Context, besedka.RoomID) (bool, error) { return h.ended, nil }

// told is an announcement.
type told struct {
	kind string
	data string
}

type world struct {
	*Service
	t         *testing.T
	db        *db.DB
	house     *house
	clock     *dbtest.Clock
	blocks    dbtest.Blocks
	muted     map[besedka.AccountID]bool
	log       []string
	mu        sync.Mutex
	announced []told
}

func (w *world) Announce(_ besedka.RoomID, kind string, data any, to []besedka.ParticipantID) {
	text, err := json.Marshal(data)
	if err != nil || !slices.Equal(to, members) {
		w.t.Errorf("%s to %v: %v", kind, to, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.announced = append(w.announced, told{kind, string(text)})
}

func (w *world) blocksOf(_ context.Context, accounts []besedka.AccountID) (blocked, blockers map[besedka.AccountID][]besedka.AccountID, err error) {
	blocked, blockers = w.blocks.Of(accounts)
	return blocked, blockers, nil
}

func (w *world) mutedInChat(_ context.Context, _ besedka.RoomID, account besedka.AccountID) error {
	if w.muted[account] {
		return errMuted
	}
	return nil
}

func (w *world) entry(tx *db.Tx, r besedka.RoomID, by besedka.AccountID, action string, target besedka.AccountID, detail string) error {
	var version int64
	if err := tx.QueryRow(`SELECT version FROM rooms WHERE id = $1`+tx.ForUpdate(), r).Scan(&version); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = append(w.log, strings.TrimSpace(strings.Join([]string{string(by), action, string(target), detail}, " ")))
	return nil
}

func people(_ context.Context, ids []besedka.AccountID) (map[besedka.AccountID]Person, error) {
	found := map[besedka.AccountID]Person{}
	for _, id := range ids {
		found[id] = Person{ID: id, Username: string(id), Name: strings.ToUpper(string(id))}
	}
	return found, nil
}

func inWorlds(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	dbtest.EachStore(t, func(t *testing.T, s dbtest.Store) {
		clock := dbtest.NewClock()
		w := &world{t: t, db: s.Open(t, clock.Now), clock: clock, muted: map[besedka.AccountID]bool{}}
		w.house = &house{people: 5, setting: besedka.QuestionSetting{On: true, Anonymous: true}, removed: map[besedka.AccountID]bool{},
			hands: map[besedka.AccountID]bool{}, roles: map[besedka.AccountID]besedka.Role{"host": besedka.RoleHost, "mod": besedka.RoleModerator,
				"anna": besedka.RoleSpeaker, "boris": besedka.RoleListener, "vera": besedka.RoleListener, "gleb": besedka.RoleListener, "dina": ""}}
		w.Service = New(Deps{DB: w.db, Rooms: w.house, Announce: w, People: people, BlocksOf: w.blocksOf, Muted: w.mutedInChat, Entry: w.entry,
			Now: clock.Now, Random: rand.Reader, Log: dbtest.Log(t)})
		dbtest.OpenRoom(t, w.db, room)
		f(t, w)
	})
}

func (w *world) ask(account besedka.AccountID, text string, anonymous bool) Question {
	w.t.Helper()
	q, err := w.Ask(ctx, room, account, text, anonymous)
	if err != nil {
		w.t.Fatalf("%s asks %q: %v", account, text, err)
	}
	w.clock.Advance(askEvery)
	return q
}

func (w *world) list(account besedka.AccountID) []Question {
	w.t.Helper()
	list, err := w.List(ctx, room, account)
	if err != nil {
		w.t.Fatalf("%s reads: %v", account, err)
	}
	return list.Questions
}

func (w *world) texts(account besedka.AccountID) []string {
	w.t.Helper()
	list := []string{}
	for _, q := range w.list(account) {
		list = append(list, q.Text)
	}
	return list
}

func (w *world) must(errs ...error) {
	w.t.Helper()
	if err := errors.Join(errs...); err != nil {
		w.t.Fatal(err)
	}
}

// facts are what a participant is told: kind and data.
func (w *world) facts(topic besedka.Topic, who besedka.ParticipantID) []told {
	w.t.Helper()
	facts, err := w.db.FactsAfter(ctx, topic, 0, 1000)
	if err != nil {
		w.t.Fatal(err)
	}
	var list []told
	for _, f := range facts {
		if f.VisibleTo(who) {
			list = append(list, told{f.Kind, string(f.Data)})
		}
	}
	return list
}

func kinds(list []told) []string {
	all := []string{}
	for _, f := range list {
		all = append(all, f.kind)
	}
	return all
}

func (w *world) tick() {
	w.clock.Advance(time.Second)
	w.Tell(ctx)
}
