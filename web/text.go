package web

import (
	"context"

	"besedka"
	"besedka/room"
)

// The pin, the agenda and the settings of chat and questions are the room's own.

type pinInput struct {
	Room besedka.RoomID `path:"room"`
	Body struct {
		URL string `json:"url" doc:"http or https, at most 2,000 bytes. The server looks at the page afterwards: pin_previewed tells its title."`
	}
}

func (s *Server) pin(ctx context.Context, in *pinInput) (*out[*room.View], error) {
	return s.view(ctx, in.Room, s.Rooms.SetPin(ctx, in.Room, actorOf(ctx), in.Body.URL))
}

func (s *Server) unpin(ctx context.Context, in *roomInput) (*nothing, error) {
	return done(s.Rooms.Unpin(ctx, in.Room, actorOf(ctx)))
}

// Pins is what is and was pinned in a room.
type Pins struct {
	Pins []room.PastPin `json:"pins" doc:"The latest first, at most 100."`
}

func (s *Server) pins(ctx context.Context, in *roomInput) (*out[Pins], error) {
	list, err := s.Rooms.Pins(ctx, in.Room, actorOf(ctx))
	return reply(Pins{list}, err)
}

type agendaInput struct {
	Room besedka.RoomID `path:"room"`
	Body struct {
		Markdown string `json:"markdown" doc:"At most 4,000 characters; the lines of its lists are the items. Empty takes the agenda away."`
	}
}

func (s *Server) setAgenda(ctx context.Context, in *agendaInput) (*out[*room.View], error) {
	return s.view(ctx, in.Room, s.Rooms.SetAgenda(ctx, in.Room, actorOf(ctx), in.Body.Markdown))
}

type agendaNowInput struct {
	Room besedka.RoomID `path:"room"`
	Body struct {
		Item *int   `json:"item" nullable:"true" doc:"The item under discussion, from 0; null for none."`
		Text string `json:"text,omitempty" doc:"That item as it was seen: where it reads otherwise now, the answer is 409 agenda_changed."`
	}
}

func (s *Server) moveAgenda(ctx context.Context, in *agendaNowInput) (*out[*room.View], error) {
	return s.view(ctx, in.Room, s.Rooms.MoveAgenda(ctx, in.Room, actorOf(ctx), in.Body.Item, in.Body.Text))
}

type chatSettingInput struct {
	Room besedka.RoomID `path:"room"`
	Body struct {
		Mode        *besedka.Chat `json:"mode,omitempty" doc:"Who may write: everyone, followers (of the host or a moderator here) or off."`
		SlowSeconds *int          `json:"slow_seconds,omitempty" doc:"The least time between two messages of one person, 0 to 60."`
	}
}

func (s *Server) setChat(ctx context.Context, in *chatSettingInput) (*out[*room.View], error) {
	return s.view(ctx, in.Room, s.Rooms.SetChat(ctx, in.Room, actorOf(ctx), in.Body.Mode, in.Body.SlowSeconds))
}

type questionsSettingInput struct {
	Room besedka.RoomID `path:"room"`
	Body struct {
		On        *bool `json:"on,omitempty"`
		Anonymous *bool `json:"anonymous,omitempty" doc:"Questions may be asked without a name."`
	}
}

func (s *Server) setQuestions(ctx context.Context, in *questionsSettingInput) (*out[*room.View], error) {
	return s.view(ctx, in.Room, s.Rooms.SetQuestions(ctx, in.Room, actorOf(ctx), in.Body.On, in.Body.Anonymous))
}
