package test

import (
	"fmt"
	"maps"
	"math"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// hostileOffers are offers that nobody means well with, all smaller than the limit on bodies.
func hostileOffers(good string, trap trap) map[string]string {
	section := good[strings.Index(good, "m=audio"):]
	first := section[:strings.Index(section[1:], "m=audio")+1]
	crlf := func(line string, n int) string { return strings.Repeat(line+"\r\n", n) }
	without := func(prefix string) string {
		var kept strings.Builder
		for _, line := range strings.SplitAfter(good, "\n") {
			if !strings.HasPrefix(line, prefix) {
				kept.WriteString(line)
			}
		}
		return kept.String()
	}
	var candidates strings.Builder
	for i := range 500 {
		fmt.Fprintf(&candidates, "a=candidate:%d 1 udp %d 10.%d.%d.1 9 typ host\r\n", i, 1000+i, i/250, i%250)
	}
	udp, tcp := trap.udp.LocalAddr().(*net.UDPAddr).Port, trap.tcp.Addr().(*net.TCPAddr).Port
	return map[string]string{
		"no ssrc":                      good,
		"no candidate":                 without("a=candidate"),
		"10,000 m-lines":               good + strings.Repeat("m=\n", 10000),
		"4,000 lines":                  good + crlf("a=x", 4000),
		"60 KB of one line":            good + "a=" + strings.Repeat("x", 55000) + "\r\n",
		"nine m-lines":                 good + strings.Repeat(first, 6),
		"one mid twice":                good + first,
		"no mid":                       without("a=mid:"),
		"a mid with a line of its own": strings.Replace(good, "a=mid:0", "a=mid:0\ra=x", 1),
		"video":                        strings.Replace(good, "m=audio", "m=video", 1),
		"a data channel":               good + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:9\r\n",
		"500 candidates":               good + candidates.String(),
		"mDNS names":                   good + crlf("a=candidate:1 1 udp 1 3ac2a1c5-6d40-4f5e-a2f4-7f2b4a1c9d10.local 9 typ host", 20),
		"names of other hosts":         good + crlf(fmt.Sprintf("a=candidate:1 1 tcp 1 localhost %d typ host tcptype passive", tcp), 20),
		"TCP candidates to a trap":     good + crlf(fmt.Sprintf("a=candidate:1 1 tcp 2105458943 127.0.0.1 %d typ host tcptype passive", tcp), 50),
		"UDP candidates to a trap":     good + crlf(fmt.Sprintf("a=candidate:1 1 udp 2130706431 127.0.0.1 %d typ host", udp), 50),
		"a relay to a trap":            good + crlf(fmt.Sprintf("a=candidate:1 1 udp 1 127.0.0.1 %d typ relay raddr 127.0.0.1 rport %d", udp, udp), 50),
		"connection lines to a trap":   strings.ReplaceAll(good, "c=IN IP4 0.0.0.0", "c=IN IP4 127.0.0.1"),
		"a port of its own":            strings.ReplaceAll(good, "m=audio 9", fmt.Sprintf("m=audio %d", udp)),
		"SDES keys":                    good + "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n",
		"no encryption":                strings.ReplaceAll(good, "UDP/TLS/RTP/SAVPF", "RTP/AVP"),
		"SHA-1 fingerprint":            strings.ReplaceAll(good, "a=fingerprint:sha-256", "a=fingerprint:sha-1"),
		"a long ufrag":                 strings.ReplaceAll(good, "a=ice-ufrag:", "a=ice-ufrag:"+strings.Repeat("u", 300)),
		"numbers that overflow":        strings.ReplaceAll(good, "o=- 1 1", "o=- 99999999999999999999999 -1"),
		"a payload type of 4 billion":  strings.ReplaceAll(good, "111", "4294967407"),
		"15,000 payload types":         strings.Replace(good, "SAVPF 111", "SAVPF 111"+strings.Repeat(" 1", 15000), 1) + crlf("a=rtpmap:35 opus/48000/2", 900),
		"1,900 lines of fmtp":          good + crlf("a=fmtp:111 /", 1900),
		"nothing but m-lines":          "v=0\r\n" + crlf("m=audio 9 UDP/TLS/RTP/SAVPF 111", 1500),
		"only line ends":               strings.Repeat("\r\n", 30000),
		"only NULs":                    strings.Repeat("\x00", 60000),
		"half of everything":           good[:len(good)/2],
	}
}

// trap is a place to which the server must never turn.
type trap struct {
	tcp   net.Listener
	udp   net.PacketConn
	calls *atomic.Int64
}

func newTrap(t *testing.T) trap {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	x := trap{l, u, new(atomic.Int64)}
	tcpDone, udpDone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(tcpDone)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			x.calls.Add(1)
			_ = c.Close()
		}
	}()
	go func() {
		defer close(udpDone)
		for b := make([]byte, 100); ; x.calls.Add(1) {
			if _, _, err := u.ReadFrom(b); err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { _, _ = l.Close(), u.Close(); <-tcpDone; <-udpDone })
	return x
}

// springs is the control: the trap notices who comes.
func (x trap) springs(t *testing.T) {
	t.Helper()
	for _, address := range []net.Addr{x.tcp.Addr(), x.udp.LocalAddr()} {
		before := x.calls.Load()
		c, err := net.Dial(address.Network(), address.String())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = c.Write([]byte{0})
		within(t, time.Second, "the trap notices "+address.Network(), func() bool { return x.calls.Load() > before })
		_ = c.Close()
	}
}

const (
	offerTime   = 100 * time.Millisecond
	offerMemory = 1 << 20
)

func TestHostileOffersCostLittleAndReachNobody(t *testing.T) {
	h := newHaunted(t)
	trap := newTrap(t)
	good := rogueOffer("ufrg", "0123456789012345678901", sharedCertificate(), "recvonly", 3)
	offers := hostileOffers(good, trap)
	allocated := func() float64 { return h.metric(t, "go_memstats_alloc_bytes_total") }
	own := allocated() // what asking costs: the least of a few times
	for i, last := 0, own; i < 5; i++ {
		now := allocated()
		own, last = min(own, now-last), now
	}
	resident := h.metric(t, "process_resident_memory_bytes")
	from, most, worst, refused := time.Now(), 0.0, "", 0
	for i, name := range slices.Sorted(maps.Keys(offers)) {
		p, offer := h.member(1+i%5), offers[name] // each has a budget of offers
		var a answer
		cost := math.Inf(1)
		for try := 0; try == 0 || try < 3 && cost > offerMemory; try++ { // the sound goes on meanwhile, and costs too
			before := allocated()
			a = p.call(http.MethodPost, h.path("/whep"), raw{"application/sdp", []byte(offer)})
			cost = min(cost, allocated()-before-own)
		}
		if a.status != http.StatusCreated && (a.status < 400 || a.status >= 500) || len(a.body) > 4*len(good)+4096 {
			t.Errorf("%s: %s; want 201 or 4xx", name, a)
		}
		if a.status != http.StatusCreated {
			refused++
			if cost > most {
				most, worst = cost, name
			}
		}
		if a.status != http.StatusCreated && cost > offerMemory {
			t.Errorf("%s: refused, at the cost of %.0f KiB", name, cost/1024)
		}
		if a.took > time.Second {
			t.Errorf("%s took %s", name, a.took)
		}
		t.Logf("%-30s %d %-18s %8s %6.0f KiB%s", name, a.status, a.code(), a.took.Round(10*time.Microsecond), cost/1024, late(a.took))
		if strings.Contains(string(a.body), "\r\na=x") || strings.Contains(string(a.body), ".local") {
			t.Errorf("%s: the answer repeats the offer:\n%s", name, a.body)
		}
	}
	_, to := observe(time.Second) // a check or a call would come by now
	if n := trap.calls.Load(); n != 0 {
		t.Errorf("the server turned to candidates %d times", n)
	}
	trap.springs(t)
	grown := h.metric(t, "process_resident_memory_bytes") - resident
	t.Logf("a refused offer cost at most %.0f KiB (%s); the process grew by %.0f KiB; longest gap of who listens %s (goal: 40 ms)", most/1024, worst, grown/1024, h.stay.gap(from, to))
	if grown > float64(refused*offerMemory) {
		t.Errorf("after %d refused offers the process is larger by %.0f KiB", refused, grown/1024)
	}
	if gap := h.stay.gap(from, to); gap > time.Second {
		t.Errorf("who listens heard nothing for %s", gap)
	}
	h.member(1).rogue(h.room, "whep").untilPackets() // the good offer is good
	h.unharmed(t)
}

// late marks an answer that missed the goal.
func late(took time.Duration) string {
	if took > offerTime {
		return " (goal: 100 ms)"
	}
	return ""
}
