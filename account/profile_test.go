package account_test

import (
	"bytes"
	"errors"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"besedka"
	"besedka/account"
	"besedka/picture"
)

// aPhoto is a picture as somebody may send it.
func aPhoto(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewRGBA(image.Rect(0, 0, 600, 400))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// files are the pictures that the instance keeps.
func (in instance) files(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(in.store.Dir, "blobs", "photos"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestANewPhotoTakesThePlaceOfTheOld(t *testing.T) {
	each(t, func(t *testing.T, in instance) {
		anna := in.member(t, "anna")
		first, err := in.SetPhoto(ctx, anna, aPhoto(t))
		if err != nil || len(first.Photo) != 26 {
			t.Fatalf("photo %q, error %v", first.Photo, err)
		}
		for size, side := range map[account.PhotoSize]int{account.PhotoSmall: 128, account.PhotoLarge: 400} {
			file, err := in.Photo(ctx, first.Photo, size)
			if err != nil {
				t.Fatal(err)
			}
			c, kind, err := image.DecodeConfig(file)
			if err := errors.Join(err, file.Close()); err != nil || kind != "jpeg" || c.Width != side || c.Height != side {
				t.Errorf("%s: %s of %d by %d, error %v", size, kind, c.Width, c.Height, err)
			}
		}
		second, err := in.SetPhoto(ctx, anna, aPhoto(t))
		if err != nil || second.Photo == first.Photo {
			t.Fatalf("photo %q after %q, error %v", second.Photo, first.Photo, err)
		}
		want := []string{second.Photo + "-large.jpg", second.Photo + "-small.jpg"}
		if got := in.files(t); !slices.Equal(got, want) {
			t.Errorf("kept %v, want %v", got, want)
		}
		people, err := in.People(ctx, []besedka.AccountID{anna})
		if err != nil || people[anna].Photo != second.Photo {
			t.Errorf("people %v, error %v", people, err)
		}
		for range 2 {
			if err := in.RemovePhoto(ctx, anna); err != nil {
				t.Error(err)
			}
		}
		a, err := in.Account(ctx, anna)
		if err != nil || a.Photo != "" || len(in.files(t)) != 0 {
			t.Errorf("photo %q, files %v, error %v", a.Photo, in.files(t), err)
		}
		for _, name := range []string{second.Photo, "", "..", "a/b"} {
			if _, err := in.Photo(ctx, name, account.PhotoSmall); !errors.Is(err, besedka.ErrNotFound) {
				t.Errorf("photo %q: %v", name, err)
			}
		}
	})
}

func TestARefusedPhotoLeavesTheOld(t *testing.T) {
	each(t, func(t *testing.T, in instance) {
		anna := in.member(t, "anna")
		first, err := in.SetPhoto(ctx, anna, aPhoto(t))
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			file []byte
			want error
		}{{[]byte("<svg/>"), picture.ErrInvalid}, {make([]byte, picture.MaxBytes+1), picture.ErrTooLarge}} {
			if _, err := in.SetPhoto(ctx, anna, tt.file); !errors.Is(err, tt.want) {
				t.Errorf("%d bytes: %v, want %v", len(tt.file), err, tt.want)
			}
		}
		if _, err := in.SetPhoto(ctx, "nobody", aPhoto(t)); !errors.Is(err, besedka.ErrNotFound) {
			t.Errorf("nobody's photo: %v", err)
		}
		a, err := in.Account(ctx, anna)
		if err != nil || a.Photo != first.Photo {
			t.Errorf("photo %q, error %v", a.Photo, err)
		}
	})
}

func TestPicturesThatNobodyNamesAreSweptAway(t *testing.T) {
	each(t, func(t *testing.T, in instance) {
		anna := in.member(t, "anna")
		a, err := in.SetPhoto(ctx, anna, aPhoto(t))
		if err != nil {
			t.Fatal(err)
		}
		// What is left behind when the program ends between the file and the row.
		if _, err := in.SetPhoto(ctx, "nobody", aPhoto(t)); err == nil {
			t.Fatal("nobody has a photo")
		}
		if err := in.Clean(ctx); err != nil || len(in.files(t)) != 4 {
			t.Errorf("young ones were swept away: %v, error %v", in.files(t), err)
		}
		in.clock.Advance(time.Since(in.clock.Now()) + 2*time.Hour) // the files have the time of the machine
		if err := in.Clean(ctx); err != nil {
			t.Fatal(err)
		}
		want := []string{a.Photo + "-large.jpg", a.Photo + "-small.jpg"}
		if got := in.files(t); !slices.Equal(got, want) {
			t.Errorf("kept %v, want %v", got, want)
		}
	})
}

func TestWhoIsSuspendedShowsNoPhoto(t *testing.T) {
	each(t, func(t *testing.T, in instance) {
		anna := in.member(t, "anna")
		before, err := in.SetPhoto(ctx, anna, aPhoto(t))
		if err != nil {
			t.Fatal(err)
		}
		shown := func() (string, string, bool) {
			t.Helper()
			a, err := in.Account(ctx, anna)
			if err != nil {
				t.Fatal(err)
			}
			people, err := in.People(ctx, []besedka.AccountID{anna})
			if err != nil {
				t.Fatal(err)
			}
			return a.Photo, people[anna].Photo, a.Suspended
		}
		until := in.clock.Now().Add(time.Hour)
		if err := in.Suspend(ctx, "anna", "rule", "facts", &until); err != nil {
			t.Fatal(err)
		}
		if a, b, suspended := shown(); a != "" || b != "" || !suspended {
			t.Errorf("while suspended: %q, %q, %v", a, b, suspended)
		}
		in.clock.Advance(2 * time.Hour)
		if a, b, suspended := shown(); a != before.Photo || b != before.Photo || suspended {
			t.Errorf("afterwards: %q, %q, %v", a, b, suspended)
		}
		if err := in.Suspend(ctx, "anna", "rule", "facts", nil); err != nil {
			t.Fatal(err)
		}
		if err := in.RemovePhotoOf(ctx, "anna"); err != nil || len(in.files(t)) != 0 {
			t.Errorf("files %v, error %v", in.files(t), err)
		}
		if err := in.RemovePhotoOf(ctx, "nobody"); !errors.Is(err, besedka.ErrNotFound) {
			t.Error(err)
		}
	})
}

func TestANameIsChangedOnce(t *testing.T) {
	each(t, func(t *testing.T, in instance) {
		anna := in.member(t, "anna")
		rename := func(name string) (account.Account, error) {
			return in.SetProfile(ctx, anna, account.Change{Name: &name})
		}
		for _, bad := range []string{"", " ", "a\nb", strings.Repeat("я", 61)} {
			if _, err := rename(bad); !errors.Is(err, account.ErrNameInvalid) {
				t.Errorf("%q: %v", bad, err)
			}
		}
		if a, err := rename("Name of anna"); err != nil || !a.NameChangeable {
			t.Errorf("the same name was counted: %v, error %v", a, err)
		}
		if a, err := rename("  Anna K. "); err != nil || a.Name != "Anna K." || a.NameChangeable {
			t.Errorf("%v, error %v", a, err)
		}
		if _, err := rename("Anna L."); !errors.Is(err, account.ErrNameChanged) {
			t.Error(err)
		}
		// A change that is refused changes nothing.
		name, bio := "Anna M.", "about me"
		if _, err := in.SetProfile(ctx, anna, account.Change{Name: &name, Bio: &bio}); !errors.Is(err, account.ErrNameChanged) {
			t.Error(err)
		}
		if a, err := rename("Anna K."); err != nil || a.Name != "Anna K." || a.Bio != "" {
			t.Errorf("%v, error %v", a, err)
		}
	})
}

func TestBioAndLinksAreKeptAsTheyWereWritten(t *testing.T) {
	each(t, func(t *testing.T, in instance) {
		anna := in.member(t, "anna")
		bio := "\tOne line\r\nand, two later\r\n\r\nanother  "
		links := []account.Link{{URL: "https://example.org/a?b=c#d", Label: "Home"}, {URL: "http://пример.рф/", Label: ""}}
		a, err := in.SetProfile(ctx, anna, account.Change{Bio: &bio, Links: &links})
		if err != nil || a.Bio != "One line\nand, two later\n\nanother" || !slices.Equal(a.Links, links) {
			t.Errorf("%+v, error %v", a, err)
		}
		for _, bad := range []string{strings.Repeat("я", 2001), "a\x00b", "a\u202eb", "a\xffb"} {
			if _, err := in.SetProfile(ctx, anna, account.Change{Bio: &bad}); !errors.Is(err, account.ErrBioInvalid) {
				t.Errorf("%q: %v", bad, err)
			}
		}
		for _, bad := range [][]account.Link{
			{{URL: "javascript:alert(1)"}}, {{URL: "data:text/html,x"}}, {{URL: "ftp://example.org"}}, {{URL: "https://"}}, {{URL: "example.org"}}, {{URL: ""}},
			{{URL: "https://anna:secret@example.org"}}, {{URL: "https://example.org/" + strings.Repeat("a", 200)}}, {{URL: "https://exa mple.org"}},
			{{URL: `https://example.org/"onclick=`}}, {{URL: "https://example.org", Label: strings.Repeat("я", 41)}}, {{URL: "https://example.org", Label: "a\nb"}},
			slices.Repeat([]account.Link{{URL: "https://example.org"}}, 6),
		} {
			if _, err := in.SetProfile(ctx, anna, account.Change{Links: &bad}); !errors.Is(err, account.ErrLinksInvalid) {
				t.Errorf("%v: %v", bad, err)
			}
		}
		if a, err = in.Account(ctx, anna); err != nil || !slices.Equal(a.Links, links) {
			t.Errorf("%+v, error %v", a, err)
		}
		none := []account.Link{}
		if a, err = in.SetProfile(ctx, anna, account.Change{Links: &none}); err != nil || a.Links == nil || len(a.Links) != 0 || a.Bio == "" {
			t.Errorf("%+v, error %v", a, err)
		}
		if _, err := in.SetProfile(ctx, "nobody", account.Change{Bio: &bio}); !errors.Is(err, besedka.ErrNotFound) {
			t.Error(err)
		}
	})
}

func TestActiveAreThoseWhoAreNotSuspendedNow(t *testing.T) {
	each(t, func(t *testing.T, in instance) {
		ids := []besedka.AccountID{in.member(t, "anna"), in.member(t, "boris"), "nobody"}
		until := in.clock.Now().Add(time.Hour)
		if err := in.Suspend(ctx, "anna", "rule", "facts", &until); err != nil {
			t.Fatal(err)
		}
		if people, err := in.Active(ctx, ids); err != nil || len(people) != 1 || people[ids[1]].Username != "boris" {
			t.Errorf("while suspended: %v, error %v", people, err)
		}
		in.clock.Advance(2 * time.Hour)
		if people, err := in.Active(ctx, ids); err != nil || len(people) != 2 {
			t.Errorf("afterwards: %v, error %v", people, err)
		}
	})
}
