package media

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"

	"besedka"
)

// answering is a server with somebody who may listen and speak.
func answering(t *testing.T) *Server {
	t.Helper()
	s, err := Listen(Config{Listen: netip.MustParseAddrPort("127.0.0.1:0")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	s.Grant("room", "who", Grant{CSRC: 1, Publish: true, Forward: true})
	return s
}

// lines is seedOffer with several m-lines.
func lines(n int, change func(i int, line string) string) string {
	head, line, _ := strings.Cut(seedOffer, "m=")
	var mids []string
	var b strings.Builder
	for i := range n {
		mids = append(mids, fmt.Sprint(i))
		l := strings.Replace("m="+line, "a=mid:0", fmt.Sprint("a=mid:", i), 1)
		if change != nil {
			l = change(i, l)
		}
		b.WriteString(l)
	}
	return strings.Replace(head, "BUNDLE 0", "BUNDLE "+strings.Join(mids, " "), 1) + b.String()
}

func TestHostileOffersAreRefused(t *testing.T) {
	s := answering(t)
	drop := func(what string) string { return strings.Replace(seedOffer, what, "", 1) }
	swap := func(a, b string) string {
		if !strings.Contains(seedOffer, a) {
			t.Fatalf("seed has no %q", a)
		}
		return strings.ReplaceAll(seedOffer, a, b)
	}
	for name, offer := range map[string]string{
		"empty":            "",
		"garbage":          "\x00\xff\x00",
		"not SDP":          `{"sdp":"v=0"}`,
		"too long":         seedOffer + strings.Repeat("a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n", 2000),
		"a mebibyte":       seedOffer + "a=" + strings.Repeat("x", 1<<20) + "\r\n",
		"too many lines":   seedOffer + strings.Repeat("a=x\r\n", maxLines),
		"too many words":   seedOffer + "a=" + strings.Repeat("x ", maxWords) + "\r\n",
		"too many m-lines": lines(9, nil),
		"ten thousand":     strings.Repeat("m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n", 10_000),
		"no m-line":        strings.SplitN(seedOffer, "m=", 2)[0],
		"video":            swap("m=audio", "m=video"),
		"video besides": lines(2, func(i int, l string) string {
			return strings.Replace(l, "m=audio", []string{"m=audio", "m=video"}[i], 1)
		}),
		"data channel":        swap("m=audio 9 UDP/TLS/RTP/SAVPF 111", "m=application 9 UDP/DTLS/SCTP webrtc-datachannel"),
		"SDES":                swap("UDP/TLS/RTP/SAVPF", "RTP/SAVPF"),
		"no encryption":       swap("UDP/TLS/RTP/SAVPF", "RTP/AVP"),
		"no ufrag":            drop("a=ice-ufrag:peer\r\n"),
		"short ufrag":         swap("a=ice-ufrag:peer", "a=ice-ufrag:a"),
		"no password":         drop("a=ice-pwd:0123456789012345678901\r\n"),
		"short password":      swap("0123456789012345678901", "0123"),
		"long password":       swap("0123456789012345678901", strings.Repeat("0", 300)),
		"evil password":       swap("0123456789012345678901", "012345678901234567890 \x01"),
		"no fingerprint":      swap("a=fingerprint:sha-256", "a=other:sha-256"),
		"sha-1":               swap("sha-256", "sha-1"),
		"short fingerprint":   swap("sha-256 00:11", "sha-256 00"),
		"no Opus":             swap("opus/48000/2", "PCMU/8000"),
		"Opus out of the way": swap("a=rtpmap:111", "a=rtpmap:112"),
		"looks like RTCP":     strings.ReplaceAll(swap("SAVPF 111", "SAVPF 72"), "a=rtpmap:111", "a=rtpmap:72"),
		"more payload types":  swap("SAVPF 111", "SAVPF 111"+strings.Repeat(" 1", maxFormats)),
		"no rtcp-mux":         drop("a=rtcp-mux\r\n"),
		"no BUNDLE":           drop("a=group:BUNDLE 0\r\n"),
		"half a BUNDLE":       strings.Replace(lines(2, nil), "BUNDLE 0 1", "BUNDLE 0", 1),
		"duplicate mid":       strings.Replace(lines(2, nil), "a=mid:1", "a=mid:0", 1),
		"no mid":              drop("a=mid:0\r\n"),
		"evil mid":            strings.ReplaceAll(swap("a=mid:0", "a=mid:<x>"), "BUNDLE 0", "BUNDLE <x>"),
		"long mid":            strings.ReplaceAll(swap("a=mid:0", "a=mid:"+strings.Repeat("x", 99)), "BUNDLE 0", "BUNDLE "+strings.Repeat("x", 99)),
		"no DTLS role":        drop("a=setup:actpass\r\n"),
		"held":                swap("a=setup:actpass", "a=setup:holdconn"),
		"nothing to receive":  swap("a=recvonly", "a=sendonly"),
		"inactive":            swap("a=recvonly", "a=inactive"),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.Answer(context.Background(), Down, "room", "who", "cred", []byte(offer))
			if e := besedka.AsError(err); e == nil || e.Code != "sdp_invalid" {
				t.Errorf("%v", err)
			}
		})
	}
	for name, offer := range map[string]string{
		"nothing to send": seedOffer,
		"two to send":     lines(2, func(_ int, l string) string { return strings.Replace(l, "recvonly", "sendonly", 1) }),
	} {
		t.Run("up: "+name, func(t *testing.T) {
			_, err := s.Answer(context.Background(), Up, "room", "who", "cred", []byte(offer))
			if e := besedka.AsError(err); e == nil || e.Code != "sdp_invalid" {
				t.Errorf("%v", err)
			}
		})
	}
	if n := s.Stats().HalfOpen; n != 0 {
		t.Errorf("%d sessions were made", n)
	}
}

func TestAnswersAreWhatAgentsExpect(t *testing.T) {
	s := answering(t)
	type want struct {
		dir       Direction
		offer     string
		has, not  []string
		sendonly  int
		inactive  int
		recvonly  int
		mediaLine int
	}
	port := s.Addr().Port()
	for name, w := range map[string]want{
		"three slots": {dir: Down, offer: lines(3, nil), mediaLine: 3, sendonly: 3, has: []string{
			"a=ice-lite\r\n", "a=group:BUNDLE 0 1 2\r\n", "a=setup:passive\r\n", "a=rtcp-mux\r\n", "a=rtcp-fb:111 nack\r\n",
			"a=extmap:1 " + levelURI + "\r\n", "a=msid:slot2 slot2\r\n", "a=end-of-candidates\r\n",
			fmt.Sprintf("a=candidate:1 1 udp 2130706431 127.0.0.1 %d typ host\r\n", port),
			fmt.Sprintf(" tcp 1520435199 127.0.0.1 %d typ host tcptype passive\r\n", port),
		}},
		"extra lines are inactive": {dir: Down, offer: lines(5, nil), mediaLine: 5, sendonly: 3, inactive: 2},
		"lines that do not receive": {dir: Down, mediaLine: 2, sendonly: 1, inactive: 1, offer: lines(2,
			func(i int, l string) string {
				return strings.Replace(l, "recvonly", []string{"sendonly", "sendrecv"}[i], 1)
			})},
		"up": {dir: Up, offer: strings.Replace(seedOffer, "recvonly", "sendonly", 1), mediaLine: 1, recvonly: 1,
			has: []string{"useinbandfec=1;usedtx=1"}, not: []string{"a=ssrc:", "a=msid:"}},
		"up with a line to spare": {dir: Up, mediaLine: 2, recvonly: 1, inactive: 1, offer: lines(2,
			func(i int, l string) string {
				return strings.Replace(l, "recvonly", []string{"recvonly", "sendrecv"}[i], 1)
			})},
		"DTLS client":  {dir: Down, offer: strings.Replace(seedOffer, "actpass", "active", 1), mediaLine: 1, sendonly: 1, has: []string{"a=setup:passive\r\n"}},
		"DTLS server":  {dir: Down, offer: strings.Replace(seedOffer, "actpass", "passive", 1), mediaLine: 1, sendonly: 1, has: []string{"a=setup:active\r\n"}},
		"no level":     {dir: Down, offer: strings.Replace(seedOffer, "ssrc-audio-level", "other", 1), mediaLine: 1, sendonly: 1, not: []string{"a=extmap"}},
		"other number": {dir: Down, offer: strings.ReplaceAll(strings.ReplaceAll(seedOffer, "111", "96"), "extmap:1", "extmap:9/sendonly"), mediaLine: 1, sendonly: 1, has: []string{"a=rtpmap:96 opus/48000/2", "a=extmap:9 "}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := s.Answer(context.Background(), w.dir, "room", "who", "cred", []byte(w.offer))
			if err != nil {
				t.Fatal(besedka.AsError(err).Cause)
			}
			text := string(got.SDP)
			for what, n := range map[string]int{"\r\nm=audio": w.mediaLine, "a=sendonly\r\n": w.sendonly, "a=inactive\r\n": w.inactive, "a=recvonly\r\n": w.recvonly} {
				if c := strings.Count(text, what); c != n {
					t.Errorf("%d × %q, want %d", c, what, n)
				}
			}
			for _, h := range w.has {
				if !strings.Contains(text, h) {
					t.Errorf("no %q in\n%s", h, text)
				}
			}
			for _, h := range w.not {
				if strings.Contains(text, h) {
					t.Errorf("%q in\n%s", h, text)
				}
			}
			if len(got.ID) != 26 {
				t.Errorf("id %s", got.ID)
			}
		})
	}
}

func TestChromiumsOffersAreAnswered(t *testing.T) {
	s := answering(t)
	for name, dir := range map[string]Direction{"chromium-up": Up, "chromium-three-down": Down} {
		seed, err := os.ReadFile("testdata/fuzz/FuzzOffer/" + name)
		if err != nil {
			t.Fatal(err)
		}
		_, quoted, _ := strings.Cut(string(seed), "[]byte(")
		raw, err := strconv.Unquote(strings.TrimSuffix(strings.TrimSpace(quoted), ")"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Answer(context.Background(), dir, "room", "who", "cred", []byte(raw))
		if err != nil {
			t.Fatalf("%s: %v", name, besedka.AsError(err).Cause)
		}
		if text := string(got.SDP); strings.Contains(text, "a=inactive") || !strings.Contains(text, "a=rtcp-rsize") ||
			!strings.Contains(text, "a=extmap:1 "+levelURI) {
			t.Errorf("%s is answered\n%s", name, text)
		}
	}
}

func TestHalfOpenSessionsAreBounded(t *testing.T) {
	s := answering(t)
	for i := range maxHalfOpen {
		who := besedka.ParticipantID(fmt.Sprint(i))
		s.Grant("room", who, Grant{})
		if _, err := s.Answer(context.Background(), Down, "room", who, "cred", []byte(seedOffer)); err != nil {
			t.Fatal(err)
		}
	}
	s.Grant("room", "late", Grant{})
	_, err := s.Answer(context.Background(), Down, "room", "late", "cred", []byte(seedOffer))
	if e := besedka.AsError(err); e == nil || e.Code != "media_busy" || e.RetryAfter == 0 {
		t.Errorf("%v", err)
	}
	s.Grant("room", "speaker", Grant{Publish: true})
	if _, err := s.Answer(context.Background(), Down, "room", "speaker", "cred", []byte(seedOffer)); err != nil {
		t.Errorf("somebody on stage: %v", err)
	}
	s.Revoke("room", "speaker")
	s.Revoke("room", "0")
	if _, err := s.Answer(context.Background(), Down, "room", "late", "cred", []byte(seedOffer)); err != nil {
		t.Errorf("after one has gone: %v", err)
	}
}

func TestPanicEndsOnlyItsOwnSession(t *testing.T) {
	s, up, down, from := fuzzServer(t)
	down.mu.Lock()
	down.control = nil // the next report meets a fault of ours
	to := down.path
	down.mu.Unlock()
	s.packet(append([]byte{0x80, 201, 0, 1, 0, 0, 0, 5}, make([]byte, 30)...), to, s.cfg.Now(), nil)
	if s.Stats().Panics != 1 || !down.over() {
		t.Error("the panic was not taken")
	}
	if up.over() {
		t.Error("the panic ended another session")
	}
	before := s.Stats().MediaRefused
	s.packet(append([]byte{0x80, 111, 0, 1}, make([]byte, 60)...), from, s.cfg.Now(), nil)
	if s.Stats().MediaRefused != before+1 {
		t.Error("the server does not go on")
	}
}

func TestEmptyRoomsAreForgotten(t *testing.T) {
	s := answering(t)
	for range 100 {
		s.Grant("other", "who", Grant{})
		s.Revoke("other", "who")
		s.Revoke("other", "who")
		s.EndRoom("other")
		s.CloseOthers("other", "who", "x")
	}
	if n := len(s.tables.places(nil)); n != 1 {
		t.Errorf("%d rooms are kept", n)
	}
}

func TestUnspecifiedAddressAdvertisesTheHosts(t *testing.T) {
	list, err := LocalAddrs(netip.MustParseAddr("0.0.0.0"))
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range list {
		if a.IsUnspecified() || !a.Is4() {
			t.Errorf("advertises %s", a)
		}
	}
	if c := candidates([]netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}, 7); len(c) != 4 ||
		!strings.Contains(c[1], "2001:db8::1 7 typ host") {
		t.Errorf("%q", c)
	}
}

func TestSTUNOverIPv6IsAnsweredWithTheMappedAddress(t *testing.T) {
	var w stunWriter
	id := transaction{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
	from := netip.MustParseAddrPort("[2001:db8::1]:1234")
	b := w.success(id, from, []byte("password"))
	m, ok := parseSTUN(b)
	if !ok || m.kind != stunSuccess || m.id != id || !authentic(b, m.integrity, []byte("password")) {
		t.Fatal("not a valid response")
	}
	v := b[stunHeader+4 : stunHeader+24]
	key := append([]byte{0x21, 0x12, 0xa4, 0x42}, id[:]...)
	for i := range key {
		v[4+i] ^= key[i]
	}
	if got := netip.AddrFrom16([16]byte(v[4:])); got != from.Addr() || !bytes.Equal(v[2:4], []byte{1234>>8&0xff ^ 0x21, 1234&0xff ^ 0x12}) {
		t.Errorf("mapped to %s", got)
	}
}

func TestSTUNDoesNotAllocate(t *testing.T) {
	_, up, _, from := fuzzServer(t)
	check := signed([]byte{0, 1, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, up)
	now := up.server.cfg.Now()
	if n := testing.AllocsPerRun(100, func() { up.server.packet(check, from, now, nil) }); n != 0 {
		t.Errorf("%v allocations for a check", n)
	}
}
