// Package relay is a bad network for tests: a relay in user space between the clients
// of one listening address and one server. It loses packets (one by one or in
// bursts), delays, jitters, reorders, throttles and swallows them, for each
// direction apart, and gives clients a new address as a NAT or a change of
// network does. Conditions change while it runs; counters tell what it did.
//
// What befalls a packet is decided by the seed and by its place among the packets
// of its client and direction, not by the time: the same packets in the same
// order meet the same losses and the same jitter, and a change of one
// condition does not move the dice of another.
//
// A Relay carries UDP or TCP. Where a server takes both on one port, two relays
// listen on one port. UDP: one goroutine reads the listening socket, one reads
// the socket of each client towards the server, and one holds the heap of what
// is under way. TCP: a reader and a writer for each direction of a connection.
// All queues are bounded.
//
// Directions are named from the server: up is to it, down is from it.
package relay

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Direction of traffic, seen from the server.
type Direction int

// Up is from the clients to the server, Down from the server to the clients.
const (
	Up Direction = iota
	Down
)

// maxClients is how many clients or connections a Relay carries at a time.
const maxClients = 1024

// ErrClosed says that the Relay has been closed.
var ErrClosed = errors.New("relay is closed")

// Config is what Open needs. The zero value of Now means time.Now.
type Config struct {
	Network string         // "udp" or "tcp"
	Listen  netip.AddrPort // port 0: any free one
	Server  netip.AddrPort
	Seed    uint64
	Now     func() time.Time
}

// Counters is what has happened to the packets of one direction since Open (TCP:
// to the pieces of at most 1460 bytes that were read). What was received and is
// in none of the others is still under way.
type Counters struct {
	Received   int64 `json:"received"`
	Bytes      int64 `json:"bytes"` // received
	Delivered  int64 `json:"delivered"`
	Lost       int64 `json:"lost"`       // by Loss or Burst; TCP: delayed by StallMS
	Blackholed int64 `json:"blackholed"` // UDP only
	Overflowed int64 `json:"overflowed"` // a queue was full, or a client too many
	Stale      int64 `json:"stale"`      // sent to an address from before Rebind
	Failed     int64 `json:"failed"`     // the network refused to take it
}

// Client is one who is relayed now.
type Client struct {
	Address  netip.AddrPort `json:"address"`
	Upstream netip.AddrPort `json:"upstream"` // as the server sees him
}

// Path is the present state of one direction.
type Path struct {
	Conditions Conditions `json:"conditions"`
	Counters   Counters   `json:"counters"`
}

// State is all there is to know about a Relay at a moment.
type State struct {
	Network string         `json:"network"`
	Listen  netip.AddrPort `json:"listen"`
	Server  netip.AddrPort `json:"server"`
	Up      Path           `json:"up"`
	Down    Path           `json:"down"`
	Clients []Client       `json:"clients"` // in the order in which they came
}

// carrier is one of the two protocols.
type carrier interface {
	address() netip.AddrPort
	clients() []Client
	rebind(local netip.Addr) error
	close() // stops everything and waits
}

// Relay is a running relay. Its methods may be called from any goroutine.
type Relay struct {
	config     Config
	directions [2]*direction
	carrier    carrier
	closing    sync.Once
}

// Open listens and relays until Close, at first without any harm to the traffic.
func Open(c Config) (*Relay, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if !c.Listen.IsValid() || !c.Server.IsValid() || c.Server.Port() == 0 {
		return nil, errors.New("relay needs an address to listen on and the server's")
	}
	r := &Relay{config: c, directions: [2]*direction{newDirection(), newDirection()}}
	var err error
	switch c.Network {
	case "udp":
		r.carrier, err = openUDP(c, r.directions)
	case "tcp":
		r.carrier, err = openTCP(c, r.directions)
	default:
		err = fmt.Errorf("unknown network %q", c.Network)
	}
	if err != nil {
		return nil, fmt.Errorf("open relay: %w", err)
	}
	return r, nil
}

// Close ends all connections and returns when nothing of the Relay runs any more.
func (r *Relay) Close() error {
	r.closing.Do(r.carrier.close)
	return nil
}

// Addr is the address on which the Relay listens.
func (r *Relay) Addr() netip.AddrPort { return r.carrier.address() }

// Set replaces the conditions of one direction. They hold for every packet that
// comes from now on; Blackhole holds also for those under way.
func (r *Relay) Set(d Direction, c Conditions) error {
	if err := c.check(); err != nil {
		return err
	}
	r.directions[d].set(c)
	return nil
}

// Rebind gives every client another source port towards the server and, if local is
// valid, that source address, as a NAT that forgot its mapping or a change of
// network does. What the server still sends to the old ports is swallowed. TCP
// connections are reset; the new ones come from local.
func (r *Relay) Rebind(local netip.Addr) error { return r.carrier.rebind(local) }

// State tells conditions, counters and clients.
func (r *Relay) State() State {
	return State{
		Network: r.config.Network, Listen: r.Addr(), Server: r.config.Server,
		Up: r.directions[Up].path(), Down: r.directions[Down].path(), Clients: r.carrier.clients(),
	}
}

// direction is what all clients share in one direction.
type direction struct {
	received, bytes, delivered, lost, blackholed, overflowed, stale, failed atomic.Int64

	mu         sync.Mutex
	conditions Conditions
	changed    chan struct{} // closed and replaced by set
}

func newDirection() *direction { return &direction{changed: make(chan struct{})} }

func (d *direction) get() Conditions {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.conditions
}

func (d *direction) set(c Conditions) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.conditions = c
	close(d.changed)
	d.changed = make(chan struct{})
}

// waitOpen returns true when the direction is no black hole, false when done is closed.
func (d *direction) waitOpen(done <-chan struct{}) bool {
	for {
		d.mu.Lock()
		black, changed := d.conditions.Blackhole, d.changed
		d.mu.Unlock()
		if !black {
			return true
		}
		select {
		case <-changed:
		case <-done:
			return false
		}
	}
}

func (d *direction) count(f fate) {
	switch f {
	case lost:
		d.lost.Add(1)
	case blackholed:
		d.blackholed.Add(1)
	case overflowed:
		d.overflowed.Add(1)
	}
}

func (d *direction) path() Path {
	return Path{d.get(), Counters{
		Received: d.received.Load(), Bytes: d.bytes.Load(), Delivered: d.delivered.Load(),
		Lost: d.lost.Load(), Blackholed: d.blackholed.Load(), Overflowed: d.overflowed.Load(),
		Stale: d.stale.Load(), Failed: d.failed.Load(),
	}}
}
