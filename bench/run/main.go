//go:build linux

// Command run measures what the audio of Besedka costs, beside a plain-Pion server
// that does the same work in the same run, and holds every figure against its goal:
//
//	make bench          or          go run ./bench/run [-rows audience,rest] [-rounds 2] [-json file]
//
// Each server runs alone on core 0, the load generator on core 1. What is
// compared takes turns (A B A B), and each round measures the limit of this machine too
// (encrypt and sendmmsg, nothing else). CPU is user and system time of the server's
// process, from /proc. Nothing is asserted: the figures are for people.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	serverCore    = 0
	generatorCore = 1
	// filesNeeded are the descriptors of the largest audience: a socket for each listener.
	filesNeeded = 20_500
)

// options are the flags.
type options struct {
	rows                []string
	rounds, seconds     int
	binary              string
	json, client        string
	fullICE             bool
	listeners, arrivals int
}

func main() {
	var o options
	var rows string
	flag.StringVar(&rows, "rows", "all", "groups of rows to measure: "+strings.Join(groupNames(), ", "))
	flag.IntVar(&o.rounds, "rounds", 2, "how often each of the compared is measured")
	flag.IntVar(&o.seconds, "seconds", 10, "length of a window")
	flag.IntVar(&o.listeners, "listeners", 1000, "listeners of the group audience")
	flag.IntVar(&o.arrivals, "arrivals", stormPerMinute, "joins of the group storm, which come at 10,000 a minute")
	flag.StringVar(&o.binary, "besedka", "bin/besedka", "the program to measure")
	flag.StringVar(&o.json, "json", "", "write everything that was measured to this file")
	flag.StringVar(&o.client, "client", "", "file with the client's figures, as the tests of the client write it")
	flag.BoolVar(&o.fullICE, "full-ice", false, "plain Pion with full ICE agents instead of ICE-lite")
	flag.Parse()
	o.rows = strings.Split(rows, ",")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		slog.Error("bench", "error", err)
		os.Exit(1)
	}
}

// run prepares, measures the chosen groups and prints. What was measured before an
// error is printed too.
func run(ctx context.Context, o options) (err error) {
	chosen, err := choose(o.rows)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "besedka-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{options: o, dir: dir, plain: filepath.Join(dir, "pion"), Machine: thisMachine()}
	if err := b.prepare(ctx); err != nil {
		return err
	}
	for _, g := range chosen {
		fmt.Fprintf(os.Stderr, "%s: %s\n", g.name, g.about)
		if err = g.measure(ctx, b); err != nil {
			err = fmt.Errorf("%s: %w", g.name, err)
			break
		}
	}
	b.Rows = judge(b)
	fmt.Print(b.text())
	if o.json != "" {
		err = errors.Join(err, b.write(o.json))
	}
	return err
}

func choose(names []string) ([]group, error) {
	if slices.Contains(names, "all") {
		return groups, nil
	}
	var chosen []group
	for _, g := range groups {
		if slices.Contains(names, g.name) {
			chosen = append(chosen, g)
		}
	}
	if len(chosen) != len(names) {
		return nil, fmt.Errorf("-rows %s: there are %s and all", strings.Join(names, ","), strings.Join(groupNames(), ", "))
	}
	return chosen, nil
}

// prepare looks for what the run needs and ties this process to its core.
func (b *bench) prepare(ctx context.Context) error {
	if _, err := exec.LookPath("taskset"); err != nil {
		return errors.New("taskset is missing (package util-linux): it ties the server to its core")
	}
	if _, err := os.Stat(b.binary); err != nil {
		return fmt.Errorf("%w: make build makes it", err)
	}
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err == nil && files.Cur < filesNeeded {
		files.Cur = min(filesNeeded, files.Max)
		_ = unix.Setrlimit(unix.RLIMIT_NOFILE, &files)
	}
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", b.plain, "besedka/bench/pion").CombinedOutput(); err != nil {
		return fmt.Errorf("build the plain server: %w: %s", err, out)
	}
	if runtime.NumCPU() <= generatorCore {
		return errors.New("two cores are needed: one for the server, one for the load generator")
	}
	if err := pin(generatorCore); err != nil {
		return err
	}
	// Several threads share the generator's core and seldom collect garbage, so that a speaker's
	// clock need not wait for a join: what it is late is counted as the server's gap.
	runtime.GOMAXPROCS(4)
	debug.SetGCPercent(400)
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

// write writes everything that was measured.
func (b *bench) write(file string) error {
	out, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(out, '\n'), 0o644)
}
