//go:build linux

package main

import (
	"os"
	"strings"
	"testing"

	limit "besedka/bench"
	"besedka/load"
)

func measured(us, packets float64, joins int) measurement {
	return measurement{Window: cpu{User: us / 2e6, System: us / 2e6}, Report: load.Report{Packets: uint64(packets), Seconds: 10, Joins: load.Joins{OK: joins}}}
}

func TestRowsAreHeldAgainstGoalAndStretch(t *testing.T) {
	b := &bench{options: options{listeners: 100, rounds: 3}}
	for i := range 3 {
		b.Audience = append(b.Audience, measured(100*10*60, 1, 100)) // 60 µs a listener-second
		b.Pion = append(b.Pion, measured(100*10*float64(480+i*80), 1, 100))
		b.Short = append(b.Short, measured(100*10*280, 100*500, 100)) // 0.5 of Pion's 560, 5.6 µs a packet
		b.Limit = append(b.Limit, limitCost{Cost: limit.Cost{User: 1, System: 4}})
	}
	b.Knee = []step{{Listeners: 9_996, MicroSecond: 60}, {Listeners: 14_000, Loss: 0.1}, {Listeners: 15_000, Loss: 0.2}}
	b.Rows = judge(b)
	text := b.text()
	for _, want := range []string{"0.107 (0.0938–0.125)", "60 µs and 560 µs", "5.60 µs a packet; the limit is 5.00 µs"} {
		if !strings.Contains(text, want) {
			t.Errorf("the table lacks %q:\n%s", want, text)
		}
	}
	verdicts := map[string]string{
		"of plain Pion's, ×": "stretch", "20 ms packets, of plain Pion's": "MISSED", "of the limit": "stretch", "10,000 listeners, µs": "met",
		"at most 0.1 % lost": "stretch", "binary": "not measured", "first voice": "not measured",
	}
	for name, want := range verdicts {
		found := false
		for line := range strings.Lines(text) {
			found = found || strings.Contains(line, name) && strings.HasSuffix(strings.TrimSpace(line), want)
		}
		if !found {
			t.Errorf("the row %q is not %q:\n%s", name, want, text)
		}
	}
}

func TestFigureOfABusyMachineIsMarked(t *testing.T) {
	m := measured(1000, 100, 10)
	m.Others = 0.3
	b := &bench{Rest: []measurement{m}}
	b.Rows = judge(b)
	if text := b.text(); !strings.Contains(text, "(busy)") {
		t.Fatalf("nothing says that the machine was busy:\n%s", text)
	}
}

func TestProcessIsMeasured(t *testing.T) {
	before := cpuOf(os.Getpid())
	for sink := 0; cpuOf(os.Getpid()) == before; sink++ {
	}
	if kb := residentKB(os.Getpid()); kb < 1000 {
		t.Errorf("resident: %d KB", kb)
	}
}

func TestUnknownGroupIsAnError(t *testing.T) {
	if _, err := choose([]string{"rest", "nonsense"}); err == nil {
		t.Fatal("taken")
	}
	if all, err := choose([]string{"all"}); err != nil || len(all) != len(groups) {
		t.Fatal(all, err)
	}
}

func TestUserSpaceIsTheLowerHalf(t *testing.T) {
	if share, err := userShare([]byte("   7f0012345678 \n ffffffff81000000\n\n 401000\nffff888000000000\n")); err != nil || share != 0.5 {
		t.Errorf("%v, %v", share, err)
	}
	if _, err := userShare([]byte("no such thing\n")); err == nil {
		t.Error("no samples are a figure")
	}
}
