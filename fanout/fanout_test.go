package fanout

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
)

// ear is a listener whose packets are opened by another implementation.
type ear struct {
	t       testing.TB
	ctx     *srtp.Context
	rtp     []rtp.Packet
	control [][]byte
	full    bool
}

// Send implements Sink.
func (e *ear) Send(b []byte) bool {
	if e.full {
		return false
	}
	if b[1] >= 192 && b[1] <= 223 {
		plain, err := e.ctx.DecryptRTCP(nil, b, nil)
		if err != nil {
			e.t.Errorf("rtcp: %v", err)
		}
		e.control = append(e.control, plain)
		return true
	}
	plain, err := e.ctx.DecryptRTP(nil, b, nil)
	if err != nil {
		e.t.Errorf("rtp: %v", err)
		return true
	}
	var p rtp.Packet
	if err := p.Unmarshal(plain); err != nil {
		e.t.Errorf("rtp: %v", err)
	}
	p.Payload = append([]byte(nil), p.Payload...)
	e.rtp = append(e.rtp, p)
	return true
}

func pionContext(t testing.TB, k Keys, options ...srtp.ContextOption) *srtp.Context {
	c, err := srtp.CreateContext(k.Key[:], k.Salt[:k.Profile.SaltLen()], srtp.ProtectionProfile(k.Profile), options...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// hall is a floor with a clock.
type hall struct {
	t        *testing.T
	floor    *Floor
	counters Counters
	now      time.Time
}

func newHall(t *testing.T) *hall {
	h := &hall{t: t, now: time.Unix(1_700_000_000, 0)}
	h.floor = NewFloor(FloorConfig{Socket: testSocket(t), Counters: &h.counters, SSRC: 1000})
	return h
}

func (h *hall) ear(c ListenerConfig) (*ear, *Listener) {
	if c.Keys.Profile == 0 {
		c.Keys = randomKeys(AES128GCM)
	}
	if c.Slots == 0 {
		c.Slots = 3
	}
	if c.Class.Type == 0 {
		c.Class = Class{Type: 111, LevelID: 1}
	}
	e := &ear{t: h.t, ctx: pionContext(h.t, c.Keys, srtp.SRTPNoReplayProtection())}
	c.Sink = e
	return e, h.floor.AddListener(c)
}

// voice is a speaker with a packet counter.
type voice struct {
	h  *hall
	sp *Speaker
	p  Packet
}

func (h *hall) voice(csrc uint32, level uint8) *voice {
	return &voice{h: h, sp: h.floor.AddSpeaker(csrc, true), p: Packet{Index: 100, SSRC: csrc, Type: 111, Level: level}}
}

// next moves the voice's numbers by n frames without sending.
func (v *voice) next(n int) {
	v.p.Index += uint64(n)
	v.p.Timestamp += uint32(n) * 960
}

func (v *voice) send(payload ...byte) {
	if len(payload) == 0 {
		payload = make([]byte, 40)
		payload[0] = 0x78
		binary.BigEndian.PutUint64(payload[1:], v.p.Index)
	}
	v.p.Payload = payload
	v.sp.Forward(v.h.now, v.p, nil)
}

// say lets voices speak n frames, one each 20 ms.
func (h *hall) say(n int, voices ...*voice) {
	for range n {
		h.now = h.now.Add(20 * time.Millisecond)
		for _, v := range voices {
			v.next(1)
			v.send()
		}
	}
}

// clean checks that a listener sees no gap and no step back in any stream.
func (e *ear) clean() {
	e.t.Helper()
	last := map[uint32]rtp.Header{}
	for _, p := range e.rtp {
		if b, ok := last[p.SSRC]; ok {
			if p.SequenceNumber != b.SequenceNumber+1 {
				e.t.Fatalf("stream %d: sequence number %d after %d", p.SSRC, p.SequenceNumber, b.SequenceNumber)
			}
			if d := int32(p.Timestamp - b.Timestamp); d <= 0 || d > 10*clockRate {
				e.t.Fatalf("stream %d: timestamp steps by %d", p.SSRC, d)
			}
		}
		last[p.SSRC] = p.Header
	}
}

func TestAnotherImplementationOpensWhatWeSeal(t *testing.T) {
	for _, profile := range []Profile{AES128GCM, AES128CMSHA180} {
		t.Run(fmt.Sprintf("%#x", uint16(profile)), func(t *testing.T) {
			h := newHall(t)
			e, _ := h.ear(ListenerConfig{Keys: randomKeys(profile)})
			v := h.voice(7, 30)
			h.say(70_000, v) // beyond a wrap of the sequence number
			if len(e.rtp) != 70_000 {
				t.Fatalf("%d packets", len(e.rtp))
			}
			first, last := e.rtp[0], e.rtp[len(e.rtp)-1]
			if first.SequenceNumber != firstSequence || !first.Marker || first.CSRC[0] != 7 || first.SSRC != 1000 {
				t.Errorf("first packet: %v", first.Header)
			}
			if last.PayloadType != 111 || last.Marker || last.GetExtension(1)[0] != 30|0x80 {
				t.Errorf("last packet: %v", last.Header)
			}
			e.clean()
			for range 6 {
				h.floor.Sweep(h.now)
			}
			if len(e.control) != 1 || e.control[0][1] != 200 {
				t.Errorf("%d reports", len(e.control))
			}
		})
	}
}

func TestWeOpenWhatAnotherImplementationSeals(t *testing.T) {
	for _, profile := range []Profile{AES128GCM, AES128CMSHA180} {
		t.Run(fmt.Sprintf("%#x", uint16(profile)), func(t *testing.T) {
			k := randomKeys(profile)
			pion, o, oc := pionContext(t, k), NewOpener(k), NewControlOpener(k)
			for i := range 70_000 {
				p := rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: uint16(60_000 + i), SSRC: 5, PayloadType: 111},
					Payload: []byte("sound that is longer than a block")}
				_ = p.SetExtension(3, []byte{42})
				raw, _ := p.Marshal()
				sealed, err := pion.EncryptRTP(nil, raw, nil)
				if err != nil {
					t.Fatal(err)
				}
				again := bytes.Clone(sealed)
				plain, index, ok := o.Open(sealed)
				if !ok || !bytes.Equal(plain, raw) || index != uint64(60_000+i) {
					t.Fatalf("packet %d: %v, index %d", i, ok, index)
				}
				if got, ok := Parse(plain, index, 3); !ok || got.Level != 42 || !bytes.Equal(got.Payload, p.Payload) {
					t.Fatalf("parsed %+v", got)
				}
				if _, _, ok := o.Open(again); ok {
					t.Fatal("a replay was taken")
				}
			}
			for _, ssrc := range []byte{1, 2} { // each sender of reports counts for itself
				raw := []byte{0x80, 201, 0, 1, 0, 0, 0, ssrc}
				sealed, err := pion.EncryptRTCP(nil, raw, nil)
				if err != nil {
					t.Fatal(err)
				}
				again := bytes.Clone(sealed)
				if plain, ok := oc.Open(sealed); !ok || !bytes.Equal(plain, raw) {
					t.Fatalf("report of %d: %v", ssrc, ok)
				}
				if _, ok := oc.Open(again); ok {
					t.Fatal("a replayed report was taken")
				}
			}
		})
	}
}

func TestForgedSourcesDoNotUseUpTheSession(t *testing.T) {
	k := randomKeys(AES128GCM)
	pion, o, oc := pionContext(t, k), NewOpener(k), NewControlOpener(k)
	for ssrc := range byte(50) {
		forged := append([]byte{0x80, 111, 0, 1, 0, 0, 0, 0, 9, 9, 9, ssrc}, make([]byte, 40)...)
		if _, _, ok := o.Open(forged); ok {
			t.Fatal("taken")
		}
		control := append([]byte{0x80, 201, 0, 1, 9, 9, 9, ssrc}, make([]byte, 20)...)
		if _, ok := oc.Open(append(control[:24:24], 0x80, 0, 0, ssrc)); ok {
			t.Fatal("taken")
		}
	}
	raw, _ := (&rtp.Packet{Header: rtp.Header{Version: 2, SSRC: 5}, Payload: []byte("x")}).Marshal()
	sealed, _ := pion.EncryptRTP(nil, raw, nil)
	if _, _, ok := o.Open(sealed); !ok {
		t.Error("the true source is refused")
	}
	sealed, _ = pion.EncryptRTCP(nil, []byte{0x80, 201, 0, 1, 0, 0, 0, 5}, nil)
	if _, ok := oc.Open(sealed); !ok {
		t.Error("the true reporter is refused")
	}
}

func TestLateJoinerNearAWrapHears(t *testing.T) {
	h := newHall(t)
	h.floor.AddListener(ListenerConfig{Keys: randomKeys(AES128GCM), Slots: 3, Sink: null{}})
	v := h.voice(7, 30)
	h.say(1, v)
	h.floor.views[0].renditions[0].streams[0].merger.sequence = 3<<16 - 5
	v.p.SSRC++ // begins anew at the slot's next index
	late, _ := h.ear(ListenerConfig{})
	h.say(50, v)
	if len(late.rtp) != 50 || late.rtp[0].SequenceNumber != firstSequence {
		t.Fatalf("%d packets", len(late.rtp))
	}
	late.clean()
}

func TestSpeakerPassesOverHisOwnSlot(t *testing.T) {
	h := newHall(t)
	self, l := h.ear(ListenerConfig{Self: 1})
	one, two := h.voice(1, 20), h.voice(2, 40)
	h.say(60, one, two)
	h.say(200, one) // two falls silent; his slot is free
	h.floor.Sweep(h.now)
	h.say(150, two)
	h.now = h.now.Add(silenceTime)
	h.floor.Sweep(h.now) // now one's is free too
	h.say(60, two, one)
	for _, p := range self.rtp {
		if p.CSRC[0] == 1 {
			t.Fatal("heard himself")
		}
	}
	if n := len(self.rtp); n < 260 {
		t.Errorf("heard %d packets of the other", n)
	}
	self.clean()
	// What he asks for again must not be what his sequence numbers never meant.
	before := len(self.rtp)
	for slot := range uint32(3) {
		for seq := range uint16(600) {
			l.Nack(h.now.Add(time.Duration(seq)*time.Second), 1000+slot, firstSequence-100+seq, 0)
		}
	}
	known := map[string][]byte{}
	for i, p := range self.rtp {
		key := fmt.Sprint(p.SSRC, p.SequenceNumber)
		if i >= before && known[key] == nil {
			t.Fatalf("%s was resent but never sent", key)
		}
		if known[key] != nil && !bytes.Equal(known[key], p.Payload) {
			t.Fatalf("%s was used for two packets", key)
		}
		known[key] = p.Payload
	}
	if len(self.rtp) == before {
		t.Error("nothing was resent")
	}
}

func TestOnStageWithOneLineHearsTheLoudestOther(t *testing.T) {
	h := newHall(t)
	self, l := h.ear(ListenerConfig{Self: 1, Slots: 1})
	foreign, _ := h.ear(ListenerConfig{Slots: 1})
	one, two, three := h.voice(1, 10), h.voice(2, 20), h.voice(3, 50)
	h.say(100, one, two, three)
	for _, p := range self.rtp {
		if p.CSRC[0] != 2 {
			t.Fatalf("heard %d", p.CSRC[0])
		}
	}
	for _, p := range foreign.rtp {
		if p.CSRC[0] != 1 {
			t.Fatalf("the audience heard %d", p.CSRC[0])
		}
	}
	l.SetSelf(0) // off the stage: hears what everybody hears, and goes on without a gap
	h.say(50, two, one)
	if last := self.rtp[len(self.rtp)-1]; last.CSRC[0] != 1 {
		t.Errorf("heard %d", last.CSRC[0])
	}
	l.SetSelf(1)
	h.say(50, one, two)
	if last := self.rtp[len(self.rtp)-1]; last.CSRC[0] != 2 {
		t.Errorf("heard %d", last.CSRC[0])
	}
	self.clean()
	foreign.clean()
	if len(self.rtp) != 200 {
		t.Errorf("%d packets", len(self.rtp))
	}
}

func TestSilenceFreesTheSlotWithOneMarker(t *testing.T) {
	h := newHall(t)
	e, _ := h.ear(ListenerConfig{Slots: 1})
	one, two := h.voice(1, 30), h.voice(2, 30)
	h.say(100, one)
	one.p.Level = 127
	h.say(200, one) // sends on, but there is nothing to hear
	n := len(e.rtp)
	if n >= 300 || n < 200 {
		t.Fatalf("%d packets", n)
	}
	if last := e.rtp[n-1]; len(last.Payload) != 1 || last.Payload[0] != 0x78 {
		t.Errorf("no TOC-only packet at the end: %v", last.Payload)
	}
	h.say(10, two)
	if got := e.rtp[n]; !got.Marker || got.CSRC[0] != 2 {
		t.Errorf("the next spurt begins with %v", got.Header)
	}
	e.clean()
	if m := h.counters.Markers.Load(); m != 1 {
		t.Errorf("%d markers", m)
	}
}

func TestMutedSpeakerFreesHisSlotAtOnce(t *testing.T) {
	h := newHall(t)
	e, _ := h.ear(ListenerConfig{Slots: 1})
	one, two := h.voice(1, 20), h.voice(2, 40)
	h.say(20, one, two)
	one.sp.SetForward(h.now, false)
	h.say(20, one, two)
	if n := len(e.rtp); n != 41 || e.rtp[20].CSRC[0] != 1 || len(e.rtp[20].Payload) != 1 || e.rtp[21].CSRC[0] != 2 {
		t.Errorf("%d packets", n)
	}
	e.clean()
	if n := h.counters.DropMuted.Load(); n != 20 {
		t.Errorf("%d dropped", n)
	}
}

func TestFloorIsKeptForASecond(t *testing.T) {
	h := newHall(t)
	e, _ := h.ear(ListenerConfig{Slots: 1})
	one, two := h.voice(1, 40), h.voice(2, 10)
	h.say(1, one)
	h.say(45, one, two) // two is much louder, but one has just begun
	for _, p := range e.rtp {
		if p.CSRC[0] != 1 {
			t.Fatal("lost the slot at once")
		}
	}
	h.say(20, one, two)
	if last := e.rtp[len(e.rtp)-1]; last.CSRC[0] != 2 {
		t.Error("kept the slot for ever")
	}
	two.p.Level = 44
	h.say(300, one, two) // one is a little louder now: not enough
	if last := e.rtp[len(e.rtp)-1]; last.CSRC[0] != 2 {
		t.Error("slots flap")
	}
	e.clean()
}

func TestPauseLetsAnotherIn(t *testing.T) {
	h := newHall(t)
	e, _ := h.ear(ListenerConfig{Slots: 1})
	one, two := h.voice(1, 10), h.voice(2, 50)
	h.say(100, one)
	one.p.Level = 127
	h.say(60, one, two) // a pause of more than a second
	if last := e.rtp[len(e.rtp)-1]; last.CSRC[0] != 2 {
		t.Errorf("heard %d", last.CSRC[0])
	}
	e.clean()
}

func TestPaddingOnlyPacketsLeaveNoGap(t *testing.T) {
	h := newHall(t)
	e, _ := h.ear(ListenerConfig{})
	v := h.voice(1, 30)
	for range 20 {
		h.say(3, v)
		v.p.Index++ // a fresh sequence number, the old timestamp (MEDIA.md A7.3)
		v.p.Payload = nil
		v.sp.Forward(h.now, v.p, nil)
	}
	if len(e.rtp) != 60 {
		t.Errorf("%d packets", len(e.rtp))
	}
	e.clean()
}

func TestLatePacketIsSentOnceAndLeavesNoGap(t *testing.T) {
	h := newHall(t)
	e, _ := h.ear(ListenerConfig{})
	v := h.voice(1, 30)
	h.say(10, v)
	v.next(1)
	missed := v.p
	h.say(5, v)
	last := v.p
	v.p = missed
	v.send()
	v.send() // the same again
	v.p = last
	h.say(5, v)
	if len(e.rtp) != 21 {
		t.Fatalf("%d packets", len(e.rtp))
	}
	for i, p := range e.rtp {
		if p.SequenceNumber != firstSequence+uint16(i) {
			t.Fatalf("packet %d has sequence number %d", i, p.SequenceNumber)
		}
	}
	if late, before := e.rtp[15], e.rtp[9]; late.Timestamp != before.Timestamp+960 || binary.BigEndian.Uint64(late.Payload[1:]) != missed.Index {
		t.Errorf("the late packet is %v", late.Header)
	}
	if n := h.counters.DropLate.Load(); n != 1 {
		t.Errorf("%d late", n)
	}
}

func TestNacksAreAnsweredWithinABudget(t *testing.T) {
	h := newHall(t)
	e, l := h.ear(ListenerConfig{})
	other, _ := h.ear(ListenerConfig{})
	v := h.voice(1, 30)
	h.say(100, v)
	want := e.rtp[80]
	l.Nack(h.now, want.SSRC, want.SequenceNumber, 1)
	if len(e.rtp) != 102 || e.rtp[100].SequenceNumber != want.SequenceNumber || !bytes.Equal(e.rtp[100].Payload, want.Payload) ||
		e.rtp[100].Timestamp != want.Timestamp || e.rtp[101].SequenceNumber != want.SequenceNumber+1 {
		t.Fatal("not sent again as it was")
	}
	for range 1000 { // a storm
		l.Nack(h.now, want.SSRC, want.SequenceNumber, 0xffff)
	}
	if n := len(e.rtp); n > 100+resendBurst {
		t.Errorf("%d packets", n)
	}
	if len(other.rtp) != 100 {
		t.Error("others got retransmissions")
	}
	h.now = h.now.Add(time.Second)
	before := len(e.rtp)
	for _, bad := range []struct {
		ssrc uint32
		seq  uint16
	}{{1003, 1000}, {999, 1000}, {1000, 1}, {1000, 60000}, {1001, 1000}, {1000, firstSequence + 100}} {
		l.Nack(h.now, bad.ssrc, bad.seq, 0)
	}
	if len(e.rtp) != before {
		t.Error("something was resent that never was")
	}
}

func TestFullSinkLosesItsOwnPacketsOnly(t *testing.T) {
	h := newHall(t)
	slow, _ := h.ear(ListenerConfig{})
	e, _ := h.ear(ListenerConfig{})
	v := h.voice(1, 30)
	slow.full = true
	h.say(10, v)
	if len(e.rtp) != 10 || h.counters.DropSlow.Load() != 10 {
		t.Errorf("%d heard, %d dropped", len(e.rtp), h.counters.DropSlow.Load())
	}
}

func TestRateAndSizeAreLimitedForEachSpeaker(t *testing.T) {
	h := newHall(t)
	e, _ := h.ear(ListenerConfig{})
	flood, honest := h.voice(1, 30), h.voice(2, 30)
	for range 100 {
		h.say(1, honest)
		for range 10 {
			flood.next(1)
			flood.send()
		}
	}
	count := map[uint32]int{}
	for _, p := range e.rtp {
		count[p.CSRC[0]]++
	}
	if count[2] != 100 || count[1] > 400 { // of 1000
		t.Errorf("heard %v", count)
	}
	honest.send(make([]byte, MaxPayload+1)...)
	if h.counters.DropSize.Load() != 1 {
		t.Error("an oversized packet was taken")
	}
}

func TestClassesShareAFloor(t *testing.T) {
	h := newHall(t)
	a, _ := h.ear(ListenerConfig{Class: Class{Type: 111, LevelID: 1}})
	b, _ := h.ear(ListenerConfig{Class: Class{Type: 109, LevelID: 7}})
	c, l := h.ear(ListenerConfig{Class: Class{Type: 96}})
	v := h.voice(1, 30)
	h.say(10, v)
	if a.rtp[9].PayloadType != 111 || b.rtp[9].PayloadType != 109 || c.rtp[9].PayloadType != 96 {
		t.Error("payload types")
	}
	if a.rtp[9].GetExtension(1) == nil || b.rtp[9].GetExtension(7) == nil || c.rtp[9].Extension {
		t.Error("extensions")
	}
	l.Close()
	l.Close()
	v.p.Level = NoLevel
	h.say(10, v)
	if len(a.rtp) != 20 || len(c.rtp) != 10 || a.rtp[19].Extension {
		t.Errorf("%d, %d", len(a.rtp), len(c.rtp))
	}
	v.sp.Close(h.now)
	v.sp.Close(h.now)
	h.say(10, v)
	if len(a.rtp) != 21 {
		t.Errorf("%d after the speaker has gone", len(a.rtp))
	}
}

func TestForwardDoesNotAllocate(t *testing.T) {
	h := newHall(t)
	to := drain(t)
	h.floor.policy.Audience = 1
	for i := range 300 { // more than a batch, in six forms
		l := h.floor.AddListener(ListenerConfig{Keys: randomKeys([]Profile{AES128GCM, AES128CMSHA180}[i%2]),
			Class: Class{Type: 111, RED: redType, LevelID: 1}, Slots: 3, To: to, Longest: Framing(1 + i%3)})
		l.path = path{longest: l.longest, loss: lossy * loss(i/100%2), lossUntil: h.now.Add(time.Hour)}
	}
	v := h.voice(1, 30)
	for range 15 {
		h.say(100, v)
		h.floor.Sweep(h.now)
	}
	if n := len(h.floor.views[0].renditions); n != 6 {
		t.Fatalf("%d forms", n)
	}
	payload := make([]byte, 40)
	payload[0] = speech
	if n := testing.AllocsPerRun(50, func() {
		h.now = h.now.Add(20 * time.Millisecond)
		v.next(1)
		v.send(payload...)
		h.floor.Expire(h.now)
	}); n != 0 {
		t.Errorf("%v allocations for a packet", n)
	}
}
