package room

import (
	"context"
	"errors"
	"sync"
	"time"

	"besedka"
)

// Line is one connection that keeps a seat: a media session or an event stream
// of the room. Up is true for the session that carries the participant's voice.
type Line struct {
	ID string // unique within the process
	Up bool
}

// maxLines bounds the connections counted for one seat; more change nothing.
const maxLines = 16

// lineEvent is a connection made, or lost when cred is not used.
type lineEvent struct {
	who  besedka.ParticipantID
	cred besedka.CredentialID
	line Line
	lost bool
}

// Connected tells that a connection of a participant is live. It counts when
// the participant has a seat in the room that was taken with the same
// credential. It never waits, so that it may be called from anywhere, the
// Gate included.
func (s *Service) Connected(room besedka.RoomID, who besedka.ParticipantID, cred besedka.CredentialID, line Line) {
	s.deliver(room, lineEvent{who: who, cred: cred, line: line})
}

// Disconnected tells that a connection is gone. When it was the seat's last,
// the seat is shown as reconnecting and kept for LostFor. It never waits.
func (s *Service) Disconnected(room besedka.RoomID, who besedka.ParticipantID, line string) {
	s.deliver(room, lineEvent{who: who, line: Line{ID: line}, lost: true})
}

func (s *Service) deliver(room besedka.RoomID, e lineEvent) {
	c := s.known(room)
	if c == nil {
		return
	}
	c.inboxMu.Lock()
	c.inbox = append(c.inbox, e)
	c.inboxMu.Unlock()
	if c.cmd.TryLock() {
		s.unlock(c)
	}
}

// unlock handles the connections that were made and lost meanwhile and gives
// the command lock back. Whoever brings an event either finds the lock free and
// handles it, or leaves it to the holder, who looks again after unlocking.
func (s *Service) unlock(c *conversation) {
	for {
		for _, e := range c.takeInbox() {
			s.handle(c, e)
		}
		c.cmd.Unlock()
		if !c.hasInbox() || !c.cmd.TryLock() {
			return
		}
	}
}

func (c *conversation) takeInbox() []lineEvent {
	c.inboxMu.Lock()
	defer c.inboxMu.Unlock()
	events := c.inbox
	c.inbox = nil
	return events
}

func (c *conversation) hasInbox() bool {
	c.inboxMu.Lock()
	defer c.inboxMu.Unlock()
	return len(c.inbox) > 0
}

// handle brings a seat into line with its connections. It touches seats only,
// which are not written, so it does not wait for the database.
func (s *Service) handle(c *conversation, e lineEvent) {
	now := moment(s.now())
	lines := c.lines[e.who]
	if e.lost {
		if _, counted := lines[e.line.ID]; !counted {
			return
		}
		delete(lines, e.line.ID)
	} else if len(lines) >= maxLines {
		return
	}
	s.seatOnly(c, func(st *State) {
		switch {
		case !e.lost:
			if !st.Hold(e.who, e.cred, e.line.Up || anyUp(lines)) {
				return
			}
			if lines == nil {
				lines = map[string]Line{}
				c.lines[e.who] = lines
			}
			lines[e.line.ID] = e.line
		case len(lines) == 0:
			delete(c.lines, e.who)
			st.Lose(e.who, now)
		default:
			st.Hold(e.who, st.seats.rows[e.who].Credential, anyUp(lines))
		}
	})
}

// seatOnly runs a transition that changes nothing but seats.
func (s *Service) seatOnly(c *conversation, f func(*State)) {
	c.mu.Lock()
	f(c.state)
	e := c.effect()
	c.state.swap()
	c.mu.Unlock()
	s.cut(c, e)
	c.show(e, 0)
	s.give(c, e)
}

func anyUp(lines map[string]Line) bool {
	for _, l := range lines {
		if l.Up {
			return true
		}
	}
	return false
}

// sitting says where somebody's seat is.
type sitting struct {
	room       besedka.RoomID
	credential besedka.CredentialID
}

// index finds seats by participant: everybody has one at most (D10).
type index struct {
	mu    sync.RWMutex
	seats map[besedka.ParticipantID]sitting
}

func (x *index) find(who besedka.ParticipantID) (sitting, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	t, ok := x.seats[who]
	return t, ok
}

func (x *index) put(who besedka.ParticipantID, t sitting) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.seats[who] = t
}

func (x *index) drop(who besedka.ParticipantID, room besedka.RoomID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.seats[who].room == room {
		delete(x.seats, who)
	}
}

func (x *index) withCredential(cred besedka.CredentialID) []besedka.ParticipantID {
	x.mu.RLock()
	defer x.mu.RUnlock()
	var list []besedka.ParticipantID
	for who, t := range x.seats {
		if t.credential == cred {
			list = append(list, who)
		}
	}
	return list
}

// turns lets a participant enter, open and leave one at a time, so that two
// devices cannot take two seats.
type turns struct {
	mu      sync.Mutex
	waiting map[besedka.ParticipantID]*turn
}

type turn struct {
	sync.Mutex
	users int
}

// take waits for the participant's turn; the result ends it.
func (t *turns) take(who besedka.ParticipantID) (done func()) {
	t.mu.Lock()
	own := t.waiting[who]
	if own == nil {
		own = &turn{}
		t.waiting[who] = own
	}
	own.users++
	t.mu.Unlock()
	own.Lock()
	return func() {
		own.Unlock()
		t.mu.Lock()
		defer t.mu.Unlock()
		if own.users--; own.users == 0 {
			delete(t.waiting, who)
		}
	}
}

// SeatOf says in which room the participant sits and which credential took the
// seat ("" after a restart, until they come back).
func (s *Service) SeatOf(who besedka.ParticipantID) (besedka.RoomID, besedka.CredentialID, bool) {
	t, ok := s.index.find(who)
	return t.room, t.credential, ok
}

// Enter takes a seat, leaving any other room first; see State.Enter. When it
// returns the grant is given, and if the seat was another device's, that
// device's media sessions and streams of the room are closed.
func (s *Service) Enter(ctx context.Context, room besedka.RoomID, a Actor) error {
	return s.EnterBy(ctx, room, a, Entry{})
}

// EnterBy is Enter in another way than through the door; see Entry.
func (s *Service) EnterBy(ctx context.Context, room besedka.RoomID, a Actor, how Entry) error {
	defer s.turns.take(a.Who)()
	c, err := s.find(ctx, room)
	if err != nil {
		return err
	}
	how.now = moment(s.now())
	a = s.tied(ctx, a)
	before, seated := s.index.find(a.Who)
	if a.Who.IsGuest() && !seated && c.places.bars(a.Place) {
		return ErrPlaceBarred
	}
	if seated && before.room != room {
		if err := s.mayEnter(ctx, c, a, how); err != nil {
			return err
		}
		s.vacate(ctx, before, a)
	}
	c.lock()
	a = s.tied(ctx, a) // who was blocked since is blocked
	followed, err := s.followed(ctx, c, a)
	if err == nil {
		err = s.do(ctx, c, func(st *State) error { return st.enter(a, how, followed, moment(s.now())) })
	}
	if err == nil {
		c.places.note(a.Who, a.Place)
		if !seated || before.room != room {
			s.warn(ctx, c, a)
		}
	}
	s.unlock(c)
	if err == nil && seated && before.room == room && before.credential != a.Credential {
		s.announce.CloseOthers(room, a.Who, a.Credential)
	}
	return err
}

func (s *Service) mayEnter(ctx context.Context, c *conversation, a Actor, how Entry) error {
	followed, err := s.followed(ctx, c, a)
	if err != nil {
		return err
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.state.mayEnter(a, how, followed)
}

// vacate leaves the room where the participant sits because they go elsewhere,
// and tells the device that held the seat if it is another.
func (s *Service) vacate(ctx context.Context, t sitting, a Actor) {
	taken := t.credential != "" && t.credential != a.Credential && !a.Who.IsGuest()
	s.leave(ctx, t.room, a.Who, taken)
	if taken {
		s.announce.CloseOthers(t.room, a.Who, a.Credential)
	}
}

// leave gives up a seat. Media is cut whatever the database does; what is left
// in rows is cleared away now or by the next sweep.
func (s *Service) leave(ctx context.Context, room besedka.RoomID, who besedka.ParticipantID, taken bool) {
	c := s.known(room)
	if c == nil {
		return
	}
	c.lock()
	defer s.unlock(c)
	now := moment(s.now())
	s.seatOnly(c, func(st *State) { st.Leave(who, now) })
	err := s.do(ctx, c, func(st *State) error {
		if taken {
			st.SeatTaken(who.Account())
		}
		st.Tidy(now)
		return nil
	})
	if err != nil {
		s.log.Warn("leaving a room is not written yet", "room", room, "error", err)
	}
}

// Leave gives up the participant's seat, quietly and at once. When it returns
// nothing more is sent to them. Leaving a room where one is not is harmless.
func (s *Service) Leave(ctx context.Context, room besedka.RoomID, a Actor) error {
	defer s.turns.take(a.Who)()
	c, err := s.find(ctx, room)
	if err != nil {
		return err
	}
	t, seated := s.index.find(a.Who)
	if !seated || t.room != room {
		err := s.see(ctx, c, a)
		if errors.Is(err, ErrRemoved) || errors.Is(err, ErrEnded) {
			return nil
		}
		return err
	}
	s.leave(ctx, room, a.Who, false)
	return nil
}

// LeaveCredential gives up every seat that was taken with a credential, which
// has been revoked. When it returns nothing more is sent there.
func (s *Service) LeaveCredential(ctx context.Context, cred besedka.CredentialID) {
	for _, who := range s.index.withCredential(cred) {
		s.leaveIf(ctx, who, cred)
	}
}

func (s *Service) leaveIf(ctx context.Context, who besedka.ParticipantID, cred besedka.CredentialID) {
	defer s.turns.take(who)()
	if t, seated := s.index.find(who); seated && t.credential == cred {
		s.leave(ctx, t.room, who, false)
	}
}

// recoverSeats gives a seat that waits for its owner to everybody with rows of
// presence, after a restart, but to those who sit elsewhere.
func (s *State) recoverSeats(elsewhere func(besedka.ParticipantID) bool, now time.Time) {
	for _, account := range s.leftovers() {
		if elsewhere(account.Participant()) {
			continue
		}
		s.seats.put(account.Participant(), Seat{EnteredAt: now, Lost: true, Deadline: now.Add(LostFor)})
	}
	s.watch(now)
}
