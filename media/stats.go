package media

import "sync/atomic"

// counters are what Stats is made of.
type counters struct {
	up, down, halfOpen                       atomic.Int64
	handshakes, handshakeFailures            atomic.Int64
	counterMode                              atomic.Int64
	offersRefused, expired, farewells        atomic.Int64
	panics, turnedAway                       atomic.Int64
	packets, unknown                         atomic.Int64
	stunChecks, stunRefused, stunRepeated    atomic.Int64
	probes, moves                            atomic.Int64
	media, mediaRefused, mediaMalformed      atomic.Int64
	controls, controlRefused, nacks, upNacks atomic.Int64
	controlExcess                            atomic.Int64
	streamsRefused                           atomic.Int64
	readers, pagesMissed                     atomic.Int64
}

// live is the number of live sessions in a direction.
func (c *counters) live(d Direction) *atomic.Int64 {
	if d == Up {
		return &c.up
	}
	return &c.down
}

// Stats counts what the server has done since it started. Fields marked "now"
// are levels, the others only grow.
type Stats struct {
	SessionsUp, SessionsDown int64 // now: live sessions
	HalfOpen                 int64 // now: answered, not yet live
	Readers                  int64 // now: who hear without WebRTC
	Streams                  int64 // now: ICE-TCP connections
	HandshakesRunning        int64 // now: begun and not ended
	HandshakesQueued         int64 // now: waiting to begin, or for the processor

	Full       bool    // now: no new listeners are let in
	Saving     bool    // now: audiences get longer packets
	Busy       float64 // now: share of its cores that the process used in the last second
	TurnedAway int64   // listeners refused because the server was full

	Handshakes        int64 // completed
	HandshakesAESCM   int64 // of these: without GCM, because the peer has none
	HandshakeFailures int64
	OffersRefused     int64
	Expired           int64 // sessions ended for want of consent or of joining
	Farewells         int64 // sessions ended by a verified close_notify
	Panics            int64 // sessions ended by a fault of ours

	PacketsIn        int64 // all packets received
	PacketsUnknown   int64 // of no protocol or of no session
	StunChecks       int64 // valid checks
	StunRefused      int64
	StunRepeated     int64 // checks seen before: answered, without effect
	Probes, Moves    int64 // checks of our own, sessions moved to a new path
	MediaIn          int64 // authentic RTP packets of speakers
	MediaRefused     int64 // not authentic, replayed, or from no up session
	MediaMalformed   int64
	ControlIn        int64 // authentic RTCP packets
	ControlRefused   int64
	ControlExcess    int64 // authentic, and beyond the session's budget
	Nacks            int64 // asked of us
	NacksSent        int64 // asked of speakers
	StreamsRefused   int64
	Forwarded        int64 // speakers' packets given to at least one slot
	Sent             int64 // packets sealed for listeners
	Resent           int64 // answers to NACKs
	Markers, Reports int64 // TOC-only packets, sender reports
	Repaired         int64 // speakers' lost packets that RED brought back
	Reforms          int64 // listeners moved to another framing or redundancy

	// Packets of speakers that were not forwarded, by reason, and packets for
	// listeners that were not sent.
	DropMuted, DropRate, DropSize, DropPadding, DropQuiet, DropLate, DropMalformed int64
	DropNack, DropSlow, DropSendError                                              int64
	PagesMissed                                                                    int64 // by readers who were too slow
}

// Stats is a snapshot of the counters.
func (s *Server) Stats() Stats {
	c, p := &s.count, &s.packets
	s.streams.mu.Lock()
	streams := len(s.streams.all)
	s.streams.mu.Unlock()
	running, begin, _ := s.underWay.state()
	_, compute, _ := s.computing.state()
	full, saving, busy := s.admission.state()
	return Stats{
		HandshakesRunning: int64(running), HandshakesQueued: int64(begin + compute), Full: full, Saving: saving, Busy: busy, TurnedAway: c.turnedAway.Load(),
		SessionsUp: c.up.Load(), SessionsDown: c.down.Load(), HalfOpen: c.halfOpen.Load(), Streams: int64(streams),
		Handshakes: c.handshakes.Load(), HandshakesAESCM: c.counterMode.Load(), HandshakeFailures: c.handshakeFailures.Load(),
		OffersRefused: c.offersRefused.Load(), Expired: c.expired.Load(), Farewells: c.farewells.Load(),
		Panics: c.panics.Load(), PacketsIn: c.packets.Load(), PacketsUnknown: c.unknown.Load(),
		StunChecks: c.stunChecks.Load(), StunRefused: c.stunRefused.Load(), StunRepeated: c.stunRepeated.Load(),
		Probes: c.probes.Load(), Moves: c.moves.Load(),
		MediaIn: c.media.Load(), MediaRefused: c.mediaRefused.Load(), MediaMalformed: c.mediaMalformed.Load(),
		ControlIn: c.controls.Load(), ControlRefused: c.controlRefused.Load(), ControlExcess: c.controlExcess.Load(),
		Nacks: c.nacks.Load(), NacksSent: c.upNacks.Load(), StreamsRefused: c.streamsRefused.Load(),
		Forwarded: p.Forwarded.Load(), Sent: p.Sent.Load(), Resent: p.Resent.Load(),
		Markers: p.Markers.Load(), Reports: p.Reports.Load(),
		Repaired: p.Repaired.Load(), Reforms: p.Reforms.Load(), DropMalformed: p.DropMalformed.Load(),
		DropMuted: p.DropMuted.Load(), DropRate: p.DropRate.Load(), DropSize: p.DropSize.Load(),
		DropPadding: p.DropPadding.Load(), DropQuiet: p.DropQuiet.Load(), DropLate: p.DropLate.Load(),
		DropNack: p.DropNack.Load(), DropSlow: p.DropSlow.Load(), DropSendError: s.sock.Refused(),
		Readers: c.readers.Load(), PagesMissed: c.pagesMissed.Load(),
	}
}
