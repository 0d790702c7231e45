package media

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"besedka"
	"besedka/fanout"
)

const (
	// maxHalfOpen bounds sessions that have been answered but are not live.
	maxHalfOpen     = 1000
	defaultSessions = 20000
	sweepEvery      = time.Second
)

// Server is one media endpoint. Its methods may be called from any goroutine.
type Server struct {
	cfg        Config
	log        *slog.Logger
	identity   identity
	sock       *fanout.Socket
	tcp        net.Listener
	candidates []string

	tables  *tables
	revoked credentialSet
	streams streamSet
	events  eventQueue
	count   counters
	packets fanout.Counters
	flusher *fanout.Flusher
	air     *air

	ctx    context.Context // ends with Close
	cancel context.CancelFunc

	admission admission
	underWay  *turns // handshakes begun and not ended
	computing *turns // handshakes that use the processor

	wg sync.WaitGroup
}

// Listen opens the sockets and starts the server.
func Listen(cfg Config) (*Server, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.CPU == nil {
		cfg.CPU = func() time.Duration { return 0 }
	}
	if cfg.Random == nil {
		cfg.Random = rand.Reader
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.OnSession == nil {
		cfg.OnSession = func(Event) {}
	}
	if cfg.Calm == nil {
		cfg.Calm = func(bool) {}
	}
	if cfg.Cores <= 0 {
		cfg.Cores = runtime.GOMAXPROCS(0)
	}
	if cfg.Sockets <= 0 {
		cfg.Sockets = cfg.Cores
	}
	if cfg.MaxSessions <= 0 {
		cfg.MaxSessions = defaultSessions
	}
	s := &Server{
		cfg: cfg, log: cfg.Log, tables: newTables(),
		underWay: newTurns(handshakesAtOnce, cfg.Now), computing: newTurns(cfg.Cores, cfg.Now),
		flusher: fanout.NewFlusher(cfg.Now), air: newAir(),
		streams: streamSet{all: make(map[*stream]struct{}), byAddr: make(map[netip.Addr]int)},
	}
	var err error
	if s.identity, err = newIdentity(cfg.Random, cfg.Now()); err != nil {
		return nil, fmt.Errorf("media certificate: %w", err)
	}
	if err := s.open(); err != nil {
		return nil, fmt.Errorf("listen on %s: %w", cfg.Listen, err)
	}
	addrs := cfg.Advertise
	if len(addrs) == 0 {
		if addrs, err = LocalAddrs(s.Addr().Addr()); err != nil {
			s.shut()
			return nil, err
		}
	}
	s.candidates = candidates(addrs, s.Addr().Port())
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.events.init(cfg.OnSession)
	s.wg.Go(func() { s.flusher.Run(s.ctx) })
	s.wg.Go(s.watchLoad)
	s.wg.Go(s.turnPages)
	for _, in := range s.sock.Inboxes() {
		s.wg.Go(func() { s.receive(in) })
	}
	s.wg.Add(3)
	go s.acceptStreams()
	go s.sweep()
	go s.events.run(&s.wg)
	return s, nil
}

// open opens UDP and TCP on the same port. Where the port is ours to choose,
// one that is free for both is looked for.
func (s *Server) open() (err error) {
	for range 20 {
		if s.sock, err = fanout.OpenSocket(s.cfg.Listen, s.cfg.Sockets); err != nil {
			return err
		}
		if s.tcp, err = net.ListenTCP("tcp", net.TCPAddrFromAddrPort(s.sock.Addr())); err == nil {
			return nil
		}
		_ = s.sock.Close()
		if s.cfg.Listen.Port() != 0 {
			return err
		}
	}
	return err
}

func (s *Server) shut() {
	_ = s.tcp.Close()
	_ = s.sock.Close()
}

// maxAdvertise bounds the addresses in an answer: more make it long and connecting slow.
const maxAdvertise = 8

// LocalAddrs is what to advertise when listening on addr: itself, or the addresses
// of the interfaces, eight at most.
func LocalAddrs(addr netip.Addr) ([]netip.Addr, error) {
	if !addr.IsUnspecified() {
		return []netip.Addr{addr}, nil
	}
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	var list, loopback []netip.Addr
	for _, a := range all {
		n, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		ip, ok := netip.AddrFromSlice(n.IP)
		ip = ip.Unmap()
		switch {
		case !ok || addr.Is4() && !ip.Is4() || ip.IsLinkLocalUnicast():
		case ip.IsLoopback():
			loopback = append(loopback, ip)
		case len(list) < maxAdvertise:
			list = append(list, ip)
		}
	}
	if len(list) == 0 {
		list = loopback
	}
	if len(list) == 0 {
		return nil, errors.New("no address to advertise")
	}
	return list, nil
}

// Addr is the address the server listens on, with the port it really has.
func (s *Server) Addr() netip.AddrPort { return s.sock.Addr() }

// Close ends every session, tells so, and waits for the server's goroutines.
func (s *Server) Close() error {
	s.cancel()
	for _, p := range s.tables.places(nil) {
		s.EndRoom(p.room)
	}
	s.shut()
	s.streams.close()
	s.events.close()
	s.wg.Wait()
	return nil
}

func (s *Server) newFloor() *fanout.Floor {
	ssrc, err := randomUint32(s.cfg.Random)
	if err != nil {
		panic("no randomness: " + err.Error())
	}
	return fanout.NewFloor(fanout.FloorConfig{
		Socket: s.sock, Counters: &s.packets, Policy: s.cfg.Framing, Flusher: s.flusher,
		SSRC: ssrc | 1, // never 0
	})
}

// sweep does once a second what no packet brings about.
func (s *Server) sweep() {
	defer s.wg.Done()
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	var sessions []*session
	var places []*place
	var crowd crowd
	for {
		select {
		case <-tick.C:
		case <-s.ctx.Done():
			return
		}
		now := s.cfg.Now()
		sessions = s.tables.sessions(sessions[:0])
		for _, x := range sessions {
			s.sweepSession(x, now)
		}
		places = s.tables.places(places[:0])
		_, saving, _ := s.admission.state()
		for _, p := range places {
			s.sweepPlace(p, saving, now)
		}
		clear(sessions)
		clear(places)
		s.revoked.prune(now)
		if crowd.turned(s.count.handshakes.Load(), now) {
			s.cfg.Calm(!crowd.comes)
		}
	}
}

const (
	// crowdSize is how many must have joined until what they leave behind is worth a word.
	crowdSize = 100
	// calmAfter is how long nobody must have joined since.
	calmAfter = 5 * time.Second
)

// crowd watches people join.
type crowd struct {
	comes        bool
	joined, told int64 // in all; when it last became calm
	at           time.Time
}

// turned says whether it has become calm, or is so no more.
func (c *crowd) turned(joined int64, now time.Time) bool {
	if joined != c.joined {
		c.joined, c.at = joined, now
	}
	many := joined-c.told >= crowdSize
	switch {
	case !c.comes && many:
		c.comes = true
	case c.comes && now.Sub(c.at) >= calmAfter:
		c.comes, c.told = false, joined
	default:
		return false
	}
	return true
}

func (s *Server) sweepSession(x *session, now time.Time) {
	defer s.survive(x)
	if why := x.expired(now); why != "" {
		s.log.Debug("session ended", "session", x.id, "direction", x.dir.String(), "why", why)
		s.count.expired.Add(1)
		s.end(x)
	}
}

func (s *Server) sweepPlace(p *place, saving bool, now time.Time) {
	defer s.survive(nil)
	p.floor.Save(saving)
	p.floor.Sweep(now)
}

// survive is deferred around the work for one session: a panic ends that
// session and no other.
func (s *Server) survive(x *session) {
	r := recover()
	if r == nil {
		return
	}
	s.count.panics.Add(1)
	s.log.Error("panic in a media session", "panic", r)
	if x != nil {
		s.end(x)
	}
}

// credentialSet remembers closed credentials long enough for requests that
// were authenticated before to have ended.
type credentialSet struct {
	mu  sync.Mutex
	all map[besedka.CredentialID]time.Time
}

const credentialFor = 5 * time.Minute

func (c *credentialSet) add(cred besedka.CredentialID, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all == nil {
		c.all = make(map[besedka.CredentialID]time.Time)
	}
	c.all[cred] = now
}

func (c *credentialSet) has(cred besedka.CredentialID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.all[cred]
	return ok
}

func (c *credentialSet) prune(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for cred, at := range c.all {
		if now.Sub(at) > credentialFor {
			delete(c.all, cred)
		}
	}
}
