package web

import (
	"context"
	"time"

	"besedka"
	"besedka/account"
)

// Profile is an account as others see it.
type Profile struct {
	account.Person
	JoinedAt    time.Time       `json:"joined_at"`
	Founder     bool            `json:"founder"`
	NominatedBy *account.Person `json:"nominated_by"`
	Followers   int             `json:"followers"`
	Following   int             `json:"following"`
	FollowsMe   bool            `json:"follows_me"`
	Followed    bool            `json:"followed" doc:"By the caller."`
	Bio         string          `json:"bio"`
	Links       []account.Link  `json:"links"`
}

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
	me := callerOf(ctx).Account
	p := Profile{Person: a.Person, JoinedAt: a.CreatedAt, Founder: a.Founder, NominatedBy: a.NominatedBy, Bio: a.Bio, Links: a.Links}
	counts, err := s.Social.Counts(ctx, a.ID)
	if err != nil {
		return p, err
	}
	p.Followers, p.Following = counts.Followers, counts.Following
	if p.FollowsMe, err = s.Social.Follows(ctx, a.ID, me); err != nil {
		return p, err
	}
	p.Followed, err = s.Social.Follows(ctx, me, a.ID)
	return p, err
}

func (s *Server) follow(ctx context.Context, in *accountInput) (*nothing, error) {
	me := callerOf(ctx).Account
	if _, err := s.Accounts.Account(ctx, in.Account); err != nil {
		return nil, err
	}
	err := s.Social.Follow(ctx, me, in.Account)
	s.Rooms.ForgetFollows(me)
	return done(err)
}

func (s *Server) unfollow(ctx context.Context, in *accountInput) (*nothing, error) {
	me := callerOf(ctx).Account
	err := s.Social.Unfollow(ctx, me, in.Account)
	s.Rooms.ForgetFollows(me)
	return done(err)
}

// People is a list to pick from.
type People struct {
	Accounts []account.Person `json:"accounts"`
}

const maxFollowing = 500 // shown

// following lists whom the caller follows. Whom others follow is not told.
func (s *Server) following(ctx context.Context, in *accountInput) (*out[People], error) {
	if in.Account != callerOf(ctx).Account {
		return nil, besedka.ErrNotFound
	}
	ids, err := s.Social.Following(ctx, in.Account)
	if err != nil {
		return nil, err
	}
	ids = ids[:min(len(ids), maxFollowing)]
	known, err := s.Accounts.People(ctx, ids)
	if err != nil {
		return nil, err
	}
	list := People{Accounts: []account.Person{}}
	for _, id := range ids {
		if p, ok := known[id]; ok {
			list.Accounts = append(list.Accounts, p)
		}
	}
	return reply(list, nil)
}
