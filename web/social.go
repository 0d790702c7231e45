package web

import (
	"context"
	"time"

	"besedka"
	"besedka/account"
	"besedka/room"
	"besedka/social"
)

// Profile is an account as others see it. Of somebody who does not want to be seen
// by the caller, and of somebody who is suspended, there is the person only.
type Profile struct {
	account.Person
	Restricted bool `json:"restricted,omitempty" doc:"There is no more than this to see."`
	*Details
}

// Details are what a profile shows besides the person; there are none of it where the profile is restricted.
type Details struct {
	JoinedAt    time.Time       `json:"joined_at" required:"false"`
	Founder     bool            `json:"founder" required:"false"`
	NominatedBy *account.Person `json:"nominated_by" required:"false"`
	Followers   int             `json:"followers" required:"false"`
	Following   int             `json:"following" required:"false"`
	FollowsMe   bool            `json:"follows_me" required:"false"`
	Followed    bool            `json:"followed" required:"false" doc:"By the caller."`
	Bell        social.Bell     `json:"bell" required:"false" doc:"How much the caller wants to be told of them."`
	Blocked     bool            `json:"blocked" required:"false" doc:"By the caller."`
	Bio         string          `json:"bio" required:"false"`
	Links       []account.Link  `json:"links" required:"false"`
	Mutuals     Mutuals         `json:"mutuals" required:"false"`
	InRoom      *room.Ref       `json:"in_room" required:"false" doc:"Where they are, if the caller may come in; else null."`
}

// Mutuals are those whom the caller follows and who follow somebody.
type Mutuals struct {
	Count  int              `json:"count"`
	People []account.Person `json:"people" doc:"At most 3 of them."`
}

const mutualsShown = 3

type accountInput struct {
	Account besedka.AccountID `path:"account"`
}

func (s *Server) profile(ctx context.Context, in *accountInput) (*out[Profile], error) {
	if err := s.limits.profiles.spend(string(callerOf(ctx).Credential)); err != nil {
		return nil, err
	}
	a, err := s.Accounts.Account(ctx, in.Account)
	if err != nil {
		return nil, err
	}
	return reply(s.profileOf(ctx, a))
}

// Found is the account that was looked for.
type Found struct {
	Account Profile `json:"account"`
}

type findInput struct {
	Username string `query:"username" required:"true" doc:"Exactly."`
}

func (s *Server) findAccount(ctx context.Context, in *findInput) (*out[Found], error) {
	if err := s.limits.profiles.spend(string(callerOf(ctx).Credential)); err != nil {
		return nil, err
	}
	a, err := s.Accounts.ByUsername(ctx, in.Username)
	if err != nil {
		return nil, err
	}
	p, err := s.profileOf(ctx, a)
	return reply(Found{p}, err)
}

func (s *Server) profileOf(ctx context.Context, a account.Account) (Profile, error) {
	me := callerOf(ctx)
	p := Profile{Person: a.Person}
	edge, err := s.Social.Between(ctx, me.Account, a.ID)
	if err != nil {
		return p, err
	}
	if a.Suspended || edge.BlockedBy {
		p.Restricted = true
		return p, nil
	}
	counts, err := s.Social.Counts(ctx, a.ID)
	if err != nil {
		return p, err
	}
	mutuals, err := s.mutuals(ctx, me.Account, a.ID)
	if err != nil {
		return p, err
	}
	p.Details = &Details{
		JoinedAt: a.CreatedAt, Founder: a.Founder, NominatedBy: a.NominatedBy, Bio: a.Bio, Links: a.Links,
		Followers: counts.Followers, Following: counts.Following, Mutuals: mutuals,
		FollowsMe: edge.FollowsMe, Followed: edge.Followed, Bell: edge.Bell, Blocked: edge.Blocked,
		InRoom: s.Rooms.Where(ctx, me.actor(), a.ID),
	}
	return p, nil
}

func (s *Server) mutuals(ctx context.Context, me, other besedka.AccountID) (Mutuals, error) {
	m := Mutuals{People: []account.Person{}}
	if me == other {
		return m, nil
	}
	count, ids, err := s.Social.FollowersOfMine(ctx, me, other, mutualsShown)
	if err != nil {
		return m, err
	}
	m.Count = count
	m.People, err = s.named(ctx, ids)
	return m, err
}

// named gives the people with the ids, in their order.
func (s *Server) named(ctx context.Context, ids []besedka.AccountID) ([]account.Person, error) {
	known, err := s.Accounts.People(ctx, ids)
	if err != nil {
		return nil, err
	}
	list := make([]account.Person, 0, len(ids))
	for _, id := range ids {
		if p, ok := known[id]; ok {
			list = append(list, p)
		}
	}
	return list, nil
}

func (s *Server) follow(ctx context.Context, in *accountInput) (*nothing, error) {
	me := callerOf(ctx).Account
	if err := s.limits.changes.spend(string(me)); err != nil {
		return nil, err
	}
	err := s.Social.Follow(ctx, me, in.Account)
	s.Rooms.ForgetFollows(me)
	return done(err)
}

func (s *Server) unfollow(ctx context.Context, in *accountInput) (*nothing, error) {
	me := callerOf(ctx).Account
	if err := s.limits.changes.spend(string(me)); err != nil {
		return nil, err
	}
	err := s.Social.Unfollow(ctx, me, in.Account)
	s.Rooms.ForgetFollows(me)
	return done(err)
}

type bellInput struct {
	Account besedka.AccountID `path:"account"`
	Body    struct {
		Bell social.Bell `json:"bell" doc:"always, sometimes or never."`
	}
}

func (s *Server) setBell(ctx context.Context, in *bellInput) (*nothing, error) {
	me := callerOf(ctx).Account
	if err := s.limits.changes.spend(string(me)); err != nil {
		return nil, err
	}
	return done(s.Social.SetBell(ctx, me, in.Account, in.Body.Bell))
}

func (s *Server) block(ctx context.Context, in *accountInput) (*nothing, error) {
	me := callerOf(ctx).Account
	if err := s.limits.changes.spend(string(me)); err != nil {
		return nil, err
	}
	return done(s.Social.Block(ctx, me, in.Account))
}

func (s *Server) unblock(ctx context.Context, in *accountInput) (*nothing, error) {
	me := callerOf(ctx).Account
	if err := s.limits.changes.spend(string(me)); err != nil {
		return nil, err
	}
	return done(s.Social.Unblock(ctx, me, in.Account))
}

// People is a list to pick from.
type People struct {
	Accounts []account.Person `json:"accounts"`
}

func (s *Server) blocks(ctx context.Context, _ *struct{}) (*out[People], error) {
	ids, err := s.Social.Blocks(ctx, callerOf(ctx).Account)
	if err != nil {
		return nil, err
	}
	list, err := s.named(ctx, ids)
	return reply(People{list}, err)
}

const maxFollowing = 500 // shown

// ownFollowing lists whom the caller follows, the latest first, to pick from.
func (s *Server) ownFollowing(ctx context.Context, _ *struct{}) (*out[People], error) {
	ids, err := s.Social.Following(ctx, callerOf(ctx).Account)
	if err != nil {
		return nil, err
	}
	list, err := s.named(ctx, ids[:min(len(ids), maxFollowing)])
	return reply(People{list}, err)
}

// FollowPage is a part of a list of people.
type FollowPage struct {
	Accounts []account.Person `json:"accounts" doc:"At most 50."`
	Next     *string          `json:"next" doc:"Asks for what comes after; null at the end."`
}

type pageInput struct {
	Account besedka.AccountID `path:"account"`
	After   string            `query:"after" doc:"The next of the page before."`
}

func (s *Server) followers(ctx context.Context, in *pageInput) (*out[FollowPage], error) {
	return s.followPage(ctx, in, s.Social.FollowersPage)
}

func (s *Server) following(ctx context.Context, in *pageInput) (*out[FollowPage], error) {
	return s.followPage(ctx, in, s.Social.FollowingPage)
}

// followPage is a page of a list that belongs to a profile and is seen by whom sees that.
func (s *Server) followPage(ctx context.Context, in *pageInput,
	list func(ctx context.Context, of besedka.AccountID, after string) (social.Page, error)) (*out[FollowPage], error) {
	me := callerOf(ctx)
	if err := s.limits.profiles.spend(string(me.Credential)); err != nil {
		return nil, err
	}
	a, err := s.Accounts.Account(ctx, in.Account)
	if err != nil {
		return nil, err
	}
	edge, err := s.Social.Between(ctx, me.Account, in.Account)
	if err != nil {
		return nil, err
	}
	if a.Suspended || edge.BlockedBy {
		return nil, social.ErrNotPossible
	}
	page, err := list(ctx, in.Account, in.After)
	if err != nil {
		return nil, err
	}
	people, err := s.named(ctx, page.Accounts)
	shown := FollowPage{Accounts: people}
	if page.Next != "" {
		shown.Next = &page.Next
	}
	return reply(shown, err)
}
