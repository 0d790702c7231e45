package fanout

import (
	"crypto/subtle"
	"encoding/binary"
)

// window is a replay window of 64 packets (RFC 3711 §3.3.2).
type window struct {
	top  uint64
	bits uint64 // bit d: top-d has been seen
	any  bool
}

func (w *window) fresh(i uint64) bool {
	if !w.any || i > w.top {
		return true
	}
	d := w.top - i
	return d < 64 && w.bits>>d&1 == 0
}

func (w *window) mark(i uint64) {
	switch {
	case !w.any:
		w.any, w.top, w.bits = true, i, 1
	case i > w.top:
		if d := i - w.top; d < 64 {
			w.bits = w.bits<<d | 1
		} else {
			w.bits = 1
		}
		w.top = i
	default:
		w.bits |= 1 << (w.top - i)
	}
}

// maxSources bounds the SSRCs that one session may use in its life. A source's
// replay window is never forgotten, or going back to it would open a replay.
const maxSources = 4

type source struct {
	ssrc uint32
	win  window
}

// Opener checks and decrypts the RTP of one session: authentication and replay
// before anything else. Not for concurrent use.
type Opener struct {
	s       sealer // the same keys open
	iv      [12]byte
	sources [maxSources]source
	n       int
}

// NewOpener makes an opener from the master keys with which the peer writes.
func NewOpener(k Keys) *Opener { return &Opener{s: newSealer(&k)} }

// Open decrypts the SRTP packet b in place. It returns the plain packet, which
// lies in b, and the packet's index (rollover counter and sequence number).
func (o *Opener) Open(b []byte) (plain []byte, index uint64, ok bool) {
	h, ok := headerLen(b)
	if !ok {
		return nil, 0, false
	}
	src := o.source(binary.BigEndian.Uint32(b[8:]))
	if src == nil {
		return nil, 0, false
	}
	seq := binary.BigEndian.Uint16(b[2:])
	index, ok = src.guess(seq)
	if !ok || !src.win.fresh(index) {
		return nil, 0, false
	}
	if plain, ok = o.open(b, h, src.ssrc, index); !ok {
		return nil, 0, false
	}
	if src == &o.sources[min(o.n, maxSources-1)] && o.n < maxSources {
		o.n++ // a new source counts once a packet of its has been authentic
	}
	src.win.mark(index)
	return plain, index, true
}

func (o *Opener) open(b []byte, h int, ssrc uint32, index uint64) ([]byte, bool) {
	if o.s.cm == nil {
		if len(b) < h+gcmTag {
			return nil, false
		}
		gcmIV(&o.iv, &o.s.salt, ssrc, uint32(index>>16), uint16(index))
		p, err := o.s.aead.Open(b[h:h], o.iv[:], b[h:], b[:h])
		return b[:h+len(p)], err == nil
	}
	n := len(b) - sha1Tag
	if n < h || subtle.ConstantTimeCompare(o.s.cm.tag(b[:n], uint32(index>>16), true), b[n:]) != 1 {
		return nil, false
	}
	o.s.cm.xor(b[h:n], ssrc, index)
	return b[:n], true
}

// source finds the state of an SSRC; the first free place stands for a new one.
func (o *Opener) source(ssrc uint32) *source {
	for i := range o.n {
		if o.sources[i].ssrc == ssrc {
			return &o.sources[i]
		}
	}
	if o.n == maxSources {
		return nil
	}
	o.sources[o.n] = source{ssrc: ssrc}
	return &o.sources[o.n]
}

// guess is the index estimate of RFC 3711 §3.3.1 and Appendix A.
func (s *source) guess(seq uint16) (uint64, bool) {
	if !s.win.any {
		return uint64(seq), true
	}
	i := int64(s.win.top) + int64(int16(seq-uint16(s.win.top)))
	return uint64(i), i >= 0 && i < 1<<48
}

// headerLen is the length of the RTP header with CSRCs and extension (RFC 3550 §5.1).
func headerLen(b []byte) (int, bool) {
	if len(b) < 12 || b[0]>>6 != 2 {
		return 0, false
	}
	h := 12 + 4*int(b[0]&15)
	if b[0]&0x10 != 0 {
		if len(b) < h+4 {
			return 0, false
		}
		h += 4 + 4*int(binary.BigEndian.Uint16(b[h+2:]))
	}
	return h, len(b) >= h
}

// maxControlSources bounds the senders of RTCP in one session. Agents use one
// SSRC for each kind of report or for each stream, and each has an index of its
// own (RFC 3711 §3.2.3).
const maxControlSources = 8

// ControlOpener checks and decrypts the RTCP of one session. Like
// ControlSealer it keeps keys, not ciphers. Not for concurrent use.
type ControlOpener struct {
	keys    Keys     // controlKeys
	sources []source // never forgotten, or going back to one would open a replay
}

// NewControlOpener makes an opener from the master keys with which the peer writes.
func NewControlOpener(k Keys) *ControlOpener { return &ControlOpener{keys: controlKeys(k)} }

// Open decrypts the SRTCP packet b in place and returns the plain compound packet.
func (c *ControlOpener) Open(b []byte) ([]byte, bool) {
	tail := 4 // the index word: after the tag in RFC 7714 §9.2, before it in RFC 3711 §3.4
	if c.keys.Profile == AES128CMSHA180 {
		tail += sha1Tag
	}
	n := len(b) - tail
	if n < 8 {
		return nil, false
	}
	word := binary.BigEndian.Uint32(b[n:])
	index := word &^ (1 << 31)
	if word>>31 == 0 { // unencrypted SRTCP is not spoken
		return nil, false
	}
	win := c.window(binary.BigEndian.Uint32(b[4:]))
	if win == nil || !win.fresh(uint64(index)) {
		return nil, false
	}
	open := c.openGCM
	if c.keys.Profile == AES128CMSHA180 {
		open = c.openCM
	}
	plain, ok := open(b, n, index)
	if ok {
		win.mark(uint64(index))
	} else if !win.any {
		c.sources = c.sources[:len(c.sources)-1] // a source counts once it has been authentic
	}
	return plain, ok
}

// window is the replay window of a sender, or nil when there are too many.
func (c *ControlOpener) window(ssrc uint32) *window {
	for i := range c.sources {
		if c.sources[i].ssrc == ssrc {
			return &c.sources[i].win
		}
	}
	if len(c.sources) == maxControlSources {
		return nil
	}
	c.sources = append(c.sources, source{ssrc: ssrc})
	return &c.sources[len(c.sources)-1].win
}

// openGCM opens a packet whose index word stands at n, after the tag.
func (c *ControlOpener) openGCM(b []byte, n int, index uint32) ([]byte, bool) {
	if n < 8+gcmTag {
		return nil, false
	}
	aead, salt := controlGCM(&c.keys)
	var iv, aad [12]byte
	gcmControlIV(&iv, &salt, binary.BigEndian.Uint32(b[4:]), index)
	copy(aad[:], b[:8])
	copy(aad[8:], b[n:])
	p, err := aead.Open(b[8:8], iv[:], b[8:n], aad[:])
	return b[:8+len(p)], err == nil
}

// openCM opens a packet whose index word stands at n, before the tag.
func (c *ControlOpener) openCM(b []byte, n int, index uint32) ([]byte, bool) {
	cm := newCounterMode(&c.keys, labelRTCPKey, labelRTCPAuth, labelRTCPSalt)
	if subtle.ConstantTimeCompare(cm.tag(b[:n+4], 0, false), b[n+4:]) != 1 {
		return nil, false
	}
	cm.xor(b[8:n], binary.BigEndian.Uint32(b[4:]), uint64(index))
	return b[:n], true
}
