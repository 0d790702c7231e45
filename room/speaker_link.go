package room

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"besedka"
)

// A speaker link puts its bearer on stage (D12): a moderator's consent given
// beforehand, to whoever opens the link first. The bearer's own consent is the
// tap that enters.

// Bounds of speaker links.
const (
	SpeakerLinkFor   = 2 * time.Hour
	MaxSpeakerLinks  = 20  // of one room that may be used
	maxLinksKept     = 200 // with those that were used
	maxSpeakerCode   = 64  // bytes
	LogSpeakerLink   = "speaker_link"
	LogLinkUsed      = "speaker_link_used"
	LogLinkWithdrawn = "speaker_link_withdrawn"
)

// speakerLink is the row of a link; its id is the key.
type speakerLink struct {
	Hash      string // of the code
	By        besedka.AccountID
	ExpiresAt time.Time
	UsedBy    besedka.AccountID // "" while it may be used
}

// SpeakerLink is a link as moderators see it.
type SpeakerLink struct {
	ID        string    `json:"id"`
	By        Person    `json:"by"`
	ExpiresAt time.Time `json:"expires_at"`
	UsedBy    *Person   `json:"used_by"`
}

func hashCode(code string) string {
	sum := sha256.Sum256([]byte(code))
	return hex.EncodeToString(sum[:])
}

// MakeSpeakerLink makes a link of which the hash of the code is given.
// Moderators only.
func (s *State) MakeSpeakerLink(by besedka.AccountID, id, hash string, now time.Time) error {
	if err := s.needModerator(by); err != nil {
		return err
	}
	live := 0
	for id, l := range s.links.rows {
		switch {
		case !now.Before(l.ExpiresAt):
			s.links.drop(id)
		case l.UsedBy == "":
			live++
		}
	}
	if live >= MaxSpeakerLinks || len(s.links.rows) >= maxLinksKept {
		return ErrTooManyLinks
	}
	s.links.put(id, speakerLink{Hash: hash, By: by, ExpiresAt: now.Add(SpeakerLinkFor)})
	s.log(by, LogSpeakerLink, "", "")
	return nil
}

// WithdrawSpeakerLink takes a link back; who came by it stays. Moderators only.
func (s *State) WithdrawSpeakerLink(by besedka.AccountID, id string) error {
	if err := s.needModerator(by); err != nil {
		return err
	}
	if l, ok := s.links.get(id); ok {
		s.links.drop(id)
		if l.UsedBy == "" {
			s.log(by, LogLinkWithdrawn, "", "")
		}
	}
	return nil
}

// linkOf finds the link that a code opens, if it may still be used.
func (s *State) linkOf(code string, now time.Time) (id string, l speakerLink, ok bool) {
	if code == "" || len(code) > maxSpeakerCode {
		return "", l, false
	}
	hash := hashCode(code)
	for id, l := range s.links.rows {
		if l.Hash == hash && l.UsedBy == "" && now.Before(l.ExpiresAt) {
			return id, l, true
		}
	}
	return "", l, false
}

// usedLink says whether the account has come by the code before. Coming again
// is no more than entering.
func (s *State) usedLink(code string, account besedka.AccountID) bool {
	hash := hashCode(code)
	for _, l := range s.links.rows {
		if l.Hash == hash && account != "" && l.UsedBy == account {
			return true
		}
	}
	return false
}

// bearing is the actor, known to bear a link that admits to the room if so.
func (s *State) bearing(a Actor, how Entry) Actor {
	if a.Who.Account() != "" {
		_, _, a.bearsLink = s.linkOf(how.SpeakerLink, how.now)
	}
	return a
}

// mayBear refuses a code that puts nobody on stage, to somebody whom the room
// is no secret to.
func (s *State) mayBear(a Actor, how Entry) error {
	account := a.Who.Account()
	switch {
	case how.SpeakerLink == "":
		return nil
	case account == "":
		return ErrGuestsListen
	case s.roleOf(account).OnStage(), s.usedLink(how.SpeakerLink, account):
		return nil
	case !a.bearsLink:
		return ErrSpeakerLink
	case len(s.stage.rows) >= s.limits.OnStage:
		return ErrStageFull
	}
	return nil
}

// ascend puts the bearer of a link, who has a seat now, on stage.
func (s *State) ascend(a Actor, how Entry, now time.Time) error {
	account := a.Who.Account()
	id, l, ok := s.linkOf(how.SpeakerLink, now)
	if !ok || s.roleOf(account).OnStage() {
		return nil
	}
	if a.ties != nil && slices.ContainsFunc(s.onStage(), func(other besedka.AccountID) bool { return a.ties.blockers[other] }) {
		return nil // who made the link did not know: they are in the audience, and the link waits
	}
	l.UsedBy = account
	s.links.put(id, l)
	if !s.picks.has(account) {
		s.picks.put(account, Pick{By: l.By, At: now}) // may return
	}
	s.log(l.By, LogLinkUsed, account, "")
	s.leaveOverflow(a.Who)
	return s.comeOnStage(account, now)
}

// SpeakerLinks lists the links, the newest first. Moderators only.
func (s *Service) SpeakerLinks(ctx context.Context, room besedka.RoomID, a Actor) ([]SpeakerLink, error) {
	c, err := s.find(ctx, room)
	if err != nil {
		return nil, err
	}
	if err := unknown(s.see(ctx, c, a)); err != nil {
		return nil, err
	}
	now := moment(s.now())
	c.mu.RLock()
	err = c.state.needModerator(a.Who.Account())
	list, ids := []SpeakerLink{}, []besedka.AccountID{}
	for id, l := range c.state.links.rows {
		if err != nil || !now.Before(l.ExpiresAt) {
			continue
		}
		one := SpeakerLink{ID: id, By: Person{ID: l.By}, ExpiresAt: l.ExpiresAt}
		if l.UsedBy != "" {
			one.UsedBy = &Person{ID: l.UsedBy}
		}
		list, ids = append(list, one), append(ids, l.By, l.UsedBy)
	}
	c.mu.RUnlock()
	if err != nil {
		return nil, err
	}
	people := s.people.show(ctx, slices.DeleteFunc(ids, func(id besedka.AccountID) bool { return id == "" }))
	for i := range list {
		list[i].By = people[list[i].By.ID]
		if list[i].UsedBy != nil {
			*list[i].UsedBy = people[list[i].UsedBy.ID]
		}
	}
	slices.SortFunc(list, func(a, b SpeakerLink) int {
		return cmp.Or(b.ExpiresAt.Compare(a.ExpiresAt), cmp.Compare(a.ID, b.ID))
	})
	return list, nil
}

// NewSpeakerLink is State.MakeSpeakerLink; the code is told here and never again.
func (s *Service) NewSpeakerLink(ctx context.Context, room besedka.RoomID, a Actor) (id, code string, expires time.Time, err error) {
	id, code = besedka.NewID(s.random), besedka.NewID(s.random)
	err = s.command(ctx, room, a, func(st *State, by besedka.AccountID, now time.Time) error {
		expires = now.Add(SpeakerLinkFor)
		return st.MakeSpeakerLink(by, id, hashCode(code), now)
	})
	return id, code, expires, err
}

// WithdrawSpeakerLink is State.WithdrawSpeakerLink.
func (s *Service) WithdrawSpeakerLink(ctx context.Context, room besedka.RoomID, a Actor, id string) error {
	return s.command(ctx, room, a, func(st *State, by besedka.AccountID, _ time.Time) error {
		return st.WithdrawSpeakerLink(by, id)
	})
}
