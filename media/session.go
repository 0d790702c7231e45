package media

import (
	"slices"
	"sync"
	"time"

	"besedka"
	"besedka/fanout"
)

// state is where a session is in its life.
type state uint8

const (
	waiting state = iota // answered; no path yet, or no handshake
	shaking              // the DTLS handshake is under way
	live                 // keys are there
	closed
)

const (
	// joinFor reaps a session that has not become live (RFC 9725 §5: half-open sessions).
	joinFor = 15 * time.Second
	// flightFor is how long the last flight of a handshake is repeated on demand (MEDIA.md B6).
	flightFor = 30 * time.Second
)

// session is one peer's transport. What stands above mu is set before the
// session is in the tables and not changed after.
type session struct {
	server *Server
	place  *place
	id     SessionID
	number uint32
	dir    Direction
	who    besedka.ParticipantID
	cred   besedka.CredentialID
	born   time.Time

	ufrag, password         string
	peerUfrag, peerPassword string
	fingerprint             [32]byte // of the peer's certificate, SHA-256
	active                  bool     // we are the DTLS client
	media                   format
	first                   bool // goes before others when handshakes wait

	mu       sync.Mutex
	state    state
	path     path      // where the peer is
	checked  time.Time // the last fresh check on path: consent
	heard    time.Time // the last authentic packet on path
	recent   [recentChecks]uint64
	recentAt uint
	probes   []probe

	pipe     *pipe    // while shaking
	rival    *pipe    // a second handshake beside it, or nil
	rivals   int      // how many there were
	flight   [][]byte // the handshake's last flight, if the peer may miss it
	flightAt time.Time
	farewell *recordKey // opens the peer's close_notify

	control  *fanout.ControlOpener
	asks     fanout.Bucket    // of RTCP
	listener *fanout.Listener // Down
	up       *upTrack         // Up
}

// format is what was agreed about the sound.
type format struct {
	payloadType uint8
	redType     uint8          // of RED (RFC 2198) over Opus; 0: none
	levelID     uint8          // 0: none
	slots       int            // Down: streams the peer can play
	longest     fanout.Framing // Down: the longest packet that he plays
}

// close ends the session: when it returns nothing is sent to the peer and
// nothing of his is forwarded. It may be called again.
func (s *session) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == closed {
		return
	}
	if s.state != live {
		s.server.count.halfOpen.Add(-1)
	} else {
		s.server.count.live(s.dir).Add(-1)
	}
	s.state = closed
	s.server.tables.remove(s, s.path)
	s.cutHandshakesLocked()
	if s.listener != nil {
		s.listener.Close()
	}
	if s.up != nil {
		s.up.speaker.Close(s.server.cfg.Now())
	}
	if s.path.tcp != nil {
		s.path.tcp.hangUp()
	}
	s.flight, s.control, s.listener, s.up, s.probes = nil, nil, nil, nil, nil
	s.server.tell(s, false)
}

// over says whether the session has ended.
func (s *session) over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == closed
}

// regrant applies a changed grant to a session. The place's lock is held.
func (s *session) regrant(g Grant, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener != nil {
		s.listener.SetSelf(g.CSRC)
		s.listener.SetStage(now, g.Publish)
	}
	if s.up != nil {
		s.up.speaker.SetForward(now, g.Forward)
		s.up.speaker.SetCSRC(now, g.CSRC)
	}
}

// establish makes the session live with the keys of a handshake. It takes the
// place's lock, because what the session may do is granted there. An up session
// takes the place of the older one.
func (s *session) establish(h *handshake) {
	p := s.place
	p.mu.Lock()
	defer p.mu.Unlock()
	have := p.seats[s.who]
	if have == nil || !s.enliven(h, have.grant) {
		return
	}
	have.wasLive = true
	if s.dir != Up {
		return
	}
	for _, x := range slices.Clone(have.sessions[:max(0, slices.Index(have.sessions, s))]) {
		if x.dir == Up {
			p.drop(x)
		}
	}
}

// enliven takes the keys, unless the session has been closed, or has taken keys before: a flight
// may be repeated while its handshake is being cut, and two handshakes may end at once. A second
// listener of one session would stay on the floor when the session ends. The place's lock is held.
func (s *session) enliven(h *handshake, g Grant) bool {
	p := s.place
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == closed || s.state == live {
		return false
	}
	now := s.server.cfg.Now()
	s.state = live
	s.cutHandshakesLocked()
	s.control = fanout.NewControlOpener(h.theirs)
	s.farewell = h.farewell
	if h.flight != nil {
		s.flight, s.flightAt = h.flight, now
	}
	if s.dir == Up {
		s.up = &upTrack{
			opener:  fanout.NewOpener(h.theirs),
			control: fanout.NewControlSealer(h.ours),
			speaker: p.floor.AddSpeaker(g.CSRC, g.Forward),
		}
	} else {
		s.listener = p.floor.AddListener(fanout.ListenerConfig{
			Keys:    h.ours,
			Class:   fanout.Class{Type: s.media.payloadType, RED: s.media.redType, LevelID: s.media.levelID},
			Slots:   s.media.slots,
			Self:    g.CSRC,
			Stage:   g.Publish,
			To:      s.path.addr,
			Sink:    s.path.sink(),
			Longest: s.media.longest,
		})
	}
	s.server.count.halfOpen.Add(-1)
	s.server.count.live(s.dir).Add(1)
	s.server.count.handshakes.Add(1)
	if h.ours.Profile == fanout.AES128CMSHA180 {
		s.server.count.counterMode.Add(1)
	}
	s.server.tell(s, true)
	return true
}

// record takes a DTLS record from the path from. It reports whether the peer
// has said goodbye.
func (s *session) record(b []byte, from path, now time.Time) (bye bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if from != s.path || len(b) < recordHeader {
		return false // only the selected path may speak DTLS: nobody races our peer's ClientHello
	}
	switch s.state {
	case waiting:
		if h, isHello := parseHello(b); isHello && !s.active && harmless(b) {
			s.beginLocked(b, h)
		}
	case shaking:
		if harmless(b) {
			s.shakingLocked(b)
		}
	case live:
		return s.lateLocked(b, now)
	}
	return false
}

// lateLocked takes a DTLS record that comes after the handshake.
func (s *session) lateLocked(b []byte, now time.Time) (bye bool) {
	switch {
	case b[0] == recordAlert && recordEpoch(b) > 0:
		level, description, ok := s.farewell.alert(b)
		return ok && (description == alertCloseNotify || level == alertFatal)
	case s.active && (b[0] == recordCipherSpec || b[0] == recordHandshake && recordEpoch(b) > 0):
		s.flight = nil // the peer's last flight: he has ours
	case (b[0] == recordHandshake || b[0] == recordCipherSpec) && s.flight != nil && now.Sub(s.flightAt) >= time.Second/4:
		// The peer repeats its flight: ours was lost. The same bytes again; its replay window takes them once.
		s.flightAt = now
		for _, d := range s.flight {
			s.server.send(s.path, d)
		}
	}
	return false
}

// expired says why the session must end, or "".
func (s *session) expired(now time.Time) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.state == closed:
		return ""
	case s.state != live && now.Sub(s.born) >= joinFor:
		return "not joined in time"
	case s.state == live && now.Sub(s.checked) >= consentFor:
		return "consent lost"
	}
	if s.flight != nil && now.Sub(s.born) >= flightFor {
		s.flight = nil
	}
	if s.up != nil {
		s.reportLocked(now)
	}
	return ""
}
