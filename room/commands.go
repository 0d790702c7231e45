package room

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"time"

	"besedka"
)

// Every command asks first whether the actor may know of the room: strangers
// get besedka.ErrNotFound, people removed ErrRemoved, and ErrEnded is for those
// who might have come in. Guests only listen.

// Open begins a room with the actor as its host, seated in it, and leaves any
// other room. Everybody to be invited must exist.
func (s *Service) Open(ctx context.Context, a Actor, o Opening) (besedka.RoomID, error) {
	if a.Who.IsGuest() || a.Who == "" {
		return "", ErrGuestsListen
	}
	o, err := o.check()
	if err != nil {
		return "", err
	}
	known, err := s.people.look(ctx, append([]besedka.AccountID{a.Who.Account()}, o.Invite...))
	if err != nil {
		return "", fmt.Errorf("open room: %w", err)
	}
	for _, account := range o.Invite {
		if _, ok := known[account]; !ok {
			return "", besedka.ErrNotFound.In("invite")
		}
	}
	host, ok := known[a.Who.Account()]
	if !ok {
		return "", besedka.ErrNotFound
	}
	defer s.turns.take(a.Who)()
	st, err := Open(besedka.RoomID(besedka.NewID(s.random)), a, host, o, moment(s.now()))
	if err != nil {
		return "", err
	}
	st.limits = s.limits
	st.hush(s.tied(ctx, a))
	return s.begin(ctx, a, newConversation(st, 0, 0))
}

// begin saves a new room, leaves the actor's former one and lets people in.
func (s *Service) begin(ctx context.Context, a Actor, c *conversation) (besedka.RoomID, error) {
	seq, err := s.rows.save(context.WithoutCancel(ctx), 0, c.state.writes())
	if err != nil {
		return "", err
	}
	if before, seated := s.index.find(a.Who); seated {
		s.vacate(ctx, before, a)
	}
	c.version, c.seq = 1, seq
	c.places.note(a.Who, a.Place)
	c.lock()
	defer s.unlock(c)
	s.mu.Lock()
	s.rooms[c.id] = c
	s.mu.Unlock()
	c.mu.Lock()
	e := c.effect()
	c.state.settle()
	c.mu.Unlock()
	s.give(c, e)
	return c.id, nil
}

// command runs a transition for an account that may see the room.
func (s *Service) command(ctx context.Context, room besedka.RoomID, a Actor, f func(st *State, by besedka.AccountID, now time.Time) error) error {
	c, err := s.find(ctx, room)
	if err != nil {
		return err
	}
	if err := s.see(ctx, c, a); err != nil {
		return err
	}
	if a.Who.IsGuest() {
		return ErrGuestsListen
	}
	c.lock()
	defer s.unlock(c)
	return s.do(ctx, c, func(st *State) error { return f(st, a.Who.Account(), moment(s.now())) })
}

// SetTitle is State.SetTitle.
func (s *Service) SetTitle(ctx context.Context, room besedka.RoomID, a Actor, title string) error {
	return s.command(ctx, room, a, func(st *State, by besedka.AccountID, _ time.Time) error {
		return st.SetTitle(by, title)
	})
}

// SetHands is State.SetHands.
func (s *Service) SetHands(ctx context.Context, room besedka.RoomID, a Actor, setting Hands) error {
	return s.command(ctx, room, a, func(st *State, by besedka.AccountID, _ time.Time) error {
		return st.SetHands(by, setting)
	})
}

// Pick is State.Pick; the target must exist.
func (s *Service) Pick(ctx context.Context, room besedka.RoomID, a Actor, target besedka.AccountID) error {
	known, err := s.people.look(ctx, []besedka.AccountID{a.Who.Account(), target})
	if err != nil {
		return err
	}
	a = s.tied(ctx, a)
	return s.command(ctx, room, a, func(st *State, by besedka.AccountID, now time.Time) error {
		if err := st.needSeat(by); err != nil {
			return err
		}
		if _, ok := known[target]; !ok {
			return besedka.ErrNotFound.In("account")
		}
		if a.ties != nil && a.ties.blockers[target] {
			return st.pickInSilence(known[by], target, now)
		}
		return st.Pick(known[by], target, now)
	})
}

// RaiseHand is State.RaiseHand.
func (s *Service) RaiseHand(ctx context.Context, room besedka.RoomID, a Actor, note, group string) error {
	var lot [8]byte
	if _, err := io.ReadFull(s.random, lot[:]); err != nil {
		return fmt.Errorf("draw a lot: %w", err)
	}
	r := Raising{Note: note, Group: group, Lot: int64(binary.BigEndian.Uint64(lot[:]) >> 1)}
	followed, err := s.followedByStage(ctx, room, a.Who.Account())
	if err != nil {
		return err
	}
	return s.command(ctx, room, a, func(st *State, by besedka.AccountID, now time.Time) error {
		r.Followed = followed
		return st.RaiseHand(by, r, now)
	})
}

// followedByStage says whether somebody on stage follows the account, where the
// hand setting asks for it.
func (s *Service) followedByStage(ctx context.Context, room besedka.RoomID, account besedka.AccountID) (bool, error) {
	c := s.known(room)
	if c == nil || account == "" {
		return false, nil
	}
	c.mu.RLock()
	asks := c.state.info.Hands == HandsFollowed && c.state.roleOf(account) == besedka.RoleListener
	by := c.state.onStage()
	c.mu.RUnlock()
	if !asks || len(by) == 0 {
		return false, nil
	}
	return s.graph.FollowedByAny(ctx, account, by)
}

// LowerHand is State.LowerHand.
func (s *Service) LowerHand(ctx context.Context, room besedka.RoomID, a Actor) error {
	return s.command(ctx, room, a, func(st *State, by besedka.AccountID, _ time.Time) error {
		return st.LowerHand(by)
	})
}

// LowerHandOf is State.LowerHandOf.
func (s *Service) LowerHandOf(ctx context.Context, room besedka.RoomID, a Actor, target besedka.AccountID) error {
	return s.command(ctx, room, a, func(st *State, by besedka.AccountID, _ time.Time) error {
		return st.LowerHandOf(by, target)
	})
}

// LowerAllHands is State.LowerAllHands.
func (s *Service) LowerAllHands(ctx context.Context, room besedka.RoomID, a Actor) error {
	return s.command(ctx, room, a, func(st *State, by besedka.AccountID, _ time.Time) error {
		return st.LowerAllHands(by)
	})
}

// InviteToStage is State.InviteToStage.
func (s *Service) InviteToStage(ctx context.Context, room besedka.RoomID, a Actor, target besedka.AccountID) (onStage bool, err error) {
	unsure := s.unsure(ctx, room, a)
	err = s.command(ctx, room, a, func(st *State, by besedka.AccountID, now time.Time) (err error) {
		if err := st.needSure(by, target, unsure); err != nil {
			return err
		}
		onStage, err = st.InviteToStage(by, target, now)
		return err
	})
	return onStage && err == nil, err
}

// AcceptStage is State.AcceptStage.
func (s *Service) AcceptStage(ctx context.Context, room besedka.RoomID, a Actor) error {
	return s.command(ctx, room, a, func(st *State, by besedka.AccountID, now time.Time) error {
		return st.AcceptStage(by, now)
	})
}

// DeclineStage is State.DeclineStage.
func (s *Service) DeclineStage(ctx context.Context, room besedka.RoomID, a Actor) error {
	return s.command(ctx, room, a, func(st *State, by besedka.AccountID, _ time.Time) error {
		return st.DeclineStage(by)
	})
}

// SetRole is State.SetRole. When it returns, whoever left the stage is not heard.
func (s *Service) SetRole(ctx context.Context, room besedka.RoomID, a Actor, target besedka.AccountID, role besedka.Role) error {
	unsure := s.unsure(ctx, room, a)
	return s.command(ctx, room, a, func(st *State, by besedka.AccountID, now time.Time) error {
		if role == besedka.RoleSpeaker {
			if err := st.needSure(by, target, unsure); err != nil {
				return err
			}
		}
		return st.SetRole(by, target, role, now)
	})
}

// MoveToAudience is State.MoveToAudience. When it returns the target is not heard.
func (s *Service) MoveToAudience(ctx context.Context, room besedka.RoomID, a Actor, target besedka.AccountID, reason string) error {
	return s.command(ctx, room, a, func(st *State, by besedka.AccountID, now time.Time) error {
		return st.MoveToAudience(by, target, reason, now)
	})
}

// Mute mutes the actor's own microphone.
func (s *Service) Mute(ctx context.Context, room besedka.RoomID, a Actor) error {
	return s.command(ctx, room, a, func(st *State, by besedka.AccountID, _ time.Time) error {
		return st.SetMuted(by, true)
	})
}

// Unmute unmutes the actor's own microphone.
func (s *Service) Unmute(ctx context.Context, room besedka.RoomID, a Actor) error {
	return s.command(ctx, room, a, func(st *State, by besedka.AccountID, _ time.Time) error {
		return st.SetMuted(by, false)
	})
}

// MuteOther is State.MuteOther. It works while the database is away.
func (s *Service) MuteOther(ctx context.Context, room besedka.RoomID, a Actor, target besedka.AccountID) error {
	err := s.command(ctx, room, a, func(st *State, by besedka.AccountID, _ time.Time) error {
		return st.MuteOther(by, target)
	})
	s.writeLeft(ctx, room, err)
	return err
}

// MuteAll is State.MuteAll. It works while the database is away.
func (s *Service) MuteAll(ctx context.Context, room besedka.RoomID, a Actor) error {
	err := s.command(ctx, room, a, func(st *State, by besedka.AccountID, _ time.Time) error {
		return st.MuteAll(by)
	})
	s.writeLeft(ctx, room, err)
	return err
}

// Silence is State.Silence. When it returns the target is not heard.
func (s *Service) Silence(ctx context.Context, room besedka.RoomID, a Actor, target besedka.AccountID) error {
	return s.command(ctx, room, a, func(st *State, by besedka.AccountID, _ time.Time) error {
		return st.Silence(by, target)
	})
}

// LiftSilence is State.LiftSilence.
func (s *Service) LiftSilence(ctx context.Context, room besedka.RoomID, a Actor, target besedka.AccountID) error {
	return s.command(ctx, room, a, func(st *State, by besedka.AccountID, _ time.Time) error {
		return st.LiftSilence(by, target)
	})
}

// HandOver is State.HandOver.
func (s *Service) HandOver(ctx context.Context, room besedka.RoomID, a Actor, target besedka.AccountID) error {
	return s.command(ctx, room, a, func(st *State, by besedka.AccountID, now time.Time) error {
		return st.HandOver(by, target, now)
	})
}

// AcceptHeir is State.AcceptHeir.
func (s *Service) AcceptHeir(ctx context.Context, room besedka.RoomID, a Actor) error {
	return s.command(ctx, room, a, func(st *State, by besedka.AccountID, now time.Time) error {
		return st.AcceptHeir(by, now)
	})
}

// DeclineHeir is State.DeclineHeir.
func (s *Service) DeclineHeir(ctx context.Context, room besedka.RoomID, a Actor) error {
	return s.command(ctx, room, a, func(st *State, by besedka.AccountID, now time.Time) error {
		return st.DeclineHeir(by, now)
	})
}

// End is State.End. When it returns nothing of the room is sent any more.
func (s *Service) End(ctx context.Context, room besedka.RoomID, a Actor) error {
	return s.command(ctx, room, a, func(st *State, by besedka.AccountID, now time.Time) error {
		return st.End(by, now)
	})
}

// Remove removes somebody, who need not be there; see State.Bar. When it
// returns nothing more is sent to or from them and they cannot return, also
// when the removal could not be written yet: it is written as soon as the
// database is back.
func (s *Service) Remove(ctx context.Context, room besedka.RoomID, a Actor, target besedka.ParticipantID, reason, note string) error {
	if err := s.exists(ctx, room, target); err != nil {
		return err
	}
	err := s.command(ctx, room, a, func(st *State, by besedka.AccountID, now time.Time) error {
		return st.Bar(by, target, Removal{Reason: reason, Note: note, At: now})
	})
	if err != nil {
		return err
	}
	if c := s.known(room); c != nil {
		c.places.bar(target)
		s.note(c, target)
	}
	s.writeLeft(ctx, room, nil)
	s.announce.CloseParticipant(room, target)
	return nil
}

// writeLeft writes what a command that came back with err has done in memory
// only; if that fails, the next sweep does it.
func (s *Service) writeLeft(ctx context.Context, room besedka.RoomID, err error) {
	c := s.known(room)
	if err != nil || c == nil {
		return
	}
	c.lock()
	defer s.unlock(c)
	now := moment(s.now())
	err = s.do(ctx, c, func(st *State) error { st.Tidy(now); return nil })
	if err != nil {
		s.log.Error("removal or mute is in force but not written yet", "room", c.id, "error", err)
	}
}

// exists refuses targets that are neither in the room nor an account.
func (s *Service) exists(ctx context.Context, room besedka.RoomID, target besedka.ParticipantID) error {
	if t, seated := s.index.find(target); seated && t.room == room {
		return nil
	}
	account := target.Account()
	if account == "" {
		return besedka.ErrNotFound.In("account")
	}
	known, err := s.people.look(ctx, []besedka.AccountID{account})
	if err != nil {
		return err
	}
	if _, ok := known[account]; !ok {
		return besedka.ErrNotFound.In("account")
	}
	return nil
}

// UndoRemoval is State.UndoRemoval.
func (s *Service) UndoRemoval(ctx context.Context, room besedka.RoomID, a Actor, target besedka.ParticipantID) error {
	err := s.command(ctx, room, a, func(st *State, by besedka.AccountID, now time.Time) error {
		return st.UndoRemoval(by, target, now)
	})
	if c := s.known(room); c != nil && err == nil {
		c.places.lift(target)
	}
	return err
}

// unique is the list without repetitions, in its order.
func unique(ids []besedka.AccountID) []besedka.AccountID {
	var list []besedka.AccountID
	for _, id := range ids {
		if !slices.Contains(list, id) {
			list = append(list, id)
		}
	}
	return list
}
