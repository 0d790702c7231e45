package blob_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"besedka/blob"
)

func open(t *testing.T, dir string) *blob.Folder {
	t.Helper()
	f, err := blob.Open(dir, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func content(t *testing.T, f *blob.Folder, name string) string {
	t.Helper()
	file, err := f.Get(context.Background(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	text, err := io.ReadAll(file)
	if err != nil || int64(len(text)) != file.Size {
		t.Fatalf("%d bytes of %d, error %v", len(text), file.Size, err)
	}
	return string(text)
}

func names(t *testing.T, f *blob.Folder, folder string) string {
	t.Helper()
	var all []string
	for about, err := range f.List(context.Background(), folder) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, about.Name)
	}
	return strings.Join(all, " ")
}

func TestWhatIsPutIsThereUntilDeleted(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	f := open(t, dir)
	for _, name := range []string{"photos/b-small.jpg", "photos/a", "other"} {
		if err := f.Put(ctx, name, strings.NewReader("first "+name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Put(ctx, "photos/a", strings.NewReader("second")); err != nil {
		t.Fatal(err)
	}
	if got := content(t, open(t, dir), "photos/a"); got != "second" {
		t.Errorf("kept %q", got)
	}
	if got := names(t, f, "photos"); got != "photos/a photos/b-small.jpg" {
		t.Errorf("listed %q", got)
	}
	if got := names(t, f, ""); got != "other photos/a photos/b-small.jpg" {
		t.Errorf("listed %q", got)
	}
	if got := names(t, f, "nothing"); got != "" {
		t.Errorf("listed %q", got)
	}
	for range 2 {
		if err := f.Delete(ctx, "photos/a"); err != nil {
			t.Error(err)
		}
	}
	if _, err := f.Get(ctx, "photos/a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestHalfAFileIsNeverSeen(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	f := open(t, dir)
	broken := io.MultiReader(strings.NewReader("half"), iotest.ErrReader(io.ErrUnexpectedEOF))
	if err := f.Put(ctx, "photos/a", broken); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("put half: %v", err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if err := f.Put(ended, "photos/a", strings.NewReader("whole")); !errors.Is(err, context.Canceled) {
		t.Errorf("put for nobody: %v", err)
	}
	// A crash leaves a draft behind.
	crashed := filepath.Join(dir, ".draft-crashed")
	if err := os.WriteFile(crashed, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := names(t, f, ""); got != "" {
		t.Errorf("listed %q", got)
	}
	later, err := blob.Open(dir, time.Now().Add(2*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	defer later.Close()
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 || left[0].Name() != "photos" {
		t.Errorf("left %v, error %v", left, err)
	}
}

func TestNoNameLeadsOutOfTheFolder(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := open(t, filepath.Join(dir, "store"))
	if err := os.Symlink(dir, filepath.Join(dir, "store", "link")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", ".", "..", "../secret", "a/../../secret", "/etc/passwd", "a//b", "a/", ".draft-a", "a/.b", "A", "a\x00b", "a b",
		"ä", "link/secret", strings.Repeat("a", 201)} {
		if file, err := f.Get(ctx, name); err == nil {
			t.Errorf("%q was opened: %v", name, file.Close())
		}
		if err := f.Put(ctx, name, bytes.NewReader([]byte("x"))); err == nil {
			t.Errorf("%q was kept", name)
		}
		_ = f.Delete(ctx, name) // whether that is an error is of no matter
	}
	if text, err := os.ReadFile(filepath.Join(dir, "secret")); err != nil || string(text) != "secret" {
		t.Errorf("secret is %q, error %v", text, err)
	}
}
