package room

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"besedka"
	"besedka/db"
	"besedka/live"
)

// tripwire is a gate that does something before anything is taken away.
type tripwire struct {
	*gate
	before func()
}

func (g tripwire) Grant(room besedka.RoomID, who besedka.ParticipantID, grant Grant) {
	if had, known := g.granted(room)[who]; known && grant.less(had) {
		g.before()
	}
	g.gate.Grant(room, who, grant)
}

func (g tripwire) Revoke(room besedka.RoomID, who besedka.ParticipantID) {
	g.before()
	g.gate.Revoke(room, who)
}

func (g tripwire) Close(room besedka.RoomID) {
	g.before()
	g.gate.Close(room)
}

func (g tripwire) CloseOthers(room besedka.RoomID, who besedka.ParticipantID, keep besedka.CredentialID) {
	g.before()
	g.gate.CloseOthers(room, who, keep)
}

// notes are things that happened, for others to wait for.
type notes struct {
	mu    sync.Mutex
	list  []string
	added chan struct{} // closed by the next
}

func newNotes() *notes { return &notes{added: make(chan struct{})} }

func (n *notes) add(more ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.list = append(n.list, more...)
	close(n.added)
	n.added = make(chan struct{})
}

// has says whether something has happened, and what to wait for if not.
func (n *notes) has(what string) (bool, chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Contains(n.list, what), n.added
}

func (n *notes) wait(t *testing.T, what string) {
	t.Helper()
	late := time.After(20 * time.Second)
	for {
		ok, added := n.has(what)
		if ok {
			return
		}
		select {
		case <-added:
		case <-late:
			t.Errorf("%s never happened", what)
			return
		}
	}
}

// watched is an outbox that notes what was read from it.
type watched struct {
	*db.DB
	read *notes
}

func (o watched) FactsAfter(ctx context.Context, topic besedka.Topic, seq int64, limit int) ([]besedka.Fact, error) {
	facts, err := o.DB.FactsAfter(ctx, topic, seq, limit)
	o.read.add(kinds(facts)...)
	return facts, err
}

// listen notes the kinds that a reader is told until the test ends, and gives
// the place from which a later reader goes on.
func listen(t *testing.T, hub *live.Hub, sub live.Subscription) (told *notes, cursor string) {
	t.Helper()
	s, err := hub.Subscribe(ctx, sub)
	if err != nil {
		t.Fatal(err)
	}
	hello, err := s.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	told = newNotes()
	follow(t, s, told)
	return told, hello.ID
}

func follow(t *testing.T, s *live.Stream, told *notes) {
	var reader sync.WaitGroup
	reader.Go(func() {
		for {
			e, err := s.Next(ctx)
			if err != nil {
				return
			}
			_, rest, _ := strings.Cut(string(e.Data), `"kind":"`)
			kind, _, _ := strings.Cut(rest, `"`)
			told.add(kind)
		}
	})
	t.Cleanup(func() { s.Close(); reader.Wait() })
}

// newHub is a hub that runs until the test ends.
func newHub(t *testing.T, o live.Outbox) *live.Hub {
	hub := live.New(live.Config{Outbox: o, Now: time.Now, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	var running sync.WaitGroup
	running.Go(func() {
		if err := hub.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { hub.Close(); running.Wait() })
	return hub
}

// TestMediaIsCutBeforeAnybodyIsTold waits at the gate, with the fact committed
// and read by the hub, until a fact of another topic has been told: nobody may
// have been told of the first by then, be it a stream that is there or one that
// comes back meanwhile.
func TestMediaIsCutBeforeAnybodyIsTold(t *testing.T) {
	for what, tt := range map[string]struct {
		kind string // of the fact
		act  func(*Service, besedka.RoomID) error
	}{
		"move to audience": {"moved_to_audience", func(s *Service, room besedka.RoomID) error {
			return s.SetRole(ctx, room, actor("host"), "anna", besedka.RoleListener)
		}},
		"step down": {"moved_to_audience", func(s *Service, room besedka.RoomID) error {
			return s.SetRole(ctx, room, actor("anna"), "anna", besedka.RoleListener)
		}},
		"silence": {"silenced", func(s *Service, room besedka.RoomID) error {
			return s.Silence(ctx, room, actor("host"), "anna")
		}},
		"mute": {"mute_changed", func(s *Service, room besedka.RoomID) error {
			return s.MuteOther(ctx, room, actor("host"), "anna")
		}},
		"remove": {"removed", func(s *Service, room besedka.RoomID) error {
			return s.Remove(ctx, room, actor("host"), "anna", "spam", "")
		}},
		"leave": {"moved_to_audience", func(s *Service, room besedka.RoomID) error {
			return s.Leave(ctx, room, actor("anna"))
		}},
		"end": {"room_ended", func(s *Service, room besedka.RoomID) error {
			return s.End(ctx, room, actor("host"))
		}},
		"another device": {"seat_taken", func(s *Service, room besedka.RoomID) error {
			return s.Enter(ctx, room, Actor{Who: "anna", Credential: "anna/2"})
		}},
	} {
		t.Run(what, func(t *testing.T) {
			inWorlds(t, func(t *testing.T, w *world) { cutBeforeTold(t, w, tt.kind, tt.act) })
		})
	}
}

func cutBeforeTold(t *testing.T, w *world, kind string, act func(*Service, besedka.RoomID) error) {
	box := watched{w.db, newNotes()}
	hub := newHub(t, box)
	w.db.OnCommit(hub.Wake)
	w.service.announce = hub
	room := w.open("host", KindOpen)
	w.enter(room, "anna", "boris")
	sub := live.Subscription{Participant: "host", Room: room}
	if kind == "seat_taken" {
		sub = live.Subscription{Participant: "anna"}
	}
	told, cursor := listen(t, hub, sub)
	elsewhere, _ := listen(t, hub, live.Subscription{Participant: "vera"})

	late, cut := newNotes(), false
	w.service.gate = tripwire{w.gate, func() {
		if cut {
			return
		}
		cut = true
		if committed(t, w, room, kind) {
			box.read.wait(t, kind)
		}
		sub.LastEventID = cursor
		go func() { // it may have to wait for the gate
			if s, err := hub.Subscribe(ctx, sub); err == nil {
				follow(t, s, late)
			}
			late.add("subscribed")
		}()
		if err := w.db.Write(ctx, func(tx *db.Tx) error {
			_, err := tx.Publish(besedka.AccountTopic("vera"), "followed", nil, nil)
			return err
		}); err != nil {
			t.Error(err)
		}
		elsewhere.wait(t, "followed")
		for _, n := range []*notes{told, late} {
			if early, _ := n.has(kind); early {
				t.Errorf("%s is told before the gate has taken effect", kind)
			}
		}
	}}
	if err := act(w.service, room); err != nil {
		t.Fatal(err)
	}
	told.wait(t, kind)
	late.wait(t, "subscribed")
	if kind != "mute_changed" {
		late.wait(t, kind)
	}
	if !cut {
		t.Error("nothing was cut")
	}
}

// committed says whether a fact of the kind is in the outbox already.
func committed(t *testing.T, w *world, room besedka.RoomID, kind string) bool {
	facts, err := w.db.FactsAfter(ctx, besedka.RoomTopic(room), 0, 100)
	more, err2 := w.db.FactsAfter(ctx, besedka.AccountTopic("anna"), 0, 100)
	if err != nil || err2 != nil {
		t.Error(err, err2)
	}
	return slices.Contains(kinds(append(facts, more...)), kind)
}
