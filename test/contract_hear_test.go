package test

import (
	"net/http"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"
)

func TestListenersHearTheHostAndTheCSRCNamesHim(t *testing.T) {
	w := begin(t)
	host := w.founder()
	room := host.open("open")
	voice := host.speak(room)
	listeners := []*person{w.member(0), w.member(1), w.guest(t, room), w.guest(t, room), w.guest(t, room)}
	ears := make([]*ear, len(listeners))
	for i, p := range listeners {
		ears[i] = p.listen(room, 3)
	}
	for _, e := range ears {
		e.untilHeard(0)
	}
	csrc := host.csrcOf(room, host)
	sent := voice.sent.Load()
	from, to := observe(5 * time.Second)
	sent = voice.sent.Load() - sent
	for _, e := range ears {
		heard := e.frames(0, from, to)
		if float64(heard) < 0.97*float64(sent) {
			t.Errorf("%s heard %d of %d frames", e.who.name, heard, sent)
		}
		if own := e.frames(csrc, from, to); own != heard {
			t.Errorf("%s: %d of %d frames carry the host's CSRC %d: %v", e.who.name, own, heard, csrc, e.sources(from, to))
		}
	}
	if v := w.member(1).room(room); v.role(w.member(1)) != "listener" || v.role(host) != "host" {
		t.Errorf("roster: %+v", v.Participants)
	}
}

func TestPlayerWithOneLineHears(t *testing.T) {
	w := begin(t)
	host := w.founder()
	room := host.open("open")
	host.speak(room)
	e := w.guest(t, room).listen(room, 1)
	e.untilHeard(0)
	from, to := observe(time.Second)
	if n := e.frames(0, from, to); n < 40 {
		t.Errorf("a player with one m-line heard %d of 50 frames", n)
	}
}

func TestWhoHasNoUDPHearsOverTCP(t *testing.T) {
	w := begin(t)
	host := w.founder()
	room := host.open("open")
	host.speak(room)
	e := w.guest(t, room).listen(room, 3, webrtc.NetworkTypeTCP4)
	e.untilHeard(0)
	from, to := observe(time.Second)
	if n := e.frames(0, from, to); n < 40 {
		t.Errorf("a listener over TCP heard %d of 50 frames", n)
	}
	pair, err := e.peer.GetReceivers()[0].Transport().ICETransport().GetSelectedCandidatePair()
	if err != nil || pair.Remote.Protocol != webrtc.ICEProtocolTCP {
		t.Errorf("the path is %v, %v; want TCP", pair, err)
	}
}

func TestThreeSpeakersAreHeardAtOnceUnderTheirOwnNumbers(t *testing.T) {
	w := begin(t)
	host, second, third := w.founder(), w.member(0), w.member(1)
	room := host.open("open")
	host.speak(room)
	second.enter(room) // the first to enter is on stage at once
	second.speak(room)
	third.enter(room)
	host.toStage(room, third)
	third.speak(room)
	e := w.guest(t, room).listen(room, 3)
	own := third.listen(room, 3)
	for _, p := range []*person{host, second, third} {
		e.untilHeard(host.csrcOf(room, p))
	}
	own.untilHeard(host.csrcOf(room, host))
	from, to := observe(time.Second)
	for _, p := range []*person{host, second, third} {
		if n := e.frames(host.csrcOf(room, p), from, to); n < 40 {
			t.Errorf("%s: %d of 50 frames were heard: %v", p.name, n, e.sources(from, to))
		}
	}
	if n := own.frames(host.csrcOf(room, third), from, to); n != 0 {
		t.Errorf("a speaker heard %d frames of his own voice", n)
	}
}

func TestAudienceMayNotSpeak(t *testing.T) {
	w := begin(t)
	host, speaker, listener := w.founder(), w.member(0), w.member(1)
	room := host.open("open")
	speaker.enter(room)
	listener.enter(room)
	offer := raw{"application/sdp", someOffer(t, sendonly, audio)}
	listener.refused(http.StatusForbidden, "not_on_stage", http.MethodPost, "/rooms/"+room+"/whip", offer)
	if a := w.guest(t, room).call(http.MethodPost, "/rooms/"+room+"/whip", offer); a.status != http.StatusForbidden {
		t.Errorf("guest: %s; want 403", a)
	}
	outside := w.member(2)
	outside.refused(http.StatusForbidden, "not_on_stage", http.MethodPost, "/rooms/"+room+"/whip", offer)
	speaker.must(http.MethodPost, "/rooms/"+room+"/whip", offer)
}

func TestAnotherPersonsSessionCannotBeDeleted(t *testing.T) {
	w := begin(t)
	host := w.founder()
	room := host.open("open")
	voice := host.speak(room)
	victim, thief := w.guest(t, room), w.member(1)
	e := victim.listen(room, 3)
	e.untilHeard(0)
	thief.enter(room)
	for _, p := range []*person{thief, w.guest(t, room), host} {
		p.refused(http.StatusNotFound, "not_found", http.MethodDelete, e.session, nil)
	}
	thief.refused(http.StatusNotFound, "not_found", http.MethodDelete, voice.session, nil)
	w.stranger(t).refused(http.StatusUnauthorized, "unauthenticated", http.MethodDelete, e.session, nil)
	from, to := observe(500 * time.Millisecond)
	if n := e.frames(0, from, to); n < 20 {
		t.Errorf("after the attempts %d of 25 frames were heard", n)
	}
	victim.must(http.MethodDelete, e.session, nil)
	silentFrom(t, e, 0, time.Now(), time.Second)
	victim.refused(http.StatusNotFound, "not_found", http.MethodDelete, e.session, nil)
}

// silentFrom checks that nothing (of that CSRC) arrives later than grace after since, and logs how late the last packet was.
func silentFrom(t *testing.T, e *ear, csrc uint32, since time.Time, grace time.Duration) {
	t.Helper()
	observe(time.Until(since.Add(grace)))
	from, to := observe(time.Second)
	if n := e.frames(csrc, from, to); n != 0 {
		t.Errorf("%s: %d frames (csrc %d) later than %s after the answer", e.who.name, n, csrc, grace)
	}
	t.Logf("%s: the last packet came %s after the answer", e.who.name, e.last(csrc).Sub(since))
}
