package web

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"besedka"
	"besedka/i18n"
	"besedka/picture"
)

// requestTimeout bounds the work for one request but event streams and uploads.
const requestTimeout = 20 * time.Second

// hsts is for a year (OWASP ASVS 3.4.1).
const hsts = "max-age=31536000"

// clientPolicy is the content security policy of the client's pages. The client
// is one script and one stylesheet of our own; sound comes by WebRTC, and blob: is
// for what it makes itself. Svelte makes its templates by a trusted-types policy.
var clientPolicy = strings.Join([]string{
	"default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:", "connect-src 'self'",
	"media-src 'self' blob:", "font-src 'self'", "manifest-src 'self'", "worker-src 'self'", "frame-ancestors 'none'",
	"base-uri 'none'", "form-action 'self'", "require-trusted-types-for 'script'", "trusted-types svelte-trusted-html",
}, "; ")

// apiPolicy is the content security policy of answers that are no pages.
const apiPolicy = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'"

// call is what the gate knows of a request.
type call struct {
	pattern  string
	lang     i18n.Language
	addr     netip.Addr
	token    string
	byCookie bool
	caller   *caller // nil for strangers
	turn     *place  // nil where none is taken
}

type callKey struct{}

// strangeCall is that of a context which did not pass the gate.
var strangeCall = &call{lang: i18n.English}

func callOf(ctx context.Context) *call {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		return c
	}
	return strangeCall
}

// gate is what every request passes.
func (s *Server) gate(w http.ResponseWriter, r *http.Request) {
	_, pattern := s.mux.Handler(r)
	c := &call{pattern: pattern, lang: i18n.Match(r.Header.Get("Accept-Language")), addr: s.address(r)}
	r = r.WithContext(context.WithValue(r.Context(), callKey{}, c))
	m := s.metrics.watch(w, pattern)
	defer m.done(r)
	defer s.recover(m, r)
	s.secure(m.Header())
	if pattern == clientPattern || pattern == healthPattern {
		s.mux.ServeHTTP(m, r)
		return
	}
	h := m.Header()
	h.Set("Content-Security-Policy", apiPolicy)
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "Accept-Language, Authorization, Cookie, Origin")
	defer c.endTurn()
	if err := s.admit(m, r, c); err != nil {
		s.fail(m, r, err)
		return
	}
	if pattern != eventsPattern && pattern != streamPattern {
		bound := requestTimeout
		if pattern == setPhotoPattern {
			bound = uploadTimeout
		}
		ctx, cancel := context.WithTimeout(r.Context(), bound)
		defer cancel()
		r = r.WithContext(ctx)
	}
	s.mux.ServeHTTP(m, r)
}

// admit says whether a request to the API may reach its handler, and who asks.
func (s *Server) admit(w http.ResponseWriter, r *http.Request, c *call) error {
	c.token, c.byCookie = s.token(r)
	s.allowForeignPlayers(w.Header(), c)
	if err := s.refusal(c.pattern); err != nil {
		return err
	}
	if c.token == "" || c.byCookie {
		if err := s.csrf.Check(r); err != nil {
			return errCrossOrigin
		}
	}
	if joining[c.pattern] {
		if err := s.takeTurn(r, c); err != nil {
			return err
		}
		s.Media.MakeWay(r.Context())
	}
	if err := s.identify(r, c); err != nil {
		return err
	}
	return checkBody(w, r, c.pattern)
}

// checkBody bounds the body and wants its type to be one that the route takes.
func checkBody(w http.ResponseWriter, r *http.Request, pattern string) error {
	most := int64(maxBody)
	if pattern == setPhotoPattern {
		most = picture.MaxBytes
	}
	if r.ContentLength > most {
		return errTooLarge
	}
	r.Body = http.MaxBytesReader(w, r.Body, most)
	want, isMedia := mediaTypes[pattern]
	if !isMedia {
		want = []string{"application/json"}
	}
	sent := r.Header.Get("Content-Type")
	switch {
	case r.Method == http.MethodGet, r.Method == http.MethodHead, r.Method == http.MethodDelete, r.Method == http.MethodOptions:
		return nil
	case sent == "" && !isMedia && r.ContentLength <= 0:
		return nil
	}
	got, _, err := mime.ParseMediaType(sent)
	if err != nil || !slices.Contains(want, got) {
		return errUnsupported
	}
	return nil
}

// secure sets the headers that every answer has.
func (s *Server) secure(h http.Header) {
	h.Set("Content-Security-Policy", s.csp)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Permissions-Policy", "microphone=(self), camera=(), geolocation=(), display-capture=()")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	if s.URL.Scheme == "https" {
		h.Set("Strict-Transport-Security", hsts)
	}
}

// recover keeps a fault in one request from ending the program (OWASP ASVS 16.5.4).
func (s *Server) recover(w *watched, r *http.Request) {
	fault := recover()
	if fault == nil {
		return
	}
	if err, ok := fault.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(fault)
	}
	s.log.Error("request panicked", "route", callOf(r.Context()).pattern, "fault", fault, "stack", string(debug.Stack()))
	if w.status != 0 {
		panic(http.ErrAbortHandler) // half an answer is out: cut the connection
	}
	s.fail(w, r, fmt.Errorf("panic: %v", fault))
}

// address is where the request comes from. What a peer says of others in
// X-Forwarded-For is believed of trusted proxies only, from the right, up to the
// first that is none.
func (s *Server) address(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.IPv4Unspecified()
	}
	addr := peer.Addr().Unmap()
	if !s.trusts(addr) {
		return addr
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			return addr
		}
		if addr = hop.Unmap(); !s.trusts(addr) {
			return addr
		}
	}
	return addr
}

func (s *Server) trusts(a netip.Addr) bool {
	for _, p := range s.TrustedProxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// noRoute answers for what the API does not have: 405 where other methods are
// known (RFC 9110 section 15.5.6), else 404.
func (s *Server) noRoute(w http.ResponseWriter, r *http.Request) {
	var allowed []string
	probe := r.Clone(r.Context())
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		probe.Method = method
		if _, pattern := s.mux.Handler(probe); pattern != "" && pattern != noRoutePattern {
			allowed = append(allowed, method)
		}
	}
	if allowed == nil {
		s.fail(w, r, besedka.ErrNotFound)
		return
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	s.fail(w, r, errMethod)
}
