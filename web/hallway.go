package web

import (
	"context"

	"besedka/room"
)

// Hallway is the list of rooms that are open to the caller.
type Hallway struct {
	Rooms []room.Card `json:"rooms"`
}

func (s *Server) hallway(ctx context.Context, _ *struct{}) (*out[Hallway], error) {
	cards, err := s.Rooms.Hallway(ctx, callerOf(ctx).Account)
	return reply(Hallway{cards}, err)
}
