package web

import (
	"context"

	"besedka"
	"besedka/room"
)

// What moderators and the stage do beside voices, hands and roles.

type widenInput struct {
	Room besedka.RoomID `path:"room"`
	Body struct {
		Kind room.Kind `json:"kind" doc:"social or open: wider than the room is."`
	}
}

func (s *Server) widen(ctx context.Context, in *widenInput) (*out[*room.View], error) {
	return s.view(ctx, in.Room, s.Rooms.Widen(ctx, in.Room, actorOf(ctx), in.Body.Kind))
}

func (s *Server) keepVisibility(ctx context.Context, in *roomInput) (*nothing, error) {
	return done(s.Rooms.KeepVisibility(ctx, in.Room, actorOf(ctx)))
}

type attributionInput struct {
	Room besedka.RoomID `path:"room"`
	Body struct {
		To room.Attribution `json:"to" doc:"on_record, background, chatham_house or off_record."`
	}
}

func (s *Server) askAttribution(ctx context.Context, in *attributionInput) (*out[*room.View], error) {
	return s.view(ctx, in.Room, s.Rooms.AskAttribution(ctx, in.Room, actorOf(ctx), in.Body.To))
}

func (s *Server) agreeAttribution(ctx context.Context, in *roomInput) (*out[*room.View], error) {
	return s.view(ctx, in.Room, s.Rooms.AgreeAttribution(ctx, in.Room, actorOf(ctx)))
}

func (s *Server) refuseAttribution(ctx context.Context, in *roomInput) (*nothing, error) {
	return done(s.Rooms.RefuseAttribution(ctx, in.Room, actorOf(ctx)))
}

func (s *Server) withdrawAttribution(ctx context.Context, in *roomInput) (*nothing, error) {
	return done(s.Rooms.WithdrawAttribution(ctx, in.Room, actorOf(ctx)))
}

type nextInput struct {
	Room besedka.RoomID `path:"room"`
	Body struct {
		Count   int  `json:"count" doc:"How many hands, 1 to 10."`
		Confirm bool `json:"confirm,omitempty" doc:"Also those whom people on stage block; without it they are passed over."`
	}
}

// BroughtUp says who is on stage now of the queue.
type BroughtUp struct {
	OnStage []besedka.AccountID `json:"on_stage" doc:"Fewer than asked for where the queue is shorter or the stage full."`
}

func (s *Server) bringUpNext(ctx context.Context, in *nextInput) (*out[BroughtUp], error) {
	up, err := s.Rooms.BringUpNext(ctx, in.Room, moderatorOf(ctx, in.Body.Confirm), in.Body.Count)
	return reply(BroughtUp{up}, err)
}

// SuggestedSpeakers are people in the audience whom one might bring up.
type SuggestedSpeakers struct {
	People []room.Suggestion `json:"people"`
}

func (s *Server) suggestedSpeakers(ctx context.Context, in *roomInput) (*out[SuggestedSpeakers], error) {
	people, err := s.Rooms.SuggestedSpeakers(ctx, in.Room, actorOf(ctx))
	return reply(SuggestedSpeakers{people}, err)
}

type timerInput struct {
	Room besedka.RoomID `path:"room"`
	Body struct {
		Account besedka.AccountID `json:"account" doc:"Somebody on stage."`
		Seconds int               `json:"seconds" doc:"60, 120, 180 or 300."`
	}
}

func (s *Server) setTimer(ctx context.Context, in *timerInput) (*nothing, error) {
	return done(s.Rooms.SetTimer(ctx, in.Room, actorOf(ctx), in.Body.Account, in.Body.Seconds))
}

func (s *Server) clearTimer(ctx context.Context, in *roomInput) (*nothing, error) {
	return done(s.Rooms.ClearTimer(ctx, in.Room, actorOf(ctx)))
}

type logInput struct {
	Room  besedka.RoomID `path:"room"`
	After string         `query:"after" maxLength:"20" doc:"The next of the page before."`
}

func (s *Server) roomLog(ctx context.Context, in *logInput) (*out[*room.LogPage], error) {
	return reply(s.Rooms.Log(ctx, in.Room, actorOf(ctx), in.After))
}
