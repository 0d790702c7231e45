//go:build linux

package main

import (
	"os"
	"strings"
	"testing"

	"besedka/bench"
)

func TestTableSaysMedianSpreadRatioAndLimit(t *testing.T) {
	r := result{Limit: []bench.Cost{{User: 1, System: 2}, {User: 1, System: 4}}}
	for i, us := range []float64{4, 8, 6} {
		r.add(measurement{System: "besedka", PerPacket: us, PerListenerKB: 10})
		r.add(measurement{System: "plain pion", PerPacket: 12 + float64(i)*12, PerListenerKB: 100})
	}
	table := r.table(options{listeners: 300, speakers: 1, rounds: 3, seconds: 15})
	for _, want := range []string{"6.00 (4.00–8.00)", "24.00 (12.00–36.00)", "0.25", "4.00 (3.00–5.00) µs a packet", "besedka: 1.50 × the limit; plain pion: 6.00 × the limit"} {
		if !strings.Contains(table, want) {
			t.Errorf("the table lacks %q:\n%s", want, table)
		}
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
