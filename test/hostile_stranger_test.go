package test

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/stun/v4"
)

// DTLS 1.2 records as anybody can write them (RFC 6347 §4.1): in clear, or with an epoch that needs keys.
var (
	closeNotify = []byte{21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 1, 0}
	fatalAlert  = []byte{21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40}
	sealedAlert = append([]byte{21, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 1, 0, 26}, make([]byte, 26)...)
)

// hello takes the ClientHello that a genuine client begins with.
func hello(r *rogue) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.handshakeMsg[0]
}

// hostileHello is a ClientHello, whole, spoiled or nothing but its first byte.
func hostileHello(genuine []byte, random *rand.Rand) []byte {
	b := append([]byte(nil), genuine...)
	switch random.IntN(6) {
	case 0: // another random: another client
		for i := 27; i < 59; i++ {
			b[i] = byte(random.Uint32())
		}
	case 1:
		b = b[:13+random.IntN(len(b)-13)]
	case 2: // lengths that lie
		binary.BigEndian.PutUint16(b[11:], uint16(random.Uint32()))
		b[14+random.IntN(11)] = byte(random.Uint32())
	case 3: // a fragment of a message of 16 MB
		copy(b[14:], []byte{0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 1})
	case 4:
		for range 8 {
			b[13+random.IntN(len(b)-13)] ^= byte(random.Uint32())
		}
	default:
		return append([]byte(nil), [][]byte{closeNotify, fatalAlert, sealedAlert}[random.IntN(3)]...)
	}
	return b
}

// besiege sends hostile hellos from many 5-tuples until ctx ends or all are sent, and counts what comes back.
func besiege(ctx context.Context, t *testing.T, h *haunted, genuine []byte, count int) (sent, answered *atomic.Int64, wait func()) {
	t.Helper()
	sent, answered = new(atomic.Int64), new(atomic.Int64)
	var readers, sender sync.WaitGroup
	var from []*net.UDPConn
	for range 20 {
		c := h.stay.stray()
		from = append(from, c)
		readers.Go(func() {
			for b := make([]byte, 2000); ; {
				if _, err := c.Read(b); err != nil {
					return
				}
				answered.Add(1)
			}
		})
	}
	sender.Go(func() {
		random := rand.New(rand.NewPCG(8, 8))
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil && sent.Load() < int64(count) {
			for range 6 {
				_, _ = from[random.IntN(len(from))].Write(hostileHello(genuine, random))
				sent.Add(1)
			}
			<-tick.C
		}
	})
	return sent, answered, func() {
		sender.Wait()
		observe(100 * time.Millisecond)
		for _, c := range from {
			_ = c.Close()
		}
		readers.Wait()
	}
}

func TestHandshakesSucceedAmongHostileHellos(t *testing.T) {
	h := newHaunted(t)
	genuine := hello(h.stay)
	var guests []*person
	for range 50 {
		guests = append(guests, h.guest(t, h.room))
	}
	observe(200 * time.Millisecond)
	from := time.Now()
	sent, answered, wait := besiege(t.Context(), t, h, genuine, 2000)
	var joining sync.WaitGroup
	var joined atomic.Int64
	pace := time.NewTicker(30 * time.Millisecond) // all through the siege
	defer pace.Stop()
	for _, p := range guests {
		<-pace.C
		joining.Go(func() {
			if _, a, err := p.tryRogue(h.room, ways{direction: "whep"}); err != nil {
				t.Errorf("a genuine client: %d %v", a.status, err)
				return
			}
			joined.Add(1)
		})
	}
	joining.Wait()
	took := time.Since(from)
	wait()
	gap := h.stay.gap(from, time.Now())
	t.Logf("%d of 50 handshakes in %s among %d hostile hellos; longest gap of who listened %s (goal: none above 40 ms)", joined.Load(), took.Round(time.Millisecond), sent.Load(), gap)
	if sent.Load() < 2000 || gap > time.Second {
		t.Errorf("%d hostile hellos, longest gap %s", sent.Load(), gap)
	}
	if answered.Load() != 0 {
		t.Errorf("strangers were answered %d times", answered.Load())
	}
	// The control: the same hello is answered where a check has come from.
	r, _, err := h.guest(t, h.room).tryRogue(h.room, ways{direction: "whep", noShake: true})
	if err != nil {
		t.Fatal(err)
	}
	within(t, joinTime, "a check is answered", func() bool { n, _, _ := r.counts(); return n > 0 })
	r.send(genuine)
	within(t, joinTime, "a hello from a checked path is answered", func() bool { _, n, _ := r.counts(); return n > 0 })
	h.unharmed(t)
}

// TestHandshakesSucceedAmongForgedRecords is A08 from a spoofed known candidate: whoever can send with
// somebody's address can write any record that needs no keys.
func TestHandshakesSucceedAmongForgedRecords(t *testing.T) {
	h := newHaunted(t)
	forged := [][]byte{closeNotify, fatalAlert, sealedAlert}
	for _, kind := range []byte{20, 21, 23, 25, 63} { // of no sense, and numbered so that they would come last
		forged = append(forged, []byte{kind, 0xfe, 0xfd, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 3, 9, 9, 9})
	}
	ahead := append([]byte{22, 0xfe, 0xfd, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 12, 20}, make([]byte, 11)...)
	ahead[18] = 99 // a message that is not due
	forged = append(forged, ahead)
	before := h.metric(t, "besedka_media_handshake_failures_total")
	for range 5 {
		r, a, err := h.guest(t, h.room).tryRogue(h.room, ways{direction: "whep", forged: forged})
		if err != nil {
			t.Fatalf("a client with whose address records are forged: %d %v", a.status, err)
		}
		r.untilPackets()
	}
	if n := h.metric(t, "besedka_media_handshake_failures_total") - before; n != 0 {
		t.Errorf("%v handshakes failed", n)
	}
	h.unharmed(t)
}

func TestWrongFingerprintNeverHears(t *testing.T) {
	h := newHaunted(t)
	r, _, err := h.guest(t, h.room).ask(h.room, ways{direction: "whep", offered: newCertificate()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := r.shake(ctx); err == nil {
		t.Error("a handshake succeeded with a certificate other than the one in the offer")
	}
	h.guest(t, h.room).rogue(h.room, "whep").untilPackets() // the control: the same certificate, and the offer says so
	if n := r.came(time.Time{}, time.Now()); n != 0 {
		t.Errorf("%d packets were sent to who has another certificate", n)
	}
}

// TestOnlyASpeakersOwnPacketsAreForwarded sends good sound in ways in which it must not be heard. Each
// frame has a number of its own, and the last of all is sent as it should be: the instrument works.
func TestOnlyASpeakersOwnPacketsAreForwarded(t *testing.T) {
	h := newHaunted(t)
	voice := h.member(0).rogue(h.room, "whip")
	down := h.guest(t, h.room).rogue(h.room, "whep")
	stranger := voice.stray()
	const speaker = 7
	say := func(n uint32) []byte { return voice.sealed(uint16(n), mark{speaker, n}, nil) }
	first := time.Now()
	for n := range uint32(25) { // he is one of the current speakers
		voice.send(say(n))
		observe(frameTime)
	}
	if got := len(h.stay.heard(speaker, first, time.Now().Add(time.Hour))); got < 20 {
		t.Fatalf("of 25 frames %d were heard", got)
	}
	flipped := say(51)
	flipped[len(flipped)-20] ^= 1
	header := say(52)
	header[1] ^= 0x80 // the marker bit: only authenticated, not encrypted
	elsewhere := say(50)
	for _, b := range [][]byte{elsewhere, say(20), markedFrame(mark{speaker, 53})} {
		_, _ = stranger.Write(b) // as RTP bleed: from another address, new, old and in clear
	}
	plain := append(append([]byte(nil), say(54)[:20]...), markedFrame(mark{speaker, 54})...)
	for _, b := range [][]byte{flipped, header, plain, say(3), say(24), say(24)} {
		voice.send(b) // from his own address, as one would who can write any address: spoiled, in clear, replayed
	}
	down.send(down.sealed(55, mark{speaker, 55}, nil))  // who only listens
	voice.send(down.sealed(56, mark{speaker, 56}, nil)) // with another session's keys
	_, _ = down.conn.WriteToUDP(say(57), voice.server)  // from another session's address
	other := func(h *rtp.Header) { h.SSRC++ }
	for n := uint32(30); n < 40; n++ { // his own, from another source: the stream begins anew
		voice.send(voice.sealed(uint16(n), mark{speaker, n}, other))
		observe(frameTime)
	}
	for n := range uint32(25) { // what he said in the beginning, recorded and sent again
		voice.send(say(n))
	}
	from, to := observe(300 * time.Millisecond)
	repeats := 0
	for n, times := range h.stay.heard(speaker, first, to) {
		if n >= 50 {
			t.Errorf("frame %d was heard; it was not the speaker's own packet", n)
		}
		if times > 1 {
			repeats += times - 1
		}
	}
	if repeats != 0 {
		t.Errorf("replayed packets were forwarded %d times", repeats)
	}
	voice.send(elsewhere) // the very packet of the stranger
	voice.send(say(58))
	within(t, time.Second, "the same packet is forwarded from the speaker's own address", func() bool {
		return h.stay.hears(mark{speaker, 50}) && h.stay.hears(mark{speaker, 58})
	})
	if n := len(h.stay.heard(1, from, to)); n < 10 {
		t.Errorf("the host was heard %d times meanwhile", n)
	}
	h.unharmed(t)
}

// TestNobodyEndsAnothersSession lets somebody forge whatever needs no keys, from his own address and from
// the victim's, knowing all that is sent in clear.
func TestNobodyEndsAnothersSession(t *testing.T) {
	h := newHaunted(t)
	voice := h.member(0).rogue(h.room, "whip")
	voice.talk(5)
	victim := h.member(1).rogue(h.room, "whep")
	attacker := h.member(2).rogue(h.room, "whep")
	victim.untilPackets()
	attacker.untilPackets()
	within(t, joinTime, "both speakers are heard", func() bool { return victim.hears(mark{5, 1}) || len(victim.heard(5, time.Time{}, time.Now())) > 5 })
	from := time.Now()
	stranger := victim.stray()
	thief := make(chan []byte, 100)
	go func() {
		for b := make([]byte, 2000); ; {
			n, err := stranger.Read(b)
			if err != nil {
				return
			}
			select {
			case thief <- append([]byte(nil), b[:n]...):
			default:
			}
		}
	}()
	for _, v := range []*rogue{victim, voice} {
		for _, b := range forgeries(v) {
			_, _ = stranger.Write(b)
			_, _ = attacker.conn.WriteToUDP(b, v.server)
			v.send(b) // what the server would see if it were sent with the victim's address
		}
		replayed := v.check(true)
		v.send(replayed)
		_, _ = stranger.Write(replayed) // seen on the wire, sent again from elsewhere
		_, _ = attacker.conn.WriteToUDP(v.check(true), v.server)
	}
	for range 20 { // caught on the wire, and let through only from elsewhere
		_, _ = stranger.Write(victim.check(true))
		_, _ = stranger.Write(voice.check(true))
		observe(frameTime)
	}
	for _, ssrc := range ssrcsOf(victim) {
		bye, _ := (&rtcp.Goodbye{Sources: []uint32{ssrc, 0x1000 + 5, 0x1000 + 1}}).Marshal()
		attacker.sendControl(append([]byte{0x80, 201, 0, 1, 0, 0, 0, 1}, bye...))
	}
	forged := time.Now()
	for range 10 {
		(&person{t: t, server: h.server}).refused(http.StatusUnauthorized, "credentials_invalid", http.MethodPost, "/sessions", object{"username": h.member(1).name, "password": "not the passphrase"})
	}
	for _, v := range []*rogue{victim, voice} {
		attacker.who.refused(http.StatusNotFound, "not_found", http.MethodDelete, v.path, nil)
	}
	signed := time.Now()
	_, to := observe(1500 * time.Millisecond)
	t.Logf("longest gap of the victim during the forgeries %s, while passphrases were tried %s, after %s (goal: 40 ms)", victim.gap(from, forged), victim.gap(forged, signed), victim.gap(signed, to))
	if gap := victim.gap(from, to); gap > time.Second {
		t.Errorf("the victim got nothing for %s", gap)
	}
	for name, n := range map[string]int{"host": len(victim.heard(1, from, to)), "speaker under attack": len(victim.heard(5, from, to))} {
		if n < int(0.8*float64(to.Sub(from)/frameTime)) {
			t.Errorf("the victim heard %d frames of the %s in %s", n, name, to.Sub(from))
		}
	}
	for len(thief) > 0 {
		if b := <-thief; b[0] > 3 {
			t.Errorf("a stranger was sent a packet beginning with %d", b[0])
		}
	}
	for _, v := range []*rogue{victim, voice} {
		v.who.must(http.MethodDelete, v.path, nil) // it was there until its owner ended it
	}
	h.unharmed(t)
}

// forgeries are packets about somebody's session that anybody could write who has seen it in clear.
func forgeries(v *rogue) [][]byte {
	guess := checkAs(remoteICE{v.theirs.ufrag, "0123456789012345678901"}, v.ufrag, true)
	all := [][]byte{closeNotify, fatalAlert, sealedAlert, hello(v), guess, checkAs(remoteICE{v.theirs.ufrag, v.pwd}, v.ufrag, true)}
	for _, kind := range []stun.MessageType{stun.BindingError, stun.BindingSuccess, stun.NewType(stun.MethodBinding, stun.ClassIndication),
		stun.NewType(stun.MethodRefresh, stun.ClassRequest)} {
		if m, err := stun.Build(stun.TransactionID, kind, stun.NewUsername(v.theirs.ufrag+":"+v.ufrag), stun.NewShortTermIntegrity("0123456789012345678901"), stun.Fingerprint); err == nil {
			all = append(all, m.Raw)
		}
	}
	bye := []byte{0x81, 203, 0, 1, 0, 0, 0x10, 5} // RTCP in clear
	return append(all, bye, append(bye, make([]byte, 20)...), make([]byte, 1400), []byte{0x80}, []byte{22}, []byte{0})
}

var ssrcLine = regexp.MustCompile(`a=ssrc:(\d+) `)

// ssrcsOf are those under which the server says that it sends.
func ssrcsOf(r *rogue) (all []uint32) {
	for _, found := range ssrcLine.FindAllStringSubmatch(r.answer, -1) {
		if n, err := strconv.ParseUint(found[1], 10, 32); err == nil {
			all = append(all, uint32(n))
		}
	}
	return all
}
