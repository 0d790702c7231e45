package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// examine runs the doctor and gives what it said, and whether it found nothing bad.
func (s *server) examine(t *testing.T, env []string, flags ...string) (said string, well bool) {
	t.Helper()
	c := exec.Command(program, append([]string{"doctor"}, flags...)...)
	c.Env = append(os.Environ(), append([]string{"LC_ALL=C", "BESEDKA_URL=", "BESEDKA_TOKEN="}, env...)...)
	out, err := c.Output()
	t.Logf("%s", out)
	return string(out), err == nil
}

func wantSaid(t *testing.T, said string, wanted ...string) {
	t.Helper()
	for _, w := range wanted {
		if !strings.Contains(said, w) {
			t.Errorf("the doctor does not say %q", w)
		}
	}
}

func TestTheDoctorFindsAHealthyInstanceWell(t *testing.T) {
	w := beginTLS(t)
	trust := "SSL_CERT_FILE=" + os.Getenv("BESEDKA_TLS_CERT")
	said, well := w.examine(t, []string{trust}, w.storage()...)
	if !well {
		t.Error("it finds something bad")
	}
	wantSaid(t, said, "The database is sound", w.url+" answers", "certificate is good until", "Sound by UDP is reached", "Sound by TCP is reached", "leads to the sound")
	if strings.Contains(said, "{") {
		t.Error("a place was left empty")
	}
	// From another machine, in Russian.
	said, well = w.examine(t, []string{trust, "LC_ALL=ru_RU.UTF-8"}, "--data", t.TempDir(), "--url", w.url, "--token", w.founder().token)
	if !well {
		t.Error("it finds something bad from afar")
	}
	wantSaid(t, said, "отвечает", "Звук по UDP доступен", "ведёт к звуку")
	// Whoever does not trust the certificate says so.
	said, well = w.examine(t, nil, w.storage()...)
	if well {
		t.Error("a certificate that nobody knows is well")
	}
	wantSaid(t, said, "Nobody whom browsers trust")
}

func TestTheDoctorSaysWhatIsWrong(t *testing.T) {
	t.Setenv("BESEDKA_ADVERTISE", "127.0.0.9") // where nobody listens
	w := begin(t)
	if err := os.Chmod(w.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	said, well := w.examine(t, nil, w.storage()...)
	if well {
		t.Error("an address where nobody listens is well")
	}
	wantSaid(t, said, "Sound by UDP is not reached at 127.0.0.9", "Sound by TCP is not reached at 127.0.0.9", "There is no relay", "can be read by others")
	w.stop()
	said, well = w.examine(t, nil, w.storage()...)
	if well {
		t.Error("a server that is down is well")
	}
	wantSaid(t, said, w.url+" does not answer")
	page := []byte(strings.Repeat("not a database ", 200))
	f, err := os.OpenFile(filepath.Join(w.dir, "besedka.db"), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(page, 8192); err != nil {
		t.Fatal(err)
	}
	said, well = w.examine(t, nil, w.storage()...)
	if well || !strings.Contains(said, "The database is damaged") && !strings.Contains(said, "The database cannot be opened") {
		t.Error("a damaged database is well")
	}
	said, _ = w.examine(t, nil, "--data", filepath.Join(w.dir, "nowhere"), "--url", w.url)
	wantSaid(t, said, "The database cannot be opened")
}
