//go:build linux

// Command run measures what Besedka costs for each packet and each listener,
// beside a plain-Pion server that does the same work, in one run:
//
//	make bench          or          go run ./bench/run [-listeners 300] [-speakers 1] [-rounds 2] [-seconds 15] [-json]
//
// Each server runs alone on core 0 with GOMAXPROCS=1, the load generator on core 1; the two
// alternate (A B A B), and each round also measures the limit of this machine (encrypt
// and sendmmsg, nothing else). CPU is user and system time of the server's
// process inside the window, from /proc. Nothing is asserted.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"besedka/bench"
	"besedka/load"

	"golang.org/x/sys/unix"
)

const (
	serverCore    = 0
	generatorCore = 1
	limitTime     = 4 * time.Second
)

// options are the flags.
type options struct {
	listeners, speakers, rounds, seconds, perSecond, longPackets int
	settle                                                       time.Duration
	binary                                                       string
	json, fullICE, limitOnly                                     bool
}

func main() {
	var o options
	flag.IntVar(&o.listeners, "listeners", 300, "listeners of the room")
	flag.IntVar(&o.speakers, "speakers", 1, "speakers of the room")
	flag.IntVar(&o.rounds, "rounds", 2, "how often each server is measured")
	flag.IntVar(&o.seconds, "seconds", 15, "length of a window")
	flag.IntVar(&o.perSecond, "joins", 50, "joins a second")
	flag.DurationVar(&o.settle, "settle", 12*time.Second, "between the last join and the window; by then a large audience has its long packets")
	flag.IntVar(&o.longPackets, "long-packets", 50, "listeners from which Besedka sends long packets; -1 for never")
	flag.StringVar(&o.binary, "besedka", "bin/besedka", "the program to measure")
	flag.BoolVar(&o.json, "json", false, "print JSON")
	flag.BoolVar(&o.fullICE, "full-ice", false, "plain Pion with full ICE agents instead of ICE-lite")
	flag.BoolVar(&o.limitOnly, "limit", false, "measure the limit of the machine only")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		slog.Error("bench", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "besedka-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	plain := filepath.Join(dir, "pion")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", plain, "besedka/bench/pion").CombinedOutput(); err != nil && !o.limitOnly {
		return fmt.Errorf("build the plain server: %w: %s", err, out)
	}
	if runtime.NumCPU() > generatorCore {
		if err := pin(generatorCore); err != nil {
			return err
		}
	}
	runtime.GOMAXPROCS(1)
	var all result
	for round := range o.rounds {
		if !o.limitOnly {
			for _, start := range []starter{besedkaServer(o, dir), pionServer(o, plain)} {
				m, err := measure(ctx, o, start)
				if err != nil {
					return err
				}
				all.add(m)
				fmt.Fprintf(os.Stderr, "round %d: %-10s %6.2f µs CPU a packet, %7.1f µs a listener-second, %d gaps\n", round+1, m.System, m.PerPacket, m.PerListenerSecond, m.Report.Gaps)
			}
		}
		c, err := bench.Limit(o.listeners, limitTime, serverCore, generatorCore)
		if err != nil {
			return err
		}
		all.Limit = append(all.Limit, c)
		fmt.Fprintf(os.Stderr, "round %d: %-10s %6.2f µs CPU a packet\n", round+1, "limit", c.Total())
	}
	if o.json {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		return e.Encode(all)
	}
	fmt.Print(all.table(o))
	return nil
}

// pin ties every thread of this process, and all that they will start, to a core.
func pin(core int) error {
	var set unix.CPUSet
	set.Set(core)
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, t := range tasks {
		tid, err := strconv.Atoi(t.Name())
		if err != nil {
			continue
		}
		if err := unix.SchedSetaffinity(tid, &set); err != nil && err != unix.ESRCH {
			return fmt.Errorf("pin to core %d: %w", core, err)
		}
	}
	return nil
}

// measurement is one window of one server.
type measurement struct {
	System            string      `json:"system"`
	User              float64     `json:"user_us_per_packet"`
	Kernel            float64     `json:"system_us_per_packet"`
	PerPacket         float64     `json:"us_per_packet"`
	PerListenerSecond float64     `json:"us_per_listener_second"`
	BeforeKB          int         `json:"rss_before_kb"`
	AfterKB           int         `json:"rss_after_kb"`
	PerListenerKB     float64     `json:"kb_per_listener"`
	Report            load.Report `json:"report"`
}

// measure starts a server, drives it through one run and stops it.
func measure(ctx context.Context, o options, start starter) (measurement, error) {
	s, err := start(ctx)
	if err != nil {
		return measurement{}, err
	}
	defer s.stop()
	m := measurement{System: s.name}
	var begin, end cpu
	rep, err := load.Run(ctx, load.Config{
		URL: s.url, Token: s.token, Speakers: o.speakers, Listeners: o.listeners, JoinsPerSecond: o.perSecond,
		Duration: time.Duration(o.seconds) * time.Second, Settle: o.settle, SpeakerTokens: s.speakers, Guests: s.guests,
		OnPhase: func(p load.Phase) {
			switch p {
			case load.SpeakersReady:
				m.BeforeKB = residentKB(s.pid())
			case load.WindowOpen:
				begin = cpuOf(s.pid())
			case load.WindowClosed:
				end = cpuOf(s.pid())
				m.AfterKB = residentKB(s.pid())
			}
		},
	})
	if err != nil {
		return m, fmt.Errorf("%s: %w\n%s", s.name, err, s.log())
	}
	m.Report = rep
	packets := float64(max(rep.Packets, 1))
	m.User, m.Kernel = (end.user-begin.user)*1e6/packets, (end.system-begin.system)*1e6/packets
	m.PerPacket = m.User + m.Kernel
	heard := float64(max(rep.Joins.OK, 1))
	m.PerListenerSecond = m.PerPacket * packets / heard / rep.Seconds
	m.PerListenerKB = float64(m.AfterKB-m.BeforeKB) / heard
	return m, nil
}
