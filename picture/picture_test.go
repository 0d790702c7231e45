package picture

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"runtime"
	"slices"
	"strings"
	"testing"
)

var (
	red, green, blue, white = color.RGBA{200, 0, 0, 255}, color.RGBA{0, 200, 0, 255}, color.RGBA{0, 0, 200, 255}, color.RGBA{255, 255, 255, 255}
)

// quarters is a picture of four colours: red and green above blue and white.
func quarters(width, height int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			c := red
			switch {
			case y >= height/2 && x >= width/2:
				c = white
			case y >= height/2:
				c = blue
			case x >= width/2:
				c = green
			}
			img.SetRGBA(x, y, c)
		}
	}
	return img
}

func jpegOf(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func pngOf(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gifOf(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := gif.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// exif is what a camera says: the orientation, and where it was.
func exif(order binary.AppendByteOrder, orientation uint16) []byte {
	b := []byte("II*\x00")
	if order == binary.AppendByteOrder(binary.BigEndian) {
		b = []byte("MM\x00*")
	}
	b = order.AppendUint32(b, 8)
	b = order.AppendUint16(b, 2)
	for _, entry := range [][2]uint16{{0x0100, 7}, {0x0112, orientation}} {
		b = order.AppendUint16(order.AppendUint16(b, entry[0]), 3)
		b = order.AppendUint16(order.AppendUint16(order.AppendUint32(b, 1), entry[1]), 0)
	}
	return append(order.AppendUint32(b, 0), "GPSLatitude 55.7558"...)
}

// inJPEG puts a segment behind the first marker.
func inJPEG(file []byte, mark byte, data []byte) []byte {
	segment := append([]byte{0xff, mark, byte((len(data) + 2) >> 8), byte(len(data) + 2)}, data...)
	return slices.Insert(slices.Clone(file), 2, segment...)
}

// inPNG puts a chunk behind the header.
func inPNG(file []byte, kind string, data []byte) []byte {
	chunk := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	chunk = append(append(chunk, kind...), data...)
	chunk = binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(chunk[4:]))
	return slices.Insert(slices.Clone(file), 33, chunk...)
}

// pngHeader is a PNG that says to be so large, and no more.
func pngHeader(width, height uint32, depth, kind, interlace byte) []byte {
	file := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR")
	file = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(file, width), height)
	file = append(file, depth, kind, 0, 0, interlace)
	return binary.BigEndian.AppendUint32(file, crc32.ChecksumIEEE(file[12:]))
}

func webpOf(t testing.TB, text string) []byte {
	t.Helper()
	file, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// One pixel each.
const (
	lossyWebP    = "UklGRiIAAABXRUJQVlA4IBYAAAAwAQCdASoBAAEADsD+JaQAA3AAAAAA"
	losslessWebP = "UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA=="
)

func made(t *testing.T, file []byte, sides ...int) []image.Image {
	t.Helper()
	files, err := New().Square(context.Background(), file, sides...)
	if err != nil {
		t.Fatal(err)
	}
	var all []image.Image
	for _, f := range files {
		img, err := jpeg.Decode(bytes.NewReader(f))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, img)
	}
	return all
}

// near says whether two colours look the same.
func near(a, b color.Color) bool {
	ar, ag, ab, _ := a.RGBA()
	br, bg, bb, _ := b.RGBA()
	for _, d := range []int{int(ar) - int(br), int(ag) - int(bg), int(ab) - int(bb)} {
		if max(d, -d) > 30<<8 {
			return false
		}
	}
	return true
}

// corners are the colours of the four quarters, row by row.
func corners(img image.Image) [4]color.Color {
	w := img.Bounds().Dx()
	return [4]color.Color{img.At(w/4, w/4), img.At(w*3/4, w/4), img.At(w/4, w*3/4), img.At(w*3/4, w*3/4)}
}

func TestEveryFormatBecomesSquares(t *testing.T) {
	for name, file := range map[string][]byte{
		"JPEG": jpegOf(t, quarters(900, 700)), "PNG": pngOf(t, quarters(700, 900)), "GIF": gifOf(t, quarters(640, 640)),
	} {
		for i, img := range made(t, file, 128, 512) {
			if side := []int{128, 512}[i]; img.Bounds() != image.Rect(0, 0, side, side) {
				t.Errorf("%s: %v", name, img.Bounds())
			}
			for at, want := range []color.Color{red, green, blue, white} {
				if got := corners(img)[at]; !near(got, want) {
					t.Errorf("%s: corner %d is %v", name, at, got)
				}
			}
		}
	}
	for _, file := range [][]byte{webpOf(t, lossyWebP), webpOf(t, losslessWebP), jpegOf(t, quarters(1, 1)), pngOf(t, quarters(3, 2))} {
		if img := made(t, file, 512)[0]; img.Bounds().Dx() > 2 || img.Bounds().Empty() {
			t.Errorf("a tiny picture became %v", img.Bounds())
		}
	}
}

func TestTheMiddleIsTaken(t *testing.T) {
	wide := image.NewRGBA(image.Rect(0, 0, 300, 100))
	for y := range 100 {
		for x := range 300 {
			wide.SetRGBA(x, y, red)
			if x >= 100 && x < 200 {
				wide.SetRGBA(x, y, blue)
			}
		}
	}
	for at, got := range corners(made(t, pngOf(t, wide), 64)[0]) {
		if !near(got, blue) {
			t.Errorf("corner %d is %v", at, got)
		}
	}
}

func TestTransparencyIsWhite(t *testing.T) {
	for at, got := range corners(made(t, pngOf(t, image.NewNRGBA(image.Rect(0, 0, 40, 40))), 20)[0]) {
		if !near(got, white) {
			t.Errorf("corner %d is %v", at, got)
		}
	}
}

func TestPhotosComeUpright(t *testing.T) {
	upright := map[uint16][4]color.Color{
		0: {red, green, blue, white}, 1: {red, green, blue, white}, 2: {green, red, white, blue}, 3: {white, blue, green, red},
		4: {blue, white, red, green}, 5: {red, blue, green, white}, 6: {blue, red, white, green}, 7: {white, green, blue, red},
		8: {green, white, red, blue}, 9: {red, green, blue, white},
	}
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		for orientation, want := range upright {
			about := exif(order, orientation)
			for name, file := range map[string][]byte{
				"JPEG": inJPEG(jpegOf(t, quarters(80, 80)), markAPP1, append([]byte("Exif\x00\x00"), about...)),
				"PNG":  inPNG(pngOf(t, quarters(80, 80)), "eXIf", about),
			} {
				for at, got := range corners(made(t, file, 64)[0]) {
					if !near(got, want[at]) {
						t.Errorf("%s, orientation %d: corner %d is %v, want %v", name, orientation, at, got, want[at])
					}
				}
			}
			chunk := append([]byte("EXIF"), binary.LittleEndian.AppendUint32(nil, uint32(len(about)))...)
			file := append(webpOf(t, lossyWebP), append(chunk, about...)...)
			if h, err := look(file); err != nil || orientation >= 1 && orientation <= 8 && h.orientation != int(orientation) {
				t.Errorf("WebP, orientation %d: %+v, error %v", orientation, h, err)
			}
		}
	}
}

func TestNothingOfTheFileComesOutAgain(t *testing.T) {
	file := jpegOf(t, quarters(80, 80))
	const canary = "<script>canary</script>"
	for mark, data := range map[byte]string{markAPP1: "Exif\x00\x00" + string(exif(binary.BigEndian, 6)), 0xe2: "ICC_PROFILE\x00" + canary, 0xfe: canary} {
		file = inJPEG(file, mark, []byte(data))
	}
	file = append(file, canary...)
	out, err := New().Square(context.Background(), file, 64)
	if err != nil {
		t.Fatal(err)
	}
	for _, trace := range []string{"Exif", "GPS", "55.7558", "ICC_PROFILE", canary} {
		if !bytes.Contains(file, []byte(trace)) {
			t.Errorf("%q did not go in", trace)
		}
		if bytes.Contains(out[0], []byte(trace)) {
			t.Errorf("%q came out", trace)
		}
	}
}

func TestBombsAreRefusedBeforeDecoding(t *testing.T) {
	frame := func(mark byte, width, height uint16, scans int) []byte {
		size := []byte{8, byte(height >> 8), byte(height), byte(width >> 8), byte(width), 3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0}
		file := append([]byte{0xff, markSOI, 0xff, mark, 0, byte(len(size) + 2)}, size...)
		return append(append(file, bytes.Repeat([]byte{0xff, markSOS, 0, 2, 1, 2}, scans)...), 0xff, markEOI)
	}
	screen := func(width, height uint16) []byte {
		b := binary.LittleEndian.AppendUint16([]byte("GIF89a"), width)
		return append(binary.LittleEndian.AppendUint16(b, height), 0, 0, 0)
	}
	lossless := func(width, height uint32) []byte {
		b := binary.LittleEndian.AppendUint32([]byte("RIFF\x20\x00\x00\x00WEBPVP8L\x10\x00\x00\x00\x2f"), (width-1)|(height-1)<<14)
		return append(b, make([]byte, 16)...)
	}
	for name, tt := range map[string]struct {
		file []byte
		want error
	}{
		"a PNG of 50,000 squared":            {pngHeader(50_000, 50_000, 8, 2, 0), ErrTooLarge},
		"a PNG of 2 to the 31 minus 1":       {pngHeader(1<<31-1, 1<<31-1, 16, 6, 0), ErrInvalid}, // the decoder's own bound
		"a long thin PNG":                    {pngHeader(12_001, 1, 8, 2, 0), ErrTooLarge},
		"a deep PNG":                         {pngHeader(6000, 6000, 16, 6, 0), ErrTooLarge},
		"an interlaced PNG":                  {pngHeader(6000, 6000, 8, 6, 1), ErrTooLarge},
		"a GIF of 65,535 squared":            {screen(65_535, 65_535), ErrTooLarge},
		"a JPEG of 65,535 squared":           {frame(markSOF0, 65_535, 65_535, 1), ErrTooLarge},
		"a progressive JPEG":                 {frame(markSOF2, 6000, 6000, 1), ErrTooLarge},
		"a JPEG of very many scans":          {frame(markSOF2, 4000, 4000, maxScans+1), ErrInvalid},
		"a lossless WebP of 16,383 squared":  {lossless(16_383, 16_383), ErrTooLarge},
		"a lossless WebP of many megapixels": {lossless(6000, 6000), ErrTooLarge},
	} {
		m := New()
		if !m.turns.TryAcquire(atOnce) { // what decodes would have to wait
			t.Fatal("no memory")
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := m.Square(ctx, tt.file, 64); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

// deep is a picture of 16 bits a colour, half of it transparent.
func deep(width, height int) image.Image {
	img := image.NewNRGBA64(image.Rect(0, 0, width, height))
	for y := range height / 2 {
		for x := range width {
			img.SetNRGBA64(x, y, color.NRGBA64{uint16(x * 99), uint16(y * 99), 7, 0x9999})
		}
	}
	return img
}

func TestDecodingTakesWhatWasReckonedAndLessThan64MiB(t *testing.T) {
	gray := image.NewGray(image.Rect(0, 0, 1600, 1200))
	rgb := jpegOf(t, quarters(1000, 1000))
	at := bytes.Index(rgb, []byte{0xff, markSOF0})
	for i, name := range []byte("RGB") {
		rgb[at+10+3*i] = name
		sos := bytes.Index(rgb, []byte{0xff, markSOS})
		rgb[sos+5+2*i] = name
	}
	for name, file := range map[string][]byte{
		"JPEG": jpegOf(t, quarters(1600, 1200)), "gray JPEG": jpegOf(t, gray), "RGB in a JPEG": rgb, "PNG": pngOf(t, quarters(1000, 1000)),
		"deep PNG": pngOf(t, deep(800, 600)), "gray PNG": pngOf(t, gray), "GIF": gifOf(t, quarters(1000, 1000)),
		"lossy WebP": webpOf(t, lossyWebP), "lossless WebP": webpOf(t, losslessWebP),
	} {
		about, err := look(file)
		if err != nil {
			t.Fatal(name, err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := about.format.decode(bytes.NewReader(file)); err != nil {
			t.Fatal(name, err)
		}
		runtime.ReadMemStats(&after)
		const little = 512 << 10 // buffers, and the padding of blocks
		if took := int64(after.TotalAlloc - before.TotalAlloc); took > about.cost+little {
			t.Errorf("%s takes %d KiB, reckoned as %d", name, took>>10, about.cost>>10)
		}
	}
	if most := int64(memory); most > 64<<20 || scaling+MaxBytes > memory {
		t.Errorf("a picture may take %d MiB", most>>20)
	}
}

func TestPicturesOfCamerasAreTaken(t *testing.T) {
	camera := func(width, height uint16) []byte { // 4:2:0, and no JFIF
		file := []byte{0xff, markSOI, 0xff, markAPP1, 0, 8, 'E', 'x', 'i', 'f', 0, 0, 0xff, markSOF0, 0, 17, 8}
		file = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(file, height), width)
		return append(file, 3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1, 0xff, markSOS, 0, 2)
	}
	for _, tt := range []struct {
		width, height uint16
		want          bool
	}{{4032, 3024, true}, {6000, 4000, true}, {7200, 4600, true}, {7200, 5400, false}} {
		about, err := look(camera(tt.width, tt.height))
		if fits := about.cost <= memory-aside-MaxBytes; err != nil || fits != tt.want {
			t.Errorf("%d by %d: %d MiB, error %v", tt.width, tt.height, about.cost>>20, err)
		}
	}
}

func TestWhatIsNoPictureIsRefused(t *testing.T) {
	whole := jpegOf(t, quarters(64, 64))
	for name, file := range map[string][]byte{
		"nothing": {}, "SVG": []byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`),
		"HTML": []byte("<!doctype html><script>alert(1)</script>"), "half": whole[:len(whole)/2], "a beginning": whole[:4],
		"a script that begins as a GIF": []byte("GIF89a!\x00!\x00=1;alert(1)//"), "BMP": []byte("BM" + strings.Repeat("\x00", 60)),
		"a PNG without pixels": pngHeader(10, 10, 8, 2, 0), "RIFF": []byte("RIFF\x00\x00\x00\x00WEBP"),
		"a PNG that says to be empty": pngHeader(0, 0, 8, 2, 0),
	} {
		if _, err := New().Square(context.Background(), file, 64); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTwoAtATime(t *testing.T) {
	m := New()
	file := pngOf(t, quarters(10, 10))
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for range atOnce {
		if !m.turns.TryAcquire(1) {
			t.Fatal("less than two")
		}
	}
	if _, err := m.Square(ended, file, 8); !errors.Is(err, context.Canceled) {
		t.Errorf("a third one: %v", err)
	}
	m.turns.Release(1)
	if _, err := m.Square(context.Background(), file, 8); err != nil {
		t.Error(err)
	}
	if !m.turns.TryAcquire(1) {
		t.Error("what was taken is not given back")
	}
}

// FuzzSquare: whatever comes, it is refused or becomes small JPEGs.
func FuzzSquare(f *testing.F) {
	about := append([]byte("Exif\x00\x00"), exif(binary.LittleEndian, 6)...)
	for _, seed := range [][]byte{
		jpegOf(f, quarters(20, 30)), inJPEG(jpegOf(f, quarters(16, 16)), markAPP1, about), pngOf(f, quarters(9, 7)), inPNG(pngOf(f, quarters(5, 5)), "eXIf", about[6:]),
		gifOf(f, quarters(12, 12)), webpOf(f, lossyWebP), webpOf(f, losslessWebP), pngHeader(50_000, 50_000, 8, 2, 0), []byte("<svg/>"),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		h, err := look(file)
		if err != nil || h.width*h.height > 1<<18 {
			return // it must not take the machine to say no
		}
		out, err := New().Square(context.Background(), file, 16, 32)
		if err != nil {
			if !errors.Is(err, ErrInvalid) && !errors.Is(err, ErrTooLarge) {
				t.Errorf("refused with %v", err)
			}
			return
		}
		for i, made := range out {
			c, err := jpeg.DecodeConfig(bytes.NewReader(made))
			if err != nil || c.Width != c.Height || c.Width < 1 || c.Width > 16<<i {
				t.Errorf("made %d by %d, error %v", c.Width, c.Height, err)
			}
		}
	})
}
