package relay

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
)

const (
	headerBytes   = 28 // IPv4 and UDP
	datagramBytes = 1 << 16
	socketBuffer  = 4 << 20
	keptSockets   = 8 // old ones of a client, kept so that the server gets no "port unreachable"
)

// udpRelay carries datagrams.
type udpRelay struct {
	config     Config
	directions [2]*direction
	socket     *net.UDPConn
	queue      *queue
	done       chan struct{}
	running    sync.WaitGroup

	mu     sync.Mutex
	closed bool
	local  netip.Addr // source address towards the server, if valid
	links  map[netip.AddrPort]*link
	order  []*link
}

// link is one client.
type link struct {
	client netip.AddrPort
	ways   [2]way

	mu       sync.Mutex
	upstream *net.UDPConn
	turn     int // counts the sockets it has had
	old      []*net.UDPConn
}

// way is one direction of a link.
type way struct {
	underWay atomic.Int64
	mu       sync.Mutex
	line     *line
}

func openUDP(c Config, directions [2]*direction) (*udpRelay, error) {
	socket, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(c.Listen))
	if err != nil {
		return nil, err
	}
	_ = socket.SetReadBuffer(socketBuffer) // as much as the system allows
	u := &udpRelay{config: c, directions: directions, socket: socket, done: make(chan struct{}), links: map[netip.AddrPort]*link{}}
	u.queue = newQueue(c.Now, u.deliver)
	u.running.Go(func() { u.queue.run(u.done) })
	u.running.Go(u.readClients)
	return u, nil
}

func (u *udpRelay) address() netip.AddrPort { return unmapped(u.socket.LocalAddr()) }

func (u *udpRelay) clients() []Client {
	u.mu.Lock()
	defer u.mu.Unlock()
	out := make([]Client, 0, len(u.order))
	for _, l := range u.order {
		socket, _ := l.present()
		out = append(out, Client{l.client, unmapped(socket.LocalAddr())})
	}
	return out
}

func (u *udpRelay) close() {
	u.mu.Lock()
	u.closed = true
	close(u.done)
	u.socket.Close()
	for _, l := range u.order {
		l.close()
	}
	u.mu.Unlock()
	u.running.Wait()
}

func (u *udpRelay) rebind(local netip.Addr) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return ErrClosed
	}
	u.local = local
	var errs []error
	for _, l := range u.order {
		errs = append(errs, u.connect(l))
	}
	return errors.Join(errs...)
}

// connect gives a link a new socket towards the server; u.mu is held.
func (u *udpRelay) connect(l *link) error {
	var from *net.UDPAddr
	if u.local.IsValid() {
		from = net.UDPAddrFromAddrPort(netip.AddrPortFrom(u.local, 0))
	}
	socket, err := net.DialUDP("udp", from, net.UDPAddrFromAddrPort(u.config.Server))
	if err != nil {
		return err
	}
	_ = socket.SetReadBuffer(socketBuffer)
	turn := l.move(socket)
	u.running.Go(func() { u.readServer(l, socket, turn) })
	return nil
}

// readClients carries up.
func (u *udpRelay) readClients() {
	buf := make([]byte, datagramBytes)
	for {
		n, from, err := u.socket.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // the echo of something sent before, such as "port unreachable"
		}
		d := u.directions[Up]
		d.received.Add(1)
		d.bytes.Add(int64(n))
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		l, err := u.link(from)
		if err != nil {
			d.overflowed.Add(1)
			continue
		}
		u.carry(l, Up, 0, buf[:n])
	}
}

// readServer carries down what comes to one socket, until it is closed.
func (u *udpRelay) readServer(l *link, socket *net.UDPConn, turn int) {
	buf := make([]byte, datagramBytes)
	for {
		n, err := socket.Read(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // the server does not listen now
		}
		d := u.directions[Down]
		d.received.Add(1)
		d.bytes.Add(int64(n))
		if _, now := l.present(); now != turn { // before it costs the link a throw of its dice
			d.stale.Add(1)
			continue
		}
		u.carry(l, Down, turn, buf[:n])
	}
}

// link finds a client, or makes the link of a new one.
func (u *udpRelay) link(client netip.AddrPort) (*link, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if l, known := u.links[client]; known {
		return l, nil
	}
	if u.closed {
		return nil, ErrClosed
	}
	if len(u.links) >= maxClients {
		return nil, errors.New("too many clients")
	}
	l := &link{client: client}
	for d := range l.ways {
		l.ways[d].line = newLine(u.config.Seed, uint64(len(u.order)), Direction(d))
	}
	if err := u.connect(l); err != nil {
		return nil, err
	}
	u.links[client] = l
	u.order = append(u.order, l)
	return l, nil
}

// carry decides on a datagram and sends it, now or later.
func (u *udpRelay) carry(l *link, d Direction, turn int, data []byte) {
	way, conditions, now := &l.ways[d], u.directions[d].get(), u.config.Now()
	p := parcel{link: l, d: d, turn: turn, data: data}
	var f fate
	way.mu.Lock()
	p.at, f = way.line.datagram(&conditions, now, len(data)+headerBytes)
	way.mu.Unlock()
	if f != passes {
		u.directions[d].count(f)
		return
	}
	if !p.at.After(now) && way.underWay.Load() == 0 {
		u.send(&p)
		return
	}
	way.underWay.Add(1)
	if !u.queue.push(p) {
		way.underWay.Add(-1)
		u.directions[d].count(overflowed)
	}
}

// deliver sends a parcel out of the queue.
func (u *udpRelay) deliver(p *parcel) {
	u.send(p)
	p.link.ways[p.d].underWay.Add(-1)
}

func (u *udpRelay) send(p *parcel) {
	d := u.directions[p.d]
	if d.get().Blackhole {
		d.blackholed.Add(1)
		return
	}
	socket, turn := p.link.present()
	var err error
	switch {
	case p.d == Up:
		_, err = socket.Write(p.data)
		if errors.Is(err, syscall.ECONNREFUSED) { // tells of the datagram before; this one was not sent
			_, err = socket.Write(p.data)
		}
	case p.turn != turn:
		d.stale.Add(1)
		return
	default:
		_, err = u.socket.WriteToUDPAddrPort(p.data, p.link.client)
	}
	if err != nil {
		d.failed.Add(1)
		return
	}
	d.delivered.Add(1)
}

// present gives the socket that the server knows the client by.
func (l *link) present() (*net.UDPConn, int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.upstream, l.turn
}

// move replaces the socket. The old one stays open for a while, unheard.
func (l *link) move(socket *net.UDPConn) (turn int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.upstream != nil {
		l.old = append(l.old, l.upstream)
	}
	if len(l.old) > keptSockets {
		l.old[0].Close()
		l.old = l.old[1:]
	}
	l.upstream = socket
	l.turn++
	return l.turn
}

func (l *link) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, socket := range append(l.old, l.upstream) {
		socket.Close()
	}
}

// unmapped is an address without the IPv4-in-IPv6 form.
func unmapped(a net.Addr) netip.AddrPort {
	var p netip.AddrPort
	switch a := a.(type) {
	case *net.UDPAddr:
		p = a.AddrPort()
	case *net.TCPAddr:
		p = a.AddrPort()
	}
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}
