package fanout

import "errors"

// Bounds of one Opus packet.
const (
	maxOpusFrames     = 48   // RFC 6716 §3.2.5: 120 ms of 2.5 ms frames
	maxOpusFrameBytes = 1275 // RFC 6716 §3.2.1
	maxOpusSamples    = 5760 // 120 ms at 48 kHz, RFC 6716 §3.2.5 [R5]
	maxOpusHeader     = 2 + 2*(maxOpusFrames-1)
)

// dtxFrameBytes is the longest frame that a decoder takes for silence (RFC 6716
// §2.1.9): such a frame is a TOC byte and at most one byte more when it
// travels alone.
const dtxFrameBytes = 1

// ErrOpus says that a payload is not a well-formed Opus packet (RFC 6716 §3.4).
var ErrOpus = errors.New("malformed Opus packet")

// OpusSamples tells how long a packet sounds, in samples at 48 kHz, or ErrOpus.
func OpusSamples(payload []byte) (int, error) {
	var o opusFrames
	if err := o.parse(payload); err != nil {
		return 0, err
	}
	return o.samples(), nil
}

// OpusSilence is the one-byte packet (a TOC byte and an empty frame) by which an
// encoder of that configuration announces that it will be silent (RFC 6716
// §2.1.9). A slot that falls idle repeats it, or its listeners conceal a loss.
func OpusSilence(toc byte) byte { return toc &^ 3 }

// opusFrames is a parsed packet. Whatever the code of a packet, its frames lie
// one behind the other: body aliases the payload, sizes say where to cut it.
type opusFrames struct {
	toc    byte
	padded bool
	n      int
	sizes  [maxOpusFrames]uint16
	body   []byte
}

// frameSamples is the length of one frame at 48 kHz (RFC 6716 §3.1, table 2).
func frameSamples(toc byte) int {
	config := toc >> 3
	switch {
	case config < 12: // SILK: 10, 20, 40, 60 ms
		return [4]int{480, 960, 1920, 2880}[config&3]
	case config < 16: // hybrid: 10, 20 ms
		return 480 << (config & 1)
	default: // CELT: 2.5, 5, 10, 20 ms
		return 120 << (config & 3)
	}
}

func (o *opusFrames) samples() int { return o.n * frameSamples(o.toc) }

// silent reports whether a frame is so short that it stands for silence.
func (o *opusFrames) silent() bool {
	for _, size := range o.sizes[:o.n] {
		if size <= dtxFrameBytes {
			return true
		}
	}
	return false
}

// parse cuts a payload into frames (RFC 6716 §3.2). The payload is aliased and
// never written to.
func (o *opusFrames) parse(payload []byte) error {
	if len(payload) == 0 { // [R1]
		return ErrOpus
	}
	o.toc, o.padded = payload[0], false
	b := payload[1:]
	switch o.toc & 3 {
	case 0: // §3.2.2
		o.n, o.body = 1, b
		return o.last(len(b))
	case 1: // §3.2.3
		o.n, o.body = 2, b
		return o.equal(len(b))
	case 2: // §3.2.4
		size, used := opusLength(b)
		if used == 0 {
			return ErrOpus
		}
		o.n, o.sizes[0], o.body = 2, uint16(size), b[used:]
		return o.last(len(o.body) - size)
	default: // §3.2.5
		return o.parseMany(b)
	}
}

// parseMany reads a packet of code 3 behind its TOC byte (RFC 6716 §3.2.5).
func (o *opusFrames) parseMany(b []byte) error {
	if len(b) == 0 {
		return ErrOpus
	}
	vbr, padded, n := b[0]&0x80 != 0, b[0]&0x40 != 0, int(b[0]&0x3f)
	if n == 0 || n*frameSamples(o.toc) > maxOpusSamples { // [R5]
		return ErrOpus
	}
	o.n, o.padded, b = n, padded, b[1:]
	if padded {
		var ok bool
		if b, ok = withoutPadding(b); !ok {
			return ErrOpus
		}
	}
	if !vbr {
		o.body = b
		return o.equal(len(b))
	}
	sum := 0
	for i := range n - 1 {
		size, used := opusLength(b)
		if used == 0 {
			return ErrOpus
		}
		o.sizes[i] = uint16(size)
		sum += size
		b = b[used:]
	}
	o.body = b
	return o.last(len(b) - sum)
}

// last gives the last frame what the others have left ([R2], [R4], [R7]).
func (o *opusFrames) last(size int) error {
	if size < 0 || size > maxOpusFrameBytes {
		return ErrOpus
	}
	o.sizes[o.n-1] = uint16(size)
	return nil
}

// equal divides a body into frames of one size ([R3], [R6]).
func (o *opusFrames) equal(total int) error {
	size := total / o.n
	if size*o.n != total || size > maxOpusFrameBytes {
		return ErrOpus
	}
	for i := range o.n {
		o.sizes[i] = uint16(size)
	}
	return nil
}

// withoutPadding cuts the padding at the end of a packet and its length at the
// beginning (RFC 6716 §3.2.5: 255 stands for 254 bytes and a further byte of length).
func withoutPadding(b []byte) (rest []byte, ok bool) {
	padding := 0
	for i, x := range b {
		padding += int(x)
		if x == 255 {
			padding--
			continue
		}
		b = b[i+1:]
		if padding > len(b) {
			return nil, false
		}
		return b[:len(b)-padding], true
	}
	return nil, false
}

// opusLength reads the length of a frame (RFC 6716 §3.2.1); used is 0 when the
// bytes do not suffice.
func opusLength(b []byte) (size, used int) {
	switch {
	case len(b) == 0:
		return 0, 0
	case b[0] < 252:
		return int(b[0]), 1
	case len(b) == 1:
		return 0, 0
	default:
		return 4*int(b[1]) + int(b[0]), 2
	}
}

func appendOpusLength(dst []byte, size uint16) []byte {
	if size < 252 {
		return append(dst, byte(size))
	}
	low := 252 + size&3
	return append(dst, byte(low), byte((size-low)/4))
}

// appendOpusHeader writes what stands before the bodies of 1 to 48 frames in the
// shortest packet that holds them; the code of toc is ignored (RFC 6716 §3.2).
func appendOpusHeader(dst []byte, toc byte, sizes []uint16) []byte {
	same := true
	for _, size := range sizes {
		same = same && size == sizes[0]
	}
	toc &^= 3
	switch {
	case len(sizes) == 1:
		return append(dst, toc)
	case len(sizes) == 2 && same:
		return append(dst, toc|1)
	case len(sizes) == 2:
		return appendOpusLength(append(dst, toc|2), sizes[0])
	case same:
		return append(dst, toc|3, byte(len(sizes)))
	}
	dst = append(dst, toc|3, 0x80|byte(len(sizes)))
	for _, size := range sizes[:len(sizes)-1] {
		dst = appendOpusLength(dst, size)
	}
	return dst
}
