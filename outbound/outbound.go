// Package outbound is the one way in which the server calls others, and only
// because a person asked for it: today for the title of a page that a moderator
// has pinned.
//
// Whoever chooses the address of a request must not reach through it what only
// the server can reach: its own network, its neighbours, the metadata service of
// its cloud. So the client looks at nothing that was said before it connects. A
// name is resolved, and the address that the system is about to connect to is
// checked in the socket's own control function: what a resolver says to one
// question and what it says to the next does not matter, and neither do forms of
// writing an address (0x7f.1, ::ffff:127.0.0.1), names that lead elsewhere, or
// redirects, which are connections like any other. What is not known to be public
// is refused (address.go). There is no proxy, no cookie, no referrer, no kept
// connection; ports, time, size, redirects, and the number of requests, in all
// and to one host, are bounded.
package outbound

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// Bounds of a request.
const (
	Within       = 3 * time.Second // name, connection, redirects and body together
	MaxBody      = 256 << 10       // bytes read; what comes after is not
	MaxRedirects = 3
	MaxAtOnce    = 8 // requests under way
	maxHeader    = 32 << 10
	maxURL       = 2000 // bytes
)

// Why a request was not made, or led to nothing. None of it is told to people:
// a preview is there or it is not.
var (
	ErrAddress  = errors.New("not a public address")
	ErrURL      = errors.New("not a URL that is fetched")
	ErrRedirect = errors.New("too many redirects")
	ErrAnswer   = errors.New("not a page")
	ErrBusy     = errors.New("too many requests")
)

// Config is what a Client stands on. Agent and Now must be given.
type Config struct {
	Agent string           // the User-Agent: who calls, and where that can be read about
	Now   func() time.Time // for the budgets

	// Resolver is asked for names; nil is the system's.
	Resolver *net.Resolver
	// Public says which addresses may be connected to, and Port which ports; nil
	// are the guards of this package, which only a test has a reason to replace.
	Public func(netip.Addr) bool
	Port   func(uint16) bool
}

// Client makes requests to the world. It is safe for concurrent use.
type Client struct {
	config Config
	http   *http.Client
	places chan struct{} // one for each request under way
	hosts  hosts
	stats  struct{ fetched, refused, failed atomic.Int64 }
}

// New makes a client.
func New(c Config) *Client {
	if c.Resolver == nil {
		c.Resolver = net.DefaultResolver
	}
	if c.Public == nil {
		c.Public = func(a netip.Addr) bool { return Public(a) && !own(a) }
	}
	if c.Port == nil {
		c.Port = func(port uint16) bool { return port == 80 || port == 443 }
	}
	k := &Client{config: c, places: make(chan struct{}, MaxAtOnce), hosts: newHosts(c.Now)}
	dialer := &net.Dialer{Timeout: Within, Resolver: c.Resolver, ControlContext: k.control}
	transport := &http.Transport{
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    Within,
		ResponseHeaderTimeout:  Within,
		MaxResponseHeaderBytes: maxHeader,
		DisableKeepAlives:      true,
		DisableCompression:     true, // so that MaxBody bounds what is received
	}
	k.http = &http.Client{Transport: transport, CheckRedirect: k.redirect, Timeout: Within}
	return k
}

// control is called with the very address that is about to be connected to.
func (k *Client) control(_ context.Context, network, address string, _ syscall.RawConn) error {
	if network != "tcp4" && network != "tcp6" {
		return fmt.Errorf("%w: %s", ErrAddress, network)
	}
	to, err := netip.ParseAddrPort(address)
	if err != nil || !k.config.Public(to.Addr()) || !k.config.Port(to.Port()) {
		return ErrAddress // which one is nobody's business, not even the log's
	}
	return nil
}

// redirect is asked before each redirect is followed. The connection it leads
// to passes control like the first.
func (k *Client) redirect(r *http.Request, before []*http.Request) error {
	if len(before) > MaxRedirects {
		return ErrRedirect
	}
	r.Header.Del("Referer")
	if err := check(r.URL); err != nil {
		return err
	}
	return k.hosts.spend(r.URL.Hostname())
}

// check looks at what a URL itself says.
func check(u *url.URL) error {
	switch {
	case u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "", u.User != nil, u.Opaque != "":
		return ErrURL
	case len(u.String()) > maxURL:
		return ErrURL
	}
	return nil
}

// Stats counts what was asked of a Client.
type Stats struct {
	Fetched int64 // answered
	Refused int64 // for their address, their form or a budget
	Failed  int64 // no answer that could be used
}

// Stats gives the figures since the start.
func (k *Client) Stats() Stats {
	return Stats{Fetched: k.stats.fetched.Load(), Refused: k.stats.refused.Load(), Failed: k.stats.failed.Load()}
}

// Title gives the title of the page at a URL: plain text of one line, at most
// MaxTitle characters, or "" where the page has none.
func (k *Client) Title(ctx context.Context, link string) (string, error) {
	title, err := k.title(ctx, link)
	switch {
	case err == nil:
		k.stats.fetched.Add(1)
	case errors.Is(err, ErrAddress), errors.Is(err, ErrURL), errors.Is(err, ErrBusy):
		k.stats.refused.Add(1)
	default:
		k.stats.failed.Add(1)
	}
	return title, err
}

func (k *Client) title(ctx context.Context, link string) (string, error) {
	u, err := url.Parse(link)
	if err != nil {
		return "", ErrURL
	}
	if err := check(u); err != nil {
		return "", err
	}
	select {
	case k.places <- struct{}{}:
		defer func() { <-k.places }()
	default:
		return "", ErrBusy
	}
	if err := k.hosts.spend(u.Hostname()); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, Within)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return "", ErrURL
	}
	r.Header.Set("User-Agent", k.config.Agent)
	r.Header.Set("Accept", "text/html, application/xhtml+xml")
	res, err := k.http.Do(r)
	if err != nil {
		return "", fmt.Errorf("fetch: %w", err)
	}
	defer res.Body.Close()
	return read(res)
}

func read(res *http.Response) (string, error) {
	kind := res.Header.Get("Content-Type")
	media, _, _ := strings.Cut(strings.ToLower(kind), ";")
	media = strings.TrimSpace(media)
	if res.StatusCode != http.StatusOK || media != "text/html" && media != "application/xhtml+xml" {
		return "", fmt.Errorf("%w: %d %.60q", ErrAnswer, res.StatusCode, media)
	}
	return Title(io.LimitReader(res.Body, MaxBody), kind), nil
}

// Agent is how an instance introduces itself to those it calls.
func Agent(version, public string) string {
	return fmt.Sprintf("Besedka/%s (link preview; +%s)", version, public)
}
