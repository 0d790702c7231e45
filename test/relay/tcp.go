package relay

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	segmentBytes  = 1460
	segmentHeader = 40  // IPv4 and TCP
	maxSegments   = 512 // of one direction of a connection under way
	dialTimeout   = 10 * time.Second
)

// tcpRelay carries connections.
type tcpRelay struct {
	config     Config
	directions [2]*direction
	listener   *net.TCPListener
	context    context.Context // ends with the relay
	cancel     context.CancelFunc
	running    sync.WaitGroup

	mu    sync.Mutex
	local netip.Addr // source address towards the server, if valid
	pairs []*pair
}

// pair is a client's connection and the one to the server that belongs to it.
type pair struct {
	client, upstream *net.TCPConn
	done             chan struct{} // closed by reset
	once             sync.Once
}

// segment is a piece of a stream under way.
type segment struct {
	at   time.Time
	data []byte
}

func openTCP(c Config, directions [2]*direction) (*tcpRelay, error) {
	listener, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(c.Listen))
	if err != nil {
		return nil, err
	}
	t := &tcpRelay{config: c, directions: directions, listener: listener}
	t.context, t.cancel = context.WithCancel(context.Background())
	t.running.Go(t.accept)
	return t, nil
}

func (t *tcpRelay) address() netip.AddrPort { return unmapped(t.listener.Addr()) }

func (t *tcpRelay) clients() []Client {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]Client, 0, len(t.pairs))
	for _, p := range t.pairs {
		out = append(out, Client{unmapped(p.client.RemoteAddr()), unmapped(p.upstream.LocalAddr())})
	}
	return out
}

func (t *tcpRelay) close() {
	t.cancel()
	t.listener.Close()
	t.resetAll()
	t.running.Wait()
}

func (t *tcpRelay) rebind(local netip.Addr) error {
	if t.context.Err() != nil {
		return ErrClosed
	}
	t.mu.Lock()
	t.local = local
	t.mu.Unlock()
	t.resetAll()
	return nil
}

func (t *tcpRelay) resetAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.pairs {
		p.reset()
	}
}

func (t *tcpRelay) accept() {
	free := make(chan struct{}, maxClients)
	for number := uint64(0); ; number++ {
		client, err := t.listener.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // the client was gone before we looked
		}
		select {
		case free <- struct{}{}:
		default:
			t.directions[Up].overflowed.Add(1)
			client.Close()
			continue
		}
		t.running.Go(func() {
			t.serve(client, number)
			<-free
		})
	}
}

// serve relays one connection until both of its directions have ended.
func (t *tcpRelay) serve(client *net.TCPConn, number uint64) {
	defer client.Close()
	t.mu.Lock()
	dialer := net.Dialer{Timeout: dialTimeout}
	if t.local.IsValid() {
		dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(t.local, 0))
	}
	t.mu.Unlock()
	conn, err := dialer.DialContext(t.context, "tcp", t.config.Server.String())
	if err != nil {
		_ = client.SetLinger(0)
		return
	}
	defer conn.Close()
	p := &pair{client: client, upstream: conn.(*net.TCPConn), done: make(chan struct{})}
	if !t.add(p) {
		return
	}
	defer t.remove(p)
	var both sync.WaitGroup
	both.Go(func() { t.carry(p, p.upstream, p.client, Up, number) })
	both.Go(func() { t.carry(p, p.client, p.upstream, Down, number) })
	both.Wait()
}

func (t *tcpRelay) add(p *pair) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.context.Err() != nil {
		return false
	}
	t.pairs = append(t.pairs, p)
	return true
}

func (t *tcpRelay) remove(p *pair) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pairs = slices.DeleteFunc(t.pairs, func(other *pair) bool { return other == p })
}

// reset ends both connections without a farewell.
func (p *pair) reset() {
	p.once.Do(func() {
		close(p.done)
		for _, c := range []*net.TCPConn{p.client, p.upstream} {
			_ = c.SetLinger(0)
			c.Close()
		}
	})
}

// carry relays one direction: it reads here, and its writer writes when the time
// of each segment has come. An end of the stream is passed on, an error ends both.
func (t *tcpRelay) carry(p *pair, dst, src *net.TCPConn, d Direction, number uint64) {
	underWay := make(chan segment, maxSegments)
	spare := make(chan []byte, maxSegments+1)
	for range cap(spare) {
		spare <- nil
	}
	var writer sync.WaitGroup
	writer.Go(func() { t.write(p, dst, d, underWay, spare) })
	defer writer.Wait()
	defer close(underWay)

	line, counters := newLine(t.config.Seed, number, d), t.directions[d]
	for {
		var buf []byte
		select {
		case buf = <-spare:
		case <-p.done:
			return
		}
		if buf == nil {
			buf = make([]byte, segmentBytes)
		}
		n, err := src.Read(buf[:segmentBytes])
		if n > 0 {
			counters.received.Add(1)
			counters.bytes.Add(int64(n))
			conditions := counters.get()
			at, f := line.segment(&conditions, t.config.Now(), n+segmentHeader)
			counters.count(f)
			underWay <- segment{at, buf[:n]} // there are no more buffers than room here
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				p.reset()
			}
			return
		}
	}
}

// write writes the segments of one direction in time.
func (t *tcpRelay) write(p *pair, dst *net.TCPConn, d Direction, underWay <-chan segment, spare chan<- []byte) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	counters := t.directions[d]
	for s := range underWay {
		if wait := s.at.Sub(t.config.Now()); wait > 0 {
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-p.done:
				return
			}
		}
		if !counters.waitOpen(p.done) {
			return
		}
		if _, err := dst.Write(s.data); err != nil {
			counters.failed.Add(1)
			p.reset()
			return
		}
		counters.delivered.Add(1)
		spare <- s.data[:segmentBytes]
	}
	_ = dst.CloseWrite()
}
