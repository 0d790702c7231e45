package room

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"besedka"
)

// Opening is what a room is opened with.
type Opening struct {
	Title         string // optional
	Kind          Kind
	GuestsAllowed bool                // open rooms only
	Invite        []besedka.AccountID // people picked into the room
	Language      string              // BCP 47, two or three letters; "" = not said
	Attribution   Attribution         // "" = off the record
	Queue         QueueRule           // "" = first come
	Chat          besedka.Chat        // who may write; "" = everyone
}

// check returns the opening with its text tidied, or what is wrong with it.
func (o Opening) check() (Opening, error) {
	title, ok := cleanText(o.Title, MaxTitle)
	if !ok {
		return o, ErrTitleInvalid.In("title")
	}
	o.Title = title
	if !slices.Contains([]Kind{KindOpen, KindSocial, KindClosed}, o.Kind) {
		return o, ErrKindInvalid.In("kind")
	}
	if o.GuestsAllowed && o.Kind != KindOpen {
		return o, ErrGuestsNotAllowed.In("guests_allowed")
	}
	if len(o.Invite) > 100 {
		return o, ErrTooManyPicks.In("invite")
	}
	if o.Language, ok = cleanLanguage(o.Language); !ok {
		return o, ErrLanguageInvalid.In("language")
	}
	o.Attribution, o.Queue = cmp.Or(o.Attribution, OffRecord), cmp.Or(o.Queue, QueueFirstCome)
	switch {
	case !slices.Contains(Attributions, o.Attribution):
		return o, ErrAttributionInvalid.In("attribution")
	case !slices.Contains(QueueRules, o.Queue):
		return o, ErrQueueRuleInvalid.In("queue_rule")
	}
	if o.Chat = cmp.Or(o.Chat, besedka.ChatEveryone); !slices.Contains(Chats, o.Chat) {
		return o, ErrChatInvalid.In("chat")
	}
	return o, nil
}

// Open begins a room with its host seated on stage. The host is among the
// picked, so that handing over does not shut them out of a closed room.
func Open(id besedka.RoomID, a Actor, host Person, o Opening, now time.Time) (*State, error) {
	o, err := o.check()
	if err != nil {
		return nil, err
	}
	s := newState()
	s.info = Info{ID: id, Title: o.Title, Kind: o.Kind, Host: host.ID, Hands: HandsEveryone,
		GuestsAllowed: o.GuestsAllowed, StartedAt: now, Language: o.Language, Attribution: o.Attribution, Queue: o.Queue,
		Untold: o.Kind == KindOpen}
	s.text = textOf(o.Chat)
	s.tell("room_opened", fields{"title": o.Title, "kind": o.Kind, "host": host.ID})
	s.sit(a, now)
	s.takeStage(host.ID, besedka.RoleHost, now)
	s.picks.put(host.ID, Pick{By: host.ID, At: now})
	for _, account := range o.Invite {
		s.pick(host, account, now)
	}
	return s, nil
}

// SetTitle changes the title. Moderators only.
func (s *State) SetTitle(by besedka.AccountID, title string) error {
	if err := s.needModerator(by); err != nil {
		return err
	}
	title, ok := cleanText(title, MaxTitle)
	if !ok {
		return ErrTitleInvalid.In("title")
	}
	if title != s.info.Title {
		s.info.Title = title
		s.tell("room_titled", fields{"title": title, "by": by})
		s.log(by, LogTitle, "", title)
	}
	return nil
}

// Pick asks an account into the room, which also admits it to a social or
// closed one; there only moderators may. Nobody is asked twice, and nobody asks
// more than MaxPings.
func (s *State) Pick(by Person, target besedka.AccountID, now time.Time) error {
	if err := s.mayPing(by.ID); err != nil {
		return err
	}
	if s.removals.has(target.Participant()) || s.barred.has(target.Participant()) {
		return ErrRemoved
	}
	switch {
	case s.picks.has(target):
		return nil
	case len(s.picks.rows) >= MaxPicks:
		return ErrTooManyPicks
	case s.pings(by.ID) >= MaxPings:
		return ErrTooManyPings
	}
	s.pick(by, target, now)
	s.picks.put(target, Pick{By: by.ID, At: now, Pinged: true})
	return nil
}

func (s *State) pick(by Person, target besedka.AccountID, now time.Time) {
	if s.picks.has(target) {
		return
	}
	s.picks.put(target, Pick{By: by.ID, At: now})
	s.tellAccount(target, "room_invited", fields{"room": s.info.ID, "title": s.info.Title, "by": by})
}

// cleanLanguage takes the language of a BCP 47 tag: its two or three letters, in
// small ones (RFC 5646 section 2.2.1).
func cleanLanguage(tag string) (string, bool) {
	tag = strings.ToLower(tag)
	if tag == "" {
		return "", true
	}
	small := func(r rune) bool { return r >= 'a' && r <= 'z' }
	return tag, (len(tag) == 2 || len(tag) == 3) && !strings.ContainsFunc(tag, func(r rune) bool { return !small(r) })
}

// cleanText is a line of text that may be shown to others.
func cleanText(text string, max int) (string, bool) { return besedka.CleanLine(text, max) }
