package load

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	maxAnswer  = 4 << 20
	maxRetries = 3
	maxPause   = 20 * time.Second
)

// Refusal is an answer of the server that was not the one hoped for.
type Refusal struct {
	Method, Path string
	Status       int
	Code         string // of the problem document, if it was one
	retryAfter   time.Duration
}

// Error says the request and the answer.
func (r *Refusal) Error() string {
	return fmt.Sprintf("%s %s: %d %s", r.Method, r.Path, r.Status, r.Code)
}

// api calls the server's HTTP API.
type api struct {
	base string
	http *http.Client
}

// newAPI limits its idle connections, so that a server is not charged with more of them
// than a proxy in front of it would hold.
func newAPI(base string, speakers int) *api {
	t := &http.Transport{MaxIdleConnsPerHost: 8, MaxConnsPerHost: 32 + speakers, IdleConnTimeout: 10 * time.Second, Proxy: http.ProxyFromEnvironment}
	noRedirect := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &api{base: base, http: &http.Client{Transport: t, Timeout: joinTimeout, CheckRedirect: noRedirect}}
}

func (a *api) close() { a.http.CloseIdleConnections() }

// credential is a bearer token, or a cookie in the form name=value.
type credential string

func (c credential) set(h http.Header) {
	if strings.Contains(string(c), "=") {
		h.Set("Cookie", string(c))
	} else if c != "" {
		h.Set("Authorization", "Bearer "+string(c))
	}
}

// call makes a request with a JSON body, if in is not nil, and reads the JSON
// answer into out, if that is not nil. Requests that are refused for being too
// many are repeated as the server asks, a few times.
func (a *api) call(ctx context.Context, method, path string, who credential, in, out any) (http.Header, error) {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return nil, err
		}
	}
	for try := 0; ; try++ {
		answer, head, err := a.send(ctx, method, path, who, "application/json", body)
		if r, ok := err.(*Refusal); ok && r.Status == http.StatusTooManyRequests && r.retryAfter > 0 && r.retryAfter <= maxPause && try < maxRetries {
			if err := pause(ctx, r.retryAfter); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil || out == nil {
			return head, err
		}
		return head, json.Unmarshal(answer, out)
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// send makes one request; any status of 300 and more is a Refusal.
func (a *api) send(ctx context.Context, method, path string, who credential, contentType string, body []byte) ([]byte, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	who.set(req.Header)
	if len(body) > 0 {
		req.Header.Set("Content-Type", contentType)
	}
	res, err := a.http.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, nil, err
	}
	if res.StatusCode >= 300 {
		return nil, nil, refusal(method, path, res, answer)
	}
	return answer, res.Header, nil
}

func refusal(method, path string, res *http.Response, body []byte) *Refusal {
	r := &Refusal{Method: method, Path: path, Status: res.StatusCode}
	if t, _, err := mime.ParseMediaType(res.Header.Get("Content-Type")); err == nil && t == "application/problem+json" {
		var problem struct{ Code string }
		if json.Unmarshal(body, &problem) == nil {
			r.Code = problem.Code
		}
	}
	if s, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && s >= 0 {
		r.retryAfter = max(time.Duration(s)*time.Second, time.Second)
	}
	return r
}

// exchange posts an offer and gives the answer and the path of the session.
func (a *api) exchange(ctx context.Context, path string, who credential, offer []byte) (remote, string, error) {
	answer, head, err := a.send(ctx, http.MethodPost, path, who, "application/sdp", offer)
	if err != nil {
		return remote{}, "", err
	}
	// Location may be relative (RFC 9110 §10.2.2); only its path counts: no other host is ever talked to.
	session, err := url.Parse(head.Get("Location"))
	if err != nil || session.Path == "" {
		return remote{}, "", fmt.Errorf("POST %s: no usable Location", path)
	}
	resolved := (&url.URL{Path: path}).ResolveReference(&url.URL{Path: session.Path})
	r, err := parseAnswer(answer)
	return r, resolved.Path, err
}

// events is an open event stream, to which nobody listens.
type events struct {
	ended chan struct{}
	retry time.Duration // after which to come back, as the server said; known when it has ended
}

// events opens the event stream of a room; it ends with ctx.
func (a *api) events(ctx context.Context, room string, who credential) (*events, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.base+"/api/v1/events?room="+url.QueryEscape(room), nil)
	if err != nil {
		return nil, err
	}
	who.set(req.Header)
	t := a.http.Transport.(*http.Transport).Clone()
	t.MaxConnsPerHost, t.DisableKeepAlives = 0, true
	res, err := t.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode >= 300 {
		res.Body.Close()
		return nil, &Refusal{Method: req.Method, Path: req.URL.Path, Status: res.StatusCode}
	}
	x := &events{ended: make(chan struct{})}
	go func() {
		defer close(x.ended)
		defer res.Body.Close()
		lines := bufio.NewReader(res.Body)
		if first, _, err := lines.ReadLine(); err == nil {
			if ms, err := strconv.Atoi(strings.TrimPrefix(string(first), "retry: ")); err == nil && ms >= 0 {
				x.retry = min(time.Duration(ms)*time.Millisecond, maxPause)
			}
		}
		_, _ = io.Copy(io.Discard, lines)
	}()
	return x, nil
}

// follow keeps the event stream of a room open until ctx ends.
func (a *api) follow(ctx context.Context, room string, who credential) {
	if x, err := a.events(ctx, room, who); err == nil {
		<-x.ended
	}
}

// knows asks the server whether it still knows a session, with a trickle fragment that is
// empty (RFC 8840, RFC 9725 §4.3.1).
func (a *api) knows(ctx context.Context, session string, who credential, own *credentials) (bool, error) {
	fragment := fmt.Sprintf("a=ice-ufrag:%s\r\na=ice-pwd:%s\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\na=end-of-candidates\r\n", own.ufrag, own.pwd)
	req, err := http.NewRequestWithContext(ctx, http.MethodPatch, a.base+session, strings.NewReader(fragment))
	if err != nil {
		return false, err
	}
	who.set(req.Header)
	req.Header.Set("Content-Type", "application/trickle-ice-sdpfrag")
	req.Header.Set("If-Match", "*")
	res, err := a.http.Do(req)
	if err != nil {
		return false, err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(res.Body, maxAnswer))
	return res.StatusCode != http.StatusNotFound, err
}
