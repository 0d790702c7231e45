package load

import (
	"fmt"
	"sort"
	"strings"
	"time"
)

// Report is what a run has measured. Frames are 20 ms of one speaker's voice;
// a packet carries one or several.
type Report struct {
	URL       string  `json:"url"`
	Rooms     int     `json:"rooms"`
	Speakers  int     `json:"speakers"`  // in each room
	Listeners int     `json:"listeners"` // in each room
	Seconds   float64 `json:"seconds"`   // of the measuring window

	Joins   Joins    `json:"joins"`
	Arrived *Joins   `json:"arrived,omitempty"` // who joined while it was measured
	Returns *Returns `json:"returns,omitempty"` // who lost the server meanwhile
	Frames  Frames   `json:"frames"`
	Latency Latency  `json:"latency_ms"`

	Packets          uint64  `json:"packets"` // heard inside the window
	PacketsPerSecond float64 `json:"packets_per_second"`
	BytesPerSecond   float64 `json:"bytes_per_second"` // UDP payload
	FramesPerPacket  float64 `json:"frames_per_packet"`
	Gaps             uint64  `json:"gaps"`             // sequence numbers that never came
	Late             uint64  `json:"late"`             // came after a later one
	LongestGap       float64 `json:"longest_gap_ms"`   // how much later a packet came than the sound before it lasted
	LongestPause     float64 `json:"longest_pause_ms"` // the same of the frames as we sent them: none of the server's
	Undecryptable    uint64  `json:"undecryptable"`
	LostSessions     int     `json:"lost_sessions"` // ended before we left
	Sources          []int64 `json:"sources"`       // the CSRCs heard
	GeneratorSeconds float64 `json:"generator_cpu_seconds"`
}

// Joins tells how joining went: from the request to the first packet that the
// key opened (in a silent room: to the end of the handshake).
type Joins struct {
	OK     int            `json:"ok"`
	Failed int            `json:"failed"`
	Pace   float64        `json:"per_second"` // requests a second
	Why    map[string]int `json:"why,omitempty"`
	P50    float64        `json:"p50_ms"`
	P99    float64        `json:"p99_ms"`
}

// Frames compares what was sent with what was heard. Expected counts, for each
// listener and stream, the frames between the first packet of the window and
// the first one after it; where a stream fell silent, those that should have come.
type Frames struct {
	Sent        uint64  `json:"sent"` // by the speakers
	Expected    uint64  `json:"expected"`
	Heard       uint64  `json:"heard"`
	LossPercent float64 `json:"loss_percent"`
}

// Latency is from a speaker's send to the kernel's receive, of one packet in
// fifty. The newest frame of a packet shows what the server adds in sending, the
// oldest also what it waits for in merging frames.
type Latency struct {
	P50       float64 `json:"p50"`
	P99       float64 `json:"p99"`
	Longest   float64 `json:"longest"`
	OldestP50 float64 `json:"oldest_p50"`
	OldestP99 float64 `json:"oldest_p99"`
	Samples   int     `json:"samples"`
}

// report gathers everything; the shards have ended or are still.
func (r *run) report() Report {
	out := Report{
		URL: r.URL, Rooms: len(r.rooms), Speakers: r.Speakers, Listeners: r.Listeners, GeneratorSeconds: r.joins.cpu.Seconds(),
		Joins: r.joins.report(),
	}
	if r.Arrivals > 0 {
		late := r.late.report()
		out.Arrived = &late
	}
	if r.Return {
		out.Returns = r.returns.report()
	}
	var newest, oldest []float32
	for _, s := range r.shards {
		newest = append(newest, s.tally.latency...)
		oldest = append(oldest, s.tally.oldest...)
		out.Undecryptable += s.tally.undecryptable
		out.LostSessions += s.tally.lost
	}
	out.Latency = Latency{percentile(newest, 50), percentile(newest, 99), percentile(newest, 100), percentile(oldest, 50), percentile(oldest, 99), len(newest)}
	from, to, set := r.window.bounds()
	if !set {
		return out
	}
	out.Seconds = time.Duration(to - from).Seconds()
	r.count(&out, to)
	out.PacketsPerSecond = float64(out.Packets) / out.Seconds
	out.BytesPerSecond /= out.Seconds
	if out.Packets > 0 {
		out.FramesPerPacket = float64(out.Frames.Heard) / float64(out.Packets)
	}
	if e := out.Frames.Expected; e > 0 {
		out.Frames.LossPercent = 100 * (1 - float64(min(out.Frames.Heard, e))/float64(e))
	}
	return out
}

// report sums the joins up.
func (j *joins) report() Joins {
	out := Joins{OK: len(j.took), Why: j.failed, P50: percentile(j.took, 50), P99: percentile(j.took, 99)}
	for _, n := range j.failed {
		out.Failed += n
	}
	if d := j.ended.Sub(j.begun); d > 0 {
		out.Pace = float64(out.OK+out.Failed) / d.Seconds()
	}
	return out
}

// count adds up the streams of every listener.
func (r *run) count(out *Report, to int64) {
	sources := map[uint32]bool{}
	bytes := uint64(0)
	r.talk.Lock()
	defer r.talk.Unlock()
	for _, m := range r.rooms {
		out.Frames.Sent += m.sent
		out.LongestPause = max(out.LongestPause, float64(m.pause)/1e6)
		for _, l := range m.listeners {
			want := min(r.Speakers, r.Slots)
			for i := range l.streams {
				s := &l.streams[i]
				if !s.opened {
					continue
				}
				want--
				out.Frames.Expected += s.expected(to)
				out.Frames.Heard += s.heard
				out.Packets += s.packets
				bytes += s.bytes
				out.Gaps += s.gaps - min(s.gaps, s.lateIn)
				out.Late += s.lateIn
				out.LongestGap = max(out.LongestGap, float64(s.gap)/1e6)
				if s.csrc != 0 {
					sources[s.csrc] = true
				}
			}
			out.Frames.Expected += uint64(max(want, 0)) * m.ticks // streams that never came
		}
	}
	out.BytesPerSecond = float64(bytes)
	for c := range sources {
		out.Sources = append(out.Sources, int64(c))
	}
	sort.Slice(out.Sources, func(i, j int) bool { return out.Sources[i] < out.Sources[j] })
}

// expected is the number of frames that should have been heard.
func (s *stream) expected(to int64) uint64 {
	if s.closed {
		return uint64(s.tickTo - s.tickFrom)
	}
	return max(uint64((to-s.openedAt)/int64(frameTime)), s.heard)
}

// percentile sorts v.
func percentile(v []float32, p int) float64 {
	if len(v) == 0 {
		return 0
	}
	sort.Slice(v, func(i, j int) bool { return v[i] < v[j] })
	return float64(v[min(len(v)*p/100, len(v)-1)])
}

// String is the joins for people.
func (j Joins) String() string {
	return fmt.Sprintf("%d ok, %d failed, %.0f a second; p50 %.1f ms, p99 %.1f ms", j.OK, j.Failed, j.Pace, j.P50, j.P99)
}

// String is the report for people.
func (r Report) String() string {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-18s %s\n", name, fmt.Sprintf(format, args...))
	}
	line("server", "%s", r.URL)
	line("load", "%d rooms × (%d speakers + %d listeners), window %.1f s", r.Rooms, r.Speakers, r.Listeners, r.Seconds)
	line("joins", "%s", r.Joins)
	if r.Arrived != nil {
		line("  while measured", "%s", *r.Arrived)
	}
	if b := r.Returns; b != nil {
		line("came back", "%d, %d still away; p50 %.0f ms, p99 %.0f ms, longest %.0f ms", b.OK, b.Away, b.P50, b.P99, b.Longest)
		line("  at the door", "%s", b.Found)
		line("  for a session", "%s", b.Tries)
	}
	reasons := make([]string, 0, len(r.Joins.Why))
	for why := range r.Joins.Why {
		reasons = append(reasons, why)
	}
	sort.Strings(reasons)
	for _, why := range reasons {
		line("", "%d × %s", r.Joins.Why[why], why)
	}
	line("frames", "%d sent; %d of %d heard, %.3f %% lost", r.Frames.Sent, r.Frames.Heard, r.Frames.Expected, r.Frames.LossPercent)
	line("sequence", "%d gaps, %d late, %d undecryptable, %d sessions lost", r.Gaps, r.Late, r.Undecryptable, r.LostSessions)
	line("gaps", "a packet came up to %.1f ms after the sound before it had ended (as sent: %.1f ms)", r.LongestGap, r.LongestPause)
	line("added latency", "p50 %.2f ms, p99 %.2f ms, longest %.2f ms (oldest frame of a packet: %.2f, %.2f; %d samples)",
		r.Latency.P50, r.Latency.P99, r.Latency.Longest, r.Latency.OldestP50, r.Latency.OldestP99, r.Latency.Samples)
	line("packets", "%.0f/s, %.2f frames each, %.2f MB/s", r.PacketsPerSecond, r.FramesPerPacket, r.BytesPerSecond/1e6)
	line("sources heard", "%v", r.Sources)
	line("generator", "%.2f s of CPU in the window", r.GeneratorSeconds)
	return b.String()
}
