//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"besedka/load"
)

// group is what is measured together, because its rows come out of the same runs.
type group struct {
	name, about string
	measure     func(context.Context, *bench) error
}

var groups = []group{
	{"audience", "listeners beside plain Pion, with long packets and with 20 ms, and the limit, in turn", audience},
	{"rest", "a silent room: joins, memory and cost at rest", rest},
	{"visit", "a silent room whose listeners keep an event stream", visit},
	{"storm", "10,000 joins in a minute beside listeners who are there already", storm},
	{"knee", "10,000 listeners, and more until the core is full", knee},
	{"empty", "a server with nobody in it", emptyServer},
	{"client", "what the tests of the client have measured", func(context.Context, *bench) error { return nil }},
}

func groupNames() []string {
	var names []string
	for _, g := range groups {
		names = append(names, g.name)
	}
	return names
}

const (
	joinsPerSecond = 50               // as in the row about the time that a join takes
	toSettle       = 16 * time.Second // by then a large audience has its long packets
	soon           = 4 * time.Second
	never          = -1 // long packets
	usually        = 50 // listeners from which there are long packets: the default
)

func (b *bench) window() time.Duration { return time.Duration(b.seconds) * time.Second }

func audience(ctx context.Context, b *bench) error {
	one := load.Config{Rooms: 1, Speakers: 1, Listeners: b.listeners, JoinsPerSecond: joinsPerSecond, Duration: b.window(), Settle: soon}
	long := one
	long.Settle = toSettle
	for range b.rounds {
		for _, turn := range []struct {
			start starter
			load  load.Config
			to    *[]measurement
		}{
			{b.besedka("besedka", usually), long, &b.Audience},
			{b.pion(), one, &b.Pion},
			{b.besedka("besedka, 20 ms", never), one, &b.Short},
		} {
			m, err := b.drive(ctx, turn.start, turn.load)
			if err != nil {
				return err
			}
			*turn.to = append(*turn.to, m)
		}
		if err := b.takeLimit(b.listeners); err != nil {
			return err
		}
	}
	return nil
}

// rest has joins as fast as the storm's, so that they cost what they cost then.
func rest(ctx context.Context, b *bench) error {
	for range b.rounds {
		m, err := b.drive(ctx, b.besedka("besedka, silent", usually), load.Config{
			Rooms: 1, Listeners: 3000, JoinsPerSecond: 167, Duration: 2 * b.window(), Settle: toSettle})
		if err != nil {
			return err
		}
		b.Rest = append(b.Rest, m)
	}
	return nil
}

func visit(ctx context.Context, b *bench) error {
	for range b.rounds {
		m, err := b.drive(ctx, b.besedka("besedka, whole visits", usually), load.Config{
			Rooms: 1, Listeners: 1000, JoinsPerSecond: 100, Duration: b.window(), Settle: toSettle, Streams: true})
		if err != nil {
			return err
		}
		b.Visit = append(b.Visit, m)
	}
	return nil
}

// stormPerMinute is how fast they come.
const stormPerMinute = 10_000

// storm needs three rooms, because a room takes 5,000.
func storm(ctx context.Context, b *bench) error {
	const rooms = 3
	m, err := b.drive(ctx, b.besedka("besedka, storm", usually), load.Config{
		Rooms: rooms, Speakers: 1, Listeners: 100, Arrivals: b.arrivals / rooms, JoinsPerSecond: joinsPerSecond, Settle: toSettle,
		Duration: time.Duration(b.arrivals) * time.Minute / stormPerMinute})
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "  %-22s arrivals: %s\n", "", *m.Report.Arrived)
	b.Storm = append(b.Storm, m)
	return nil
}

// step is one audience of the search for the knee.
type step struct {
	Listeners   int     `json:"listeners"`
	CPU         float64 `json:"cpu_share"` // of the core
	MicroSecond float64 `json:"us_per_listener_second"`
	Loss        float64 `json:"loss_percent"`
	P99         float64 `json:"latency_p99_ms"`
	Refused     int     `json:"refused"` // of those who came in this step
	Others      float64 `json:"others_cores"`
	Generator   float64 `json:"generator_share"` // of its core
}

const (
	maxLoss   = 0.1 // percent, of a figure that counts
	kneeRooms = 4   // a room takes 5,000
)

// knee lets an audience grow until sound is lost, or until the server lets hardly anybody in
// any more. Joining costs as well, so the door may shut for a while before.
func knee(ctx context.Context, b *bench) error {
	const first, more, most = 10_000, 1000, 19_000
	c := load.Config{Rooms: kneeRooms, Speakers: 1, Listeners: first / kneeRooms, JoinsPerSecond: 100, Duration: 8 * time.Second, Settle: toSettle}
	for n := first; n < most; n += more {
		c.Steps = append(c.Steps, more/kneeRooms)
	}
	var s *server
	var opened cpu
	var quiet meter
	var last step
	refused := 0
	begin := b.besedka("besedka, growing", usually)
	start := func(ctx context.Context, people int) (*server, error) {
		var err error
		s, err = begin(ctx, people)
		return s, err
	}
	c.OnPhase = func(p load.Phase) {
		switch p {
		case load.WindowOpen:
			opened, quiet = cpuOf(s.pid()), startMeter(s.pid())
		case load.WindowClosed:
			used := cpuOf(s.pid()).minus(opened).total()
			last = step{CPU: used / c.Duration.Seconds(), Others: quiet.others()}
		}
	}
	b.KneeClosed = "there were no more listeners to try"
	c.OnStep = func(r load.Report) bool {
		last.Listeners, last.Loss, last.P99 = r.Joins.OK, r.Frames.LossPercent, r.Latency.P99
		last.MicroSecond = last.CPU * 1e6 / float64(max(r.Joins.OK, 1))
		last.Refused = r.Joins.Failed - refused
		last.Generator = r.GeneratorSeconds / c.Duration.Seconds()
		refused = r.Joins.Failed
		before := 0
		if n := len(b.Knee); n > 0 {
			before = b.Knee[n-1].Listeners
		}
		b.Knee = append(b.Knee, last)
		fmt.Fprintf(os.Stderr, "  %6d listeners: %.0f %% of the core, %.1f µs a listener-second, %.3f %% lost, latency p99 %.0f ms, %d refused; generator %.0f %%\n",
			last.Listeners, last.CPU*100, last.MicroSecond, last.Loss, last.P99, last.Refused, last.Generator*100)
		switch {
		case last.Loss > maxLoss:
			b.KneeClosed = fmt.Sprintf("at %d listeners %.2f %% of the sound was lost", last.Listeners, last.Loss)
		case last.Listeners-before < more/2:
			b.KneeClosed = fmt.Sprintf("admission closed at %d listeners", last.Listeners)
		default:
			return true
		}
		return false
	}
	_, err := b.drive(ctx, start, c)
	return err
}

// empty is a server just started.
type empty struct {
	ReadyMS    float64 `json:"ready_ms"`
	ResidentMB float64 `json:"resident_mb"`
	BinaryMB   float64 `json:"binary_mb"`
}

func emptyServer(ctx context.Context, b *bench) error {
	info, err := os.Stat(b.binary)
	if err != nil {
		return err
	}
	for range max(3, b.rounds) {
		s, err := b.besedka("besedka, empty", usually)(ctx, 0)
		if err != nil {
			return err
		}
		select {
		case <-time.After(2 * time.Second):
		case <-ctx.Done():
		}
		e := empty{float64(s.ready.Microseconds()) / 1e3, float64(residentKB(s.pid())) / 1024, float64(info.Size()) / 1e6}
		s.stop()
		if err := ctx.Err(); err != nil {
			return err
		}
		b.Empty = append(b.Empty, e)
		fmt.Fprintf(os.Stderr, "  %-22s ready after %.0f ms, resident %.1f MB\n", s.name, e.ReadyMS, e.ResidentMB)
	}
	return nil
}

// besedka starts Besedka on an empty folder, with an account for each of people.
func (b *bench) besedka(name string, longPackets int) starter {
	return func(ctx context.Context, people int) (*server, error) {
		data, err := os.MkdirTemp(b.dir, "data-")
		if err != nil {
			return nil, err
		}
		binary, err := filepath.Abs(b.binary)
		if err != nil {
			return nil, err
		}
		tcp, udp, err := freePorts()
		if err != nil {
			return nil, err
		}
		s, err := launch(ctx, name, "http://"+tcp, binary, "serve", "--data", data, "--listen", tcp, "--url", "http://"+tcp,
			"--media", udp, "--metrics=", "--long-packets="+strconv.Itoa(longPackets))
		if err != nil {
			return nil, err
		}
		if err := s.people(ctx, people, binary, data); err != nil {
			s.stop()
			return nil, err
		}
		return s, nil
	}
}

// pion starts the plain server.
func (b *bench) pion() starter {
	return func(ctx context.Context, _ int) (*server, error) {
		tcp, udp, err := freePorts()
		if err != nil {
			return nil, err
		}
		s, err := launch(ctx, "plain pion", "http://"+tcp, b.plain, "-listen", tcp, "-media", udp, "-full-ice="+strconv.FormatBool(b.fullICE))
		if err != nil {
			return nil, err
		}
		s.token = "any"
		return s, nil
	}
}
