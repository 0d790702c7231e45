package room

import (
	"context"
	"regexp"
	"strconv"
	"strings"
	"time"

	"besedka"
)

// Bounds of an agenda (F7).
const (
	MaxAgenda      = 4000 // runes
	maxAgendaItems = 100
)

// Agenda is what is to be talked about: Markdown, whose list items can be marked
// as the one under discussion, and when each of them first was.
type Agenda struct {
	Text  string       `json:"text" doc:"The Markdown as it was written: show it as text."`
	Items []AgendaItem `json:"items"`
	Now   *int         `json:"now" doc:"The item under discussion, from 0; null if none is."`
}

// AgendaItem is a list item of the Markdown.
type AgendaItem struct {
	Text      string     `json:"text"`
	StartedAt *time.Time `json:"started_at" doc:"When it was first marked; null if it never was."`
}

// listItem is a line of a Markdown list, with or without a box to tick (CommonMark
// section 5.2; the boxes are a custom of its users).
var listItem = regexp.MustCompile(`^\s*(?:[-*+]|[0-9]{1,9}[.)])\s+(?:\[[ xX]\]\s+)?(\S.*)$`)

// agendaItems lists the items of a Markdown text.
func agendaItems(markdown string) []string {
	var items []string
	for line := range strings.SplitSeq(markdown, "\n") {
		if found := listItem.FindStringSubmatch(line); found != nil && len(items) < maxAgendaItems {
			items = append(items, strings.TrimSpace(found[1]))
		}
	}
	return items
}

// starts reads when each of n items began, zero for those that have not. They
// are kept as milliseconds separated by commas.
func (t Text) starts(n int) []time.Time {
	list := make([]time.Time, n)
	for i, text := range strings.Split(t.AgendaStarted, ",") {
		if ms, err := strconv.ParseInt(text, 10, 64); err == nil && i < n {
			list[i] = fromMillis(ms)
		}
	}
	return list
}

func (t *Text) setStarts(list []time.Time) {
	parts := make([]string, len(list))
	for i, at := range list {
		if !at.IsZero() {
			parts[i] = strconv.FormatInt(millis(at), 10)
		}
	}
	t.AgendaStarted = strings.Join(parts, ",")
}

// agenda is the agenda as everybody sees it, nil if there is none.
func (t Text) agenda() *Agenda {
	if t.Agenda == "" {
		return nil
	}
	items := agendaItems(t.Agenda)
	a := &Agenda{Text: t.Agenda, Items: make([]AgendaItem, len(items))}
	for i, at := range t.starts(len(items)) {
		a.Items[i].Text = items[i]
		if !at.IsZero() {
			a.Items[i].StartedAt = &at
		}
	}
	if t.AgendaNow > 0 {
		now := t.AgendaNow - 1
		a.Now = &now
	}
	return a
}

// SetAgenda puts an agenda in the place of any other; empty text takes it away.
// Items that were there before keep when they began, and the mark. Moderators only.
func (s *State) SetAgenda(by besedka.AccountID, markdown string) error {
	if err := s.needModerator(by); err != nil {
		return err
	}
	markdown, ok := besedka.CleanText(markdown, MaxAgenda)
	if !ok {
		return ErrAgendaInvalid.In("markdown")
	}
	if markdown == s.text.Agenda {
		return nil
	}
	before := agendaItems(s.text.Agenda)
	began := s.text.starts(len(before))
	marked := s.text.AgendaNow - 1
	items := agendaItems(markdown)
	starts := make([]time.Time, len(items))
	s.text.Agenda, s.text.AgendaNow = markdown, 0
	taken := make([]bool, len(before))
	for i, item := range items {
		for j, old := range before {
			if old != item || taken[j] {
				continue
			}
			taken[j], starts[i] = true, began[j]
			if j == marked {
				s.text.AgendaNow = i + 1
			}
			break
		}
	}
	s.text.setStarts(starts)
	s.tell("agenda_set", fields{"agenda": s.text.agenda(), "by": by})
	s.log(by, LogAgenda, "", "")
	return nil
}

// MoveAgenda marks the item under discussion, counted from 0; nil marks none.
// text is that item as the moderator saw it, so that nobody marks another one in
// an agenda that has changed meanwhile; "" does not ask. Moderators only.
func (s *State) MoveAgenda(by besedka.AccountID, item *int, text string, now time.Time) error {
	if err := s.needModerator(by); err != nil {
		return err
	}
	place := 0
	data := fields{"now": nil, "by": by}
	items := agendaItems(s.text.Agenda)
	starts := s.text.starts(len(items))
	if item != nil {
		switch {
		case text != "" && (*item < 0 || *item >= len(items) || items[*item] != strings.TrimSpace(text)):
			return ErrAgendaChanged
		case *item < 0 || *item >= len(items):
			return ErrAgendaItem.In("item")
		}
		if starts[*item].IsZero() {
			starts[*item] = now
		}
		place = *item + 1
		data["now"], data["started_at"] = *item, starts[*item]
	}
	if place == s.text.AgendaNow {
		return nil
	}
	s.text.AgendaNow = place
	s.text.setStarts(starts)
	s.tell("agenda_moved", data)
	return nil
}

// SetAgenda is State.SetAgenda.
func (s *Service) SetAgenda(ctx context.Context, room besedka.RoomID, a Actor, markdown string) error {
	return s.command(ctx, room, a, func(st *State, by besedka.AccountID, _ time.Time) error { return st.SetAgenda(by, markdown) })
}

// MoveAgenda is State.MoveAgenda.
func (s *Service) MoveAgenda(ctx context.Context, room besedka.RoomID, a Actor, item *int, text string) error {
	return s.command(ctx, room, a, func(st *State, by besedka.AccountID, now time.Time) error { return st.MoveAgenda(by, item, text, now) })
}
