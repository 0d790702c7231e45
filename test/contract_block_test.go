package test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// block makes p block the other.
func (p *person) block(other *person) {
	p.t.Helper()
	p.must(http.MethodPut, "/accounts/"+other.id+"/block", nil)
}

func (p *person) hears(room string) answer {
	p.t.Helper()
	return p.call(http.MethodPut, "/rooms/"+room+"/seat", nil)
}

func (p *person) passesBy(t *testing.T, query, room string) bool {
	t.Helper()
	return strings.Contains(string(p.must(http.MethodGet, "/hallway"+query, nil).body), room)
}

func TestTheBlockedKnowNothingOfTheirBlocker(t *testing.T) {
	w := begin(t)
	anna, boris := w.member(0), w.member(1)
	boris.must(http.MethodPut, "/accounts/"+anna.id+"/follow", nil)
	room := anna.open("open")
	anna.block(boris)
	missing := boris.refused(404, "not_found", http.MethodGet, "/rooms/nothing", nil)
	for _, c := range []struct{ method, path string }{
		{http.MethodGet, "/rooms/" + room}, {http.MethodPut, "/rooms/" + room + "/seat"}, {http.MethodGet, "/events?room=" + room}, {http.MethodGet, "/rooms/" + room + "/people"},
	} {
		if a := boris.refused(404, "not_found", c.method, c.path, nil); string(a.body) != string(missing.body) {
			t.Errorf("%s is told apart from what does not exist", a)
		}
	}
	if boris.passesBy(t, "", room) || boris.passesBy(t, "?blocked=show", room) {
		t.Error("the blocked passes by the room")
	}
	profile := boris.must(http.MethodGet, "/accounts/"+anna.id, nil).json()
	if profile["restricted"] != true || profile["followers"] != nil || profile["bio"] != nil || profile["in_room"] != nil || profile["name"] == "" {
		t.Errorf("profile: %v", profile)
	}
	boris.refused(403, "not_possible", http.MethodPut, "/accounts/"+anna.id+"/follow", nil)
	// Asking her into a room looks as ever, and she is told nothing.
	events := anna.events("", "")
	own := boris.open("open")
	boris.must(http.MethodPost, "/rooms/"+own+"/invites", object{"account": anna.id})
	w.member(2).enter(own)
	w.member(2).must(http.MethodPost, "/rooms/"+own+"/invites", object{"account": anna.id})
	if by, _ := events.until("room_invited").Data["by"].(object); by["id"] != w.member(2).id {
		t.Errorf("asked in by %v", by)
	}
	anna.must(http.MethodDelete, "/accounts/"+boris.id+"/block", nil)
	boris.must(http.MethodGet, "/rooms/"+room, nil)
}

func TestABlockByTheHostEndsWhatTheBlockedHears(t *testing.T) {
	s := newStage(t)
	s.host.block(s.speaker)
	blocked := time.Now()
	silentFrom(t, s.ear, s.speakerNumber, blocked, 2*time.Second)
	if got := s.host.room(s.room).role(s.speaker); got != "" {
		t.Errorf("the blocked is %s", got)
	}
	s.speaker.refused(404, "not_found", http.MethodGet, "/rooms/"+s.room, nil)
	if me := s.speaker.must(http.MethodGet, "/me", nil).json(); me["room"] != nil {
		t.Errorf("the blocked sits in %v", me["room"])
	}
}

func TestABlockBySpeakersKeepsNobodyOut(t *testing.T) {
	w := begin(t)
	host, anna, boris, clara := w.founder(), w.member(0), w.member(1), w.member(2)
	room := host.open("open")
	clara.enter(room)
	anna.enter(room)
	host.toStage(room, anna)
	anna.block(boris)
	events := anna.events(room, "")
	boris.enter(room)
	if e := events.until("blocked_person_here"); e.Data["account"] != boris.id {
		t.Errorf("warned of %v", e.Data)
	}
	if got := boris.room(room).role(anna); got != "" {
		t.Errorf("the blocked sees %s", got)
	}
	if got := anna.room(room).role(boris); got != "listener" {
		t.Errorf("who blocks sees %q", got)
	}
	boris.must(http.MethodPut, "/rooms/"+room+"/hand", object{"note": "please"})
	path := "/rooms/" + room + "/stage-invitations"
	host.refused(409, "blocked_on_stage", http.MethodPost, path, object{"account": boris.id})
	host.refused(409, "blocked_on_stage", http.MethodPut, "/rooms/"+room+"/participants/"+boris.id+"/role", object{"role": "speaker"})
	host.refused(409, "blocked_on_stage", http.MethodPost, "/rooms/"+room+"/hands/next", object{"count": 1})
	if got := host.room(room).role(boris); got != "listener" {
		t.Errorf("boris is %s", got)
	}
	host.must(http.MethodPost, path, object{"account": boris.id, "confirm": true})
	if got := anna.room(room).role(boris); got != "speaker" {
		t.Errorf("boris is %s", got)
	}
	// Who blocks is asked before entering, and the room is not in her hallway.
	anna.must(http.MethodDelete, "/rooms/"+room+"/seat", nil)
	me, _ := anna.must(http.MethodGet, "/rooms/"+room, nil).json()["me"].(object)
	if list, _ := me["blocked_on_stage"].([]any); len(list) != 1 || list[0].(object)["id"] != boris.id {
		t.Errorf("at the door: %v", me["blocked_on_stage"])
	}
	if anna.passesBy(t, "", room) || !anna.passesBy(t, "?blocked=show", room) {
		t.Error("the room is in the hallway, or cannot be shown")
	}
	if hidden := anna.must(http.MethodGet, "/hallway", nil).json()["hidden"].(object); hidden["blocked"] != 1.0 {
		t.Errorf("hidden: %v", hidden)
	}
	if a := anna.hears(room); a.status != http.StatusOK {
		t.Errorf("%s", a)
	}
}

// TestTheBlockedAreNotToldOfTheirBlocker: what a speaker does is not in the events
// of whom she blocks, and their counts agree with what they see.
func TestTheBlockedAreNotToldOfTheirBlocker(t *testing.T) {
	w := begin(t)
	host, anna, boris, clara := w.founder(), w.member(0), w.member(1), w.member(2)
	room := host.open("open")
	clara.enter(room)
	anna.enter(room)
	boris.enter(room)
	boris.room(room)
	events, control := boris.events(room, ""), clara.events(room, "")
	anna.block(boris)
	boris.room(room)
	host.toStage(room, anna)
	anna.must(http.MethodPut, "/rooms/"+room+"/mute", nil)
	host.must(http.MethodPut, "/rooms/"+room+"/timer", object{"account": anna.id, "seconds": 60})
	host.must(http.MethodPut, "/rooms/"+room+"/participants/"+anna.id+"/role", object{"role": "moderator"})
	anna.must(http.MethodPatch, "/rooms/"+room, object{"title": "By anna"})
	anna.must(http.MethodPut, "/rooms/"+room+"/participants/"+anna.id+"/role", object{"role": "listener"})
	host.must(http.MethodPatch, "/rooms/"+room, object{"title": "The end"})
	titled := func(s *stream, title string) bool {
		return slices.ContainsFunc(s.all(), func(e event) bool { return e.Data["title"] == title })
	}
	named := func(s *stream) (kinds []string, byAnna bool) {
		within(t, 5*time.Second, "the last title", func() bool { return titled(s, "The end") })
		for _, e := range s.all() {
			if strings.Contains(fmt.Sprint(e.Data), anna.id) {
				kinds = append(kinds, e.Kind)
			}
		}
		return kinds, titled(s, "By anna")
	}
	if kinds, told := named(events); kinds != nil || !told {
		t.Errorf("the blocked is told of her in %v; of the title: %v", kinds, told)
	}
	if kinds, _ := named(control); len(kinds) < 4 {
		t.Errorf("others are told of her in %v only", kinds)
	}
}
