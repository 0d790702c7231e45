package test

import (
	"net/http"
	"slices"
	"testing"
	"time"
)

// ready is how soon a killed server must answer again.
const ready = 2 * time.Second

func TestKillKeepsEveryRoleAndSpeechComesBack(t *testing.T) {
	w := begin(t)
	host, speaker, moderator, listener := w.founder(), w.member(0), w.member(1), w.member(2)
	room := host.open("open")
	host.speak(room)
	speaker.enter(room)
	speaker.speak(room)
	moderator.enter(room)
	host.toStage(room, moderator)
	host.must(http.MethodPut, "/rooms/"+room+"/participants/"+moderator.id+"/role", object{"role": "moderator"})
	old := listener.listen(room, 3)
	old.untilHeard(0)
	before := host.room(room)

	if took := w.restart(t); took > ready {
		t.Errorf("ready again after %s; want at most %s", took, ready)
	}
	again := time.Now()
	for _, p := range []*person{host, speaker, moderator} {
		// Whoever looks before coming back is not told that another device has the seat.
		if me := p.must(http.MethodGet, "/me", nil).json(); me["room"] != room || me["seat_here"] != true {
			t.Errorf("%s sits in %v, here: %v", p.name, me["room"], me["seat_here"])
		}
		// Without a session everybody is shown as muted; that is no reason to mute oneself.
		if own, _ := p.must(http.MethodGet, "/rooms/"+room, nil).json()["me"].(map[string]any); own["muted"] != true || own["switched_off"] != false {
			t.Errorf("%s: muted %v, switched off %v", p.name, own["muted"], own["switched_off"])
		}
		if is, was := host.room(room).role(p), before.role(p); is != was {
			t.Errorf("%s was %s and is %q", p.name, was, is)
		}
	}
	host.speak(room)
	speaker.speak(room)
	e := listener.listen(room, 3)
	for _, p := range []*person{host, speaker} {
		number := host.csrcOf(room, p)
		if s, _ := before.of(p); s.CSRC != number {
			t.Errorf("%s had csrc %d and has %d", p.name, s.CSRC, number)
		}
		e.untilHeard(number)
	}
	t.Logf("everybody hears again %s after the server was ready", time.Since(again).Round(time.Millisecond))
	v := host.room(room)
	for p, want := range map[*person]string{host: "host", speaker: "speaker", moderator: "moderator", listener: "listener"} {
		if v.role(p) != want {
			t.Errorf("%s is %q; want %s", p.name, v.role(p), want)
		}
	}
	if v.Host.ID != host.id || v.Title != "Evening talk" {
		t.Errorf("host %s, title %q", v.Host.ID, v.Title)
	}
}

func TestRaisedHandSurvivesKill(t *testing.T) {
	w := begin(t)
	host, first, second := w.founder(), w.member(1), w.member(2)
	room := host.open("open")
	w.member(0).enter(room)
	for _, p := range []*person{first, second} {
		p.enter(room)
		p.must(http.MethodPut, "/rooms/"+room+"/hand", object{"note": "I am " + p.name})
	}
	before := host.room(room).Queue
	w.restart(t)
	for _, p := range []*person{host, first, second} {
		p.enter(room)
	}
	after := host.room(room).Queue
	if len(before) != 2 || !slices.Equal(before, after) || after[0].Account != first.id || after[0].Note != "I am "+first.name {
		t.Errorf("the queue was %+v and is %+v", before, after)
	}
	if me := first.room(room).Me; me.Hand == nil {
		t.Errorf("who raised it does not see it: %+v", me)
	}
	// The hand is still consent: an invitation puts its owner on stage at once.
	host.must(http.MethodPost, "/rooms/"+room+"/stage-invitations", object{"account": first.id})
	if role := host.room(room).role(first); role != "speaker" {
		t.Errorf("%s is %q after the invitation", first.name, role)
	}
}

func TestSilenceAndRemovalSurviveKill(t *testing.T) {
	s := newStage(t)
	removed := s.member(1)
	removed.enter(s.room)
	s.host.must(http.MethodPut, s.path("/participants/"+s.speaker.id+"/silence"), nil)
	s.host.must(http.MethodDelete, s.path("/participants/"+removed.id+"?reason=spam"), nil)
	s.restart(t)
	s.host.speak(s.room)
	s.speaker.speak(s.room)
	e := s.guest(t, s.room).listen(s.room, 3)
	e.untilHeard(s.hostNumber)
	from, to := observe(time.Second)
	if n := e.frames(s.speakerNumber, from, to); n != 0 {
		t.Errorf("a silenced speaker is forwarded after the restart: %d frames", n)
	}
	removed.refused(http.StatusForbidden, "removed_from_room", http.MethodPut, s.path("/seat"), nil)
}

func TestEventsResumeWhereTheyStoppedAcrossKills(t *testing.T) {
	w := begin(t)
	host, member := w.founder(), w.member(0)
	room := host.open("open")
	member.enter(room)
	title := func(text string) { host.must(http.MethodPatch, "/rooms/"+room, object{"title": text}) }
	stream := member.events(room, "")
	title("one")
	stream.until("room_titled")
	w.kill()
	stream.endsWithin(5 * time.Second)
	kinds, seqs := stream.facts(room)
	cursor := stream.cursor()
	if _, err := w.start(); err != nil {
		t.Fatal(err)
	}
	host.enter(room)
	title("two")
	w.restart(t)
	host.enter(room)
	title("three")
	member.enter(room)
	resumed := member.events(room, cursor)
	if hello := resumed.until("hello"); hello.Data["resumed"] != true {
		t.Errorf("hello: %+v", hello)
	}
	within(t, 5*time.Second, "the missed titles", func() bool {
		missed, _ := resumed.facts(room)
		return countOf(missed, "room_titled") >= 2
	})
	title("four")
	within(t, 5*time.Second, "the next title", func() bool {
		missed, _ := resumed.facts(room)
		return countOf(missed, "room_titled") >= 3
	})
	missed, after := resumed.facts(room)
	all := append(seqs, after...)
	for i := 1; i < len(all); i++ {
		if all[i] <= all[i-1] {
			t.Errorf("facts out of order or told twice: %v + %v, %v + %v", seqs, after, kinds, missed)
			break
		}
	}
	if n := countOf(append(kinds, missed...), "room_titled"); n != 4 {
		t.Errorf("%d of 4 titles were told: %v, %v", n, kinds, missed)
	}
}

func countOf(all []string, s string) (n int) {
	for _, x := range all {
		if x == s {
			n++
		}
	}
	return n
}
