// Package door is the HTTPS port: it does the TLS handshake, tells connections
// apart by what they are, and hands each to who serves it.
//
// Browsers ask for h2 or http/1.1 by ALPN (RFC 7301) and are told apart by that;
// stun.turn (RFC 7443) says TURN. Who asks for nothing is told by the first byte
// after the handshake: a STUN message begins with 0x00 to 0x03 (RFC 7983 section
// 7), an HTTP request with a letter. What is neither is dropped. (Channel data of
// TURN begins like a letter, but never comes first: there is no channel yet.)
//
// Who does not finish the handshake, or says nothing after it, is dropped too:
// connections that have not shown what they are are bounded in time and number.
package door

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Protocols that are agreed on by ALPN.
const (
	protocolHTTP2 = "h2"
	protocolHTTP1 = "http/1.1"
	protocolTURN  = "stun.turn"  // RFC 7443 section 3
	protocolACME  = "acme-tls/1" // RFC 8737 section 6.2: the handshake is all there is
)

const (
	// showFor is how long a connection may take to show what it is.
	showFor           = 10 * time.Second
	maxShowing        = 2048
	maxShowingAddress = 256
)

// Config is what a Door needs. Listener and TLS are required.
type Config struct {
	// Listener takes the connections; it belongs to the door from now on.
	Listener net.Listener
	// TLS is copied; its ALPN protocols are set by the door.
	TLS *tls.Config
	// TURN takes the connections that speak TURN, and returns at once; nil drops them.
	TURN func(net.Conn)
	// Log takes what an operator should see; nil discards.
	Log *slog.Logger
}

// Door is an open HTTPS port. As a net.Listener it gives the connections that
// speak HTTP; those of HTTP/2 are *tls.Conn, as net/http wants them.
type Door struct {
	cfg    Config
	tls    *tls.Config
	http   chan net.Conn
	ctx    context.Context // ends with Close
	cancel context.CancelFunc

	mu      sync.Mutex
	showing map[net.Conn]netip.Addr // connections that have not shown what they are
	places  map[netip.Addr]int

	wg sync.WaitGroup
}

// Open starts to take connections.
func Open(cfg Config) *Door {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	d := &Door{cfg: cfg, tls: cfg.TLS.Clone(), http: make(chan net.Conn), showing: make(map[net.Conn]netip.Addr), places: make(map[netip.Addr]int)}
	d.tls.MinVersion = max(d.tls.MinVersion, tls.VersionTLS12)
	d.tls.NextProtos = append([]string{protocolHTTP2, protocolHTTP1, protocolTURN}, acmeOf(cfg.TLS)...)
	d.ctx, d.cancel = context.WithCancel(context.Background())
	d.wg.Go(d.take)
	return d
}

// acmeOf keeps the protocol of certificate authorities where it was asked for.
func acmeOf(c *tls.Config) []string {
	for _, p := range c.NextProtos {
		if p == protocolACME {
			return []string{p}
		}
	}
	return nil
}

// Accept implements net.Listener for HTTP.
func (d *Door) Accept() (net.Conn, error) {
	select {
	case c := <-d.http:
		return c, nil
	case <-d.ctx.Done():
		return nil, net.ErrClosed
	}
}

// Addr is the address of the port.
func (d *Door) Addr() net.Addr { return d.cfg.Listener.Addr() }

// Close closes the port and the connections that nobody serves yet, and waits
// for the door's goroutines. A second Close does nothing.
func (d *Door) Close() error {
	if d.ctx.Err() != nil {
		return net.ErrClosed
	}
	d.cancel()
	err := d.cfg.Listener.Close()
	d.mu.Lock()
	for c := range d.showing {
		_ = c.Close()
	}
	d.mu.Unlock()
	d.wg.Wait()
	return err
}

// take takes connections until the port is closed.
func (d *Door) take() {
	for {
		c, err := d.cfg.Listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			select { // a peer that went away, or no descriptors: the next one may fare better
			case <-d.ctx.Done():
				return
			case <-time.After(10 * time.Millisecond):
			}
			continue
		}
		if !d.enter(c) {
			_ = c.Close()
			continue
		}
		d.wg.Go(func() { d.show(c) })
	}
}

// enter counts a connection that has not shown what it is.
func (d *Door) enter(c net.Conn) bool {
	var from netip.Addr
	if a, err := netip.ParseAddrPort(c.RemoteAddr().String()); err == nil {
		from = a.Addr().Unmap().WithZone("")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ctx.Err() != nil || len(d.showing) >= maxShowing || d.places[from] >= maxShowingAddress {
		return false
	}
	d.showing[c] = from
	d.places[from]++
	return true
}

func (d *Door) leave(c net.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	from := d.showing[c]
	delete(d.showing, c)
	if d.places[from]--; d.places[from] == 0 {
		delete(d.places, from)
	}
}

// show finds out what a connection is and hands it over.
func (d *Door) show(raw net.Conn) {
	defer d.leave(raw)
	c, to := d.tell(raw)
	switch {
	case to == toHTTP:
		select {
		case d.http <- c:
			return
		case <-d.ctx.Done():
		}
	case to == toTURN && d.cfg.TURN != nil:
		d.cfg.TURN(c)
		return
	}
	_ = raw.Close()
}

type destination int

const (
	toNobody destination = iota
	toHTTP
	toTURN
)

// tell does the handshake and says whose the connection is.
func (d *Door) tell(raw net.Conn) (net.Conn, destination) {
	if raw.SetDeadline(time.Now().Add(showFor)) != nil {
		return nil, toNobody
	}
	c := tls.Server(raw, d.tls)
	if err := c.HandshakeContext(d.ctx); err != nil {
		d.cfg.Log.Debug("no TLS", "from", raw.RemoteAddr(), "error", err)
		return nil, toNobody
	}
	var out net.Conn = c
	to := toHTTP
	switch c.ConnectionState().NegotiatedProtocol {
	case protocolHTTP2, protocolHTTP1:
	case protocolTURN:
		to = toTURN
	case protocolACME:
		return nil, toNobody
	default:
		var first [1]byte
		if _, err := c.Read(first[:]); err != nil {
			return nil, toNobody
		}
		out, to = &begun{Conn: c, first: first[:]}, tellByte(first[0])
	}
	if raw.SetDeadline(time.Time{}) != nil {
		return nil, toNobody
	}
	return out, to
}

// tellByte says whose a connection is by its first byte.
func tellByte(b byte) destination {
	switch {
	case b <= 0x03:
		return toTURN
	case b >= 'A' && b <= 'Z', b >= 'a' && b <= 'z': // the method of a request
		return toHTTP
	}
	return toNobody
}

// begun is a connection whose first byte has been read.
type begun struct {
	*tls.Conn
	first []byte
}

// Read gives the first byte first.
func (c *begun) Read(b []byte) (int, error) {
	if len(c.first) == 0 {
		return c.Conn.Read(b)
	}
	n := copy(b, c.first)
	c.first = c.first[n:]
	return n, nil
}
