package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"time"

	"besedka/fanout"
	"besedka/room"
	"besedka/web"
)

// serveCommand starts the server.
type serveCommand struct {
	storage
	ways
	Listen       string         `default:"127.0.0.1:8080" env:"BESEDKA_LISTEN" help:"Address of HTTP, or of HTTPS with a certificate."`
	URL          string         `default:"http://localhost:8080" env:"BESEDKA_URL" help:"The address people type; links are made from it."`
	Media        netip.AddrPort `default:"127.0.0.1:7882" env:"BESEDKA_MEDIA" help:"Address of the media, UDP and TCP."`
	Advertise    []netip.Addr   `env:"BESEDKA_ADVERTISE" help:"Addresses told to browsers (behind a one-to-one NAT)."`
	Metrics      string         `default:"127.0.0.1:9464" env:"BESEDKA_METRICS" help:"Address of Prometheus metrics; empty for none."`
	TrustedProxy []netip.Prefix `env:"BESEDKA_TRUSTED_PROXY" help:"Networks of proxies whose X-Forwarded-For is believed."`
	longPackets
	roomSize
	NoGuests   bool `env:"BESEDKA_NO_GUESTS" help:"Nobody may listen without an account."`
	NoPreviews bool `env:"BESEDKA_NO_PREVIEWS" help:"Pages of pinned links are not looked at for their titles: the server calls nobody."`
}

// longPackets says what audiences get their sound in.
type longPackets struct {
	LongPackets []int `default:"50,500" env:"BESEDKA_LONG_PACKETS" help:"Listeners of a room from which its audience gets fewer, longer packets: of 60 ms, then of 80 (from ten times as many if there is one number), and, if a third number is given, of 120 also when the server is not busy. -1 for never."`
}

// Validate refuses what policy cannot use before anything is opened.
func (l longPackets) Validate() error {
	_, err := l.policy()
	return err
}

// policy is that as floors know it.
func (l longPackets) policy() (fanout.Policy, error) {
	n := l.LongPackets
	if slices.Equal(n, []int{-1}) {
		return fanout.Policy{Audience: -1}, nil
	}
	if len(n) < 1 || len(n) > 3 || n[0] < 1 || n[len(n)-1] > 1_000_000 || !slices.IsSorted(n) {
		return fanout.Policy{}, errors.New("--long-packets must be like 50,500: one to three numbers of listeners, none smaller than the one before; or -1")
	}
	p := fanout.Policy{Audience: n[0]}
	if len(n) > 1 {
		p.Crowd = n[1]
	}
	if len(n) > 2 {
		p.Throng = n[2]
	}
	return p, nil
}

// roomSize bounds rooms.
type roomSize struct {
	Listeners int `name:"room-listeners" default:"5000" env:"BESEDKA_ROOM_LISTENERS" help:"Listeners in the audience of one room."`
	OnStage   int `name:"room-stage" default:"100" env:"BESEDKA_ROOM_STAGE" help:"People on one stage."`
	Overflow  int `name:"room-overflow" default:"20000" env:"BESEDKA_ROOM_OVERFLOW" help:"People who may listen to a full room besides."`
}

// limits are the bounds as rooms know them.
func (r roomSize) limits() (room.Limits, error) {
	if r.Listeners < 1 || r.OnStage < 2 || r.Overflow < 0 || max(r.Listeners, r.OnStage, r.Overflow) > 1_000_000 {
		return room.Limits{}, errors.New("--room-listeners must be at least 1, --room-stage at least 2, --room-overflow at least 0")
	}
	limits := room.Limits{Listeners: r.Listeners, OnStage: r.OnStage, Overflow: r.Overflow}
	if r.Overflow == 0 {
		limits.Overflow = room.NoOverflow
	}
	return limits, nil
}

// shutdownGrace bounds how long requests under way may take when the server stops.
const shutdownGrace = 5 * time.Second

// Run serves until ctx ends.
func (c *serveCommand) Run(ctx context.Context, log *slog.Logger) error {
	public, err := url.Parse(c.URL)
	if err != nil || public.Host == "" || public.Scheme != "http" && public.Scheme != "https" {
		return fmt.Errorf("--url must be like https://talk.example.org, not %q", c.URL)
	}
	if err := c.check(public); err != nil {
		return err
	}
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return err
	}
	p, err := newProgram(ctx, c, log)
	if err != nil {
		return err
	}
	return errors.Join(p.run(ctx), p.close())
}

// listeners opens the HTTP sockets: the public one and that of the metrics (nil
// when it is off, or when its default port is taken by somebody else).
func (c *serveCommand) listeners(log *slog.Logger) (public, metrics net.Listener, err error) {
	public, err = net.Listen("tcp", c.Listen)
	if err != nil || c.Metrics == "" {
		return public, nil, err
	}
	metrics, err = net.Listen("tcp", c.Metrics)
	if err != nil {
		log.Warn("no metrics: their address is taken", "metrics", c.Metrics, "error", err)
		metrics = nil
	}
	return public, metrics, nil
}

// serveHTTP serves until ctx ends, then lets requests under way finish for a moment.
func serveHTTP(ctx context.Context, s *http.Server, l net.Listener) error {
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
	defer cancel()
	err := s.Shutdown(grace)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.Close()
	}
	<-ended
	return err
}

type openAPICommand struct{}

// Run prints the OpenAPI document.
func (openAPICommand) Run() error {
	doc, err := web.OpenAPI()
	if err == nil {
		_, err = os.Stdout.Write(doc)
	}
	return err
}
