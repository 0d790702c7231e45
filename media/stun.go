package media

import (
	"crypto/sha1"
	"crypto/subtle"
	"encoding/binary"
	"hash/crc32"
	"net/netip"
	"sync"
)

// STUN of RFC 8489, as far as ICE (RFC 8445 §7) needs it: Binding requests and
// success responses with USERNAME, MESSAGE-INTEGRITY and FINGERPRINT. Nothing
// here allocates.
const (
	stunRequest = 0x0001
	stunSuccess = 0x0101

	attrUsername     = 0x0006
	attrIntegrity    = 0x0008
	attrMapped       = 0x0020 // XOR-MAPPED-ADDRESS
	attrPriority     = 0x0024
	attrUseCandidate = 0x0025
	attrFingerprint  = 0x8028
	attrControlled   = 0x8029

	stunCookie      = 0x2112a442
	fingerprintMask = 0x5354554e
	stunHeader      = 20
	// maxSTUN bounds a message: the ufrags in a USERNAME may be 256 characters each (RFC 8445 §5.3).
	maxSTUN = 1000
)

// transaction is the id of a STUN transaction.
type transaction [12]byte

// stunMessage is what was found in a message. Slices lie in the message.
type stunMessage struct {
	kind         uint16
	id           transaction
	username     []byte
	useCandidate bool
	integrity    int // offset of MESSAGE-INTEGRITY
}

// parseSTUN checks the form and the FINGERPRINT, which every message of ICE
// carries at its end (RFC 8445 §7.1).
func parseSTUN(b []byte) (m stunMessage, ok bool) {
	if len(b) < stunHeader || len(b) > maxSTUN || binary.BigEndian.Uint32(b[4:]) != stunCookie ||
		int(binary.BigEndian.Uint16(b[2:]))+stunHeader != len(b) {
		return m, false
	}
	m.kind = binary.BigEndian.Uint16(b)
	if m.kind != stunRequest && m.kind != stunSuccess {
		return m, false
	}
	copy(m.id[:], b[8:])
	for at := stunHeader; at+4 <= len(b); {
		typ, n := binary.BigEndian.Uint16(b[at:]), int(binary.BigEndian.Uint16(b[at+2:]))
		v := at + 4
		if v+n > len(b) {
			return m, false
		}
		if typ == attrFingerprint {
			sum := crc32.ChecksumIEEE(b[:at]) ^ fingerprintMask
			return m, n == 4 && v+4 == len(b) && binary.BigEndian.Uint32(b[v:]) == sum && m.integrity != 0
		}
		if m.integrity == 0 && !m.take(typ, b[v:v+n], at) { // RFC 8489 §14.5: what follows is ignored
			return m, false
		}
		at = v + (n+3)&^3
	}
	return m, false
}

// take notes one attribute; false if it is malformed.
func (m *stunMessage) take(typ uint16, value []byte, at int) bool {
	switch typ {
	case attrUsername:
		m.username = value
	case attrUseCandidate:
		m.useCandidate = true
	case attrIntegrity:
		m.integrity = at
		return len(value) == sha1.Size
	}
	return true
}

// authentic checks the MESSAGE-INTEGRITY at offset at. It changes the length
// field while it computes and puts it back.
func authentic(b []byte, at int, password []byte) bool {
	length := binary.BigEndian.Uint16(b[2:])
	binary.BigEndian.PutUint16(b[2:], uint16(at+4+sha1.Size-stunHeader))
	sum := hmacSHA1(password, b[:at])
	binary.BigEndian.PutUint16(b[2:], length)
	return subtle.ConstantTimeCompare(sum[:], b[at+4:at+4+sha1.Size]) == 1
}

// hmacSHA1 is RFC 2104 for a key of at most 64 and a message of at most maxSTUN bytes.
func hmacSHA1(key, msg []byte) [sha1.Size]byte {
	var inner [64 + maxSTUN]byte
	var outer [64 + sha1.Size]byte
	if len(key) > 64 {
		sum := sha1.Sum(key)
		copy(inner[:], sum[:])
	} else {
		copy(inner[:64], key)
	}
	for i := range 64 {
		outer[i] = inner[i] ^ 0x5c
		inner[i] ^= 0x36
	}
	n := copy(inner[64:], msg)
	sum := sha1.Sum(inner[:64+n])
	copy(outer[64:], sum[:])
	return sha1.Sum(outer[:])
}

// writers holds writers not in use: what is sent escapes, and would be garbage for each check.
var writers = sync.Pool{New: func() any { return new(stunWriter) }}

// stunWriter builds a message in a fixed array.
type stunWriter struct {
	buf [640]byte
	n   int
}

func (w *stunWriter) begin(kind uint16, id transaction) {
	binary.BigEndian.PutUint16(w.buf[0:], kind)
	binary.BigEndian.PutUint32(w.buf[4:], stunCookie)
	copy(w.buf[8:], id[:])
	w.n = stunHeader
}

// attribute opens an attribute and returns where its value is to be written.
func (w *stunWriter) attribute(typ uint16, n int) []byte {
	binary.BigEndian.PutUint16(w.buf[w.n:], typ)
	binary.BigEndian.PutUint16(w.buf[w.n+2:], uint16(n))
	v := w.buf[w.n+4 : w.n+4+n]
	w.n += 4 + (n+3)&^3
	clear(w.buf[w.n-(n+3)&^3+n : w.n]) // the padding
	return v
}

// finish adds MESSAGE-INTEGRITY and FINGERPRINT and returns the message.
func (w *stunWriter) finish(password []byte) []byte {
	at := w.n
	v := w.attribute(attrIntegrity, sha1.Size)
	binary.BigEndian.PutUint16(w.buf[2:], uint16(w.n-stunHeader))
	sum := hmacSHA1(password, w.buf[:at])
	copy(v, sum[:])
	at = w.n
	v = w.attribute(attrFingerprint, 4)
	binary.BigEndian.PutUint16(w.buf[2:], uint16(w.n-stunHeader))
	binary.BigEndian.PutUint32(v, crc32.ChecksumIEEE(w.buf[:at])^fingerprintMask)
	return w.buf[:w.n]
}

// success answers a Binding request: the address it came from (RFC 8489 §14.2).
func (w *stunWriter) success(id transaction, from netip.AddrPort, password []byte) []byte {
	w.begin(stunSuccess, id)
	if ip := from.Addr().Unmap(); ip.Is4() {
		v := w.attribute(attrMapped, 8)
		a := ip.As4()
		v[0], v[1] = 0, 1
		binary.BigEndian.PutUint16(v[2:], from.Port()^(stunCookie>>16))
		binary.BigEndian.PutUint32(v[4:], binary.BigEndian.Uint32(a[:])^stunCookie)
	} else {
		v := w.attribute(attrMapped, 20)
		a := ip.As16()
		v[0], v[1] = 0, 2
		binary.BigEndian.PutUint16(v[2:], from.Port()^(stunCookie>>16))
		binary.BigEndian.PutUint32(v[4:], binary.BigEndian.Uint32(a[:])^stunCookie)
		for i := range id {
			v[8+i] = a[4+i] ^ id[i]
		}
	}
	return w.finish(password)
}

// request makes a Binding request of the controlled agent.
func (w *stunWriter) request(id transaction, username string, password []byte) []byte {
	w.begin(stunRequest, id)
	copy(w.attribute(attrUsername, len(username)), username)
	binary.BigEndian.PutUint32(w.attribute(attrPriority, 4), 126<<24|65535<<8|255) // RFC 8445 §5.1.2.1
	copy(w.attribute(attrControlled, 8), id[4:])
	return w.finish(password)
}
