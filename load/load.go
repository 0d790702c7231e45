// Package load is the load generator behind "besedka load": it opens rooms on
// a running server, speaks into them and lets many listeners hear, over real
// ICE, DTLS and SRTP, and says what arrived.
//
// It knows the server only through the public HTTP API and the media address
// in its SDP answers, so that any server that speaks the same few endpoints can
// be driven unchanged. It talks to nothing but the given URL and that address.
//
// A listener is a UDP socket and a few hundred bytes: its own small ICE client
// (stun.go) nominates with its first check and renews consent (RFC 7675), pion/dtls
// does the handshake only (dtls.go), and packets are counted by their clear RTP
// header; one in fifty is decrypted, to prove the key and to read the time at
// which the speaker sent it. Sockets stay outside the runtime's poller and are
// visited in turn without blocking: a receiver that sleeps would be woken by
// every single send and charge that to the server. The kernel stamps arrivals,
// so a late visit does not falsify a latency.
//
// Only Linux has what this needs; elsewhere Run returns ErrPlatform.
package load

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"time"
)

// ErrPlatform is returned where the generator cannot run.
var ErrPlatform = errors.New("the load generator needs Linux")

// Phase is a moment of a run, told through Config.OnPhase.
type Phase int

// The phases, in order.
const (
	SpeakersReady  Phase = iota // rooms are open and their speakers connected; no listener yet
	ListenersReady              // every join was tried
	WindowOpen                  // measuring begins
	WindowClosed                // measuring has ended; everybody is still connected
)

// Config says what to do. Zero values take the default named beside them.
type Config struct {
	URL       string        // of the server, without /api
	Token     string        // of an account that may open a room
	Rooms     int           // 1
	Speakers  int           // in each room; 0 means silent rooms
	Listeners int           // in each room
	Duration  time.Duration // of the measuring window, 30 s
	Settle    time.Duration // between the last join and the window, 2 s

	// Steps are further listeners of each room, who come after a window has closed: each
	// step has its settling and its window. OnStep is told what was measured in each window,
	// the first included; there is no further step when it says no.
	Steps  []int
	OnStep func(Report) (next bool)
	// Streams: each listener also keeps an event stream open, as a browser does.
	Streams bool
	// Abandon: nobody takes leave at the end, because the server is ended next.
	Abandon bool
	// Return: who loses the server while it is measured comes back as the web client does. How
	// soon stands in the report.
	Return bool
	// Arrivals are further listeners of each room, who join at an even pace during the first
	// window. What they hear is not counted: how they disturb the others is.
	Arrivals int

	JoinsPerSecond int // 50
	Slots          int // audio m-lines that a listener offers, 3

	// SpeakerTokens are credentials of accounts for the speakers after the first
	// and for the hosts of the rooms after the first. Where they do not suffice,
	// those are used that earlier runs with the same Token made, and then more are
	// made with invitations of its account.
	SpeakerTokens []string
	// Guests gives the credentials of n listeners of a room. Without it they are
	// asked for one by one with POST /rooms/{room}/guests.
	Guests func(ctx context.Context, room string, n int) ([]string, error)
	// OnPhase is called as the run passes each phase; the run waits for it.
	OnPhase func(Phase)

	Now    func() time.Time // time.Now
	Random io.Reader        // crypto/rand
	Log    *slog.Logger     // discards
}

// Limits on what one run may ask of a server and of this machine.
const (
	maxRooms     = 100
	maxSpeakers  = 100
	maxListeners = 20000 // in all rooms together
	maxDuration  = 24 * time.Hour
	maxJoinRate  = 1000
	frameTime    = 20 * time.Millisecond
	joinTimeout  = 20 * time.Second
	leaveTimeout = 30 * time.Second
)

func (c *Config) complete() error {
	defaults := []struct {
		v *int
		d int
	}{{&c.Rooms, 1}, {&c.JoinsPerSecond, 50}, {&c.Slots, 3}}
	for _, d := range defaults {
		if *d.v == 0 {
			*d.v = d.d
		}
	}
	if c.Duration == 0 {
		c.Duration = 30 * time.Second
	}
	if c.Settle == 0 {
		c.Settle = 2 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Random == nil {
		c.Random = rand.Reader
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.OnPhase == nil {
		c.OnPhase = func(Phase) {}
	}
	u, err := url.Parse(c.URL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return fmt.Errorf("url %q: want http://host or https://host", c.URL)
	}
	c.URL = strings.TrimRight(c.URL, "/")
	return c.bounds()
}

func (c *Config) bounds() error {
	in := func(name string, v, low, high int) error {
		if v < low || v > high {
			return fmt.Errorf("%s %d: want %d to %d", name, v, low, high)
		}
		return nil
	}
	return errors.Join(
		in("rooms", c.Rooms, 1, maxRooms),
		in("speakers", c.Speakers, 0, maxSpeakers),
		in("listeners in all rooms", c.Rooms*(c.Listeners+c.stepping()+c.Arrivals), 0, maxListeners),
		in("arrivals", c.Arrivals, 0, int(maxJoinRate*max(c.Duration, 0)/time.Second)/max(c.Rooms, 1)),
		in("joins per second", c.JoinsPerSecond, 1, maxJoinRate),
		in("slots", c.Slots, 1, 3),
		in("seconds", int(c.Duration/time.Second), 1, int(maxDuration/time.Second)),
		in("seconds to settle", int(c.Settle/time.Second), 0, 3600),
	)
}

// stepping is how many listeners of a room the steps bring.
func (c *Config) stepping() int {
	n := 0
	for _, s := range c.Steps {
		n += max(s, 0)
	}
	return n
}

// run is one run's state.
type run struct {
	Config
	api     *api
	dtls    *identity
	shards  []*shard
	window  window
	rooms   []*room
	joins   joins // of the listeners that are there when it is measured
	late    joins // of the arrivals
	returns returns
	talk    sync.Mutex // what the rooms' talkers count
	streams sync.WaitGroup

	made   int  // accounts of Token's that were asked for
	allNew bool // there are no more of earlier runs
}

// Run opens the rooms, lets everybody in, measures for Duration, leaves and
// ends the rooms again. It returns the report together with an error when the
// run could not be finished: what was measured until then is in the report.
// Failed joins of listeners are no error; they stand in the report. Accounts
// that were made for speakers stay on the server, signed out, for the next run
// with the same token.
func Run(ctx context.Context, c Config) (Report, error) {
	if err := c.complete(); err != nil {
		return Report{}, err
	}
	if !supported {
		return Report{}, ErrPlatform
	}
	id, err := newIdentity()
	if err != nil {
		return Report{}, err
	}
	r := &run{Config: c, api: newAPI(c.URL, c.Rooms*max(c.Speakers, 1)), dtls: id, joins: joins{failed: map[string]int{}}, late: joins{failed: map[string]int{}}}
	defer r.api.close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	pollers := min(runtime.NumCPU(), 1+c.Rooms*(c.Listeners+c.stepping()+c.Arrivals)/2000)
	var polling sync.WaitGroup
	for range pollers {
		s := newShard(&r.window, c.Now, c.Rooms*(c.Listeners+c.stepping()+c.Arrivals+c.Speakers)/pollers+1)
		r.shards = append(r.shards, s)
		polling.Go(s.poll)
	}
	err = r.measure(ctx)
	cancel() // ends the event streams, and nobody comes back
	r.returns.keeping.Wait()
	for _, s := range r.shards {
		s.tally.leaving.Store(true)
	}
	r.streams.Wait()
	if !c.Abandon {
		leave, done := context.WithTimeout(context.WithoutCancel(ctx), leaveTimeout)
		defer done()
		r.end(leave)
	}
	for _, s := range r.shards {
		s.stop()
	}
	polling.Wait()
	return r.report(), err
}

// measure goes through the phases.
func (r *run) measure(ctx context.Context) error {
	talking, hush := context.WithCancel(ctx)
	var talkers sync.WaitGroup
	defer talkers.Wait()
	defer hush()
	for i := range r.Rooms {
		m, err := r.openRoom(ctx, i)
		if m != nil {
			r.rooms = append(r.rooms, m)
		}
		if err != nil {
			return fmt.Errorf("room %d: %w", i+1, err)
		}
		if r.Return {
			for _, s := range m.speakers {
				r.returns.keeping.Go(func() { r.keepSpeaker(ctx, m, s) })
			}
		}
		if len(m.speakers) > 0 {
			talkers.Go(func() { m.talk(talking, r) })
		}
	}
	if err := r.tokens(ctx); err != nil {
		return err
	}
	r.OnPhase(SpeakersReady)
	for i, n := range append([]int{r.Listeners}, r.Steps...) {
		if i > 0 {
			r.still(r.anew)
		}
		if err := r.step(ctx, n); err != nil {
			return err
		}
		if r.OnStep == nil {
			continue
		}
		var rep Report
		r.still(func() { rep = r.report() })
		if !r.OnStep(rep) {
			return nil
		}
	}
	return nil
}

// step lets n more listeners into each room and measures one window.
func (r *run) step(ctx context.Context, n int) error {
	r.calm(false)
	if err := r.joinAll(ctx, &r.joins, n, time.Second/time.Duration(r.JoinsPerSecond)); err != nil {
		return err
	}
	arrivals := r.Arrivals
	if r.late.number > 0 {
		arrivals = 0
	}
	r.calm(arrivals == 0)
	r.OnPhase(ListenersReady)
	if err := r.wait(ctx, r.Settle); err != nil {
		return err
	}
	r.window.set(r.Now().Add(frameTime), r.Duration)
	r.OnPhase(WindowOpen)
	before := cpuTime()
	var arriving sync.WaitGroup
	arriving.Go(func() { // its error is that ctx has ended, which wait says as well
		_ = r.joinAll(ctx, &r.late, arrivals, r.Duration/time.Duration(max(arrivals*r.Rooms, 1)))
	})
	defer arriving.Wait()
	if err := r.wait(ctx, r.window.end().Sub(r.Now())); err != nil {
		return err
	}
	r.OnPhase(WindowClosed)
	r.joins.cpu = cpuTime() - before
	// Speech goes on until every socket was visited and has seen the frame after the window.
	return r.wait(ctx, 2*maxVisit+200*time.Millisecond)
}

// calm tells the shards whether anybody joins.
func (r *run) calm(yes bool) {
	for _, s := range r.shards {
		s.calls <- func() { s.isCalm = yes }
	}
}

// still does something while no shard does anything.
func (r *run) still(f func()) {
	var still, done sync.WaitGroup
	still.Add(len(r.shards))
	done.Add(1)
	for _, s := range r.shards {
		s.calls <- func() { still.Done(); done.Wait() }
	}
	still.Wait()
	f()
	done.Done()
}

// anew forgets what was measured in the window, for the next one. The shards are still.
func (r *run) anew() {
	r.window.from.Store(0)
	for _, s := range r.shards {
		s.tally.latency, s.tally.oldest, s.tally.framesPerPacket = s.tally.latency[:0], s.tally.oldest[:0], [49]uint64{}
	}
	r.talk.Lock()
	defer r.talk.Unlock()
	for _, m := range r.rooms {
		m.sent, m.ticks, m.spoke, m.pause = 0, 0, 0, 0
		for _, l := range m.listeners {
			for i := range l.streams {
				l.streams[i].anew()
			}
		}
	}
}

func (r *run) wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// shardFor spreads peers over the pollers.
func (r *run) shardFor(n int) *shard { return r.shards[n%len(r.shards)] }
