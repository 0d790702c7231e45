package test

import (
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
)

// header12 is the fixed part of an RTP header (RFC 3550 §5.1) with first for its first byte.
func header12(first, payloadType byte, seq uint16, timestamp, ssrc uint32, rest ...byte) []byte {
	b := []byte{first, payloadType}
	b = binary.BigEndian.AppendUint16(b, seq)
	b = binary.BigEndian.AppendUint32(b, timestamp)
	b = binary.BigEndian.AppendUint32(b, ssrc)
	return append(b, rest...)
}

// malformed is RTP of a speaker's own, sealed with his keys, that is wrong.
type malformed struct {
	name            string
	header, payload []byte
}

// malformations all belong to one source, whose sequence goes on from seq.
func malformations(seq uint16, ssrc uint32, good []byte) (all []malformed) {
	add := func(name string, first, payloadType byte, payload []byte, rest ...byte) {
		seq++
		all = append(all, malformed{name, header12(first, payloadType, seq, uint32(seq)*960, ssrc, rest...), payload})
	}
	const plain, padded, extended, opus = 0x80, 0xa0, 0x90, opusType
	padding := func(n byte) []byte { return append(append([]byte(nil), good...), n) }
	add("no payload", plain, opus, nil)
	add("a payload that is too long", plain, opus, make([]byte, 1400))
	add("padding of nothing", padded, opus, nil)
	add("padding of no length", padded, opus, padding(0))
	add("padding longer than the payload", padded, opus, padding(255))
	add("nothing but padding", padded, opus, []byte{0, 0, 0, 4})
	add("one byte of padding only", padded, opus, []byte{1})
	add("fifteen contributors", plain|15, opus, good, make([]byte, 60)...)
	add("contributors beyond the end", plain|15, opus, nil)
	add("an extension beyond the end", extended, opus, good, 0xbe, 0xde, 0xff, 0xff)
	add("an extension of no length", extended, opus, good, 0xbe, 0xde, 0, 0)
	add("an element beyond its extension", extended, opus, good, 0xbe, 0xde, 0, 1, 0x1f, 0, 0, 0)
	add("an element that ends all", extended, opus, good, 0xbe, 0xde, 0, 1, 0xf3, 1, 2, 3)
	add("a level without a byte, two-byte form", extended, opus, good, 0x10, 0, 0, 1, levelSlot, 0, 0, 0)
	add("an element beyond its extension, two-byte form", extended, opus, good, 0x10, 0, 0, 1, levelSlot, 0xff, 0, 0)
	add("an extension of another kind", extended, opus, good, 0xab, 0xcd, 0, 1, 1, 2, 3, 4)
	add("half an extension header", extended, opus, nil, 0xbe, 0xde)
	for _, other := range []byte{0, 8, 34, 63, 96, 100, 127} {
		add("another payload type", plain, other, good)
	}
	add("Opus without a frame", plain, opus, []byte{15<<3 | 3, 0})
	add("Opus of 63 frames", plain, opus, []byte{15<<3 | 3, 63, 1, 2, 3})
	add("Opus of lengths that lie", plain, opus, []byte{15<<3 | 3, 0x80 | 5, 252, 252, 252, 252})
	add("Opus padded beyond the end", plain, opus, []byte{15<<3 | 3, 0x40 | 1, 255, 255, 255, 255})
	add("Opus of two frames, one of them beyond the end", plain, opus, []byte{15<<3 | 2, 252, 1})
	add("Opus of two frames of one byte", plain, opus, []byte{15<<3 | 1, 1})
	add("the shortest Opus", plain, opus, []byte{15 << 3})
	return all
}

// watch logs what an attack did to who only listens, and fails on a gap of a second.
func (h *haunted) watch(t *testing.T, name string, attack func()) {
	t.Helper()
	calm := h.stay.gap(observe(200 * time.Millisecond))
	from := time.Now()
	attack()
	_, to := observe(300 * time.Millisecond)
	gap, heard := h.stay.gap(from, to), len(h.stay.heard(1, from, to))
	t.Logf("%-32s took %6s; longest gap of others %8s (goal: 40 ms; before: %s)", name, to.Sub(from).Round(time.Millisecond), gap.Round(time.Microsecond*10), calm.Round(time.Microsecond*10))
	if gap > time.Second || heard < int(0.7*float64(to.Sub(from)/frameTime)) {
		t.Errorf("during %s others heard %d frames of the host in %s, with a gap of %s", name, heard, to.Sub(from), gap)
	}
	h.unharmed(t)
}

// stillHeard is the control: what the session sends as it should is forwarded.
func (h *haunted) stillHeard(t *testing.T, r *rogue, seq uint16, m mark) {
	t.Helper()
	within(t, 2*time.Second, "the session is heard when it sends what it should", func() bool {
		seq, m.number = seq+1, m.number+1
		r.send(r.sealed(seq, m, nil))
		return len(h.stay.heard(m.speaker, time.Now().Add(-time.Second), time.Now())) > 0
	})
}

func TestMalformedSoundHurtsNobodyElse(t *testing.T) {
	h := newHaunted(t)
	p := h.member(0)
	voice := p.rogue(h.room, "whip")
	h.stillHeard(t, voice, 100, mark{5, 100})
	h.watch(t, "malformed RTP", func() {
		for _, m := range malformations(1000, 0x1000+5, markedFrame(mark{6, 1})) {
			voice.send(voice.sealRaw(m.header, m.payload, 0))
			observe(2 * time.Millisecond)
		}
	})
	h.stillHeard(t, voice, 1100, mark{5, 1100})
	h.watch(t, "every byte of a packet spoiled", func() {
		good := voice.sealed(2000, mark{5, 2000}, nil)
		for i := range good {
			b := append([]byte(nil), good...)
			b[i] ^= 0xff
			voice.send(b)
			voice.send(good[:i])
		}
	})
	h.stillHeard(t, voice, 2001, mark{5, 2001})
	h.watch(t, "jumps and wraps of the sequence", func() {
		seq := uint16(2100)
		for i := range uint32(300) {
			seq += []uint16{1, 30000, 0x7fff, 5, 0xfff0, 65000, 0x8001}[i%7]
			voice.send(voice.sealRaw(header12(0x80, opusType, seq, i*0x7000_0001, 0x1000+5), markedFrame(mark{6, i}), i%3))
		}
	})
	voice = p.rogue(h.room, "whip")
	h.stillHeard(t, voice, 100, mark{7, 100})
	h.watch(t, "a hundred SSRCs, some of others", func() {
		taken := append(ssrcsOf(h.stay), 0x1000+1, 0, 1, 0xffffffff)
		for i := range uint32(100) {
			ssrc := i * 0x01010101
			if int(i) < len(taken) {
				ssrc = taken[i]
			}
			for seq := range uint16(3) {
				voice.send(voice.sealed(200+seq, mark{8, i}, func(h *rtp.Header) { h.SSRC = ssrc }))
			}
		}
	})
	h.stillHeard(t, voice, 200, mark{7, 200})
}

// TestTenTimesTheRateIsCutToTheSpeakersBudget sends 20 ms frames 500 times a second.
func TestTenTimesTheRateIsCutToTheSpeakersBudget(t *testing.T) {
	h := newHaunted(t)
	voice := h.member(0).rogue(h.room, "whip")
	h.stillHeard(t, voice, 100, mark{5, 100})
	n := uint32(0)
	from := time.Now()
	h.watch(t, "ten times the rate", func() {
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for ; n < 500; n++ {
			voice.send(voice.sealed(uint16(1000+n), mark{6, n}, nil))
			<-tick.C
		}
	})
	took := time.Since(from)
	got := len(h.stay.heard(6, from, time.Now()))
	most := int(150*took.Seconds()) + 75 + 10
	t.Logf("%d of %d frames were forwarded in %s; the budget is %d", got, n, took.Round(time.Millisecond), most)
	if got > most || got < 50 {
		t.Errorf("%d of %d frames were forwarded; the budget is %d", got, n, most)
	}
	observe(500 * time.Millisecond) // the budget fills
	h.stillHeard(t, voice, 2000, mark{5, 2000})
}

// redOf is a payload of RED (RFC 2198 §3) that brings a frame and so many before it.
func redOf(m mark, earlier uint32) []byte {
	var headers, bodies []byte
	for k := earlier; k > 0; k-- {
		frame := markedFrame(mark{m.speaker, m.number - k})[:16]
		headers = binary.BigEndian.AppendUint32(headers, 1<<31|opusType<<24|k*960<<10|uint32(len(frame)))
		bodies = append(bodies, frame...)
	}
	return append(append(append(headers, opusType), bodies...), markedFrame(m)...)
}

// TestRedundancyIsNoWayAroundTheBudget: each packet brings fifteen frames besides its own, all of them new.
func TestRedundancyIsNoWayAroundTheBudget(t *testing.T) {
	h := newHaunted(t)
	voice, a, err := h.member(0).tryRogue(h.room, ways{direction: "whip", offer: func(s string) string {
		return strings.Replace(strings.Replace(s, "SAVPF 111", "SAVPF 63 111", 1), "a=rtpmap:111", "a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\na=rtpmap:111", 1)
	}})
	if err != nil {
		t.Fatal(a, err)
	}
	h.stillHeard(t, voice, 100, mark{5, 100})
	const packets, earlier = 100, 15
	from := time.Now()
	h.watch(t, "fifteen frames in each packet", func() {
		tick := time.NewTicker(frameTime)
		defer tick.Stop()
		for i := range uint32(packets) {
			n := 1000 + (earlier+1)*i
			voice.send(voice.sealRaw(header12(0x80, 63, uint16(n), n*960, 0x1000+5), redOf(mark{6, n}, earlier), 0))
			<-tick.C
		}
	})
	took := time.Since(from)
	got, most := len(h.stay.heard(6, from, time.Now())), int(150*took.Seconds())+75+10
	t.Logf("%d of %d frames in %d packets were forwarded in %s; the budget is %d", got, packets*(earlier+1), packets, took.Round(time.Millisecond), most)
	if got > most || got < packets/2 {
		t.Errorf("%d frames were forwarded; the budget is %d", got, most)
	}
}

// controlStorm is RTCP that a listener may seal with his own keys.
func controlStorm(ssrcs []uint32) (all [][]byte) {
	receiver := &rtcp.ReceiverReport{SSRC: 1}
	var nack, others []byte
	for _, ssrc := range ssrcs {
		receiver.Reports = append(receiver.Reports, rtcp.ReceptionReport{SSRC: ssrc, FractionLost: 255, TotalLost: 1 << 23, LastSequenceNumber: 1 << 31, Jitter: 1 << 31})
		nack = append(nack, nackAll(ssrc, uint16(ssrc))...)
	}
	for _, p := range []rtcp.Packet{
		&rtcp.Goodbye{Sources: ssrcs, Reason: "others"}, &rtcp.SenderReport{SSRC: ssrcs[0], NTPTime: 1 << 63, PacketCount: 1 << 31},
		&rtcp.PictureLossIndication{SenderSSRC: 1, MediaSSRC: ssrcs[0]}, &rtcp.ReceiverEstimatedMaximumBitrate{SenderSSRC: 1, Bitrate: 1, SSRCs: ssrcs},
		&rtcp.FullIntraRequest{SenderSSRC: 1, MediaSSRC: ssrcs[0]},
	} {
		if b, err := p.Marshal(); err == nil {
			others = append(others, b...)
		}
	}
	reports, err := receiver.Marshal()
	if err != nil {
		panic(err)
	}
	compound := append(append(append([]byte(nil), reports...), nack[:240]...), others...)
	for i := 8; i <= len(compound); i += 4 {
		all = append(all, compound[:i], compound[:i-1]) // cut in every place
	}
	for _, first := range []byte{0x80, 0x9f, 0xbf, 0xc0, 0x40} { // counts and versions that lie
		for kind := byte(200); kind <= 207; kind++ {
			all = append(all, []byte{first, kind, 0, 1, 0, 0, 0, 1}, []byte{first, kind, 0xff, 0xff, 0, 0, 0, 1}, []byte{first, kind, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0})
		}
	}
	random := rand.New(rand.NewPCG(9, 9))
	for range 200 {
		b := append([]byte(nil), compound...)
		for range 1 + random.IntN(12) {
			b[8+random.IntN(len(b)-8)] = byte(random.Uint32())
		}
		all = append(all, b)
	}
	return all
}

func TestStormOfControlPacketsHurtsNobodyElse(t *testing.T) {
	h := newHaunted(t)
	attacker := h.member(1).rogue(h.room, "whep")
	attacker.untilPackets()
	observe(300 * time.Millisecond)
	ssrcs := append(ssrcsOf(attacker), 0x1000+1)
	before := h.metric(t, "besedka_media_rtp_resent_total")
	h.watch(t, "NACK for everything", func() {
		for range 200 {
			last := attacker.latest()
			for i := range uint32(4) { // his own slots and one that is not
				attacker.sendControl(nackAll(ssrcs[0]+i, last.seq))
			}
			attacker.sendControl(nackAll(last.ssrc, last.seq))
			observe(time.Millisecond)
		}
	})
	asked, resent := 1000*250*17, h.metric(t, "besedka_media_rtp_resent_total")-before
	t.Logf("%d packets asked for in 1000 requests: %v were sent again", asked, resent)
	if resent == 0 || resent > 500 {
		t.Errorf("1000 requests brought %v packets; want some and at most 500", resent)
	}
	h.watch(t, "malformed compound packets", func() {
		for i, b := range controlStorm(ssrcs) {
			attacker.sendControl(b)
			if i%20 == 0 {
				observe(time.Millisecond)
			}
		}
	})
	voice := h.member(0).rogue(h.room, "whip")
	h.stillHeard(t, voice, 100, mark{5, 100})
	h.watch(t, "RTCP of a speaker", func() {
		for i, b := range controlStorm(ssrcs) {
			voice.sendControl(b)
			if i%20 == 0 {
				observe(time.Millisecond)
			}
		}
	})
	h.stillHeard(t, voice, 200, mark{5, 200})
	attacker.untilPackets() // he has harmed not even himself
}

func TestDatagramsOfEverySizeHurtNobody(t *testing.T) {
	h := newHaunted(t)
	attacker := h.member(1).rogue(h.room, "whep")
	attacker.untilPackets()
	stranger := attacker.stray()
	h.watch(t, "datagrams of up to 64 KB", func() {
		for _, size := range []int{0, 1, 2, 3, 11, 12, 13, 19, 20, 21, 27, 28, 100, 1499, 1500, 1501, 2047, 2048, 2049, 4096, 9000, 32768, 65507} {
			for _, first := range []byte{0, 1, 3, 4, 19, 20, 21, 22, 23, 63, 64, 127, 128, 144, 160, 191, 192, 255} {
				b := make([]byte, size)
				for i := range b {
					b[i] = byte(i) ^ first
				}
				if size > 0 {
					b[0] = first
				}
				if size >= 20 && first < 2 {
					binary.BigEndian.PutUint16(b[2:], uint16(size-20))
					binary.BigEndian.PutUint32(b[4:], 0x2112a442)
				}
				attacker.send(b)
				_, _ = stranger.Write(b)
			}
			observe(2 * time.Millisecond)
		}
	})
	h.watch(t, "a megabyte a tick", func() {
		b := make([]byte, 65507)
		for i := range 150 {
			b[0] = []byte{0, 22, 128}[i%3]
			_, _ = stranger.Write(b)
			attacker.send(b)
			observe(2 * time.Millisecond)
		}
	})
	attacker.untilPackets()
}
