package load

import (
	"encoding/binary"
	"testing"
	"time"
)

// packet is a clear RTP header; ticks count 20 ms.
func packet(seq uint16, tick uint32) []byte {
	b := make([]byte, 130)
	b[0], b[1] = 0x81, opusPT
	binary.BigEndian.PutUint16(b[2:], seq)
	binary.BigEndian.PutUint32(b[4:], tick*clockPerTick)
	binary.BigEndian.PutUint32(b[8:], 99)
	binary.BigEndian.PutUint32(b[12:], 7)
	return b
}

func TestStreamCountsWhatCameAndWhatDidNot(t *testing.T) {
	type arrival struct {
		seq  uint16
		tick uint32
	}
	run := func(from uint16, perPacket uint32, drop ...int) (a []arrival) {
	next:
		for i := range 100 {
			for _, d := range drop {
				if d == i {
					continue next
				}
			}
			a = append(a, arrival{from + uint16(i), uint32(i) * perPacket})
		}
		return a
	}
	swapped := run(0, 1)
	swapped[40], swapped[41] = swapped[41], swapped[40]
	for _, tc := range []struct {
		name              string
		arrivals          []arrival
		heard, gaps, late uint64
	}{
		{"all of them", run(0, 1), 99, 0, 0},
		{"across a wrap of the sequence number", run(65500, 1), 99, 0, 0},
		{"three frames in a packet", run(0, 3), 99 * 3, 0, 0},
		{"two lost apart and two together", run(0, 1, 10, 20, 30, 31), 95, 4, 0},
		{"a merged packet lost", run(0, 3, 50), 98 * 3, 1, 0},
		{"two changed places", swapped, 99, 1, 1},
	} {
		s := &stream{opened: true}
		for i, a := range tc.arrivals {
			s.count(packet(a.seq, a.tick), int64(i)*int64(frameTime), true)
		}
		if s.heard != tc.heard || s.gaps != tc.gaps || s.lateIn != tc.late || s.csrc != 7 {
			t.Errorf("%s: heard %d, gaps %d, late %d, csrc %d; want %d, %d, %d, 7", tc.name, s.heard, s.gaps, s.lateIn, s.csrc, tc.heard, tc.gaps, tc.late)
		}
	}
}

func TestRepeatedPacketIsNotCountedTwice(t *testing.T) {
	s := &stream{opened: true}
	s.count(packet(1, 1), 0, true)
	s.count(packet(2, 2), 1, true)
	s.count(packet(2, 2), 2, true)
	if s.heard != 1 || s.packets != 2 || s.lateIn != 0 {
		t.Fatalf("heard %d, packets %d, late %d", s.heard, s.packets, s.lateIn)
	}
}

func TestSilentStreamIsLossNotSuccess(t *testing.T) {
	r := &run{Config: Config{Speakers: 2, Slots: 3}}
	from := time.Unix(1000, 0)
	r.window.set(from, 10*time.Second)
	p := newPeer(credentials{})
	p.streams = []stream{{ssrc: 1, opened: true, openedAt: from.UnixNano(), heard: 100, packets: 100}} // fell silent after 2 s; the second speaker never came
	r.rooms = []*room{{listeners: []*listener{{peer: p}}, sent: 1000, ticks: 500}}
	rep := r.report()
	if rep.Frames.Expected != 1000 || rep.Frames.Heard != 100 || rep.Frames.LossPercent != 90 {
		t.Fatalf("%+v", rep.Frames)
	}
}

func TestCheckIsAnsweredOnlyWithTheRightPassword(t *testing.T) {
	ours := credentials{ufrag: "aaaa", pwd: "ourpasswordourpassword", remoteUfrag: "bbbb", remotePwd: "theirpasswordtheirpass", tie: 1}
	theirs := credentials{ufrag: "bbbb", pwd: ours.remotePwd, remoteUfrag: "aaaa", remotePwd: ours.pwd}
	check, err := ours.check()
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{credentials: ours}
	p.mapped.IP, p.mapped.Port = []byte{127, 0, 0, 1}, 1
	answer := theirs.answer(check, p.mapped)
	if answer == nil || !ours.answered(answer) {
		t.Fatal("a genuine answer was not taken")
	}
	stranger := theirs
	stranger.pwd = "anotherpasswordanother"
	if stranger.answer(check, p.mapped) != nil {
		t.Fatal("a check under another password was answered")
	}
	answer[len(answer)-20]++
	if ours.answered(answer) {
		t.Fatal("a forged answer was taken")
	}
}

func TestAnswerWithoutWhatWeNeedIsRefused(t *testing.T) {
	full := "v=0\r\na=ice-ufrag:u\r\na=ice-pwd:p\r\na=fingerprint:sha-256 AA\r\na=setup:passive\r\na=extmap:3/sendrecv urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\na=rtpmap:96 opus/48000/2\r\n"
	udp := "a=candidate:1 1 tcp 1 127.0.0.1 9 typ host tcptype passive\r\na=candidate:1 1 udp 2130706431 127.0.0.1 7882 typ host\r\n"
	r, err := parseAnswer([]byte(full + udp))
	if err != nil || r.candidate.String() != "127.0.0.1:7882" || !r.weAreActive || r.levelID != 3 || r.payloadType != 96 {
		t.Fatalf("%+v %v", r, err)
	}
	for _, bad := range []string{full, udp, "a=ice-ufrag:u\r\na=ice-pwd:p\r\n" + udp, ""} {
		if _, err := parseAnswer([]byte(bad)); err == nil {
			t.Errorf("taken: %q", bad)
		}
	}
}

func TestConfigOutOfBoundsIsRefused(t *testing.T) {
	for _, c := range []Config{
		{URL: "ftp://x"}, {URL: "http://"}, {URL: "http://x", Rooms: 101}, {URL: "http://x", Speakers: 101}, {URL: "http://x", Listeners: 20001},
		{URL: "http://x", Rooms: 3, Listeners: 7000}, {URL: "http://x", JoinsPerSecond: 1001}, {URL: "http://x", Slots: 4}, {URL: "http://x", Duration: 25 * time.Hour}, {URL: "http://x", Speakers: -1},
	} {
		if err := c.complete(); err == nil {
			t.Errorf("taken: %+v", c)
		}
	}
}

func TestGapIsSilenceBeyondThePacketBefore(t *testing.T) {
	s := &stream{opened: true}
	at := int64(0)
	for i, wait := range []time.Duration{0, 60, 60, 95, 25, 60} { // ms between packets of 60 ms
		at += int64(wait * time.Millisecond)
		s.count(packet(uint16(i), uint32(3*i)), at, true)
	}
	if s.gap != int64(35*time.Millisecond) {
		t.Fatalf("the longest gap is %v", time.Duration(s.gap))
	}
	s.anew()
	if s.gap != 0 || s.heard != 0 || s.total != 6 {
		t.Fatalf("%+v", s)
	}
}
