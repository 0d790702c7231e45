package media

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"sync/atomic"

	"besedka"
)

// tables find a session by what is known of it. All methods lock for
// themselves and take no other lock. What every packet asks for, number and addr,
// does not make the readers of the port wait for each other.
type tables struct {
	numbers numbers
	addrs   addrs

	mu    sync.RWMutex
	used  uint32 // numbers below it have been given out
	free  []uint32
	byID  map[SessionID]*session
	rooms map[besedka.RoomID]*place
}

func newTables() *tables {
	t := &tables{byID: make(map[SessionID]*session), rooms: make(map[besedka.RoomID]*place)}
	for i := range t.addrs {
		t.addrs[i].all = make(map[netip.AddrPort]*session)
	}
	return t
}

// numbers are the sessions by number, read without a lock.
type numbers [maxNumber / chunkLen]atomic.Pointer[chunk]

const chunkLen = 1024

type chunk [chunkLen]atomic.Pointer[session]

// of is the session's place, or nil if none of its chunk has been given out.
func (t *numbers) of(n uint32) *atomic.Pointer[session] {
	if n >= maxNumber {
		return nil
	}
	c := t[n/chunkLen].Load()
	if c == nil {
		return nil
	}
	return &c[n%chunkLen]
}

// addrs are the sessions by the address of their path: so many maps, each with a
// lock of its own, that two readers seldom meet at one.
type addrs [64]addrShard

type addrShard struct {
	mu  sync.RWMutex
	all map[netip.AddrPort]*session
	_   [64]byte // the next lock lies in another cache line
}

func (t *addrs) of(a netip.AddrPort) *addrShard {
	ip := a.Addr().As16()
	h := binary.LittleEndian.Uint64(ip[:8])*31 + binary.LittleEndian.Uint64(ip[8:]) + uint64(a.Port())
	return &t[h*0x9e3779b97f4a7c15>>58] // the upper bits of a product are mixed from all
}

func (t *addrs) get(a netip.AddrPort) *session {
	s := t.of(a)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.all[a]
}

func (t *addrs) set(a netip.AddrPort, x *session) {
	s := t.of(a)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all[a] = x
}

// clear forgets the address if it is x's.
func (t *addrs) clear(p path, x *session) {
	if p.tcp != nil {
		return
	}
	s := t.of(p.addr)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all[p.addr] == x {
		delete(s.all, p.addr)
	}
}

// reserve gives an unused number, if there are fewer sessions than limit.
func (t *tables) reserve(limit int) (uint32, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := len(t.free); n > 0 {
		number := t.free[n-1]
		t.free = t.free[:n-1]
		return number, true
	}
	if int(t.used) >= min(limit, maxNumber) {
		return 0, false
	}
	number := t.used
	t.used++
	if number%chunkLen == 0 {
		t.numbers[number/chunkLen].Store(new(chunk))
	}
	return number, true
}

// release gives a reserved number back that no session took.
func (t *tables) release(number uint32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.free = append(t.free, number)
}

func (t *tables) add(s *session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.numbers.of(s.number).Store(s)
	t.byID[s.id] = s
}

// remove forgets a session and its path; the number is free again.
func (t *tables) remove(s *session, p path) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.numbers.of(s.number).CompareAndSwap(s, nil) {
		return
	}
	t.free = append(t.free, s.number)
	delete(t.byID, s.id)
	t.addrs.clear(p, s)
}

// route moves a session from one path to another.
func (t *tables) route(s *session, from, to path) {
	t.addrs.clear(from, s)
	if to.tcp == nil {
		t.addrs.set(to.addr, s)
	}
}

// taken says whether the path is some session's.
func (t *tables) taken(p path) bool { return p.tcp == nil && t.addrs.get(p.addr) != nil }

func (t *tables) number(n uint32) *session {
	if at := t.numbers.of(n); at != nil {
		return at.Load()
	}
	return nil
}

func (t *tables) addr(a netip.AddrPort) *session { return t.addrs.get(a) }

func (t *tables) id(id SessionID) *session {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.byID[id]
}

// sessions appends all sessions to list.
func (t *tables) sessions(list []*session) []*session {
	t.mu.RLock()
	used := t.used
	t.mu.RUnlock()
	for n := range used {
		if s := t.number(n); s != nil {
			list = append(list, s)
		}
	}
	return list
}

// place is the room's place, made when make is true.
func (t *tables) place(room besedka.RoomID, make func() *place) *place {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.rooms[room]
	if p == nil && make != nil {
		p = make()
		t.rooms[room] = p
	}
	return p
}

func (t *tables) forget(p *place) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.rooms[p.room] == p {
		delete(t.rooms, p.room)
	}
}

func (t *tables) places(list []*place) []*place {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, p := range t.rooms {
		list = append(list, p)
	}
	return list
}
