package picture

import (
	"bytes"
	"encoding/binary"
	"image"
)

// The markers that matter here (ITU-T T.81 table B.1).
const (
	markSOF0 = 0xc0 // begins a frame: sequential; the next 15 but three are its other kinds
	markSOF2 = 0xc2 // progressive
	markDHT  = 0xc4
	markJPG  = 0xc8
	markDAC  = 0xcc
	markRST0 = 0xd0 // to 0xd7: restarts within a scan
	markSOI  = 0xd8
	markEOI  = 0xd9
	markSOS  = 0xda // begins a scan
	markAPP1 = 0xe1 // of Exif
	markAPPE = 0xee // of Adobe
	markTEM  = 0x01
)

// maxScans is how many scans a JPEG may have; encoders make about ten. Each scan of
// a progressive one costs a walk through the whole picture and may take no more
// than a few bytes of the file.
const maxScans = 100

// jpegHeader is what the segments of a JPEG say.
type jpegHeader struct {
	samples     float64 // for each pixel, of all components
	components  int
	progressive bool
	rgb         bool // as Adobe or the names of the components say
	scans       int
	orientation int
}

// weighJPEG: the decoder keeps a byte for each sample, four more for each coefficient
// of a progressive picture, and makes a second copy of RGB and CMYK.
func weighJPEG(file []byte, _ image.Config) (float64, int64, int, bool) {
	h := readJPEG(file)
	each := h.samples
	if h.progressive {
		each += 4 * h.samples
	}
	if h.components == 4 || h.components == 3 && h.rgb {
		each += 4
	}
	return each, 0, h.orientation, h.samples > 0 && h.scans <= maxScans
}

// readJPEG walks through the markers of a JPEG (ITU-T T.81 section B.1.1) as far as
// they can be followed.
func readJPEG(file []byte) jpegHeader {
	var h jpegHeader
	for rest := file; ; {
		start := bytes.IndexByte(rest, 0xff)
		if start < 0 || start+1 >= len(rest) {
			return h
		}
		mark := rest[start+1]
		rest = rest[start+1:]
		switch {
		case mark == 0xff: // fill
			continue
		case mark == 0, mark == markTEM, mark >= markRST0 && mark <= markSOI:
			rest = rest[1:]
			continue
		case mark == markEOI:
			return h
		}
		rest = rest[1:]
		if len(rest) < 2 {
			return h
		}
		size := int(binary.BigEndian.Uint16(rest))
		if size < 2 || size > len(rest) {
			return h
		}
		h.segment(mark, rest[2:size])
		rest = rest[size:]
	}
}

// segment takes from one segment what matters here.
func (h *jpegHeader) segment(mark byte, data []byte) {
	switch {
	case mark == markSOS:
		h.scans++
	case mark == markAPPE && len(data) >= 12 && bytes.HasPrefix(data, []byte("Adobe")):
		h.rgb = h.rgb || data[11] == 0 // the transform of its colours (ITU-T T.872 section 6.5.3): none
	case mark == markAPP1 && bytes.HasPrefix(data, []byte("Exif\x00\x00")) && h.orientation == 0:
		h.orientation = exifOrientation(data[6:])
	case mark >= markSOF0 && mark <= markSOF0+15 && mark != markDHT && mark != markJPG && mark != markDAC:
		h.frame(mark, data)
	}
}

// frame reads a frame header (ITU-T T.81 section B.2.2): precision, height, width,
// and of each component a name and its horizontal and vertical sampling.
func (h *jpegHeader) frame(mark byte, data []byte) {
	if len(data) < 6 || len(data) < 6+3*int(data[5]) {
		return
	}
	h.progressive = h.progressive || mark == markSOF2
	h.components = int(data[5])
	if h.components == 3 && data[6] == 'R' && data[9] == 'G' && data[12] == 'B' {
		h.rgb = true
	}
	var most, all float64
	for c := range h.components {
		sampling := data[6+3*c+1]
		n := float64(sampling>>4) * float64(sampling&15)
		most, all = max(most, n), all+n
	}
	if most > 0 {
		h.samples = max(h.samples, all/most)
	}
}
