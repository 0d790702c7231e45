package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"besedka"
	"besedka/account"
	"besedka/room"
)

// access says who may ask for a route.
type access int

const (
	byMembers   access = iota // those with an account: what a route gets that says nothing else
	byGuests                  // and guests, as far as their room goes
	byStrangers               // everybody
)

// caller is who asks.
type caller struct {
	account.Principal
	place string // the network that they come from
}

// actor is the caller as rooms know them.
func (c *caller) actor() room.Actor {
	return room.Actor{Who: c.Participant(), Credential: c.Credential, GuestOf: c.Room, Place: c.place}
}

// callerOf is who asks. Only handlers of strangers' routes may meet nil.
func callerOf(ctx context.Context) *caller { return callOf(ctx).caller }

const maxToken = 256 // bytes

// token is the credential that the request carries, and whether by cookie. A
// bearer token wins, because only programs send one.
func (s *Server) token(r *http.Request) (token string, byCookie bool) {
	if h := r.Header.Get("Authorization"); h != "" {
		scheme, t, _ := strings.Cut(h, " ")
		if !strings.EqualFold(scheme, "Bearer") || len(t) > maxToken { // RFC 6750 section 2.1
			return "", false
		}
		return strings.TrimSpace(t), false
	}
	if c, err := r.Cookie(s.cookieName()); err == nil && len(c.Value) <= maxToken {
		return c.Value, c.Value != ""
	}
	return "", false
}

// cookieName is that of the session cookie. The prefix makes browsers refuse it
// from anybody but this very host over TLS (RFC 6265bis section 4.1.3.2).
func (s *Server) cookieName() string {
	if s.URL.Scheme == "https" {
		return "__Host-besedka"
	}
	return "besedka"
}

// cookieAge is longer than a session lasts: the server says when it ends.
const cookieAge = 180 * 24 * 60 * 60 // seconds

// cookie makes the session cookie; an empty token takes it back.
func (s *Server) cookie(token string) *http.Cookie {
	c := &http.Cookie{
		Name: s.cookieName(), Value: token, Path: "/", MaxAge: cookieAge,
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: s.URL.Scheme == "https",
	}
	if token == "" {
		c.MaxAge = -1
	}
	return c
}

// identify finds out who asks, whether the route is open to them, and takes the
// request from their budget.
func (s *Server) identify(r *http.Request, c *call) error {
	who := s.access[c.pattern] // a route that the table does not have is for members
	if c.pattern == noRoutePattern {
		who = byStrangers
	}
	place := addressKey(c.addr)
	if c.pattern == photoPattern {
		return s.limits.photos.spend(place) // whoever asks
	}
	if c.pattern == streamPattern {
		return s.limits.plays.spend(place) // the ticket says who asks
	}
	if c.token == "" {
		err := s.limits.stranger.spend(place)
		if err == nil && who != byStrangers {
			err = besedka.ErrUnauthenticated
		}
		return err
	}
	p, err := s.Accounts.Authenticate(r.Context(), c.token)
	switch {
	case errors.Is(err, besedka.ErrUnauthenticated):
		if err := s.limits.guess.spend(place); err != nil {
			return err
		}
		if who == byStrangers {
			return nil // an old cookie must not keep anybody from signing in
		}
		return err
	case err != nil:
		return fmt.Errorf("authenticate: %w", err)
	}
	c.caller = &caller{p, place}
	if p.Guest != "" && who == byMembers {
		return room.ErrGuestsListen
	}
	return s.limits.credential.spend(string(p.Credential))
}

// still says whether the caller may still ask. A request that has opened
// something lasting asks again, so that a revocation in between is not missed.
func (s *Server) still(ctx context.Context) error {
	_, err := s.Accounts.Authenticate(ctx, callOf(ctx).token)
	return err
}
