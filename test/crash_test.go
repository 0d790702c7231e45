package test

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"besedka/db/dbtest"

	_ "modernc.org/sqlite" // to look at the file that a kill has left
)

// How often the server is killed, on either database.
const (
	killsOnSQLite     = 50
	killsOnPostgreSQL = 8
)

func TestNoAcknowledgedWriteIsLostOrDoubledByKills(t *testing.T) {
	dbtest.EachStore(t, func(t *testing.T, store dbtest.Store) {
		kills := killsOnSQLite
		if store.URL != "" {
			kills = killsOnPostgreSQL
		}
		w := populated(t, store)
		l := newLedger(t, w)
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		random := rand.New(rand.NewPCG(seed, 0))
		slowest, began := time.Duration(0), time.Now()
		for round := range kills {
			l.write(round, 20*time.Millisecond+time.Duration(random.Int64N(int64(250*time.Millisecond))))
			if store.URL == "" {
				intact(t, w.file())
			}
			took, err := w.start()
			if err != nil {
				t.Fatal(err)
			}
			slowest = max(slowest, took)
			l.verify(round)
			if t.Failed() {
				t.Fatalf("after kill %d", round+1)
			}
		}
		t.Logf("%d kills in %s: %d writes acknowledged, %d not, none lost, none doubled; slowest start %s (goal: 2 s)",
			kills, time.Since(began).Round(time.Second), l.acknowledged, l.unknown, slowest)
		if l.acknowledged < 10*kills {
			t.Errorf("only %d acknowledged writes: the test proves little", l.acknowledged)
		}
		if slowest > 10*time.Second {
			t.Errorf("a start took %s", slowest)
		}
	})
}

// populated is a running server with people on the store.
func populated(t *testing.T, store dbtest.Store) *world {
	t.Helper()
	if store.URL == "" {
		return begin(t)
	}
	w := run(t, store.Dir, store.URL, nil, nil)
	tokens, ids, err := w.populate()
	if err != nil {
		t.Fatal(err)
	}
	for name, token := range tokens {
		w.people[name] = &person{t: t, server: w.server, name: name, id: ids[name], token: token}
	}
	return w
}

// intact checks the files of a database that nobody has open, on a copy: the
// server itself must find what the kill has left.
func intact(t *testing.T, file string) {
	t.Helper()
	dir, err := os.MkdirTemp(t.TempDir(), "copy-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(file + suffix)
		if err != nil && suffix == "" {
			t.Fatal(err)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "copy.db"+suffix), b, 0o600)
		}
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	d, err := sql.Open("sqlite", filepath.Join(dir, "copy.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var verdict string
	if err := d.QueryRow("PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
		t.Errorf("integrity_check: %s %v", verdict, err)
	}
	broken, err := d.Query("PRAGMA foreign_key_check")
	if err != nil {
		t.Fatal(err)
	}
	defer broken.Close()
	if broken.Next() {
		t.Error("foreign_key_check: a row refers to nothing")
	}
}

// register is something with one value at a time, written by one writer: what
// it may be after a kill is what was last acknowledged, or what was asked for
// afterwards without an answer.
type register struct {
	value   string
	pending []string
}

func (r *register) allows(v string) bool { return v == r.value || slices.Contains(r.pending, v) }

// ledger remembers, outside the server, what the server has acknowledged.
type ledger struct {
	t    *testing.T
	w    *world
	room string

	titles, role register
	hands        map[*person]*register
	follow       register

	told          []string          // titles acknowledged in this round
	asked         []string          // titles asked for in this round
	invitations   map[string]string // id → state acknowledged
	unsure        map[string]bool   // ids whose withdrawal was not answered
	unknownInvite int               // invitations asked for without an answer
	rooms         map[string]bool   // id → ended, acknowledged
	unsureRooms   map[string]bool
	cursor        string

	mu                    sync.Mutex
	acknowledged, unknown int
	killed                bool // somebody got no answer: nobody asks any more in this round
}

func newLedger(t *testing.T, w *world) *ledger {
	l := &ledger{t: t, w: w, hands: map[*person]*register{}, invitations: map[string]string{}, unsure: map[string]bool{}, rooms: map[string]bool{}, unsureRooms: map[string]bool{}}
	host := w.founder()
	l.room = host.open("open")
	for i := range 4 {
		w.member(i).enter(l.room)
	}
	host.toStage(l.room, w.member(1))
	l.titles.value, l.role.value, l.follow.value = "Evening talk", "speaker", "false"
	l.hands[w.member(2)], l.hands[w.member(3)] = &register{value: "down"}, &register{value: "down"}
	s := host.events(l.room, "")
	l.cursor = s.cursor()
	s.cancel()
	return l
}

// attempt makes a write. known says whether it was answered; done whether it was acknowledged.
func (l *ledger) attempt(p *person, method, path string, body any) (a answer, known, done bool) {
	a, err := p.try(method, path, body)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err != nil || a.status >= 500:
		l.unknown++
		l.killed = true
		return a, false, false
	case a.status < 300:
		l.acknowledged++
		return a, true, true
	case a.status != http.StatusTooManyRequests:
		l.t.Errorf("%s: %s", p.name, a)
	}
	return a, true, false
}

// set writes a register.
func (l *ledger) set(r *register, value string, p *person, method, path string, body any) {
	_, known, done := l.attempt(p, method, path, body)
	switch {
	case done:
		r.value, r.pending = value, nil
	case !known:
		r.pending = append(r.pending, value)
	}
}

// write lets several writers write until the server is killed, after d.
func (l *ledger) write(round int, d time.Duration) {
	host := l.w.founder()
	for _, p := range []*person{host, l.w.member(0), l.w.member(1), l.w.member(2), l.w.member(3)} {
		p.enter(l.room)
	}
	l.told, l.asked, l.killed = nil, nil, false
	stop := make(chan struct{})
	var writers sync.WaitGroup
	writer := func(write func(n int)) {
		writers.Go(func() {
			pace := time.NewTicker(4 * time.Millisecond)
			defer pace.Stop()
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				case <-pace.C:
				}
				l.mu.Lock()
				killed := l.killed
				l.mu.Unlock()
				if killed {
					return
				}
				write(n)
			}
		})
	}
	path := "/rooms/" + l.room
	writer(func(n int) { l.title(fmt.Sprintf("%d.%d", round, n)) })
	writer(func(n int) {
		role := []string{"moderator", "speaker"}[n%2]
		l.set(&l.role, role, host, http.MethodPut, path+"/participants/"+l.w.member(1).id+"/role", object{"role": role})
	})
	for p, r := range l.hands {
		writer(func(n int) {
			if n%2 == 0 {
				l.set(r, "up", p, http.MethodPut, path+"/hand", nil)
			} else {
				l.set(r, "down", p, http.MethodDelete, path+"/hand", nil)
			}
		})
	}
	writer(func(n int) {
		method := []string{http.MethodPut, http.MethodDelete}[n%2]
		l.set(&l.follow, fmt.Sprint(n%2 == 0), l.w.member(4), method, "/accounts/"+host.id+"/follow", nil)
	})
	writer(l.invite)
	writer(l.openAndEnd)
	<-time.After(d)
	l.w.kill()
	close(stop)
	writers.Wait()
}

func (l *ledger) title(text string) {
	l.asked = append(l.asked, text)
	before := l.titles.value
	l.set(&l.titles, text, l.w.founder(), http.MethodPatch, "/rooms/"+l.room, object{"title": text})
	if l.titles.value == text && before != text {
		l.told = append(l.told, text)
	}
}

// invite makes invitations, at most eight a round, and withdraws every other one.
func (l *ledger) invite(n int) {
	if n >= 8 {
		return
	}
	a, known, done := l.attempt(l.w.founder(), http.MethodPost, "/invitations", object{})
	if !known {
		l.unknownInvite++
	}
	if !done {
		return
	}
	id := a.text("id")
	l.invitations[id] = "pending"
	if n%2 == 0 {
		return
	}
	switch _, known, done := l.attempt(l.w.founder(), http.MethodDelete, "/invitations/"+id, nil); {
	case done:
		l.invitations[id] = "revoked"
	case !known:
		l.unsure[id] = true
	}
}

// openAndEnd opens a room of its own and ends it again.
func (l *ledger) openAndEnd(int) {
	p := l.w.member(5)
	a, _, done := l.attempt(p, http.MethodPost, "/rooms", object{"title": "Short", "kind": "open"})
	if !done {
		return
	}
	id := a.text("id")
	l.rooms[id] = false
	switch _, known, done := l.attempt(p, http.MethodDelete, "/rooms/"+id, nil); {
	case done:
		l.rooms[id] = true
	case !known:
		l.unsureRooms[id] = true
	}
}

// verify compares the server with the ledger.
func (l *ledger) verify(round int) {
	l.t.Helper()
	host := l.w.founder()
	v := host.room(l.room)
	l.is("title", &l.titles, v.Title)
	l.is("role", &l.role, v.role(l.w.member(1)))
	for p, r := range l.hands {
		hand := "down"
		if p.room(l.room).Me.Hand != nil {
			hand = "up"
		}
		l.is("hand of "+p.name, r, hand)
	}
	followed, _ := l.w.member(4).must(http.MethodGet, "/accounts/"+host.id, nil).json()["followed"].(bool)
	l.is("follow", &l.follow, fmt.Sprint(followed))
	l.verifyInvitations()
	l.verifyRooms()
	l.verifyTitlesTold(round)
}

// is checks a register and goes on with what it is.
func (l *ledger) is(what string, r *register, v string) {
	l.t.Helper()
	if !r.allows(v) {
		l.t.Errorf("%s is %q after the kill; acknowledged %q, unanswered %q", what, v, r.value, r.pending)
	}
	r.value, r.pending = v, nil
}

func (l *ledger) verifyInvitations() {
	l.t.Helper()
	list, _ := l.w.founder().must(http.MethodGet, "/invitations", nil).json()["invitations"].([]any)
	seen := map[string]string{}
	for _, item := range list {
		o, _ := item.(object)
		id, _ := o["id"].(string)
		if _, twice := seen[id]; twice {
			l.t.Errorf("invitation %s is there twice", id)
		}
		seen[id], _ = o["state"].(string)
	}
	for id, state := range l.invitations {
		if got := seen[id]; got != state && !(l.unsure[id] && got == "revoked") {
			l.t.Errorf("invitation %s is %q; acknowledged %q", id, got, state)
		}
	}
	if extra := len(seen) - len(l.invitations); extra > l.unknownInvite {
		l.t.Errorf("%d invitations nobody asked for", extra-l.unknownInvite)
	}
}

func (l *ledger) verifyRooms() {
	l.t.Helper()
	for id, ended := range l.rooms {
		a := l.w.member(5).call(http.MethodGet, "/rooms/"+id, nil)
		is := a.status == http.StatusGone || a.json()["ended_at"] != nil
		if a.status == http.StatusNotFound || is != ended && !l.unsureRooms[id] {
			l.t.Errorf("room %s, acknowledged as ended=%v: %s", id, ended, a)
		}
	}
	clear(l.rooms) // each round looks at its own
	clear(l.unsureRooms)
	// A room may be open whose opening was not answered; one at most, for there is one writer.
	p, left := l.w.member(5), 0
	cards, _ := p.must(http.MethodGet, "/hallway", nil).json()["rooms"].([]any)
	for _, c := range cards {
		card, _ := c.(object)
		host, _ := card["host"].(object)
		if id, _ := card["id"].(string); host["id"] == p.id {
			left++
			p.must(http.MethodDelete, "/rooms/"+id, nil)
		}
	}
	if left > 1 {
		l.t.Errorf("%d rooms are open of somebody who opens one after another", left)
	}
}

// verifyTitlesTold reads what the event stream tells of this round: every
// acknowledged title once, none twice, in order.
func (l *ledger) verifyTitlesTold(round int) {
	l.t.Helper()
	host := l.w.founder()
	marker := fmt.Sprintf("end of %d", round)
	host.must(http.MethodPatch, "/rooms/"+l.room, object{"title": marker})
	l.titles.value = marker
	s := host.events(l.room, l.cursor)
	defer s.cancel()
	count := map[string]int{}
	within(l.t, 5*time.Second, "the last title is told", func() bool {
		all := s.all()
		return len(all) > 0 && slices.ContainsFunc(all, func(e event) bool { return e.Data["title"] == marker })
	})
	_, seqs := s.facts(l.room)
	for i := 1; i < len(seqs); i++ {
		if seqs[i] <= seqs[i-1] {
			l.t.Errorf("facts out of order or twice: %d after %d", seqs[i], seqs[i-1])
		}
	}
	for _, e := range s.all() {
		if title, ok := e.Data["title"].(string); ok && e.Kind == "room_titled" {
			count[title]++
		}
	}
	for _, title := range l.told {
		if count[title] != 1 {
			l.t.Errorf("title %q was acknowledged and told %d times", title, count[title])
		}
	}
	for title, n := range count {
		if n != 1 || title != marker && !slices.Contains(l.asked, title) {
			l.t.Errorf("title %q was told %d times", title, n)
		}
	}
	l.cursor = s.cursor()
}
