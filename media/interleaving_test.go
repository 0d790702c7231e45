package media_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"besedka"
	"besedka/media"
)

// act is one step of somebody's schedule.
type act struct {
	Kind  string
	Pause time.Duration
}

// schedules draws what the room and the participant do at the same time.
func schedules(kinds ...string) *rapid.Generator[[]act] {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) act {
		return act{
			Kind:  rapid.SampledFrom(kinds).Draw(t, "kind"),
			Pause: time.Duration(rapid.IntRange(0, 40).Draw(t, "pause")) * time.Millisecond,
		}
	}), 6, 14)
}

// TestRecipientsAreAlwaysAmongTheGranted lets, for three participants at a
// time, the room grant and revoke while the participant joins and leaves, in
// random interleavings, and somebody speak all the while. Nobody may hear a
// frame that was spoken after Revoke had returned, until the next Grant.
func TestRecipientsAreAlwaysAmongTheGranted(t *testing.T) {
	t.Parallel()
	runs := 20
	if testing.Short() {
		runs = 5
	}
	heard := 0
	for seed := range runs {
		heard += interleave(t, seed)
	}
	if heard < 5*runs { // or the test would prove nothing
		t.Errorf("only %d frames were heard in all", heard)
	}
}

// watched is one participant under test.
type watched struct {
	who     besedka.ParticipantID
	mu      sync.Mutex
	clients []*client
	windows [][2]uint32 // frames spoken without a grant
}

// client is one session of a participant; dead is the frame that was spoken
// last when a Revoke had returned that began after the session was there.
type client struct {
	*light
	dead uint32
}

// interleave is one run; it returns how many frames were heard.
func interleave(t *testing.T, seed int) (heard int) {
	w := newWorld(t)
	w.srv.Grant(room, "host", media.Grant{CSRC: 1, Publish: true, Forward: true})
	host := w.lightJoin(t, media.Up, "host")
	var spoken atomic.Uint32
	stop, spoke := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(spoke)
		tick := time.NewTicker(8 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				n := spoken.Add(1)
				host.say(uint16(n), n)
			case <-stop:
				return
			}
		}
	}()
	var wg sync.WaitGroup
	var all []*watched
	for i := range 3 {
		p := &watched{who: besedka.ParticipantID(fmt.Sprint("participant", i))}
		all = append(all, p)
		room := schedules("grant", "grant", "revoke", "close others").Example(seed*100 + i)
		own := schedules("join", "join", "leave").Example(seed*100 + 50 + i)
		wg.Add(2)
		go func() { defer wg.Done(); p.govern(w, room, &spoken) }()
		go func() { defer wg.Done(); p.behave(w, own) }()
	}
	wg.Wait()
	mark := spoken.Load()
	eventually(t, "some more is spoken", func() bool { return spoken.Load() > mark+10 })
	close(stop)
	<-spoke
	for _, p := range all {
		heard += p.judge(t, seed)
	}
	return heard
}

// govern grants and revokes, and ends without a grant.
func (p *watched) govern(w *world, plan []act, spoken *atomic.Uint32) {
	since := uint32(0)
	granted := false
	for _, a := range append(plan, act{Kind: "revoke"}) {
		switch a.Kind {
		case "grant":
			if !granted {
				p.mu.Lock()
				p.windows = append(p.windows, [2]uint32{since, spoken.Load()})
				p.mu.Unlock()
			}
			w.srv.Grant(room, p.who, media.Grant{})
			granted = true
		case "revoke":
			p.mu.Lock()
			before := append([]*client(nil), p.clients...)
			p.mu.Unlock()
			w.srv.Revoke(room, p.who)
			granted, since = false, spoken.Load()
			p.mu.Lock()
			for _, c := range before {
				if c.dead == 0 {
					c.dead = since
				}
			}
			p.mu.Unlock()
		case "close others":
			w.srv.CloseOthers(room, p.who, "another")
		}
		<-time.After(a.Pause)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.windows = append(p.windows, [2]uint32{since, ^uint32(0)})
}

// behave joins and leaves whether allowed or not.
func (p *watched) behave(w *world, plan []act) {
	for _, a := range plan {
		switch a.Kind {
		case "join":
			l, err := w.newLight(media.Down, p.who, "credential")
			if errors.Is(err, media.ErrNotInRoom) {
				break
			}
			if err != nil {
				w.t.Error(err)
				return
			}
			p.mu.Lock()
			p.clients = append(p.clients, &client{light: l})
			p.mu.Unlock()
			ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
			_ = l.join(ctx) // fails when the grant is lost meanwhile
			cancel()
		case "leave":
			p.mu.Lock()
			var last *client
			if n := len(p.clients); n > 0 {
				last = p.clients[n-1]
			}
			p.mu.Unlock()
			if last != nil {
				_ = w.srv.CloseSession(last.session.ID, room, p.who)
			}
		}
		<-time.After(a.Pause)
	}
}

// judge holds what was heard against what was granted.
func (p *watched) judge(t *testing.T, seed int) (heard int) {
	const inFlight = 10 // frames that may be forwarded after the grant though spoken before
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.clients {
		for _, n := range c.heard() {
			heard++
			if c.dead != 0 && n > c.dead {
				t.Errorf("seed %d: %s heard frame %d in a session revoked at %d", seed, p.who, n, c.dead)
			}
			for _, x := range p.windows {
				if n > x[0] && x[1] > inFlight && n < x[1]-inFlight {
					t.Errorf("seed %d: %s heard frame %d without a grant (%d…%d)", seed, p.who, n, x[0], x[1])
				}
			}
		}
	}
	return heard
}
