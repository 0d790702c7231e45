package main

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"time"

	"besedka"
	"besedka/account"
	"besedka/ask"
	"besedka/chat"
	"besedka/outbound"
	"besedka/room"
	"besedka/social"
)

// openText makes what there is beside the voice. The rooms come before it.
func (p *program) openText(c *serveCommand, graph *social.Service, log *slog.Logger) {
	if !c.NoPreviews {
		p.outbound = outbound.New(outbound.Config{Agent: outbound.Agent(version, c.URL), Now: time.Now})
	}
	p.chat = chat.New(chat.Deps{DB: p.db, Rooms: p.rooms, Graph: graph, People: peopleAs[chat.Person](p.accounts.People), Entry: room.AppendLog,
		Now: time.Now, Random: rand.Reader, Log: log})
	p.ask = ask.New(ask.Deps{DB: p.db, Rooms: p.rooms, Announce: p.live, People: peopleAs[ask.Person](p.accounts.People), BlocksOf: graph.BlocksOf,
		Muted: p.chat.Muted, Entry: room.AppendLog, Now: time.Now, Random: rand.Reader, Log: log})
}

// askedLately is how long somebody counts as having asked who wrote into the chat.
const askedLately = 10 * time.Minute

// asked lists who wrote into a room's chat lately, or has put a question to it that
// has not been answered, with their name.
func (p *program) asked(ctx context.Context, r besedka.RoomID) ([]besedka.AccountID, error) {
	wrote, err := p.chat.Authors(ctx, r, time.Now().Add(-askedLately))
	asking, failed := p.ask.Askers(ctx, r)
	return append(wrote, asking...), errors.Join(err, failed)
}

// runText runs what openText made.
func (p *program) runText(start func(part func(context.Context) error)) {
	start(p.chat.Run)
	start(p.ask.Run)
	if p.outbound != nil {
		start(func(ctx context.Context) error { return p.rooms.Preview(ctx, p.outbound.Title) })
	}
}

// peopleAs gives a capability the names of accounts, as its own type.
func peopleAs[P chat.Person | ask.Person | room.Person](find func(context.Context, []besedka.AccountID) (map[besedka.AccountID]account.Person, error)) func(context.Context, []besedka.AccountID) (map[besedka.AccountID]P, error) {
	return func(ctx context.Context, ids []besedka.AccountID) (map[besedka.AccountID]P, error) {
		found, err := find(ctx, ids)
		people := make(map[besedka.AccountID]P, len(found))
		for id, person := range found {
			people[id] = P(person)
		}
		return people, err
	}
}
