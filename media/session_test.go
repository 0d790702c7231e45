package media

import (
	"bytes"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"besedka/fanout"
)

// TestHandshakeThatEndsTwiceLeavesNobodyBehind: a flight may be repeated while its handshake is cut,
// and two handshakes of one session may end at once.
func TestHandshakeThatEndsTwiceLeavesNobodyBehind(t *testing.T) {
	s, up, down, _ := fuzzServer(t)
	other := fanout.Keys{Profile: fanout.AES128GCM, Key: [16]byte{1}}
	first := down.listener
	for _, x := range []*session{up, down} {
		x.establish(&handshake{ours: other, theirs: other})
	}
	if down.listener != first {
		t.Error("a second listener hears for the session")
	}
	if got := s.Stats(); got.SessionsUp != 1 || got.SessionsDown != 1 || got.HalfOpen != 0 || got.Handshakes != 2 {
		t.Errorf("%d up, %d down, %d half open after %d handshakes", got.SessionsUp, got.SessionsDown, got.HalfOpen, got.Handshakes)
	}
	s.Revoke("room", "who")
	if got := s.Stats(); got.SessionsUp != 0 || got.SessionsDown != 0 || got.HalfOpen != 0 {
		t.Errorf("left behind: %d up, %d down, %d half open", got.SessionsUp, got.SessionsDown, got.HalfOpen)
	}
}

// TestStormOfControlPacketsStaysWithinItsBudget: what is beyond it does not reach the room's lock.
func TestStormOfControlPacketsStaysWithinItsBudget(t *testing.T) {
	s, _, down, _ := fuzzServer(t)
	seal := fanout.NewControlSealer(fanout.Keys{Profile: fanout.AES128GCM})
	nack := []byte{2<<6 | fmtNACK, rtcpRTPF, 0, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 0xff, 0xff}
	now := s.cfg.Now()
	for range 5 * controlBurst {
		down.controlPacket(seal.Seal(nil, bytes.Clone(nack)), down.path, now)
	}
	if got := s.Stats(); got.Nacks != controlBurst || got.ControlExcess != 4*controlBurst || got.ControlRefused != 0 {
		t.Errorf("%d NACKs, %d packets in excess, %d refused", got.Nacks, got.ControlExcess, got.ControlRefused)
	}
	down.controlPacket(seal.Seal(nil, bytes.Clone(nack)), down.path, now.Add(time.Second))
	if got := s.Stats(); got.Nacks != controlBurst+1 {
		t.Error("a second later nothing is taken")
	}
}

// starved is a listener in want of descriptors, until it has been asked too often.
type starved struct {
	net.Listener
	calls int
}

func (l *starved) Accept() (net.Conn, error) {
	if l.calls++; l.calls > 10_000 {
		return nil, net.ErrClosed
	}
	return nil, syscall.EMFILE
}

func TestWantOfDescriptorsIsWaitedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &starved{}
		s := &Server{tcp: l}
		s.wg.Add(1)
		begun := time.Now()
		s.acceptStreams()
		if took := time.Since(begun); took < 10*time.Second {
			t.Errorf("%d calls in %s", l.calls, took)
		}
	})
}
