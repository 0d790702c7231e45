package fanout

import (
	"encoding/binary"
	"errors"
)

// Bounds of RED (RFC 2198 §3).
const (
	maxREDOffset = 1<<14 - 1 // samples: 14 bits of timestamp offset, 341 ms at 48 kHz
	maxREDLength = 1<<10 - 1 // bytes: 10 bits of block length
	redHeader    = 4         // bytes before the end of the headers for each redundant block
	maxREDBlocks = 16        // what ParseRED takes; senders in use make two or three
)

// MaxREDDistance is how many earlier packets a REDEncoder can repeat in one.
const MaxREDDistance = 2

// ErrRED says that a payload is not a well-formed RED payload (RFC 2198 §3), or has
// more than 16 blocks.
var ErrRED = errors.New("malformed RED payload")

// REDBlock is one block of a RED payload.
type REDBlock struct {
	PayloadType uint8
	Timestamp   uint32
	Payload     []byte // aliases the payload parsed
	Primary     bool
}

// ParseRED appends the blocks of a payload to dst, the oldest first and the primary
// last, as they stand in it. timestamp is the one of the RTP packet. Redundant
// blocks without content are left out. On ErrRED, dst comes back as it was.
// The payload types are for the caller to judge: nothing is decoded, and a
// RED payload within RED stays one block.
func ParseRED(dst []REDBlock, payload []byte, timestamp uint32) ([]REDBlock, error) {
	start := 0
	for blocks := 1; ; blocks++ {
		if start >= len(payload) || blocks > maxREDBlocks {
			return dst, ErrRED
		}
		if payload[start]&0x80 == 0 {
			break
		}
		start += redHeader
	}
	out, headers, rest := dst, payload[:start], payload[start+1:]
	for ; len(headers) > 0; headers = headers[redHeader:] {
		h := binary.BigEndian.Uint32(headers)
		length := int(h & maxREDLength)
		if length > len(rest) {
			return dst, ErrRED
		}
		if length > 0 {
			out = append(out, REDBlock{
				PayloadType: uint8(h>>24) & 0x7f,
				Timestamp:   timestamp - h>>10&maxREDOffset,
				Payload:     rest[:length],
			})
		}
		rest = rest[length:]
	}
	if len(rest) == 0 {
		return dst, ErrRED
	}
	return append(out, REDBlock{payload[start] & 0x7f, timestamp, rest, true}), nil
}

// REDEncoder makes the RED payloads (RFC 2198) of one stream from its packets in the
// order in which they are sent. A block that does not fit the fields of its
// header, or would make the payload longer than the limit, is left out, the
// oldest first; the primary is always there.
//
// An encoder belongs to one goroutine and allocates nothing after NewREDEncoder.
type REDEncoder struct {
	payloadType uint8
	limit       int
	earlier     []earlierPacket // the oldest first, at most the distance
	distance    int
	bytes       [MaxREDDistance][]byte
	turn        int // the buffer for the next packet to remember
}

// earlierPacket is a packet that was sent.
type earlierPacket struct {
	timestamp uint32
	payload   []byte
}

// NewREDEncoder makes an encoder that repeats up to distance (0 to MaxREDDistance)
// earlier packets in each; blocks is the payload type of what is in the
// blocks, and limit the length in bytes up to which redundancy is added.
func NewREDEncoder(blocks uint8, distance, limit int) *REDEncoder {
	e := &REDEncoder{payloadType: blocks & 0x7f, limit: limit, distance: min(max(distance, 0), MaxREDDistance)}
	e.earlier = make([]earlierPacket, 0, MaxREDDistance+1)
	for i := range e.distance {
		e.bytes[i] = make([]byte, 0, maxREDLength)
	}
	return e
}

// Append appends the RED payload of a packet to dst and remembers the packet for
// those to come. A packet older than the one before it (one that filled a
// hole) is sent without redundancy and not remembered.
func (e *REDEncoder) Append(dst []byte, timestamp uint32, payload []byte) []byte {
	if n := len(e.earlier); n > 0 {
		switch gap := int32(timestamp - e.earlier[n-1].timestamp); {
		case gap <= -restartSamples:
			e.Forget()
		case gap <= 0:
			return append(append(dst, e.payloadType), payload...)
		}
	}
	blocks := e.choose(timestamp, len(payload))
	for _, b := range blocks {
		dst = binary.BigEndian.AppendUint32(dst,
			1<<31|uint32(e.payloadType)<<24|(timestamp-b.timestamp)<<10|uint32(len(b.payload)))
	}
	dst = append(dst, e.payloadType)
	for _, b := range blocks {
		dst = append(dst, b.payload...)
	}
	dst = append(dst, payload...)
	e.remember(timestamp, payload)
	return dst
}

// Forget throws the earlier packets away: nothing appended before comes out any
// more. It is for the moment in which somebody loses the right to be heard.
func (e *REDEncoder) Forget() { e.earlier = e.earlier[:0] }

// choose gives the newest of the earlier packets that fit, the oldest first, up to
// one that cannot be repeated.
func (e *REDEncoder) choose(timestamp uint32, primary int) []earlierPacket {
	room := e.limit - 1 - primary
	i := len(e.earlier)
	for ; i > 0; i-- {
		b := e.earlier[i-1]
		room -= redHeader + len(b.payload)
		if len(b.payload) == 0 || room < 0 || timestamp-b.timestamp > maxREDOffset {
			break
		}
	}
	return e.earlier[i:]
}

func (e *REDEncoder) remember(timestamp uint32, payload []byte) {
	if e.distance == 0 {
		return
	}
	if len(payload) > maxREDLength {
		payload = nil // its place in time is kept, its content cannot be repeated
	}
	if len(e.earlier) == e.distance {
		copy(e.earlier, e.earlier[1:])
		e.earlier = e.earlier[:e.distance-1]
	}
	e.bytes[e.turn] = append(e.bytes[e.turn][:0], payload...)
	e.earlier = append(e.earlier, earlierPacket{timestamp, e.bytes[e.turn]})
	e.turn = (e.turn + 1) % e.distance
}
