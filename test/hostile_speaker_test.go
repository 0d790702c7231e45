package test

import (
	"net/http"
	"testing"
	"time"
)

// loss is a way to lose one's voice while one's microphone goes on sending.
type loss struct {
	name  string
	grace time.Duration // until nothing may be heard
	lose  func(*person, *rogue)
	again func(*person) // gives the voice back to the same connection; nil where there is no way
}

func (h *haunted) losses() []loss {
	const soon = 200 * time.Millisecond
	of := func(p *person, rest string) string { return h.path("/participants/" + p.id + rest) }
	return []loss{
		{"is silenced", soon, func(p *person, _ *rogue) { h.host.must(http.MethodPut, of(p, "/silence"), nil) },
			func(p *person) { h.host.must(http.MethodDelete, of(p, "/silence"), nil) }},
		{"is muted by a moderator", soon, func(p *person, _ *rogue) { h.host.must(http.MethodPut, of(p, "/mute"), nil) },
			func(p *person) { p.must(http.MethodDelete, h.path("/mute"), nil) }},
		{"mutes himself", soon, func(p *person, _ *rogue) { p.must(http.MethodPut, h.path("/mute"), nil) },
			func(p *person) { p.must(http.MethodDelete, h.path("/mute"), nil) }},
		{"is moved to the audience", soon, func(p *person, _ *rogue) {
			h.host.must(http.MethodPut, of(p, "/role"), object{"role": "listener"})
		}, nil},
		{"moves to the audience", soon, func(p *person, _ *rogue) { p.must(http.MethodPut, of(p, "/role"), object{"role": "listener"}) }, nil},
		{"leaves", time.Second, func(p *person, _ *rogue) { p.must(http.MethodDelete, h.path("/seat"), nil) }, nil},
		{"hangs up", time.Second, func(p *person, r *rogue) { p.must(http.MethodDelete, r.path, nil) }, nil},
		{"goes on with another device", time.Second, func(p *person, _ *rogue) { p.signIn().enter(h.room) }, nil},
		{"signs out", time.Second, func(p *person, _ *rogue) { p.must(http.MethodDelete, "/sessions/current", nil) }, nil},
		{"is removed", time.Second, func(p *person, _ *rogue) { h.host.must(http.MethodDelete, of(p, "?reason=noise"), nil) }, nil},
	}
}

func TestWhoHasLostHisVoiceIsNotForwardedHoweverHeSends(t *testing.T) {
	h := newHaunted(t)
	for i, l := range h.losses() {
		p, speaker := h.member(i%7), uint32(100+i)
		if l.name == "signs out" {
			p = p.signIn()
		}
		p.enter(h.room)
		if h.host.room(h.room).role(p) == "listener" {
			h.host.toStage(h.room, p)
		}
		r := p.rogue(h.room, "whip")
		hush := r.talk(speaker)
		heard := func(from, to time.Time) int { return len(h.stay.heard(speaker, from, to)) }
		before := time.Now()
		within(t, joinTime, "a speaker is heard before he "+l.name, func() bool { return heard(before, time.Now()) > 5 })
		l.lose(p, r)
		lost := time.Now()
		from, to := observe(l.grace + 400*time.Millisecond)
		t.Logf("who %-28s: last frame heard %s after the answer", l.name, h.lastHeard(speaker).Sub(lost).Round(time.Microsecond))
		if n := heard(lost.Add(l.grace), to); n != 0 {
			t.Errorf("who %s: %d frames were heard later than %s after", l.name, n, l.grace)
		}
		if n := len(h.stay.heard(1, from, to)); n < int(0.8*float64(to.Sub(from)/frameTime)) {
			t.Errorf("while he %s, only %d frames of the host were heard in %s", l.name, n, to.Sub(from))
		}
		if l.again != nil { // the connection has been sending all the while: what it sends was good
			l.again(p)
			given := time.Now()
			within(t, joinTime, "who "+l.name+" is heard again", func() bool { return heard(given, time.Now()) > 5 })
		}
		if l.name == "is removed" {
			h.noWayBack(t, p, r, speaker)
		}
		hush()
		_, _ = p.try(http.MethodDelete, h.path("/seat"), nil)
	}
	h.unharmed(t)
}

// lastHeard is when the last packet with a frame of the speaker's came.
func (h *haunted) lastHeard(speaker uint32) (at time.Time) {
	h.stay.mu.Lock()
	defer h.stay.mu.Unlock()
	for _, a := range h.stay.arrivals {
		if len(a.marks) > 0 && a.marks[0].speaker == speaker {
			at = a.at
		}
	}
	return at
}

// noWayBack tries every way into the room that somebody has who was removed from it.
func (h *haunted) noWayBack(t *testing.T, p *person, r *rogue, speaker uint32) {
	out, err := h.admin("", "token", "create", "--username", p.name)
	if err != nil {
		t.Fatal(err)
	}
	up, down := raw{"application/sdp", someOffer(t, sendonly, audio)}, raw{"application/sdp", someOffer(t, recvonly, audio)}
	for name, q := range map[string]*person{"the old token": p, "another device": p.signIn(),
		"another token": {t: t, server: h.server, name: p.name, id: p.id, token: lastLine(out)}} {
		q.refused(http.StatusForbidden, "removed_from_room", http.MethodPut, h.path("/seat"), nil)
		q.refused(http.StatusForbidden, "removed_from_room", http.MethodPost, h.path("/whep"), down)
		q.refused(http.StatusForbidden, "removed_from_room", http.MethodPost, h.path("/whip"), up)
		for _, try := range []struct{ method, path string }{{http.MethodGet, h.path("")}, {http.MethodGet, "/events?room=" + h.room}, {http.MethodDelete, r.path}} {
			if a := q.call(try.method, try.path, nil); a.status != http.StatusNotFound && a.status != http.StatusForbidden {
				t.Errorf("who was removed, with %s: %s", name, a)
			}
		}
		for _, rest := range []string{"/stage-invitations/accept", "/heir/accept"} {
			if a := q.call(http.MethodPost, h.path(rest), nil); a.status < 400 {
				t.Errorf("who was removed, with %s: %s", name, a)
			}
		}
	}
	h.host.refused(http.StatusForbidden, "removed_from_room", http.MethodPost, h.path("/invites"), object{"account": p.id})
	h.host.must(http.MethodDelete, h.path("/removals/"+p.id), nil)
	p.enter(h.room)
	from, to := observe(300 * time.Millisecond)
	if n := len(h.stay.heard(speaker, from, to)); n != 0 {
		t.Errorf("back as a listener, %d frames of the connection from before are heard", n)
	}
	p.refused(http.StatusForbidden, "not_on_stage", http.MethodPost, h.path("/whip"), up)
}

// verb is something that only moderators may do.
type verb struct {
	method, path string
	body         any
}

// verbs are all of them, about a speaker and somebody in the audience with a hand up. In
// this order a moderator can do them all.
func verbs(room string, speaker, listener, absent *person) []verb {
	at := func(rest string) string { return "/rooms/" + room + rest }
	of := at("/participants/" + speaker.id)
	return []verb{
		{http.MethodPatch, at(""), object{"title": "Taken over"}},
		{http.MethodPatch, at(""), object{"hands": "everyone"}},
		{http.MethodDelete, at("/hands/" + listener.id), nil},
		{http.MethodPost, at("/stage-invitations"), object{"account": listener.id}},
		{http.MethodDelete, at("/hands"), nil},
		{http.MethodPut, of + "/silence", nil},
		{http.MethodDelete, of + "/silence", nil},
		{http.MethodPut, of + "/mute", nil},
		{http.MethodPost, at("/mute-all"), nil},
		{http.MethodPut, of + "/role", object{"role": "moderator"}},
		{http.MethodPut, of + "/role", object{"role": "speaker"}},
		{http.MethodPut, of + "/role", object{"role": "listener"}},
		{http.MethodPost, at("/invites"), object{"account": absent.id}},
		{http.MethodDelete, of + "?reason=noise", nil},
		{http.MethodDelete, at("/removals/" + speaker.id), nil},
		{http.MethodPut, at("/host"), object{"account": listener.id}}, // the host's alone
		{http.MethodDelete, at(""), nil},
	}
}

// council is a closed room with moderators to be.
type council struct {
	*world
	room                              string
	host                              *person
	moderators                        []*person // with open event streams
	streams                           []*stream
	speaker, listener, absent, second *person
}

func newCouncil(t *testing.T) *council {
	t.Helper()
	w := begin(t)
	c := &council{world: w, host: w.founder(), speaker: w.member(4), listener: w.member(5), absent: w.member(6), second: w.member(3)}
	var asked []string
	for i := range 6 {
		asked = append(asked, w.member(i).id)
	}
	c.room = c.host.must(http.MethodPost, "/rooms", object{"title": "Council", "kind": "closed", "invite": asked}).text("id")
	for i := range 4 {
		p := w.member(i)
		c.seat(p, "moderator")
		c.moderators, c.streams = append(c.moderators, p), append(c.streams, p.events(c.room, ""))
	}
	c.seat(c.speaker, "speaker")
	c.listener.enter(c.room)
	return c
}

func (c *council) path(rest string) string { return "/rooms/" + c.room + rest }

// seat brings somebody in and up to a role.
func (c *council) seat(p *person, role string) {
	p.enter(c.room)
	if c.host.room(c.room).role(p) == "listener" {
		c.host.toStage(c.room, p)
	}
	if role == "moderator" {
		c.host.must(http.MethodPut, c.path("/participants/"+p.id+"/role"), object{"role": role})
	}
}

// state is the room as its host sees it, without what changes by itself.
func (c *council) state() string { return string(c.host.must(http.MethodGet, c.path(""), nil).body) }

func TestWhoWasAModeratorCanDoNothingOfItFromThatMoment(t *testing.T) {
	c := newCouncil(t)
	role := func(p *person, role string) func() {
		return func() { c.host.must(http.MethodPut, c.path("/participants/"+p.id+"/role"), object{"role": role}) }
	}
	m := c.moderators
	own := c.host
	former := []struct {
		name string
		who  *person
		fall func()
	}{
		{"a moderator made a speaker", m[0], role(m[0], "speaker")},
		{"a moderator moved to the audience", m[1], role(m[1], "listener")},
		{"a moderator who was removed", m[2], func() { c.host.must(http.MethodDelete, c.path("/participants/"+m[2].id+"?reason=other"), nil) }},
		{"a host who handed over and was made a speaker", own, func() {
			own.must(http.MethodPut, c.path("/host"), object{"account": c.second.id})
			c.host = c.second
			c.host.must(http.MethodPut, c.path("/participants/"+own.id+"/role"), object{"role": "speaker"})
		}},
	}
	tried := 0
	for _, f := range former {
		f.fall()
		for _, v := range verbs(c.room, c.speaker, c.listener, c.absent) {
			before := c.state()
			a := f.who.call(v.method, v.path, v.body)
			tried++
			if a.status != http.StatusForbidden && a.status != http.StatusNotFound {
				t.Errorf("%s: %s; want 403 or 404", f.name, a)
			}
			if now := c.state(); now != before {
				t.Fatalf("%s changed the room by %s %s:\n%s\n%s", f.name, v.method, v.path, before, now)
			}
		}
		if a := f.who.call(http.MethodPut, c.path("/participants/"+f.who.id+"/role"), object{"role": "moderator"}); a.status < 400 {
			t.Errorf("%s makes himself a moderator: %s", f.name, a)
		}
	}
	c.listener.must(http.MethodPut, c.path("/hand"), object{"note": "for moderators only"})
	c.streams[3].until("hand_raised") // whoever is a moderator is told
	for i, f := range former[:3] {
		kinds, _ := c.streams[i].facts(c.room)
		if countOf(kinds, "hand_raised") != 0 {
			t.Errorf("%s is told of hands on the stream that he had open", f.name)
		}
		if view := f.who.call(http.MethodGet, c.path(""), nil).json(); view["queue"] != nil || view["removals"] != nil || view["invited"] != nil {
			t.Errorf("%s sees what moderators see: %v", f.name, view)
		}
	}
	t.Logf("%d acts of %d people who had been moderators were refused", tried, len(former))
	c.allSucceed(t)
}

// allSucceed is the control: the same acts, done by who may.
func (c *council) allSucceed(t *testing.T) {
	for _, v := range verbs(c.room, c.speaker, c.listener, c.absent) {
		if v.path == c.path("/host") {
			v.body = object{"account": c.founder().id}
		}
		a := c.host.call(v.method, v.path, v.body)
		if a.status >= 300 {
			t.Errorf("who may: %s", a)
		}
		if v.path == c.path("/participants/"+c.speaker.id+"/role") && v.body.(object)["role"] == "listener" {
			if got := c.host.room(c.room).role(c.speaker); got != "listener" {
				t.Errorf("the speaker is %q", got)
			}
		}
	}
	if a := c.founder().call(http.MethodPut, c.path("/seat"), nil); a.status != http.StatusGone {
		t.Errorf("the room was ended: %s", a)
	}
}
