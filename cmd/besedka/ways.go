package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"time"

	"besedka/door"
	"besedka/media"
	"besedka/turn"
)

// ways say how people get in besides plain HTTP and the media ports.
type ways struct {
	TLSCert string   `name:"tls-cert" env:"BESEDKA_TLS_CERT" type:"path" help:"Certificate chain (PEM): serve HTTPS, and TURN on the same port. Read again when it changes."`
	TLSKey  string   `name:"tls-key" env:"BESEDKA_TLS_KEY" type:"path" help:"Key of the certificate (PEM)."`
	TURN    string   `name:"turn" env:"BESEDKA_TURN" help:"Address of a TURN listener without TLS, for those who terminate TLS elsewhere."`
	TURNURL []string `name:"turn-url" env:"BESEDKA_TURN_URL" help:"What clients are told instead of what --url and --turn say, like turns:turn.example.org:443?transport=tcp."`
}

// hasTLS says whether the program serves HTTPS itself.
func (w *ways) hasTLS() bool { return w.TLSCert != "" }

// check finds settings that do not fit together.
func (w *ways) check(public *url.URL) error {
	switch {
	case (w.TLSCert == "") != (w.TLSKey == ""):
		return errors.New("--tls-cert and --tls-key go together")
	case w.hasTLS() && public.Scheme != "https":
		return fmt.Errorf("with a certificate --url must begin with https://, not %q", public)
	case len(w.TURNURL) > 0 && !w.hasTLS() && w.TURN == "":
		return errors.New("--turn-url without --turn: there is nothing to tell of")
	}
	for _, u := range w.TURNURL {
		if parsed, err := url.Parse(u); err != nil || parsed.Scheme != "turn" && parsed.Scheme != "turns" || parsed.Opaque == "" {
			return fmt.Errorf("--turn-url must be like turns:turn.example.org:443?transport=tcp, not %q", u)
		}
	}
	return nil
}

// hasTURN says whether there is a relay.
func (w *ways) hasTURN() bool { return w.hasTLS() || w.TURN != "" }

// urls are where clients find the relay (RFC 7065).
func (w *ways) urls(public *url.URL, plain net.Listener) []string {
	if len(w.TURNURL) > 0 {
		return w.TURNURL
	}
	var list []string
	if w.hasTLS() {
		port := public.Port()
		if port == "" {
			port = "443"
		}
		list = append(list, "turns:"+net.JoinHostPort(public.Hostname(), port)+"?transport=tcp")
	}
	if plain != nil {
		if _, port, err := net.SplitHostPort(plain.Addr().String()); err == nil {
			list = append(list, "turn:"+net.JoinHostPort(public.Hostname(), port)+"?transport=tcp")
		}
	}
	return list
}

// openRelay makes the TURN server and opens its listener, where asked for.
func (p *program) openRelay(c *serveCommand, advertise []netip.Addr, log *slog.Logger) (err error) {
	if !c.hasTURN() {
		return nil
	}
	if p.turn, err = turn.New(turn.Config{Media: p.media.Addr(), Advertise: advertise, Now: time.Now, Log: log}); err != nil {
		return fmt.Errorf("turn: %w", err)
	}
	if c.TURN != "" {
		if p.turnPlain, err = net.Listen("tcp", c.TURN); err != nil {
			return fmt.Errorf("turn on %s: %w", c.TURN, err)
		}
	}
	return nil
}

// behindDoor puts the HTTPS port in front of the public listener, where asked for.
func (p *program) behindDoor(c *serveCommand, log *slog.Logger) error {
	if !c.hasTLS() {
		return nil
	}
	certificate, err := door.LoadCertificate(c.TLSCert, c.TLSKey, time.Now, log)
	if err != nil {
		return err
	}
	p.public = door.Open(door.Config{Listener: p.public, TLS: &tls.Config{GetCertificate: certificate.Get}, TURN: p.turn.Take, Log: log})
	return nil
}

// relay serves the TURN listener without TLS until ctx ends.
func (p *program) relay(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = p.turnPlain.Close() })
	defer stop()
	return p.turn.Serve(p.turnPlain)
}

// advertised are the addresses under which browsers are told to find the media:
// those of the settings, or the one it listens on, or those of the interfaces.
func (c *serveCommand) advertised() ([]netip.Addr, error) {
	if len(c.Advertise) > 0 {
		return c.Advertise, nil
	}
	return media.LocalAddrs(c.Media.Addr())
}
