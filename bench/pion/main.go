// Command pion is the measure to hold Besedka against: the plainest audio
// forwarder that Pion gives, one PeerConnection for each listener and a
// TrackLocalStaticRTP for each speaker, behind the few endpoints that the load
// generator uses. It has default interceptors, one UDP port and AES-128-GCM, as
// anybody would configure it; no accounts, no rules, no storage.
//
// It is for the benchmark only: it lets everybody in.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/interceptor"
	"github.com/pion/webrtc/v4"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8081", "HTTP address")
	media := flag.String("media", "127.0.0.1:7892", "UDP address of all media")
	full := flag.Bool("full-ice", false, "a full ICE agent for each peer instead of ICE-lite")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := serve(ctx, *listen, *media, *full); err != nil {
		slog.Error("serve", "error", err)
		os.Exit(1)
	}
}

// serve answers until ctx ends.
func serve(ctx context.Context, listen, media string, full bool) error {
	api, err := newAPI(media, full)
	if err != nil {
		return err
	}
	s := &server{api: api, rooms: map[string]*room{}}
	h := &http.Server{Addr: listen, Handler: s.routes(), ReadHeaderTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}
	failed := make(chan error, 1)
	go func() { failed <- h.ListenAndServe() }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	err = h.Close()
	<-failed
	s.closeAll()
	return err
}

// newAPI sets up Pion: one UDP port for all peers, Opus, the default interceptors.
func newAPI(media string, full bool) (*webrtc.API, error) {
	addr, err := net.ResolveUDPAddr("udp", media)
	if err != nil {
		return nil, err
	}
	conn, err := net.ListenUDP("udp", addr)
	if err != nil {
		return nil, err
	}
	var set webrtc.SettingEngine
	set.SetICEUDPMux(webrtc.NewICEUDPMux(nil, conn))
	set.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6})
	set.SetIncludeLoopbackCandidate(true)
	set.SetLite(!full)
	set.SetSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80)
	var codecs webrtc.MediaEngine
	if err := codecs.RegisterDefaultCodecs(); err != nil {
		return nil, err
	}
	var chain interceptor.Registry
	if err := webrtc.RegisterDefaultInterceptors(&codecs, &chain); err != nil {
		return nil, err
	}
	return webrtc.NewAPI(webrtc.WithSettingEngine(set), webrtc.WithMediaEngine(&codecs), webrtc.WithInterceptorRegistry(&chain)), nil
}

// server holds the rooms.
type server struct {
	api *webrtc.API

	mu    sync.Mutex
	rooms map[string]*room
}

// room is a set of peers; its tracks are the voices of its speakers.
type room struct {
	peers  map[string]*webrtc.PeerConnection
	tracks []*webrtc.TrackLocalStaticRTP
}

func (s *server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	mux.HandleFunc("POST /api/v1/rooms", s.open)
	mux.HandleFunc("DELETE /api/v1/rooms/{room}", s.end)
	mux.HandleFunc("POST /api/v1/rooms/{room}/whip", s.whip)
	mux.HandleFunc("POST /api/v1/rooms/{room}/whep", s.whep)
	mux.HandleFunc("DELETE /api/v1/rooms/{room}/sessions/{id}", s.leave)
	// Who speaks and who listens is nobody's business here: each is what he says.
	mux.HandleFunc("POST /api/v1/rooms/{room}/guests", say(http.StatusCreated, `{"token":"guest"}`))
	mux.HandleFunc("POST /api/v1/invitations", say(http.StatusCreated, `{"code":"none"}`))
	session := func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "who", Value: "speaker"})
		say(http.StatusCreated, `{}`)(w, r)
	}
	mux.HandleFunc("POST /api/v1/accounts", session)
	mux.HandleFunc("POST /api/v1/sessions", session)
	mux.HandleFunc("GET /api/v1/me", say(http.StatusOK, `{}`))
	mux.HandleFunc("PUT /api/v1/rooms/{room}/seat", say(http.StatusOK, `{"me":{"role":"speaker"}}`))
	mux.HandleFunc("DELETE /api/v1/sessions/current", say(http.StatusNoContent, ""))
	return mux
}

func say(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func (s *server) open(w http.ResponseWriter, _ *http.Request) {
	id := rand.Text()
	s.mu.Lock()
	s.rooms[id] = &room{peers: map[string]*webrtc.PeerConnection{}}
	s.mu.Unlock()
	body, _ := json.Marshal(map[string]string{"id": id})
	say(http.StatusCreated, string(body))(w, nil)
}

func (s *server) end(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	m := s.rooms[r.PathValue("room")]
	delete(s.rooms, r.PathValue("room"))
	s.mu.Unlock()
	m.close()
	w.WriteHeader(http.StatusNoContent)
}

func (m *room) close() {
	if m == nil {
		return
	}
	for _, p := range m.peers {
		_ = p.Close()
	}
}

func (s *server) closeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.rooms {
		m.close()
	}
}

func (s *server) leave(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	var p *webrtc.PeerConnection
	if m := s.rooms[r.PathValue("room")]; m != nil {
		p = m.peers[r.PathValue("id")]
		delete(m.peers, r.PathValue("id"))
	}
	s.mu.Unlock()
	if p != nil {
		_ = p.Close()
	}
	w.WriteHeader(http.StatusOK)
}

// whip takes a speaker: its packets go to a track of the room.
func (s *server) whip(w http.ResponseWriter, r *http.Request) {
	s.answer(w, r, func(m *room, p *webrtc.PeerConnection) error {
		s.mu.Lock()
		name := fmt.Sprintf("voice%d", len(m.tracks))
		track, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2}, name, name)
		if err == nil {
			m.tracks = append(m.tracks, track)
		}
		s.mu.Unlock()
		p.OnTrack(func(up *webrtc.TrackRemote, _ *webrtc.RTPReceiver) { forward(up, track) })
		return err
	})
}

func forward(up *webrtc.TrackRemote, down *webrtc.TrackLocalStaticRTP) {
	buf := make([]byte, 1500)
	for {
		n, _, err := up.Read(buf)
		if err != nil {
			return
		}
		if _, err := down.Write(buf[:n]); err != nil && !errors.Is(err, io.ErrClosedPipe) {
			return
		}
	}
}

// whep takes a listener: it gets the room's tracks, as many as it offered m-lines for.
func (s *server) whep(w http.ResponseWriter, r *http.Request) {
	s.answer(w, r, func(m *room, p *webrtc.PeerConnection) error {
		s.mu.Lock()
		tracks := m.tracks
		s.mu.Unlock()
		for _, t := range tracks[:min(len(tracks), 3)] {
			sender, err := p.AddTrack(t)
			if err != nil {
				return err
			}
			go drain(sender)
		}
		return nil
	})
}

// drain reads RTCP, so that the interceptors see it.
func drain(s *webrtc.RTPSender) {
	buf := make([]byte, 1500)
	for {
		if _, _, err := s.Read(buf); err != nil {
			return
		}
	}
}

// answer makes a peer, lets prepare set it up and answers the offer.
func (s *server) answer(w http.ResponseWriter, r *http.Request, prepare func(*room, *webrtc.PeerConnection) error) {
	s.mu.Lock()
	m := s.rooms[r.PathValue("room")]
	s.mu.Unlock()
	offer, err := io.ReadAll(io.LimitReader(r.Body, 64<<10))
	if err != nil || m == nil {
		http.Error(w, "no such room", http.StatusNotFound)
		return
	}
	p, err := s.api.NewPeerConnection(webrtc.Configuration{})
	if err == nil {
		err = negotiate(p, string(offer), func() error { return prepare(m, p) })
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	id := rand.Text()
	s.mu.Lock()
	m.peers[id] = p
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/sdp")
	w.Header().Set("Location", "/api/v1/rooms/"+r.PathValue("room")+"/sessions/"+id)
	w.WriteHeader(http.StatusCreated)
	_, _ = io.WriteString(w, p.LocalDescription().SDP)
}

func negotiate(p *webrtc.PeerConnection, offer string, prepare func() error) error {
	if err := p.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}); err != nil {
		return err
	}
	if err := prepare(); err != nil {
		return err
	}
	answer, err := p.CreateAnswer(nil)
	if err != nil {
		return err
	}
	gathered := webrtc.GatheringCompletePromise(p)
	if err := p.SetLocalDescription(answer); err != nil {
		return err
	}
	<-gathered
	return nil
}
