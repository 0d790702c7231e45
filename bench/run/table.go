//go:build linux

package main

import (
	"fmt"
	"sort"
	"strings"

	"besedka/bench"
)

// result is everything that one run has measured.
type result struct {
	Besedka []measurement `json:"besedka"`
	Pion    []measurement `json:"plain_pion"`
	Limit   []bench.Cost  `json:"limit"`
}

func (r *result) add(m measurement) {
	if m.System == "besedka" {
		r.Besedka = append(r.Besedka, m)
	} else {
		r.Pion = append(r.Pion, m)
	}
}

// row is one line of the table.
type row struct {
	name, unit string
	of         func(measurement) float64
	ratio      bool
}

var rows = []row{
	{"CPU per listener-second", "µs", func(m measurement) float64 { return m.PerListenerSecond }, true},
	{"CPU per packet", "µs", perPacket, true},
	{"  user", "µs", func(m measurement) float64 { return m.User }, true},
	{"  system", "µs", func(m measurement) float64 { return m.Kernel }, true},
	{"frames in a packet", "", func(m measurement) float64 { return m.Report.FramesPerPacket }, false},
	{"resident per listener", "KB", func(m measurement) float64 { return m.PerListenerKB }, true},
	{"resident before joins", "MB", func(m measurement) float64 { return float64(m.BeforeKB) / 1024 }, false},
	{"join p50", "ms", func(m measurement) float64 { return m.Report.Joins.P50 }, false},
	{"join p99", "ms", func(m measurement) float64 { return m.Report.Joins.P99 }, false},
	{"joins failed", "", func(m measurement) float64 { return float64(m.Report.Joins.Failed) }, false},
	{"added latency p50", "ms", func(m measurement) float64 { return m.Report.Latency.P50 }, false},
	{"added latency p99", "ms", func(m measurement) float64 { return m.Report.Latency.P99 }, false},
	{"  of a packet's oldest frame, p50", "ms", func(m measurement) float64 { return m.Report.Latency.OldestP50 }, false},
	{"frames lost", "%", func(m measurement) float64 { return m.Report.Frames.LossPercent }, false},
	{"sequence gaps", "", func(m measurement) float64 { return float64(m.Report.Gaps) }, false},
	{"undecryptable", "", func(m measurement) float64 { return float64(m.Report.Undecryptable) }, false},
}

// table writes medians with the spread between the rounds, and their ratio.
func (r *result) table(o options) string {
	var b strings.Builder
	if len(r.Besedka) > 0 {
		r.measurements(&b, o)
	}
	limits := make([]float64, len(r.Limit))
	for i, c := range r.Limit {
		limits[i] = c.Total()
	}
	fmt.Fprintf(&b, "limit of this machine in this run (AES-128-GCM + sendmmsg of 120 bytes to %d loopback sockets): %s µs a packet\n", o.listeners, spread(limits))
	if l := middle(limits); l > 0 && len(r.Besedka) > 0 {
		fmt.Fprintf(&b, "besedka: %.2f × the limit; plain pion: %.2f × the limit\n",
			middle(column(r.Besedka, perPacket))/l, middle(column(r.Pion, perPacket))/l)
	}
	return b.String()
}

func perPacket(m measurement) float64 { return m.PerPacket }

func (r *result) measurements(b *strings.Builder, o options) {
	fmt.Fprintf(b, "%d speakers × %d listeners, %d rounds of %d s, servers on core %d, generator on core %d; median (lowest–highest)\n\n",
		o.speakers, o.listeners, o.rounds, o.seconds, serverCore, generatorCore)
	fmt.Fprintf(b, "%-34s %24s %24s %8s\n", "", "besedka", "plain pion", "ratio")
	for _, row := range rows {
		ours, theirs := column(r.Besedka, row.of), column(r.Pion, row.of)
		ratio := ""
		if m := middle(theirs); row.ratio && m > 0 && len(ours) > 0 {
			ratio = fmt.Sprintf("%.2f", middle(ours)/m)
		}
		fmt.Fprintf(b, "%-34s %24s %24s %8s\n", strings.TrimRight(row.name+", "+row.unit, ", "), spread(ours), spread(theirs), ratio)
	}
	b.WriteString("\n")
}

func column(all []measurement, of func(measurement) float64) []float64 {
	out := make([]float64, len(all))
	for i, m := range all {
		out[i] = of(m)
	}
	return out
}

func middle(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	s := append([]float64(nil), v...)
	sort.Float64s(s)
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

func spread(v []float64) string {
	if len(v) == 0 {
		return "–"
	}
	low, high := v[0], v[0]
	for _, x := range v {
		low, high = min(low, x), max(high, x)
	}
	return fmt.Sprintf("%.2f (%.2f–%.2f)", middle(v), low, high)
}
