package fanout

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/pion/srtp/v3"
)

// fuzzEar opens what is sent and checks what must hold whatever the speaker
// does: everything is authentic RTP, and no sequence number is used twice for
// different packets.
type fuzzEar struct {
	t    *testing.T
	ctx  *srtp.Context
	last map[[2]uint32]string
}

// Send implements Sink.
func (e *fuzzEar) Send(b []byte) bool {
	if b[1] >= 192 && b[1] <= 223 {
		return true
	}
	plain, err := e.ctx.DecryptRTP(nil, b, nil)
	if err != nil {
		e.t.Fatalf("not authentic: %v", err)
	}
	// The streams of one run are short: sequence numbers do not wrap.
	key := [2]uint32{binary.BigEndian.Uint32(plain[8:]), uint32(binary.BigEndian.Uint16(plain[2:]))}
	if was, ok := e.last[key]; ok && was != string(plain) {
		e.t.Fatal("one nonce for two packets")
	}
	e.last[key] = string(plain)
	return true
}

// FuzzForward feeds a floor with the decrypted packets of two hostile
// speakers: each packet is a length byte, a flag byte and its bytes. Bit 0 of
// the flags says which speaker, bit 1 lets time pass, bit 2 sweeps, bit 3 asks
// for packets again, bit 4 shuts a mouth, bit 5 opens it, bit 6 sends the
// listener on stage or off it, bit 7 lets him report loss and reads the payload as RED.
// Framing changes with every sweep.
func FuzzForward(f *testing.F) {
	k := Keys{Profile: AES128GCM}
	sock := testSocket(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		var counters Counters
		floor := NewFloor(FloorConfig{Socket: sock, Counters: &counters, SSRC: 1000, Policy: Policy{Audience: 1, Learn: 1, Step: 1}})
		ctx, err := srtp.CreateContext(k.Key[:], k.Salt[:12], srtp.ProtectionProfileAeadAes128Gcm, srtp.SRTPNoReplayProtection())
		if err != nil {
			t.Fatal(err)
		}
		e := &fuzzEar{t: t, ctx: ctx, last: map[[2]uint32]string{}}
		l := floor.AddListener(ListenerConfig{Keys: k, Class: withRED, Slots: 3, Self: 9, Sink: e})
		one := floor.AddListener(ListenerConfig{Keys: k, Class: Class{Type: 96}, Slots: 1, Sink: null{}})
		speakers := []*Speaker{floor.AddSpeaker(1, true), floor.AddSpeaker(2, true)}
		now := time.Unix(1_700_000_000, 0)
		for steps := 0; len(data) >= 2 && steps < 400; steps++ {
			n, flags := int(data[0]), data[1]
			data = data[2:]
			packet := data[:min(n, len(data))]
			data = data[len(packet):]
			fuzzStep(floor, speakers, l, one, flags, packet, &now)
		}
	})
}

func fuzzStep(floor *Floor, speakers []*Speaker, l, one *Listener, flags byte, packet []byte, now *time.Time) {
	sp := speakers[flags&1]
	if flags&2 != 0 {
		*now = now.Add(time.Duration(flags) * 20 * time.Millisecond)
	}
	if flags&4 != 0 {
		floor.Sweep(*now)
	}
	if flags&16 != 0 {
		sp.SetForward(*now, false)
	}
	if flags&32 != 0 {
		sp.SetForward(*now, true)
	}
	if flags&64 != 0 {
		l.SetSelf(uint32(flags & 3))
		l.SetStage(*now, flags&1 != 0)
		one.SetSelf(uint32(flags & 3))
	}
	if flags&128 != 0 {
		l.Report(*now, 1000, uint8(len(packet)))
	}
	*now = now.Add(5 * time.Millisecond)
	floor.Expire(*now)
	if len(packet) >= 4 {
		if p, ok := Parse(packet, uint64(binary.BigEndian.Uint16(packet[2:])), 1); ok {
			if blocks, err := ParseRED(nil, p.Payload, p.Timestamp); flags&128 != 0 && err == nil {
				p.Payload, p.Earlier = blocks[len(blocks)-1].Payload, blocks[:len(blocks)-1]
			}
			sp.Forward(*now, p, nil)
		}
	}
	if flags&8 != 0 {
		for slot := range uint32(MaxSlots) {
			l.Nack(*now, 1000+slot, firstSequence+uint16(len(packet)), 0xffff)
		}
	}
}

// FuzzOpen feeds the openers with what comes from the network.
func FuzzOpen(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte, cm bool) {
		k := Keys{Profile: AES128GCM}
		if cm {
			k.Profile = AES128CMSHA180
		}
		if _, _, ok := NewOpener(k).Open(append([]byte(nil), b...)); ok && len(b) < 12+sha1Tag {
			t.Fatal("opened what is too short")
		}
		if _, ok := NewControlOpener(k).Open(append([]byte(nil), b...)); ok && len(b) < 8+4+sha1Tag {
			t.Fatal("opened what is too short")
		}
	})
}
