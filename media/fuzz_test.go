package media

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"net/netip"
	"strings"
	"testing"
	"time"

	"besedka/fanout"
)

// fuzzServer is a server with a live session each way, made without a handshake.
func fuzzServer(tb testing.TB) (s *Server, up, down *session, from path) {
	start := time.Now() // stands still: consent is not lost while a fuzzer runs
	s, err := Listen(Config{Listen: netip.MustParseAddrPort("127.0.0.1:0"), Now: func() time.Time { return start }})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	s.Grant("room", "who", Grant{CSRC: 1, Publish: true, Forward: true})
	make := func(dir Direction, port uint16) *session {
		offer := withRED(seedOffer)
		if dir == Up {
			offer = strings.Replace(offer, "recvonly", "sendonly", 1)
		}
		got, err := s.Answer(context.Background(), dir, "room", "who", "cred", []byte(offer))
		if err != nil {
			tb.Fatal(err)
		}
		x := s.tables.id(got.ID)
		x.mu.Lock()
		x.selectLocked(path{addr: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)}, s.cfg.Now())
		x.mu.Unlock()
		x.establish(&handshake{ours: fanout.Keys{Profile: fanout.AES128GCM}, theirs: fanout.Keys{Profile: fanout.AES128GCM}})
		return x
	}
	up, down = make(Up, 9), make(Down, 10)
	return s, up, down, path{addr: netip.MustParseAddrPort("127.0.0.1:9")}
}

const seedOffer = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n" +
	"m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=ice-ufrag:peer\r\n" +
	"a=ice-pwd:0123456789012345678901\r\na=fingerprint:sha-256 " +
	"00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\n" +
	"a=setup:actpass\r\na=rtcp-mux\r\na=recvonly\r\na=rtpmap:111 opus/48000/2\r\n" +
	"a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n"

// FuzzOffer: whatever is offered is refused or answered with as many m-lines,
// and nothing of the peer's reaches the answer that could begin a line.
func FuzzOffer(f *testing.F) {
	s, _, _, _ := fuzzServer(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, dir := range []Direction{Up, Down} {
			got, err := s.Answer(context.Background(), dir, "room", "who", "cred", raw)
			if err != nil {
				continue
			}
			text := string(got.SDP)
			if n := strings.Count(text, "\r\nm=audio 9 UDP/TLS/RTP/SAVPF "); n < 1 || n > maxMedia {
				t.Fatalf("%d m-lines in the answer", n)
			}
			if strings.Count(text, "\n") != strings.Count(text, "\r\n") {
				t.Fatal("a bare line feed in the answer")
			}
			if _, err := parseOffer(got.SDP); err != nil {
				t.Fatalf("the answer does not parse: %v", err)
			}
		}
	})
}

// FuzzPacket: any bytes from a stranger and from a peer's own address. With
// sign, STUN messages get the right password, so that what lies behind the
// integrity check is reached.
func FuzzPacket(f *testing.F) {
	s, up, down, from := fuzzServer(f)
	stranger := path{addr: netip.MustParseAddrPort("127.0.0.1:11")}
	f.Fuzz(func(t *testing.T, b []byte, sign bool) {
		if len(b) > fanout.MaxDatagram {
			return
		}
		if sign {
			b = signed(b, up)
		}
		before := s.count.panics.Load()
		now := s.cfg.Now()
		s.packet(bytes.Clone(b), stranger, now, nil)
		s.packet(bytes.Clone(b), from, now, nil)
		if s.count.panics.Load() != before {
			t.Fatal("a panic")
		}
		if up.over() || down.over() {
			t.Fatal("a packet ended a session")
		}
	})
}

// signed appends USERNAME, MESSAGE-INTEGRITY and FINGERPRINT to what may be a STUN message.
func signed(b []byte, x *session) []byte {
	if len(b) < stunHeader || len(b) > maxSTUN-100 {
		return b
	}
	b = bytes.Clone(b[:len(b)&^3])
	binary.BigEndian.PutUint32(b[4:], stunCookie)
	add := func(typ uint16, v []byte) {
		b = binary.BigEndian.AppendUint16(b, typ)
		b = binary.BigEndian.AppendUint16(b, uint16(len(v)))
		b = append(b, v...)
		for len(b)%4 != 0 {
			b = append(b, 0)
		}
	}
	add(attrUsername, []byte(x.ufrag+":"+x.peerUfrag))
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)-stunHeader+24))
	sum := hmacSHA1([]byte(x.password), b)
	add(attrIntegrity, sum[:])
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)-stunHeader+8))
	add(attrFingerprint, binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(b)^fingerprintMask))
	return b
}

// FuzzMedia: any RTP that a speaker may send under his own key.
func FuzzMedia(f *testing.F) {
	s, up, _, _ := fuzzServer(f)
	index, now := uint64(0), s.cfg.Now()
	f.Fuzz(func(t *testing.T, b []byte, jump uint16) {
		up.mu.Lock()
		defer up.mu.Unlock()
		index += uint64(jump)
		now = now.Add(20 * time.Millisecond)
		up.plainPacket(bytes.Clone(b), index, now, nil)
		if up.up.nMissing > maxMissing {
			t.Fatal("too much is missed")
		}
		if r := up.up.receiverReport(nil, now); len(r) != 32 {
			t.Fatal("the report is malformed")
		}
	})
}

// FuzzControl: any RTCP that a speaker or a listener may send under his own key.
func FuzzControl(f *testing.F) {
	s, up, down, _ := fuzzServer(f)
	k := fanout.Keys{Profile: fanout.AES128GCM}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, x := range []*session{up, down} {
			x.mu.Lock()
			x.control, x.asks = fanout.NewControlOpener(k), fanout.Bucket{}
			to := x.path
			x.mu.Unlock()
			before := s.count.controlRefused.Load()
			x.controlPacket(fanout.NewControlSealer(k).Seal(nil, b), to, s.cfg.Now())
			if len(b) >= 8 && s.count.controlRefused.Load() != before {
				t.Fatal("authentic RTCP was refused")
			}
		}
	})
}

// FuzzFrame: any bytes on a TCP connection.
func FuzzFrame(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		var buf [fanout.MaxDatagram]byte
		for total := 0; ; {
			got, err := readFrame(r, buf[:])
			if err != nil {
				return
			}
			if total += 2 + len(got); total > len(b) {
				t.Fatal("more was read than there is")
			}
		}
	})
}

// FuzzFragment: any trickle fragment.
func FuzzFragment(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := checkFragment(b, "peer"); err == nil && len(b) > maxFragment {
			t.Fatal("too long")
		}
	})
}

// FuzzAlert: any record for the key of a farewell.
func FuzzAlert(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, _, ok := (&recordKey{}).alert(b); ok && len(b) < recordHeader+26 {
			t.Fatal("opened what is too short")
		}
		var k secrets
		k.see(b)
		_, _ = k.Write(b)
		_ = k.peerKey(true, [randomLen - 4]byte{})
		_ = harmless(b)
	})
}

// FuzzHello: any record where a ClientHello is looked for.
func FuzzHello(f *testing.F) {
	whole := append([]byte{recordHandshake, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 60, typeClientHello}, make([]byte, 11+2+32)...)
	f.Add(append(whole, 0, 3, 'a', 'b', 'c'))
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, ok := parseHello(b); len(h.cookie) > 0 && (!ok || len(h.cookie) > len(b)-helloFixed) {
			t.Fatal("a cookie that was not sent")
		}
		if c := cookieOf(b); len(c) > len(b) {
			t.Fatal("a cookie that was not asked for")
		}
	})
}
