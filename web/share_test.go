package web_test

import (
	"bytes"
	"image"
	"image/png"
	"strings"
	"testing"
	"testing/fstest"
)

func TestSharedRoomHasACardForWhoMayListen(t *testing.T) {
	w := oneWorld(t)
	anna := w.member("anna")
	open := anna.must(201, "POST", "/rooms", object{"title": "Вечер у беседки", "kind": "open", "guests_allowed": true, "language": "ru"}).text("id")
	a := w.stranger().must(200, "GET", "/rooms/"+open+"/card.png", nil)
	img, err := png.Decode(bytes.NewReader(a.body))
	if err != nil || img.Bounds() != image.Rect(0, 0, 1200, 630) {
		t.Fatalf("%v: %v", err, img)
	}
	if a.header.Get("Content-Type") != "image/png" || a.header.Get("X-Content-Type-Options") != "nosniff" ||
		!strings.HasPrefix(a.header.Get("Cache-Control"), "public") || a.header.Get("Cross-Origin-Resource-Policy") != "cross-origin" {
		t.Errorf("headers %v", a.header)
	}
	w.stranger().with("If-None-Match", a.header.Get("ETag")).must(304, "GET", "/rooms/"+open+"/card.png", nil)
	english := w.stranger().must(200, "GET", "/rooms/"+open+"/card.png?lang=en&utc_offset=180", nil)
	if bytes.Equal(a.body, english.body) {
		t.Error("two languages and zones look the same")
	}
	w.stranger().refused(422, "invalid_request", "GET", "/rooms/"+open+"/card.png?utc_offset=100000", nil)

	members := anna.must(201, "POST", "/rooms", object{"title": "Ours", "kind": "open"}).text("id")
	w.stranger().refused(404, "not_found", "GET", "/rooms/"+members+"/card.png", nil)
	w.member("boris").must(200, "GET", "/rooms/"+members+"/card.png", nil)
	closed := anna.must(201, "POST", "/rooms", object{"title": "Secret", "kind": "closed"}).text("id")
	w.member("vera").refused(404, "not_found", "GET", "/rooms/"+closed+"/card.png", nil)
	private := anna.must(200, "GET", "/rooms/"+closed+"/card.png", nil)
	if private.header.Get("Cache-Control") != "private, max-age=60" || private.header.Get("Cross-Origin-Resource-Policy") != "same-origin" {
		t.Errorf("headers of a closed room's card: %v", private.header)
	}
}

func TestPageOfARoomSaysWhatMayBeKnownOfIt(t *testing.T) {
	w := oneWorld(t)
	index := `<!doctype html><html><head><title>Besedka</title></head><body></body></html>`
	if err := w.web.UseClient(fstest.MapFS{"index.html": {Data: []byte(index)}}); err != nil {
		t.Fatal(err)
	}
	anna := w.member("anna")
	open := anna.must(201, "POST", "/rooms", object{"title": `Tea & <b>"talk"</b>`, "kind": "open", "guests_allowed": true}).text("id")
	for _, path := range []string{"//rooms/" + open, "//listen/" + open} {
		page := string(w.stranger().must(200, "GET", path, nil).body)
		for _, want := range []string{
			`<meta property="og:title" content="Tea &amp; &lt;b&gt;&#34;talk&#34;&lt;/b&gt;">`,
			`<meta property="og:description" content="Hosted by anna.`,
			`<meta property="og:image" content="http://localhost:8080/api/v1/rooms/` + open + `/card.png`,
		} {
			if !strings.Contains(page, want) {
				t.Errorf("%s lacks %s in %s", path, want, page)
			}
		}
		if strings.Contains(page, "<b>") {
			t.Errorf("%s: a title became a part of the page", path)
		}
	}
	closed := anna.must(201, "POST", "/rooms", object{"title": "Secret", "kind": "closed"}).text("id")
	for _, path := range []string{"//rooms/" + closed, "//rooms/nothing"} {
		page := string(w.stranger().must(200, "GET", path, nil).body)
		if strings.Contains(page, "Secret") || strings.Contains(page, "anna") || strings.Contains(page, "og:image") ||
			!strings.Contains(page, `<meta property="og:title" content="Besedka">`) {
			t.Errorf("%s says %s", path, page)
		}
	}
	russian := string(w.stranger().with("Accept-Language", "ru").must(200, "GET", "//rooms/"+closed, nil).body)
	if !strings.Contains(russian, "Голосовые комнаты") {
		t.Errorf("in Russian: %s", russian)
	}
	if page := string(w.stranger().must(200, "GET", "//", nil).body); strings.Contains(page, "og:") {
		t.Errorf("the first page: %s", page)
	}
}
