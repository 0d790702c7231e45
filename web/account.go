package web

import (
	"context"
	"net/http"
	"strings"
	"time"

	"besedka"
	"besedka/account"
	"besedka/i18n"
)

// nothing is the output of operations that have none.
type nothing struct{}

// out is an output with a body.
type out[B any] struct{ Body B }

func reply[B any](body B, err error) (*out[B], error) {
	if err != nil {
		return nil, err
	}
	return &out[B]{body}, nil
}

func done(err error) (*nothing, error) {
	if err != nil {
		return nil, err
	}
	return &nothing{}, nil
}

// Instance is what strangers may know of the server.
type Instance struct {
	Name         string   `json:"name"`
	Version      string   `json:"version"`
	Registration string   `json:"registration" enum:"invite_only"`
	Languages    []string `json:"languages"`
	Guests       bool     `json:"guests" doc:"Rooms may let guests listen."`
}

func (s *Server) instance(context.Context, *struct{}) (*out[Instance], error) {
	i := Instance{Name: s.Name, Version: s.Version, Registration: "invite_only", Guests: s.Guests}
	for _, l := range i18n.Languages() {
		i.Languages = append(i.Languages, string(l))
	}
	return reply(i, nil)
}

// Self is the caller: an account, or a guest, who has an id and a room only.
type Self struct {
	ID              string          `json:"id"`
	Guest           bool            `json:"guest,omitempty"`
	Username        string          `json:"username,omitempty"`
	Name            string          `json:"name,omitempty"`
	Photo           string          `json:"photo"`
	CreatedAt       *time.Time      `json:"created_at,omitempty"`
	Founder         bool            `json:"founder"`
	NominatedBy     *account.Person `json:"nominated_by"`
	InvitationsLeft *int            `json:"invitations_left" doc:"null: without limit."`
	Bio             string          `json:"bio"`
	Links           []account.Link  `json:"links"`
	NameChangeable  bool            `json:"name_changeable" doc:"The name may be changed once."`
	Room            *besedka.RoomID `json:"room" doc:"Where the caller has a seat."`
	SeatHere        bool            `json:"seat_here" doc:"The seat is held by this very credential, or waits for its owner since the server was started."`
}

func (s *Server) me(ctx context.Context, _ *struct{}) (*out[Self], error) {
	c := callerOf(ctx)
	if c.Guest != "" {
		_, cred, seated := s.Rooms.SeatOf(c.Participant())
		return reply(Self{ID: string(c.Guest), Guest: true, Links: []account.Link{}, Room: &c.Room, SeatHere: seated && isHere(cred, c.Credential)}, nil)
	}
	a, err := s.Accounts.Account(ctx, c.Account)
	return reply(s.self(a, c.Credential), err)
}

func (s *Server) self(a account.Account, here besedka.CredentialID) Self {
	me := Self{
		ID: string(a.ID), Username: a.Username, Name: a.Name, Photo: a.Photo, CreatedAt: &a.CreatedAt,
		Founder: a.Founder, NominatedBy: a.NominatedBy, InvitationsLeft: a.InvitationsLeft,
		Bio: a.Bio, Links: a.Links, NameChangeable: a.NameChangeable,
	}
	if room, cred, seated := s.Rooms.SeatOf(a.ID.Participant()); seated {
		me.Room, me.SeatHere = &room, isHere(cred, here)
	}
	return me
}

// isHere says whether a seat taken with one credential is one's own with another. After a
// restart it waits for its owner, whichever device he comes back with.
func isHere(taken, own besedka.CredentialID) bool { return taken == "" || taken == own }

// signedIn is the answer to signing up and in.
type signedIn struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
	Body      Self
}

func (s *Server) signedIn(a account.Account, token string) *signedIn {
	return &signedIn{SetCookie: *s.cookie(token), Body: s.self(a, "")}
}

type signUpInput struct {
	UserAgent string `header:"User-Agent"`
	Body      struct {
		Invitation string `json:"invitation" doc:"The code, or the whole link."`
		Username   string `json:"username" doc:"3 to 16 of a–z, 0–9 and _."`
		Name       string `json:"name" doc:"1 to 60 characters."`
		Password   string `json:"password" doc:"15 to 256 characters."`
	}
}

func (s *Server) signUp(ctx context.Context, in *signUpInput) (*signedIn, error) {
	place := callOf(ctx).addr
	if err := s.limits.entrance.spend(addressKey(place)); err != nil {
		return nil, err
	}
	b := in.Body
	a, token, err := s.Accounts.SignUp(ctx, account.SignUp{
		Invitation: b.Invitation, Username: b.Username, Name: b.Name, Password: b.Password,
		UserAgent: in.UserAgent, Address: place.String(),
	})
	if err != nil {
		return nil, err
	}
	return s.signedIn(a, token), nil
}

type signInInput struct {
	UserAgent string `header:"User-Agent"`
	Body      struct {
		Username string `json:"username"`
		Password string `json:"password"`
	}
}

func (s *Server) signIn(ctx context.Context, in *signInInput) (*signedIn, error) {
	place := callOf(ctx).addr
	if err := s.limits.entrance.spend(addressKey(place)); err != nil {
		return nil, err
	}
	a, token, err := s.Accounts.SignIn(ctx, account.SignIn{
		Username: in.Body.Username, Password: in.Body.Password, UserAgent: in.UserAgent, Address: place.String(),
	})
	if err != nil {
		return nil, err
	}
	return s.signedIn(a, token), nil
}

type passwordInput struct {
	Body struct {
		Current  string `json:"current" doc:"The present passphrase."`
		Password string `json:"password" doc:"The new one, 15 to 256 characters."`
	}
}

func (s *Server) changePassword(ctx context.Context, in *passwordInput) (*nothing, error) {
	c := callOf(ctx)
	if err := s.limits.entrance.spend(addressKey(c.addr)); err != nil {
		return nil, err
	}
	return done(s.Accounts.ChangePassword(ctx, account.PasswordChange{
		Account: c.caller.Account, Credential: c.caller.Credential,
		Current: in.Body.Current, Password: in.Body.Password, Address: c.addr.String(),
	}))
}

// signedOut takes back the cookie.
type signedOut struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
}

func (s *Server) signOut(ctx context.Context, _ *struct{}) (*signedOut, error) {
	if err := s.Accounts.SignOut(ctx, callerOf(ctx).Credential); err != nil {
		return nil, err
	}
	return &signedOut{*s.cookie("")}, nil
}

// Sessions are where the caller is signed in.
type Sessions struct {
	Sessions []account.Session `json:"sessions"`
}

func (s *Server) sessions(ctx context.Context, _ *struct{}) (*out[Sessions], error) {
	c := callerOf(ctx)
	list, err := s.Accounts.Sessions(ctx, c.Account)
	for i := range list {
		list[i].Current = list[i].ID == c.Credential
	}
	return reply(Sessions{list}, err)
}

type sessionInput struct {
	Session besedka.CredentialID `path:"session"`
}

func (s *Server) revokeSession(ctx context.Context, in *sessionInput) (*nothing, error) {
	return done(s.Accounts.Revoke(ctx, callerOf(ctx).Account, in.Session))
}

// NewInvitation is told once, to who made it.
type NewInvitation struct {
	ID        besedka.InvitationID `json:"id"`
	Code      string               `json:"code"`
	URL       string               `json:"url"`
	CreatedAt time.Time            `json:"created_at"`
	ExpiresAt time.Time            `json:"expires_at"`
}

type inviteInput struct {
	Body *struct {
		Note string `json:"note,omitempty" doc:"For the person invited; at most 280 characters."`
	}
}

func (s *Server) invite(ctx context.Context, in *inviteInput) (*out[NewInvitation], error) {
	note := ""
	if in.Body != nil {
		note = in.Body.Note
	}
	i, err := s.Accounts.Invite(ctx, callerOf(ctx).Account, note)
	return reply(NewInvitation{ID: i.ID, Code: i.Code, URL: i.URL, CreatedAt: i.CreatedAt, ExpiresAt: i.ExpiresAt}, err)
}

func (s *Server) invitations(ctx context.Context, _ *struct{}) (*out[account.InvitationList], error) {
	return reply(s.Accounts.Invitations(ctx, callerOf(ctx).Account))
}

type invitationInput struct {
	Invitation besedka.InvitationID `path:"invitation"`
}

func (s *Server) revokeInvitation(ctx context.Context, in *invitationInput) (*nothing, error) {
	return done(s.Accounts.RevokeInvitation(ctx, callerOf(ctx).Account, in.Invitation))
}

type previewInput struct {
	Body struct {
		Invitation string `json:"invitation" doc:"The code, or the whole link."`
	}
}

func (s *Server) previewInvitation(ctx context.Context, in *previewInput) (*out[account.Preview], error) {
	place := callOf(ctx).addr
	if err := s.limits.entrance.spend(addressKey(place)); err != nil {
		return nil, err
	}
	return reply(s.Accounts.PreviewInvitation(ctx, strings.TrimSpace(in.Body.Invitation), place.String()))
}
