package media_test

import (
	"errors"
	"testing"
	"time"

	"besedka"
	"besedka/media"
)

func TestSpeakerWhoMovesIsNeverWithoutASession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.srv.Grant(room, "host", media.Grant{CSRC: 1, Publish: true, Forward: true})
	before := w.lightJoin(t, media.Up, "host")
	after := w.lightJoin(t, media.Up, "host")
	eventually(t, "the older one has ended", func() bool { return w.told(before.session.ID, false) })
	w.mu.Lock()
	defer w.mu.Unlock()
	var order []media.SessionID
	for _, e := range w.events {
		order = append(order, e.Session)
	}
	if len(order) != 3 || order[0] != before.session.ID || order[1] != after.session.ID || order[2] != before.session.ID {
		t.Errorf("events %+v; the old session must end after the new one is there", w.events)
	}
}

func TestFlowTellsWhenSoundWent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	host := w.stage(1, 20)[0]
	guest := w.audience("guest", peerOptions{})
	down := func() media.Flow {
		t.Helper()
		flow, err := w.srv.Flow(guest.session.ID, room, "guest")
		if err != nil {
			t.Fatal(err)
		}
		return flow
	}
	if flow := down(); flow.Any {
		t.Errorf("sent %v ago before anybody spoke", flow.Age)
	}
	w.ready(host, 1, guest)
	w.clock.forward(3 * time.Second)
	if flow := down(); !flow.Any || flow.Age < 3*time.Second || flow.Age > 5*time.Second {
		t.Errorf("3 s after the last packet: %+v", flow)
	}
	if flow, err := w.srv.Flow(host.session.ID, room, "speaker1"); err != nil || !flow.Any || flow.Age > 5*time.Second {
		t.Errorf("of the speaker: %+v, %v", flow, err)
	}
	talk(2, host)
	eventually(t, "the packet has gone out", func() bool { return down().Age < 3*time.Second })
	if _, err := w.srv.Flow(guest.session.ID, room, "speaker1"); !errors.Is(err, besedka.ErrNotFound) {
		t.Errorf("of somebody else's session: %v", err)
	}
}
