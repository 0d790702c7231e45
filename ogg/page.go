// Package ogg makes an endless Ogg Opus stream (RFC 7845) out of Opus packets as they
// come, for players that can do nothing but play a file. Nothing is decoded.
//
// A Muxer has two sides: packets are added on the clock of those who speak, pages come
// out on the clock on the wall, each so long that its header costs little. Between
// packets the player's clock must go on: gaps are filled as RFC 7845 §4.1 asks.
package ogg

import "encoding/binary"

// Bits of a page's header (RFC 3533 §6).
const (
	firstPage = 0x02

	maxSegments  = 255
	headerLength = 27
)

// segments is how many lacing values a packet of that length takes (RFC 3533 §6).
func segments(length int) int { return length/255 + 1 }

// appendPage appends a page that holds whole packets, which must not need more than
// maxSegments lacing values. granule is the end of its last packet, in samples.
func appendPage(dst []byte, kind byte, granule int64, serial, sequence uint32, packets ...[]byte) []byte {
	begin := len(dst)
	dst = append(dst, "OggS"...)
	dst = append(dst, 0, kind)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(granule))
	dst = binary.LittleEndian.AppendUint32(dst, serial)
	dst = binary.LittleEndian.AppendUint32(dst, sequence)
	dst = append(dst, 0, 0, 0, 0) // the checksum, when all is there
	count := 0
	for _, p := range packets {
		count += segments(len(p))
	}
	dst = append(dst, byte(count))
	for _, p := range packets {
		for range len(p) / 255 {
			dst = append(dst, 255)
		}
		dst = append(dst, byte(len(p)%255))
	}
	for _, p := range packets {
		dst = append(dst, p...)
	}
	binary.LittleEndian.PutUint32(dst[begin+22:], checksum(dst[begin:]))
	return dst
}

// checksums is the table of the polynomial 0x04c11db7, not reflected (RFC 3533 §6).
var checksums = func() (table [256]uint32) {
	for i := range table {
		r := uint32(i) << 24
		for range 8 {
			if r&(1<<31) != 0 {
				r = r<<1 ^ 0x04c11db7
			} else {
				r <<= 1
			}
		}
		table[i] = r
	}
	return table
}()

func checksum(b []byte) (sum uint32) {
	for _, x := range b {
		sum = sum<<8 ^ checksums[byte(sum>>24)^x]
	}
	return sum
}

const (
	channels = 2 // of the decoder: packets of one channel sound in both (RFC 6716 §4.1)
	vendor   = "Besedka"
	// preSkip is what a decoder throws away of the beginning, 80 ms: who comes in in the middle
	// of something hears it when the decoder has caught on (RFC 7845 §4.2).
	preSkip = 3840
)

// appendHeaders appends the two pages with which every stream begins (RFC 7845 §5).
func appendHeaders(dst []byte, serial uint32) []byte {
	head := append([]byte("OpusHead"), 1, channels)
	head = binary.LittleEndian.AppendUint16(head, preSkip)
	head = binary.LittleEndian.AppendUint32(head, clockRate)
	head = append(head, 0, 0, 0) // no gain; one stream
	tags := binary.LittleEndian.AppendUint32([]byte("OpusTags"), uint32(len(vendor)))
	tags = append(tags, vendor...)
	tags = binary.LittleEndian.AppendUint32(tags, 0) // no comments
	dst = appendPage(dst, firstPage, 0, serial, 0, head)
	return appendPage(dst, 0, 0, serial, 1, tags)
}
