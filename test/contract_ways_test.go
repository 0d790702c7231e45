package test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestWhoComesToAFullRoomHearsInOverflowAndIsNotSeen(t *testing.T) {
	w := begin(t)
	w.settings = []string{"BESEDKA_ROOM_LISTENERS=1", "BESEDKA_ROOM_OVERFLOW=1"}
	w.restart(t)
	host, second, listener, late := w.founder(), w.member(0), w.member(1), w.member(2)
	room := host.open("open")
	host.speak(room)
	second.enter(room)
	listener.enter(room)
	at := "/rooms/" + room
	late.refused(http.StatusConflict, "room_full", http.MethodPut, at+"/seat", nil)
	late.must(http.MethodPut, at+"/seat", object{"overflow": true})
	e := late.listen(room, 3)
	e.untilHeard(host.csrcOf(room, host))
	if _, seen := host.room(room).of(late); seen {
		t.Error("who listens in overflow is in the list")
	}
	w.guest(t, room).refused(http.StatusConflict, "room_full", http.MethodPut, at+"/seat", object{"overflow": true})
	late.refused(http.StatusConflict, "in_overflow", http.MethodPut, at+"/hand", object{})

	host.must(http.MethodDelete, at+"/participants/"+late.id, nil)
	silentFrom(t, e, 0, time.Now(), 300*time.Millisecond)
	late.refused(http.StatusForbidden, "removed_from_room", http.MethodPut, at+"/seat", object{"overflow": true})
}

func TestBearerOfASpeakerLinkIsHeardInAClosedRoom(t *testing.T) {
	w := begin(t)
	host, bearer := w.founder(), w.member(0)
	room := host.open("closed")
	e := host.listen(room, 3)
	link := host.must(http.MethodPost, "/rooms/"+room+"/speaker-links", nil).text("url")
	_, code, _ := strings.Cut(link, "#")
	bearer.refused(http.StatusNotFound, "not_found", http.MethodGet, "/rooms/"+room, nil)
	bearer.must(http.MethodPut, "/rooms/"+room+"/seat", object{"speaker_link": code})
	bearer.speak(room)
	e.untilHeard(host.csrcOf(room, bearer))
	w.member(1).refused(http.StatusNotFound, "not_found", http.MethodPut, "/rooms/"+room+"/seat", object{"speaker_link": code})
}
