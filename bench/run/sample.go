//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// A sample of where a server spends its time. The kernel's own split into user and system
// time is of no use here: it looks at every tick of a clock that also wakes whoever sends
// the sound, so that it sees always the same part of the work.
const (
	sampleRate    = "1999" // a second: no multiple of any clock
	sampleSeconds = "2.5"
	kernelHalf    = 1 << 63 // addresses from here on are the kernel's
)

// sampler takes samples of one process until its time is over.
type sampler struct {
	file    string
	command *exec.Cmd
}

// startSampler begins, or says why it cannot.
func (b *bench) startSampler(ctx context.Context, pid int) (*sampler, error) {
	s := &sampler{file: filepath.Join(b.dir, "samples")}
	s.command = exec.CommandContext(ctx, "perf", "record", "-q", "-e", "cpu-clock", "-F", sampleRate,
		"-p", strconv.Itoa(pid), "-o", s.file, "--", "sleep", sampleSeconds)
	if err := s.command.Start(); err != nil {
		return nil, fmt.Errorf("perf (linux-perf): %w", err)
	}
	return s, nil
}

// user waits for the end, and gives the share of samples that were in user space.
func (s *sampler) user(ctx context.Context) (float64, error) {
	if err := s.command.Wait(); err != nil {
		return 0, fmt.Errorf("perf record: %w", err)
	}
	out, err := exec.CommandContext(ctx, "perf", "script", "-i", s.file, "-F", "ip").Output()
	if err != nil {
		return 0, fmt.Errorf("perf script: %w", err)
	}
	return userShare(out)
}

// userShare counts addresses, one a line, in hexadecimal.
func userShare(addresses []byte) (float64, error) {
	user, all := 0, 0
	for lines := bufio.NewScanner(bytes.NewReader(addresses)); lines.Scan(); {
		at, err := strconv.ParseUint(strings.TrimSpace(lines.Text()), 16, 64)
		if err != nil {
			continue
		}
		all++
		if at < kernelHalf {
			user++
		}
	}
	if all == 0 {
		return 0, fmt.Errorf("perf took no samples")
	}
	return float64(user) / float64(all), nil
}
