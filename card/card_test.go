package card

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"
)

func drawn(t testing.TB, c Card) image.Image {
	t.Helper()
	text, err := c.PNG()
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(text))
	if err != nil || img.Bounds() != image.Rect(0, 0, Width, Height) {
		t.Fatalf("%v, %v", img.Bounds(), err)
	}
	return img
}

// inked counts pixels in the colour of the title, within a part of the card.
func inked(img image.Image, r image.Rectangle) (n int) {
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			if img.At(x, y) == color.Color(ink) {
				n++
			}
		}
	}
	return n
}

var titleArea = image.Rect(0, 110, Width, facesTop-10)

func TestCyrillicAndLatinTitlesAreDrawn(t *testing.T) {
	for _, title := range []string{"Вечер у беседки", "An evening in the summer house"} {
		if n := inked(drawn(t, Card{Title: title}), titleArea); n < 5000 {
			t.Errorf("%s: %d pixels", title, n)
		}
	}
	if n := inked(drawn(t, Card{Title: "🫖 茶 🫖"}), titleArea); n != 0 {
		t.Errorf("signs that the font has not left %d pixels", n)
	}
}

func TestWhateverPeopleWriteStaysWithinTheCard(t *testing.T) {
	long := strings.Repeat("ЩЩЩЩЩЩЩЩ ", 60)
	c := Card{Place: long, Badge: long, Title: long + strings.Repeat("Щ", 300), Lines: []string{long, long, long},
		Faces: make([]Face, 9)}
	img := drawn(t, c)
	for _, edge := range []image.Rectangle{image.Rect(0, 120, margin-8, 360), image.Rect(Width-margin+8, 120, Width, 360)} {
		if n := inked(img, edge); n != 0 {
			t.Errorf("%d pixels of the title in the margin %v", n, edge)
		}
	}
	drawn(t, Card{Title: "\x00\xff\u202e", Faces: []Face{{Name: " ", Photo: []byte("no picture")}}})
}

func TestFacesArePhotosOrInitials(t *testing.T) {
	red := image.NewRGBA(image.Rect(0, 0, 512, 512))
	draw.Draw(red, red.Bounds(), image.NewUniform(color.RGBA{200, 0, 0, 255}), image.Point{}, draw.Src)
	var photo bytes.Buffer
	if err := jpeg.Encode(&photo, red, nil); err != nil {
		t.Fatal(err)
	}
	img := drawn(t, Card{Faces: []Face{{ID: "a", Name: "Анна", Photo: photo.Bytes()}, {ID: "b", Name: "Boris Ivanov"}}})
	r, g, _, _ := img.At(margin+faceSide/2, facesTop+faceSide/2).RGBA()
	if r>>8 < 180 || g>>8 > 30 {
		t.Errorf("the photo is %d, %d", r>>8, g>>8)
	}
	if got := img.At(margin+faceStep+faceSide-8, facesTop+faceSide/2); got != color.Color(tone("b")) {
		t.Errorf("who has no photo is %v", got)
	}
	for name, want := range map[string]string{"анна мария петрова": "АП", "": "", "Boris": "B"} {
		if got := initials(name); got != want {
			t.Errorf("initials of %q are %q", name, got)
		}
	}
}

func BenchmarkCard(b *testing.B) {
	c := Card{Place: "Besedka", Badge: "RU", Title: "Вечер у беседки: чай, самовар и разговоры о том, как всё устроено", Lines: []string{"Ведёт Анна", "с 18:30"}}
	for _, name := range []string{"Анна", "Борис Иванов", "Вера", "Глеб", "Дина"} {
		c.Faces = append(c.Faces, Face{ID: name, Name: name})
	}
	for b.Loop() {
		if _, err := c.PNG(); err != nil {
			b.Fatal(err)
		}
	}
}
