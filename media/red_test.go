package media

import (
	"context"
	"encoding/binary"
	"strings"
	"testing"

	"besedka/fanout"
)

// withRED is an offer that has RED besides Opus.
func withRED(offer string) string {
	offer = strings.Replace(offer, "SAVPF 111", "SAVPF 111 63", 1)
	return offer + "a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\n"
}

func TestREDIsAgreedWhereItIsOffered(t *testing.T) {
	s := answering(t)
	up := strings.Replace(seedOffer, "recvonly", "sendonly", 1)
	for name, c := range map[string]struct {
		dir   Direction
		offer string
		line  string
		red   bool
	}{
		"down: Opus first":        {Down, withRED(seedOffer), "SAVPF 111 63\r\n", true},
		"up: RED first":           {Up, withRED(up), "SAVPF 63 111\r\n", true},
		"three copies":            {Down, strings.Replace(withRED(seedOffer), "111/111", "111/111/111", 1), "SAVPF 111 63\r\n", true},
		"none":                    {Down, seedOffer, "SAVPF 111\r\n", false},
		"of something else":       {Down, strings.Replace(withRED(seedOffer), "111/111", "111/9", 1), "SAVPF 111\r\n", false},
		"without its mapping":     {Down, strings.Replace(withRED(seedOffer), "red/48000", "red/8000", 1), "SAVPF 111\r\n", false},
		"not among the types":     {Down, strings.Replace(withRED(seedOffer), "SAVPF 111 63", "SAVPF 111", 1), "SAVPF 111\r\n", false},
		"a number out of the way": {Down, strings.ReplaceAll(strings.Replace(withRED(seedOffer), "111 63", "111 72", 1), ":63", ":72"), "SAVPF 111\r\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := s.Answer(context.Background(), c.dir, "room", "who", "cred", []byte(c.offer))
			if err != nil {
				t.Fatal(err)
			}
			text := string(got.SDP)
			if !strings.Contains(text, c.line) {
				t.Errorf("no %q in\n%s", c.line, text)
			}
			if has := strings.Contains(text, "a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\n"); has != c.red {
				t.Errorf("RED %v in\n%s", has, text)
			}
		})
	}
}

func TestPacketTimesOfferedBoundTheFraming(t *testing.T) {
	for line, want := range map[string]fanout.Framing{
		"": fanout.Framing120, "ptime:20": fanout.Framing20, "maxptime:40": fanout.Framing40, "maxptime:59": fanout.Framing40,
		"maxptime:60": fanout.Framing60, "maxptime:120": fanout.Framing120, "ptime:2.5": fanout.Framing20, "ptime:-1": fanout.Framing120,
		"ptime:NaN": fanout.Framing120, "ptime:x": fanout.Framing120, "maxptime:1e300": fanout.Framing120,
	} {
		o, err := parseOffer([]byte(seedOffer + "a=" + line + "\r\n"))
		if line == "" {
			o, err = parseOffer([]byte(seedOffer))
		}
		if err != nil {
			t.Fatal(err)
		}
		f, _, err := o.agree(Down)
		if err != nil || f.longest != want {
			t.Errorf("%q: framing %d, want %d (%v)", line, f.longest, want, err)
		}
	}
}

func TestLossOnTheWayUpIsRepairedFromRED(t *testing.T) {
	s, up, _, _ := fuzzServer(t)
	s.Grant("room", "other", Grant{})
	answer, err := s.Answer(context.Background(), Down, "room", "other", "cred", []byte(seedOffer))
	if err != nil {
		t.Fatal(err)
	}
	s.tables.id(answer.ID).establish(&handshake{ours: fanout.Keys{Profile: fanout.AES128GCM}, theirs: fanout.Keys{Profile: fanout.AES128GCM}})
	packet := func(n int, payload []byte) []byte {
		b := []byte{0x80, 63, byte(n >> 8), byte(n), 0, 0, 0, 0, 0, 0, 0, 5}
		binary.BigEndian.PutUint32(b[4:], uint32(960*n))
		return append(b, payload...)
	}
	opus := func(n int) []byte { return []byte{0x78, 1, 2, 3, byte(n)} }
	e := fanout.NewREDEncoder(111, 1, 1200)
	now := s.cfg.Now()
	take := func(plain []byte, index int) {
		up.mu.Lock()
		defer up.mu.Unlock()
		up.plainPacket(plain, uint64(index), now, nil)
	}
	for n := 100; n < 150; n++ {
		if raw := packet(n, e.Append(nil, uint32(960*n), opus(n))); n%5 != 3 {
			take(raw, n)
		}
	}
	got := s.Stats()
	if got.Forwarded != 40 || got.Repaired != 10 || got.MediaMalformed != 0 {
		t.Errorf("%d forwarded, %d repaired, %d malformed", got.Forwarded, got.Repaired, got.MediaMalformed)
	}
	if up.up.nMissing != 0 {
		t.Errorf("%d packets are still asked for", up.up.nMissing)
	}
	for i, bad := range [][]byte{{0x80 | 111}, {0x80 | 111, 0, 0, 9, 111, 1}, append([]byte{9}, opus(1)...)} {
		take(packet(200+i, bad), 200+i)
	}
	if got := s.Stats(); got.MediaMalformed != 3 {
		t.Errorf("%d malformed", got.MediaMalformed)
	}
}

func TestReportBlocksAreRead(t *testing.T) {
	block := func(ssrc uint32, fraction byte) []byte {
		b := make([]byte, 24)
		binary.BigEndian.PutUint32(b, ssrc)
		b[4] = fraction
		return b
	}
	compound := func(kind byte, head, blocks int) []byte {
		b := make([]byte, head)
		b[0], b[1] = 2<<6|byte(blocks), kind
		for i := range blocks {
			b = append(b, block(uint32(100+i), byte(i))...)
		}
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)/4-1))
		return b
	}
	for name, b := range map[string][]byte{"RR": compound(rtcpRR, 8, 3), "SR": compound(rtcpSR, 28, 3)} {
		var c controls
		c.parse(b)
		if c.nReports != 3 || c.reports[2] != (reportBlock{102, 2}) {
			t.Errorf("%s: %d blocks, %v", name, c.nReports, c.reports[2])
		}
	}
	var c controls
	c.parse(compound(rtcpRR, 8, 31))
	if c.nReports != maxReports {
		t.Errorf("%d blocks of 31", c.nReports)
	}
	lying := compound(rtcpRR, 8, 1)
	lying[0] |= 31
	c = controls{}
	if c.parse(lying); c.nReports != 1 {
		t.Errorf("%d blocks of one", c.nReports)
	}
}
