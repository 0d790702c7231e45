package picture

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"

	"golang.org/x/image/webp"
)

// header is what the beginning of a file says of the rest.
type header struct {
	format        *format
	width, height int
	orientation   int   // 1 to 8; 0 if the file does not say
	cost          int64 // bytes that decoding takes, at most
}

// format is one kind of file.
type format struct {
	magic  func(file []byte) bool
	config func(io.Reader) (image.Config, error)
	decode func(io.Reader) (image.Image, error)
	// weigh says how many bytes each pixel takes in decoding and how many it takes
	// besides, and finds the orientation. It returns false for what must not be decoded.
	weigh func(file []byte, c image.Config) (each float64, besides int64, orientation int, ok bool)
}

var formats = []format{
	{prefix("\xff\xd8\xff"), jpeg.DecodeConfig, jpeg.Decode, weighJPEG},
	{prefix("\x89PNG\r\n\x1a\n"), png.DecodeConfig, png.Decode, weighPNG},
	{prefix("GIF8"), gif.DecodeConfig, gif.Decode, weighGIF},
	{isWebP, webp.DecodeConfig, webp.Decode, weighWebP},
}

func prefix(magic string) func([]byte) bool {
	return func(file []byte) bool { return bytes.HasPrefix(file, []byte(magic)) }
}

func isWebP(file []byte) bool {
	return len(file) >= 16 && string(file[:4]) == "RIFF" && string(file[8:12]) == "WEBP"
}

// look reads what the file says of itself. ErrInvalid for what is no picture.
func look(file []byte) (header, error) {
	for i := range formats {
		f := &formats[i]
		if !f.magic(file) {
			continue
		}
		c, err := f.config(bytes.NewReader(file))
		if err != nil {
			return header{}, ErrInvalid.Because(err)
		}
		if c.Width <= 0 || c.Height <= 0 {
			return header{}, ErrInvalid
		}
		each, besides, orientation, ok := f.weigh(file, c)
		if !ok {
			return header{}, ErrInvalid
		}
		// In floating point, as a product of large sides must not overflow.
		cost := each*float64(c.Width)*float64(c.Height) + float64(besides)
		return header{f, c.Width, c.Height, orientation, int64(min(cost, 1<<62))}, nil
	}
	return header{}, ErrInvalid
}

// weighGIF: one byte for each pixel of the first frame, which lies within the screen.
func weighGIF([]byte, image.Config) (float64, int64, int, bool) { return 1, 0, 0, true }

// weighPNG: the decoder keeps what depth and colour ask for, and the passes of an
// interlaced picture besides.
func weighPNG(file []byte, c image.Config) (float64, int64, int, bool) {
	each := 4.0
	switch c.ColorModel {
	case color.Gray16Model, color.RGBA64Model, color.NRGBA64Model:
		each = 8
	}
	if _, paletted := c.ColorModel.(color.Palette); paletted {
		each = 1
	}
	const interlace = 28 // PNG (third edition) sections 5.2 and 11.2.1: signature, length, type, 12 bytes of IHDR
	if len(file) > interlace && file[interlace] != 0 {
		each *= 2
	}
	orientation := 0
	for rest := file[8:]; len(rest) >= 12; { // length, type, data, check
		size := int64(binary.BigEndian.Uint32(rest))
		kind := string(rest[4:8])
		if size > int64(len(rest)-12) || kind == "IDAT" {
			break
		}
		if kind == "eXIf" {
			orientation = exifOrientation(rest[8 : 8+size])
		}
		rest = rest[12+size:]
	}
	return each, 0, orientation, true
}

// What the Huffman tables of a lossless WebP take at most: the decoder lets it have
// codeGroups of them, and no more than there are tiles of 4 by 4 pixels. Each has
// five tables of 536 bytes and two nodes of 8 bytes for each of 3136 symbols.
const (
	codeGroups = 2600
	codeGroup  = 5*536 + 2*8*3136
)

// weighWebP: a lossy picture is decoded to 4:2:0; a lossless one, and an alpha
// channel, which may be one, to four bytes several times over.
func weighWebP(file []byte, c image.Config) (float64, int64, int, bool) {
	each, besides, orientation := 2.0, int64(0), 0
	for rest := file[12:]; len(rest) >= 8; { // RIFF: type, length, data to an even length
		size := int64(binary.LittleEndian.Uint32(rest[4:]))
		if kind := string(rest[:4]); kind == "VP8L" || kind == "ALPH" {
			tiles := (float64(c.Width) + 3) / 4 * (float64(c.Height) + 3) / 4
			each, besides = 10, int64(min(tiles, codeGroups)+1)*codeGroup
		}
		if size > int64(len(rest)-8) {
			break
		}
		if string(rest[:4]) == "EXIF" {
			orientation = exifOrientation(bytes.TrimPrefix(rest[8:8+size], []byte("Exif\x00\x00")))
		}
		rest = rest[min(8+size+size&1, int64(len(rest))):]
	}
	return each, besides, orientation, true
}

// exifOrientation finds tag 0x0112 in the first directory of a TIFF file (Exif 2.32
// section 4.6.2); 0 if it is not there.
func exifOrientation(tiff []byte) int {
	if len(tiff) < 8 {
		return 0
	}
	var order binary.ByteOrder
	switch string(tiff[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return 0
	}
	start := int64(order.Uint32(tiff[4:]))
	if start > int64(len(tiff)-2) {
		return 0
	}
	entries := tiff[start+2:]
	for range order.Uint16(tiff[start:]) {
		if len(entries) < 12 {
			break
		}
		const short = 3 // a type of two bytes
		if order.Uint16(entries) == 0x0112 && order.Uint16(entries[2:]) == short {
			if o := int(order.Uint16(entries[8:])); o <= 8 {
				return o
			}
			return 0
		}
		entries = entries[12:]
	}
	return 0
}
