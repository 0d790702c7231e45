package test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/jpeg"
	"image/png"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// aJPEG is what a telephone sends: turned, and with the place where it was taken.
func aJPEG(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewRGBA(image.Rect(0, 0, 900, 600)), nil); err != nil {
		t.Fatal(err)
	}
	exif := []byte("Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x02" +
		"\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00" + // orientation: 6
		"\x88\x25\x00\x04\x00\x00\x00\x01\x00\x00\x00\x26" + // where GPS is
		"\x00\x00\x00\x00GPSLatitude 55.7558, GPSLongitude 37.6173")
	segment := append(binary.BigEndian.AppendUint16([]byte{0xff, 0xe1}, uint16(len(exif)+2)), exif...)
	return append(append([]byte{0xff, 0xd8}, segment...), b.Bytes()[2:]...)
}

func (p *person) photo(t *testing.T, kind string, file []byte) string {
	t.Helper()
	return p.must(http.MethodPut, "/me/photo", raw{kind, file}).text("photo")
}

func TestAPhotoTellsNothingOfWhereItWasTaken(t *testing.T) {
	w := begin(t)
	file := aJPEG(t)
	if !bytes.Contains(file, []byte("GPSLatitude")) {
		t.Fatal("the test sends no place")
	}
	photo := w.member(0).photo(t, "image/jpeg", file)
	for _, size := range []string{"small", "large"} {
		a := w.stranger(t).must(http.MethodGet, "/photos/"+photo+"/"+size, nil)
		c, err := jpeg.DecodeConfig(bytes.NewReader(a.body))
		if err != nil || c.Width != c.Height || c.Width > 512 {
			t.Errorf("%s: %d by %d, error %v", size, c.Width, c.Height, err)
		}
		for _, trace := range []string{"Exif", "GPS", "55.7558", "37.6173"} {
			if bytes.Contains(a.body, []byte(trace)) {
				t.Errorf("%s holds %q", size, trace)
			}
		}
		if a.header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(a.header.Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("%s: %v", size, a.header)
		}
	}
}

// bomb is a small PNG that says to be 50,000 pixels wide and high.
func bomb() []byte {
	file := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\xc3\x50\x00\x00\xc3\x50\x08\x02\x00\x00\x00")
	return append(binary.BigEndian.AppendUint32(file, crc32.ChecksumIEEE(file[12:])), "\x00\x00\x00\x00IDAT\x35\xaf\x06\x1e"...)
}

func TestHostileUploadsAreRefusedAndHarmNobody(t *testing.T) {
	w := begin(t)
	anna := w.member(0)
	var small bytes.Buffer
	if err := png.Encode(&small, image.NewRGBA(image.Rect(0, 0, 9, 9))); err != nil {
		t.Fatal(err)
	}
	script := "<script>alert(document.cookie)</script>"
	for _, c := range []struct {
		name, kind string
		file       string
		status     int
		code       string
	}{
		{"a bomb", "image/png", string(bomb()), 422, "photo_too_large"},
		{"SVG", "image/svg+xml", "<svg xmlns='http://www.w3.org/2000/svg'>" + script + "</svg>", 415, "unsupported_media_type"},
		{"SVG that says to be PNG", "image/png", "<svg xmlns='http://www.w3.org/2000/svg'>" + script + "</svg>", 422, "photo_invalid"},
		{"HTML that begins as GIF", "image/gif", "GIF89a<html>" + script, 422, "photo_too_large"},
		{"HTML that begins as JPEG", "image/jpeg", "\xff\xd8\xff\xe0<html>" + script, 422, "photo_invalid"},
		{"more than 8 MiB", "image/png", strings.Repeat("x", 8<<20+1), 413, "payload_too_large"},
	} {
		begun := time.Now()
		anna.refused(c.status, c.code, http.MethodPut, "/me/photo", raw{c.kind, []byte(c.file)})
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("%s took %s", c.name, took)
		}
	}
	// A true picture with a script in it is a picture without one.
	photo := anna.photo(t, "image/png", append(small.Bytes(), script...))
	if a := w.stranger(t).must(http.MethodGet, "/photos/"+photo+"/large", nil); bytes.Contains(a.body, []byte("script")) || a.header.Get("Content-Type") != "image/jpeg" {
		t.Errorf("%v %q", a.header, a.body)
	}
	w.member(1).must(http.MethodGet, "/me", nil)
}

func TestBackupBringsPhotosBack(t *testing.T) {
	w := begin(t)
	anna := w.member(0)
	photo := anna.photo(t, "image/jpeg", aJPEG(t))
	path := "/photos/" + photo + "/large"
	before := anna.must(http.MethodGet, path, nil)
	file, dir := filepath.Join(t.TempDir(), "backup.tar"), filepath.Join(t.TempDir(), "restored")
	for _, args := range [][]string{{"backup", file, "--data", w.dir}, {"restore", file, "--data", dir}} {
		if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v: %s", args, err, out)
		}
	}
	// A second time there is something that must not be overwritten.
	for _, args := range [][]string{{"backup", file, "--data", w.dir}, {"restore", file, "--data", dir}} {
		if out, err := exec.Command(program, args...).CombinedOutput(); err == nil {
			t.Errorf("%v again: %s", args, out)
		}
	}
	anna.must(http.MethodDelete, "/me/photo", nil)
	anna.refused(404, "not_found", http.MethodGet, path, nil)
	again := run(t, dir, "", template.tokens, template.ids)
	if me := again.member(0).must(http.MethodGet, "/me", nil); me.text("photo") != photo {
		t.Errorf("%s; want photo %s", me, photo)
	}
	if after := again.member(0).must(http.MethodGet, path, nil); !bytes.Equal(after.body, before.body) {
		t.Error("the photo is another one")
	}
}

func TestTheOperatorTakesAPhotoAway(t *testing.T) {
	w := begin(t)
	anna := w.member(0)
	photo := anna.photo(t, "image/jpeg", aJPEG(t))
	if _, err := w.admin("", "account", "remove-photo", "--username", anna.name); err != nil {
		t.Fatal(err)
	}
	w.stranger(t).refused(404, "not_found", http.MethodGet, "/photos/"+photo+"/small", nil)
	if me := anna.must(http.MethodGet, "/me", nil); me.text("photo") != "" {
		t.Errorf("%s", me)
	}
}
