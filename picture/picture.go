// Package picture makes the square photos of people out of whatever a camera or a
// stranger sends.
//
// Nothing of the file that came goes out again: the pixels are decoded, turned
// upright, cut, made smaller and encoded anew, so that no place, name, thumbnail,
// colour profile or script in the file is left.
//
// What a file would cost is reckoned from its header before anything is decoded
// (format.go): with itself it is less than 64 MiB, and a process decodes two at a
// time at most. Only JPEG, PNG, GIF and WebP are taken, known by their content.
package picture

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/jpeg"
	"runtime"

	"golang.org/x/image/draw"
	"golang.org/x/sync/semaphore"

	"besedka"
)

// What this package refuses.
var (
	ErrInvalid  = besedka.NewError(besedka.Invalid, "photo_invalid").In("photo")
	ErrTooLarge = besedka.NewError(besedka.Invalid, "photo_too_large").In("photo")
)

// Bounds of what is decoded.
const (
	MaxBytes  = 8 << 20 // of the file
	maxPixels = 40_000_000
	maxSide   = 12_000

	// memory is what one picture may take, in bytes: the file, its pixels, and what is
	// made of them. atOnce is how many pictures are under way.
	memory = 60 << 20
	atOnce = 2
	// aside is what a picture takes that was made smaller, beside the pixels.
	aside = 4 << 20
	// scaling is what it takes to make it smaller still and to encode it, when the
	// pixels are needed no more.
	scaling = 28 << 20

	quality = 85 // of the JPEG, of 100
)

// Maker makes pictures, a bounded number at a time.
type Maker struct{ turns *semaphore.Weighted }

// New makes a Maker. One process should have one.
func New() *Maker { return &Maker{semaphore.NewWeighted(atOnce)} }

// Square gives the middle of the picture as JPEGs that are at most as wide and
// high as the sides say, in pixels, and never larger than the picture. It waits for
// its turn as long as ctx lets it. Of moving pictures it takes the first frame.
// ErrTooLarge for more than 40 megapixels, a side of more than 12,000, or what
// would need too much memory; ErrInvalid for what cannot be decoded.
func (m *Maker) Square(ctx context.Context, file []byte, sides ...int) ([][]byte, error) {
	about, err := look(file)
	if err != nil {
		return nil, err
	}
	if about.width > maxSide || about.height > maxSide || about.width*about.height > maxPixels || about.cost > memory-aside-int64(len(file)) {
		return nil, ErrTooLarge
	}
	if err := m.turns.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	defer m.turns.Release(1)
	return square(file, about, sides)
}

func square(file []byte, about header, sides []int) ([][]byte, error) {
	img, err := about.format.decode(bytes.NewReader(file))
	if err != nil {
		return nil, ErrInvalid.Because(err)
	}
	b := img.Bounds()
	if b.Empty() || b.Dx() > about.width || b.Dy() > about.height {
		return nil, ErrInvalid // larger than it said
	}
	side := min(b.Dx(), b.Dy())
	corner := b.Min.Add(image.Pt((b.Dx()-side)/2, (b.Dy()-side)/2))
	largest := 0
	for _, s := range sides {
		largest = max(largest, s)
	}
	rough := reduce(img, image.Rectangle{corner, corner.Add(image.Pt(side, side))}, max(1, side/largest))
	if img = nil; about.cost > memory-scaling {
		runtime.GC() // so that scaling takes the place of the pixels
	}
	made := make([][]byte, len(sides))
	for i, s := range sides {
		small := image.NewRGBA(image.Rect(0, 0, min(s, rough.Rect.Dx()), min(s, rough.Rect.Dy())))
		draw.CatmullRom.Scale(small, small.Rect, rough, rough.Rect, draw.Src, nil)
		var out bytes.Buffer
		if err := jpeg.Encode(&out, turn(small, about.orientation), &jpeg.Options{Quality: quality}); err != nil {
			return nil, err
		}
		made[i] = out.Bytes()
	}
	return made, nil
}

// reduce gives a square part of the picture with each n by n pixels as one, their
// mean, over white where it is transparent.
func reduce(img image.Image, part image.Rectangle, n int) *image.RGBA {
	side := part.Dx() / n
	out := image.NewRGBA(image.Rect(0, 0, side, side))
	at := pixels(img)
	area := uint64(n * n)
	for y := range side {
		for x := range side {
			var r, g, b uint64
			for v := range n {
				for u := range n {
					c := at(part.Min.X+x*n+u, part.Min.Y+y*n+v)
					white := uint64(0xffff - c.A)
					r, g, b = r+uint64(c.R)+white, g+uint64(c.G)+white, b+uint64(c.B)+white
				}
			}
			out.SetRGBA(x, y, color.RGBA{uint8(r / area >> 8), uint8(g / area >> 8), uint8(b / area >> 8), 0xff})
		}
	}
	return out
}

// pixels reads a picture's pixels without allocating, where its type lets it.
func pixels(img image.Image) func(x, y int) color.RGBA64 {
	if direct, ok := img.(image.RGBA64Image); ok {
		return direct.RGBA64At
	}
	return func(x, y int) color.RGBA64 {
		r, g, b, a := img.At(x, y).RGBA()
		return color.RGBA64{R: uint16(r), G: uint16(g), B: uint16(b), A: uint16(a)}
	}
}

// turn gives a square picture as it is to be looked at. Orientations are those of
// Exif 2.32, tag 0x0112: which side of the scene the first row and column show.
func turn(img *image.RGBA, orientation int) *image.RGBA {
	last := img.Rect.Dx() - 1
	from := map[int]func(x, y int) (int, int){
		2: func(x, y int) (int, int) { return last - x, y },
		3: func(x, y int) (int, int) { return last - x, last - y },
		4: func(x, y int) (int, int) { return x, last - y },
		5: func(x, y int) (int, int) { return y, x },
		6: func(x, y int) (int, int) { return y, last - x },
		7: func(x, y int) (int, int) { return last - y, last - x },
		8: func(x, y int) (int, int) { return last - y, x },
	}[orientation]
	if from == nil {
		return img
	}
	out := image.NewRGBA(img.Rect)
	for y := range last + 1 {
		for x := range last + 1 {
			out.SetRGBA(x, y, img.RGBAAt(from(x, y)))
		}
	}
	return out
}
