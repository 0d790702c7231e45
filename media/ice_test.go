package media_test

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"besedka"
	"besedka/fanout"
	"besedka/media"
)

// pump lets a light speaker say frames until cond holds; it returns the number
// of the next frame.
func (l *light) pump(t *testing.T, n uint32, what string, cond func() bool) uint32 {
	t.Helper()
	eventually(t, what, func() bool {
		l.say(uint16(n), n)
		n++
		<-time.After(frameDur / 2)
		return cond()
	})
	return n
}

// conversation is a light speaker whom a light listener hears.
func (w *world) conversation(t *testing.T) (sp, l *light, n uint32) {
	t.Helper()
	w.srv.Grant(room, "speaker", media.Grant{CSRC: 1, Publish: true, Forward: true})
	w.srv.Grant(room, "listener", media.Grant{})
	sp, l = w.lightJoin(t, media.Up, "speaker"), w.lightJoin(t, media.Down, "listener")
	n = sp.pump(t, 1, "the listener hears", func() bool { return len(l.heard()) > 0 })
	return sp, l, n
}

func TestWrongPasswordIsIgnored(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.srv.Grant(room, "listener", media.Grant{})
	l, err := w.newLight(media.Down, "listener", "c")
	if err != nil {
		t.Fatal(err)
	}
	for i, b := range [][]byte{
		l.check(true, "wrong password, long enough"),
		stunMessage(1, make([]byte, 12), l.theirs[0]+":other", true, l.theirs[1]),
		stunMessage(1, make([]byte, 12), l.theirs[0][:9]+"x:peer", true, l.theirs[1]),
		stunMessage(1, make([]byte, 12), "nobody", true, l.theirs[1]),
	} {
		before := w.srv.Stats().StunRefused
		l.send(b)
		eventually(t, fmt.Sprint("refused ", i), func() bool { return w.srv.Stats().StunRefused > before })
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := l.join(ctx); err != nil { // the right one still works
		t.Fatal(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.answers != 1 {
		t.Errorf("%d answers, one check was right", l.answers)
	}
}

func TestHandshakeNeedNotWaitForTheNomination(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.srv.Grant(room, "listener", media.Grant{})
	l, err := w.newLight(media.Down, "listener", "c")
	if err != nil {
		t.Fatal(err)
	}
	l.send(l.check(false, l.theirs[1]))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := l.shake(ctx); err != nil {
		t.Fatal(err)
	}
	w.live(l.session)
	old, done := l.conn, l.done
	l.mu.Lock()
	l.conn, l.done = udp(t), make(chan struct{})
	l.mu.Unlock()
	go l.read(l.conn, l.done)
	defer func() {
		_ = old.Close()
		<-done
	}()
	l.send(l.check(true, l.theirs[1])) // the nomination of another path is proved like any move
	eventually(t, "moved", func() bool { st := w.srv.Stats(); return st.Moves == 1 && st.Probes == 1 })
}

func TestServerThatIsToBeginDoesSoAtTheFirstCheck(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.srv.Grant(room, "listener", media.Grant{})
	l, err := w.newLight(media.Down, "listener", "c", func(offer string) string {
		return strings.ReplaceAll(offer, "a=setup:active", "a=setup:passive")
	})
	if err != nil {
		t.Fatal(err)
	}
	l.send(l.check(false, l.theirs[1])) // nothing is nominated yet
	select {
	case b := <-l.dtls:
		if b[0] != 22 || b[13] != 1 {
			t.Errorf("a record of type %d with message %d, not a ClientHello", b[0], b[13])
		}
	case <-time.After(patience):
		t.Error("the server waits")
	}
}

func TestNobodyTakesAnothersAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sp, l, n := w.conversation(t)
	w.srv.Grant(room, "thief", media.Grant{})
	thief, err := w.newLight(media.Down, "thief", "c")
	if err != nil {
		t.Fatal(err)
	}
	// The thief knows where the speaker is and writes the speaker's address on a
	// check of his own session.
	sp.mu.Lock()
	sp.silent = true // the speaker's agent does not know the thief's session
	sp.mu.Unlock()
	sp.send(thief.check(true, thief.theirs[1]))
	eventually(t, "the server asks", func() bool { return w.srv.Stats().Probes > 0 })
	before := len(l.heard())
	sp.pump(t, n, "the speaker is heard on", func() bool { return len(l.heard()) > before+20 })
	if w.srv.Stats().Moves != 0 {
		t.Error("the address was taken")
	}
}

func TestWrongFingerprintNeverHears(t *testing.T) {
	t.Parallel()
	for _, setup := range []string{"active", "passive"} {
		t.Run(setup, func(t *testing.T) {
			w := newWorld(t)
			w.srv.Grant(room, "listener", media.Grant{})
			l := w.listener("listener", peerOptions{offer: func(s string) string {
				s = strings.ReplaceAll(s, "a=setup:actpass", "a=setup:"+setup)
				at := strings.Index(s, "a=fingerprint:sha-256 ") + len("a=fingerprint:sha-256 ")
				other := byte('0')
				if s[at] == '0' {
					other = '1'
				}
				return strings.ReplaceAll(s, s[at:at+95], string(other)+s[at+1:at+95])
			}})
			eventually(t, "the handshake fails", func() bool { return w.srv.Stats().HandshakeFailures == 1 })
			eventually(t, "the session is gone", func() bool { return w.told(l.session.ID, false) })
			if w.told(l.session.ID, true) || l.count() != 0 {
				t.Error("became live")
			}
		})
	}
}

func TestReplayedCheckFromElsewhereMovesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.srv.Grant(room, "speaker", media.Grant{CSRC: 1, Publish: true, Forward: true})
	w.srv.Grant(room, "listener", media.Grant{})
	sp := w.lightJoin(t, media.Up, "speaker")
	l, err := w.newLight(media.Down, "listener", "c")
	if err != nil {
		t.Fatal(err)
	}
	captured := [][]byte{l.check(true, l.theirs[1]), l.check(true, l.theirs[1])}
	l.send(captured[0])
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := l.join(ctx); err != nil {
		t.Fatal(err)
	}
	n := sp.pump(t, 1, "the listener hears", func() bool { return len(l.heard()) > 0 })
	// A thief sends what he has seen from his own address, while the old one is
	// live and again when it has long been silent. The second one never reached
	// the server, so that not even its transaction id is known there.
	thief := udp(t)
	defer func() { _ = thief.Close() }()
	stolen := make(chan bool, 1)
	go func() {
		buf, media := make([]byte, 2000), false
		for {
			k, err := thief.Read(buf)
			if err != nil {
				stolen <- media
				return
			}
			media = media || k > 0 && buf[0] >= 128
		}
	}()
	for range 2 {
		before := w.srv.Stats()
		for _, b := range captured {
			_, _ = thief.WriteToUDPAddrPort(b, w.srv.Addr())
		}
		eventually(t, "the checks are taken", func() bool { return w.srv.Stats().StunChecks >= before.StunChecks+2 })
		heard := len(l.heard())
		n = sp.pump(t, n, "the listener hears on", func() bool { return len(l.heard()) > heard+10 })
		w.clock.forward(6 * time.Second)
		sp.send(sp.check(false, sp.theirs[1]))
	}
	if st := w.srv.Stats(); st.Moves != 0 || st.Probes == 0 {
		t.Errorf("%d moves, %d probes", st.Moves, st.Probes)
	}
	_ = thief.Close()
	if <-stolen {
		t.Error("the thief got media")
	}
}

func TestNominatedPathIsTakenWhenThePeerIsThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sp, l, n := w.conversation(t)
	old, done := l.conn, l.done
	l.mu.Lock() // the same peer, at another address
	l.conn, l.done = udp(t), make(chan struct{})
	l.mu.Unlock()
	go l.read(l.conn, l.done)
	l.send(l.check(false, l.theirs[1])) // not nominated, and the old path is live: stays
	before := len(l.heard())
	n = sp.pump(t, n, "heard on the old path", func() bool { return len(l.heard()) > before+5 })
	if w.srv.Stats().Moves != 0 {
		t.Fatal("moved without nomination")
	}
	l.send(l.check(true, l.theirs[1]))
	eventually(t, "moved", func() bool { return w.srv.Stats().Moves == 1 })
	_ = old.Close()
	<-done
	before = len(l.heard())
	sp.pump(t, n, "heard on the new path", func() bool { return len(l.heard()) > before+5 })
}

func TestRebindingMovesAfterSilence(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := newRelay(t, w.srv)
	sp := w.stage(1, 30)[0]
	w.srv.Grant(room, "listener", media.Grant{})
	l := w.listener("listener", peerOptions{answer: r.answer})
	w.live(l.session)
	w.ready(sp, 1, l)
	before := w.srv.Stats().Moves // the speaker may have nominated another path than his first one
	r.rebind(t)                   // as a NAT that has forgotten us; pion repeats no USE-CANDIDATE
	mark := sp.n
	eventually(t, "heard at the new address", func() bool {
		talk(1, sp)
		return since(l.from(1), mark) > 10
	})
	if n := w.srv.Stats().Moves - before; n != 1 {
		t.Errorf("%d moves", n)
	}
}

func TestStrangersPacketsAreDropped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sp, l, n := w.conversation(t)
	stranger := udp(t)
	defer func() { _ = stranger.Close() }()
	before := w.srv.Stats()
	rtp := append([]byte{0x80, 111, 0, 1}, make([]byte, 60)...)
	hello := append([]byte{22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 50, 1}, make([]byte, 49)...)
	for _, b := range [][]byte{rtp, hello, {255, 0, 0}, {1}, {}} {
		_, _ = stranger.WriteToUDPAddrPort(b, w.srv.Addr())
	}
	eventually(t, "all are counted as unknown", func() bool { return w.srv.Stats().PacketsUnknown >= before.PacketsUnknown+5 })
	// From the speaker's own address, but not authentic, and authentic ones again.
	sp.send(rtp)
	raw := l.got.Load()
	sp.say(uint16(n), n)
	sp.say(uint16(n), n)
	eventually(t, "forgery and replay are refused", func() bool { return w.srv.Stats().MediaRefused >= before.MediaRefused+2 })
	sp.pump(t, n+1, "heard on", func() bool { return len(l.heard()) > 0 && l.got.Load() > raw })
}

func TestFloodIsDroppedAtTheSpeakersOwnBudget(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	flooder, l, n := w.conversation(t)
	w.srv.Grant(room, "honest", media.Grant{CSRC: 2, Publish: true, Forward: true})
	honest := w.lightJoin(t, media.Up, "honest")
	before := w.srv.Stats()
	const frames = 60
	for i := range uint32(frames) {
		for k := range uint32(30) { // many times the packet rate, also where a frame takes longer
			flooder.say(uint16(n+30*i+k), 1_000_000+30*i+k)
		}
		honest.say(uint16(i), 2_000_000+i)
		<-time.After(frameDur)
	}
	eventually(t, "the honest speaker is heard", func() bool { return since(l.heard(), 2_000_000) >= frames*97/100 })
	st := w.srv.Stats()
	if dropped := st.DropRate - before.DropRate; dropped < frames*10/2 {
		t.Errorf("only %d packets were dropped", dropped)
	}
}

func TestHostileHellosDoNotDisturbHandshakes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hello := append([]byte{22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 60, 1, 0, 0, 48, 0, 0, 0, 0, 0, 0, 0, 48, 0xfe, 0xfd}, make([]byte, 46)...)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		stranger := udp(t)
		defer func() { _ = stranger.Close() }()
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
				for range 20 {
					_, _ = stranger.WriteToUDPAddrPort(hello, w.srv.Addr())
				}
			}
		}
	}()
	const peers = 40
	for i := range peers {
		who := besedka.ParticipantID(fmt.Sprint("listener", i))
		w.srv.Grant(room, who, media.Grant{})
		w.lightJoin(t, media.Down, who)
	}
	close(stop)
	<-stopped
	st := w.srv.Stats()
	if st.Handshakes != peers || st.HandshakeFailures != 0 || st.PacketsUnknown < 20 {
		t.Errorf("%d handshakes, %d failures, %d packets of strangers", st.Handshakes, st.HandshakeFailures, st.PacketsUnknown)
	}
}

// Not parallel: it counts goroutines.
func TestListenersAtRestHaveNoGoroutines(t *testing.T) {
	w := newWorld(t)
	before := runtime.NumGoroutine()
	const peers = 40
	for i := range peers {
		who := besedka.ParticipantID(fmt.Sprint("listener", i))
		w.srv.Grant(room, who, media.Grant{})
		w.lightJoin(t, media.Down, who)
	}
	eventually(t, "only the clients' own are left", func() bool {
		return runtime.NumGoroutine() <= before+peers // each client reads its socket
	})
}

func TestEverySocketOfThePortKnowsEverySession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.srv.Grant(room, "listener", media.Grant{})
	l := w.lightJoin(t, media.Down, "listener")
	for i := range 24 { // new addresses of his, which the kernel spreads over the sockets
		c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(l.server))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write(l.check(false, l.theirs[1])); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, fanout.MaxDatagram)
		_ = c.SetReadDeadline(time.Now().Add(patience))
		for b[0] != 1 { // an answer; a check of the server's own may come before
			if _, err := c.Read(b); err != nil {
				t.Fatalf("check from address %d: %v", i, err)
			}
		}
	}
}
