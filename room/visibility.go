package room

import (
	"context"
	"time"

	"besedka"
)

// WidenFor is how long everybody inside is warned before a room is opened to
// more people.
const WidenFor = 5 * time.Second

// MaxTold bounds how many followers are told that a room is open to everyone.
const MaxTold = 500

// width orders the kinds; a room that is open only ever becomes wider (D2).
var width = map[Kind]int{KindClosed: 1, KindSocial: 2, KindOpen: 3}

// Widening is a kind that the room is about to become; the zero value is none.
type Widening struct {
	To Kind
	By besedka.AccountID
	At time.Time // when
}

// Widen opens the room to more people WidenFor from now, and says so to
// everybody inside. Asking again for the same changes nothing; asking for
// another kind begins anew. Moderators only.
func (s *State) Widen(by besedka.AccountID, to Kind, now time.Time) error {
	if err := s.needModerator(by); err != nil {
		return err
	}
	switch {
	case width[to] == 0:
		return ErrKindInvalid.In("kind")
	case width[to] <= width[s.info.Kind]:
		return ErrOnlyWider
	case s.info.Widening.To == to:
		return nil
	}
	s.info.Widening = Widening{To: to, By: by, At: now.Add(WidenFor)}
	s.tell("visibility_changing", fields{"to": to, "by": by, "at": s.info.Widening.At})
	return nil
}

// KeepVisibility calls off what Widen has begun, whoever began it. Moderators only.
func (s *State) KeepVisibility(by besedka.AccountID) error {
	if err := s.needModerator(by); err != nil {
		return err
	}
	if s.info.Widening.To != "" {
		s.info.Widening = Widening{}
		s.tell("visibility_kept", fields{"by": by})
		s.log(by, LogVisibilityKept, "", "")
	}
	return nil
}

// widens says whether the warning is over.
func (s *State) widens(now time.Time) bool {
	return s.info.Widening.To != "" && !now.Before(s.info.Widening.At)
}

func (s *State) widen(now time.Time) {
	if !s.widens(now) {
		return
	}
	w := s.info.Widening
	s.info.Kind, s.info.Widening = w.To, Widening{}
	s.info.Untold = w.To == KindOpen
	s.tell("visibility_changed", fields{"kind": w.To, "by": w.By})
	s.log(w.By, LogVisibility, "", string(w.To))
}

// TellFollowers tells followers of the host that the room is open to everyone.
// A room becomes so once, so nobody is told twice. Who is here, or was removed,
// is not told.
func (s *State) TellFollowers(followers []besedka.AccountID, host Person) {
	if !s.info.Untold || s.info.Host != host.ID {
		return
	}
	s.info.Untold = false
	if s.Ended() {
		return
	}
	for _, account := range unique(followers[:min(len(followers), MaxTold)]) {
		who := account.Participant()
		if !s.seats.has(who) && !s.removals.has(who) && !s.barred.has(who) {
			s.tellAccount(account, "room_started", fields{"room": s.info.ID, "title": s.info.Title, "by": host})
		}
	}
}

// Widen is State.Widen.
func (s *Service) Widen(ctx context.Context, room besedka.RoomID, a Actor, to Kind) error {
	return s.command(ctx, room, a, func(st *State, by besedka.AccountID, now time.Time) error {
		return st.Widen(by, to, now)
	})
}

// KeepVisibility is State.KeepVisibility.
func (s *Service) KeepVisibility(ctx context.Context, room besedka.RoomID, a Actor) error {
	return s.command(ctx, room, a, func(st *State, by besedka.AccountID, _ time.Time) error {
		return st.KeepVisibility(by)
	})
}

// tellFollowers tells those who asked for it that the room is open to
// everyone. c.cmd must be held.
func (s *Service) tellFollowers(ctx context.Context, c *conversation) error {
	c.mu.RLock()
	host, untold := c.state.info.Host, c.state.info.Untold
	c.mu.RUnlock()
	if !untold {
		return nil
	}
	followers, err := s.graph.Ringing(ctx, host, MaxTold)
	if err != nil {
		return err
	}
	person := s.people.show(ctx, []besedka.AccountID{host})[host]
	return s.do(ctx, c, func(st *State) error {
		st.TellFollowers(followers, person)
		return nil
	})
}

// WideningView is a change of visibility that everybody inside is warned of.
type WideningView struct {
	To Kind      `json:"to"`
	By Person    `json:"by"`
	At time.Time `json:"at" doc:"When it takes effect, unless a moderator calls it off."`
}

func (s *State) wideningView() *WideningView {
	w := s.info.Widening
	if w.To == "" {
		return nil
	}
	return &WideningView{To: w.To, By: Person{ID: w.By}, At: w.At}
}
