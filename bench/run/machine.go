//go:build linux

package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// machine is where the figures come from.
type machine struct {
	At     time.Time `json:"at"`
	Cores  int       `json:"cores"`
	CPU    string    `json:"cpu"`
	Kernel string    `json:"kernel"`
	Go     string    `json:"go"`
}

func thisMachine() machine {
	m := machine{At: time.Now().UTC().Truncate(time.Second), Cores: runtime.NumCPU(), Go: runtime.Version()}
	info, _ := os.ReadFile("/proc/cpuinfo")
	if _, rest, ok := strings.Cut(string(info), "model name"); ok {
		line, _, _ := strings.Cut(rest, "\n")
		m.CPU = strings.TrimLeft(line, "\t :")
	}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	m.Kernel = strings.TrimSpace(string(kernel))
	return m
}

// busyFrom is the share of a core from which what others take falsifies a figure.
const busyFrom = 0.10

// cpu is what a process has used, in seconds.
type cpu struct {
	User   float64 `json:"user"`
	System float64 `json:"system"`
}

func (c cpu) total() float64       { return c.User + c.System }
func (c cpu) minus(before cpu) cpu { return cpu{c.User - before.User, c.System - before.System} }

// cpuOf reads utime and stime of a process (proc(5), fields 14 and 15, in hundredths).
func cpuOf(pid int) cpu {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(b), ") ")
	f := strings.Fields(rest)
	if len(f) < 13 {
		return cpu{}
	}
	return cpu{hundredths(f[11]), hundredths(f[12])}
}

func hundredths(s string) float64 {
	n, _ := strconv.ParseFloat(s, 64)
	return n / 100
}

// busySeconds is what all of the machine's cores have worked, or waited for their host, since it started.
func busySeconds() float64 {
	b, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(b), "\n")
	f := strings.Fields(line)
	sum := 0.0
	for i := 1; i < len(f) && i <= 8; i++ {
		if i != 4 && i != 5 { // idle, iowait
			sum += hundredths(f[i])
		}
	}
	return sum
}

// meter measures what the rest of the machine takes while a server is measured.
type meter struct {
	pid        int
	began      time.Time
	busy, ours float64
}

func startMeter(pid int) meter {
	return meter{pid, time.Now(), busySeconds(), oursOf(pid)}
}

func oursOf(pid int) float64 {
	ours := cpuOf(os.Getpid()).total()
	if pid != 0 {
		ours += cpuOf(pid).total()
	}
	return ours
}

// others is how many cores the rest of the machine has taken since.
func (m meter) others() float64 {
	used := busySeconds() - m.busy - (oursOf(m.pid) - m.ours)
	return max(0, used/time.Since(m.began).Seconds())
}
