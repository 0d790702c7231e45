//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strings"
)

// row is one line of the result: a figure and what it is held against.
type row struct {
	Group   string    `json:"group"`
	Name    string    `json:"name"`
	Unit    string    `json:"unit"`
	Goal    float64   `json:"goal,omitempty"`    // 0: none
	Stretch float64   `json:"stretch,omitempty"` // 0: none
	More    bool      `json:"more,omitempty"`    // the figure should be larger, not smaller
	Reached []float64 `json:"reached"`           // of each round; the median counts
	Verdict string    `json:"verdict"`
	Busy    bool      `json:"busy,omitempty"` // somebody else worked on the machine meanwhile
	Note    string    `json:"note,omitempty"`
}

// judge makes the rows of everything that was measured.
func judge(b *bench) []row {
	rows := append(audienceRows(b), row{Group: "rest", Name: "resident of a media session at rest", Unit: "KB", Goal: 8, Stretch: 4,
		Reached: column(b.Rest, measurement.perListenerKB), Busy: busy(b.Rest)})
	rows = append(rows, []row{
		{Group: "visit", Name: "resident of a whole visit: sound, event stream, seat", Unit: "KB", Goal: 40, Stretch: 20,
			Reached: column(b.Visit, measurement.perListenerKB), Busy: busy(b.Visit)},
		{Group: "rest", Name: "fixed cost of a silent listener, a second", Unit: "µs", Goal: 15, Stretch: 6,
			Reached: column(b.Rest, measurement.perListenerSecond), Busy: busy(b.Rest)},
		{Group: "rest", Name: "CPU of a join", Unit: "ms", Goal: 1.2, Stretch: 0.6,
			Reached: column(b.Rest, measurement.perJoin), Busy: busy(b.Rest), Note: "167 joins a second, handshake included"},
		{Group: "audience", Name: "join at 50/s, request to first packet, p50", Unit: "ms", Goal: 25, Stretch: 12, Busy: busy(b.Audience, b.Short),
			Reached: append(column(b.Audience, joinP50), column(b.Short, joinP50)...)},
		{Group: "audience", Name: "join at 50/s, p99", Unit: "ms", Goal: 80, Busy: busy(b.Audience, b.Short),
			Reached: append(column(b.Audience, joinP99), column(b.Short, joinP99)...)},
		{Group: "audience", Name: "added latency, 20 ms packets, p99", Unit: "ms", Goal: 6, Stretch: 4, Busy: busy(b.Short),
			Reached: column(b.Short, func(m measurement) float64 { return m.Report.Latency.P99 })},
	}...)
	rows = append(rows, stormRow(b), kneeRow(b))
	rows = append(rows, emptyRows(b)...)
	rows = append(rows, clientRows(b)...)
	for i := range rows {
		rows[i].judge()
	}
	return rows
}

func audienceRows(b *bench) []row {
	pair := busy(b.Audience, b.Pion)
	many := row{Group: "knee", Name: "CPU per listener-second, 10,000 listeners", Unit: "µs", Goal: 70, Stretch: 55}
	for _, s := range b.Knee {
		if len(many.Reached) == 0 && s.Listeners >= 9_500 && s.Listeners <= 10_500 {
			many.Reached, many.Busy, many.Note = []float64{s.MicroSecond}, s.Others >= busyFrom, fmt.Sprintf("%d listeners", s.Listeners)
		}
	}
	limit := 0.0
	for _, l := range b.Limit {
		pair = pair || l.Others >= busyFrom
	}
	if len(b.Limit) > 0 {
		limit = middle(column(b.Limit, func(l limitCost) float64 { return l.Total() }))
	}
	return []row{
		{Group: "audience", Name: fmt.Sprintf("CPU per listener-second, %d listeners, of plain Pion's", b.listeners), Unit: "×", Goal: 1.0 / 6, Stretch: 1.0 / 8, Busy: pair,
			Reached: ratio(column(b.Audience, measurement.perListenerSecond), column(b.Pion, measurement.perListenerSecond)), Note: versus(b.Audience, b.Pion)},
		many,
		{Group: "audience", Name: "the same with 20 ms packets, of plain Pion's", Unit: "×", Goal: 0.42, Busy: pair || busy(b.Short),
			Reached: ratio(column(b.Short, measurement.perListenerSecond), column(b.Pion, measurement.perListenerSecond)), Note: versus(b.Short, b.Pion)},
		{Group: "audience", Name: "20 ms packets, of the limit of this run", Unit: "×", Stretch: 1.15, Busy: pair || busy(b.Short),
			Reached: over(column(b.Short, measurement.perPacket), limit), Note: fmt.Sprintf("%.2f µs a packet; the limit is %.2f µs", middle(column(b.Short, measurement.perPacket)), limit)},
		{Group: "audience", Name: "user-space CPU per packet, 20 ms packets", Unit: "µs", Goal: 0.6, Stretch: 0.3, Busy: busy(b.Short),
			Reached: sampled(b.Short), Note: userNote(b)},
	}
}

// sampled are the costs in user space of those of which there are samples.
func sampled(list []measurement) (out []float64) {
	for _, m := range list {
		if m.User > 0 {
			out = append(out, m.userPerPacket())
		}
	}
	return out
}

func userNote(b *bench) string {
	if b.unsampled != nil {
		return b.unsampled.Error()
	}
	return fmt.Sprintf("long packets: %.2f µs; plain Pion: %.2f µs", middle(sampled(b.Audience)), middle(sampled(b.Pion)))
}

func versus(a, b []measurement) string {
	return fmt.Sprintf("%.0f µs and %.0f µs", middle(column(a, measurement.perListenerSecond)), middle(column(b, measurement.perListenerSecond)))
}

func stormRow(b *bench) row {
	r := row{Group: "storm", Name: "longest gap while 10,000 join in a minute", Unit: "ms", Goal: 40, Busy: busy(b.Storm),
		Reached: column(b.Storm, func(m measurement) float64 { return m.Report.LongestGap })}
	if len(b.Storm) > 0 {
		if m := b.Storm[0]; m.Report.Arrived != nil {
			r.Note = fmt.Sprintf("%s; server %.0f %% of its core; longest delay of a packet %.0f ms, longest pause of the generator itself %.0f ms",
				*m.Report.Arrived, 100*m.Window.total()/max(m.Report.Seconds, 1), m.Report.Latency.Longest, m.Report.LongestPause)
		}
	}
	return r
}

// kneeRow is the largest audience that lost no more than it may.
func kneeRow(b *bench) row {
	r := row{Group: "knee", Name: "listeners on one core, at most 0.1 % lost", Goal: 10_000, Stretch: 14_000, More: true, Note: b.KneeClosed}
	most := 0
	for _, s := range b.Knee {
		if s.Loss <= maxLoss {
			most = max(most, s.Listeners)
		}
		r.Busy = r.Busy || s.Others >= busyFrom
	}
	if len(b.Knee) > 0 {
		r.Reached = []float64{float64(most)}
	}
	return r
}

func emptyRows(b *bench) []row {
	return []row{
		{Group: "empty", Name: "empty server: resident", Unit: "MB", Goal: 40, Reached: column(b.Empty, func(e empty) float64 { return e.ResidentMB })},
		{Group: "empty", Name: "empty server: start to ready", Unit: "ms", Goal: 300, Reached: column(b.Empty, func(e empty) float64 { return e.ReadyMS }), Note: "a new folder: with the making of the database"},
		{Group: "empty", Name: "binary", Unit: "MB", Goal: 45, Reached: column(b.Empty, func(e empty) float64 { return e.BinaryMB })},
	}
}

// clientFigures are the client's rows, by the names that test/e2e/feel.mjs gives them.
var clientFigures = []struct {
	key string
	row row
}{
	{"script_kb", row{Name: "compressed script until the first room", Unit: "KB", Goal: 150, Stretch: 80}},
	{"first_voice_p95_s", row{Name: "first voice after the tap, 40 ms each way, p95", Unit: "s", Goal: 1.5, Stretch: 0.8}},
	{"ring_p95_ms", row{Name: "ring after the voice, p95", Unit: "ms", Goal: 150}},
	{"mute_icon_p95_ms", row{Name: "mute icon at a listener, 40 ms each way, p95", Unit: "ms", Goal: 280}},
	{"shift_hallway", row{Name: "cumulative layout shift of the hallway", Goal: 0.1}},
	{"shift_room", row{Name: "cumulative layout shift of the room", Goal: 0.1}},
	{"frames_chorus", row{Name: "frames a second, 50 faces ring", Goal: 50, More: true}},
	{"crowd_frames_last_p95_ms", row{Name: "time between frames, room of 5,000, p95", Unit: "ms", Goal: 20}},
	{"crowd_heap_growth_mb", row{Name: "heap growth in a minute, room of 5,000", Unit: "MB", Goal: 1}},
}

// clientRows are measured by test/e2e/feel.mjs, which may have left its figures in a
// file: {"script_kb": …, "first_voice_p95_s": …}.
func clientRows(b *bench) []row {
	var figures map[string]float64
	note := "measured by test/e2e/feel.mjs; -client names a file with its figures"
	if b.client != "" {
		if in, err := os.ReadFile(b.client); err != nil {
			note = err.Error()
		} else if err := json.Unmarshal(in, &figures); err != nil {
			note = fmt.Sprintf("%s: %v", b.client, err)
		}
	}
	var rows []row
	for _, f := range clientFigures {
		r := f.row
		r.Group, r.Note = "client", note
		if v, ok := figures[f.key]; ok {
			r.Reached, r.Note = []float64{v}, ""
		}
		rows = append(rows, r)
	}
	return rows
}

// judge says how the median stands to goal and stretch.
func (r *row) judge() {
	v := middle(r.Reached)
	meets := func(bound float64) bool { return bound != 0 && (v <= bound) != r.More || v == bound }
	switch {
	case len(r.Reached) == 0:
		r.Verdict = "not measured"
	case meets(r.Stretch):
		r.Verdict = "stretch"
	case meets(r.Goal):
		r.Verdict = "met"
	case r.Goal == 0:
		r.Verdict = "below stretch"
	default:
		r.Verdict = "MISSED"
	}
	if r.Busy && len(r.Reached) > 0 {
		r.Verdict += " (busy)"
	}
}

// text is the result for people.
func (b *bench) text() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s; %s, %d cores, Linux %s, %s\n", b.Machine.At.Format("2006-01-02 15:04 MST"), b.Machine.CPU, b.Machine.Cores, b.Machine.Kernel, b.Machine.Go)
	fmt.Fprintf(&out, "server on core %d, generator on core %d; %d rounds with windows of %d s; median (lowest–highest)\n\n", serverCore, generatorCore, b.rounds, b.seconds)
	fmt.Fprintf(&out, "%-58s %8s %8s %26s   %s\n", "", "goal", "stretch", "reached", "")
	for _, r := range b.Rows {
		fmt.Fprintf(&out, "%-58s %8s %8s %26s   %s\n", strings.TrimSuffix(r.Name+", "+r.Unit, ", "), bound(r.Goal), bound(r.Stretch), spread(r.Reached), r.Verdict)
		if r.Note != "" && len(r.Reached) > 0 {
			fmt.Fprintf(&out, "    %s\n", r.Note)
		}
	}
	if len(b.Knee) > 0 {
		fmt.Fprintf(&out, "\n%10s %10s %18s %8s %12s %8s %10s\n", "listeners", "the core", "listener-second", "lost", "latency p99", "refused", "generator")
		for _, s := range b.Knee {
			fmt.Fprintf(&out, "%10d %8.0f %% %15.1f µs %6.3f %% %9.1f ms %8d %8.0f %%\n", s.Listeners, s.CPU*100, s.MicroSecond, s.Loss, s.P99, s.Refused, s.Generator*100)
		}
	}
	for _, r := range b.Rows {
		if r.Busy {
			fmt.Fprintf(&out, "\n(busy): somebody else took at least %.0f %% of a core meanwhile; such a figure means little.\n", busyFrom*100)
			break
		}
	}
	return out.String()
}

func bound(v float64) string {
	if v == 0 {
		return "–"
	}
	return short(v)
}

func short(v float64) string {
	switch {
	case v >= 1000:
		return fmt.Sprintf("%.0f", v)
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

func joinP50(m measurement) float64 { return m.Report.Joins.P50 }
func joinP99(m measurement) float64 { return m.Report.Joins.P99 }

func busy(all ...[]measurement) bool {
	for _, list := range all {
		for _, m := range list {
			if m.Others >= busyFrom {
				return true
			}
		}
	}
	return false
}

func column[T any](all []T, of func(T) float64) []float64 {
	out := make([]float64, len(all))
	for i, m := range all {
		out[i] = of(m)
	}
	return out
}

// ratio divides what was measured in the same round.
func ratio(a, b []float64) []float64 {
	out := make([]float64, min(len(a), len(b)))
	for i := range out {
		out[i] = a[i] / max(b[i], 1e-9)
	}
	return out
}

func over(a []float64, by float64) []float64 {
	if by == 0 {
		return nil
	}
	out := make([]float64, len(a))
	for i := range out {
		out[i] = a[i] / by
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
	if len(v) == 1 {
		return short(v[0])
	}
	return fmt.Sprintf("%s (%s–%s)", short(middle(v)), short(low), short(high))
}
