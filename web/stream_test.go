package web_test

import (
	"io"
	"net/http"
	"testing"
	"time"

	"besedka/web"
)

// overHTTP2 lets the world speak HTTP/2 without TLS too.
func overHTTP2(_ *web.Deps, h *http.Server) {
	if h != nil {
		h.Protocols = new(http.Protocols)
		h.Protocols.SetHTTP1(true)
		h.Protocols.SetUnencryptedHTTP2(true)
	}
}

// hear plays the room, and gives what reads it: some bytes have come when it returns.
func (p *person) hear(room string, over *http.Transport) io.ReadCloser {
	p.w.t.Helper()
	url := p.must(201, "POST", "/rooms/"+room+"/stream", nil).text("url")
	res, err := over.RoundTrip(p.w.stranger().request("GET", "/"+url, nil))
	if err != nil {
		p.w.t.Fatal(err)
	}
	p.w.t.Cleanup(func() { res.Body.Close() })
	page := make([]byte, 4)
	if _, err := io.ReadFull(res.Body, page); err != nil || res.StatusCode != 200 || string(page) != "OggS" {
		p.w.t.Fatalf("%d %q %v", res.StatusCode, page, err)
	}
	return res.Body
}

// ends wants a stream to end.
func ends(t *testing.T, what string, body io.ReadCloser) {
	t.Helper()
	watchdog := time.AfterFunc(15*time.Second, func() {
		t.Errorf("%s: the stream goes on", what)
		body.Close()
	})
	defer watchdog.Stop()
	_, _ = io.Copy(io.Discard, body) // however it ends
}

func TestAudioStreamEndsWithTheSeatOverEveryHTTP(t *testing.T) {
	w := oneWorld(t, overHTTP2)
	two := new(http.Protocols)
	two.SetUnencryptedHTTP2(true)
	anna := w.member("anna")
	for name, over := range map[string]*http.Transport{"one": {}, "two": {Protocols: two}} {
		room := anna.open("open")
		boris, vera, guest := w.member("boris"+name), w.member("vera"+name), w.guest(room)
		for _, p := range []*person{boris, guest, vera} {
			body := p.hear(room, over)
			if p == vera {
				anna.must(204, "DELETE", "/rooms/"+room+"/participants/"+vera.id+"?reason=spam", nil)
			} else {
				p.must(204, "DELETE", "/rooms/"+room+"/seat", nil)
			}
			ends(t, "HTTP/"+name, body)
		}
		over.CloseIdleConnections()
	}
	if n := w.media.Stats().Readers; n != 0 {
		t.Errorf("%d readers are left", n)
	}
}

func TestAFullServerTakesNoNewAudioStreams(t *testing.T) {
	w := oneWorld(t)
	anna, boris := w.member("anna"), w.member("boris")
	room := anna.open("open")
	boris.hear(room, &http.Transport{}).Close()
	w.isLoaded.Store(true)
	for deadline := time.Now().Add(15 * time.Second); !w.media.Stats().Full; <-time.After(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the server does not become full")
		}
	}
	a := w.member("vera").refused(503, "media_busy", "POST", "/rooms/"+room+"/stream", nil)
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	boris.hear(room, &http.Transport{}) // who has heard the room comes back
}
