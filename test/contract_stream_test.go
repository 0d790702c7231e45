package test

import (
	"net/http"
	"slices"
	"testing"
	"time"
)

func TestListenersByPlainStreamHearTheHost(t *testing.T) {
	w := begin(t)
	host := w.founder()
	room := host.open("open")
	voice := host.speak(room)
	radios := []*radio{w.member(0).tune(room), w.member(1).signIn().tune(room), w.guest(t, room).tune(room)}
	for _, r := range radios {
		r.untilHeard()
	}
	from, _ := observe(6 * time.Second)
	voice.hush()
	sent := voice.sent.Load()
	<-time.After(2 * time.Second) // the last of it is in a page by now
	for _, r := range radios {
		got := r.numbers(from)
		if !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
			t.Errorf("%s heard packets twice or not in order: %v", r.who.name, got)
		}
		if want := sent - got[0]; float64(len(got)) < 0.97*float64(want) || want < 250 {
			t.Errorf("%s heard %d of %d packets", r.who.name, len(got), want)
		}
	}
	if v := host.room(room); v.role(w.member(0)) != "speaker" || v.role(w.member(1)) != "listener" {
		t.Errorf("not all who hear stand in the roster: %+v", v.Participants)
	}
	// The clock of those who hear nothing goes on.
	begin := time.Now()
	positions := make([]int64, len(radios))
	for i, r := range radios {
		positions[i] = r.position()
	}
	<-time.After(3 * time.Second)
	for i, r := range radios {
		passed := time.Duration(r.position()-positions[i]) * time.Second / 48000
		if off := passed - time.Since(begin); off < -time.Second || off > time.Second {
			t.Errorf("%s: in %s of silence the stream went on by %s", r.who.name, time.Since(begin), passed)
		}
		r.whole(t)
	}
}

func TestPlainStreamEndsWithTheSeat(t *testing.T) {
	remove := func(p *person, path string) func() {
		return func() { p.must(http.MethodDelete, path+"?reason=spam", nil) }
	}
	w := begin(t)
	host := w.founder()
	room := host.open("open")
	host.speak(room)
	path := "/rooms/" + room
	w.member(0).enter(room) // takes the second place on stage
	removed, left, signedOut, moved := w.member(1), w.member(2), w.member(3).signIn(), w.member(4)
	elsewhere, guest, last := moved.signIn(), w.guest(t, room), w.member(5)
	for _, c := range []struct {
		what string
		who  *person
		end  func()
	}{
		{"left as a guest", guest, func() { guest.must(http.MethodDelete, path+"/seat", nil) }},
		{"removed", removed, remove(host, path+"/participants/"+removed.id)},
		{"left", left, func() { left.must(http.MethodDelete, path+"/seat", nil) }},
		{"signed out", signedOut, func() { signedOut.must(http.MethodDelete, "/sessions/current", nil) }},
		{"took the seat elsewhere", moved, func() { elsewhere.enter(room) }},
		{"the room ended", last, func() { host.must(http.MethodDelete, path, nil) }},
	} {
		r := c.who.tune(room)
		r.untilHeard()
		again := c.who.ticket(room)
		c.end()
		answered := time.Now()
		if late := r.untilOver().Sub(answered); late > time.Second {
			t.Errorf("%s: the stream went on for %s", c.what, late)
		}
		if n := r.numbers(answered.Add(time.Second)); len(n) > 0 {
			t.Errorf("%s: %d packets came later than a second after", c.what, len(n))
		}
		if res, err := w.play(again); err != nil || res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: with a ticket from before: %v %v", c.what, res, err)
		}
	}
}

func TestPlainStreamIsForThoseInTheRoom(t *testing.T) {
	w := begin(t)
	host, member := w.founder(), w.member(1)
	room, other := host.open("open"), ""
	host.speak(room)
	w.stranger(t).refused(http.StatusUnauthorized, "unauthenticated", http.MethodPost, "/rooms/"+room+"/stream", nil)
	closed := w.member(0).open("closed")
	member.refused(http.StatusNotFound, "not_found", http.MethodPost, "/rooms/"+closed+"/stream", nil)
	other = w.member(2).open("open")
	ticket := member.ticket(room)
	for _, url := range []string{
		"/api/v1/rooms/" + room + "/stream/aaaaaaaaaaaaaaaaaaaaaaaaaa",
		"/api/v1/rooms/" + other + ticket[len("/api/v1/rooms/"+room):],
	} {
		if res, err := w.play(url); err != nil || res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %v %v", url, res, err)
		}
	}
	first := member.tune(room)
	first.untilHeard()
	second := member.tune(room) // a seat has one stream: the second takes the first one's place
	first.untilOver()
	second.untilHeard()
	if a := w.guest(t, room).call(http.MethodPost, "/rooms/"+other+"/stream", nil); a.status != http.StatusNotFound && a.status != http.StatusForbidden {
		t.Errorf("a guest of one room in another: %s", a)
	}
	for range 4 { // the ticket's tries
		if res, err := w.play(second.url); err == nil {
			_ = res.Body.Close()
		}
	}
	if res, err := w.play(second.url); err != nil || res.StatusCode != http.StatusNotFound {
		t.Errorf("a ticket used up: %v %v", res, err)
	}
}

func TestSilencedSpeakerIsNotInThePlainStream(t *testing.T) {
	w := begin(t)
	host, speaker := w.founder(), w.member(0)
	room := host.open("open")
	speaker.enter(room) // the second who comes is on stage
	speaker.speak(room)
	r := w.member(1).tune(room)
	r.untilHeard()
	host.must(http.MethodPut, "/rooms/"+room+"/participants/"+speaker.id+"/silence", nil)
	answered := time.Now()
	late := w.member(2).tune(room) // what is kept for those who come is not his either
	<-time.After(2 * time.Second)
	if n := r.numbers(answered.Add(500 * time.Millisecond)); len(n) > 0 {
		t.Errorf("%d packets came after the silence", len(n))
	}
	if n := late.numbers(time.Time{}); len(n) > 0 {
		t.Errorf("who came after the silence heard %d packets from before", len(n))
	}
	if late.position() == 0 {
		t.Error("who came after the silence got no stream")
	}
	r.whole(t)
	late.whole(t)
}
