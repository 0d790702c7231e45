package test

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestAnothersSessionIsAsIfItWereNone holds for who guesses and for who knows (RFC 9725 §5).
func TestAnothersSessionIsAsIfItWereNone(t *testing.T) {
	h := newHaunted(t)
	owner, elsewhere := h.member(1), h.member(5).open("open")
	r := owner.rogue(h.room, "whep")
	id := r.path[strings.LastIndex(r.path, "/")+1:]
	other := strings.Map(func(c rune) rune { // as long, and as likely
		if c == 'a' {
			return 'b'
		}
		return 'a'
	}, id)
	forger := &person{t: t, server: h.server, name: "forger", token: "bt_" + strings.Repeat("A", 43)}
	for _, p := range []*person{h.member(2), h.guest(t, h.room), h.host, h.member(5), forger, h.stranger(t)} {
		want := http.StatusNotFound
		if p.name == "forger" || p.name == "stranger" {
			want = http.StatusUnauthorized
		}
		for _, tag := range []string{"", r.etag, "*", `"guess"`} {
			for _, method := range []string{http.MethodDelete, http.MethodPatch} {
				var body any
				if method == http.MethodPatch {
					body = raw{trickleType, []byte("a=end-of-candidates\r\n")}
				}
				q := p.matching(tag)
				none := q.call(method, h.path("/sessions/"+other), body)
				for _, path := range []string{r.path, h.path("/sessions/" + id[:len(id)-1]), "/rooms/" + elsewhere + "/sessions/" + id, "/rooms/nowhere/sessions/" + id} {
					a := q.call(method, path, body)
					if a.status != want || string(a.body) != string(none.body) || a.header.Get("ETag") != "" {
						t.Errorf("%s: If-Match %s: %s\nand of a session that is none: %s", p.name, tag, a, none)
					}
				}
			}
		}
	}
	for _, path := range []string{"/rooms/" + elsewhere + "/sessions/" + id, "/rooms/nowhere/sessions/" + id} {
		owner.refused(http.StatusNotFound, "not_found", http.MethodDelete, path, nil)
	}
	r.untilPackets() // nobody has ended it
	if len(id) < 22 {
		t.Errorf("a session's name is %q: not 128 random bits", id)
	}
	owner.must(http.MethodDelete, r.path, nil)
}

// TestFragmentsMustNameTheirSession is RFC 9725 §4.3.1: 428 without an entity tag, 412 with another.
func TestFragmentsMustNameTheirSession(t *testing.T) {
	h := newHaunted(t)
	p := h.member(1)
	r := p.rogue(h.room, "whep")
	fragment := raw{trickleType, []byte("a=ice-ufrag:" + r.ufrag + "\r\na=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\na=end-of-candidates\r\n")}
	p.refused(http.StatusPreconditionRequired, "etag_required", http.MethodPatch, r.path, fragment)
	p.matching(`"another"`).refused(http.StatusPreconditionFailed, "etag_mismatch", http.MethodPatch, r.path, fragment)
	if a := p.matching(r.etag).must(http.MethodPatch, r.path, fragment); a.status != http.StatusNoContent {
		t.Errorf("%s; want 204", a)
	}
	if a := p.matching("*").call(http.MethodPatch, r.path, restart); a.code() != "ice_restart_unsupported" && a.code() != "sdp_invalid" {
		t.Errorf("an ICE restart: %s", a)
	}
	for _, body := range []string{"nonsense\r\n", "a=ice-ufrag:another\r\n", strings.Repeat("a=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\n", 1000)} {
		if a := p.matching(r.etag).call(http.MethodPatch, r.path, raw{trickleType, []byte(body)}); a.status < 400 || a.status >= 500 {
			t.Errorf("a fragment of %d bytes: %s", len(body), a)
		}
	}
	r.untilPackets() // none of it has moved or ended the session
}

func TestFloodOfOffersByOneIsCut(t *testing.T) {
	h := newHaunted(t)
	flooder := h.member(1)
	flooder.enter(h.room)
	offer := raw{"application/sdp", []byte(rogueOffer("ufrg", "0123456789012345678901", sharedCertificate(), "recvonly", 3))}
	var taken, cut, others atomic.Int64
	var most float64
	var senders sync.WaitGroup
	from := time.Now()
	for range 8 {
		senders.Go(func() {
			for range 125 {
				a, err := flooder.try(http.MethodPost, h.path("/whep"), offer)
				switch {
				case err == nil && a.status == http.StatusCreated:
					taken.Add(1)
				case err == nil && a.status == http.StatusTooManyRequests && a.header.Get("Retry-After") != "":
					cut.Add(1)
				default:
					others.Add(1)
				}
			}
		})
	}
	joined := time.Now()
	h.guest(t, h.room).rogue(h.room, "whep").untilPackets()
	took := time.Since(joined)
	most = h.metric(t, "besedka_media_half_open")
	senders.Wait()
	to := time.Now()
	most = max(most, h.metric(t, "besedka_media_half_open"))
	allowed := int64(20+10*to.Sub(from).Seconds()) + 1
	t.Logf("1000 offers by one in %s: %d taken, %d answered 429; at most %v half open; somebody else joined in %s; longest gap of who listens %s (goal: 40 ms)",
		to.Sub(from).Round(time.Millisecond), taken.Load(), cut.Load(), most, took.Round(time.Millisecond), h.stay.gap(from, to))
	if taken.Load() > allowed || others.Load() != 0 || taken.Load()+cut.Load() != 1000 {
		t.Errorf("%d offers were taken, %d answered 429, %d otherwise; want at most %d taken", taken.Load(), cut.Load(), others.Load(), allowed)
	}
	if most > 3 {
		t.Errorf("one participant holds %v sessions half open", most)
	}
	if gap := h.stay.gap(from, to); gap > time.Second {
		t.Errorf("who listens heard nothing for %s", gap)
	}
	within(t, 5*time.Second, "the budget comes back", func() bool { return flooder.call(http.MethodPost, h.path("/whep"), offer).status == http.StatusCreated })
}

// TestSessionsNeverJoinedAreFreed is Q19: half-open sessions are bounded and reaped.
func TestSessionsNeverJoinedAreFreed(t *testing.T) {
	t.Parallel()
	h := newHaunted(t)
	var silent []*rogue
	for range 30 {
		p := h.guest(t, h.room)
		for range 4 { // two of each guest's stay
			if _, a, err := p.ask(h.room, ways{direction: "whep"}); err != nil {
				t.Fatalf("%s %v", a, err)
			}
		}
		last, _, err := p.ask(h.room, ways{direction: "whep"})
		if err != nil {
			t.Fatal(err)
		}
		silent = append(silent, last)
	}
	asked := time.Now()
	if n := h.metric(t, "besedka_media_half_open"); n != 60 {
		t.Errorf("%v sessions are half open; want two of each of 30 guests", n)
	}
	within(t, 20*time.Second, "sessions that nobody joined are freed", func() bool { return h.metric(t, "besedka_media_half_open") == 0 })
	t.Logf("60 half-open sessions of 30 guests were freed %s after the last was asked for", time.Since(asked).Round(time.Millisecond))
	for _, r := range silent {
		r.who.refused(http.StatusNotFound, "not_found", http.MethodDelete, r.path, nil)
		if n := r.came(time.Time{}, time.Now()); n != 0 {
			t.Errorf("a session without a handshake was sent %d packets", n)
		}
	}
	h.stay.untilPackets()
}
