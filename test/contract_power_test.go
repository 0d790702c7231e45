package test

import (
	"net/http"
	"testing"
	"time"
)

// stage is a room with a host and a second speaker, both speaking, and a guest who hears both.
type stage struct {
	*world
	room          string
	host, speaker *person
	ear           *ear
	hostNumber    uint32
	speakerNumber uint32
}

func newStage(t *testing.T) *stage {
	t.Helper()
	w := begin(t)
	s := &stage{world: w, host: w.founder(), speaker: w.member(0)}
	s.room = s.host.open("open")
	s.host.speak(s.room)
	s.speaker.enter(s.room)
	s.speaker.speak(s.room)
	s.hostNumber, s.speakerNumber = s.host.csrcOf(s.room, s.host), s.host.csrcOf(s.room, s.speaker)
	s.ear = w.guest(t, s.room).listen(s.room, 3)
	s.ear.untilHeard(s.hostNumber)
	s.ear.untilHeard(s.speakerNumber)
	return s
}

func (s *stage) path(rest string) string { return "/rooms/" + s.room + rest }

// goesOn checks that the host is heard all the while.
func (s *stage) goesOn(t *testing.T, from, to time.Time) {
	t.Helper()
	want := int(0.8 * float64(to.Sub(from)/frameTime))
	if n := s.ear.frames(s.hostNumber, from, to); n < want {
		t.Errorf("of the host, whom nobody touched, %d frames were heard; want at least %d", n, want)
	}
}

func TestWhoLeftGetsNoMorePackets(t *testing.T) {
	s := newStage(t)
	e := s.member(1).listen(s.room, 3)
	e.untilHeard(0)
	from := time.Now()
	s.member(1).must(http.MethodDelete, s.path("/seat"), nil)
	silentFrom(t, e, 0, time.Now(), time.Second)
	s.goesOn(t, from, time.Now())
	if _, ok := s.host.room(s.room).of(s.member(1)); ok {
		t.Error("who left still stands in the roster")
	}
}

func TestSilencedSpeakerIsNotForwarded(t *testing.T) {
	s := newStage(t)
	silence := s.path("/participants/" + s.speaker.id + "/silence")
	from := time.Now()
	s.host.must(http.MethodPut, silence, nil)
	silentFrom(t, s.ear, s.speakerNumber, time.Now(), 200*time.Millisecond)
	s.goesOn(t, from, time.Now())
	if me := s.speaker.room(s.room).Me; !me.Silenced {
		t.Errorf("the speaker does not see that he is silenced: %+v", me)
	}
	s.host.must(http.MethodDelete, silence, nil)
	s.ear.untilHeard(s.speakerNumber)
}

func TestMutedSpeakerIsNotForwarded(t *testing.T) {
	s := newStage(t)
	s.speaker.must(http.MethodPut, s.path("/mute"), nil)
	silentFrom(t, s.ear, s.speakerNumber, time.Now(), 200*time.Millisecond)
	s.speaker.must(http.MethodDelete, s.path("/mute"), nil)
	s.ear.untilHeard(s.speakerNumber)
}

func TestWhoIsMovedToTheAudienceIsNotForwarded(t *testing.T) {
	s := newStage(t)
	s.host.must(http.MethodPut, s.path("/participants/"+s.speaker.id+"/role"), object{"role": "listener"})
	silentFrom(t, s.ear, s.speakerNumber, time.Now(), 200*time.Millisecond)
	s.speaker.refused(http.StatusForbidden, "not_on_stage", http.MethodPost, s.path("/whip"), raw{"application/sdp", someOffer(t, sendonly, audio)})
}

func TestWhoIsRemovedIsHeardNoMoreAndFindsNoWayBack(t *testing.T) {
	s := newStage(t)
	own := s.speaker.listen(s.room, 3)
	own.untilHeard(s.hostNumber)
	events := s.speaker.events(s.room, "")
	from := time.Now()
	s.host.must(http.MethodDelete, s.path("/participants/"+s.speaker.id+"?reason=noise"), nil)
	answered := time.Now()
	silentFrom(t, s.ear, s.speakerNumber, answered, time.Second)
	silentFrom(t, own, 0, answered, time.Second)
	s.goesOn(t, from, time.Now())
	events.until("removed_from_room")
	up, down := raw{"application/sdp", someOffer(t, sendonly, audio)}, raw{"application/sdp", someOffer(t, recvonly, audio)}
	s.speaker.refused(http.StatusForbidden, "removed_from_room", http.MethodPut, s.path("/seat"), nil)
	s.speaker.refused(http.StatusForbidden, "removed_from_room", http.MethodPost, s.path("/whep"), down)
	s.speaker.refused(http.StatusForbidden, "removed_from_room", http.MethodPost, s.path("/whip"), up)
	s.speaker.refused(http.StatusNotFound, "not_found", http.MethodGet, s.path(""), nil)
	session := s.speaker.signIn()
	session.refused(http.StatusForbidden, "removed_from_room", http.MethodPut, s.path("/seat"), nil)
	s.restart(t)
	s.speaker.refused(http.StatusForbidden, "removed_from_room", http.MethodPut, s.path("/seat"), nil)
}

func TestWhoSignsOutHearsAndSeesNothingMore(t *testing.T) {
	s := newStage(t)
	session := s.member(1).signIn()
	e := session.listen(s.room, 3)
	e.untilHeard(0)
	events := session.events(s.room, "")
	session.must(http.MethodDelete, "/sessions/current", nil)
	answered := time.Now()
	events.endsWithin(time.Second)
	silentFrom(t, e, 0, answered, time.Second)
	session.refused(http.StatusUnauthorized, "unauthenticated", http.MethodGet, "/me", nil)
	if _, ok := s.host.room(s.room).of(s.member(1)); ok {
		t.Error("the seat of a credential that was revoked is still there")
	}
	s.member(1).must(http.MethodGet, "/me", nil)
}

func TestSpeakerWhoSignsOutIsHeardNoMore(t *testing.T) {
	w := begin(t)
	host := w.founder()
	room := host.open("open")
	host.speak(room)
	session := w.member(0).signIn()
	session.enter(room)
	session.speak(room)
	number := host.csrcOf(room, session)
	e := w.guest(t, room).listen(room, 3)
	e.untilHeard(number)
	session.must(http.MethodDelete, "/sessions/current", nil)
	silentFrom(t, e, number, time.Now(), time.Second)
}

func TestEndedRoomIsSilentAndGone(t *testing.T) {
	s := newStage(t)
	events := s.speaker.events(s.room, "")
	s.host.must(http.MethodDelete, s.path(""), nil)
	silentFrom(t, s.ear, 0, time.Now(), time.Second)
	events.until("room_ended")
	s.speaker.refused(http.StatusGone, "room_ended", http.MethodPut, s.path("/seat"), nil)
	s.speaker.refused(http.StatusGone, "room_ended", http.MethodPost, s.path("/whep"), raw{"application/sdp", someOffer(t, recvonly, audio)})
}

func TestSameAccountElsewhereTakesTheSeatOver(t *testing.T) {
	s := newStage(t)
	old := s.member(1)
	e := old.listen(s.room, 3)
	e.untilHeard(0)
	events := old.events("", "")
	elsewhere := old.signIn()
	fresh := elsewhere.listen(s.room, 3)
	taken := time.Now()
	fresh.untilHeard(0)
	silentFrom(t, e, 0, taken, time.Second)
	events.until("seat_taken")
}
