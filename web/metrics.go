package web

import (
	"bufio"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"besedka/live"
	"besedka/media"
	"besedka/outbound"
	"besedka/room"
	"besedka/turn"
)

// metrics are what the operator may watch. They stand on a listener of their own,
// never on the public address.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	now      func() time.Time
}

func newMetrics(s *Server) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		now:      s.Now,
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "besedka_http_requests_total", Help: "Requests by route and status.",
		}, []string{"route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "besedka_http_request_seconds", Help: "Time taken by requests, without event streams.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
		}, []string{"route"}),
	}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.requests, m.seconds, &statistics{s})
	return m
}

// MetricsHandler answers with the metrics in Prometheus' format. It is for a
// listener that only the operator reaches.
func (s *Server) MetricsHandler() http.Handler {
	return promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{})
}

// figure is one number of a package below.
type figure struct {
	name, help string
	kind       prometheus.ValueType
	value      func(*figures) int64
}

// figures are the numbers of the packages below at one moment.
type figures struct {
	live  live.Stats
	media media.Stats
	rooms room.Stats
	turn  turn.Stats
	calls outbound.Stats
}

// known is the table of figures that are published.
var known = []figure{
	{"besedka_rooms", "Open rooms.", prometheus.GaugeValue, func(f *figures) int64 { return int64(f.rooms.Rooms) }},
	{"besedka_room_participants", "Seats taken in all rooms.", prometheus.GaugeValue, func(f *figures) int64 { return int64(f.rooms.Participants) }},
	{"besedka_room_guests", "Seats taken by guests.", prometheus.GaugeValue, func(f *figures) int64 { return int64(f.rooms.Guests) }},
	{"besedka_room_on_stage", "People on stage.", prometheus.GaugeValue, func(f *figures) int64 { return int64(f.rooms.OnStage) }},
	{"besedka_room_hands", "Raised hands.", prometheus.GaugeValue, func(f *figures) int64 { return int64(f.rooms.Hands) }},

	{"besedka_event_streams", "Open event streams.", prometheus.GaugeValue, func(f *figures) int64 { return int64(f.live.Streams) }},
	{"besedka_event_topics", "Topics that somebody listens to.", prometheus.GaugeValue, func(f *figures) int64 { return int64(f.live.Topics) }},
	{"besedka_event_streams_cut_total", "Event streams cut because their reader was too slow.", prometheus.CounterValue, func(f *figures) int64 { return f.live.Cut }},

	{"besedka_media_sessions_up", "Live sessions of speakers.", prometheus.GaugeValue, func(f *figures) int64 { return f.media.SessionsUp }},
	{"besedka_media_sessions_down", "Live sessions of listeners.", prometheus.GaugeValue, func(f *figures) int64 { return f.media.SessionsDown }},
	{"besedka_media_readers", "Listeners by a plain audio stream.", prometheus.GaugeValue, func(f *figures) int64 { return f.media.Readers }},
	{"besedka_media_pages_missed_total", "Pages of audio streams left out because the listener was too slow.", prometheus.CounterValue, func(f *figures) int64 { return f.media.PagesMissed }},
	{"besedka_media_half_open", "Sessions answered, not yet live.", prometheus.GaugeValue, func(f *figures) int64 { return f.media.HalfOpen }},
	{"besedka_media_tcp_connections", "ICE-TCP connections.", prometheus.GaugeValue, func(f *figures) int64 { return f.media.Streams }},
	{"besedka_media_full", "1 while no new listeners are let in.", prometheus.GaugeValue, func(f *figures) int64 { return flag(f.media.Full) }},
	{"besedka_media_busy_percent", "Share of its cores that the process used in the last second.", prometheus.GaugeValue, func(f *figures) int64 { return int64(100 * f.media.Busy) }},
	{"besedka_media_saving", "1 while audiences get longer packets because the server is busy.", prometheus.GaugeValue, func(f *figures) int64 { return flag(f.media.Saving) }},
	{"besedka_media_turned_away_total", "Listeners refused because the server was full.", prometheus.CounterValue, func(f *figures) int64 { return f.media.TurnedAway }},
	{"besedka_media_handshakes_running", "DTLS handshakes begun and not ended.", prometheus.GaugeValue, func(f *figures) int64 { return f.media.HandshakesRunning }},
	{"besedka_media_handshakes_queued", "DTLS handshakes that wait for their turn.", prometheus.GaugeValue, func(f *figures) int64 { return f.media.HandshakesQueued }},
	{"besedka_media_handshakes_total", "DTLS handshakes completed.", prometheus.CounterValue, func(f *figures) int64 { return f.media.Handshakes }},
	{"besedka_media_handshake_failures_total", "DTLS handshakes failed.", prometheus.CounterValue, func(f *figures) int64 { return f.media.HandshakeFailures }},
	{"besedka_media_offers_refused_total", "SDP offers that could not be used.", prometheus.CounterValue, func(f *figures) int64 { return f.media.OffersRefused }},
	{"besedka_media_expired_total", "Sessions ended for want of consent or of joining.", prometheus.CounterValue, func(f *figures) int64 { return f.media.Expired }},
	{"besedka_media_panics_total", "Sessions ended by a fault of ours.", prometheus.CounterValue, func(f *figures) int64 { return f.media.Panics }},
	{"besedka_media_packets_received_total", "Packets received.", prometheus.CounterValue, func(f *figures) int64 { return f.media.PacketsIn }},
	{"besedka_media_packets_unknown_total", "Packets of no protocol or no session.", prometheus.CounterValue, func(f *figures) int64 { return f.media.PacketsUnknown }},
	{"besedka_media_rtp_received_total", "Authentic RTP packets of speakers.", prometheus.CounterValue, func(f *figures) int64 { return f.media.MediaIn }},
	{"besedka_media_rtp_refused_total", "RTP packets not authentic, replayed or not allowed.", prometheus.CounterValue, func(f *figures) int64 { return f.media.MediaRefused }},
	{"besedka_media_rtp_forwarded_total", "Speakers' packets given to a slot.", prometheus.CounterValue, func(f *figures) int64 { return f.media.Forwarded }},
	{"besedka_media_rtp_sent_total", "Packets sealed for listeners.", prometheus.CounterValue, func(f *figures) int64 { return f.media.Sent }},
	{"besedka_media_rtp_resent_total", "Packets sent again for a NACK.", prometheus.CounterValue, func(f *figures) int64 { return f.media.Resent }},
	{"besedka_media_rtp_repaired_total", "Speakers' lost packets that redundancy brought back.", prometheus.CounterValue, func(f *figures) int64 { return f.media.Repaired }},
	{"besedka_media_reforms_total", "Listeners moved to another framing or redundancy.", prometheus.CounterValue, func(f *figures) int64 { return f.media.Reforms }},
	{"besedka_media_dropped_malformed_total", "Speakers' packets that are no Opus.", prometheus.CounterValue, func(f *figures) int64 { return f.media.DropMalformed }},
	{"besedka_media_dropped_slow_total", "Packets not sent because the listener was too slow.", prometheus.CounterValue, func(f *figures) int64 { return f.media.DropSlow }},
	{"besedka_previews_fetched_total", "Pages of pinned links looked at.", prometheus.CounterValue, func(f *figures) int64 { return f.calls.Fetched }},
	{"besedka_previews_refused_total", "Pages not looked at, for their address or a budget.", prometheus.CounterValue, func(f *figures) int64 { return f.calls.Refused }},
	{"besedka_previews_failed_total", "Pages that did not answer, or with no page.", prometheus.CounterValue, func(f *figures) int64 { return f.calls.Failed }},
	{"besedka_turn_allocations", "Relayed connections.", prometheus.GaugeValue, func(f *figures) int64 { return f.turn.Allocations }},
	{"besedka_turn_waiting", "TURN connections without an allocation.", prometheus.GaugeValue, func(f *figures) int64 { return f.turn.Waiting }},
	{"besedka_turn_allocations_total", "Relayed connections made.", prometheus.CounterValue, func(f *figures) int64 { return f.turn.Opened }},
	{"besedka_turn_auth_refused_total", "TURN requests without a valid credential.", prometheus.CounterValue, func(f *figures) int64 { return f.turn.AuthRefused }},
	{"besedka_turn_peers_refused_total", "TURN requests for another peer than our media.", prometheus.CounterValue, func(f *figures) int64 { return f.turn.PeerRefused }},
	{"besedka_turn_over_quota_total", "Relayed connections refused for want of room.", prometheus.CounterValue, func(f *figures) int64 { return f.turn.OverQuota }},
	{"besedka_turn_packets_dropped_total", "Packets beyond a relayed connection's budget.", prometheus.CounterValue, func(f *figures) int64 { return f.turn.Dropped }},
	{"besedka_media_send_errors_total", "Packets that the system did not take.", prometheus.CounterValue, func(f *figures) int64 { return f.media.DropSendError }},
}

// flag is 1 for true.
func flag(is bool) int64 {
	if is {
		return 1
	}
	return 0
}

// Describe says nothing: the figures are checked when they are collected.
func (s *statistics) Describe(chan<- *prometheus.Desc) {}

// statistics collects the figures of the packages below.
type statistics struct{ *Server }

// Collect reads all figures at once.
func (s *statistics) Collect(to chan<- prometheus.Metric) {
	f := figures{live: s.Live.Stats(), media: s.Media.Stats(), rooms: s.Rooms.Stats()}
	if s.Relay != nil {
		f.turn = s.Relay.Stats()
	}
	if s.Outbound != nil {
		f.calls = s.Outbound.Stats()
	}
	for _, k := range known {
		to <- prometheus.MustNewConstMetric(prometheus.NewDesc(k.name, k.help, nil, nil), k.kind, float64(k.value(&f)))
	}
}

// watched is a response that is being counted.
type watched struct {
	http.ResponseWriter
	metrics *metrics
	route   string
	status  int // 0 until the header is out
	began   time.Time
}

func (m *metrics) watch(w http.ResponseWriter, pattern string) *watched {
	return &watched{ResponseWriter: w, metrics: m, route: pattern, began: m.now()}
}

// Unwrap lets http.ResponseController reach the connection.
func (w *watched) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Hijack hands the connection over to who will answer on it, with 200.
func (w *watched) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rest, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil {
		w.status = http.StatusOK
	}
	return conn, rest, err
}

// WriteHeader notes the status.
func (w *watched) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write notes the status that a body without WriteHeader has.
func (w *watched) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

func (w *watched) done(_ *http.Request) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	w.metrics.requests.WithLabelValues(w.route, strconv.Itoa(w.status)).Inc()
	if w.route != eventsPattern && w.route != streamPattern {
		w.metrics.seconds.WithLabelValues(w.route).Observe(w.metrics.now().Sub(w.began).Seconds())
	}
}
