package test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// schema is as much of JSON Schema as the API's document uses.
type schema struct {
	Ref        string             `json:"$ref"`
	Type       any                `json:"type"`
	Enum       []any              `json:"enum"`
	Properties map[string]*schema `json:"properties"`
	Items      *schema            `json:"items"`
}

// operation is one of the API's, as its document says.
type operation struct {
	method, path string
	name         string
	content      string // the type of its body, "" for none
	body         *schema
	query        []string        // names of its parameters there
	answers      map[string]bool // the statuses that are documented
}

// roomOperations are all that the document has below /rooms/{room}.
func roomOperations(t *testing.T) (list []operation, named map[string]*schema) {
	t.Helper()
	text, err := os.ReadFile("../docs/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths map[string]map[string]struct {
			ID         string `json:"operationId"`
			Parameters []struct {
				Name string `json:"name"`
				In   string `json:"in"`
			} `json:"parameters"`
			Body struct {
				Content map[string]struct {
					Schema *schema `json:"schema"`
				} `json:"content"`
			} `json:"requestBody"`
			Responses map[string]any `json:"responses"`
		} `json:"paths"`
		Components struct {
			Schemas map[string]*schema `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	for _, path := range slices.Sorted(maps.Keys(doc.Paths)) {
		if !strings.HasPrefix(path, "/api/v1/rooms/{room}") {
			continue
		}
		for _, method := range slices.Sorted(maps.Keys(doc.Paths[path])) {
			o := doc.Paths[path][method]
			one := operation{method: strings.ToUpper(method), path: path, name: o.ID, answers: map[string]bool{}}
			for status := range o.Responses {
				one.answers[status] = true
			}
			for _, p := range o.Parameters {
				if p.In == "query" {
					one.query = append(one.query, p.Name)
				}
			}
			for content, body := range o.Body.Content {
				one.content, one.body = content, body.Schema
			}
			list = append(list, one)
		}
	}
	return list, doc.Components.Schemas
}

// commands sends everything that may be asked of a room.
type commands struct {
	*world
	t       *testing.T
	room    string
	host    *person
	victim  *person
	all     []operation
	schemas map[string]*schema
	random  *rand.Rand
	ids     map[string][]string // by the parameter of a path
}

// fitting are words for properties that not any text fits.
var fitting = map[string][]string{
	"kind": {"open", "social"}, "hands": {"everyone", "off"}, "role": {"speaker", "listener", "moderator"}, "mode": {"everyone", "off"},
	"reaction": {"clap"}, "url": {"https://127.0.0.1:1/"}, "queue_rule": {"lot", "first_come"}, "attribution": {"on_record", "off_record"}, "to": {"on_record"},
	"markdown": {"- tea\n- talk"}, "reason": {"spam", "harassment"}, "limit": {"10"}, "lang": {"ru"}, "utc_offset": {"180"},
}

// fittingNumbers are those that not any number fits.
var fittingNumbers = map[string]int{"seconds": 60, "count": 1, "item": 0}

// value makes up what a schema asks for.
func (c *commands) value(name string, s *schema) any {
	if s.Ref != "" {
		return c.value(name, c.schemas[s.Ref[strings.LastIndex(s.Ref, "/")+1:]])
	}
	if len(s.Enum) > 0 {
		return s.Enum[c.random.IntN(len(s.Enum))]
	}
	kind, _ := s.Type.(string)
	if kinds, ok := s.Type.([]any); ok {
		kind, _ = kinds[0].(string)
	}
	switch kind {
	case "object":
		o := object{}
		for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
			o[name] = c.value(name, s.Properties[name])
		}
		return o
	case "array":
		return []any{c.value(name, s.Items), "another"}
	case "integer", "number":
		if n, ok := fittingNumbers[name]; ok {
			return n
		}
		return []int{0, 1, 60}[c.random.IntN(3)]
	case "boolean":
		return c.random.IntN(2) == 0
	}
	if name == "account" {
		return c.victim.id
	}
	if words := fitting[name]; words != nil {
		return words[c.random.IntN(len(words))]
	}
	return "tea"
}

// bodies are what an operation is sent: what fits, twice, then what does not.
func (c *commands) bodies(o operation) []any {
	switch o.content {
	case "":
		return []any{nil, nil}
	case "application/json":
		fits := c.value("", o.body)
		wrong := object{}
		if fields, ok := fits.(object); ok {
			for name := range fields {
				wrong[name] = []any{object{"x": -1.5}}
			}
		}
		return []any{fits, fits, object{}, wrong, nil, raw{"application/json", []byte("[")}}
	case "application/sdp":
		offer := raw{o.content, someOffer(c.t, recvonly, audio)}
		return []any{offer, offer, raw{o.content, []byte("v=0")}}
	}
	return []any{raw{o.content, []byte("x")}, raw{o.content, nil}}
}

var parameter = regexp.MustCompile(`\{([a-z]+)\}`)

// fill puts something in the place of a path's parameters; fit is what exists.
func (c *commands) fill(path string, p *person, fit bool) string {
	return parameter.ReplaceAllStringFunc(path, func(name string) string {
		known := c.ids[strings.Trim(name, "{}")]
		if name == "{room}" {
			return c.room
		}
		if name == "{account}" {
			known = []string{c.victim.id, c.victim.id, cmp.Or(p.id, "nobody"), "nobody"}
		}
		switch {
		case len(known) == 0, !fit && c.random.IntN(4) == 0:
			return "none"
		case fit:
			return known[0]
		}
		return known[c.random.IntN(len(known))]
	})
}

// learn remembers what was made, for the paths that lead to it.
func (c *commands) learn(path string, a answer) {
	for part, name := range map[string]string{"messages": "message", "backchannel": "message", "questions": "question", "polls": "poll", "speaker-links": "link"} {
		if id := a.text("id"); id != "" && strings.HasSuffix(path, "/"+part) {
			c.ids[name] = append(c.ids[name], id)
		}
	}
}

var stableCode = regexp.MustCompile(`^[a-z][a-z0-9_]+$`)

// queries are what is asked for in a URL.
func (c *commands) queries(names []string, fit bool) string {
	values := url.Values{}
	for _, name := range names {
		words := append(slices.Clone(fitting[name]), "tea")
		if fit {
			values.Set(name, words[0])
		} else if c.random.IntN(2) == 0 {
			values.Set(name, words[c.random.IntN(len(words))])
		}
	}
	if len(values) == 0 {
		return ""
	}
	return "?" + values.Encode()
}

// send sends one request, of something that exists if it is to fit, and holds the
// answer to what is promised of any.
func (c *commands) send(p *person, o operation, body any, fit bool) answer {
	c.t.Helper()
	path := c.fill(o.path, p, fit)
	a := p.call(o.method, path+c.queries(o.query, fit), body)
	switch {
	case a.status >= 500 && a.code() != "events_busy":
		c.t.Errorf("%s: %s sent %v", p.name, a, body)
	case a.status >= 400 && !stableCode.MatchString(a.code()):
		c.t.Errorf("%s: %s has no code", p.name, a)
	case a.status < 400 && !o.answers[strconv.Itoa(a.status)]:
		c.t.Errorf("%s: %s is not documented: %v", p.name, a, slices.Sorted(maps.Keys(o.answers)))
	}
	if a.status == http.StatusCreated {
		c.learn(path, a)
	}
	return a
}

// play has somebody send everything, in any order, but what is left out; before
// each operation they are put back to where they were. It gives how many
// requests succeeded, by operation.
func (c *commands) play(p *person, back func(), leftOut ...string) map[string]int {
	c.t.Helper()
	done := map[string]int{}
	for _, i := range c.random.Perm(len(c.all)) {
		o := c.all[i]
		if slices.Contains(leftOut, o.name) {
			continue
		}
		back()
		for i, body := range c.bodies(o) {
			if a := c.send(p, o, body, i == 0); a.status < 300 {
				done[o.name]++
			}
		}
	}
	return done
}

// ruled is what only moderators change, as text.
func (c *commands) ruled() string {
	c.t.Helper()
	v := c.must(c.host, http.MethodGet, "/rooms/"+c.room, nil).json()
	text := fmt.Sprint(v["title"], v["kind"], v["hands"], v["queue_rule"], v["attribution"], v["chat"], v["pin"], v["agenda"], v["timer"], v["stage_reactions"],
		v["host"], v["removals"])
	for _, p := range v["participants"].([]any) {
		p := p.(object)
		if p["role"] != "listener" {
			text += fmt.Sprint(" ", p["username"], p["role"], p["silenced"])
		}
	}
	return text
}

// ask is call once the budget of who asks allows it.
func (c *commands) ask(p *person, method, path string, body any) (a answer) {
	c.t.Helper()
	within(c.t, 30*time.Second, p.name+" has a budget", func() bool {
		a = p.call(method, path, body)
		return a.status != http.StatusTooManyRequests
	})
	return a
}

// must is ask for a request that must succeed then.
func (c *commands) must(p *person, method, path string, body any) answer {
	c.t.Helper()
	a := c.ask(p, method, path, body)
	if a.status >= 300 {
		c.t.Fatalf("%s: %s", p.name, a)
	}
	return a
}

// look is the room as somebody sees it; empty if they do not.
func (c *commands) look(p *person) (v view) {
	c.t.Helper()
	if a := c.ask(p, http.MethodGet, "/rooms/"+c.room, nil); a.status == http.StatusOK {
		if err := json.Unmarshal(a.body, &v); err != nil {
			c.t.Fatalf("%s: %v", a, err)
		}
	}
	return v
}

// role brings somebody back into the room in a role.
func (c *commands) role(p *person, want string) func() {
	return func() {
		c.t.Helper()
		path := "/rooms/" + c.room
		v := c.look(p)
		if v.role(p) == want {
			return
		}
		if !v.Me.Seated {
			c.must(p, http.MethodPut, path+"/seat", nil)
			v = c.look(p)
		}
		if want != "listener" && v.role(p) == "listener" {
			c.must(c.host, http.MethodPost, path+"/stage-invitations", object{"account": p.id})
			c.must(p, http.MethodPost, path+"/stage-invitations/accept", nil)
		}
		c.must(c.host, http.MethodPut, path+"/participants/"+p.id+"/role", object{"role": want})
	}
}

// present brings the victim back on stage, or another one in their place who cannot
// come back any more.
func (c *commands) present() {
	c.t.Helper()
	if a := c.ask(c.host, http.MethodDelete, "/rooms/"+c.room+"/removals/"+c.victim.id, nil); a.code() == "undo_too_late" {
		c.victim = c.member(6)
	}
	c.role(c.victim, "speaker")()
}

// outside are the few that whoever is not in the room may do.
var outside = map[string]bool{"session-options": true, "whep-options": true, "whip-options": true, "hang-up": true, "room-card": true, "leave": true, "guest": true,
	"show-room": true, "unshare-room": true}

// ofGuests are those that guests may do besides.
var ofGuests = map[string]bool{"room": true, "enter": true, "whep": true, "ice-servers": true, "open-stream": true, "report-silence": true}

// TestEveryCommandOfARoomFromEverybody sends all that the document knows of rooms,
// from everybody who may have to do with one, in any order, fit and unfit, and
// again when the room is over: the server never fails, every refusal has a code,
// nobody changes what is not theirs to change, and the room goes on.
func TestEveryCommandOfARoomFromEverybody(t *testing.T) {
	w := begin(t)
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("BESEDKA_SEED"); text != "" {
		seed, _ = strconv.ParseUint(text, 10, 64)
	}
	t.Logf("BESEDKA_SEED=%d does it again", seed)
	c := &commands{world: w, t: t, host: w.founder(), victim: w.member(4), random: rand.New(rand.NewPCG(seed, 1)), ids: map[string][]string{}}
	c.all, c.schemas = roomOperations(t)
	if len(c.all) < 60 {
		t.Fatalf("the document knows %d operations on rooms", len(c.all))
	}
	c.room = c.host.open("open")
	speaker, moderator, listener, removed := w.member(0), w.member(1), w.member(2), w.member(3)
	for _, p := range []*person{speaker, moderator, listener, removed, c.victim} {
		p.enter(c.room)
	}
	c.role(moderator, "moderator")()
	guest, nobody := w.guest(t, c.room), func() {}
	guest.enter(c.room) // from the network of whom is removed next nobody comes in as a guest
	c.host.must(http.MethodDelete, "/rooms/"+c.room+"/participants/"+removed.id+"?reason=spam", nil)
	c.host.must(http.MethodPost, "/rooms/"+c.room+"/messages", object{"text": "Tea?"})

	for _, p := range []*person{c.host, moderator, speaker} {
		p.events(c.room, "") // keeps the seat
	}
	before := c.ruled()
	unruled := func(who string, done map[string]int, may map[string]bool) {
		t.Helper()
		if after := c.ruled(); after != before {
			t.Errorf("%s has changed the room from\n%s\nto\n%s", who, before, after)
		}
		for name := range done {
			if may != nil && !may[name] && !outside[name] {
				t.Errorf("%s may %s", who, name)
			}
		}
	}
	unruled("a stranger", c.play(w.stranger(t), nobody), map[string]bool{})
	unruled("a guest", c.play(guest, nobody), ofGuests)
	unruled("somebody removed", c.play(removed, nobody), map[string]bool{"delete-message": true, "delete-question": true})
	unruled("a listener", c.play(listener, c.role(listener, "listener")), nil)
	c.play(speaker, c.role(speaker, "speaker"))
	done := c.play(moderator, func() {
		c.present()
		c.role(moderator, "moderator")()
	}, "end-room")
	for _, name := range []string{"change-room", "pin", "set-agenda", "silence", "remove", "undo-removal", "set-timer", "reset-room", "make-speaker-link", "set-chat"} {
		if done[name] == 0 {
			t.Errorf("a moderator may not %s", name)
		}
	}
	t.Logf("a moderator did %d of %d operations", len(done), len(c.all))
	c.goesOn(w.member(5))

	c.must(c.host, http.MethodDelete, "/rooms/"+c.room, nil)
	for _, p := range []*person{w.stranger(t), guest, removed, listener, speaker, moderator, c.host} {
		for name := range c.play(p, nobody) {
			if !outside[name] && !ofTheOver[name] {
				t.Errorf("%s may %s when the room is over", p.name, name)
			}
		}
	}
	c.room = c.host.open("open")
	c.goesOn(w.member(5))
}

// ofTheOver are those that may be done when a room is over: what was written is read and deleted.
var ofTheOver = map[string]bool{"messages": true, "delete-message": true, "delete-question": true}

// goesOn: the room takes a newcomer, and brings them up.
func (c *commands) goesOn(newcomer *person) {
	c.t.Helper()
	path := "/rooms/" + c.room
	c.must(c.host, http.MethodPatch, path, object{"title": "Still here", "hands": "everyone"})
	c.must(newcomer, http.MethodPut, path+"/seat", nil)
	if c.look(newcomer).role(newcomer) == "listener" {
		c.must(newcomer, http.MethodPut, path+"/hand", nil)
		c.must(c.host, http.MethodPost, path+"/stage-invitations", object{"account": newcomer.id, "confirm": true})
	}
	if v := c.look(newcomer); v.Title != "Still here" || v.role(newcomer) != "speaker" || v.role(c.host) != "host" {
		c.t.Errorf("afterwards: %+v", v)
	}
}
