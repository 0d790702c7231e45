package media_test

import (
	"sync"
	"testing"
	"time"

	"besedka/fanout"
	"besedka/media"
)

// processor is one that is as busy as a test says, by the test's clock.
type processor struct {
	now   func() time.Time
	mu    sync.Mutex
	at    time.Time
	spent time.Duration
	share float64
}

// used is what the process has used so far.
func (p *processor) used() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if !p.at.IsZero() {
		p.spent += time.Duration(p.share * float64(now.Sub(p.at)))
	}
	p.at = now
	return p.spent
}

// become makes it use that share of its time from now on.
func (p *processor) become(share float64) {
	p.used()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.share = share
}

// frames is how many frames of sound the packet has (RFC 6716 §3.2).
func (h *heard) frames() int {
	switch h.payload[0] & 3 {
	case 0:
		return 1
	case 3:
		return int(h.payload[1] & 63)
	}
	return 2
}

// longest is the length of the longest of the last few packets.
func (l *listener) longest(last int) time.Duration {
	all := l.all()
	most := 0
	for _, h := range all[max(0, len(all)-last):] {
		most = max(most, h.frames())
	}
	return time.Duration(most) * frameDur
}

// talks lets the speaker say a frame each 20 ms until the test is over.
func (s *speaker) talks() {
	stop := make(chan struct{})
	var said sync.WaitGroup
	said.Go(func() {
		tick := time.NewTicker(frameDur)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				s.say()
			case <-stop:
				return
			}
		}
	})
	s.t.Cleanup(func() {
		close(stop)
		said.Wait()
	})
}

func TestBusyMachineMakesTheAudiencesPacketsLongerUntilItIsCalm(t *testing.T) {
	t.Parallel()
	var machine processor
	w := newWorld(t, func(c *media.Config) {
		machine.now = c.Now
		c.CPU, c.Cores = machine.used, 1
		c.Framing = fanout.Policy{Audience: 1, Learn: time.Millisecond, Step: time.Millisecond}
	})
	host := w.stage(1, 30)[0]
	w.srv.Grant(room, "on stage", media.Grant{CSRC: 2, Publish: true})
	onStage := w.listener("on stage", peerOptions{})
	w.live(onStage.session)
	l := w.audience("listener", peerOptions{})
	w.ready(host, 1, l, onStage)
	host.talks()
	const few = 8 // packets: a second of the longest ones
	becomes := func(when string, longest time.Duration) {
		t.Helper()
		eventually(t, when+", packets of "+longest.String(), func() bool { return l.longest(few) == longest })
	}
	becomes("at first", 60*time.Millisecond)

	machine.become(0.7)
	becomes("busy", 120*time.Millisecond)

	machine.become(0.1)
	calm := w.clock.now()
	eventually(t, "the server sees that it is calm", func() bool { return w.srv.Stats().Busy < 0.25 })
	w.clock.forward(8 * time.Second)
	before := l.count()
	eventually(t, "two sweeps have passed", func() bool { return l.count() > before+20 })
	got := l.longest(few)
	if was := w.clock.now().Sub(calm); got != 120*time.Millisecond && was < 15*time.Second { // else this machine took too long
		t.Errorf("calm for %v, packets of %v", was, got)
	}
	w.clock.forward(8 * time.Second)
	becomes("calm for long enough", 60*time.Millisecond)

	if got := onStage.longest(onStage.count()); got != frameDur {
		t.Errorf("on stage packets of %v", got)
	}
}
