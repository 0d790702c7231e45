// Package doctor looks at an instance from outside, as a browser of somebody
// who comes would: is it reached under its address, do the media ports answer
// where people are told that they are, does the relay lead to them. It says in
// words what is wrong and what to do.
//
// Nothing is guessed from settings: a connection test is opened at the running
// server, which answers with its real candidates, and each of them is sent an ICE
// check that only that session answers (RFC 8445 section 7.2).
package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Level says how bad a finding is.
type Level int

// The levels.
const (
	Good Level = iota
	Warn       // it works, but not for everybody, or not for long
	Bad        // it does not work
)

// Finding is one thing that was looked at. Key finds its words.
type Finding struct {
	Level Level
	Key   string
	Args  map[string]string
}

// Visit says what to look at.
type Visit struct {
	URL   *url.URL    // where people reach the instance
	Token string      // of a member or a guest; without one media cannot be looked at
	TLS   *tls.Config // nil trusts what the system trusts
	Now   func() time.Time
}

const (
	visitTimeout   = 8 * time.Second
	certificateDue = 14 * 24 * time.Hour
	clockOff       = 30 * time.Second
	maxAnswer      = 64 << 10
	maxCandidates  = 16
)

// Look visits the instance and tells what it finds, in the order in which it is to be read.
func (v *Visit) Look(ctx context.Context) []Finding {
	transport := &http.Transport{TLSClientConfig: v.TLS, TLSHandshakeTimeout: visitTimeout}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: visitTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	list, reached := v.door(ctx, client)
	if !reached {
		return list
	}
	if v.Token == "" {
		return append(list, Finding{Warn, "media_not_looked_at", nil})
	}
	t, err := v.open(ctx, client)
	if err != nil {
		return append(list, Finding{Bad, "test_refused", args("reason", err.Error())})
	}
	list = append(list, v.address(ctx, t)...)
	list = append(list, t.media(ctx)...)
	return append(list, v.relay(ctx, t)...)
}

func args(pairs ...string) map[string]string {
	m := make(map[string]string, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return m
}

// door looks at the address itself: name, port, certificate, clock.
func (v *Visit) door(ctx context.Context, client *http.Client) (list []Finding, reached bool) {
	host := v.URL.Hostname()
	r, err := v.ask(ctx, client, http.MethodGet, "/healthz", "", "")
	if err != nil {
		return []Finding{unreached(v.URL.String(), err)}, false
	}
	if r.status != http.StatusOK {
		return []Finding{{Bad, "not_healthy", args("url", v.URL.String(), "status", fmt.Sprint(r.status))}}, false
	}
	list = append(list, Finding{Good, "reached", args("url", v.URL.String())})
	switch {
	case v.URL.Scheme == "http" && host != "localhost" && !isLoopback(host):
		list = append(list, Finding{Warn, "no_tls", nil})
	case r.tls != nil && len(r.tls.PeerCertificates) > 0:
		until := r.tls.PeerCertificates[0].NotAfter
		about := args("until", until.Format(time.DateOnly))
		if until.Sub(v.Now()) < certificateDue {
			list = append(list, Finding{Warn, "certificate_due", about})
		} else {
			list = append(list, Finding{Good, "certificate", about})
		}
	}
	if at, err := http.ParseTime(r.header.Get("Date")); err == nil && v.Now().Sub(at).Abs() > clockOff {
		list = append(list, Finding{Warn, "clock", args("seconds", fmt.Sprint(int(v.Now().Sub(at).Abs().Seconds())))})
	}
	return list, true
}

// unreached finds the words for an error of a request.
func unreached(link string, err error) Finding {
	var dns *net.DNSError
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	about := args("url", link, "reason", err.Error())
	switch {
	case errors.As(err, &dns):
		return Finding{Bad, "no_name", args("name", dns.Name)}
	case errors.As(err, &unknown):
		return Finding{Bad, "certificate_unknown", about}
	case errors.As(err, &name):
		return Finding{Bad, "certificate_name", about}
	case errors.As(err, &invalid):
		return Finding{Bad, "certificate_invalid", about}
	}
	return Finding{Bad, "not_reached", about}
}

func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

// reply is what the server said.
type reply struct {
	status int
	header http.Header
	tls    *tls.ConnectionState
	body   []byte
}

func (v *Visit) ask(ctx context.Context, client *http.Client, method, path, kind, body string) (*reply, error) {
	r, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(v.URL.String(), "/")+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	if v.Token != "" {
		r.Header.Set("Authorization", "Bearer "+v.Token)
	}
	a, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer a.Body.Close()
	text, err := io.ReadAll(io.LimitReader(a.Body, maxAnswer))
	return &reply{a.StatusCode, a.Header, a.TLS, text}, err
}

// opened is a connection test at the server.
type opened struct {
	ID      string `json:"id"`
	Servers []struct {
		URLs       []string `json:"urls"`
		Username   string   `json:"username"`
		Credential string   `json:"credential"`
	} `json:"ice_servers"`
	session
}

// open opens a connection test and a media session in it.
func (v *Visit) open(ctx context.Context, client *http.Client) (*opened, error) {
	a, err := v.ask(ctx, client, http.MethodPost, "/api/v1/connection-tests", "", "")
	if err != nil {
		return nil, err
	}
	var t opened
	if a.status != http.StatusCreated || json.Unmarshal(a.body, &t) != nil {
		return nil, fmt.Errorf("status %d", a.status)
	}
	own, offer := newOffer()
	a, err = v.ask(ctx, client, http.MethodPost, "/api/v1/connection-tests/"+url.PathEscape(t.ID)+"/whep", "application/sdp", offer)
	if err != nil {
		return nil, err
	}
	if a.status != http.StatusCreated {
		return nil, fmt.Errorf("status %d", a.status)
	}
	t.session, err = readAnswer(string(a.body), own)
	return &t, err
}

// address compares what people type with where media is said to be.
func (v *Visit) address(ctx context.Context, t *opened) []Finding {
	if isPublic(v.URL.Hostname(), func(host string) []netip.Addr {
		found, _ := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		return found
	}) {
		for _, c := range t.candidates {
			if a := c.at.Addr(); !a.IsPrivate() && !a.IsLoopback() && !a.IsLinkLocalUnicast() {
				return nil
			}
		}
		return []Finding{{Bad, "advertised_private", args("address", t.candidates[0].at.Addr().String())}}
	}
	return nil
}

// isPublic says whether any address of the host is one that the world reaches.
func isPublic(host string, resolve func(string) []netip.Addr) bool {
	list := []netip.Addr{}
	if a, err := netip.ParseAddr(host); err == nil {
		list = append(list, a)
	} else {
		list = resolve(host)
	}
	for _, a := range list {
		if a = a.Unmap(); a.IsGlobalUnicast() && !a.IsPrivate() {
			return true
		}
	}
	return false
}

// media sends each candidate a check.
func (t *opened) media(ctx context.Context) (list []Finding) {
	for _, c := range t.candidates {
		about := args("address", c.at.String(), "protocol", strings.ToUpper(c.protocol))
		if err := t.check(ctx, c); err != nil {
			about["reason"] = err.Error()
			list = append(list, Finding{Bad, "media_" + c.protocol + "_silent", about})
			continue
		}
		list = append(list, Finding{Good, "media_answers", about})
	}
	return list
}

// relay asks each relay for a way to the media and sends a check through it.
func (v *Visit) relay(ctx context.Context, t *opened) (list []Finding) {
	if len(t.Servers) == 0 {
		return []Finding{{Warn, "no_relay", nil}}
	}
	for _, s := range t.Servers {
		for _, u := range s.URLs {
			about := args("url", u)
			if err := t.checkRelayed(ctx, relay{u, s.Username, s.Credential, v.TLS}); err != nil {
				about["reason"] = err.Error()
				list = append(list, Finding{Bad, "relay_silent", about})
				continue
			}
			list = append(list, Finding{Good, "relay_answers", about})
		}
	}
	return list
}
