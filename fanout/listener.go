package fanout

import (
	"encoding/binary"
	"net/netip"
	"time"
)

const (
	// Budget of a listener for retransmissions.
	resendsPerSecond = 50
	resendBurst      = 64
)

// Sink takes packets for a listener who is not reached by UDP. Send must not
// block: it copies the packet into a bounded queue or refuses it.
type Sink interface {
	Send(packet []byte) bool
}

// ListenerConfig says what a listener receives and where.
type ListenerConfig struct {
	Keys  Keys // the master keys with which we write
	Class Class
	Slots int    // how many streams he can play, 1 to MaxSlots
	Self  uint32 // his own number as a speaker, 0 if he has none
	Stage bool   // he is on stage, see Policy
	To    netip.AddrPort
	Sink  Sink // takes the packets instead of To
	// Longest is the longest packet that he plays; 0 means 120 ms.
	Longest Framing
}

// Listener is somebody who hears a floor. Its methods may be called from any goroutine.
type Listener struct {
	floor  *Floor
	view   *view
	group  *group
	at     int // index in group.outs
	gone   bool
	report *ControlSealer
	resend Bucket
	slots  int
	path
}

// out is what the fan-out touches for one listener; they lie densely.
type out struct {
	sealer
	sink  Sink // nil: UDP
	to    address
	self  uint32
	base  [MaxSlots]uint32 // subtracted from a stream's index: everybody starts at firstSequence, ROC 0 (MEDIA.md B7.1)
	since [MaxSlots]uint32 // the first index that base is valid for
	who   *Listener
}

// group is the listeners of a rendition who share plaintext.
type group struct {
	class     Class
	rendition *rendition
	outs      []out
}

// Close takes the listener off the floor. After it has returned nothing more is sent to him.
func (l *Listener) Close() {
	f := l.floor
	f.mu.Lock()
	defer f.mu.Unlock()
	if l.gone {
		return
	}
	l.gone = true
	f.leaveLocked(l.view, l.group, l.at)
	f.settleLocked(nil)
}

// Move changes where the listener's packets go.
func (l *Listener) Move(to netip.AddrPort, sink Sink) {
	l.floor.mu.Lock()
	defer l.floor.mu.Unlock()
	if l.gone {
		return
	}
	o := &l.group.outs[l.at]
	o.to, o.sink = l.floor.sock.address(to), sink
}

// SetSelf tells that the listener is the speaker of that number (0: none),
// whom he is not to hear.
func (l *Listener) SetSelf(csrc uint32) {
	f := l.floor
	f.mu.Lock()
	defer f.mu.Unlock()
	if l.gone {
		return
	}
	o := &l.group.outs[l.at]
	if o.self == csrc {
		return
	}
	o.self = csrc
	if to := f.viewLocked(l.slots, csrc); to != l.view {
		l.askedFrom = time.Time{}
		f.moveLocked(l, to, l.group.rendition.form, *o)
	}
}

// Nack sends packets again that the listener asks for (RFC 4585 §6.2.1): the
// one with sequence number pid in the stream ssrc and those that follow it
// where a bit of blp is set.
func (l *Listener) Nack(now time.Time, ssrc uint32, pid, blp uint16) {
	f := l.floor
	f.mu.Lock()
	defer f.mu.Unlock()
	if l.gone || ssrc-f.ssrc >= uint32(len(l.view.slots)) {
		return
	}
	b := f.openLocked(nil)
	defer f.departLocked(b, nil)
	i := int(ssrc - f.ssrc)
	for n := uint16(0); n <= 16; n++ {
		if n == 0 || blp>>(n-1)&1 == 1 {
			l.resendLocked(b, now, i, pid+n)
		}
	}
}

func (l *Listener) resendLocked(b *batch, now time.Time, i int, seq uint16) {
	o, r := &l.group.outs[l.at], l.group.rendition
	s := &r.streams[i]
	// The newest index whose sequence number of this listener is seq.
	last := s.next() - 1 - o.base[i]
	index := s.next() - 1 - uint32(uint16(last)-seq)
	e := s.cached(index)
	if e == nil || int32(index-o.since[i]) < 0 || o.hides(e) || !l.resend.Take(now, resendsPerSecond, resendBurst) {
		l.floor.counters.DropNack.Add(1)
		return
	}
	ssrc := l.floor.SSRC(i)
	h := l.group.class.header(&b.hdr, r.form, ssrc, e)
	l.floor.deliver(b, o, i, h, ssrc, e)
	l.floor.counters.Resent.Add(1)
	l.asked++
}

// SentAt is when something was last sent to the listener; zero if nothing has been, or
// he has been closed.
func (l *Listener) SentAt() time.Time {
	l.floor.mu.Lock()
	defer l.floor.mu.Unlock()
	var last time.Time
	if l.gone {
		return last
	}
	for i := range l.view.slots {
		if at := l.view.slots[i].sentAt; at.After(last) {
			last = at
		}
	}
	return last
}

// hides says whether the packet carries the listener's own voice.
func (o *out) hides(e *frame) bool { return o.self != 0 && o.self == e.csrc }

// report makes the sender report of a slot's stream (RFC 3550 §6.4.1) for the moment now.
func (s *slot) report(dst []byte, ssrc uint32, sent *stream, now time.Time) []byte {
	const ntpEpoch = 2208988800 // seconds from 1900 to 1970
	media := s.ts + uint32(now.Sub(s.sentAt).Microseconds()*clockRate/1e6)
	dst = append(dst, 2<<6, 200, 0, 6)
	dst = binary.BigEndian.AppendUint32(dst, ssrc)
	dst = binary.BigEndian.AppendUint32(dst, uint32(now.Unix()+ntpEpoch))
	dst = binary.BigEndian.AppendUint32(dst, uint32(uint64(now.Nanosecond())<<32/1e9))
	dst = binary.BigEndian.AppendUint32(dst, media)
	dst = binary.BigEndian.AppendUint32(dst, sent.packets)
	dst = binary.BigEndian.AppendUint32(dst, sent.octets)
	// The source's CNAME (RFC 3550 §6.5), padded to a word.
	dst = append(dst, 2<<6|1, 202, 0, 4)
	dst = binary.BigEndian.AppendUint32(dst, ssrc)
	return append(dst, 1, 7, 'b', 'e', 's', 'e', 'd', 'k', 'a', 0, 0, 0)
}
