//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"time"

	limit "besedka/bench"
	"besedka/load"
)

// bench is one run: what was asked for, and all that it has measured.
type bench struct {
	options
	dir, plain string
	unsampled  error // why there are no samples

	Machine machine `json:"machine"`
	Rows    []row   `json:"rows"`

	Audience   []measurement `json:"audience,omitempty"`    // with the framing of a large audience
	Short      []measurement `json:"short,omitempty"`       // with packets of 20 ms
	Pion       []measurement `json:"plain_pion,omitempty"`  //
	Limit      []limitCost   `json:"limit,omitempty"`       //
	Rest       []measurement `json:"rest,omitempty"`        // nobody speaks
	Visit      []measurement `json:"visit,omitempty"`       // nobody speaks, everybody has an event stream
	Storm      []measurement `json:"storm,omitempty"`       //
	Knee       []step        `json:"knee,omitempty"`        //
	KneeClosed string        `json:"knee_closed,omitempty"` // why the search ended
	Empty      []empty       `json:"empty,omitempty"`       //
}

// limitCost is the limit of this machine in one round.
type limitCost struct {
	limit.Cost
	Others float64 `json:"others_cores"`
}

// measurement is one server driven through one load.
type measurement struct {
	System string      `json:"system"`
	Joins  cpu         `json:"joins_cpu_seconds"`
	Window cpu         `json:"window_cpu_seconds"`
	Before int         `json:"resident_before_kb"`
	After  int         `json:"resident_after_kb"`
	User   float64     `json:"user_share,omitempty"` // of its time, by samples; 0: not measured
	Others float64     `json:"others_cores"`         // what the rest of the machine took meanwhile
	Report load.Report `json:"report"`
}

func (m measurement) heard() float64   { return float64(max(m.Report.Joins.OK, 1)) }
func (m measurement) packets() float64 { return float64(max(m.Report.Packets, 1)) }

// PerListenerSecond is in microseconds, as all figures of CPU here.
func (m measurement) perListenerSecond() float64 {
	return m.Window.total() * 1e6 / m.heard() / max(m.Report.Seconds, 1)
}
func (m measurement) perPacket() float64     { return m.Window.total() * 1e6 / m.packets() }
func (m measurement) userPerPacket() float64 { return m.User * m.perPacket() }
func (m measurement) perListenerKB() float64 { return float64(m.After-m.Before) / m.heard() }
func (m measurement) perJoin() float64       { return m.Joins.total() * 1e3 / m.heard() } // milliseconds

// drive starts a server, drives it through one load and stops it.
func (b *bench) drive(ctx context.Context, start starter, c load.Config) (measurement, error) {
	s, err := start(ctx, c.Rooms*max(c.Speakers, 1))
	if err != nil {
		return measurement{}, err
	}
	defer s.stop()
	m := measurement{System: s.name}
	var began, opened cpu
	var quiet meter
	var samples *sampler
	onPhase := c.OnPhase
	c.URL, c.Token, c.SpeakerTokens, c.Guests, c.Abandon = s.url, s.token, s.speakers, s.guests, true
	c.OnPhase = func(p load.Phase) {
		now := cpuOf(s.pid())
		switch p {
		case load.SpeakersReady:
			m.Before, began = residentKB(s.pid()), now
		case load.ListenersReady:
			m.Joins = now.minus(began)
			if c.Speakers > 0 && c.Arrivals == 0 && len(c.Steps) == 0 {
				samples, b.unsampled = b.startSampler(ctx, s.pid())
			}
		case load.WindowOpen:
			opened, quiet = now, startMeter(s.pid())
		case load.WindowClosed:
			m.Window, m.After, m.Others = now.minus(opened), residentKB(s.pid()), quiet.others()
		}
		if onPhase != nil {
			onPhase(p)
		}
	}
	m.Report, err = load.Run(ctx, c)
	if samples != nil {
		m.User, b.unsampled = samples.user(ctx)
	}
	if err != nil {
		return m, fmt.Errorf("%s: %w\n%s", s.name, err, s.log())
	}
	if m.Report.Joins.OK == 0 {
		return m, fmt.Errorf("%s: nobody could join: %v\n%s", s.name, m.Report.Joins.Why, s.log())
	}
	fmt.Fprintf(os.Stderr, "  %-22s joins: %s; %.1f µs a listener-second", s.name, m.Report.Joins, m.perListenerSecond())
	if c.Speakers == 0 {
		fmt.Fprintf(os.Stderr, ", %.2f ms a join\n", m.perJoin())
	} else {
		fmt.Fprintf(os.Stderr, ", %.2f µs a packet, %.3f %% lost, longest gap %.0f ms\n", m.perPacket(), m.Report.Frames.LossPercent, m.Report.LongestGap)
	}
	return m, nil
}

// takeLimit measures the limit of the machine.
func (b *bench) takeLimit(listeners int) error {
	quiet := startMeter(0)
	c, err := limit.Limit(listeners, limitTime, serverCore, generatorCore)
	if err != nil {
		return fmt.Errorf("limit: %w", err)
	}
	b.Limit = append(b.Limit, limitCost{c, quiet.others()})
	fmt.Fprintf(os.Stderr, "  %-22s %.2f µs a packet\n", "limit", c.Total())
	return nil
}

const limitTime = 4 * time.Second
