package web

import (
	"context"

	"besedka"
	"besedka/chat"
)

// What people write in a room.

type messagesInput struct {
	Room   besedka.RoomID `path:"room"`
	Before string         `query:"before" doc:"next of another page."`
	Limit  int            `query:"limit" doc:"At most 100; 50 if none is given."`
}

type messageInput struct {
	Room besedka.RoomID `path:"room"`
	Body struct {
		Text string `json:"text" doc:"1 to 500 characters; line ends are kept."`
	}
}

func (s *Server) messages(ctx context.Context, in *messagesInput) (*out[chat.Page], error) {
	return reply(s.Chat.Messages(ctx, in.Room, callerOf(ctx).Account, in.Before, in.Limit))
}

func (s *Server) post(ctx context.Context, in *messageInput) (*out[chat.Message], error) {
	return reply(s.Chat.Post(ctx, in.Room, callerOf(ctx).Account, in.Body.Text))
}

func (s *Server) backchannel(ctx context.Context, in *messagesInput) (*out[chat.Page], error) {
	return reply(s.Chat.Backchannel(ctx, in.Room, callerOf(ctx).Account, in.Before, in.Limit))
}

func (s *Server) postBackchannel(ctx context.Context, in *messageInput) (*out[chat.Message], error) {
	return reply(s.Chat.PostBackchannel(ctx, in.Room, callerOf(ctx).Account, in.Body.Text))
}

type oneMessageInput struct {
	Room    besedka.RoomID `path:"room"`
	Message string         `path:"message"`
}

func (s *Server) deleteMessage(ctx context.Context, in *oneMessageInput) (*nothing, error) {
	return done(s.Chat.Delete(ctx, in.Room, callerOf(ctx).Account, in.Message))
}

func (s *Server) muteInChat(ctx context.Context, in *targetInput) (*nothing, error) {
	return done(s.Chat.Mute(ctx, in.Room, callerOf(ctx).Account, in.Account))
}

func (s *Server) unmuteInChat(ctx context.Context, in *targetInput) (*nothing, error) {
	return done(s.Chat.Unmute(ctx, in.Room, callerOf(ctx).Account, in.Account))
}
