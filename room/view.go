package room

import (
	"context"
	"slices"
	"time"

	"besedka"
)

// Bounds of a view.
const (
	maxQueueShown = 500
)

// View is a room as one participant may see it: the JSON of GET /rooms/{room}.
type View struct {
	ID            besedka.RoomID `json:"id"`
	Title         string         `json:"title"`
	Kind          Kind           `json:"kind"`
	Host          Person         `json:"host"`
	StartedAt     time.Time      `json:"started_at"`
	EndedAt       *time.Time     `json:"ended_at"`
	GuestsAllowed bool           `json:"guests_allowed"`
	Hands         Hands          `json:"hands"`
	QueueRule     QueueRule      `json:"queue_rule"`
	Language      string         `json:"language" doc:"Two or three letters of BCP 47; empty where nobody has said."`
	Attribution   Attribution    `json:"attribution" doc:"What may be told of the conversation outside."`
	Seq           int64          `json:"seq"`
	Counts        Counts         `json:"counts"`

	// What is under way.
	VisibilityChange  *WideningView    `json:"visibility_change"`
	AttributionChange *AttributionView `json:"attribution_change"`
	Timer             *TurnView        `json:"timer"`

	StageReactions bool `json:"stage_reactions" doc:"People on stage may react too."`

	// A large room shows a part of its audience.
	Participants   []Participant `json:"participants" doc:"The stage; then the audience, all of it up to 200, else people I follow, people followed by the speakers, and some others."`
	AudienceShown  int           `json:"audience_shown" doc:"How many of the participants are in the audience."`
	RefetchAfterMS int64         `json:"refetch_after_ms" doc:"When others change the room, ask for it again at a random moment within this time."`

	// Beside the voice.
	Pin       *Pinned                 `json:"pin"`
	Agenda    *Agenda                 `json:"agenda"`
	Chat      besedka.ChatSetting     `json:"chat"`
	Questions besedka.QuestionSetting `json:"questions"`

	// For moderators only; absent for others.
	Queue    []QueuedHand        `json:"queue,omitzero"`
	Invited  []besedka.AccountID `json:"invited,omitzero"`
	Removals []RecentRemoval     `json:"removals,omitzero"`

	Me Me `json:"me"`
}

// Counts says how many are in a room.
type Counts struct {
	All      int `json:"all"`
	OnStage  int `json:"on_stage"`
	Audience int `json:"audience"` // with an account
	Guests   int `json:"guests"`
	Overflow int `json:"overflow" doc:"Who listens to a full room, guests among them: counted only."`
}

// Participant is somebody shown in a room. Guests are counted, not shown.
type Participant struct {
	Account            besedka.AccountID `json:"account"`
	Username           string            `json:"username"`
	Name               string            `json:"name"`
	Photo              string            `json:"photo"`
	Role               besedka.Role      `json:"role"`
	CSRC               uint32            `json:"csrc,omitempty"`
	Muted              bool              `json:"muted"`
	Silenced           bool              `json:"silenced"`
	Connected          bool              `json:"connected"`
	EnteredAt          time.Time         `json:"entered_at"`
	OnStageSince       *time.Time        `json:"on_stage_since,omitempty"`
	AppointedBy        besedka.AccountID `json:"appointed_by,omitempty" doc:"Of moderators: who made them one, and may take it back."`
	Airtime            int64             `json:"airtime,omitempty" doc:"Of those on stage: for how many seconds they have been heard in this room."`
	FollowedBySpeakers bool              `json:"followed_by_speakers"`
	BlockedOnStage     int               `json:"blocked_on_stage,omitempty" doc:"Of listeners, for moderators only: how many on stage block them. Bringing them up needs confirm."`
}

// QueuedHand is a raised hand as moderators see it, in the order of the room's rule.
type QueuedHand struct {
	Account            besedka.AccountID `json:"account"`
	Username           string            `json:"username"`
	Name               string            `json:"name"`
	Photo              string            `json:"photo"`
	Note               string            `json:"note"`
	Group              string            `json:"group" doc:"Whom they say to speak for."`
	RaisedAt           time.Time         `json:"raised_at"`
	Airtime            int64             `json:"airtime" doc:"For how many seconds they have been heard in this room."`
	FollowedBySpeakers bool              `json:"followed_by_speakers"`
	BlockedOnStage     int               `json:"blocked_on_stage,omitempty" doc:"How many on stage block them. Bringing them up needs confirm."`
}

// RecentRemoval is a removal that may still be undone.
type RecentRemoval struct {
	Account   besedka.ParticipantID `json:"account"`
	Name      string                `json:"name"`
	Reason    string                `json:"reason"`
	RemovedAt time.Time             `json:"removed_at"`
}

// Me is what concerns the viewer.
type Me struct {
	Participant     besedka.ParticipantID `json:"participant"`
	Role            *besedka.Role         `json:"role"`
	Seated          bool                  `json:"seated"`
	Hand            *OwnHand              `json:"hand"`
	StageInvitation *OwnInvitation        `json:"stage_invitation"`
	HeirOffer       bool                  `json:"heir_offer"`
	Muted           bool                  `json:"muted" doc:"As the others are shown it: also while there is no session up."`
	SwitchedOff     bool                  `json:"switched_off" doc:"I have muted myself, or a moderator has: not for want of a session."`
	Silenced        bool                  `json:"silenced"`
	LastModerator   bool                  `json:"last_moderator" doc:"Nobody else here moderates: hand over before leaving."`
	BlockedOnStage  []Person              `json:"blocked_on_stage" doc:"Whom on stage I block: to be asked about before I enter."`
	Share           *OwnShare             `json:"share" doc:"I show the room to my followers in their hallways."`
	Overflow        bool                  `json:"overflow" doc:"I listen to a full room and am only counted. Entering again takes a place in the audience when there is one."`
}

// OwnHand is the viewer's raised hand and its place in the queue, from 1.
type OwnHand struct {
	RaisedAt time.Time `json:"raised_at"`
	Note     string    `json:"note"`
	Group    string    `json:"group"`
	Place    int       `json:"place,omitempty"`
}

// OwnInvitation asks the viewer on stage.
type OwnInvitation struct {
	By Person `json:"by"`
}

// counts says how many are here.
func (s *State) counts() Counts {
	c := Counts{All: len(s.seats.rows), Guests: s.guests, Overflow: s.overflow}
	for account := range s.stage.rows {
		if s.seats.has(account.Participant()) {
			c.OnStage++
		}
	}
	c.Audience = c.All - c.OnStage - c.Guests - c.Overflow
	return c
}

// View is the room as the actor may see it; it writes nothing and waits for no
// command. To somebody removed the room does not exist.
func (s *Service) View(ctx context.Context, room besedka.RoomID, a Actor) (*View, error) {
	c, err := s.find(ctx, room)
	if err != nil {
		return nil, err
	}
	if err := unknown(s.see(ctx, c, a)); err != nil {
		return nil, err
	}
	a = s.tied(ctx, a)
	crowd := s.crowdOf(ctx, c)
	mine := s.follows.of(ctx, a.Who.Account())

	c.mu.RLock()
	v := c.state.view(a, crowd, mine, moment(s.now()))
	v.Seq = c.seq
	c.mu.RUnlock()
	c.veiled.note(a)
	s.mark(ctx, c, v)
	s.nameAll(ctx, v)
	return v, nil
}

// view composes what the actor sees, without names. Guests see the stage only.
func (s *State) view(a Actor, crowd *crowd, mine []besedka.AccountID, now time.Time) *View {
	v := &View{ID: s.info.ID, Title: s.info.Title, Kind: s.info.Kind, Host: Person{ID: s.info.Host},
		StartedAt: s.info.StartedAt, GuestsAllowed: s.info.GuestsAllowed, Hands: s.info.Hands, Counts: s.counts(),
		QueueRule: s.info.Queue, Language: s.info.Language, Attribution: s.info.Attribution,
		VisibilityChange: s.wideningView(), AttributionChange: s.attributionView(), Timer: s.turnView(),
		StageReactions: s.info.StageReactions}
	if s.Ended() {
		v.EndedAt = &s.info.EndedAt
	}
	shown := s.stageOrder()
	if !a.Who.IsGuest() {
		audience := s.roster(a, crowd, mine, now)
		shown, v.AudienceShown = append(shown, audience...), len(audience)
	}
	v.RefetchAfterMS = v.Counts.refetchAfter().Milliseconds()
	v.Participants = make([]Participant, 0, len(shown))
	for _, account := range shown {
		v.Participants = append(v.Participants, s.participant(account, crowd))
	}
	v.Me = s.me(a.Who)
	s.viewText(v)
	if s.Role(a.Who).Moderates() {
		s.forModerators(v, crowd, now)
	}
	s.veil(v, a)
	return v
}

func (s *State) participant(account besedka.AccountID, crowd *crowd) Participant {
	seat := s.seats.rows[account.Participant()]
	voice := s.voices.rows[account]
	p := Participant{Account: account, Role: s.roleOf(account), CSRC: voice.CSRC, Muted: seat.shownMuted(),
		Silenced: voice.SilencedBy != "", Connected: !seat.Lost, EnteredAt: seat.EnteredAt}
	if place, ok := s.stage.get(account); ok {
		p.OnStageSince, p.AppointedBy, p.Airtime = &place.Since, place.AppointedBy, seconds(s.airtime(account))
	} else {
		p.FollowedBySpeakers = crowd.followed[account]
	}
	return p
}

func (s *State) me(who besedka.ParticipantID) Me {
	m := Me{Participant: who, Share: s.ownShare(who.Account())}
	seat, here := s.seats.get(who)
	if !here {
		return m
	}
	role := s.Role(who)
	account := who.Account()
	m.Role, m.Seated, m.Overflow = &role, true, seat.Overflow
	m.Muted, m.SwitchedOff, m.Silenced = seat.shownMuted(), seat.Muted, s.voices.rows[account].SilencedBy != ""
	m.HeirOffer = account != "" && s.vigil.Offered == account
	m.LastModerator = role.Moderates() && len(s.moderators()) == 1
	if hand, up := s.hands.get(account); up {
		m.Hand = &OwnHand{RaisedAt: hand.RaisedAt, Note: hand.Note, Group: hand.Group, Place: slices.Index(s.queue(), account) + 1}
	}
	if i, ok := s.invited.get(account); ok {
		m.StageInvitation = &OwnInvitation{By: Person{ID: i.By}}
	}
	return m
}

// forModerators adds the queue, the open invitations and what may be undone.
func (s *State) forModerators(v *View, crowd *crowd, now time.Time) {
	v.Queue, v.Invited, v.Removals = []QueuedHand{}, []besedka.AccountID{}, []RecentRemoval{}
	queue := s.queue()
	for _, account := range queue[:min(len(queue), maxQueueShown)] {
		hand := s.hands.rows[account]
		v.Queue = append(v.Queue, QueuedHand{Account: account, Note: hand.Note, Group: hand.Group, RaisedAt: hand.RaisedAt,
			Airtime: seconds(s.airtime(account)), FollowedBySpeakers: crowd.followed[account]})
	}
	for account := range s.invited.rows {
		v.Invited = append(v.Invited, account)
	}
	slices.Sort(v.Invited)
	for _, who := range s.recentRemovals(now) {
		r := s.removals.rows[who]
		v.Removals = append(v.Removals, RecentRemoval{Account: who, Reason: r.Reason, RemovedAt: r.At})
	}
}

// single lists the people of a view who are named one by one.
func (v *View) single() []*Person {
	list := []*Person{&v.Host}
	if v.Me.StageInvitation != nil {
		list = append(list, &v.Me.StageInvitation.By)
	}
	if v.VisibilityChange != nil {
		list = append(list, &v.VisibilityChange.By)
	}
	if v.AttributionChange != nil {
		list = append(list, &v.AttributionChange.By)
	}
	if v.Timer != nil {
		list = append(list, &v.Timer.By)
	}
	for i := range v.Me.BlockedOnStage {
		list = append(list, &v.Me.BlockedOnStage[i])
	}
	if v.Pin != nil {
		list = append(list, &v.Pin.By)
	}
	return list
}

// nameAll fills in names, in one look.
func (s *Service) nameAll(ctx context.Context, v *View) {
	var ids []besedka.AccountID
	for _, p := range v.single() {
		if p.ID != "" {
			ids = append(ids, p.ID)
		}
	}
	for i := range v.Participants {
		ids = append(ids, v.Participants[i].Account)
	}
	for i := range v.Queue {
		ids = append(ids, v.Queue[i].Account)
	}
	for i := range v.Removals {
		if account := v.Removals[i].Account.Account(); account != "" {
			ids = append(ids, account)
		}
	}
	people := s.people.show(ctx, ids)
	for _, p := range v.single() {
		*p = people[p.ID]
	}
	for i := range v.Participants {
		p := &v.Participants[i]
		who := people[p.Account]
		p.Username, p.Name, p.Photo = who.Username, who.Name, who.Photo
	}
	for i := range v.Queue {
		q := &v.Queue[i]
		who := people[q.Account]
		q.Username, q.Name, q.Photo = who.Username, who.Name, who.Photo
	}
	for i := range v.Removals {
		v.Removals[i].Name = people[v.Removals[i].Account.Account()].Name
	}
}
