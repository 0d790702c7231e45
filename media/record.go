package media

import "encoding/binary"

// DTLS 1.2 records, RFC 6347 §4.1.
const (
	recordHeader     = 13
	recordCipherSpec = 20
	recordAlert      = 21
	recordHandshake  = 22

	alertFatal       = 2
	alertCloseNotify = 0
)

func recordEpoch(b []byte) uint16 { return binary.BigEndian.Uint16(b[3:]) }

// harmless says whether a datagram may be given to a handshake that is under way: it consists of
// records that carry one on (messages, a ChangeCipherSpec) or are encrypted. All others end it,
// and anybody can write them who can send with the peer's address: alerts in clear,
// data in clear, records of no known type. RFC 6347 §4.1.2.7 has them discarded where
// that is the danger. A peer who gives up in clear is not believed either: his session is
// reaped as one that has not been joined.
func harmless(b []byte) bool {
	for len(b) > 0 {
		if len(b) < recordHeader {
			return false
		}
		n := int(binary.BigEndian.Uint16(b[11:]))
		if len(b)-recordHeader < n {
			return false
		}
		body := b[recordHeader : recordHeader+n]
		switch kind, epoch := b[0], recordEpoch(b); {
		case kind == recordHandshake && epoch <= 1:
		case kind == recordAlert && epoch == 1: // believed when it opens
		case kind == recordCipherSpec && epoch == 0 && n == 1 && body[0] == 1: // RFC 5246 §7.1
		default:
			return false
		}
		b = b[recordHeader+n:]
	}
	return true
}
