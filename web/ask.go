package web

import (
	"context"

	"besedka"
	"besedka/ask"
	"besedka/room"
)

// Questions and polls.

func (s *Server) questions(ctx context.Context, in *roomInput) (*out[ask.Questions], error) {
	return reply(s.Ask.List(ctx, in.Room, callerOf(ctx).Account))
}

type askInput struct {
	Room besedka.RoomID `path:"room"`
	Body struct {
		Text      string `json:"text" doc:"1 to 280 characters."`
		Anonymous bool   `json:"anonymous,omitempty" doc:"Nobody is told who asks, moderators neither; where the room allows it."`
	}
}

func (s *Server) askQuestion(ctx context.Context, in *askInput) (*out[ask.Question], error) {
	return reply(s.Ask.Ask(ctx, in.Room, callerOf(ctx).Account, in.Body.Text, in.Body.Anonymous))
}

type questionInput struct {
	Room     besedka.RoomID `path:"room"`
	Question string         `path:"question"`
}

func (s *Server) deleteQuestion(ctx context.Context, in *questionInput) (*nothing, error) {
	return done(s.Ask.Delete(ctx, in.Room, callerOf(ctx).Account, in.Question))
}

func (s *Server) voteFor(ctx context.Context, in *questionInput) (*nothing, error) {
	return done(s.Ask.Vote(ctx, in.Room, callerOf(ctx).Account, in.Question, true))
}

func (s *Server) unvote(ctx context.Context, in *questionInput) (*nothing, error) {
	return done(s.Ask.Vote(ctx, in.Room, callerOf(ctx).Account, in.Question, false))
}

func (s *Server) answering(ctx context.Context, in *questionInput) (*out[ask.Answering], error) {
	return reply(s.Ask.Answer(ctx, in.Room, callerOf(ctx).Account, in.Question))
}

func (s *Server) answered(ctx context.Context, in *questionInput) (*nothing, error) {
	return done(s.Ask.Answered(ctx, in.Room, callerOf(ctx).Account, in.Question))
}

func (s *Server) comeUp(ctx context.Context, in *questionInput) (*out[*room.View], error) {
	return s.view(ctx, in.Room, s.Ask.ComeUp(ctx, in.Room, callerOf(ctx).Account, in.Question))
}

// Polls is the list of a room's polls.
type Polls struct {
	Polls []ask.Poll `json:"polls" doc:"The latest first."`
}

func (s *Server) polls(ctx context.Context, in *roomInput) (*out[Polls], error) {
	list, err := s.Ask.Polls(ctx, in.Room, callerOf(ctx).Account)
	return reply(Polls{list}, err)
}

type pollInput struct {
	Room besedka.RoomID `path:"room"`
	Body struct {
		Question string   `json:"question" doc:"1 to 140 characters."`
		Options  []string `json:"options" doc:"2 to 6 different ones of 1 to 60 characters."`
	}
}

func (s *Server) openPoll(ctx context.Context, in *pollInput) (*out[ask.Poll], error) {
	return reply(s.Ask.OpenPoll(ctx, in.Room, callerOf(ctx).Account, in.Body.Question, in.Body.Options))
}

type pollVoteInput struct {
	Room besedka.RoomID `path:"room"`
	Poll string         `path:"poll"`
	Body struct {
		Option int `json:"option" doc:"From 0."`
	}
}

func (s *Server) votePoll(ctx context.Context, in *pollVoteInput) (*nothing, error) {
	return done(s.Ask.VotePoll(ctx, in.Room, callerOf(ctx).Account, in.Poll, in.Body.Option))
}

type onePollInput struct {
	Room besedka.RoomID `path:"room"`
	Poll string         `path:"poll"`
}

func (s *Server) closePoll(ctx context.Context, in *onePollInput) (*out[ask.Poll], error) {
	return reply(s.Ask.ClosePoll(ctx, in.Room, callerOf(ctx).Account, in.Poll))
}
