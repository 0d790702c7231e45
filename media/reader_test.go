package media_test

import (
	"bytes"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"besedka"
	"besedka/media"
)

// read opens a reader for somebody who may listen; cuts counts how often he was cut.
func (w *world) read(who besedka.ParticipantID, cred besedka.CredentialID, cuts *atomic.Int32) *media.Reader {
	w.t.Helper()
	w.srv.Grant(room, who, media.Grant{})
	r, err := w.srv.OpenReader(room, who, cred, func() { cuts.Add(1) })
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// untilEnd reads to the end.
func untilEnd(t *testing.T, r *media.Reader) {
	t.Helper()
	for {
		if _, err := r.Next(nil); err != nil {
			if !errors.Is(err, io.EOF) {
				t.Errorf("the reader ended with %v", err)
			}
			return
		}
	}
}

func TestWhateverEndsASeatCutsItsReader(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*world, *media.Reader){
		"revoke":      func(w *world, _ *media.Reader) { w.srv.Revoke(room, "reader") },
		"end of room": func(w *world, _ *media.Reader) { w.srv.EndRoom(room) },
		"credential":  func(w *world, _ *media.Reader) { w.srv.CloseCredential("credential") },
		"elsewhere":   func(w *world, _ *media.Reader) { w.srv.CloseOthers(room, "reader", "another credential") },
		"all":         func(w *world, _ *media.Reader) { w.srv.CloseReaders() },
		"itself":      func(_ *world, r *media.Reader) { r.Close(); r.Close() },
		"another one": func(w *world, _ *media.Reader) {
			if _, err := w.srv.OpenReader(room, "reader", "credential", func() {}); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			var cuts atomic.Int32
			r := w.read("reader", "credential", &cuts)
			end(w, r)
			if n := cuts.Load(); n != 1 {
				t.Fatalf("cut %d times when the call returned", n)
			}
			untilEnd(t, r)
			eventually(t, "told of the beginning and the end", func() bool {
				w.mu.Lock()
				defer w.mu.Unlock()
				return len(w.events) >= 2 && w.events[0].Live && !w.events[1].Live && w.events[0].Session == w.events[1].Session
			})
			if _, err := w.srv.OpenReader(room, "nobody", "credential", func() {}); besedka.AsError(err).Kind == besedka.Internal || err == nil {
				t.Errorf("without a grant: %v", err)
			}
		})
	}
}

func TestReaderHearsWhatIsSaidAndNotWhoWasSilenced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	host := w.stage(1, 30)[0]
	var cuts atomic.Int32
	r := w.read("reader", "credential", &cuts)
	var heard bytes.Buffer
	var pages [][]byte
	for range 100 { // talk and read in turns
		talk(5, host)
		var err error
		if pages, err = r.Next(pages[:0]); err != nil {
			t.Fatal(err)
		}
		for _, p := range pages {
			heard.Write(p)
		}
		if heard.Len() > 3000 {
			break
		}
	}
	if !bytes.HasPrefix(heard.Bytes(), []byte("OggS")) || heard.Len() <= 3000 {
		t.Fatalf("%d bytes came, the first are %q", heard.Len(), heard.Bytes()[:4])
	}
	// Another one begins with what is kept, but not of who is silent now.
	w.srv.Grant(room, "speaker1", media.Grant{CSRC: 1, Publish: true})
	pages, err := w.read("late", "credential", &cuts).Next(nil)
	if err != nil || len(pages) < 5 {
		t.Fatalf("%d pages at the beginning, %v", len(pages), err)
	}
	for i, p := range pages[1:] {
		if len(p) > 150 {
			t.Errorf("page %d has %d bytes: more than silence", i, len(p))
		}
	}
}

func TestSlowReaderMissesPagesAndHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var cuts atomic.Int32
	slow, quick := w.read("slow", "credential", &cuts), w.read("quick", "other credential", &cuts)
	for _, r := range []*media.Reader{slow, quick} {
		if _, err := r.Next(nil); err != nil {
			t.Fatal(err)
		}
	}
	w.clock.forward(20 * time.Second) // far more than is kept
	eventually(t, "pages are missed", func() bool {
		pages, err := slow.Next(nil)
		return err == nil && len(pages) > 0 && w.srv.Stats().PagesMissed > 0
	})
	if pages, err := quick.Next(nil); err != nil || len(pages) == 0 || cuts.Load() != 0 {
		t.Errorf("%d pages, %v, %d cut", len(pages), err, cuts.Load())
	}
}
