package web

import (
	"context"

	"besedka"
	"besedka/room"
)

// What moderators and the stage do beside voices, hands and roles.

type logInput struct {
	Room  besedka.RoomID `path:"room"`
	After string         `query:"after" maxLength:"20" doc:"The next of the page before."`
}

func (s *Server) roomLog(ctx context.Context, in *logInput) (*out[*room.LogPage], error) {
	return reply(s.Rooms.Log(ctx, in.Room, actorOf(ctx), in.After))
}
