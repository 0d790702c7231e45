package media_test

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/interceptor"
	"github.com/pion/logging"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"besedka"
	"besedka/media"
)

const (
	patience = 15 * time.Second
	frameDur = 20 * time.Millisecond
	levelURI = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
	room     = besedka.RoomID("room")
)

// clock is a time.Now that a test can put forward.
type clock struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

// world is a media server under test and what it told.
type world struct {
	t      *testing.T
	srv    *media.Server
	clock  clock
	mu     sync.Mutex
	change sync.Cond
	events []media.Event
}

func newWorld(t *testing.T, changes ...func(*media.Config)) *world {
	t.Helper()
	w := &world{t: t}
	w.change.L = &w.mu
	cfg := media.Config{
		Listen:  netip.MustParseAddrPort("127.0.0.1:0"),
		Sockets: 4, // more than a small machine would have: peers and their new addresses are spread over them
		Now:     w.clock.now,
		Random:  rand.Reader,
		Log:     slog.New(slog.DiscardHandler),
		OnSession: func(e media.Event) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.events = append(w.events, e)
			w.change.Broadcast()
		},
	}
	for _, change := range changes {
		change(&cfg)
	}
	srv, err := media.Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.srv = srv
	t.Cleanup(func() {
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// eventually waits until cond holds.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-deadline.C:
			t.Fatalf("never happened: %s", what)
		case <-tick.C:
		}
	}
}

// is says whether an event of that kind has been told for the session.
func (w *world) told(id media.SessionID, live bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events {
		if e.Session == id && e.Live == live {
			return true
		}
	}
	return false
}

// peerOptions are what a client may do differently.
type peerOptions struct {
	lines    int // audio m-lines of a listener; 0 means 3
	cmOnly   bool
	cmFirst  bool // prefers AES-CM, as Chromium does where it chooses
	tcp      bool
	settings func(*webrtc.SettingEngine)
	offer    func(string) string // changes the offer before the server sees it
	answer   func(string) string // changes the answer before the client sees it
	cred     besedka.CredentialID
}

func newPC(t *testing.T, o peerOptions) *webrtc.PeerConnection {
	t.Helper()
	var se webrtc.SettingEngine
	se.SetIncludeLoopbackCandidate(true)
	se.LoggerFactory = &logging.DefaultLoggerFactory{DefaultLogLevel: logging.LogLevelDisabled}
	se.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	if o.tcp {
		se.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeTCP4})
	}
	se.SetSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80)
	if o.cmOnly {
		se.SetSRTPProtectionProfiles(dtls.SRTP_AES128_CM_HMAC_SHA1_80)
	}
	if o.cmFirst {
		se.SetSRTPProtectionProfiles(dtls.SRTP_AES128_CM_HMAC_SHA1_80, dtls.SRTP_AEAD_AES_128_GCM)
	}
	if o.settings != nil {
		o.settings(&se)
	}
	var me webrtc.MediaEngine
	for _, err := range []error{
		me.RegisterCodec(webrtc.RTPCodecParameters{
			RTPCodecCapability: webrtc.RTPCodecCapability{
				MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2, SDPFmtpLine: "minptime=10;useinbandfec=1",
				RTCPFeedback: []webrtc.RTCPFeedback{{Type: "nack"}},
			},
			PayloadType: 111,
		}, webrtc.RTPCodecTypeAudio),
		me.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: levelURI}, webrtc.RTPCodecTypeAudio),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	var ir interceptor.Registry
	if err := webrtc.ConfigureNack(&me, &ir); err != nil {
		t.Fatal(err)
	}
	if err := webrtc.ConfigureRTCPReports(&ir); err != nil {
		t.Fatal(err)
	}
	api := webrtc.NewAPI(webrtc.WithSettingEngine(se), webrtc.WithMediaEngine(&me), webrtc.WithInterceptorRegistry(&ir))
	pc, err := api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pc.Close() })
	return pc
}

// connect exchanges offer and answer with the server.
func (w *world) connect(pc *webrtc.PeerConnection, dir media.Direction, who besedka.ParticipantID, o peerOptions) (media.Session, error) {
	w.t.Helper()
	offer, err := pc.CreateOffer(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := pc.SetLocalDescription(offer); err != nil {
		w.t.Fatal(err)
	}
	text := offer.SDP
	if o.offer != nil {
		text = o.offer(text)
	}
	if o.cred == "" {
		o.cred = "credential"
	}
	s, err := w.srv.Answer(context.Background(), dir, room, who, o.cred, []byte(text))
	if err != nil {
		return s, err
	}
	answer := string(s.SDP)
	if o.tcp {
		answer = without(answer, " udp ")
	} else {
		answer = without(answer, " tcp ")
	}
	if o.answer != nil {
		answer = o.answer(answer)
	}
	if err := pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}); err != nil {
		w.t.Fatal(err)
	}
	return s, nil
}

// without removes the lines that contain a word.
func without(text, word string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		if !strings.Contains(line, word) {
			out.WriteString(line)
		}
	}
	return out.String()
}

// heard is one packet that a listener got.
type heard struct {
	rtp.Header
	payload []byte
	slot    string
}

// number is the frame counter that test speakers put behind the TOC byte.
func (h *heard) number() (uint32, bool) {
	if len(h.payload) < 5 {
		return 0, false
	}
	return binary.BigEndian.Uint32(h.payload[1:]), true
}

// listener is a pion client that receives.
type listener struct {
	session media.Session
	pc      *webrtc.PeerConnection
	mu      sync.Mutex
	packets []heard
}

func (w *world) listener(who besedka.ParticipantID, o peerOptions) *listener {
	w.t.Helper()
	l, err := w.tryListener(who, o)
	if err != nil {
		w.t.Fatal(err)
	}
	return l
}

func (w *world) tryListener(who besedka.ParticipantID, o peerOptions) (*listener, error) {
	w.t.Helper()
	l := &listener{pc: newPC(w.t, o)}
	if o.lines == 0 {
		o.lines = 3
	}
	for range o.lines {
		if _, err := l.pc.AddTransceiverFromKind(webrtc.RTPCodecTypeAudio,
			webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}); err != nil {
			w.t.Fatal(err)
		}
	}
	l.pc.OnTrack(func(tr *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		for {
			p, _, err := tr.ReadRTP()
			if err != nil {
				return
			}
			l.mu.Lock()
			l.packets = append(l.packets, heard{p.Header, p.Payload, tr.ID()})
			l.mu.Unlock()
		}
	})
	var err error
	l.session, err = w.connect(l.pc, media.Down, who, o)
	return l, err
}

// all is a copy of what was heard so far.
func (l *listener) all() []heard {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]heard(nil), l.packets...)
}

// from is the frame numbers heard from a speaker, in order of arrival.
func (l *listener) from(csrc uint32) []uint32 {
	var out []uint32
	for _, h := range l.all() {
		if n, ok := h.number(); ok && len(h.CSRC) == 1 && h.CSRC[0] == csrc {
			out = append(out, n)
		}
	}
	return out
}

func (l *listener) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.packets)
}

// speaker is a pion client that sends one frame each 20 ms.
type speaker struct {
	t       *testing.T
	session media.Session
	pc      *webrtc.PeerConnection
	track   *webrtc.TrackLocalStaticRTP
	level   uint8
	seq     uint16
	ts      uint32
	n       uint32 // frames sent
}

func (w *world) speaker(who besedka.ParticipantID, level uint8, o peerOptions) *speaker {
	w.t.Helper()
	s, err := w.trySpeaker(who, level, o)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *world) trySpeaker(who besedka.ParticipantID, level uint8, o peerOptions) (*speaker, error) {
	w.t.Helper()
	s := &speaker{t: w.t, pc: newPC(w.t, o), level: level, seq: 100}
	var err error
	s.track, err = webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus}, "voice", "voice")
	if err != nil {
		w.t.Fatal(err)
	}
	sender, err := s.pc.AddTransceiverFromTrack(s.track, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly})
	if err != nil {
		w.t.Fatal(err)
	}
	go func() { // reading lets the interceptors answer NACKs
		for {
			if _, _, err := sender.Sender().ReadRTCP(); err != nil {
				return
			}
		}
	}()
	s.session, err = w.connect(s.pc, media.Up, who, o)
	return s, err
}

// say sends the next frame.
func (s *speaker) say() { s.write(s.frame(s.n, 100)) }

// frame is a packet's payload with the frame's number behind the TOC byte.
func (s *speaker) frame(n uint32, size int) []byte {
	b := make([]byte, size)
	b[0] = 15 << 3 // CELT-free: SILK/hybrid 20 ms mono, one frame
	binary.BigEndian.PutUint32(b[1:], n)
	return b
}

func (s *speaker) write(payload []byte) {
	h := rtp.Header{Version: 2, SequenceNumber: s.seq, Timestamp: s.ts}
	if s.level != 255 {
		_ = h.SetExtension(1, []byte{s.level})
	}
	s.seq++
	s.ts += 960
	s.n++
	if err := s.track.WriteRTP(&rtp.Packet{Header: h, Payload: payload}); err != nil && !errors.Is(err, io.ErrClosedPipe) {
		s.t.Error(err)
	}
}

// talk lets the speakers say n frames each, one each 20 ms, and returns when all are sent.
func talk(n int, speakers ...*speaker) {
	tick := time.NewTicker(frameDur)
	defer tick.Stop()
	for range n {
		<-tick.C
		for _, s := range speakers {
			s.say()
		}
	}
}

// live waits until the sessions are live.
func (w *world) live(sessions ...media.Session) {
	w.t.Helper()
	for _, s := range sessions {
		eventually(w.t, "session live", func() bool { return w.told(s.ID, true) })
	}
}

// ready waits until the listeners hear the speaker: pion clients report
// themselves a little after the server does.
func (w *world) ready(s *speaker, csrc uint32, listeners ...*listener) {
	w.t.Helper()
	eventually(w.t, "everybody hears", func() bool {
		talk(1, s)
		for _, l := range listeners {
			if len(l.from(csrc)) == 0 {
				return false
			}
		}
		return true
	})
}
