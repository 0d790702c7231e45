package web_test

import (
	"bytes"
	"image"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"
)

// aPNG is a picture as somebody may send it.
func aPNG(t *testing.T) raw {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewRGBA(image.Rect(0, 0, 600, 700))); err != nil {
		t.Fatal(err)
	}
	return raw{"image/png", b.String()}
}

func TestAPhotoIsSeenByEverybodyWhoKnowsItsName(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		anna, boris := w.member("anna"), w.member("boris")
		room := anna.open("open")
		boris.must(200, "PUT", "/rooms/"+room+"/seat", nil) // which makes the room remember how people look
		photo := anna.must(200, "PUT", "/me/photo", aPNG(t)).text("photo")
		if len(photo) != 26 || anna.must(200, "GET", "/me", nil).text("photo") != photo || boris.must(200, "GET", "/accounts/"+anna.id, nil).text("photo") != photo {
			t.Errorf("photo %q", photo)
		}
		if view := string(boris.must(200, "GET", "/rooms/"+room, nil).body); strings.Count(view, photo) != 2 { // host and participant
			t.Errorf("the room shows the photo %d times: %s", strings.Count(view, photo), view)
		}
		if hallway := string(boris.must(200, "GET", "/hallway", nil).body); strings.Count(hallway, photo) != 2 {
			t.Errorf("the hallway shows the photo %d times: %s", strings.Count(hallway, photo), hallway)
		}
		for size, side := range map[string]int{"small": 128, "large": 512} {
			a := w.stranger().must(200, "GET", "/photos/"+photo+"/"+size, nil)
			c, err := jpeg.DecodeConfig(bytes.NewReader(a.body))
			if err != nil || c.Width != side || c.Height != side {
				t.Errorf("%s is %d by %d, error %v", size, c.Width, c.Height, err)
			}
			for name, want := range map[string]string{
				"Content-Type": "image/jpeg", "X-Content-Type-Options": "nosniff", "Cache-Control": "public, max-age=31536000, immutable",
				"Content-Disposition": `attachment; filename="photo.jpg"`, "Vary": "", "Cross-Origin-Resource-Policy": "same-origin",
			} {
				if got := a.header.Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			if policy := a.header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'; sandbox;") {
				t.Errorf("policy %q", policy)
			}
			w.stranger().with("If-None-Match", a.header.Get("ETag")).must(304, "GET", "/photos/"+photo+"/"+size, nil)
			w.stranger().must(200, "HEAD", "/photos/"+photo+"/"+size, nil)
		}
		for _, path := range []string{photo + "/huge", strings.Repeat("0", 26) + "/small", photo + "-small/small", "x/small"} {
			if a := w.stranger().ask("GET", "/photos/"+path, nil); a.status != 404 {
				t.Errorf("%s: %d", path, a.status)
			}
		}
		anna.must(204, "DELETE", "/me/photo", nil)
		w.stranger().refused(404, "not_found", "GET", "/photos/"+photo+"/small", nil)
		if view := string(boris.must(200, "GET", "/rooms/"+room, nil).body); strings.Contains(view, photo) {
			t.Error("the room still shows the photo")
		}
	})
}

func TestOnlyPicturesAreTakenForPhotos(t *testing.T) {
	w := oneWorld(t)
	anna := w.member("anna")
	for _, c := range []struct {
		what   raw
		status int
		code   string
	}{
		{raw{"image/svg+xml", "<svg/>"}, 415, "unsupported_media_type"},
		{raw{"application/json", "{}"}, 415, "unsupported_media_type"},
		{raw{"", "x"}, 415, "unsupported_media_type"},
		{raw{"image/png", "<svg/>"}, 422, "photo_invalid"},
		{raw{"image/png", ""}, 422, "photo_invalid"},
		{raw{"image/gif", "GIF89a\xff\xff\xff\xff\x00\x00\x00"}, 422, "photo_too_large"},
		{raw{"image/png", strings.Repeat("x", 8<<20+1)}, 413, "payload_too_large"},
	} {
		anna.refused(c.status, c.code, "PUT", "/me/photo", c.what)
	}
	w.guest(anna.open("open")).refused(403, "guests_only_listen", "PUT", "/me/photo", aPNG(t))
}

func TestWhoAsksComesBeforeWhatIsSent(t *testing.T) {
	w := oneWorld(t)
	room := w.member("anna").open("open")
	text := raw{"text/plain", "x"}
	for _, path := range []string{"/me/photo", "/me/password", "/rooms/" + room + "/whip"} {
		method := "PUT"
		if strings.HasSuffix(path, "/whip") {
			method = "POST"
		}
		w.stranger().refused(401, "unauthenticated", method, path, text)
	}
	w.stranger().refused(401, "unauthenticated", "PUT", "/me/photo", raw{"image/png", strings.Repeat("x", 8<<20+1)})
	w.guest(room).refused(403, "guests_only_listen", "PUT", "/me/photo", text)
}

func TestPhotosAreSentTenAtOnceAndNotMore(t *testing.T) {
	w := oneWorld(t)
	anna := w.member("anna")
	for range 10 {
		anna.refused(422, "photo_invalid", "PUT", "/me/photo", raw{"image/png", "no picture"})
	}
	if a := anna.refused(429, "too_many_requests", "PUT", "/me/photo", aPNG(t)); a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	w.member("boris").must(200, "PUT", "/me/photo", aPNG(t))
}

func TestAProfileSaysWhatItsOwnerWrote(t *testing.T) {
	w := oneWorld(t)
	anna, boris := w.member("anna"), w.member("boris")
	links := []object{{"url": "https://example.org", "label": "Home"}, {"url": "http://example.org"}}
	me := anna.must(200, "PATCH", "/me", object{"name": "Anna K.", "bio": "one\ntwo", "links": links}).json()
	if me["name"] != "Anna K." || me["bio"] != "one\ntwo" || len(me["links"].([]any)) != 2 || me["name_changeable"] != false {
		t.Errorf("me: %v", me)
	}
	anna.refused(409, "name_already_changed", "PATCH", "/me", object{"name": "Anna L."})
	anna.refused(422, "bio_invalid", "PATCH", "/me", object{"bio": strings.Repeat("я", 2001)})
	anna.refused(422, "links_invalid", "PATCH", "/me", object{"links": []object{{"url": "javascript:alert(1)"}}})
	if p := boris.must(200, "GET", "/accounts/"+anna.id, nil).json(); p["name"] != "Anna K." || p["bio"] != "one\ntwo" || len(p["links"].([]any)) != 2 {
		t.Errorf("profile: %v", p)
	}
}
