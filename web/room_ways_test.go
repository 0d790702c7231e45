package web_test

import (
	"fmt"
	"strings"
	"testing"
)

func TestSpeakerLinkBringsItsBearerOnStage(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		anna, boris := w.member("anna"), w.member("boris")
		id := anna.open("closed")
		made := anna.must(201, "POST", "/rooms/"+id+"/speaker-links", nil)
		url, code, _ := strings.Cut(made.text("url"), "#")
		if url != "http://localhost:8080/speak/"+id || code == "" {
			t.Fatalf("link %s", made.body)
		}
		boris.refused(404, "not_found", "PUT", "/rooms/"+id+"/seat", object{"speaker_link": code + "x"})
		view := boris.must(200, "PUT", "/rooms/"+id+"/seat", object{"speaker_link": code}).json()
		if role := view["me"].(object)["role"]; role != "speaker" {
			t.Errorf("the bearer is %v", role)
		}
		w.member("vera").refused(404, "not_found", "PUT", "/rooms/"+id+"/seat", object{"speaker_link": code})
		links := anna.must(200, "GET", "/rooms/"+id+"/speaker-links", nil).json()["links"].([]any)
		if len(links) != 1 || links[0].(object)["used_by"].(object)["username"] != "boris" || strings.Contains(fmt.Sprint(links), code) {
			t.Errorf("links %v", links)
		}
		boris.refused(403, "moderators_only", "GET", "/rooms/"+id+"/speaker-links", nil)
		anna.must(204, "DELETE", "/rooms/"+id+"/speaker-links/"+made.text("id"), nil)
	})
}

func TestFullRoomIsHeardInOverflow(t *testing.T) {
	w := oneWorld(t)
	anna := w.member("anna")
	id := anna.open("open")
	w.member("boris").must(200, "PUT", "/rooms/"+id+"/seat", nil)
	for range listeners {
		w.guest(id).must(200, "PUT", "/rooms/"+id+"/seat", nil)
	}
	gleb := w.member("gleb")
	gleb.refused(409, "room_full", "PUT", "/rooms/"+id+"/seat", nil)
	view := gleb.must(200, "PUT", "/rooms/"+id+"/seat", object{"overflow": true}).json()
	if counts := view["counts"].(object); counts["overflow"] != 1.0 || counts["guests"] != float64(listeners) || view["me"].(object)["overflow"] != true {
		t.Errorf("view %v", view)
	}
	gleb.refused(409, "in_overflow", "PUT", "/rooms/"+id+"/hand", object{})
	gleb.must(204, "DELETE", "/rooms/"+id+"/seat", nil)
}

func TestReactionsAndResetReachThoseWhoAreThere(t *testing.T) {
	w := oneWorld(t)
	anna, boris, vera := w.member("anna"), w.member("boris"), w.member("vera")
	id := anna.open("open")
	boris.must(200, "PUT", "/rooms/"+id+"/seat", nil)
	vera.must(200, "PUT", "/rooms/"+id+"/seat", nil)
	events := boris.events(t, "/events?room="+id)
	events.next("hello")
	vera.must(204, "POST", "/rooms/"+id+"/reactions", object{"reaction": "heart"})
	items := events.next("reactions").Data["items"].([]any)
	if len(items) != 1 || items[0].(object)["reaction"] != "heart" || items[0].(object)["account"] != vera.id {
		t.Errorf("told %v", items)
	}
	vera.refused(422, "reaction_invalid", "POST", "/rooms/"+id+"/reactions", object{"reaction": "boo"})
	for range 4 {
		vera.must(204, "POST", "/rooms/"+id+"/reactions", object{"reaction": "clap"})
	}
	if a := vera.refused(429, "too_many_reactions", "POST", "/rooms/"+id+"/reactions", object{"reaction": "clap"}); a.header.Get("Retry-After") == "" {
		t.Error("too many, and no word when again")
	}
	boris.refused(403, "reactions_off", "POST", "/rooms/"+id+"/reactions", object{"reaction": "clap"})
	anna.must(200, "PATCH", "/rooms/"+id, object{"stage_reactions": true})
	boris.must(204, "POST", "/rooms/"+id+"/reactions", object{"reaction": "clap"})

	anna.must(204, "POST", "/rooms/"+id+"/reset", nil)
	told := events.next("room_reset").Data
	if told["title"] != "Evening" || told["hosts"].([]any)[0].(object)["username"] != "anna" {
		t.Errorf("told %v", told)
	}
	anna.refused(429, "reset_too_soon", "POST", "/rooms/"+id+"/reset", nil)
	vera.refused(403, "moderators_only", "POST", "/rooms/"+id+"/reset", nil)
}

func TestHiddenRoomIsNotInTheHallway(t *testing.T) {
	w := oneWorld(t)
	anna, boris := w.member("anna"), w.member("boris")
	id := anna.open("open")
	rooms := func() int { return len(boris.must(200, "GET", "/hallway", nil).json()["rooms"].([]any)) }
	boris.must(204, "PUT", "/rooms/"+id+"/hidden", nil)
	if n := rooms(); n != 0 {
		t.Errorf("%d rooms", n)
	}
	boris.must(204, "DELETE", "/rooms/"+id+"/hidden", nil)
	if n := rooms(); n != 1 {
		t.Errorf("%d rooms", n)
	}
	boris.refused(404, "not_found", "PUT", "/rooms/"+anna.open("closed")+"/hidden", nil)
}

func TestWhomToPingIsFoundByUsernameToo(t *testing.T) {
	w := oneWorld(t)
	anna, boris, vera := w.member("anna"), w.member("boris"), w.member("vera")
	id := anna.open("open")
	anna.must(204, "PUT", "/accounts/"+boris.id+"/follow", nil)
	people := anna.must(200, "GET", "/rooms/"+id+"/invitable", nil).json()["people"].([]any)
	if len(people) != 1 || people[0].(object)["person"].(object)["username"] != "boris" {
		t.Errorf("invitable %v", people)
	}
	people = anna.must(200, "GET", "/rooms/"+id+"/invitable?q=Vera", nil).json()["people"].([]any)
	if len(people) != 1 || people[0].(object)["person"].(object)["id"] != vera.id {
		t.Errorf("found %v", people)
	}
	anna.must(204, "POST", "/rooms/"+id+"/invites", object{"account": vera.id})
	people = anna.must(200, "GET", "/rooms/"+id+"/invitable?q=vera", nil).json()["people"].([]any)
	if people[0].(object)["pinged"] != true || people[0].(object)["in_room"] != false {
		t.Errorf("after the ping %v", people)
	}
}

func TestFacesAreFetchedAnewSixTimesAMinute(t *testing.T) {
	w := oneWorld(t)
	anna := w.member("anna")
	id := anna.open("open")
	for range 6 {
		faces := anna.must(200, "POST", "/rooms/"+id+"/faces", nil).json()["participants"].([]any)
		if len(faces) != 1 || faces[0].(object)["name"] != "anna" {
			t.Errorf("faces %v", faces)
		}
	}
	anna.refused(429, "too_many_requests", "POST", "/rooms/"+id+"/faces", nil)
}

// shared says who shows a room to the caller, by name and comment.
func (p *person) shared(room string) string {
	p.w.t.Helper()
	lines := ""
	for _, c := range p.must(200, "GET", "/hallway", nil).json()["rooms"].([]any) {
		if card := c.(object); card["id"] == room {
			for _, one := range card["shared_by"].([]any) {
				o := one.(object)
				lines += fmt.Sprintf("%s: %s; ", o["person"].(object)["username"], o["comment"])
			}
		}
	}
	return lines
}

func TestSharedRoomIsShownToFollowersWithItsComment(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		anna, boris, vera := w.member("anna"), w.member("boris"), w.member("vera")
		boris.must(204, "PUT", "/accounts/"+anna.id+"/follow", nil)
		id := vera.open("open")
		at := "/rooms/" + id + "/share"
		anna.refused(409, "not_in_room", "PUT", at, object{"comment": "x"})
		anna.must(200, "PUT", "/rooms/"+id+"/seat", nil)
		dina := w.member("dina")
		boris.must(204, "PUT", "/accounts/"+dina.id+"/follow", nil)
		dina.must(200, "PUT", "/rooms/"+id+"/seat", nil)
		dina.must(204, "PUT", at, object{"comment": "who is suspended shows nothing"})
		if err := w.accounts.Suspend(t.Context(), "dina", "rule", "facts", nil); err != nil {
			t.Fatal(err)
		}
		events := boris.events(t, "/events")
		events.next("hello")
		anna.must(204, "PUT", at, object{"comment": "<b>come</b> & hear"})
		events.next("hallway_changed")
		if got := boris.shared(id); got != "anna: <b>come</b> & hear; " {
			t.Errorf("a follower is shown %q", got)
		}
		if got := vera.shared(id); got != "" {
			t.Errorf("who does not follow is shown %q", got)
		}
		own, _ := anna.must(200, "GET", "/rooms/"+id, nil).json()["me"].(object)["share"].(object)
		if own["comment"] != "<b>come</b> & hear" {
			t.Errorf("her own share is %v", own)
		}
		anna.refused(422, "comment_invalid", "PUT", at, object{"comment": strings.Repeat("x", 281)})
		anna.must(204, "PUT", at, object{})
		if got := boris.shared(id); got != "anna: ; " {
			t.Errorf("without a comment: %q", got)
		}
	})
}

func TestRoomsAreSharedTenTimesAndThenSlowly(t *testing.T) {
	w := oneWorld(t)
	anna := w.member("anna")
	at := "/rooms/" + anna.open("open") + "/share"
	for i := range 10 {
		anna.must(204, "PUT", at, object{"comment": fmt.Sprint(i)})
	}
	if a := anna.refused(429, "too_many_requests", "PUT", at, object{}); a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	for range 20 {
		anna.must(204, "DELETE", at, nil)
	}
	w.guest(strings.Split(at, "/")[2]).refused(403, "guests_only_listen", "PUT", at, object{})
}
