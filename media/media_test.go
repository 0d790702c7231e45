package media_test

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"besedka"
	"besedka/media"
)

// since counts the frames with a number of at least first.
func since(numbers []uint32, first uint32) (n int) {
	for _, x := range numbers {
		if x >= first {
			n++
		}
	}
	return n
}

// noGaps says which sequence numbers a slot's listener would take for lost.
func noGaps(t *testing.T, packets []heard) {
	t.Helper()
	last := map[string]uint16{}
	for _, h := range packets {
		if before, ok := last[h.slot]; ok && h.SequenceNumber != before+1 {
			t.Fatalf("%s: sequence number %d after %d", h.slot, h.SequenceNumber, before)
		}
		last[h.slot] = h.SequenceNumber
	}
}

// stage lets n people speak, with the numbers 1 … n, and waits until they are live.
func (w *world) stage(n int, level uint8) []*speaker {
	w.t.Helper()
	var out []*speaker
	for i := range n {
		who := besedka.ParticipantID(fmt.Sprint("speaker", i+1))
		w.srv.Grant(room, who, media.Grant{CSRC: uint32(i + 1), Publish: true, Forward: true})
		out = append(out, w.speaker(who, level, peerOptions{}))
	}
	for _, s := range out {
		w.live(s.session)
	}
	return out
}

// audience lets somebody listen.
func (w *world) audience(who besedka.ParticipantID, o peerOptions) *listener {
	w.t.Helper()
	w.srv.Grant(room, who, media.Grant{})
	l := w.listener(who, o)
	w.live(l.session)
	return l
}

func TestFiveListenersHearTheHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	host := w.stage(1, 30)[0]
	var listeners []*listener
	for i := range 5 {
		listeners = append(listeners, w.audience(besedka.ParticipantID(fmt.Sprint("listener", i)), peerOptions{}))
	}
	w.ready(host, 1, listeners...)
	const frames = 100
	first := host.n
	talk(frames, host)
	for i, l := range listeners {
		eventually(t, fmt.Sprintf("listener %d hears 97 %%", i), func() bool {
			return since(l.from(1), first) >= frames*97/100
		})
		for _, h := range l.all() {
			if len(h.CSRC) != 1 || h.CSRC[0] != 1 {
				t.Fatalf("packet with CSRC %v", h.CSRC)
			}
			if level := h.GetExtension(1); len(level) < 1 || level[0]&0x7f != 30 {
				t.Fatalf("packet with level %v", level)
			}
		}
		noGaps(t, l.all())
	}
}

func TestThreeSpeakersAreHeardInThreeSlots(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stage := w.stage(3, 30)
	l := w.audience("listener", peerOptions{})
	for i, s := range stage {
		w.ready(s, uint32(i+1), l)
	}
	first := stage[0].n
	talk(50, stage...)
	slots := map[uint32]map[string]bool{}
	eventually(t, "all three are heard", func() bool {
		return since(l.from(1), first) >= 45 && len(l.from(2)) >= 45 && len(l.from(3)) >= 45
	})
	for _, h := range l.all() {
		if slots[h.CSRC[0]] == nil {
			slots[h.CSRC[0]] = map[string]bool{}
		}
		slots[h.CSRC[0]][h.slot] = true
	}
	for csrc, in := range slots {
		if len(in) != 1 {
			t.Errorf("speaker %d was heard in slots %v", csrc, in)
		}
	}
	noGaps(t, l.all())
}

func TestFourthLouderSpeakerTakesASlot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stage := w.stage(4, 50)
	stage[2].level = 55 // the quietest
	l := w.audience("listener", peerOptions{})
	for i, s := range stage[:3] {
		w.ready(s, uint32(i+1), l)
	}
	talk(60, stage[:3]...) // longer than the hold time
	stage[3].level = 20
	eventually(t, "the fourth is heard", func() bool {
		talk(1, stage...)
		return len(l.from(4)) > 0
	})
	before := len(l.from(3))
	talk(30, stage...)
	if n := len(l.from(3)) - before; n > 2 {
		t.Errorf("the quietest was heard %d times more", n)
	}
	for _, csrc := range []uint32{1, 2, 4} {
		eventually(t, fmt.Sprintf("speaker %d is heard", csrc), func() bool { return len(l.from(csrc)) > 25 })
	}
	noGaps(t, l.all())
}

func TestForeignPlayerWithOneLineHearsTheDominantSpeaker(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stage := w.stage(2, 50)
	stage[1].level = 20
	l := w.audience("listener", peerOptions{lines: 1})
	w.ready(stage[0], 1, l)
	talk(55, stage[0])
	eventually(t, "the louder one is heard", func() bool {
		talk(1, stage...)
		return len(l.from(2)) > 10
	})
	before := len(l.from(1))
	talk(30, stage...)
	if n := len(l.from(1)) - before; n > 0 {
		t.Errorf("the quieter one was heard %d times more", n)
	}
	noGaps(t, l.all())
}

func TestSpeakerHearsTheOthersAndNotHimself(t *testing.T) {
	t.Parallel()
	for _, lines := range []int{1, 3} {
		t.Run(fmt.Sprint(lines, " lines"), func(t *testing.T) {
			w := newWorld(t)
			stage := w.stage(2, 40)
			stage[0].level = 15 // much louder: would be the dominant speaker
			self := w.listener("speaker1", peerOptions{lines: lines})
			other := w.audience("listener", peerOptions{})
			w.live(self.session)
			w.ready(stage[1], 2, self, other)
			for range 3 { // alternate, so that slots change hands
				first := stage[1].n
				talk(25, stage...)
				eventually(t, "the other is heard", func() bool { return since(self.from(2), first) >= 24 })
				talk(60, stage[0])
				talk(10, stage[1])
			}
			if n := len(self.from(1)); n != 0 {
				t.Errorf("heard himself %d times", n)
			}
			if len(other.from(1)) == 0 {
				t.Error("nobody heard him")
			}
			noGaps(t, self.all())
			noGaps(t, other.all())
		})
	}
}

func TestNothingIsSentAfterRevoke(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	host := w.stage(1, 30)[0]
	gone, stays := w.audience("gone", peerOptions{}), w.audience("stays", peerOptions{})
	w.ready(host, 1, gone, stays)
	w.srv.Revoke(room, "gone")
	mark := host.n
	talk(50, host)
	eventually(t, "the other one hears on", func() bool { return since(stays.from(1), mark) >= 48 })
	if n := since(gone.from(1), mark); n != 0 {
		t.Errorf("heard %d frames after the removal", n)
	}
	eventually(t, "told that the session is gone", func() bool { return w.told(gone.session.ID, false) })
	if _, err := w.tryListener("gone", peerOptions{}); besedka.AsError(err).Code != "not_in_room" {
		t.Errorf("coming back without a grant: %v", err)
	}
}

func TestNothingIsForwardedAfterRevokeOrMute(t *testing.T) {
	t.Parallel()
	for name, cut := range map[string]func(*world){
		"revoke":         func(w *world) { w.srv.Revoke(room, "speaker1") },
		"mute":           func(w *world) { w.srv.Grant(room, "speaker1", media.Grant{CSRC: 1, Publish: true}) },
		"off the stage":  func(w *world) { w.srv.Grant(room, "speaker1", media.Grant{CSRC: 1}) },
		"credential":     func(w *world) { w.srv.CloseCredential("credential") },
		"other place":    func(w *world) { w.srv.CloseOthers(room, "speaker1", "another credential") },
		"the room's end": func(w *world) { w.srv.EndRoom(room) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			sp := w.stage(1, 30)[0]
			w.srv.Grant(room, "listener", media.Grant{})
			l := w.listener("listener", peerOptions{cred: "listener's own"})
			w.live(l.session)
			w.ready(sp, 1, l)
			cut(w)
			mark, forwarded := sp.n, w.srv.Stats().Forwarded
			talk(50, sp)
			if n := since(l.from(1), mark); n != 0 {
				t.Errorf("%d frames were heard", n)
			}
			if n := w.srv.Stats().Forwarded - forwarded; n != 0 {
				t.Errorf("%d packets were forwarded", n)
			}
			if name == "mute" {
				w.srv.Grant(room, "speaker1", media.Grant{CSRC: 1, Publish: true, Forward: true})
				w.ready(sp, 1, l)
				talk(10, sp)
				eventually(t, "heard after unmuting", func() bool { return since(l.from(1), mark+50) > 8 })
				noGaps(t, l.all())
			}
		})
	}
}

func TestOldPeersWithoutGCMHearAndSpeak(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.srv.Grant(room, "speaker", media.Grant{CSRC: 5, Publish: true, Forward: true})
	sp := w.speaker("speaker", 30, peerOptions{cmOnly: true})
	w.live(sp.session)
	l := w.audience("listener", peerOptions{cmOnly: true})
	w.ready(sp, 5, l)
	first := sp.n
	talk(50, sp)
	eventually(t, "98 % are heard", func() bool { return since(l.from(5), first) >= 49 })
	if n := w.srv.Stats().HandshakesAESCM; n != 2 {
		t.Errorf("%d sessions without GCM", n)
	}
}

func TestGCMIsSpokenWithAllWhoHaveIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.srv.Grant(room, "speaker", media.Grant{CSRC: 5, Publish: true, Forward: true})
	sp := w.speaker("speaker", 30, peerOptions{cmFirst: true})
	l := w.audience("listener", peerOptions{cmFirst: true})
	w.live(sp.session)
	w.ready(sp, 5, l)
	if n := w.srv.Stats().HandshakesAESCM; n != 0 {
		t.Errorf("%d sessions without GCM", n)
	}
}

func TestLostLastFlightIsRepeated(t *testing.T) {
	t.Parallel()
	for _, setup := range []string{"active", "passive"} {
		t.Run(setup, func(t *testing.T) {
			w := newWorld(t)
			r := newRelay(t, w.srv)
			sp := w.stage(1, 30)[0]
			w.srv.Grant(room, "listener", media.Grant{})
			lost := map[bool]int{}
			r.setDrop(func(up bool, b []byte) bool { // ChangeCipherSpec and Finished of both sides, the first times
				if len(b) == 0 || b[0] != 20 || lost[up] == 2 {
					return false
				}
				lost[up]++
				return true
			})
			l := w.listener("listener", peerOptions{answer: r.answer, offer: func(s string) string {
				return strings.ReplaceAll(s, "a=setup:actpass", "a=setup:"+setup)
			}})
			w.live(l.session)
			w.ready(sp, 1, l)
			r.mu.Lock()
			defer r.mu.Unlock()
			if lost[false]+lost[true] == 0 {
				t.Error("nothing was lost")
			}
		})
	}
}

func TestVoiceNeedNotWaitForThePeersFinished(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := newRelay(t, w.srv)
	sp := w.stage(1, 30)[0]
	w.srv.Grant(room, "listener", media.Grant{})
	r.setDrop(func(up bool, b []byte) bool { // the peer, as DTLS server, ends with ChangeCipherSpec and Finished
		return up && len(b) > 0 && b[0] == 20
	})
	l := w.listener("listener", peerOptions{answer: r.answer, offer: func(s string) string {
		return strings.ReplaceAll(s, "a=setup:actpass", "a=setup:passive")
	}})
	w.live(l.session)
	w.ready(sp, 1, l)
}

func TestTCPOnlyPeersHearAndSpeak(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.srv.Grant(room, "speaker", media.Grant{CSRC: 5, Publish: true, Forward: true})
	sp := w.speaker("speaker", 30, peerOptions{tcp: true})
	w.live(sp.session)
	l := w.audience("listener", peerOptions{tcp: true})
	w.ready(sp, 5, l)
	first := sp.n
	talk(50, sp)
	eventually(t, "every frame is heard", func() bool { return since(l.from(5), first) == 50 })
	if w.srv.Stats().Streams < 2 {
		t.Error("not over TCP")
	}
	w.srv.Revoke(room, "listener")
	mark := sp.n
	talk(25, sp)
	if n := since(l.from(5), mark); n != 0 {
		t.Errorf("%d frames were heard after the removal", n)
	}
}

func TestSpeakersOwnSequenceMayWrap(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sp := w.stage(1, 30)[0]
	sp.seq, sp.ts = 65500, 0xffffff00
	l := w.audience("listener", peerOptions{})
	w.ready(sp, 1, l)
	first := sp.n
	talk(80, sp)
	eventually(t, "98 % are heard", func() bool { return since(l.from(1), first) >= 78 })
	noGaps(t, l.all())
}

func TestLostPacketsAreAskedForAndRepaired(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"up", "down"} {
		t.Run(way, func(t *testing.T) {
			w := newWorld(t)
			r := newRelay(t, w.srv)
			w.srv.Grant(room, "speaker", media.Grant{CSRC: 1, Publish: true, Forward: true})
			w.srv.Grant(room, "listener", media.Grant{})
			var up, down peerOptions
			if way == "up" {
				up.answer = r.answer
			} else {
				down.answer = r.answer
			}
			sp, l := w.speaker("speaker", 30, up), w.listener("listener", down)
			w.live(sp.session, l.session)
			w.ready(sp, 1, l)
			lost := map[uint16]bool{}
			r.setDrop(func(isUp bool, b []byte) bool { // each tenth packet, the first time
				seq := binary.BigEndian.Uint16(b[2:])
				if isUp != (way == "up") || !isRTP(b) || seq%10 != 0 || lost[seq] {
					return false
				}
				lost[seq] = true
				return true
			})
			first := sp.n
			const frames = 150
			talk(frames, sp)
			r.setDrop(nil)
			talk(10, sp)
			eventually(t, "every lost frame is repaired", func() bool {
				got := l.from(1)
				slices.Sort(got)
				return since(slices.Compact(got), first) >= frames+5
			})
			st := w.srv.Stats()
			if way == "up" && st.NacksSent == 0 || way == "down" && st.Resent == 0 {
				t.Errorf("nothing was asked for: %+v", st)
			}
		})
	}
}

func TestSpeakersAndListenersGetReports(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sp := w.stage(1, 30)[0]
	l := w.audience("listener", peerOptions{})
	w.ready(sp, 1, l)
	eventually(t, "a sender report has come down", func() bool {
		talk(1, sp)
		return w.srv.Stats().Reports > 0
	})
	eventually(t, "pion's report has come up", func() bool {
		talk(1, sp)
		return w.srv.Stats().ControlIn > 2
	})
	if n := w.srv.Stats().ControlRefused; n != 0 {
		t.Errorf("%d reports were refused", n)
	}
}

func TestLostConsentEndsTheSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.srv.Grant(room, "listener", media.Grant{})
	l := w.lightJoin(t, media.Down, "listener")
	w.clock.forward(19 * time.Second)
	l.send(l.check(false, l.theirs[1]))
	eventually(t, "the check is answered", func() bool { l.mu.Lock(); defer l.mu.Unlock(); return l.answers >= 2 })
	w.clock.forward(19 * time.Second)
	before := w.srv.Stats().Expired
	if before != 0 || w.told(l.session.ID, false) {
		t.Fatal("ended although it was checked")
	}
	w.clock.forward(2 * time.Second)
	eventually(t, "the session ends", func() bool { return w.told(l.session.ID, false) })
	if w.srv.Stats().SessionsDown != 0 {
		t.Error("still counted")
	}
}

func TestGoodbyeEndsTheSessionAtOnce(t *testing.T) {
	t.Parallel()
	for _, setup := range []string{"active", "passive"} {
		t.Run(setup, func(t *testing.T) {
			w := newWorld(t)
			w.srv.Grant(room, "listener", media.Grant{})
			l := w.listener("listener", peerOptions{offer: func(s string) string {
				return strings.ReplaceAll(s, "a=setup:actpass", "a=setup:"+map[string]string{"active": "passive", "passive": "active"}[setup])
			}})
			w.live(l.session)
			eventually(t, "connected", func() bool { return l.pc.ConnectionState().String() == "connected" })
			if err := l.pc.Close(); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the session is gone", func() bool { return w.told(l.session.ID, false) })
			if st := w.srv.Stats(); st.Farewells != 1 || st.Expired != 0 {
				t.Errorf("%+v", st)
			}
		})
	}
}

func TestForgedGoodbyeDoesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.srv.Grant(room, "listener", media.Grant{})
	l := w.lightJoin(t, media.Down, "listener")
	forged := append([]byte{21, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 1, 0, 26}, make([]byte, 26)...)
	plain := []byte{21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 0}
	before := w.srv.Stats().PacketsIn
	l.send(forged)
	l.send(plain)
	eventually(t, "both have come", func() bool { return w.srv.Stats().PacketsIn >= before+2 })
	if w.told(l.session.ID, false) || w.srv.Stats().SessionsDown != 1 {
		t.Error("a forged alert ended the session")
	}
}

func TestOthersCannotCloseASession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.audience("listener", peerOptions{})
	id := l.session.ID
	for _, err := range []error{
		w.srv.CloseSession(id, room, "somebody"),
		w.srv.CloseSession(id, "elsewhere", "listener"),
		w.srv.CloseSession("guessed", room, "listener"),
		w.srv.Trickle(id, room, "somebody", nil),
		w.srv.Trickle("guessed", room, "listener", nil),
	} {
		if besedka.AsError(err).Code != besedka.ErrNotFound.Code {
			t.Errorf("not refused: %v", err)
		}
	}
	if err := w.srv.Trickle(id, room, "listener", []byte("a=mid:0\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n")); err != nil {
		t.Error(err)
	}
	if err := w.srv.Trickle(id, room, "listener", []byte("a=ice-ufrag:other\r\n")); besedka.AsError(err).Code != "sdp_invalid" {
		t.Errorf("ICE restart: %v", err)
	}
	if err := w.srv.CloseSession(id, room, "listener"); err != nil {
		t.Error(err)
	}
	eventually(t, "gone", func() bool { return w.told(id, false) })
	if err := w.srv.CloseSession(id, room, "listener"); besedka.AsError(err).Code != besedka.ErrNotFound.Code {
		t.Errorf("closed twice: %v", err)
	}
}

func TestNewerSessionReplacesTheOldest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.srv.Grant(room, "host", media.Grant{CSRC: 1, Publish: true, Forward: true})
	var downs, ups []*light
	for range 3 {
		downs = append(downs, w.lightJoin(t, media.Down, "host"))
	}
	for range 2 {
		ups = append(ups, w.lightJoin(t, media.Up, "host"))
	}
	eventually(t, "the oldest have ended", func() bool {
		return w.told(downs[0].session.ID, false) && w.told(ups[0].session.ID, false)
	})
	if st := w.srv.Stats(); st.SessionsDown != 2 || st.SessionsUp != 1 {
		t.Errorf("%d down, %d up", st.SessionsDown, st.SessionsUp)
	}
}

func TestClosedCredentialCannotComeBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.srv.Grant(room, "listener", media.Grant{})
	l := w.lightJoin(t, media.Down, "listener")
	w.srv.CloseCredential("credential")
	eventually(t, "gone", func() bool { return w.told(l.session.ID, false) })
	if _, err := w.newLight(media.Down, "listener", "credential"); besedka.AsError(err).Code != besedka.ErrUnauthenticated.Code {
		t.Errorf("came back: %v", err)
	}
	if _, err := w.newLight(media.Down, "listener", "another"); err != nil {
		t.Errorf("another credential: %v", err)
	}
}

func TestListenersCannotPublish(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.srv.Grant(room, "listener", media.Grant{CSRC: 3})
	if _, err := w.newLight(media.Up, "listener", "c"); besedka.AsError(err).Code != "not_on_stage" {
		t.Errorf("published: %v", err)
	}
	if _, err := w.newLight(media.Up, "stranger", "c"); besedka.AsError(err).Code != "not_in_room" {
		t.Errorf("published: %v", err)
	}
}

func TestUnjoinedSessionsAreReaped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.srv.Grant(room, "listener", media.Grant{})
	l, err := w.newLight(media.Down, "listener", "c")
	if err != nil {
		t.Fatal(err)
	}
	if w.srv.Stats().HalfOpen != 1 {
		t.Error("not counted as half open")
	}
	w.clock.forward(15 * time.Second)
	eventually(t, "reaped", func() bool { return w.told(l.session.ID, false) && w.srv.Stats().HalfOpen == 0 })
}

func TestCloseEndsEverySession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.srv.Grant(room, "listener", media.Grant{})
	l := w.lightJoin(t, media.Down, "listener")
	if err := w.srv.Close(); err != nil {
		t.Fatal(err)
	}
	if !w.told(l.session.ID, false) {
		t.Error("not told before Close returned")
	}
}

// withSlow is a speaker, somebody who hears him, and somebody on TCP who has stopped to read, so
// that packets for him are dropped already.
func (w *world) withSlow(t *testing.T) (sp *speaker, l *listener, slow *light) {
	t.Helper()
	sp = w.stage(1, 30)[0]
	w.srv.Grant(room, "slow", media.Grant{})
	l = w.audience("listener", peerOptions{})
	slow = w.tcpJoin(t, "slow")
	w.ready(sp, 1, l)
	slow.hold.Store(true)
	eventually(t, "packets for the slow one are dropped", func() bool {
		for range 20 { // large frames fill the buffers of both systems sooner
			sp.write(sp.frame(sp.n, 1200))
		}
		talk(1, sp)
		return w.srv.Stats().DropSlow > 0
	})
	return sp, l, slow
}

func TestSlowStreamHoldsUpNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sp, l, _ := w.withSlow(t)
	mark := sp.n
	talk(100, sp)
	eventually(t, "the other one hears on", func() bool { return since(l.from(1), mark) >= 90 })
}
