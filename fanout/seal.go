package fanout

import (
	"crypto/cipher"
	"encoding/binary"
)

// sealer encrypts the RTP of one listener. Exactly one of aead and cm is set.
type sealer struct {
	aead cipher.AEAD
	cm   *counterMode
	salt [12]byte
}

func newSealer(k *Keys) sealer {
	if k.Profile == AES128CMSHA180 {
		return sealer{cm: newCounterMode(k, labelRTPKey, labelRTPAuth, labelRTPSalt)}
	}
	var key [KeyLen]byte
	var s sealer
	k.derive(labelRTPKey, key[:])
	k.derive(labelRTPSalt, s.salt[:])
	s.aead = newGCM(key[:])
	return s
}

// seal finishes the packet in dst, whose first h bytes are the RTP header with
// its sequence number, and returns its length. The upper half of seq is the
// rollover counter. dst must have room for header, payload and authentication tag.
// iv is scratch: a local array would escape through the AEAD interface.
func (s *sealer) seal(dst []byte, h int, payload []byte, ssrc, seq uint32, iv *[12]byte) int {
	if s.cm == nil {
		gcmIV(iv, &s.salt, ssrc, seq>>16, uint16(seq))
		return len(s.aead.Seal(dst[:h], iv[:], payload, dst[:h]))
	}
	n := h + copy(dst[h:], payload)
	s.cm.xor(dst[h:n], ssrc, uint64(seq))
	return n + copy(dst[n:], s.cm.tag(dst[:n], seq>>16, true))
}

// ControlSealer encrypts RTCP of one direction of a session (RFC 3711 §3.4,
// RFC 7714 §9). It keeps keys, not ciphers: reports are rare and sessions many.
// Not for concurrent use.
type ControlSealer struct {
	keys  Keys // controlKeys
	index uint32
}

// NewControlSealer makes a sealer from the master keys with which we write.
func NewControlSealer(k Keys) *ControlSealer { return &ControlSealer{keys: controlKeys(k)} }

// Seal appends to dst the SRTCP packet made from the compound packet plain,
// which begins with an RTCP header and the sender's SSRC.
func (c *ControlSealer) Seal(dst, plain []byte) []byte {
	if len(plain) < 8 || c.index == 1<<31-1 {
		return dst // RFC 3711 §9.2: never reuse an index
	}
	c.index++
	ssrc := binary.BigEndian.Uint32(plain[4:])
	word := 1<<31 | c.index // the E flag: encrypted
	start := len(dst)
	if c.keys.Profile == AES128CMSHA180 {
		cm := newCounterMode(&c.keys, labelRTCPKey, labelRTCPAuth, labelRTCPSalt)
		dst = append(dst, plain...)
		cm.xor(dst[start+8:], ssrc, uint64(c.index))
		dst = binary.BigEndian.AppendUint32(dst, word)
		return append(dst, cm.tag(dst[start:], 0, false)...)
	}
	aead, salt := controlGCM(&c.keys)
	var iv [12]byte
	var aad [12]byte // RFC 7714 §9.2: header, SSRC and the index word
	gcmControlIV(&iv, &salt, ssrc, c.index)
	copy(aad[:], plain[:8])
	binary.BigEndian.PutUint32(aad[8:], word)
	dst = append(dst, plain[:8]...)
	dst = aead.Seal(dst, iv[:], plain[8:], aad[:])
	return binary.BigEndian.AppendUint32(dst, word)
}

// controlKeys are the keys from which a report's cipher is made: with GCM those of
// RTCP itself, derived once; otherwise the master keys.
func controlKeys(k Keys) Keys {
	if k.Profile != AES128GCM {
		return k
	}
	c := Keys{Profile: k.Profile}
	k.derive(labelRTCPKey, c.Key[:])
	k.derive(labelRTCPSalt, c.Salt[:k.Profile.SaltLen()])
	return c
}

func controlGCM(c *Keys) (cipher.AEAD, [12]byte) { return newGCM(c.Key[:]), [12]byte(c.Salt[:12]) }
