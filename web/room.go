package web

import (
	"cmp"
	"context"

	"besedka"
	"besedka/i18n"
	"besedka/room"
)

type roomInput struct {
	Room besedka.RoomID `path:"room"`
}

// targetInput names somebody in a room.
type targetInput struct {
	Room    besedka.RoomID    `path:"room"`
	Account besedka.AccountID `path:"account"`
}

// chosen is the body that names an account.
type chosen struct {
	Account besedka.AccountID `json:"account"`
}

type chosenInput struct {
	Room besedka.RoomID `path:"room"`
	Body chosen
}

// actorOf is the caller as rooms know them.
func actorOf(ctx context.Context) room.Actor { return callerOf(ctx).actor() }

// view is the room after a command that answers with it.
func (s *Server) view(ctx context.Context, id besedka.RoomID, err error) (*out[*room.View], error) {
	if err != nil {
		return nil, err
	}
	return reply(s.Rooms.View(ctx, id, actorOf(ctx)))
}

type openInput struct {
	AcceptLanguage string `header:"Accept-Language"`
	Body           struct {
		Title         string              `json:"title,omitempty" doc:"At most 60 characters."`
		Kind          room.Kind           `json:"kind" doc:"open, social or closed."`
		GuestsAllowed bool                `json:"guests_allowed,omitempty" doc:"Guests may listen to an open room."`
		Invite        []besedka.AccountID `json:"invite,omitempty" doc:"At most 100 people to ask into the room."`
		Language      string              `json:"language,omitempty" doc:"Two or three letters of BCP 47; if none is given, the first of Accept-Language."`
		Attribution   room.Attribution    `json:"attribution,omitempty" doc:"on_record, background, chatham_house or off_record, which is meant if none is given."`
		QueueRule     room.QueueRule      `json:"queue_rule,omitempty" doc:"first_come, which is meant if none is given, least_airtime, first_timers, alternate or lot."`
		Chat          besedka.Chat        `json:"chat,omitempty" doc:"Who may write: everyone, which is meant if nothing is said, followers or off."`
	}
}

func (s *Server) openRoom(ctx context.Context, in *openInput) (*out[*room.View], error) {
	b := in.Body
	if b.GuestsAllowed && !s.Guests {
		return nil, room.ErrGuestsNotAllowed.In("guests_allowed")
	}
	id, err := s.Rooms.Open(ctx, actorOf(ctx), room.Opening{Title: b.Title, Kind: b.Kind, GuestsAllowed: b.GuestsAllowed, Invite: b.Invite,
		Language: cmp.Or(b.Language, i18n.Spoken(in.AcceptLanguage)), Attribution: b.Attribution, Queue: b.QueueRule, Chat: b.Chat})
	if err == nil {
		err = s.seated(ctx, id)
	}
	return s.view(ctx, id, err)
}

func (s *Server) viewRoom(ctx context.Context, in *roomInput) (*out[*room.View], error) {
	return s.view(ctx, in.Room, nil)
}

type changeInput struct {
	Room besedka.RoomID `path:"room"`
	Body struct {
		Title *string     `json:"title,omitempty" doc:"At most 60 characters."`
		Hands *room.Hands `json:"hands,omitempty" doc:"Who may raise a hand: everyone, followed, not_spoken or off."`

		QueueRule *room.QueueRule `json:"queue_rule,omitempty" doc:"In which order hands are served: first_come, least_airtime, first_timers, alternate or lot."`

		StageReactions *bool `json:"stage_reactions,omitempty" doc:"People on stage may react too."`
	}
}

func (s *Server) changeRoom(ctx context.Context, in *changeInput) (*out[*room.View], error) {
	var err error
	if in.Body.Title != nil {
		err = s.Rooms.SetTitle(ctx, in.Room, actorOf(ctx), *in.Body.Title)
	}
	if err == nil && in.Body.Hands != nil {
		err = s.Rooms.SetHands(ctx, in.Room, actorOf(ctx), *in.Body.Hands)
	}
	if err == nil && in.Body.QueueRule != nil {
		err = s.Rooms.SetQueueRule(ctx, in.Room, actorOf(ctx), *in.Body.QueueRule)
	}
	if err == nil && in.Body.StageReactions != nil {
		err = s.Rooms.SetStageReactions(ctx, in.Room, actorOf(ctx), *in.Body.StageReactions)
	}
	return s.view(ctx, in.Room, err)
}

func (s *Server) endRoom(ctx context.Context, in *roomInput) (*nothing, error) {
	return done(s.Rooms.End(ctx, in.Room, actorOf(ctx)))
}

type enterInput struct {
	Room besedka.RoomID `path:"room"`
	Body *struct {
		Overflow    bool   `json:"overflow,omitempty" doc:"If the audience is full, listen all the same: heard one way, counted, shown to nobody."`
		SpeakerLink string `json:"speaker_link,omitempty" doc:"The code of a speaker link: enter and come on stage."`
	}
}

func (s *Server) enter(ctx context.Context, in *enterInput) (*out[*room.View], error) {
	var how room.Entry
	if in.Body != nil {
		how = room.Entry{Overflow: in.Body.Overflow, SpeakerLink: in.Body.SpeakerLink}
	}
	err := s.Rooms.EnterBy(ctx, in.Room, actorOf(ctx), how)
	if err == nil {
		err = s.seated(ctx, in.Room)
	}
	return s.view(ctx, in.Room, err)
}

// seated connects a new seat with the event streams that its credential has
// open, and makes sure that the credential was not revoked meanwhile: who
// revokes it gives up the seats that there are.
func (s *Server) seated(ctx context.Context, id besedka.RoomID) error {
	c := callerOf(ctx)
	for _, line := range s.streams.of(c.Credential, id) {
		s.Rooms.Connected(id, c.Participant(), c.Credential, room.Line{ID: line})
	}
	err := s.still(ctx)
	if err != nil {
		s.Rooms.LeaveCredential(ctx, c.Credential)
	}
	return err
}

func (s *Server) leave(ctx context.Context, in *roomInput) (*nothing, error) {
	return done(s.Rooms.Leave(ctx, in.Room, actorOf(ctx)))
}

func (s *Server) mute(ctx context.Context, in *roomInput) (*nothing, error) {
	return done(s.Rooms.Mute(ctx, in.Room, actorOf(ctx)))
}

func (s *Server) unmute(ctx context.Context, in *roomInput) (*nothing, error) {
	return done(s.Rooms.Unmute(ctx, in.Room, actorOf(ctx)))
}

type handInput struct {
	Room besedka.RoomID `path:"room"`
	Body *struct {
		Note  string `json:"note,omitempty" doc:"What it is about; at most 80 characters."`
		Group string `json:"group,omitempty" doc:"Whom I speak for, where groups take turns; at most 40 characters."`
	}
}

func (s *Server) raiseHand(ctx context.Context, in *handInput) (*nothing, error) {
	note, group := "", ""
	if in.Body != nil {
		note, group = in.Body.Note, in.Body.Group
	}
	return done(s.Rooms.RaiseHand(ctx, in.Room, actorOf(ctx), note, group))
}

func (s *Server) lowerHand(ctx context.Context, in *roomInput) (*nothing, error) {
	return done(s.Rooms.LowerHand(ctx, in.Room, actorOf(ctx)))
}

func (s *Server) lowerAllHands(ctx context.Context, in *roomInput) (*nothing, error) {
	return done(s.Rooms.LowerAllHands(ctx, in.Room, actorOf(ctx)))
}

func (s *Server) lowerHandOf(ctx context.Context, in *targetInput) (*nothing, error) {
	return done(s.Rooms.LowerHandOf(ctx, in.Room, actorOf(ctx), in.Account))
}

// Invited says what became of an invitation to the stage.
type Invited struct {
	OnStage bool `json:"on_stage" doc:"True at once for who had a hand up; others are asked."`
}

// raised is whom a moderator brings on stage.
type raised struct {
	Account besedka.AccountID `json:"account"`
	Confirm bool              `json:"confirm,omitempty" doc:"Also beside people on stage who block them; without it that is refused as blocked_on_stage."`
}

type raisedInput struct {
	Room besedka.RoomID `path:"room"`
	Body raised
}

// moderatorOf is the caller, who may have confirmed what they do.
func moderatorOf(ctx context.Context, confirmed bool) room.Actor {
	if confirmed {
		return actorOf(ctx).Sure()
	}
	return actorOf(ctx)
}

func (s *Server) inviteToStage(ctx context.Context, in *raisedInput) (*out[Invited], error) {
	onStage, err := s.Rooms.InviteToStage(ctx, in.Room, moderatorOf(ctx, in.Body.Confirm), in.Body.Account)
	return reply(Invited{onStage}, err)
}

func (s *Server) acceptStage(ctx context.Context, in *roomInput) (*out[*room.View], error) {
	return s.view(ctx, in.Room, s.Rooms.AcceptStage(ctx, in.Room, actorOf(ctx)))
}

func (s *Server) declineStage(ctx context.Context, in *roomInput) (*nothing, error) {
	return done(s.Rooms.DeclineStage(ctx, in.Room, actorOf(ctx)))
}

type roleInput struct {
	Room    besedka.RoomID    `path:"room"`
	Account besedka.AccountID `path:"account"`
	Body    struct {
		Role    besedka.Role `json:"role" doc:"moderator, speaker or listener."`
		Reason  string       `json:"reason,omitempty" doc:"Of a move to the audience, told to that person only; at most 280 characters."`
		Confirm bool         `json:"confirm,omitempty" doc:"To speaker, also beside people on stage who block them; without it that is refused as blocked_on_stage."`
	}
}

func (s *Server) setRole(ctx context.Context, in *roleInput) (*out[*room.View], error) {
	if in.Body.Role == besedka.RoleListener {
		return s.view(ctx, in.Room, s.Rooms.MoveToAudience(ctx, in.Room, actorOf(ctx), in.Account, in.Body.Reason))
	}
	return s.view(ctx, in.Room, s.Rooms.SetRole(ctx, in.Room, moderatorOf(ctx, in.Body.Confirm), in.Account, in.Body.Role))
}

func (s *Server) silence(ctx context.Context, in *targetInput) (*nothing, error) {
	return done(s.Rooms.Silence(ctx, in.Room, actorOf(ctx), in.Account))
}

func (s *Server) liftSilence(ctx context.Context, in *targetInput) (*nothing, error) {
	return done(s.Rooms.LiftSilence(ctx, in.Room, actorOf(ctx), in.Account))
}

func (s *Server) muteOther(ctx context.Context, in *targetInput) (*nothing, error) {
	return done(s.Rooms.MuteOther(ctx, in.Room, actorOf(ctx), in.Account))
}

func (s *Server) muteAll(ctx context.Context, in *roomInput) (*nothing, error) {
	return done(s.Rooms.MuteAll(ctx, in.Room, actorOf(ctx)))
}

type removeInput struct {
	Room    besedka.RoomID        `path:"room"`
	Account besedka.ParticipantID `path:"account" doc:"An account, or a guest."`
	Reason  string                `query:"reason" doc:"spam, harassment, hate, noise, impersonation, off_topic or other, which is meant if none is given."`
	Note    string                `query:"note" doc:"Told to the person removed; at most 280 characters."`
}

func (s *Server) remove(ctx context.Context, in *removeInput) (*nothing, error) {
	reason := in.Reason
	if reason == "" {
		reason = "other"
	}
	return done(s.Rooms.Remove(ctx, in.Room, actorOf(ctx), in.Account, reason, in.Note))
}

type removalInput struct {
	Room    besedka.RoomID        `path:"room"`
	Account besedka.ParticipantID `path:"account"`
}

func (s *Server) undoRemoval(ctx context.Context, in *removalInput) (*nothing, error) {
	return done(s.Rooms.UndoRemoval(ctx, in.Room, actorOf(ctx), in.Account))
}

func (s *Server) pick(ctx context.Context, in *chosenInput) (*nothing, error) {
	return done(s.Rooms.Pick(ctx, in.Room, actorOf(ctx), in.Body.Account))
}

func (s *Server) handOver(ctx context.Context, in *chosenInput) (*out[*room.View], error) {
	return s.view(ctx, in.Room, s.Rooms.HandOver(ctx, in.Room, actorOf(ctx), in.Body.Account))
}

func (s *Server) acceptHeir(ctx context.Context, in *roomInput) (*out[*room.View], error) {
	return s.view(ctx, in.Room, s.Rooms.AcceptHeir(ctx, in.Room, actorOf(ctx)))
}

func (s *Server) declineHeir(ctx context.Context, in *roomInput) (*nothing, error) {
	return done(s.Rooms.DeclineHeir(ctx, in.Room, actorOf(ctx)))
}

// GuestToken lets somebody listen to one room without an account.
type GuestToken struct {
	Token string `json:"token"`
	URL   string `json:"url" doc:"Opens the room in a browser. The token is behind #, which browsers send to nobody."`
}

func (s *Server) guest(ctx context.Context, in *roomInput) (*out[GuestToken], error) {
	who := room.Actor{Place: addressKey(callOf(ctx).addr)}
	if c := callerOf(ctx); c != nil && c.Guest == "" {
		who = c.actor() // whose own budget has been spent from
	} else if err := s.limits.entrance.spend(who.Place); err != nil {
		return nil, err
	}
	if err := s.Rooms.MayAddGuest(ctx, in.Room, who); err != nil {
		return nil, err
	}
	if !s.Guests && who.Who == "" {
		return nil, besedka.ErrNotFound
	}
	if !s.Guests {
		return nil, room.ErrGuestsNotAllowed
	}
	tokens, err := s.Accounts.CreateGuests(ctx, in.Room, 1)
	if err != nil {
		return nil, err
	}
	url := s.URL.JoinPath("listen", string(in.Room))
	url.Fragment = tokens[0]
	return reply(GuestToken{Token: tokens[0], URL: url.String()}, nil)
}
