package web

import (
	"context"
	"errors"
	"strings"
	"time"

	"besedka"
	"besedka/room"
)

type invitableInput struct {
	Room  besedka.RoomID `path:"room"`
	Query string         `query:"q" doc:"A part of a name or username; or somebody's whole username, who need not be followed."`
}

// InvitablePeople are at most 50 people.
type InvitablePeople struct {
	People []room.Invitable `json:"people"`
}

func (s *Server) invitable(ctx context.Context, in *invitableInput) (*out[InvitablePeople], error) {
	var also []besedka.AccountID
	if in.Query != "" {
		if err := s.limits.searches.spend(string(callerOf(ctx).Credential)); err != nil {
			return nil, err
		}
		named, err := s.Accounts.ByUsername(ctx, strings.ToLower(strings.TrimSpace(in.Query)))
		switch {
		case err == nil:
			also = append(also, named.ID)
		case !errors.Is(err, besedka.ErrNotFound):
			return nil, err
		}
	}
	list, err := s.Rooms.Invitable(ctx, in.Room, actorOf(ctx), in.Query, also...)
	return reply(InvitablePeople{list}, err)
}

type reactInput struct {
	Room besedka.RoomID `path:"room"`
	Body struct {
		Reaction room.Reaction `json:"reaction" doc:"clap, heart, laugh, hundred or think."`
	}
}

func (s *Server) react(ctx context.Context, in *reactInput) (*nothing, error) {
	return done(s.Rooms.React(ctx, in.Room, actorOf(ctx), in.Body.Reaction))
}

func (s *Server) hideRoom(ctx context.Context, in *roomInput) (*nothing, error) {
	return done(s.Rooms.SetHidden(ctx, in.Room, actorOf(ctx), true))
}

func (s *Server) showRoom(ctx context.Context, in *roomInput) (*nothing, error) {
	return done(s.Rooms.SetHidden(ctx, in.Room, actorOf(ctx), false))
}

type shareInput struct {
	Room besedka.RoomID `path:"room"`
	Body struct {
		Comment string `json:"comment,omitempty" doc:"At most 280 characters on one line."`
	}
}

func (s *Server) shareRoom(ctx context.Context, in *shareInput) (*nothing, error) {
	if err := s.limits.shares.spend(string(callerOf(ctx).Account)); err != nil {
		return nil, err
	}
	return done(s.Rooms.Share(ctx, in.Room, actorOf(ctx), in.Body.Comment))
}

func (s *Server) unshareRoom(ctx context.Context, in *roomInput) (*nothing, error) {
	return done(s.Rooms.Unshare(ctx, in.Room, actorOf(ctx)))
}

// NewSpeakerLink is a link that puts its bearer on stage. Its code is told once.
type NewSpeakerLink struct {
	ID        string    `json:"id"`
	URL       string    `json:"url" doc:"The code is behind #, which browsers send to nobody."`
	ExpiresAt time.Time `json:"expires_at"`
}

func (s *Server) makeSpeakerLink(ctx context.Context, in *roomInput) (*out[NewSpeakerLink], error) {
	id, code, expires, err := s.Rooms.NewSpeakerLink(ctx, in.Room, actorOf(ctx))
	if err != nil {
		return nil, err
	}
	url := s.URL.JoinPath("speak", string(in.Room))
	url.Fragment = code
	return reply(NewSpeakerLink{ID: id, URL: url.String(), ExpiresAt: expires}, nil)
}

// SpeakerLinks are those that have not expired.
type SpeakerLinks struct {
	Links []room.SpeakerLink `json:"links"`
}

func (s *Server) speakerLinks(ctx context.Context, in *roomInput) (*out[SpeakerLinks], error) {
	links, err := s.Rooms.SpeakerLinks(ctx, in.Room, actorOf(ctx))
	return reply(SpeakerLinks{links}, err)
}

type speakerLinkInput struct {
	Room besedka.RoomID `path:"room"`
	Link string         `path:"link"`
}

func (s *Server) withdrawSpeakerLink(ctx context.Context, in *speakerLinkInput) (*nothing, error) {
	return done(s.Rooms.WithdrawSpeakerLink(ctx, in.Room, actorOf(ctx), in.Link))
}

func (s *Server) resetRoom(ctx context.Context, in *roomInput) (*nothing, error) {
	return done(s.Rooms.Reset(ctx, in.Room, actorOf(ctx)))
}

// Faces are people as they look now.
type Faces struct {
	Participants []room.FreshFace `json:"participants"`
}

func (s *Server) faces(ctx context.Context, in *roomInput) (*out[Faces], error) {
	if err := s.limits.faces.spend(string(callerOf(ctx).Credential)); err != nil {
		return nil, err
	}
	list, err := s.Rooms.Faces(ctx, in.Room, actorOf(ctx))
	return reply(Faces{list}, err)
}
