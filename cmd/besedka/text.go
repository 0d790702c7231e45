package main

import (
	"context"
	"crypto/rand"
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
	p.chat = chat.New(chat.Deps{DB: p.db, Rooms: p.rooms, Graph: graph, People: peopleAs[chat.Person](p.accounts), Entry: room.AppendLog,
		Now: time.Now, Random: rand.Reader, Log: log})
	p.ask = ask.New(ask.Deps{DB: p.db, Rooms: p.rooms, Announce: p.live, People: peopleAs[ask.Person](p.accounts), BlocksOf: graph.BlocksOf,
		Muted: p.chat.Muted, Entry: room.AppendLog, Now: time.Now, Random: rand.Reader, Log: log})
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
func peopleAs[P chat.Person | ask.Person | room.Person](accounts *account.Service) func(context.Context, []besedka.AccountID) (map[besedka.AccountID]P, error) {
	return func(ctx context.Context, ids []besedka.AccountID) (map[besedka.AccountID]P, error) {
		found, err := accounts.People(ctx, ids)
		people := make(map[besedka.AccountID]P, len(found))
		for id, person := range found {
			people[id] = P(person)
		}
		return people, err
	}
}
