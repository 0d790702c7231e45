package media

import (
	"net/netip"
	"sync"

	"besedka"
)

// tables find a session by what is known of it. All methods lock for
// themselves and take no other lock.
type tables struct {
	mu     sync.RWMutex
	slots  []*session // by number
	free   []uint32
	byID   map[SessionID]*session
	byAddr map[netip.AddrPort]*session
	rooms  map[besedka.RoomID]*place
}

func newTables() tables {
	return tables{
		byID:   make(map[SessionID]*session),
		byAddr: make(map[netip.AddrPort]*session),
		rooms:  make(map[besedka.RoomID]*place),
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
	if len(t.slots) >= min(limit, maxNumber) {
		return 0, false
	}
	t.slots = append(t.slots, nil)
	return uint32(len(t.slots) - 1), true
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
	t.slots[s.number] = s
	t.byID[s.id] = s
}

// remove forgets a session and its path; the number is free again.
func (t *tables) remove(s *session, p path) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.slots[s.number] != s {
		return
	}
	t.slots[s.number] = nil
	t.free = append(t.free, s.number)
	delete(t.byID, s.id)
	if p.tcp == nil && t.byAddr[p.addr] == s {
		delete(t.byAddr, p.addr)
	}
}

// route moves a session from one path to another.
func (t *tables) route(s *session, from, to path) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if from.tcp == nil && t.byAddr[from.addr] == s {
		delete(t.byAddr, from.addr)
	}
	if to.tcp == nil {
		t.byAddr[to.addr] = s
	}
}

// taken says whether the path is some session's.
func (t *tables) taken(p path) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return p.tcp == nil && t.byAddr[p.addr] != nil
}

func (t *tables) number(n uint32) *session {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if int(n) >= len(t.slots) {
		return nil
	}
	return t.slots[n]
}

func (t *tables) addr(a netip.AddrPort) *session {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.byAddr[a]
}

func (t *tables) id(id SessionID) *session {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.byID[id]
}

// sessions appends all sessions to list.
func (t *tables) sessions(list []*session) []*session {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, s := range t.slots {
		if s != nil {
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
