package room

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"besedka"
	"besedka/db"
)

// conversation is one room in memory: its state, the connections that keep its
// seats, and what the Gate was last told.
type conversation struct {
	id besedka.RoomID

	// cmd is held while a command runs, over the database and the Gate.
	cmd     sync.Mutex
	version int64 // of the rows that state was made of; 0 before the first
	suspect bool  // a write failed with unknown outcome: the next sweep loads
	lines   map[besedka.ParticipantID]map[string]Line
	sent    map[besedka.ParticipantID]Grant

	inboxMu sync.Mutex
	inbox   []lineEvent // connections made and lost, for the next holder of cmd

	// mu guards what readers see. It is never held while waiting for anything.
	// Only the holder of cmd writes.
	mu     sync.RWMutex
	state  *State
	seq    int64 // number of the room's newest fact
	change int64 // counts the changes of who is here and on stage

	counted map[uint32]time.Duration // by the media plane, as it last said

	crowd     crowdCache
	reactions reactions
	faces     atomic.Int64 // when the first changed of those not told, in milliseconds; 0 = none

	veiled veiled
	places *places
	warned map[besedka.AccountID]time.Time // of whom others were told, and when; cmd guards it
}

func newConversation(st *State, version, seq int64) *conversation {
	return &conversation{id: st.info.ID, state: st, version: version, seq: seq,
		lines: map[besedka.ParticipantID]map[string]Line{}, sent: map[besedka.ParticipantID]Grant{}, places: newPlaces()}
}

// effect is what a saved transition demands of the Gate and the Announcer.
type effect struct {
	revoked  []besedka.ParticipantID
	lessened []given
	granted  []given
	taken    []given // only credential is used
	seated   []given
	left     []besedka.ParticipantID
	notices  []notice
	counts   Counts
	ended    bool
	moved    bool // who is here or on stage has changed
	card     bool // the hallway shows something else
}

type given struct {
	who        besedka.ParticipantID
	grant      Grant
	credential besedka.CredentialID
}

// attempts bounds how often a transition is tried on rows that change elsewhere.
const attempts = 5

// do runs one transition: on the state, then in the database if it changes rows
// or tells facts, then at the Gate. It is the only way in which a state
// changes. c.cmd must be held.
func (s *Service) do(ctx context.Context, c *conversation, f func(*State) error) error {
	for range attempts {
		err := s.try(ctx, c, f)
		if !errors.Is(err, errStale) {
			return err
		}
		if err := s.reload(ctx, c); err != nil {
			return err
		}
	}
	return db.ErrUnavailable.Because(fmt.Errorf("room %s: %w, again and again", c.id, errStale))
}

func (s *Service) try(ctx context.Context, c *conversation, f func(*State) error) error {
	c.mu.Lock()
	if err := f(c.state); err != nil {
		c.state.undo()
		c.mu.Unlock()
		return err
	}
	w, e := c.state.writes(), c.effect()
	// Readers go on with the state before until the change is saved and cut.
	c.state.swap()
	c.mu.Unlock()
	release := func() {}
	if e.takes() {
		release = s.announce.Hold(w.topics())
		defer release()
	}
	var seq int64
	if !w.empty() {
		var err error
		if seq, err = s.rows.save(context.WithoutCancel(ctx), c.version, w); err != nil {
			c.mu.Lock()
			c.state.settle()
			c.mu.Unlock()
			var refused *besedka.Error
			c.suspect = !errors.Is(err, errStale) && !(errors.As(err, &refused) && refused.Kind == besedka.Conflict)
			return err
		}
		c.version++
	}
	s.cut(c, e)
	c.show(e, seq)
	s.written(c)
	release()
	s.give(c, e)
	return nil
}

// show lets readers see the transition that swap has hidden.
func (c *conversation) show(e effect, seq int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.swap()
	c.state.settle()
	c.seq = max(c.seq, seq)
	if e.moved {
		c.change++
	}
}

// takes says whether somebody loses media by it.
func (e effect) takes() bool {
	return e.ended || len(e.revoked)+len(e.lessened)+len(e.taken) > 0
}

// effect derives from the running transition what is to be done outside. c.mu must be held.
func (c *conversation) effect() effect {
	st := c.state
	e := effect{notices: st.out.notices, ended: st.Ended() && st.before.info.EndedAt.IsZero()}
	touched := map[besedka.ParticipantID]bool{}
	for _, change := range st.seats.changes() {
		touched[change.key] = true
		if change.now.there {
			e.seated = append(e.seated, given{who: change.key, credential: change.now.value.Credential})
		} else {
			e.left = append(e.left, change.key)
		}
	}
	for account := range st.stage.was {
		touched[account.Participant()] = true
	}
	for account := range st.voices.was {
		touched[account.Participant()] = true
	}
	for who := range touched {
		c.compare(&e, who)
	}
	for _, who := range st.out.taken {
		e.taken = append(e.taken, given{who: who, credential: st.seats.rows[who].Credential})
	}
	e.moved = len(touched) > 0
	e.card = e.moved || st.info != st.before.info || len(st.picks.was) > 0 || len(st.shares.was) > 0
	if e.moved {
		e.counts = st.counts()
	}
	return e
}

// compare adds what the Gate must be told about one participant.
func (c *conversation) compare(e *effect, who besedka.ParticipantID) {
	grant, here := c.state.GrantOf(who)
	was, known := c.sent[who]
	g := given{who: who, grant: grant}
	switch {
	case !here && known:
		e.revoked = append(e.revoked, who)
	case !here, known && grant == was:
	case known && grant.less(was):
		e.lessened = append(e.lessened, g)
	default:
		e.granted = append(e.granted, g)
	}
}

// give tells the Gate who may do more, and announces. c.cmd must be held, c.mu not.
func (s *Service) give(c *conversation, e effect) {
	for _, g := range e.seated {
		s.index.put(g.who, sitting{c.id, g.credential})
	}
	for _, who := range e.left {
		s.index.drop(who, c.id)
		delete(c.lines, who)
	}
	s.grant(c, e.granted)
	for _, n := range e.notices {
		s.notify(c.id, n)
	}
	if e.moved {
		s.tellCounts(c, e.counts)
	}
	if e.card {
		s.announce.HallwayChanged()
	}
}

// notify announces a notice. Of a microphone only the latest counts.
func (s *Service) notify(room besedka.RoomID, n notice) {
	if n.kind == kindMuteChanged {
		s.announce.AnnounceLatest(room, n.kind, fmt.Sprint(n.data["account"]), n.data, nil)
		return
	}
	s.announce.Announce(room, n.kind, n.data, nil)
}

func (s *Service) grant(c *conversation, list []given) {
	for _, g := range list {
		s.gate.Grant(c.id, g.who, g.grant)
		c.sent[g.who] = g.grant
	}
}

// cut ends media: of the whole room, of who has left, of seats taken over, of
// who may do less. c.cmd must be held, c.mu not.
func (s *Service) cut(c *conversation, e effect) {
	if e.ended {
		s.gate.Close(c.id)
		clear(c.sent)
		clear(c.lines)
		return
	}
	for _, who := range e.revoked {
		s.gate.Revoke(c.id, who)
		delete(c.sent, who)
	}
	for _, g := range e.taken {
		delete(c.lines, g.who)
		s.gate.CloseOthers(c.id, g.who, g.credential)
	}
	s.grant(c, e.lessened)
}

// reload takes the rows as the database has them and brings seats and grants
// into line with them. c.cmd must be held.
func (s *Service) reload(ctx context.Context, c *conversation) error {
	fresh, version, seq, err := s.rows.load(context.WithoutCancel(ctx), c.id)
	if err != nil {
		return err
	}
	c.mu.Lock()
	expected := c.state.adopt(fresh, func(who besedka.ParticipantID) bool {
		_, seated := s.index.find(who)
		return seated
	}, moment(s.now()))
	c.version, c.seq, c.suspect = version, seq, false
	e := effect{ended: c.state.Ended(), moved: true, card: true, counts: c.state.counts()}
	for who := range c.sent {
		c.compare(&e, who)
	}
	e.left = append(e.left, e.revoked...)
	for _, who := range expected {
		c.compare(&e, who)
		e.seated = append(e.seated, given{who: who})
	}
	if e.ended {
		for who := range c.sent {
			e.left = append(e.left, who)
		}
	}
	c.change++
	c.mu.Unlock()
	s.cut(c, e)
	s.give(c, e)
	return nil
}

// adopt takes the rows of fresh and keeps the seats, but for those of people
// whom the rows keep out. Whom another process has brought on stage, or has let
// raise a hand, gets a seat that waits for them, as after a restart; they are returned.
func (s *State) adopt(fresh *State, elsewhere func(besedka.ParticipantID) bool, now time.Time) (expected []besedka.ParticipantID) {
	known := func(account besedka.AccountID) bool {
		return s.stage.has(account) || s.hands.has(account) || s.invited.has(account)
	}
	for _, account := range fresh.leftovers() {
		if who := account.Participant(); !known(account) && !s.seats.has(who) && !elsewhere(who) && !slices.Contains(expected, who) {
			expected = append(expected, who)
		}
	}
	s.info, s.text = fresh.info, fresh.text
	s.stage, s.voices, s.hands, s.invited = fresh.stage, fresh.voices, fresh.hands, fresh.invited
	s.agreed, s.served = fresh.agreed, fresh.served
	s.removals, s.picks, s.links, s.shares = fresh.removals, fresh.picks, fresh.links, fresh.shares
	for who := range s.removals.rows {
		s.Leave(who, now)
		s.barred.drop(who)
	}
	if s.Ended() {
		s.seats.dropAll()
		s.vigil, s.guests, s.overflow = vigil{}, 0, 0
		expected = nil
	}
	for _, who := range expected {
		s.seats.put(who, Seat{EnteredAt: now, Lost: true, Deadline: now.Add(LostFor)})
	}
	if !s.Ended() {
		s.watch(now)
	}
	s.settle()
	return expected
}

// lock waits for the right to run commands.
func (c *conversation) lock() { c.cmd.Lock() }
