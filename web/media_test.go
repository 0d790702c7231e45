package web_test

import (
	"strings"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"besedka"
)

func participant(id string) besedka.ParticipantID { return besedka.AccountID(id).Participant() }

const (
	receives = webrtc.RTPTransceiverDirectionRecvonly
	sends    = webrtc.RTPTransceiverDirectionSendonly
)

// offer is what a real client offers.
func offer(t *testing.T, dir webrtc.RTPTransceiverDirection) string {
	t.Helper()
	pc, err := webrtc.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	if _, err := pc.AddTransceiverFromKind(webrtc.RTPCodecTypeAudio, webrtc.RTPTransceiverInit{Direction: dir}); err != nil {
		t.Fatal(err)
	}
	o, err := pc.CreateOffer(nil)
	if err != nil {
		t.Fatal(err)
	}
	return o.SDP
}

func TestWHEPEntersAndItsSessionIsTheOwnersOnly(t *testing.T) {
	w := oneWorld(t)
	anna, boris := w.member("anna"), w.member("boris")
	room := anna.open("open")
	a := boris.must(201, "POST", "/rooms/"+room+"/whep", raw{"application/sdp", offer(t, receives)})
	location, tag := a.header.Get("Location"), a.header.Get("ETag")
	if a.header.Get("Content-Type") != "application/sdp" || !strings.HasPrefix(string(a.body), "v=0") ||
		!strings.HasPrefix(location, "/api/v1/rooms/"+room+"/sessions/") || !strings.HasPrefix(tag, `"`) {
		t.Fatalf("%v %s", a.header, a.body)
	}
	if in, _, seated := w.rooms.SeatOf(participant(boris.id)); !seated || string(in) != room {
		t.Error("WHEP did not enter the room")
	}
	session := strings.TrimPrefix(location, "/api/v1")
	frag := raw{"application/trickle-ice-sdpfrag", "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=end-of-candidates\r\n"}
	missing := boris.ask("DELETE", session+"x", nil)
	for _, other := range []answer{anna.ask("DELETE", session, nil), anna.with("If-Match", tag).ask("PATCH", session, frag)} {
		if other.status != 404 || string(other.body) != string(missing.body) {
			t.Errorf("somebody else's session: %d %s", other.status, other.body)
		}
	}
	w.stranger().refused(401, "unauthenticated", "DELETE", session, nil)
	boris.refused(428, "etag_required", "PATCH", session, frag)
	boris.with("If-Match", `"other"`).refused(412, "etag_mismatch", "PATCH", session, frag)
	boris.with("If-Match", `*`).refused(422, "ice_restart_unsupported", "PATCH", session, frag)
	boris.with("If-Match", tag).refused(400, "sdp_invalid", "PATCH", session, raw{frag.kind, "hello"})
	boris.with("If-Match", tag).must(204, "PATCH", session, frag)
	boris.with("If-Match", tag).refused(415, "unsupported_media_type", "PATCH", session, raw{"application/sdp", frag.body})
	options := w.stranger().must(204, "OPTIONS", session, nil)
	if options.header.Get("Accept-Patch") != "application/trickle-ice-sdpfrag" {
		t.Errorf("OPTIONS %v", options.header)
	}
	boris.must(200, "DELETE", session, nil)
	boris.refused(404, "not_found", "DELETE", session, nil)
}

func TestWHIPIsForTheStageOnly(t *testing.T) {
	w := oneWorld(t)
	anna, boris, vera := w.member("anna"), w.member("boris"), w.member("vera")
	room := anna.open("open")
	up := raw{"application/sdp", offer(t, sends)}
	anna.must(201, "POST", "/rooms/"+room+"/whip", up)
	boris.refused(403, "not_on_stage", "POST", "/rooms/"+room+"/whip", up)
	boris.must(200, "PUT", "/rooms/"+room+"/seat", nil) // the first other person is on stage
	boris.must(201, "POST", "/rooms/"+room+"/whip", up)
	vera.must(200, "PUT", "/rooms/"+room+"/seat", nil)
	vera.refused(403, "not_on_stage", "POST", "/rooms/"+room+"/whip", up)
	anna.must(204, "DELETE", "/rooms/"+room+"/participants/"+vera.id+"?reason=noise&note=Too+loud", nil)
	for _, r := range []string{"PUT /seat", "POST /whep", "POST /whip"} {
		method, path, _ := strings.Cut(r, " ")
		var body any
		if method == "POST" {
			body = up
		}
		vera.refused(403, "removed_from_room", method, "/rooms/"+room+path, body)
	}
	vera.refused(404, "not_found", "GET", "/rooms/"+room, nil)
	anna.must(204, "DELETE", "/rooms/"+room+"/removals/"+vera.id, nil)
	vera.must(200, "PUT", "/rooms/"+room+"/seat", nil)
	anna.must(204, "DELETE", "/rooms/"+room, nil)
	vera.refused(410, "room_ended", "PUT", "/rooms/"+room+"/seat", nil)
	vera.refused(410, "room_ended", "POST", "/rooms/"+room+"/whep", raw{"application/sdp", offer(t, receives)})
	vera.refused(410, "room_ended", "GET", "/events?room="+room, nil)
}

func TestOffersAreBudgeted(t *testing.T) {
	w := oneWorld(t)
	anna := w.member("anna")
	room := anna.open("open")
	refused := 0
	for range 60 {
		a := anna.ask("POST", "/rooms/"+room+"/whep", raw{"application/sdp", "v=0\r\n"})
		switch a.status {
		case 429:
			refused++
			if a.code() != "too_many_requests" || a.header.Get("Retry-After") == "" {
				t.Fatalf("%v %s", a.header, a.body)
			}
		case 400:
		default:
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	if refused < 10 {
		t.Errorf("of 60 offers at once %d were refused", refused)
	}
	// Another credential has a budget of its own.
	w.signIn("anna").refused(400, "sdp_invalid", "POST", "/rooms/"+room+"/whep", raw{"application/sdp", "v=0\r\n"})
}

func TestFullServerTurnsNewListenersAwayAndKeepsItsOwn(t *testing.T) {
	w := oneWorld(t)
	anna, boris, vera := w.member("anna"), w.member("boris"), w.member("vera")
	room := anna.open("open")
	boris.must(200, "PUT", "/rooms/"+room+"/seat", nil) // the first other person is on stage
	w.isLoaded.Store(true)
	waitFor(t, "the server is full", func() bool { return w.media.Stats().Full })
	down := raw{"application/sdp", offer(t, receives)}
	refused := vera.refused(503, "media_busy", "POST", "/rooms/"+room+"/whep", down)
	if refused.header.Get("Retry-After") == "" {
		t.Errorf("nothing says when to come back: %v", refused.header)
	}
	if _, _, seated := w.rooms.SeatOf(participant(vera.id)); seated {
		t.Error("who cannot hear was given a seat")
	}
	for _, p := range []*person{anna, boris} { // the stage is what everybody is here for
		p.must(201, "POST", "/rooms/"+room+"/whep", down)
		p.must(201, "POST", "/rooms/"+room+"/whip", raw{"application/sdp", offer(t, sends)})
	}
	if text := metricsOf(t, w); !strings.Contains(text, "besedka_media_full 1") || !strings.Contains(text, "besedka_media_turned_away_total 1") {
		t.Error("the metrics do not say that the server is full")
	}
	w.isLoaded.Store(false)
	waitFor(t, "there is room again", func() bool { return !w.media.Stats().Full })
	vera.must(201, "POST", "/rooms/"+room+"/whep", down)
}

func waitFor(t *testing.T, what string, is func() bool) {
	t.Helper()
	limit := time.After(30 * time.Second)
	for !is() {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-limit:
			t.Fatal("not seen: " + what)
		}
	}
}
