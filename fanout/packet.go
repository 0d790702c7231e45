package fanout

import "encoding/binary"

// Limits of what a speaker may send.
const (
	// MaxPayload bounds one Opus packet: a frame is at most 1275 bytes (RFC 6716 §3.4),
	// and a packet with its headers must fit into one datagram.
	MaxPayload = 1300
	// NoLevel says that a packet carried no audio level.
	NoLevel = 0xff
)

// Packet is a speaker's RTP packet after SRTP, taken apart.
type Packet struct {
	Index     uint64 // rollover counter and sequence number
	SSRC      uint32
	Timestamp uint32
	Type      uint8 // payload type
	Marker    bool
	Level     uint8 // −dBov 0 (loudest) … 127 of RFC 6464, or NoLevel
	Payload   []byte
	// Earlier is what the packet repeats of those before it, the oldest first (RED,
	// RFC 2198): only blocks that are Opus.
	Earlier []REDBlock

	csrc uint32 // set by Forward
}

// Parse takes the plain RTP packet b apart. The level is read from the header
// extension with the id levelID; 0 means that none was negotiated. It reports
// false for what is not RTP. Payload lies in b; padding is cut off, so that a
// padding-only packet has an empty payload.
func Parse(b []byte, index uint64, levelID uint8) (Packet, bool) {
	h, ok := headerLen(b)
	if !ok {
		return Packet{}, false
	}
	p := Packet{
		Index:     index,
		SSRC:      binary.BigEndian.Uint32(b[8:]),
		Timestamp: binary.BigEndian.Uint32(b[4:]),
		Type:      b[1] & 0x7f,
		Marker:    b[1]&0x80 != 0,
		Level:     NoLevel,
		Payload:   b[h:],
	}
	if b[0]&0x20 != 0 { // RFC 3550 §5.1: the last byte counts the padding with itself
		if len(p.Payload) == 0 {
			return Packet{}, false
		}
		pad := int(p.Payload[len(p.Payload)-1])
		if pad == 0 || pad > len(p.Payload) {
			return Packet{}, false
		}
		p.Payload = p.Payload[:len(p.Payload)-pad]
	}
	if b[0]&0x10 != 0 && levelID != 0 {
		at := 12 + 4*int(b[0]&15)
		p.Level = level(binary.BigEndian.Uint16(b[at:]), b[at+4:h], levelID)
	}
	return p, true
}

// level finds the audio level among header extensions (RFC 8285 §4.2, §4.3; RFC 6464 §3).
func level(profile uint16, ext []byte, id uint8) uint8 {
	switch {
	case profile == 0xbede:
		for i := 0; i < len(ext); {
			if ext[i] == 0 { // padding
				i++
				continue
			}
			n := int(ext[i]&15) + 1
			if ext[i]>>4 == 15 || i+1+n > len(ext) { // 15: stop
				return NoLevel
			}
			if ext[i]>>4 == id {
				return ext[i+1] & 0x7f
			}
			i += 1 + n
		}
	case profile>>4 == 0x100:
		for i := 0; i+1 < len(ext); {
			if ext[i] == 0 {
				i++
				continue
			}
			n := int(ext[i+1])
			if i+2+n > len(ext) {
				return NoLevel
			}
			if ext[i] == id && n > 0 {
				return ext[i+2] & 0x7f
			}
			i += 2 + n
		}
	}
	return NoLevel
}

// isDTX says whether the payload is a comfort-noise packet of an encoder that
// has nothing to say: at most the TOC byte and one more (RFC 6716 §3.1; MEDIA.md A7).
func isDTX(payload []byte) bool { return len(payload) <= 2 }

// Class is what listeners must have in common to share a packet's plaintext:
// the numbers under which each of them offered Opus, RED and the audio level.
type Class struct {
	Type    uint8 // payload type of Opus
	RED     uint8 // payload type of RED; 0 for none
	LevelID uint8 // id of the RFC 6464 header extension; 0 for none
}

// maxHeader is the length of the longest header written: fixed part, one CSRC, the level.
const maxHeader = 12 + 4 + 8

// header writes the RTP header of f for a class and form, with a sequence number of
// zero, and returns its length.
func (c Class) header(dst *[maxHeader]byte, as form, ssrc uint32, f *frame) int {
	dst[0] = 2<<6 | 1 // one CSRC: who speaks
	dst[1] = c.Type & 0x7f
	if as.distance > 0 {
		dst[1] = c.RED & 0x7f
	}
	if f.marker {
		dst[1] |= 0x80
	}
	dst[2], dst[3] = 0, 0
	binary.BigEndian.PutUint32(dst[4:], f.timestamp)
	binary.BigEndian.PutUint32(dst[8:], ssrc)
	binary.BigEndian.PutUint32(dst[12:], f.csrc)
	if c.LevelID == 0 || f.level == NoLevel {
		return 16
	}
	dst[0] |= 0x10
	binary.BigEndian.PutUint16(dst[16:], 0xbede)
	binary.BigEndian.PutUint16(dst[18:], 1)
	dst[20] = c.LevelID << 4
	dst[21] = f.level & 0x7f
	if f.voice {
		dst[21] |= 0x80 // the V flag
	}
	dst[22], dst[23] = 0, 0
	return maxHeader
}
