package test

import (
	"encoding/binary"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
)

const (
	levelURI  = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
	frameTime = 20 * time.Millisecond
	joinTime  = 10 * time.Second
)

// newPeer makes a stock Pion peer that speaks Opus and RFC 6464, over these networks or over all.
func newPeer(t *testing.T, networks ...webrtc.NetworkType) *webrtc.PeerConnection {
	t.Helper()
	var codecs webrtc.MediaEngine
	var chain interceptor.Registry
	var set webrtc.SettingEngine
	set.SetIncludeLoopbackCandidate(true)
	if len(networks) > 0 {
		set.SetNetworkTypes(networks)
	}
	for _, err := range []error{
		codecs.RegisterDefaultCodecs(),
		codecs.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: levelURI}, webrtc.RTPCodecTypeAudio),
		webrtc.RegisterDefaultInterceptors(&codecs, &chain),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	p, err := webrtc.NewAPI(webrtc.WithMediaEngine(&codecs), webrtc.WithInterceptorRegistry(&chain), webrtc.WithSettingEngine(set)).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// exchange posts the peer's offer and applies the answer; it gives the session's path.
func (p *person) exchange(peer *webrtc.PeerConnection, path string) string {
	p.t.Helper()
	offer := offerOf(p.t, peer)
	a := p.must(http.MethodPost, path, raw{"application/sdp", []byte(offer)})
	if a.status != http.StatusCreated {
		p.t.Fatalf("%s; want 201", a)
	}
	if err := peer.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: string(a.body)}); err != nil {
		p.t.Fatalf("%v\n%s", err, a.body)
	}
	return a.header.Get("Location")
}

func offerOf(t *testing.T, peer *webrtc.PeerConnection) string {
	t.Helper()
	offer, err := peer.CreateOffer(nil)
	if err != nil {
		t.Fatal(err)
	}
	gathered := webrtc.GatheringCompletePromise(peer)
	if err := peer.SetLocalDescription(offer); err != nil {
		t.Fatal(err)
	}
	<-gathered
	return peer.LocalDescription().SDP
}

// someOffer is a complete offer of somebody who sends or listens.
func someOffer(t *testing.T, direction webrtc.RTPTransceiverDirection, kind webrtc.RTPCodecType) []byte {
	t.Helper()
	peer := newPeer(t)
	if _, err := peer.AddTransceiverFromKind(kind, webrtc.RTPTransceiverInit{Direction: direction}); err != nil {
		t.Fatal(err)
	}
	return []byte(offerOf(t, peer))
}

// voice is an up session that speaks a frame each 20 ms until the test ends.
type voice struct {
	who     *person
	peer    *webrtc.PeerConnection
	session string
	sent    atomic.Int64
	stop    chan struct{}
	done    sync.WaitGroup
	once    sync.Once
}

// speak connects a person's microphone.
func (p *person) speak(room string) *voice {
	p.t.Helper()
	v := &voice{who: p, peer: newPeer(p.t), stop: make(chan struct{})}
	track, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2}, "voice", p.name)
	if err != nil {
		p.t.Fatal(err)
	}
	sender, err := v.peer.AddTransceiverFromTrack(track, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly})
	if err != nil {
		p.t.Fatal(err)
	}
	up := make(chan struct{})
	var once sync.Once
	v.peer.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		if s == webrtc.PeerConnectionStateConnected {
			once.Do(func() { close(up) })
		}
	})
	v.session = p.exchange(v.peer, "/rooms/"+room+"/whip")
	select {
	case <-up:
	case <-time.After(joinTime):
		p.t.Fatalf("%s: the up session did not connect", p.name)
	}
	level := uint8(0)
	for _, e := range sender.Sender().GetParameters().HeaderExtensions {
		if e.URI == levelURI {
			level = uint8(e.ID)
		}
	}
	v.done.Go(func() { v.talk(track, level) })
	p.t.Cleanup(v.hush)
	return v
}

// hush ends the talking; the session stays.
func (v *voice) hush() { v.once.Do(func() { close(v.stop) }); v.done.Wait() }

// talk paces by the clock, so that a late tick is made up for.
func (v *voice) talk(track *webrtc.TrackLocalStaticRTP, level uint8) {
	tick := time.NewTicker(frameTime / 4)
	defer tick.Stop()
	begin, n := time.Now(), int64(0)
	for {
		select {
		case <-v.stop:
			return
		case <-tick.C:
		}
		for ; n <= int64(time.Since(begin)/frameTime); n++ {
			payload := make([]byte, 100)
			payload[0] = 15 << 3 // hybrid, 20 ms, mono, one frame (RFC 6716 §3.1)
			binary.BigEndian.PutUint64(payload[1:], uint64(n))
			pkt := &rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: uint16(n), Timestamp: uint32(n) * 960}, Payload: payload}
			if level != 0 {
				_ = pkt.SetExtension(level, []byte{0x80 | 25})
			}
			if track.WriteRTP(pkt) == nil {
				v.sent.Add(1)
			}
		}
	}
}

// packet is what a listener keeps of one.
type packet struct {
	at     time.Time
	ssrc   uint32
	csrc   uint32
	seq    uint16
	frames int
}

// ear is a down session and all that it has heard.
type ear struct {
	who     *person
	peer    *webrtc.PeerConnection
	session string

	mu      sync.Mutex
	packets []packet
}

// listen connects a listener with that many m-lines.
func (p *person) listen(room string, lines int, networks ...webrtc.NetworkType) *ear {
	p.t.Helper()
	e := &ear{who: p, peer: newPeer(p.t, networks...)}
	for range lines {
		if _, err := e.peer.AddTransceiverFromKind(webrtc.RTPCodecTypeAudio, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}); err != nil {
			p.t.Fatal(err)
		}
	}
	e.peer.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) { e.hear(track) })
	e.session = p.exchange(e.peer, "/rooms/"+room+"/whep")
	return e
}

// hear reads until the peer is closed.
func (e *ear) hear(track *webrtc.TrackRemote) {
	for {
		p, _, err := track.ReadRTP()
		if err != nil {
			return
		}
		got := packet{at: time.Now(), ssrc: p.SSRC, seq: p.SequenceNumber, frames: framesOf(p.Payload)}
		if len(p.CSRC) > 0 {
			got.csrc = p.CSRC[0]
		}
		e.mu.Lock()
		e.packets = append(e.packets, got)
		e.mu.Unlock()
	}
}

// framesOf counts the Opus frames of a packet (RFC 6716 §3.2). A packet of only a TOC byte is silence.
func framesOf(p []byte) int {
	switch {
	case len(p) < 2:
		return 0
	case p[0]&3 == 0:
		return 1
	case p[0]&3 < 3:
		return 2
	default:
		return int(p[1] & 0x3f)
	}
}

// frames counts the frames that arrived in [from, to) and, if csrc is not 0, under that CSRC.
func (e *ear) frames(csrc uint32, from, to time.Time) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	for _, p := range e.packets {
		if (csrc == 0 || p.csrc == csrc) && !p.at.Before(from) && p.at.Before(to) {
			n += p.frames
		}
	}
	return n
}

// hears says whether a frame (of that CSRC) came since from.
func (e *ear) hears(csrc uint32, from time.Time) bool {
	return e.frames(csrc, from, time.Now().Add(time.Hour)) > 0
}

// sources are the CSRCs of the frames in [from, to).
func (e *ear) sources(from, to time.Time) map[uint32]int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := map[uint32]int{}
	for _, p := range e.packets {
		if !p.at.Before(from) && p.at.Before(to) {
			n[p.csrc] += p.frames
		}
	}
	return n
}

// last is when the last packet (of that CSRC) came.
func (e *ear) last(csrc uint32) time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := len(e.packets) - 1; i >= 0; i-- {
		if p := e.packets[i]; csrc == 0 || p.csrc == csrc {
			return p.at
		}
	}
	return time.Time{}
}

// longestGap is the longest time without a packet in [from, to).
func (e *ear) longestGap(from, to time.Time) time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	longest, last := time.Duration(0), from
	for _, p := range e.packets {
		if !p.at.Before(from) && p.at.Before(to) {
			longest, last = max(longest, p.at.Sub(last)), p.at
		}
	}
	return max(longest, to.Sub(last))
}

// untilHeard waits for the first frame (of that CSRC).
func (e *ear) untilHeard(csrc uint32) {
	e.who.t.Helper()
	from := time.Now()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for ; !e.hears(csrc, from); <-poll.C {
		if time.Since(from) > joinTime {
			e.who.t.Fatalf("%s hears nothing of csrc %d for %s: connection %s, ICE %s, heard so far by csrc: %v", e.who.name, csrc, joinTime,
				e.peer.ConnectionState(), e.peer.ICEConnectionState(), e.sources(time.Time{}, time.Now()))
		}
	}
}

// observe lets that much time of the world pass: packets are counted in it.
func observe(d time.Duration) (from, to time.Time) {
	from = time.Now()
	<-time.After(d)
	return from, time.Now()
}

// csrcOf is somebody's number in the roster.
func (p *person) csrcOf(room string, who *person) uint32 {
	p.t.Helper()
	s, ok := p.room(room).of(who)
	if !ok || s.CSRC == 0 {
		p.t.Fatalf("%s has no csrc in the roster: %+v", who.name, s)
	}
	return s.CSRC
}

const (
	sendonly = webrtc.RTPTransceiverDirectionSendonly
	recvonly = webrtc.RTPTransceiverDirectionRecvonly
	audio    = webrtc.RTPCodecTypeAudio
	video    = webrtc.RTPCodecTypeVideo
)
