package card

import (
	"image"
	"image/color"
	"image/draw"
	"math"
	"strings"
	"sync"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
)

// fonts are read once; they are part of the program.
var fonts = sync.OnceValues(func() ([2]*sfnt.Font, error) {
	regular, err := opentype.Parse(goregular.TTF)
	if err != nil {
		return [2]*sfnt.Font{}, err
	}
	bold, err := opentype.Parse(gobold.TTF)
	return [2]*sfnt.Font{regular, bold}, err
})

// pen draws on one picture.
type pen struct {
	img                        *image.RGBA
	regular                    *sfnt.Font
	buffer                     sfnt.Buffer
	title, large, plain, small font.Face
}

func newPen() (*pen, error) {
	both, err := fonts()
	if err != nil {
		return nil, err
	}
	p := &pen{img: image.NewRGBA(image.Rect(0, 0, Width, Height)), regular: both[0]}
	for _, f := range []struct {
		face *font.Face
		font *sfnt.Font
		size float64
	}{{&p.title, both[1], 68}, {&p.large, both[1], 52}, {&p.plain, both[0], 34}, {&p.small, both[1], 34}} {
		if *f.face, err = opentype.NewFace(f.font, &opentype.FaceOptions{Size: f.size, DPI: 72, Hinting: font.HintingNone}); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *pen) close() {
	for _, f := range []font.Face{p.title, p.large, p.plain, p.small} {
		_ = f.Close() // frees nothing that could fail
	}
}

// known is the text without what the fonts have no sign for.
func (p *pen) known(text string) string {
	clean := strings.Map(func(r rune) rune {
		if i, err := p.regular.GlyphIndex(&p.buffer, r); err != nil || i == 0 {
			return -1
		}
		return r
	}, text)
	return strings.Join(strings.Fields(clean), " ")
}

func (p *pen) width(f font.Face, text string) int { return font.MeasureString(f, text).Ceil() }

// text writes one line, cut where it would be wider than most.
func (p *pen) text(f font.Face, c color.Color, x, base int, text string, most int) {
	d := font.Drawer{Dst: p.img, Src: image.NewUniform(c), Face: f, Dot: fixed.P(x, base)}
	d.DrawString(p.cut(f, p.known(text), most))
}

// cut shortens text to a width.
func (p *pen) cut(f font.Face, text string, most int) string {
	if p.width(f, text) <= most {
		return text
	}
	runes := []rune(text)
	for len(runes) > 0 && p.width(f, string(runes)+"…") > most {
		runes = runes[:len(runes)-1]
	}
	return strings.TrimRight(string(runes), " ") + "…"
}

// wrap breaks text between words into at most so many lines; the last one may
// be too long, for text to cut.
func (p *pen) wrap(f font.Face, text string, most, lines int) []string {
	var all []string
	for _, word := range strings.Fields(p.known(text)) {
		last := len(all) - 1
		switch {
		case last >= 0 && (len(all) == lines || p.width(f, all[last]+" "+word) <= most):
			all[last] += " " + word
		default:
			all = append(all, word)
		}
	}
	return all
}

func (p *pen) fill(r image.Rectangle, c color.Color) {
	draw.Draw(p.img, r, image.NewUniform(c), image.Point{}, draw.Src)
}

// disc draws the inside of a circle, smooth at its edge.
func (p *pen) disc(r image.Rectangle, src image.Image) {
	draw.DrawMask(p.img, r, src, image.Point{}, pill{r.Sub(r.Min)}, image.Point{}, draw.Over)
}

// round draws a rectangle whose short sides are half circles.
func (p *pen) round(r image.Rectangle, c color.Color) { p.disc(r, image.NewUniform(c)) }

// pill is a mask: a rectangle with half circles at its short sides.
type pill struct{ r image.Rectangle }

// ColorModel is that of masks.
func (pill) ColorModel() color.Model { return color.AlphaModel }

// Bounds are those of the rectangle.
func (m pill) Bounds() image.Rectangle { return m.r }

// At is how much of a pixel is inside.
func (m pill) At(x, y int) color.Color {
	w, h := float64(m.r.Dx()), float64(m.r.Dy())
	radius := min(w, h) / 2
	fx, fy := float64(x)+0.5, float64(y)+0.5
	cx, cy := min(max(fx, radius), w-radius), min(max(fy, radius), h-radius)
	inside := radius - math.Hypot(fx-cx, fy-cy) + 0.5
	return color.Alpha{A: uint8(255 * min(max(inside, 0), 1))}
}
