package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// salon is a room with a host, a speaker and a listener, a guest, and somebody outside.
type salon struct {
	*world
	room                              string
	host, speaker, listener, outsider *person
}

func newSalon(t *testing.T, kind string) *salon {
	t.Helper()
	w := begin(t)
	s := &salon{world: w, host: w.founder(), speaker: w.member(0), listener: w.member(1), outsider: w.member(2)}
	s.room = s.host.open(kind)
	for _, p := range []*person{s.speaker, s.listener} {
		if kind != "open" {
			s.host.must(http.MethodPost, s.at("/invites"), object{"account": p.id})
		}
		p.enter(s.room)
	}
	return s
}

func (s *salon) at(rest string) string { return "/rooms/" + s.room + rest }

// page are the texts that somebody reads, the newest first.
func (p *person) page(path string) []string {
	p.t.Helper()
	var answer struct{ Messages []struct{ Text string } }
	a := p.must(http.MethodGet, path, nil)
	if err := json.Unmarshal(a.body, &answer); err != nil {
		p.t.Fatal(err)
	}
	texts := []string{}
	for _, m := range answer.Messages {
		texts = append(texts, m.Text)
	}
	return texts
}

// write posts when the author may write again.
func (p *person) write(path, text string) string {
	p.t.Helper()
	var a answer
	within(p.t, 10*time.Second, "a message", func() bool {
		a = p.call(http.MethodPost, path, object{"text": text})
		return a.code() != "slow_mode"
	})
	if a.status != http.StatusCreated {
		p.t.Fatalf("%s: %s", p.name, a)
	}
	return a.text("id")
}

func (s *stream) has(kind string, match func(object) bool) bool {
	for _, e := range s.all() {
		if e.Kind == kind && (match == nil || match(e.Data)) {
			return true
		}
	}
	return false
}

// gets waits for an event of the kind whose data match.
func (s *stream) gets(kind string, match func(object) bool) {
	s.t.Helper()
	within(s.t, 5*time.Second, "event "+kind, func() bool { return s.has(kind, match) })
}

func is(key string, want any) func(object) bool {
	return func(o object) bool { return fmt.Sprint(o[key]) == fmt.Sprint(want) }
}

func TestChatIsToldKeptAndTakenBack(t *testing.T) {
	s := newSalon(t, "open")
	guest := s.guest(t, s.room)
	heard, unheard := s.speaker.events(s.room, ""), guest.events(s.room, "")
	before := heard.cursor()
	first := s.listener.write(s.at("/messages"), "a first word")
	heard.gets("message", is("text", "a first word"))
	a := s.listener.refused(http.StatusTooManyRequests, "slow_mode", http.MethodPost, s.at("/messages"), object{"text": "at once"})
	if a.header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
	}
	second := s.speaker.write(s.at("/messages"), "a second")
	if got := s.host.page(s.at("/messages")); fmt.Sprint(got) != "[a second a first word]" {
		t.Errorf("the host reads %q", got)
	}
	s.speaker.refused(http.StatusForbidden, "moderators_only", http.MethodDelete, s.at("/messages/"+first), nil)
	s.listener.must(http.MethodDelete, s.at("/messages/"+first), nil)
	s.listener.refused(http.StatusNotFound, "not_found", http.MethodDelete, s.at("/messages/"+first), nil)
	heard.gets("message_deleted", is("id", first))
	again := s.speaker.events(s.room, before)
	again.gets("message_deleted", is("id", first))
	if again.has("message", is("text", "a first word")) {
		t.Error("who comes back is told what was taken back")
	}
	s.host.must(http.MethodDelete, s.at("/messages/"+second), nil)
	heard.gets("message_deleted", is("id", second))
	if unheard.has("message", nil) || unheard.has("message_deleted", nil) {
		t.Error("a guest is told what members write")
	}
	guest.refused(http.StatusForbidden, "guests_only_listen", http.MethodGet, s.at("/messages"), nil)
	guest.refused(http.StatusForbidden, "guests_only_listen", http.MethodPost, s.at("/messages"), object{"text": "x"})
	s.outsider.refused(http.StatusConflict, "not_in_room", http.MethodPost, s.at("/messages"), object{"text": "x"})
	log := s.listener.must(http.MethodGet, s.at("/log"), nil)
	if !strings.Contains(string(log.body), `"message_deleted"`) || strings.Contains(string(log.body), s.speaker.id) {
		t.Errorf("the log for listeners: %s", log)
	}
}

func TestChatPowersAreGraded(t *testing.T) {
	s := newSalon(t, "open")
	mute := s.at("/participants/" + s.listener.id + "/chat-mute")
	s.speaker.refused(http.StatusForbidden, "moderators_only", http.MethodPut, mute, nil)
	s.speaker.refused(http.StatusForbidden, "moderators_only", http.MethodPatch, s.at("/chat"), object{"mode": "off"})
	s.host.refused(http.StatusConflict, "not_yourself", http.MethodPut, s.at("/participants/"+s.host.id+"/chat-mute"), nil)
	s.host.must(http.MethodPut, mute, nil)
	a := s.listener.refused(http.StatusForbidden, "chat_muted", http.MethodPost, s.at("/messages"), object{"text": "x"})
	if a.header.Get("Retry-After") == "" {
		t.Error("who is muted is not told for how long")
	}
	s.listener.refused(http.StatusForbidden, "chat_muted", http.MethodPost, s.at("/questions"), object{"text": "x?"})
	s.restart(t)
	s.listener.enter(s.room)
	s.listener.refused(http.StatusForbidden, "chat_muted", http.MethodPost, s.at("/messages"), object{"text": "x"})
	s.host.enter(s.room)
	s.host.must(http.MethodDelete, mute, nil)
	s.host.must(http.MethodDelete, mute, nil)
	s.listener.write(s.at("/messages"), "I may again")
	events := s.listener.events(s.room, "")
	s.host.must(http.MethodPatch, s.at("/chat"), object{"mode": "followers", "slow_seconds": 30})
	events.gets("chat_set", is("mode", "followers"))
	s.listener.refused(http.StatusForbidden, "chat_followers_only", http.MethodPost, s.at("/messages"), object{"text": "x"})
	s.listener.must(http.MethodPut, "/accounts/"+s.host.id+"/follow", nil)
	s.listener.refused(http.StatusTooManyRequests, "slow_mode", http.MethodPost, s.at("/messages"), object{"text": "x"})
	s.host.must(http.MethodPatch, s.at("/chat"), object{"mode": "off"})
	s.host.refused(http.StatusForbidden, "chat_off", http.MethodPost, s.at("/messages"), object{"text": "x"})
	s.host.must(http.MethodDelete, s.at("/participants/"+s.listener.id+"?reason=spam"), nil)
	s.listener.refused(http.StatusForbidden, "removed_from_room", http.MethodPost, s.at("/messages"), object{"text": "x"})
	if got := s.listener.page(s.at("/messages")); fmt.Sprint(got) != "[I may again]" {
		t.Errorf("who was removed reads %q; want what is their own", got)
	}
	s.speaker.must(http.MethodGet, s.at("/messages"), nil)
}

func TestWhoBlocksSomebodyDoesNotReadThem(t *testing.T) {
	s := newSalon(t, "open")
	s.listener.must(http.MethodPut, "/accounts/"+s.speaker.id+"/block", nil)
	blocker, other := s.listener.events(s.room, ""), s.host.events(s.room, "")
	s.speaker.write(s.at("/messages"), "not for everybody")
	other.gets("message", is("text", "not for everybody"))
	s.host.write(s.at("/messages"), "for everybody")
	blocker.gets("message", is("text", "for everybody"))
	if blocker.has("message", is("text", "not for everybody")) {
		t.Error("the blocker is told")
	}
	if got := s.listener.page(s.at("/messages")); fmt.Sprint(got) != "[for everybody]" {
		t.Errorf("the blocker reads %q", got)
	}
}

func TestBackchannelIsTheStagesAndGoesWithTheRoom(t *testing.T) {
	s := newSalon(t, "open")
	onStage, below := s.speaker.events(s.room, ""), s.listener.events(s.room, "")
	secret := fmt.Sprint("between us ", time.Now().UnixNano())
	s.host.write(s.at("/backchannel"), secret)
	if !s.holds(t, secret) {
		t.Fatal("a backup does not hold what was written: this test shows nothing")
	}
	onStage.gets("backchannel_message", is("text", secret))
	s.listener.refused(http.StatusForbidden, "stage_only", http.MethodGet, s.at("/backchannel"), nil)
	s.listener.refused(http.StatusForbidden, "stage_only", http.MethodPost, s.at("/backchannel"), object{"text": "me too"})
	s.outsider.refused(http.StatusConflict, "not_in_room", http.MethodGet, s.at("/backchannel"), nil)
	s.host.toStage(s.room, s.listener)
	if got := s.listener.page(s.at("/backchannel")); len(got) != 0 {
		t.Errorf("who comes on stage later reads %q", got)
	}
	own := s.listener.write(s.at("/backchannel"), "now I am here")
	if got := s.host.page(s.at("/backchannel")); len(got) != 2 {
		t.Errorf("the host reads %q", got)
	}
	s.speaker.refused(http.StatusForbidden, "moderators_only", http.MethodDelete, s.at("/messages/"+own), nil)
	s.outsider.refused(http.StatusNotFound, "not_found", http.MethodDelete, s.at("/messages/"+own), nil)
	if below.has("backchannel_message", is("text", secret)) {
		t.Error("the audience was told")
	}
	s.host.must(http.MethodDelete, s.at(""), nil)
	s.host.refused(http.StatusGone, "room_ended", http.MethodGet, s.at("/backchannel"), nil)
	for begin := time.Now(); s.holds(t, secret); observe(2 * time.Second) {
		if time.Since(begin) > time.Minute {
			t.Fatal("a minute after the end the database still has what was written backstage")
		}
	}
}

// holds says whether a backup of the instance, which has no deleted pages, holds a text.
func (s *salon) holds(t *testing.T, text string) bool {
	t.Helper()
	file := filepath.Join(t.TempDir(), "copy.db")
	out, err := exec.Command(program, append([]string{"backup", file}, s.storage()...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("backup: %v\n%s", err, out)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Contains(b, []byte(text))
}

func TestQuestionsAreVotedOnAndAnswered(t *testing.T) {
	s := newSalon(t, "open")
	s.host.must(http.MethodPatch, s.at("/questions-setting"), object{"anonymous": true})
	events := s.host.events(s.room, "")
	named := s.listener.must(http.MethodPost, s.at("/questions"), object{"text": "Why tea?"}).text("id")
	s.listener.refused(http.StatusTooManyRequests, "too_many_requests", http.MethodPost, s.at("/questions"), object{"text": "And milk?"})
	hidden := s.speaker.must(http.MethodPost, s.at("/questions"), object{"text": "Why not coffee?", "anonymous": true}).text("id")
	events.gets("question_asked", is("text", "Why not coffee?"))
	if strings.Contains(string(s.host.must(http.MethodGet, s.at("/questions"), nil).body), s.speaker.id) {
		t.Error("the host can read who asked without a name")
	}
	vote := s.at("/questions/" + hidden + "/vote")
	s.listener.must(http.MethodPut, vote, nil)
	s.listener.must(http.MethodPut, vote, nil)
	s.host.must(http.MethodPut, vote, nil)
	s.host.must(http.MethodDelete, vote, nil)
	s.speaker.refused(http.StatusConflict, "own_question", http.MethodPut, vote, nil)
	s.outsider.refused(http.StatusConflict, "not_in_room", http.MethodPut, vote, nil)
	events.gets("question_voted", func(o object) bool { return strings.Contains(fmt.Sprint(o["votes"]), hidden+":1") })
	s.listener.refused(http.StatusForbidden, "moderators_only", http.MethodPost, s.at("/questions/"+hidden+"/answering"), nil)
	if a := s.host.must(http.MethodPost, s.at("/questions/"+named+"/answering"), nil); a.json()["asker_invited"] != true {
		t.Errorf("answering: %s", a)
	}
	if v := s.listener.must(http.MethodGet, s.at(""), nil); v.json()["me"].(object)["stage_invitation"] == nil {
		t.Error("the asker is not invited")
	}
	offered := s.speaker.events("", "")
	s.host.must(http.MethodPost, s.at("/questions/"+hidden+"/answering"), nil)
	offered.gets("question_offered", is("question", hidden))
	s.listener.refused(http.StatusConflict, "question_not_offered", http.MethodPost, s.at("/questions/"+hidden+"/come-up"), nil)
	s.speaker.must(http.MethodPost, s.at("/questions/"+hidden+"/come-up"), nil)
	s.speaker.refused(http.StatusConflict, "question_answered", http.MethodPut, s.at("/questions/"+named+"/vote"), nil)
	s.host.must(http.MethodPost, s.at("/questions/"+hidden+"/answered"), nil)
	s.host.must(http.MethodPost, s.at("/questions/"+hidden+"/answered"), nil)
	s.host.must(http.MethodPatch, s.at("/questions-setting"), object{"on": false})
	s.host.refused(http.StatusForbidden, "questions_off", http.MethodPost, s.at("/questions"), object{"text": "x?"})
	s.listener.must(http.MethodDelete, s.at("/questions/"+named), nil)
	s.listener.refused(http.StatusNotFound, "not_found", http.MethodDelete, s.at("/questions/"+named), nil)
	s.guest(t, s.room).refused(http.StatusForbidden, "guests_only_listen", http.MethodGet, s.at("/questions"), nil)
}

func TestPollsAreOneAtATimeAndOneVoteEach(t *testing.T) {
	s := newSalon(t, "open")
	events := s.speaker.events(s.room, "")
	ask := object{"question": "Tea or coffee?", "options": []string{"tea", "coffee"}}
	s.speaker.refused(http.StatusForbidden, "moderators_only", http.MethodPost, s.at("/polls"), ask)
	id := s.host.must(http.MethodPost, s.at("/polls"), ask).text("id")
	s.host.refused(http.StatusConflict, "poll_open", http.MethodPost, s.at("/polls"), ask)
	events.gets("poll_opened", is("id", id))
	vote := s.at("/polls/" + id + "/vote")
	for _, option := range []int{0, 1, 1} {
		s.listener.must(http.MethodPut, vote, object{"option": option})
	}
	s.listener.refused(http.StatusUnprocessableEntity, "poll_invalid", http.MethodPut, vote, object{"option": 2})
	s.outsider.refused(http.StatusConflict, "not_in_room", http.MethodPut, vote, object{"option": 0})
	events.gets("poll_result", is("voters", 1))
	s.host.must(http.MethodPost, s.at("/polls/"+id+"/close"), nil)
	s.host.must(http.MethodPost, s.at("/polls/"+id+"/close"), nil)
	events.gets("poll_closed", is("id", id))
	s.listener.refused(http.StatusConflict, "poll_closed", http.MethodPut, vote, object{"option": 0})
	var list struct {
		Polls []struct {
			Options []struct{ Votes int }
			Choice  *int
		}
	}
	if err := json.Unmarshal(s.listener.must(http.MethodGet, s.at("/polls"), nil).body, &list); err != nil {
		t.Fatal(err)
	}
	if p := list.Polls; len(p) != 1 || p[0].Options[1].Votes != 1 || p[0].Choice == nil || *p[0].Choice != 1 {
		t.Errorf("listed %+v", p)
	}
}

func TestAgendaMovesAndAStaleTabIsTold(t *testing.T) {
	s := newSalon(t, "open")
	events := s.listener.events(s.room, "")
	s.speaker.refused(http.StatusForbidden, "moderators_only", http.MethodPut, s.at("/agenda"), object{"markdown": "- Tea"})
	s.host.must(http.MethodPut, s.at("/agenda"), object{"markdown": "- Tea\n- Cups"})
	events.until("agenda_set")
	s.host.must(http.MethodPost, s.at("/agenda/now"), object{"item": 1, "text": "Cups"})
	events.gets("agenda_moved", is("now", 1))
	s.host.must(http.MethodPut, s.at("/agenda"), object{"markdown": "- Tea\n- Sugar\n- Cups"})
	s.host.refused(http.StatusConflict, "agenda_changed", http.MethodPost, s.at("/agenda/now"), object{"item": 1, "text": "Cups"})
	s.host.refused(http.StatusUnprocessableEntity, "agenda_item_invalid", http.MethodPost, s.at("/agenda/now"), object{"item": 3})
	agenda := s.listener.must(http.MethodGet, s.at(""), nil).json()["agenda"].(object)
	if agenda["now"] != 2.0 {
		t.Errorf("the mark has not gone with its item: %v", agenda)
	}
	s.host.must(http.MethodPost, s.at("/agenda/now"), object{"item": nil})
	s.host.must(http.MethodPut, s.at("/agenda"), object{"markdown": ""})
	if a := s.listener.must(http.MethodGet, s.at(""), nil).json()["agenda"]; a != nil {
		t.Errorf("agenda %v", a)
	}
}

// TestPinnedLinksLeadTheServerNowhereInside pins what a server must not fetch, on
// a service that counts who comes to any address of this machine.
func TestPinnedLinksLeadTheServerNowhereInside(t *testing.T) {
	s := newSalon(t, "open")
	inside, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer inside.Close()
	var came atomic.Int64
	go func() {
		for {
			c, err := inside.Accept()
			if err != nil {
				return
			}
			came.Add(1)
			_ = c.Close()
		}
	}()
	_, port, _ := net.SplitHostPort(inside.Addr().String())
	events := s.listener.events(s.room, "")
	s.speaker.refused(http.StatusForbidden, "moderators_only", http.MethodPut, s.at("/pin"), object{"url": "https://example.org/"})
	for _, bad := range []string{"javascript:alert(1)", "ftp://example.org/", "//example.org/", "https://user@example.org/", "http://" + strings.Repeat("x", 3000) + ".example/"} {
		s.host.refused(http.StatusUnprocessableEntity, "link_invalid", http.MethodPut, s.at("/pin"), object{"url": bad})
	}
	hosts := []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if ip, _, err := net.ParseCIDR(a.String()); err == nil && ip.To4() != nil && !ip.IsLoopback() {
			hosts = append(hosts, ip.String())
			break
		}
	}
	for _, host := range hosts {
		link := "http://" + host + ":" + port + "/"
		within(t, 10*time.Second, "a pin", func() bool {
			return s.host.call(http.MethodPut, s.at("/pin"), object{"url": link}).status == http.StatusOK
		})
		events.gets("pinned", is("url", link))
	}
	within(t, 10*time.Second, "the pin's end", func() bool { // the asking above has used up the budget
		return s.host.call(http.MethodDelete, s.at("/pin"), nil).status == http.StatusNoContent
	})
	events.until("unpinned")
	pins := s.listener.must(http.MethodGet, s.at("/pins"), nil)
	if n := strings.Count(string(pins.body), `"url"`); n != len(hosts) {
		t.Errorf("%d pins in the history: %s", n, pins)
	}
	observe(time.Second)
	if n := came.Load(); n != 0 {
		t.Errorf("the server came %d times where it must not", n)
	}
	c, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	within(t, 5*time.Second, "the service to count who comes", func() bool { return came.Load() > 0 })
}

func TestTextOfAClosedRoomIsNobodyElses(t *testing.T) {
	s := newSalon(t, "closed")
	id := s.listener.write(s.at("/messages"), "behind the door")
	nowhere := s.outsider.call(http.MethodGet, "/rooms/nowhere/messages", nil)
	for _, r := range []struct{ method, path string }{{"GET", "/messages"}, {"GET", "/backchannel"}, {"GET", "/questions"}, {"GET", "/polls"}, {"GET", "/pins"},
		{"POST", "/messages"}, {"POST", "/backchannel"}, {"POST", "/questions"}, {"DELETE", "/messages/" + id}, {"DELETE", "/pin"}} {
		var body any
		if r.method == http.MethodPost {
			body = object{"text": "x"}
		}
		a := s.outsider.refused(http.StatusNotFound, "not_found", r.method, s.at(r.path), body)
		if string(a.body) != string(nowhere.body) {
			t.Errorf("%s %s is told apart from a room that is not: %s", r.method, r.path, a.body)
		}
	}
	s.host.must(http.MethodDelete, s.at(""), nil)
	if got := s.listener.page(s.at("/messages")); fmt.Sprint(got) != "[behind the door]" {
		t.Errorf("after the end the author reads %q", got)
	}
	s.listener.must(http.MethodDelete, s.at("/messages/"+id), nil)
	for _, path := range []string{"/messages", "/questions"} {
		s.speaker.refused(http.StatusGone, "room_ended", http.MethodPost, s.at(path), object{"text": "x"})
	}
	s.host.refused(http.StatusGone, "room_ended", http.MethodPut, s.at("/pin"), object{"url": "https://example.org/"})
}

func TestWhoAskedInWritingIsSuggestedToModeratorsUnlessWithoutAName(t *testing.T) {
	s := newSalon(t, "open")
	s.outsider.enter(s.room)
	asker := s.member(3)
	asker.enter(s.room)
	s.host.must(http.MethodPatch, s.at("/questions-setting"), object{"anonymous": true})
	s.listener.write(s.at("/messages"), "may I say something?")
	s.outsider.must(http.MethodPost, s.at("/questions"), object{"text": "who am I?", "anonymous": true})
	asker.must(http.MethodPost, s.at("/questions"), object{"text": "and I?"})
	var answer struct {
		People []struct {
			Person struct{ ID string }
			Why    []string
		}
	}
	a := s.host.must(http.MethodGet, s.at("/suggested-speakers"), nil)
	if err := json.Unmarshal(a.body, &answer); err != nil {
		t.Fatal(err)
	}
	asked := map[string]bool{}
	for _, one := range answer.People {
		asked[one.Person.ID] = slices.Contains(one.Why, "asked_in_chat")
	}
	if len(asked) != 3 || !asked[s.listener.id] || !asked[asker.id] || asked[s.outsider.id] {
		t.Errorf("suggested %s", a.body)
	}
}
