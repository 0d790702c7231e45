package door

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// certificate makes a self-signed certificate in files, with that serial number.
func certificate(t *testing.T, dir string, serial int64) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-100 * 365 * 24 * time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

func config(t *testing.T) *tls.Config {
	t.Helper()
	if _, err := LoadCertificate(certFiles(t, 1), "", time.Now, nil); err == nil {
		t.Fatal("a key that is not there was taken")
	}
	cert, key := certificate(t, t.TempDir(), 1)
	c, err := LoadCertificate(cert, key, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{GetCertificate: c.Get}
}

func certFiles(t *testing.T, serial int64) string {
	cert, _ := certificate(t, t.TempDir(), serial)
	return cert
}

// open opens a door with an HTTP server behind it; what comes for TURN is in the channel.
func open(t *testing.T) (d *Door, turn chan net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	turn = make(chan net.Conn, 8)
	d = Open(Config{Listener: l, TLS: config(t), TURN: func(c net.Conn) { turn <- c }})
	s := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, r.Proto)
	})}
	var serving sync.WaitGroup
	serving.Go(func() { _ = s.Serve(d) })
	t.Cleanup(func() {
		_ = s.Close()
		_ = d.Close()
		serving.Wait()
	})
	return d, turn
}

func dial(t *testing.T, d *Door, protocols ...string) *tls.Conn {
	t.Helper()
	c, err := tls.Dial("tcp4", d.Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: protocols})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestBrowsersAndTURNShareThePort(t *testing.T) {
	d, turn := open(t)
	for _, version := range []int{1, 2} {
		transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: version == 2}
		defer transport.CloseIdleConnections()
		r, err := (&http.Client{Transport: transport}).Get("https://" + d.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(r.Body)
		_ = r.Body.Close()
		if want := fmt.Sprintf("HTTP/%d.", version); string(body[:7]) != want {
			t.Errorf("%s, want %s", body, want)
		}
	}
	// An old program that asks for no protocol, by its first letter.
	c := dial(t, d)
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	if r, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || r.StatusCode != 200 {
		t.Errorf("%v %v", r, err)
	}
	// TURN, by its first byte or by name.
	binding := []byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
	for _, protocols := range [][]string{nil, {"stun.turn"}} {
		c := dial(t, d, protocols...)
		_, _ = c.Write(binding)
		got := make([]byte, len(binding))
		taken := <-turn
		if _, err := io.ReadFull(taken, got); err != nil || string(got) != string(binding) {
			t.Errorf("%v: %x %v", protocols, got, err)
		}
		_ = taken.Close()
	}
}

func TestGarbageIsDropped(t *testing.T) {
	d, turn := open(t)
	for _, first := range []byte{0x04, 0x16, ' ', '0', '@', '[', 0x7f, 0x80, 0xff} {
		c := dial(t, d)
		_, _ = c.Write([]byte{first, 1, 2, 3})
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := c.Read(make([]byte, 1)); err == nil || isTimeout(err) {
			t.Errorf("0x%02x: still open", first)
		}
	}
	plain, err := net.Dial("tcp4", d.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	_, _ = io.WriteString(plain, "GET / HTTP/1.1\r\n\r\n")
	_ = plain.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.ReadAll(plain); isTimeout(err) {
		t.Error("plain HTTP: still open")
	}
	for _, c := range []*tls.Config{
		{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11}, {InsecureSkipVerify: true, NextProtos: []string{"ftp"}},
	} {
		if c, err := tls.Dial("tcp4", d.Addr().String(), c); err == nil {
			_ = c.Close()
			t.Error("a handshake that must fail did not")
		}
	}
	if len(turn) != 0 {
		t.Error("garbage came to TURN")
	}
}

func isTimeout(err error) bool {
	e, ok := err.(net.Error)
	return ok && e.Timeout()
}

// pipes is a listener of connections in memory.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	ended chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.ended:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { p.once.Do(func() { close(p.ended) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func TestWhoShowsNothingIsDroppedInTime(t *testing.T) {
	cfg := config(t)
	hello := []byte{0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3}
	for name, say := range map[string]func(net.Conn){
		"nothing": func(net.Conn) {},
		"a hello, a byte a second": func(c net.Conn) {
			for i := 0; ; i++ {
				if _, err := c.Write(hello[i%len(hello) : i%len(hello)+1]); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		},
		"nothing after the handshake": func(c net.Conn) { _ = tls.Client(c, &tls.Config{InsecureSkipVerify: true}).Handshake() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &pipes{conns: make(chan net.Conn), ended: make(chan struct{})}
				d := Open(Config{Listener: p, TLS: cfg})
				ours, theirs := net.Pipe()
				began := time.Now()
				p.conns <- theirs
				say(ours)
				_, _ = io.Copy(io.Discard, ours)
				if took := time.Since(began); took > showFor+2*time.Second || took < showFor/2 {
					t.Errorf("dropped after %s", took)
				}
				_ = d.Close()
			})
		})
	}
}

func TestTheCrowdAtTheDoorIsBounded(t *testing.T) {
	d, _ := open(t)
	var crowd []net.Conn
	for range maxShowingAddress + 20 {
		c, err := net.Dial("tcp4", d.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		crowd = append(crowd, c)
	}
	last := crowd[len(crowd)-1]
	_ = last.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := last.Read(make([]byte, 1)); err == nil || isTimeout(err) {
		t.Error("a crowd from one address was let wait")
	}
	_ = d.Close() // and they do not keep the door from closing
}

func TestANewCertificateIsTakenWithoutARestart(t *testing.T) {
	now := time.Now()
	dir := t.TempDir()
	cert, key := certificate(t, dir, 1)
	c, err := LoadCertificate(cert, key, func() time.Time { return now }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	serial := func() int64 {
		got, err := c.Get(nil)
		if err != nil {
			t.Fatal(err)
		}
		return got.Leaf.SerialNumber.Int64()
	}
	certificate(t, dir, 1000)
	if serial() != 1 {
		t.Error("the files were looked at within the minute")
	}
	now = now.Add(lookEvery)
	if serial() != 1000 {
		t.Error("the new certificate was not taken")
	}
	if err := os.WriteFile(cert, []byte("half a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	now = now.Add(lookEvery)
	if serial() != 1000 {
		t.Error("a broken file took the certificate away")
	}
	if err := os.Remove(cert); err != nil {
		t.Fatal(err)
	}
	now = now.Add(lookEvery)
	if serial() != 1000 {
		t.Error("a missing file took the certificate away")
	}
	certificate(t, dir, 3)
	now = now.Add(lookEvery)
	if serial() != 3 {
		t.Error("the certificate after the broken one was not taken")
	}
}
