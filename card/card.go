// Package card draws the picture that other programs show beside a link to a room:
// its title, who is on stage, and a few words.
//
// The letters are those of the Go fonts (golang.org/x/image/font/gofont), made by
// Bigelow & Holmes and free under the licence of Go itself (BSD, 3 clauses; see
// go-fonts-licence.txt). They have Latin, Greek and Cyrillic letters. What they have not (signs
// of other scripts, emoji) is left out, because an empty box says nothing.
package card

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"
	"strings"
	"unicode"
	"unicode/utf8"

	xdraw "golang.org/x/image/draw"
)

// Size of a card, as the Open Graph protocol's readers want it.
const (
	Width  = 1200
	Height = 630
)

// MaxFaces is how many faces are drawn.
const MaxFaces = 5

// Card is what is drawn.
type Card struct {
	Place string   // the name of the instance
	Badge string   // a few letters in the corner, or ""
	Title string   // at most three lines of it are drawn
	Faces []Face   // at most MaxFaces of them are drawn
	Lines []string // at most two, under the faces
}

// Face is somebody. Without a photo their initials stand on a colour of their own.
type Face struct {
	ID    string
	Name  string
	Photo []byte // JPEG, square; nil for none
}

// The colours are those of the web client by day.
var (
	ground  = color.RGBA{0xf9, 0xf3, 0xe9, 0xff}
	surface = color.RGBA{0xff, 0xfd, 0xf8, 0xff}
	line    = color.RGBA{0xe2, 0xd8, 0xc8, 0xff}
	ink     = color.RGBA{0x32, 0x24, 0x1a, 0xff}
	inkSoft = color.RGBA{0x62, 0x54, 0x47, 0xff}
	accent  = color.RGBA{0x27, 0x58, 0x42, 0xff}
	lantern = color.RGBA{0xef, 0x9f, 0x2d, 0xff}
	light   = color.RGBA{0xfd, 0xfa, 0xf1, 0xff}
	tones   = []color.RGBA{
		{0xb5, 0x72, 0x66, 0xff}, {0xad, 0x79, 0x4e, 0xff}, {0x9b, 0x84, 0x44, 0xff}, {0x7f, 0x8e, 0x50, 0xff},
		{0x5e, 0x95, 0x6a, 0xff}, {0x3f, 0x98, 0x88, 0xff}, {0x38, 0x94, 0xa3, 0xff}, {0x51, 0x8d, 0xb6, 0xff},
		{0x71, 0x84, 0xbc, 0xff}, {0x8e, 0x7a, 0xb4, 0xff}, {0xa4, 0x73, 0x9f, 0xff}, {0xb2, 0x6f, 0x84, 0xff},
	}
)

// Where things stand, in pixels.
const (
	margin     = 72
	titleTop   = 176 // base of its first line
	titleStep  = 82
	titleLines = 3
	faceSide   = 132
	faceStep   = 118 // they overlap
	facesTop   = 376
	linesBase  = 571
	linesStep  = 40
)

// PNG draws the card.
func (c Card) PNG() ([]byte, error) {
	p, err := newPen()
	if err != nil {
		return nil, fmt.Errorf("draw card: %w", err)
	}
	defer p.close()
	p.fill(p.img.Bounds(), ground)
	p.fill(image.Rect(0, 0, Width, 12), lantern)
	p.fill(image.Rect(0, Height-100, Width, Height), surface)
	p.fill(image.Rect(0, Height-102, Width, Height-100), line)

	p.text(p.small, accent, margin, 84, c.Place, Width-4*margin)
	if badge := p.known(c.Badge); badge != "" {
		wide := p.width(p.small, badge)
		right := Width - margin
		p.round(image.Rect(right-wide-40, 50, right, 100), accent)
		p.text(p.small, light, right-wide-20, 86, badge, wide)
	}
	for i, text := range p.wrap(p.title, c.Title, Width-2*margin, titleLines) {
		p.text(p.title, ink, margin, titleTop+i*titleStep, text, Width-2*margin)
	}
	p.faces(c.Faces[:min(len(c.Faces), MaxFaces)])
	for i, text := range c.Lines[:min(len(c.Lines), 2)] {
		p.text(p.plain, inkSoft, margin, linesBase+i*linesStep, text, Width-2*margin)
	}
	var out bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestSpeed}
	if err := encoder.Encode(&out, p.img); err != nil {
		return nil, fmt.Errorf("draw card: %w", err)
	}
	return out.Bytes(), nil
}

// faces draws them from the right, so that the first lies on top.
func (p *pen) faces(faces []Face) {
	for i := len(faces) - 1; i >= 0; i-- {
		f := faces[i]
		x := margin + i*faceStep
		p.disc(image.Rect(x-6, facesTop-6, x+faceSide+6, facesTop+faceSide+6), image.NewUniform(ground))
		r := image.Rect(x, facesTop, x+faceSide, facesTop+faceSide)
		if photo := square(f.Photo); photo != nil {
			p.disc(r, photo)
			continue
		}
		p.disc(r, image.NewUniform(tone(f.ID)))
		letters := p.known(initials(f.Name))
		p.text(p.large, light, x+(faceSide-p.width(p.large, letters))/2, facesTop+faceSide/2+18, letters, faceSide)
	}
}

// square is a photo in the size of a face, or nil if it is none.
func square(photo []byte) image.Image {
	if len(photo) == 0 {
		return nil
	}
	about, err := jpeg.DecodeConfig(bytes.NewReader(photo))
	if err != nil || about.Width > 2048 || about.Height > 2048 {
		return nil
	}
	img, err := jpeg.Decode(bytes.NewReader(photo))
	if err != nil {
		return nil
	}
	small := image.NewRGBA(image.Rect(0, 0, faceSide, faceSide))
	xdraw.ApproxBiLinear.Scale(small, small.Bounds(), img, img.Bounds(), draw.Src, nil)
	return small
}

// tone is the colour of somebody, the same as in the web client.
func tone(id string) color.RGBA {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id)) // never fails
	return tones[h.Sum32()%uint32(len(tones))]
}

// initials are those of the first and the last word.
func initials(name string) string {
	words := strings.Fields(name)
	if len(words) > 2 {
		words = []string{words[0], words[len(words)-1]}
	}
	letters := ""
	for _, word := range words {
		r, _ := utf8.DecodeRuneInString(word)
		letters += string(unicode.ToUpper(r))
	}
	return letters
}
