// Package web is the only package that speaks HTTP: the JSON API, WHIP and WHEP,
// the stream of events, the web client's files and the metrics.
//
// Handlers decode, call and encode; what may happen is decided by the
// capabilities. One file holds one capability's handlers, routes.go is the table
// of contents, and each row of it says who may ask: nothing is open that the table
// does not open. Every request passes the same gate (gate.go) before its handler:
// headers, size and type of the body, origin, who asks, budgets.
//
// Errors leave as problem details with a stable code (problem.go); their causes go
// to the log only.
package web

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"besedka"
	"besedka/account"
	"besedka/ask"
	"besedka/chat"
	"besedka/live"
	"besedka/media"
	"besedka/outbound"
	"besedka/room"
	"besedka/social"
)

// Deps are what a Server stands on.
type Deps struct {
	Accounts *account.Service
	Social   *social.Service
	Rooms    *room.Service
	Media    *media.Server
	Live     *live.Hub
	Chat     *chat.Service
	Ask      *ask.Service

	// Outbound is nil where nobody is called. It is here for its figures.
	Outbound *outbound.Client

	// Relay is nil where there is no TURN; RelayURLs are where clients find it.
	Relay     Relay
	RelayURLs []string

	// Ping says whether the database answers.
	Ping func(context.Context) error

	URL     *url.URL // where people reach the server; its scheme decides about Secure cookies and HSTS
	Name    string   // of the instance
	Version string
	Guests  bool // rooms may let guests listen

	// TrustedProxies are the peers whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix

	Cores  int // that the process may use; 0: as many as Go uses
	Now    func() time.Time
	Random io.Reader // nil means crypto/rand
	Log    *slog.Logger
}

// Server answers HTTP requests.
type Server struct {
	Deps
	log     *slog.Logger
	mux     *http.ServeMux
	api     huma.API
	access  map[string]access // by pattern: who may ask
	client  *client
	limits  *limits
	cards   *cards
	streams streams
	readers sync.WaitGroup // of event and audio streams whose connection was taken over
	probes  probes
	tickets *tickets
	uploads chan struct{} // a place for each photo that is being sent
	joins   chan struct{} // and one for each request to join that is computed
	csrf    *http.CrossOriginProtection
	csp     string
	metrics *metrics
	openAPI []byte

	stopping atomic.Bool
}

// New makes a Server. It panics on what cannot be wrong in a program that passed
// its tests: two routes of one pattern, or an embedded client that cannot be read.
func New(d Deps) *Server {
	if d.Random == nil {
		d.Random = rand.Reader
	}
	if d.Cores <= 0 {
		d.Cores = runtime.GOMAXPROCS(0)
	}
	s := &Server{
		probes: probes{all: make(map[besedka.CredentialID]probe)}, tickets: newTickets(),
		uploads: make(chan struct{}, uploadsAtOnce),
		joins:   make(chan struct{}, joinsAtOnce*d.Cores),
		Deps:    d, log: d.Log, mux: http.NewServeMux(), access: make(map[string]access),
		limits: newLimits(d.Now), cards: newCards(), csrf: http.NewCrossOriginProtection(), csp: clientPolicy,
	}
	if err := s.csrf.AddTrustedOrigin(d.URL.Scheme + "://" + d.URL.Host); err != nil {
		panic(fmt.Sprintf("web: public URL %s: %v", d.URL, err))
	}
	dist, err := fs.Sub(clientFiles, "client/dist")
	if err == nil {
		s.client, err = newClient(dist)
	}
	if err != nil {
		panic(fmt.Sprintf("web: %v", err))
	}
	s.metrics = newMetrics(s)
	s.routes()
	if s.openAPI, err = s.describe(); err != nil {
		panic(fmt.Sprintf("web: %v", err))
	}
	return s
}

// OpenAPI gives the OpenAPI 3.1 document of the API, always the same bytes for the same program.
func OpenAPI() ([]byte, error) {
	s := New(Deps{URL: &url.URL{Scheme: "http", Host: "localhost"}, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	return s.openAPI, nil
}

// Handler answers for everything of the public address.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.gate) }

// Timeouts of the public address. They guard against those who send or read one
// byte at a time; event streams set deadlines of their own.
const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 30 * time.Second
	writeTimeout      = 60 * time.Second
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 16 << 10
)

// HTTPServer gives a server for the public address, with its guards set.
func (s *Server) HTTPServer() *http.Server {
	return &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}
