package web

import (
	"context"

	"besedka"
	"besedka/room"
)

type peopleInput struct {
	Room  besedka.RoomID `path:"room"`
	Query string         `query:"q" doc:"A part of a name or username; at most 60 characters."`
	After string         `query:"after" doc:"What the page before gave as next."`
}

func (s *Server) roomPeople(ctx context.Context, in *peopleInput) (*out[*room.PeoplePage], error) {
	if in.Query != "" {
		if err := s.limits.searches.spend(string(callerOf(ctx).Credential)); err != nil {
			return nil, err
		}
	}
	return reply(s.Rooms.Find(ctx, in.Room, actorOf(ctx), in.Query, in.After))
}
