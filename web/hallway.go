package web

import (
	"context"
	"slices"

	"besedka"
	"besedka/room"
)

// Hallway is the list of rooms that are open to the caller.
type Hallway struct {
	Rooms  []room.Card `json:"rooms"`
	Hidden HiddenRooms `json:"hidden"`
}

// HiddenRooms says how many rooms are left out of a hallway.
type HiddenRooms struct {
	Blocked int `json:"blocked" doc:"Where somebody whom the caller blocks is on stage."`
}

type hallwayInput struct {
	Blocked string `query:"blocked" doc:"show: also rooms where somebody whom the caller blocks is on stage."`
}

func (s *Server) hallway(ctx context.Context, in *hallwayInput) (*out[Hallway], error) {
	if in.Blocked != "" && in.Blocked != "show" {
		return nil, besedka.ErrInvalid.In("blocked")
	}
	cards, err := s.Rooms.Hallway(ctx, callerOf(ctx).Account)
	h := Hallway{Rooms: cards}
	if in.Blocked == "" {
		h.Rooms = slices.DeleteFunc(cards, func(c room.Card) bool { return c.BlockedOnStage })
		h.Hidden.Blocked = len(cards) - len(h.Rooms)
	}
	return reply(h, err)
}
