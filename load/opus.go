package load

import (
	"encoding/binary"
	"errors"
)

// A frame is what a speaker sends each 20 ms: a TOC byte (RFC 6716 §3.1) and 99
// bytes that are ours, because nothing on the way decodes them. It stays
// whole when a server merges several frames into one packet.
const (
	frameSize    = 100
	framePayload = frameSize - 1
	toc          = 15 << 3 // hybrid, fullband, 20 ms, mono, one frame
	frameMagic   = 0x62736431
	clockPerTick = 960 // 20 ms at 48 kHz
)

// mark is what a frame tells: who sent it, its place in the room's common
// count of frames, and when it left (Unix nanoseconds).
type mark struct {
	speaker uint16
	tick    uint32
	sent    int64
}

var errOpus = errors.New("not an Opus packet")

// newFrame makes a frame with filler; put writes the mark into it.
func newFrame() []byte {
	f := make([]byte, frameSize)
	f[0] = toc
	for i := 1; i < len(f); i++ {
		f[i] = byte(i*167 + 13)
	}
	return f
}

func (m mark) put(frame []byte) {
	b := frame[1:]
	binary.BigEndian.PutUint32(b, frameMagic)
	binary.BigEndian.PutUint16(b[4:], m.speaker)
	binary.BigEndian.PutUint32(b[6:], m.tick)
	binary.BigEndian.PutUint64(b[10:], uint64(m.sent))
}

func readMark(b []byte) (mark, bool) {
	if len(b) != framePayload || binary.BigEndian.Uint32(b) != frameMagic {
		return mark{}, false
	}
	return mark{binary.BigEndian.Uint16(b[4:]), binary.BigEndian.Uint32(b[6:]), int64(binary.BigEndian.Uint64(b[10:]))}, true
}

// marks reads the first and the last mark of a packet of one or several
// frames, and how many frames it has. No marks (a DTX packet, another's audio)
// is ok false; a packet against RFC 6716 §3.2 is an error.
func marks(p []byte) (first, last mark, n int, ok bool, err error) {
	frames, err := splitOpus(p)
	if err != nil || len(frames) == 0 {
		return mark{}, mark{}, 0, false, err
	}
	first, ok1 := readMark(frames[0])
	last, ok2 := readMark(frames[len(frames)-1])
	return first, last, len(frames), ok1 && ok2, nil
}

// splitOpus gives the compressed frames of a packet (RFC 6716 §3.2).
func splitOpus(p []byte) ([][]byte, error) {
	if len(p) == 0 {
		return nil, errOpus
	}
	b := p[1:]
	switch p[0] & 3 {
	case 0:
		return [][]byte{b}, nil
	case 1:
		if len(b)%2 != 0 {
			return nil, errOpus
		}
		return [][]byte{b[:len(b)/2], b[len(b)/2:]}, nil
	case 2:
		n, b, ok := frameLength(b)
		if !ok || n > len(b) {
			return nil, errOpus
		}
		return [][]byte{b[:n], b[n:]}, nil
	default:
		return splitCode3(b)
	}
}

func splitCode3(b []byte) ([][]byte, error) {
	if len(b) == 0 {
		return nil, errOpus
	}
	vbr, padded, m := b[0]&0x80 != 0, b[0]&0x40 != 0, int(b[0]&0x3f)
	b = b[1:]
	for padded {
		if len(b) == 0 {
			return nil, errOpus
		}
		n := int(b[0])
		b, padded = b[1:], n == 255
		n = min(n, 254)
		if n > len(b) {
			return nil, errOpus
		}
		b = b[:len(b)-n]
	}
	if m == 0 || m > 48 {
		return nil, errOpus
	}
	sizes := make([]int, m)
	sum := 0
	for i := 0; vbr && i < m-1; i++ {
		var ok bool
		if sizes[i], b, ok = frameLength(b); !ok {
			return nil, errOpus
		}
		sum += sizes[i]
	}
	if vbr {
		sizes[m-1] = len(b) - sum
	} else {
		for i := range sizes {
			sizes[i] = len(b) / m
		}
	}
	if sizes[m-1] < 0 || !vbr && len(b)%m != 0 {
		return nil, errOpus
	}
	frames := make([][]byte, m)
	for i, n := range sizes {
		frames[i], b = b[:n], b[n:]
	}
	return frames, nil
}

// frameLength reads one length (RFC 6716 §3.2.1).
func frameLength(b []byte) (n int, rest []byte, ok bool) {
	switch {
	case len(b) == 0:
		return 0, nil, false
	case b[0] < 252:
		return int(b[0]), b[1:], true
	case len(b) == 1:
		return 0, nil, false
	default:
		return 4*int(b[1]) + int(b[0]), b[2:], true
	}
}
