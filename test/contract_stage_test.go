package test

import (
	"encoding/json"
	"net/http"
	"slices"
	"testing"
	"time"
)

// stageView is what the order on a stage shows of a room.
type stageView struct {
	Kind             string
	Language         string
	Attribution      string
	QueueRule        string `json:"queue_rule"`
	VisibilityChange *struct {
		To string
		At time.Time
	} `json:"visibility_change"`
	AttributionChange *struct{ Agreed, Waiting []string } `json:"attribution_change"`
	Timer             *struct{ Account string }
	Participants      []struct {
		Account string
		Airtime int
	}
	Queue []struct{ Account, Group string }
	Me    struct {
		LastModerator bool `json:"last_moderator"`
		Hand          *struct{ Place int }
	}
}

func (p *person) stage(room string) stageView {
	p.t.Helper()
	var v stageView
	a := p.must(http.MethodGet, "/rooms/"+room, nil)
	if err := json.Unmarshal(a.body, &v); err != nil {
		p.t.Fatalf("%s: %v", a, err)
	}
	return v
}

// of is how long somebody was heard, in seconds.
func (v stageView) of(p *person) int {
	for _, x := range v.Participants {
		if x.Account == p.id {
			return x.Airtime
		}
	}
	return -1
}

func TestRoomIsOpenedAfterAWarningAndFollowersAreToldThen(t *testing.T) {
	w := begin(t)
	host, inside, follower := w.founder(), w.member(0), w.member(1)
	follower.must(http.MethodPut, "/accounts/"+host.id+"/follow", nil)
	follower.must(http.MethodPut, "/accounts/"+host.id+"/bell", object{"bell": "always"})
	room := host.open("closed")
	at := "/rooms/" + room
	host.must(http.MethodPost, at+"/invites", object{"account": inside.id})
	inside.enter(room)
	sees, waits := inside.events(room, ""), follower.events("", "")

	begun := time.Now()
	if a := host.must(http.MethodPost, at+"/visibility", object{"kind": "open"}); a.status != http.StatusAccepted {
		t.Errorf("%s", a)
	}
	sees.until("visibility_changing")
	if c := inside.stage(room).VisibilityChange; c == nil || c.To != "open" {
		t.Errorf("inside one is warned of %+v", c)
	}
	follower.refused(http.StatusNotFound, "not_found", http.MethodGet, at, nil)
	within(t, 20*time.Second, "the room opens", func() bool {
		kinds, _ := sees.facts(room)
		return slices.Contains(kinds, "visibility_changed")
	})
	if took := time.Since(begun); took < 5*time.Second {
		t.Errorf("opened after %s, before anybody could object", took)
	}
	if e := waits.until("room_started"); e.Data["room"] != room {
		t.Errorf("told of %v", e.Data)
	}
	follower.enter(room)
	host.refused(http.StatusConflict, "only_wider", http.MethodPost, at+"/visibility", object{"kind": "closed"})
	kinds, _ := sees.facts(room)
	if slices.Index(kinds, "visibility_changing") > slices.Index(kinds, "visibility_changed") {
		t.Errorf("told %v", kinds)
	}

	other := host.open("closed")
	host.must(http.MethodPost, "/rooms/"+other+"/visibility", object{"kind": "open"})
	host.must(http.MethodDelete, "/rooms/"+other+"/visibility", nil)
	if v := host.stage(other); v.VisibilityChange != nil || v.Kind != "closed" {
		t.Errorf("called off, and it is %+v", v)
	}
}

// seldom asks no more than a few times a second, as a person's budget wants it.
func seldom(ask func() bool) func() bool {
	var asked time.Time
	return func() bool {
		if time.Since(asked) < 300*time.Millisecond {
			return false
		}
		asked = time.Now()
		return ask()
	}
}

func TestAirtimeIsWhatWasHeard(t *testing.T) {
	s := newStage(t)
	mine := s.speaker.stage(s.room).of(s.speaker)
	within(t, 15*time.Second, "two seconds more of a voice", seldom(func() bool { return s.speaker.stage(s.room).of(s.speaker) >= mine+2 }))
	s.speaker.must(http.MethodPut, s.path("/mute"), nil)
	hostGoesOn := func(d int) stageView {
		from := s.speaker.stage(s.room).of(s.host)
		within(t, 30*time.Second, "more of the host", seldom(func() bool { return s.speaker.stage(s.room).of(s.host) >= from+d }))
		return s.speaker.stage(s.room)
	}
	before := hostGoesOn(4) // by then all that was said before has been counted
	hostGoesOn(3)
	if after := s.speaker.stage(s.room).of(s.speaker); after != before.of(s.speaker) {
		t.Errorf("muted, and heard for %d s more", after-before.of(s.speaker))
	}
}

func TestHandsAreServedByTheRuleAndTheLogTellsOfExceptions(t *testing.T) {
	w := begin(t)
	host, speaker := w.founder(), w.member(0)
	a := host.must(http.MethodPost, "/rooms", object{"kind": "open", "queue_rule": "alternate", "attribution": "chatham_house", "language": "tt"})
	room := a.text("id")
	at := "/rooms/" + room
	speaker.enter(room)
	crowd := []*person{w.member(1), w.member(2), w.member(3)}
	for i, p := range crowd {
		p.enter(room)
		p.must(http.MethodPut, at+"/hand", object{"group": []string{"tenants", "tenants", "owners"}[i]})
	}
	v := host.stage(room)
	if v.Language != "tt" || v.Attribution != "chatham_house" || v.QueueRule != "alternate" || !v.Me.LastModerator {
		t.Errorf("the room shows %+v", v)
	}
	if len(v.Queue) != 3 || v.Queue[0].Account != crowd[0].id || v.Queue[1].Account != crowd[2].id || v.Queue[1].Group != "owners" {
		t.Errorf("the queue is %+v", v.Queue)
	}
	if h := crowd[1].stage(room).Me.Hand; h == nil || h.Place != 3 {
		t.Errorf("one's own place is %+v", h)
	}
	host.must(http.MethodPost, at+"/stage-invitations", object{"account": crowd[1].id})
	next := host.must(http.MethodPost, at+"/hands/next", object{"count": 1}).json()["on_stage"]
	if list, ok := next.([]any); !ok || len(list) != 1 || list[0] != crowd[2].id {
		t.Errorf("the next is %v", next)
	}
	speaker.refused(http.StatusForbidden, "moderators_only", http.MethodPost, at+"/hands/next", object{"count": 1})
	host.refused(http.StatusUnprocessableEntity, "count_invalid", http.MethodPost, at+"/hands/next", object{"count": 11})

	var page struct {
		Entries []struct {
			Action string
			Target *struct{ ID string }
		}
	}
	for _, p := range []*person{host, crowd[0]} {
		a := p.must(http.MethodGet, at+"/log", nil)
		if err := json.Unmarshal(a.body, &page); err != nil || len(page.Entries) != 2 || page.Entries[0].Action != "brought_up" || page.Entries[1].Action != "out_of_order" {
			t.Fatalf("%s reads %s", p.name, a)
		}
		if named := page.Entries[1].Target != nil && page.Entries[1].Target.ID == crowd[1].id; named != (p == host) {
			t.Errorf("%s reads whom it met: %v", p.name, named)
		}
	}
	w.member(4).refused(http.StatusConflict, "not_in_room", http.MethodGet, at+"/log", nil)
	suggested := host.must(http.MethodGet, at+"/suggested-speakers", nil).json()["people"]
	if list, ok := suggested.([]any); !ok || len(list) != 0 {
		t.Errorf("suggested %v, whose hand is up", suggested)
	}
}

func TestStageAgreesToAnotherAttributionAndTurnsAreTimed(t *testing.T) {
	w := begin(t)
	host, speaker, listener := w.founder(), w.member(0), w.member(1)
	room := host.open("open")
	at := "/rooms/" + room
	speaker.enter(room)
	listener.enter(room)
	sees := listener.events(room, "")
	speaker.refused(http.StatusForbidden, "host_only", http.MethodPost, at+"/attribution", object{"to": "on_record"})
	host.must(http.MethodPost, at+"/attribution", object{"to": "on_record"})
	if c := listener.stage(room).AttributionChange; c == nil || !slices.Equal(c.Waiting, []string{speaker.id}) || !slices.Equal(c.Agreed, []string{host.id}) {
		t.Errorf("asked %+v", c)
	}
	listener.refused(http.StatusConflict, "not_on_stage", http.MethodPost, at+"/attribution/agree", nil)
	speaker.must(http.MethodPost, at+"/attribution/refuse", nil)
	speaker.refused(http.StatusConflict, "nothing_asked", http.MethodPost, at+"/attribution/agree", nil)
	host.must(http.MethodPost, at+"/attribution", object{"to": "on_record"})
	speaker.must(http.MethodPost, at+"/attribution/agree", nil)
	if v := listener.stage(room); v.Attribution != "on_record" || v.AttributionChange != nil {
		t.Errorf("agreed, and it is %+v", v)
	}

	host.must(http.MethodPut, at+"/timer", object{"account": speaker.id, "seconds": 60})
	if c := listener.stage(room).Timer; c == nil || c.Account != speaker.id {
		t.Errorf("the turn is %+v", c)
	}
	speaker.refused(http.StatusForbidden, "moderators_only", http.MethodDelete, at+"/timer", nil)
	others := speaker.events(room, "")
	host.must(http.MethodPut, at+"/participants/"+speaker.id+"/role", object{"role": "listener", "reason": "others wait"})
	if e := others.until("moved_to_audience"); e.Data["reason"] != "others wait" {
		t.Errorf("who is moved is told %v", e.Data)
	}
	if e := sees.until("moved_to_audience"); e.Data["reason"] != nil {
		t.Errorf("others are told %v", e.Data)
	}
	sees.until("timer_cleared")
	kinds, _ := sees.facts(room)
	want := []string{"attribution_asked", "attribution_refused", "attribution_asked", "attribution_agreed", "attribution_changed", "timer_set", "moved_to_audience", "timer_cleared"}
	if !slices.Equal(kinds, want) {
		t.Errorf("told %v, want %v", kinds, want)
	}
}
