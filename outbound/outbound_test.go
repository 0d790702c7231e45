package outbound

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

var ctx = context.Background()

// names is a resolver that a test turns as it likes.
type names struct {
	mu    sync.Mutex
	says  map[string][]string // by name: the answers in turn, the last one for ever
	asked map[string]int
}

// resolver answers on a socket of its own.
func (n *names) resolver(t *testing.T) *net.Resolver {
	t.Helper()
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buffer := make([]byte, 1500)
		for {
			size, from, err := socket.ReadFrom(buffer)
			if err != nil {
				return
			}
			if answer, err := n.answer(buffer[:size]); err == nil {
				_, _ = socket.WriteTo(answer, from) // who asked may be gone
			}
		}
	}()
	t.Cleanup(func() { _ = socket.Close(); <-done })
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", socket.LocalAddr().String())
	}}
}

func (n *names) answer(question []byte) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(question); err != nil || len(m.Questions) != 1 {
		return nil, errors.New("not a question")
	}
	q := m.Questions[0]
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	if addr, ok := n.next(q); ok {
		h := dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: 0}
		if addr.Is4() {
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AResource{A: addr.As4()}})
		} else {
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AAAAResource{AAAA: addr.As16()}})
		}
	}
	return m.Pack()
}

// say sets what a name leads to: the answers in turn, the last one for ever.
func (n *names) say(name string, answers ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.says[name] = answers
}

func (n *names) next(q dnsmessage.Question) (netip.Addr, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	name := strings.TrimSuffix(q.Name.String(), ".")
	says := n.says[name]
	if len(says) == 0 {
		return netip.Addr{}, false
	}
	addr := netip.MustParseAddr(says[0])
	if addr.Is4() != (q.Type == dnsmessage.TypeA) {
		return netip.Addr{}, false
	}
	n.asked[name]++
	if len(says) > 1 {
		n.says[name] = says[1:]
	}
	return addr, true
}

// outside is the address that plays the public internet; everything else of
// this machine is inside, with somebody who counts who comes.
const outside = "127.0.0.2"

// world is a site outside, a service inside, names, and a client.
type world struct {
	*names
	site   *httptest.Server
	inside net.Listener
	came   atomic.Int64 // connections inside
	seen   sync.Map     // path → header, outside
	client *Client
}

func newWorld(t *testing.T, handler http.HandlerFunc) *world {
	t.Helper()
	w := &world{names: &names{says: map[string][]string{}, asked: map[string]int{}}}
	l, twin := w.twins(t)
	w.site = &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.seen.Store(r.URL.Path, r.Header.Clone())
		handler(rw, r)
	})}}
	w.site.Start()
	t.Cleanup(w.site.Close)
	var err error
	if w.inside, err = net.Listen("tcp", ":0"); err != nil {
		t.Fatal(err)
	}
	w.count(t, w.inside)
	w.count(t, twin)
	w.client = New(Config{Agent: Agent("1", "https://talk.example.org"), Now: time.Now, Resolver: w.resolver(t),
		Public: func(a netip.Addr) bool { return a == netip.MustParseAddr(outside) || Public(a) },
		Port:   func(uint16) bool { return true }})
	return w
}

// twins listens outside, and inside on the same port, so that only the address tells them apart.
func (w *world) twins(t *testing.T) (out, in net.Listener) {
	t.Helper()
	for range 50 {
		l, err := net.Listen("tcp4", outside+":0")
		if err != nil {
			t.Fatal(err)
		}
		if twin, err := net.Listen("tcp4", "127.0.0.1:"+w.port(t, l.Addr())); err == nil {
			return l, twin
		}
		_ = l.Close()
	}
	t.Fatal("no port is free twice")
	return nil, nil
}

// count counts who comes.
func (w *world) count(t *testing.T, l net.Listener) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			w.came.Add(1)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
}

func (w *world) port(t *testing.T, a net.Addr) string {
	t.Helper()
	_, port, err := net.SplitHostPort(a.String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// inner is the port inside.
func (w *world) inner(t *testing.T) string { return w.port(t, w.inside.Addr()) }

func page(title string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, "<!doctype html><html><head><title>%s</title></head><body>…</body></html>", title)
	}
}

// nobodyCame checks that nothing was heard inside, and that it would have been.
func (w *world) nobodyCame(t *testing.T) {
	t.Helper()
	if n := w.came.Load(); n != 0 {
		t.Errorf("%d connections came where nobody may", n)
	}
	c, err := net.Dial("tcp", "127.0.0.1:"+w.inner(t))
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.ReadAll(c) // until the service has counted and hung up
	_ = c.Close()
	if w.came.Load() == 0 {
		t.Error("the service inside counts nobody: this test shows nothing")
	}
}

func TestPageHasItsTitle(t *testing.T) {
	w := newWorld(t, page("Tea &amp; talk"))
	w.say("site.test", outside)
	title, err := w.client.Title(ctx, "http://site.test:"+w.port(t, w.site.Listener.Addr())+"/about?x=1#top")
	if err != nil || title != "Tea & talk" {
		t.Fatalf("title %q, %v", title, err)
	}
	h, _ := w.seen.Load("/about")
	header := h.(http.Header)
	if header.Get("User-Agent") != "Besedka/1 (link preview; +https://talk.example.org)" {
		t.Errorf("introduced as %q", header.Get("User-Agent"))
	}
	for _, name := range []string{"Cookie", "Referer", "Authorization", "X-Forwarded-For"} {
		if header.Get(name) != "" {
			t.Errorf("told %s: %q", name, header.Get(name))
		}
	}
	if s := w.client.Stats(); s != (Stats{Fetched: 1}) {
		t.Errorf("counted %+v", s)
	}
}

func TestNameThatChangesItsMindLeadsNowhere(t *testing.T) {
	w := newWorld(t, page("outside"))
	w.say("rebind.test", outside, "127.0.0.1")
	link := "http://rebind.test:" + w.port(t, w.site.Listener.Addr()) + "/"
	if title, err := w.client.Title(ctx, link); err != nil || title != "outside" {
		t.Fatalf("before: %q %v", title, err)
	}
	if _, err := w.client.Title(ctx, link); !errors.Is(err, ErrAddress) {
		t.Errorf("after: %v", err)
	}
	w.mu.Lock()
	asked := w.asked["rebind.test"]
	w.mu.Unlock()
	if asked < 2 {
		t.Errorf("asked %d times: the name did not change its mind", asked)
	}
	w.nobodyCame(t)
}

func TestNoFormOfAnAddressLeadsInside(t *testing.T) {
	w := newWorld(t, page("outside"))
	for name, addr := range map[string]string{"a.test": "127.0.0.1", "b.test": "169.254.169.254", "c.test": "::1", "d.test": "::ffff:127.0.0.1",
		"e.test": "64:ff9b::7f00:1", "f.test": "2002:7f00:1::", "g.test": "100.100.100.200", "0x7f.1": "127.0.0.1", "h.test": "0.0.0.0"} {
		w.say(name, addr)
	}
	port := w.inner(t)
	for _, host := range []string{"127.0.0.1", "127.1", "0x7f.1", "2130706433", "017700000001", "0.0.0.0", "0", "localhost", "[::1]", "[::]", "[::ffff:127.0.0.1]",
		"[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[fe80::1%25lo]", "a.test", "b.test", "c.test", "d.test", "e.test", "f.test", "g.test", "h.test", "localhost.", "127.0.0.1."} {
		if title, err := w.client.Title(ctx, "http://"+host+":"+port+"/"); err == nil {
			t.Errorf("%s: %q", host, title)
		}
	}
	w.nobodyCame(t)
}

func TestRedirectsAreLookedAtLikeTheFirstAddress(t *testing.T) {
	var w *world
	port := ""
	w = newWorld(t, func(rw http.ResponseWriter, r *http.Request) {
		to := r.URL.Query().Get("to")
		if to == "" {
			page("arrived")(rw, r)
			return
		}
		rw.Header().Set("Set-Cookie", "a=b")
		http.Redirect(rw, r, to, http.StatusFound)
	})
	w.say("site.test", outside)
	w.say("inside.test", "127.0.0.1")
	port = w.port(t, w.site.Listener.Addr())
	begin := func(to string) error {
		r, _ := http.NewRequest(http.MethodGet, "http://site.test:"+port+"/", nil)
		q := r.URL.Query()
		q.Set("to", to)
		r.URL.RawQuery = q.Encode()
		w.client.hosts = newHosts(time.Now) // this is not about budgets
		_, err := w.client.Title(ctx, r.URL.String())
		return err
	}
	if err := begin("http://site.test:" + port + "/second"); err != nil {
		t.Errorf("a harmless redirect: %v", err)
	}
	if h, ok := w.seen.Load("/second"); !ok || h.(http.Header).Get("Cookie")+h.(http.Header).Get("Referer") != "" {
		t.Errorf("the second request carries %v", h)
	}
	inner := w.inner(t)
	for _, to := range []string{"http://127.0.0.1:" + inner + "/", "http://inside.test:" + inner + "/", "http://[::ffff:7f00:1]:" + inner + "/", "http://169.254.169.254/",
		"//localhost:" + inner + "/", "ftp://site.test/", "file:///etc/passwd", "gopher://127.0.0.1:" + inner + "/", "http://user:pass@site.test:" + port + "/"} {
		if err := begin(to); err == nil {
			t.Errorf("a redirect to %s is followed", to)
		}
	}
	w.nobodyCame(t)
}

func TestRedirectsAreCounted(t *testing.T) {
	var hops atomic.Int64
	w := newWorld(t, func(rw http.ResponseWriter, r *http.Request) {
		hops.Add(1)
		http.Redirect(rw, r, r.URL.Path+"x", http.StatusFound)
	})
	w.say("site.test", outside)
	if _, err := w.client.Title(ctx, "http://site.test:"+w.port(t, w.site.Listener.Addr())+"/"); !errors.Is(err, ErrRedirect) {
		t.Errorf("got %v", err)
	}
	if hops.Load() != 1+MaxRedirects {
		t.Errorf("%d requests", hops.Load())
	}
}

func TestOnlyPortsOfTheWebAreCalled(t *testing.T) {
	w := newWorld(t, page("outside"))
	w.client = New(Config{Agent: "test", Now: time.Now, Resolver: w.resolver(t), Public: func(netip.Addr) bool { return true }})
	if _, err := w.client.Title(ctx, "http://127.0.0.1:"+w.inner(t)+"/"); !errors.Is(err, ErrAddress) {
		t.Errorf("got %v", err)
	}
	w.nobodyCame(t)
}

func TestWhatIsNotALinkIsNotFetched(t *testing.T) {
	w := newWorld(t, page("outside"))
	for _, link := range []string{"", "site.test", "//site.test/", "ftp://site.test/", "file:///etc/passwd", "javascript:alert(1)", "http:///", "http:site.test",
		"http://user@site.test/", "http://site.test/" + strings.Repeat("x", maxURL), "http://site.test:99999999/", "http://[::1/", "http://a b/", "data:text/html,<title>x</title>"} {
		if _, err := w.client.Title(ctx, link); err == nil {
			t.Errorf("%.60q is fetched", link)
		}
	}
}

func TestAnswersThatAreNoPagesHaveNoTitle(t *testing.T) {
	w := newWorld(t, func(rw http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/json":
			rw.Header().Set("Content-Type", "application/json")
		case "/untyped":
			rw.Header()["Content-Type"] = nil
		case "/error":
			rw.Header().Set("Content-Type", "text/html")
			rw.WriteHeader(http.StatusInternalServerError)
		case "/header":
			rw.Header().Set("X-Long", strings.Repeat("x", maxHeader*2))
		}
		fmt.Fprint(rw, "<title>no</title>")
	})
	w.say("site.test", outside)
	for _, path := range []string{"/json", "/untyped", "/error", "/header"} {
		if title, err := w.client.Title(ctx, "http://site.test:"+w.port(t, w.site.Listener.Addr())+path); err == nil || title != "" {
			t.Errorf("%s: %q %v", path, title, err)
		}
	}
	if s := w.client.Stats(); s != (Stats{Failed: 4}) {
		t.Errorf("counted %+v", s)
	}
}

func TestNoMoreIsReadThanTheBound(t *testing.T) {
	var sent atomic.Int64
	w := newWorld(t, func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "text/html")
		filler := []byte(strings.Repeat(" ", 4096))
		for sent.Load() < 64<<20 {
			n, err := rw.Write(filler)
			if err != nil {
				return
			}
			sent.Add(int64(n))
		}
		fmt.Fprint(rw, "<title>late</title>")
	})
	w.say("site.test", outside)
	title, err := w.client.Title(ctx, "http://site.test:"+w.port(t, w.site.Listener.Addr())+"/")
	if err != nil || title != "" {
		t.Errorf("%q %v", title, err)
	}
	if n := sent.Load(); n > 32<<20 {
		t.Errorf("%d bytes were taken", n)
	}
}

func TestSlowSitesAreGivenUp(t *testing.T) {
	release := make(chan struct{})
	w := newWorld(t, func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "text/html")
		fmt.Fprint(rw, "<title>half a")
		rw.(http.Flusher).Flush()
		<-release
	})
	defer close(release)
	w.say("site.test", outside)
	begin := time.Now()
	title, _ := w.client.Title(ctx, "http://site.test:"+w.port(t, w.site.Listener.Addr())+"/")
	if took := time.Since(begin); took > 5*Within || title != "half a" && title != "" {
		t.Errorf("%q after %s", title, took)
	}
}

func TestRequestsAreCountedInAllAndToOneHost(t *testing.T) {
	w := newWorld(t, page("outside"))
	w.say("site.test", outside)
	port := w.port(t, w.site.Listener.Addr())
	for i := range hostBurst {
		if _, err := w.client.Title(ctx, "http://site.test:"+port+"/"); err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
	}
	for _, host := range []string{"site.test", "SITE.test", "site.test."} {
		if _, err := w.client.Title(ctx, "http://"+host+":"+port+"/"); !errors.Is(err, ErrBusy) {
			t.Errorf("%s: %v", host, err)
		}
	}
	for range MaxAtOnce {
		w.client.places <- struct{}{}
	}
	if _, err := w.client.Title(ctx, "http://other.test/"); !errors.Is(err, ErrBusy) {
		t.Errorf("beside %d others: %v", MaxAtOnce, err)
	}
	for i := range maxHosts + 10 {
		_ = w.client.hosts.spend(fmt.Sprint(i, ".test"))
	}
	if n := len(w.client.hosts.known); n > maxHosts {
		t.Errorf("%d hosts are remembered", n)
	}
}

func TestCertificatesAreChecked(t *testing.T) {
	site := httptest.NewUnstartedServer(page("untrusted"))
	site.Config.ErrorLog = log.New(io.Discard, "", 0)
	site.StartTLS()
	defer site.Close()
	c := New(Config{Agent: "test", Now: time.Now, Public: func(netip.Addr) bool { return true }, Port: func(uint16) bool { return true }})
	if title, err := c.Title(ctx, site.URL); err == nil {
		t.Errorf("a certificate that nobody vouches for is believed: %q", title)
	}
}
