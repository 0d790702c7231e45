package test

import (
	"bytes"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// bad is an input that must be refused: 4xx, a stable code, no more than that.
type bad struct {
	name   string
	method string
	path   string
	body   any
	codes  string // the codes that fit, separated by spaces; "" is any
}

func badInputs(t *testing.T, room, account string) []bad {
	t.Helper()
	down := string(someOffer(t, recvonly, audio))
	sdp := func(s string) raw { return raw{"application/sdp", []byte(s)} }
	without := func(prefix string) string {
		var kept []string
		for _, line := range strings.SplitAfter(down, "\n") {
			if !strings.HasPrefix(line, prefix) {
				kept = append(kept, line)
			}
		}
		return strings.Join(kept, "")
	}
	json := func(s string) raw { return raw{"application/json", []byte(s)} }
	whep, here := "/rooms/"+room+"/whep", "/rooms/"+room
	long := strings.Repeat("я", 10000)
	return []bad{
		{"an empty offer", http.MethodPost, whep, sdp(""), "sdp_invalid invalid_request"},
		{"text instead of SDP", http.MethodPost, whep, sdp("hello, server"), "sdp_invalid"},
		{"half an offer", http.MethodPost, whep, sdp(down[:len(down)/3]), "sdp_invalid"},
		{"an offer of 1 MiB", http.MethodPost, whep, sdp(down + strings.Repeat("a=x:y\r\n", 1<<20/7)), "payload_too_large"},
		{"an offer without ICE credentials", http.MethodPost, whep, sdp(without("a=ice-")), "sdp_invalid"},
		{"an offer without a fingerprint", http.MethodPost, whep, sdp(without("a=fingerprint")), "sdp_invalid"},
		{"an offer of video only", http.MethodPost, whep, sdp(string(someOffer(t, recvonly, video))), "sdp_invalid"},
		{"an offer that is not text", http.MethodPost, whep, raw{"application/sdp", bytes.Repeat([]byte{0xff, 0}, 500)}, "sdp_invalid"},
		{"an offer of another type", http.MethodPost, whep, raw{"text/plain", []byte(down)}, "unsupported_media_type"},
		{"an offer to a room that is not", http.MethodPost, "/rooms/nowhere/whep", sdp(down), "not_found"},
		{"candidates for a session that is not", http.MethodPatch, here + "/sessions/none", raw{"application/trickle-ice-sdpfrag", []byte("a=x\r\n")}, ""},
		{"a session that is not", http.MethodDelete, here + "/sessions/none", nil, "not_found"},
		{"half a JSON", http.MethodPost, "/rooms", json(`{"title":`), ""},
		{"JSON of the wrong kind", http.MethodPost, "/rooms", json(`[1,2,3]`), ""},
		{"a number for a title", http.MethodPost, "/rooms", json(`{"title":7,"kind":"open"}`), ""},
		{"JSON of 1 MiB", http.MethodPost, "/rooms", json(`{"title":"` + strings.Repeat("x", 1<<20) + `","kind":"open"}`), "payload_too_large"},
		{"deep JSON", http.MethodPost, "/rooms", json(strings.Repeat("[", 30000) + strings.Repeat("]", 30000)), ""},
		{"invalid UTF-8", http.MethodPatch, here, raw{"application/json", []byte("{\"title\":\"\xff\xfe\"}")}, ""},
		{"a control character", http.MethodPatch, here, object{"title": "bell \a"}, ""},
		{"a title of 10,000 characters", http.MethodPatch, here, object{"title": long}, ""},
		{"a note of 10,000 characters", http.MethodPost, "/invitations", object{"note": long}, ""},
		{"an unknown kind", http.MethodPost, "/rooms", object{"title": "x", "kind": "secret"}, ""},
		{"an unknown setting", http.MethodPatch, here, object{"hands": "sometimes"}, ""},
		{"an unknown role", http.MethodPut, here + "/participants/" + account + "/role", object{"role": "king"}, ""},
		{"an unknown reason", http.MethodDelete, here + "/participants/" + account + "?reason=because", nil, ""},
		{"an unknown account", http.MethodPut, here + "/participants/nobody/silence", nil, ""},
		{"somebody who is not here", http.MethodPost, here + "/stage-invitations", object{"account": "nobody"}, ""},
		{"an unknown profile", http.MethodGet, "/accounts/nobody", nil, "not_found"},
		{"an unknown username", http.MethodGet, "/accounts?username=nobody", nil, "not_found"},
		{"a wrong type of body", http.MethodPost, "/rooms", raw{"text/plain", []byte("title=x")}, "unsupported_media_type"},
		{"a password of a million characters", http.MethodPost, "/sessions", object{"username": "anna", "password": strings.Repeat("x", 1<<20)}, "payload_too_large"},
		{"an unusable username", http.MethodPost, "/sessions", object{"username": "\x00'; DROP TABLE accounts; --", "password": "x"}, ""},
		{"a cursor that is none", http.MethodGet, "/events?room=nowhere", nil, "not_found"},
		{"a path with dots", http.MethodGet, "/rooms/..%2f..%2fme", nil, ""},
		{"a path with a NUL", http.MethodGet, "/rooms/%00", nil, ""},
		{"a very long id", http.MethodGet, "/rooms/" + strings.Repeat("x", 5000), nil, ""},
	}
}

func TestBadInputIsRefusedAndDisturbsNobody(t *testing.T) {
	w := begin(t)
	host := w.founder()
	room := host.open("open")
	host.speak(room)
	w.member(0).enter(room)
	e := w.guest(t, room).listen(room, 3)
	e.untilHeard(0)
	inputs := badInputs(t, room, w.member(0).id)
	observe(time.Second) // the connections of the peers above come to rest
	from := time.Now()
	slowest := time.Duration(0)
	for _, b := range inputs {
		a := host.call(b.method, b.path, b.body)
		slowest = max(slowest, a.took)
		fits := b.codes == "" && a.code() != "" || strings.Contains(" "+b.codes+" ", " "+a.code()+" ")
		if a.status < 400 || a.status >= 500 || !fits {
			t.Errorf("%s: %s; want 4xx with a code of %q", b.name, a, b.codes)
		}
		t.Logf("%-45s %d %-24s %s", b.name, a.status, a.code(), a.took.Round(time.Microsecond))
	}
	gap := e.longestGap(from, time.Now())
	t.Logf("slowest answer %s; the listener's longest gap meanwhile %s (goal: 40 ms)", slowest, gap)
	if gap > 500*time.Millisecond {
		t.Errorf("a listener heard nothing for %s during bad input", gap)
	}
	if v := host.room(room); v.Title != "Evening talk" || v.role(host) != "host" {
		t.Errorf("bad input changed the room: %+v", v)
	}
}

func TestFloodOfBadInputLeavesListenersTheirSound(t *testing.T) {
	w := begin(t)
	host := w.founder()
	room := host.open("open")
	host.speak(room)
	e := w.guest(t, room).listen(room, 3)
	e.untilHeard(0)
	inputs := badInputs(t, room, w.member(0).id)
	observe(time.Second)
	from, asked := time.Now(), new(atomic.Int64)
	var senders sync.WaitGroup
	for i := range 4 {
		senders.Go(func() {
			for n := i; time.Since(from) < 2*time.Second; n++ {
				b := inputs[n%len(inputs)]
				if a, err := w.member(i).try(b.method, b.path, b.body); err == nil && a.status >= 500 {
					t.Errorf("%s: %s", b.name, a)
				}
				asked.Add(1)
			}
		})
	}
	senders.Add(1)
	go func() { defer senders.Done(); garbage(t, w.media, from.Add(2*time.Second)) }()
	senders.Wait()
	to := time.Now()
	gap, heard := e.longestGap(from, to), e.frames(0, from, to)
	t.Logf("%d bad requests and a flood of datagrams in %s: %d frames heard, longest gap %s (goal: 40 ms)", asked.Load(), to.Sub(from).Round(time.Millisecond), heard, gap)
	if gap > time.Second || heard < int(0.8*float64(to.Sub(from)/frameTime)) {
		t.Errorf("during the flood a listener heard %d frames, with a gap of %s", heard, gap)
	}
}

// garbage sends datagrams that look like each of the protocols of the media
// port, about ten thousand a second, until the time has come.
func garbage(t *testing.T, address string, until time.Time) {
	c, err := net.Dial("udp", address)
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	random := rand.New(rand.NewPCG(1, 2))
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for b := make([]byte, 1200); time.Now().Before(until); <-tick.C {
		for range 50 {
			for i := range b {
				b[i] = byte(random.Uint32())
			}
			b[0] = []byte{0, 1, 22, 20, 128, 129, 200, 64}[random.IntN(8)] // STUN, DTLS, RTP, none
			if b[0] < 2 {
				copy(b, []byte{0, 1, 0, 40, 0x21, 0x12, 0xa4, 0x42})
			}
			_, _ = c.Write(b[:20+random.IntN(len(b)-20)])
		}
	}
}

func TestCursorThatIsNoneBeginsAnew(t *testing.T) {
	w := begin(t)
	host := w.founder()
	room := host.open("open")
	s := host.events(room, "nonsense")
	if hello := s.until("hello"); hello.Data["resumed"] == true {
		t.Errorf("resumed from nonsense: %+v", hello)
	}
}
