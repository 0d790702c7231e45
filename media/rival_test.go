package media_test

import (
	"net"
	"sync"
	"testing"

	"github.com/pion/webrtc/v4"
)

// beaten is the socket of a peer whose address somebody else sends a ClientHello
// with, a moment before his own. What the server answers to that reaches him
// before he has begun, and is lost on him.
type beaten struct {
	net.PacketConn

	mu       sync.Mutex
	sent     bool
	verified bool // he was asked for a cookie
}

const handshakeRecord, helloRandom, messageAt = 22, 13 + 12 + 2, 13

func (c *beaten) WriteTo(b []byte, to net.Addr) (int, error) {
	c.mu.Lock()
	first := b[0] == handshakeRecord && !c.sent
	c.sent = c.sent || first
	c.mu.Unlock()
	if first {
		hello := append([]byte(nil), b...)
		hello[helloRandom] ^= 1
		if _, err := c.PacketConn.WriteTo(hello, to); err != nil {
			return 0, err
		}
	}
	return c.PacketConn.WriteTo(b, to)
}

func (c *beaten) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := c.PacketConn.ReadFrom(b)
		if err != nil || n <= messageAt || b[0] != handshakeRecord {
			return n, from, err
		}
		c.mu.Lock()
		c.verified = c.verified || b[messageAt] == 3
		pass := c.verified
		c.mu.Unlock()
		if pass {
			return n, from, nil
		}
	}
}

func (c *beaten) settings(t *testing.T) func(*webrtc.SettingEngine) {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c.PacketConn = conn
	return func(se *webrtc.SettingEngine) {
		mux := webrtc.NewICEUDPMux(nil, c)
		t.Cleanup(func() { _ = mux.Close() })
		se.SetICEUDPMux(mux)
	}
}

func TestForeignClientHelloDoesNotSpoilTheHandshake(t *testing.T) {
	w := newWorld(t)
	host := w.stage(1, 30)[0]
	c := &beaten{}
	w.ready(host, 1, w.audience("anna", peerOptions{settings: c.settings(t)}))
	if !c.verified {
		t.Error("nobody was asked for a cookie")
	}
	if got := w.srv.Stats().HandshakeFailures; got != 0 {
		t.Errorf("%d handshakes failed", got)
	}
}
