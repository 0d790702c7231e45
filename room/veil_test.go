package room

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"besedka"
	"besedka/live"
)

// reader follows a room and keeps what it is told.
type reader struct {
	*live.Stream
	mu    sync.Mutex
	texts []string
	notes *notes
}

// follow has the hub tell the account what happens in the room.
func (w *world) follow(hub *live.Hub, room besedka.RoomID, account besedka.AccountID) *reader {
	w.t.Helper()
	s, err := hub.Subscribe(ctx, live.Subscription{Participant: account.Participant(), Room: room})
	if err != nil {
		w.t.Fatal(err)
	}
	r := &reader{Stream: s, notes: newNotes()}
	var done sync.WaitGroup
	done.Go(func() {
		for {
			e, err := s.Next(ctx)
			if err != nil {
				return
			}
			var told struct {
				Kind string         `json:"kind"`
				Data map[string]any `json:"data"`
			}
			if err := json.Unmarshal(e.Data, &told); err != nil {
				w.t.Error(err)
			}
			r.mu.Lock()
			r.texts = append(r.texts, string(e.Data))
			r.mu.Unlock()
			r.notes.add(told.Kind)
			if counts, ok := told.Data["counts"].(map[string]any); ok {
				text, _ := json.Marshal([]any{counts["all"], counts["on_stage"], counts["audience"]})
				r.notes.add("counts " + string(text))
			}
		}
	})
	w.t.Cleanup(func() { s.Close(); done.Wait() })
	return r
}

// said are the events with a part in their text.
func (r *reader) said(part string) (texts []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, text := range r.texts {
		if strings.Contains(text, part) {
			texts = append(texts, text)
		}
	}
	return texts
}

// veiledHub is a hub that hides whom the world's rooms hide.
func (w *world) veiledHub(t *testing.T) *live.Hub {
	t.Helper()
	hub := live.New(live.Config{Outbox: w.db, Now: time.Now, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Veil: func(ctx context.Context, id besedka.RoomID, named []besedka.AccountID) func(besedka.ParticipantID) []besedka.AccountID {
			return w.service.Unseen(ctx, id, named)
		}})
	var running sync.WaitGroup
	running.Go(func() {
		if err := hub.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { hub.Close(); running.Wait() })
	w.db.OnCommit(hub.Wake)
	w.service.announce = hub
	return hub
}

func TestTheBlockedAreNotToldWhatTheirBlockersDo(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		hub := w.veiledHub(t)
		room := w.open("host", KindOpen)
		w.enter(room, "anna", "vera", "boris")
		w.stay(room, "host", "anna", "vera", "boris")
		w.block("anna", "boris", true) // on stage
		w.block("vera", "boris", true) // in the audience
		w.view(room, "boris")
		boris, host := w.follow(hub, room, "boris"), w.follow(hub, room, "host")
		s := w.service
		for what, err := range map[string]error{
			"vera comes up": func() error { w.bringUp(room, "host", "vera"); return nil }(),
			"a turn":        s.SetTimer(ctx, room, actor("host"), "anna", 60),
			"no turn":       s.ClearTimer(ctx, room, actor("host")),
			"silence":       s.Silence(ctx, room, actor("host"), "anna"),
			"no silence":    s.LiftSilence(ctx, room, actor("host"), "anna"),
			"mute":          s.MuteOther(ctx, room, actor("host"), "anna"),
			"asked":         s.AskAttribution(ctx, room, actor("host"), OnRecord),
			"agreed":        s.AgreeAttribution(ctx, room, actor("anna")),
			"moderator":     s.SetRole(ctx, room, actor("host"), "anna", besedka.RoleModerator),
			"pinned":        s.SetPin(ctx, room, actor("anna"), "https://example.org/"),
			"no moderator":  s.SetRole(ctx, room, actor("anna"), "anna", besedka.RoleSpeaker),
			"reaction":      s.React(ctx, room, actor("boris"), "clap"),
			"moved":         s.MoveToAudience(ctx, room, actor("host"), "vera", "please listen"),
			"title":         s.SetTitle(ctx, room, actor("host"), "The end"),
		} {
			if err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
		boris.notes.wait(t, "room_titled")
		host.notes.wait(t, "room_titled")
		for _, name := range []string{`"anna"`, `"vera"`} {
			if texts := boris.said(name); texts != nil {
				t.Errorf("boris is told %v", texts)
			}
			if len(host.said(name)) < 2 {
				t.Errorf("the host is told of %s: %v", name, host.said(name))
			}
		}
		if texts := boris.said("example.org"); len(texts) != 1 {
			t.Errorf("what anna pinned is told to boris: %v", texts)
		}
		v := w.view(room, "boris")
		if v.Pin == nil || v.Pin.By != (Person{}) || v.Timer != nil {
			t.Errorf("boris sees the pin %+v, the turn %+v", v.Pin, v.Timer)
		}
		pins, err := s.Pins(ctx, room, actor("boris"))
		if err != nil || len(pins) != 1 || pins[0].By != (Person{}) {
			t.Errorf("boris reads of pins %+v, error %v", pins, err)
		}
		page, err := s.Log(ctx, room, actor("boris"), "")
		if err != nil || slices.ContainsFunc(page.Entries, func(e LogEntry) bool { return e.By != nil && e.By.ID == "anna" }) {
			t.Errorf("boris reads the log %+v, error %v", page, err)
		}
	})
}

func TestCountsAreTheSameInEventsAndInViews(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		hub := w.veiledHub(t)
		room := w.open("host", KindOpen)
		w.enter(room, "anna", "vera", "boris")
		w.stay(room, "host", "anna", "vera", "boris")
		boris, host := w.follow(hub, room, "boris"), w.follow(hub, room, "host")
		w.view(room, "boris")
		w.block("vera", "boris", true)
		boris.notes.wait(t, "counts [3,2,1]")
		if v := w.view(room, "boris"); v.Counts.All != 3 || v.Counts.OnStage != 2 || v.Counts.Audience != 1 {
			t.Errorf("boris counts %+v", v.Counts)
		}
		w.enter(room, "gleb")
		boris.notes.wait(t, "counts [4,2,2]")
		host.notes.wait(t, "counts [5,2,3]")
		if texts := boris.said(`"all":5`); texts != nil {
			t.Errorf("boris is told %v", texts)
		}
		w.block("vera", "boris", false)
		boris.notes.wait(t, "counts [5,2,3]")
	})
}

func TestABlockMadeElsewhereIsInEventsWithinAMinute(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := w.hosted()
		hides := func() bool { return w.service.Unseen(ctx, room, []besedka.AccountID{"anna"}) != nil }
		if hides() {
			t.Error("somebody is hidden from somebody")
		}
		w.graph.mu.Lock() // another process tells nobody here
		w.graph.walls = map[[2]besedka.AccountID]bool{{"anna", "boris"}: true}
		w.graph.mu.Unlock()
		w.clock.Advance(tiesFor)
		if !hides() {
			t.Error("the block of another process does not count")
		}
		unseen := w.service.Unseen(ctx, room, []besedka.AccountID{"anna", "host"})
		if got := unseen("boris"); !slices.Equal(got, []besedka.AccountID{"anna"}) || unseen("vera") != nil || unseen("guest-1") != nil {
			t.Errorf("hidden from boris: %v", got)
		}
	})
}

// TestNobodyIsAskedForBlocksTwice: a room without blocks asks for them once a
// minute, however much happens.
func TestNobodyIsAskedForBlocksTwice(t *testing.T) {
	w := oneWorld(t)
	room := w.hosted()
	w.service.Unseen(ctx, room, []besedka.AccountID{"anna", "boris"})
	before := w.graph.walled
	for range 100 {
		w.service.Unseen(ctx, room, []besedka.AccountID{"boris", "anna"})
	}
	if w.graph.walled != before {
		t.Errorf("asked %d times", w.graph.walled-before)
	}
}

// TestAReasonIsNotALongList: what one person is told costs the others nothing.
func TestAReasonIsNotALongList(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := w.hosted()
		before := len(w.facts(room))
		if err := w.service.MoveToAudience(ctx, room, actor("host"), "anna", "please listen"); err != nil {
			t.Fatal(err)
		}
		told := w.facts(room)[before:]
		if len(told) != 2 || len(told[0].To) != 1 || len(told[1].To) != 1 {
			t.Fatalf("told %v", told)
		}
		for who, want := range map[besedka.ParticipantID][2]bool{"anna": {false, true}, "boris": {true, false}, "guest-1": {true, false}} {
			if got := [2]bool{told[0].VisibleTo(who), told[1].VisibleTo(who)}; got != want {
				t.Errorf("%s is told %v", who, got)
			}
		}
		if strings.Contains(string(told[0].Data), "listen") || !strings.Contains(string(told[1].Data), "please listen") {
			t.Errorf("told %s and %s", told[0].Data, told[1].Data)
		}
	})
}
