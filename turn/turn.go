package turn

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"besedka"
)

const (
	defaultAllocations = 2000
	perSeat            = 4 // allocations of one participant in one room
	// Connections without an allocation: each has setupFor to make one.
	maxWaiting        = 1024
	maxWaitingAddress = 128
	setupFor          = 10 * time.Second
	secretLen         = 32
	// acceptAgain is how long nothing is accepted after that has failed: for want of descriptors it
	// fails at once, again and again, until somebody has gone.
	acceptAgain = 10 * time.Millisecond
	deadFor     = 2 * CredentialLife // how long a closed credential is remembered; no password of it lives longer
)

// Config is what a Server needs. Media and Advertise are required.
type Config struct {
	// Media is the local address of the media socket.
	Media netip.AddrPort
	// Advertise are the addresses under which clients know that socket; the
	// first of each family is the peer that they may reach, on Media's port.
	Advertise []netip.Addr
	// MaxAllocations bounds the allocations of all together; 0 means 2000.
	MaxAllocations int
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Random is the source of secrets; nil means crypto/rand.
	Random io.Reader
	// Log takes what an operator should see; nil discards.
	Log *slog.Logger
}

// Server is one TURN server. Its methods may be called from any goroutine.
type Server struct {
	cfg    Config
	log    *slog.Logger
	peers  []peer
	secret [secretLen]byte
	count  counters

	mu        sync.Mutex
	rooms     map[besedka.RoomID]map[besedka.ParticipantID]*seat
	numbers   map[uint64]*seat
	dead      map[tag]time.Time // credentials that were closed
	conns     map[*conn]struct{}
	waiting   map[netip.Addr]int // connections without an allocation
	waitings  int
	relaying  int
	listeners map[net.Listener]struct{}
	shut      bool

	wg sync.WaitGroup
}

// peer is the media socket in one address family.
type peer struct {
	told   netip.AddrPort // as clients know it
	target netip.AddrPort // where it really is
}

type counters struct {
	opened, refusedAuth, refusedPeers, refusedQuota, dropped atomic.Int64
}

// Stats are counts since the start, but for Allocations and Waiting, which are now.
type Stats struct {
	Allocations int64 // open now
	Waiting     int64 // connections without an allocation
	Opened      int64
	AuthRefused int64 // requests without a valid credential, besides the first of each connection
	PeerRefused int64 // requests that named another peer than the media socket
	OverQuota   int64 // allocations refused for want of room
	Dropped     int64 // packets beyond an allocation's budget or without permission
}

// New makes a server; connections come by Take or Serve.
func New(cfg Config) (*Server, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Random == nil {
		cfg.Random = rand.Reader
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.MaxAllocations <= 0 {
		cfg.MaxAllocations = defaultAllocations
	}
	s := &Server{
		cfg: cfg, log: cfg.Log, peers: peersOf(cfg.Media, cfg.Advertise),
		rooms:   make(map[besedka.RoomID]map[besedka.ParticipantID]*seat),
		numbers: make(map[uint64]*seat), dead: make(map[tag]time.Time), conns: make(map[*conn]struct{}),
		waiting: make(map[netip.Addr]int), listeners: make(map[net.Listener]struct{}),
	}
	if len(s.peers) == 0 {
		return nil, fmt.Errorf("no advertised address of the media socket %s is one that it listens on", cfg.Media)
	}
	if _, err := io.ReadFull(cfg.Random, s.secret[:]); err != nil {
		return nil, fmt.Errorf("draw a secret: %w", err)
	}
	return s, nil
}

// peersOf finds the first advertised address of each family that the media
// socket can be reached for.
func peersOf(media netip.AddrPort, advertise []netip.Addr) []peer {
	var list []peer
	for _, a := range advertise {
		a = a.Unmap()
		target := media.Addr().Unmap()
		switch {
		case len(list) > 0 && list[0].told.Addr().Is4() == a.Is4(), len(list) == 2:
			continue
		case target.IsUnspecified() && a.Is4():
			target = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		case target.IsUnspecified() && target.Is4():
			continue // an IPv6 address of a socket that speaks IPv4 only
		case target.IsUnspecified():
			target = netip.IPv6Loopback()
		}
		list = append(list, peer{told: netip.AddrPortFrom(a, media.Port()), target: netip.AddrPortFrom(target, media.Port())})
	}
	return list
}

// Serve takes the connections of l until l or the server is closed, which is no error.
func (s *Server) Serve(l net.Listener) error {
	s.mu.Lock()
	if s.shut {
		s.mu.Unlock()
		return l.Close()
	}
	s.listeners[l] = struct{}{}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.listeners, l)
	}()
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			time.Sleep(acceptAgain)
			continue
		}
		s.Take(c)
	}
}

// Take serves a connection, which is the server's from now on. It returns at once.
func (s *Server) Take(nc net.Conn) {
	c := newConn(s, nc)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shut || s.waitings >= maxWaiting || s.waiting[c.from.Addr()] >= maxWaitingAddress {
		_ = nc.Close()
		return
	}
	s.conns[c] = struct{}{}
	s.waitLocked(c, 1)
	s.wg.Go(c.serve)
}

// waitLocked counts a connection that has no allocation.
func (s *Server) waitLocked(c *conn, by int) {
	a := c.from.Addr()
	s.waitings += by
	if s.waiting[a] += by; s.waiting[a] == 0 {
		delete(s.waiting, a)
	}
}

// forget takes a connection that has ended out of the tables.
func (s *Server) forget(c *conn) {
	s.release(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	s.waitLocked(c, -1)
}

// Close closes every connection and listener and waits for the server's goroutines.
func (s *Server) Close() error {
	s.mu.Lock()
	s.shut = true
	for l := range s.listeners {
		_ = l.Close()
	}
	for c := range s.conns {
		c.close()
	}
	s.mu.Unlock()
	s.wg.Wait()
	return nil
}

// Stats counts.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Stats{
		Allocations: int64(s.relaying), Waiting: int64(s.waitings), Opened: s.count.opened.Load(),
		AuthRefused: s.count.refusedAuth.Load(), PeerRefused: s.count.refusedPeers.Load(),
		OverQuota: s.count.refusedQuota.Load(), Dropped: s.count.dropped.Load(),
	}
}
