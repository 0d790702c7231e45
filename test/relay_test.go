package test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/turn/v5"
	"github.com/pion/webrtc/v4"
)

// beginTLS starts a server that serves HTTPS and TURN on one port, with a
// certificate of the test's own that every client of the test trusts.
func beginTLS(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(template.dir)); err != nil {
		t.Fatal(err)
	}
	s, err := place(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	s.url = strings.Replace(s.url, "http://", "https://", 1)
	cert, key, roots := certificate(t)
	t.Setenv("BESEDKA_TLS_CERT", cert)
	t.Setenv("BESEDKA_TLS_KEY", key)
	trusting := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}
	defaultClient, ours := *http.DefaultClient, client
	http.DefaultClient.Transport = trusting // with which the server is asked whether it is ready
	client = &http.Client{Timeout: ours.Timeout, CheckRedirect: ours.CheckRedirect, Transport: trusting}
	t.Cleanup(func() {
		trusting.CloseIdleConnections()
		*http.DefaultClient, client = defaultClient, ours
	})
	if _, err := s.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.stop()
		if t.Failed() {
			t.Logf("the server's output:\n%s", s.output)
		}
	})
	w := &world{server: s, people: map[string]*person{}}
	for name, token := range template.tokens {
		w.people[name] = &person{t: t, server: s, name: name, id: template.ids[name], token: token}
	}
	return w
}

// certificate makes a self-signed certificate for 127.0.0.1.
func certificate(t *testing.T) (certFile, keyFile string, roots *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "besedka test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, about, about, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile, roots = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), x509.NewCertPool()
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if !roots.AppendCertsFromPEM(readFile(t, certFile)) {
		t.Fatal("no certificate")
	}
	return certFile, keyFile, roots
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// iceServer is what the server tells of its relay.
type iceServer struct {
	URLs       []string `json:"urls"`
	Username   string   `json:"username"`
	Credential string   `json:"credential"`
}

// relay asks for the room's relay.
func (p *person) relay(room string) iceServer {
	p.t.Helper()
	var got struct {
		Servers []iceServer `json:"ice_servers"`
	}
	a := p.must(http.MethodGet, "/rooms/"+room+"/ice-servers", nil)
	if err := json.Unmarshal(a.body, &got); err != nil || len(got.Servers) != 1 {
		p.t.Fatalf("%s: %v", a, err)
	}
	return got.Servers[0]
}

// overTLS dials what a peer believes to be TURN over TCP, by TLS: the peer has no
// way to be told which certificate to trust.
type overTLS struct{}

// Dial implements proxy.Dialer.
func (overTLS) Dial(network, address string) (net.Conn, error) {
	trust := client.Transport.(*http.Transport).TLSClientConfig.Clone()
	trust.NextProtos = nil // browsers ask for no protocol when they speak TURN
	return tls.Dial(network, address, trust)
}

// hearRelayed connects a listener who may use nothing but the relay.
func (p *person) hearRelayed(room string) *ear {
	p.t.Helper()
	p.must(http.MethodPut, "/rooms/"+room+"/seat", nil)
	server := p.relay(room)
	port := strings.TrimPrefix(p.server.url, "https://127.0.0.1:")
	if want := "turns:127.0.0.1:" + port + "?transport=tcp"; len(server.URLs) != 1 || server.URLs[0] != want {
		p.t.Fatalf("%v, want %s", server.URLs, want)
	}
	var codecs webrtc.MediaEngine
	var set webrtc.SettingEngine
	set.SetIncludeLoopbackCandidate(true)
	set.SetICEProxyDialer(overTLS{})
	if err := codecs.RegisterDefaultCodecs(); err != nil {
		p.t.Fatal(err)
	}
	peer, err := webrtc.NewAPI(webrtc.WithMediaEngine(&codecs), webrtc.WithInterceptorRegistry(&interceptor.Registry{}), webrtc.WithSettingEngine(set)).
		NewPeerConnection(webrtc.Configuration{
			ICETransportPolicy: webrtc.ICETransportPolicyRelay,
			ICEServers: []webrtc.ICEServer{{URLs: []string{strings.Replace(server.URLs[0], "turns:", "turn:", 1)},
				Username: server.Username, Credential: server.Credential}},
		})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = peer.Close() })
	e := &ear{who: p, peer: peer}
	if _, err := peer.AddTransceiverFromKind(audio, webrtc.RTPTransceiverInit{Direction: recvonly}); err != nil {
		p.t.Fatal(err)
	}
	peer.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) { e.hear(track) })
	e.session = p.exchange(peer, "/rooms/"+room+"/whep")
	return e
}

// allocates asks the relay for an allocation with credentials as they are, without a peer.
func (s iceServer) allocates(t *testing.T) bool {
	t.Helper()
	pc, err := webrtc.NewAPI(webrtc.WithSettingEngine(func() (set webrtc.SettingEngine) {
		set.SetICEProxyDialer(overTLS{})
		return set
	}())).NewPeerConnection(webrtc.Configuration{ICETransportPolicy: webrtc.ICETransportPolicyRelay, ICEServers: []webrtc.ICEServer{
		{URLs: []string{strings.Replace(s.URLs[0], "turns:", "turn:", 1)}, Username: s.Username, Credential: s.Credential}}})
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	if _, err := pc.AddTransceiverFromKind(audio, webrtc.RTPTransceiverInit{Direction: recvonly}); err != nil {
		t.Fatal(err)
	}
	return strings.Contains(offerOf(t, pc), "typ relay")
}

func TestWhoHasOnlyTheHTTPSPortHears(t *testing.T) {
	w := beginTLS(t)
	host := w.founder()
	room := host.open("open")
	voice := host.speak(room)
	began := time.Now()
	e := w.member(0).hearRelayed(room)
	e.untilHeard(0)
	t.Logf("first sound after %s", time.Since(began).Round(time.Millisecond))
	sent := voice.sent.Load()
	from, to := observe(3 * time.Second)
	sent = voice.sent.Load() - sent
	if heard := e.frames(0, from, to); float64(heard) < 0.9*float64(sent) {
		t.Errorf("heard %d of %d frames", heard, sent)
	}
	// The same port serves browsers meanwhile, by both versions of HTTP.
	for _, two := range []bool{false, true} {
		trust := client.Transport.(*http.Transport).TLSClientConfig.Clone()
		trust.NextProtos = nil // the transport sets them
		transport := &http.Transport{TLSClientConfig: trust, ForceAttemptHTTP2: two}
		defer transport.CloseIdleConnections()
		r, err := (&http.Client{Transport: transport}).Get(w.url + "/healthz")
		if err != nil {
			t.Fatal(err)
		}
		_ = r.Body.Close()
		if want := map[bool]int{false: 1, true: 2}[two]; r.ProtoMajor != want || r.StatusCode != http.StatusOK {
			t.Errorf("%s %d", r.Proto, r.StatusCode)
		}
	}
}

func TestTheRelayIsGoneASecondAfterTheSeat(t *testing.T) {
	w := beginTLS(t)
	host := w.founder()
	room := host.open("open")
	host.speak(room)
	for i, c := range []struct {
		name string
		act  func(p *person)
	}{
		{"removed", func(p *person) {
			host.must(http.MethodDelete, "/rooms/"+room+"/participants/"+p.id+"?reason=noise", nil)
		}},
		{"left", func(p *person) { p.must(http.MethodDelete, "/rooms/"+room+"/seat", nil) }},
		{"signed out", func(p *person) { p.must(http.MethodDelete, "/sessions/current", nil) }},
		{"room ended", func(*person) { host.must(http.MethodDelete, "/rooms/"+room, nil) }},
	} {
		p := w.member(i)
		e := p.hearRelayed(room)
		e.untilHeard(0)
		with := p.relay(room)
		if i == 0 && !with.allocates(t) { // the positive control
			t.Fatal("credentials do not work even before")
		}
		held, _ := with.relayed(t)
		if _, err := held.SendBindingRequest(); err != nil { // another control: this needs no credentials
			t.Fatal(err)
		}
		c.act(p)
		silentFrom(t, e, 0, time.Now(), time.Second)
		if _, err := held.SendBindingRequest(); err == nil {
			t.Errorf("%s: the connection of an allocation is still served", c.name)
		}
		if with.allocates(t) {
			t.Errorf("%s: the credentials still make allocations", c.name)
		}
	}
}

// relayed is an allocation of a client of another make, over the HTTPS port.
func (s iceServer) relayed(t *testing.T) (*turn.Client, net.PacketConn) {
	t.Helper()
	address := strings.TrimSuffix(strings.TrimPrefix(s.URLs[0], "turns:"), "?transport=tcp")
	conn, err := overTLS{}.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	c, err := turn.NewClient(&turn.ClientConfig{STUNServerAddr: address, TURNServerAddr: address, Username: s.Username, Password: s.Credential,
		Realm: "besedka", Conn: turn.NewSTUNConn(conn)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); _ = conn.Close() })
	if err := c.Listen(); err != nil {
		t.Fatal(err)
	}
	relay, err := c.Allocate()
	if err != nil {
		t.Fatal(err)
	}
	return c, relay
}

// TestTheRelayLeadsNowhereElse is A07, from outside: to every kind of special address, and to ports of
// the machine's own at which somebody listens.
func TestTheRelayLeadsNowhereElse(t *testing.T) {
	w := beginTLS(t)
	host := w.founder()
	room := host.open("open")
	trap := newTrap(t)
	var to []net.Addr
	for _, a := range []string{
		"0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.2", "169.254.169.254", "172.16.0.1", "192.0.0.8", "192.168.1.1", "198.18.0.1",
		"224.0.0.1", "240.0.0.1", "255.255.255.255", "8.8.8.8", "::", "::1", "64:ff9b::7f00:1", "2002:7f00:1::1", "fc00::1", "fe80::1", "ff02::1", "2606:4700::1",
	} {
		to = append(to, &net.UDPAddr{IP: net.ParseIP(a), Port: trap.udp.LocalAddr().(*net.UDPAddr).Port})
	}
	for i, a := range append(to, trap.udp.LocalAddr(), trap.tcp.Addr()) {
		with := w.member(i % 5)
		with.enter(room)
		c, relay := with.relay(room).relayed(t)
		if i == 0 { // the control: the media socket is permitted
			media, err := net.ResolveUDPAddr("udp4", w.media)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.CreatePermission(media); err != nil {
				t.Fatalf("the media socket: %v", err)
			}
		}
		udp, ok := a.(*net.UDPAddr)
		if !ok {
			udp = &net.UDPAddr{IP: a.(*net.TCPAddr).IP, Port: a.(*net.TCPAddr).Port}
		}
		_, err := relay.WriteTo([]byte("knock"), udp) // asks for a permission, and for a channel
		if here := udp.IP.Equal(net.IPv4(127, 0, 0, 1)); !here && c.CreatePermission(udp) == nil {
			t.Errorf("%s is permitted", udp)
		} else if !here && err == nil {
			t.Errorf("a packet to %s is taken", udp)
		}
		if _, err := c.AllocateTCP(); err == nil {
			t.Error("an allocation over TCP is made")
		}
		_ = relay.Close()
		c.Close()
	}
	observe(200 * time.Millisecond)
	if n := trap.calls.Load(); n != 0 {
		t.Errorf("%d packets or calls came by way of the relay", n)
	}
	trap.springs(t)
}

func TestRelayLinksAreParsableAndOnlyForThoseInside(t *testing.T) {
	w := beginTLS(t)
	host := w.founder()
	room := host.open("open")
	a := host.must(http.MethodOptions, "/rooms/"+room+"/whip", nil)
	link := a.header.Get("Link")
	target, _, _ := strings.Cut(strings.TrimPrefix(link, "<"), ">")
	if u, err := url.Parse(target); err != nil || u.Scheme != "turns" || !strings.Contains(link, `rel="ice-server"`) {
		t.Errorf("Link: %s", link)
	}
	for _, p := range []*person{{t: t, server: w.server}, w.member(1)} { // a stranger, and a member without a seat
		a, err := p.try(http.MethodOptions, "/rooms/"+room+"/whip", nil)
		if err != nil || a.header.Get("Link") != "" {
			t.Errorf("%s: %v %s", p.name, err, fmt.Sprint(a.header))
		}
	}
}
