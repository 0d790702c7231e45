package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"besedka"
	"besedka/account"
	"besedka/ask"
	"besedka/blob"
	"besedka/chat"
	"besedka/db"
	"besedka/i18n"
	"besedka/live"
	"besedka/media"
	"besedka/outbound"
	"besedka/picture"
	"besedka/room"
	"besedka/social"
	"besedka/turn"
	"besedka/web"
)

// pruneEvery is how often facts that nobody can resume from any more are deleted.
const pruneEvery = 10 * time.Minute

// journalFile keeps removals, in the data folder, until the database has them.
const journalFile = "removals.jsonl"

// defaultURL is where people reach a server that was told nothing else.
const defaultURL = "http://localhost:8080"

// settingURL remembers the public address, so that admin commands print links that work.
const settingURL = "url"

// program is a running instance: every part, wired.
type program struct {
	log      *slog.Logger
	db       *db.DB
	photos   *blob.Folder
	accounts *account.Service
	rooms    *room.Service
	live     *live.Hub
	media    *media.Server
	turn     *turn.Server     // or nil
	outbound *outbound.Client // or nil: nobody is called
	chat     *chat.Service
	ask      *ask.Service
	web      *web.Server

	public    net.Listener
	metrics   net.Listener // or nil
	turnPlain net.Listener // or nil
}

// newProgram opens everything that c asks for. On an error nothing stays open.
func newProgram(ctx context.Context, c *serveCommand, log *slog.Logger) (_ *program, err error) {
	p := &program{log: log}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	if p.db, err = c.open(ctx, log); err != nil {
		return nil, err
	}
	if err = p.rememberURL(ctx, c.URL); err != nil {
		return nil, err
	}
	if p.photos, err = c.openBlobs(); err != nil {
		return nil, err
	}
	p.accounts = newAccounts(p.db, c.URL, p.photos, log)
	graph := social.New(p.db)
	p.live = live.New(live.Config{Outbox: p.db, Now: time.Now, Log: log,
		Veil: func(ctx context.Context, id besedka.RoomID, named []besedka.AccountID) func(besedka.ParticipantID) []besedka.AccountID {
			return p.rooms.Unseen(ctx, id, named)
		}})
	p.db.OnCommit(p.live.Wake)
	cores := spareThread()
	advertise, err := c.advertised()
	if err != nil {
		return nil, fmt.Errorf("addresses to advertise: %w", err)
	}
	framing, err := c.policy()
	if err != nil {
		return nil, err
	}
	p.media, err = media.Listen(media.Config{Listen: c.Media, CPU: processorTime, Cores: cores, Advertise: advertise, Now: time.Now, Random: rand.Reader, Log: log,
		OnSession: p.session, Calm: tidy, Framing: framing})
	if err != nil {
		return nil, fmt.Errorf("media on %s: %w", c.Media, err)
	}
	if err = p.openRelay(c, advertise, log); err != nil {
		return nil, err
	}
	limits, err := c.limits()
	if err != nil {
		return nil, err
	}
	p.rooms = room.New(room.Deps{DB: p.db, Graph: graph, People: peopleAs[room.Person](p.accounts.People), Active: peopleAs[room.Person](p.accounts.Active),
		Gate: gate{p.media, p.turn}, Airtime: p.media, Announce: p.live, Asked: p.asked, Now: time.Now, Random: rand.Reader, Log: log, Journal: filepath.Join(c.Data, journalFile), Limits: limits})
	p.openText(c, graph, log)
	p.accounts.OnRevoke(p.revoked)
	graph.OnBlock(p.rooms.Blocked)
	if err = p.rooms.Recover(ctx); err != nil {
		return nil, err
	}
	public, err := url.Parse(c.URL)
	if err != nil {
		return nil, err
	}
	deps := web.Deps{Accounts: p.accounts, Social: graph, Rooms: p.rooms, Media: p.media, Live: p.live, Chat: p.chat, Ask: p.ask, Outbound: p.outbound,
		Ping: p.db.Check, Cores: cores,
		URL: public, Name: "Besedka", Version: version, Guests: !c.NoGuests, TrustedProxies: c.TrustedProxy, Now: time.Now, Log: log}
	if p.turn != nil {
		deps.Relay, deps.RelayURLs = p.turn, c.urls(public, p.turnPlain)
	}
	p.web = web.New(deps)
	if p.public, p.metrics, err = c.listeners(log); err != nil {
		return nil, err
	}
	return p, p.behindDoor(c, log)
}

// newAccounts makes the accounts of an instance that people reach at link.
func newAccounts(d *db.DB, link string, photos *blob.Folder, log *slog.Logger) *account.Service {
	return account.New(d, account.Config{URL: link, Now: time.Now, Random: rand.Reader, Log: log, Photos: photos, Pictures: picture.New()})
}

// words are an error's for an operator.
func words(code string) string { return i18n.English.Error(code) }

func (p *program) rememberURL(ctx context.Context, link string) error {
	return p.db.Write(ctx, func(tx *db.Tx) error { return tx.SetSetting(settingURL, link) })
}

// publicURL is where people reach the instance, as its server was last told.
func publicURL(ctx context.Context, d *db.DB) (link string, err error) {
	err = d.Write(ctx, func(tx *db.Tx) error { // Setting takes the row's lock
		link, err = tx.Setting(settingURL)
		return err
	})
	if link == "" {
		link = defaultURL
	}
	return link, err
}

// session tells the room that a media session keeps a seat, or no longer does.
func (p *program) session(e media.Event) {
	if e.Live {
		p.rooms.Connected(e.Room, e.Who, e.Credential, room.Line{ID: string(e.Session), Up: e.Direction == media.Up})
		return
	}
	p.rooms.Disconnected(e.Room, e.Who, string(e.Session))
}

// revoked takes everything that the credential holds: sound first, then streams, then the seat.
func (p *program) revoked(credential besedka.CredentialID, _ besedka.ParticipantID) {
	p.media.CloseCredential(credential)
	if p.turn != nil {
		p.turn.CloseCredential(credential)
	}
	p.live.CloseCredential(credential)
	p.rooms.LeaveCredential(context.Background(), credential)
}

// run serves until ctx ends, and then in order to the end; or until a part fails. It
// waits for every part.
func (p *program) run(asked context.Context) error {
	ctx, stop := context.WithCancel(context.WithoutCancel(asked))
	defer stop()
	var parts sync.WaitGroup
	failed := make(chan error, 16)
	start := func(part func(context.Context) error) {
		parts.Go(func() {
			if err := part(ctx); err != nil && !errors.Is(err, http.ErrServerClosed) {
				failed <- err
			}
			stop()
		})
	}
	start(func(ctx context.Context) error { return p.drain(ctx, asked) })
	start(p.accounts.Run)
	start(p.rooms.Run)
	p.runText(start)
	start(p.live.Run)
	start(p.web.Run)
	start(p.prune)
	start(func(ctx context.Context) error { return serveHTTP(ctx, p.web.HTTPServer(), p.public) })
	if p.turnPlain != nil {
		start(p.relay)
	}
	if p.metrics != nil {
		s := &http.Server{Handler: p.web.MetricsHandler(), ReadHeaderTimeout: shutdownGrace}
		start(func(ctx context.Context) error { return serveHTTP(ctx, s, p.metrics) })
	}
	if err := p.greet(ctx); err != nil {
		failed <- err
		stop()
	}
	parts.Wait()
	close(failed)
	var all []error
	for err := range failed {
		all = append(all, err)
	}
	return errors.Join(all...)
}

// greet says where the server is and, while there is no account, prints the owner's link.
func (p *program) greet(ctx context.Context) error {
	p.log.Info("serving", "http", p.public.Addr(), "media", p.media.Addr(), "version", version)
	link, fresh, err := p.accounts.OwnerLink(ctx)
	if err != nil && ctx.Err() != nil {
		return nil // asked to end before it had begun
	}
	if err != nil || !fresh {
		return err
	}
	fmt.Fprintln(os.Stdout, "Open this link to become the owner. It works once:")
	fmt.Fprintln(os.Stdout, link)
	return nil
}

// prune deletes old facts from time to time.
func (p *program) prune(ctx context.Context) error {
	tick := time.NewTicker(pruneEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := p.db.PruneOutbox(ctx); err != nil {
				p.log.Warn("old facts not deleted", "error", err)
			}
		}
	}
}

// close closes what newProgram opened.
func (p *program) close() error {
	var all []error
	for _, l := range []net.Listener{p.public, p.metrics, p.turnPlain} {
		if l == nil {
			continue
		}
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			all = append(all, err)
		}
	}
	if p.turn != nil {
		all = append(all, p.turn.Close())
	}
	if p.media != nil {
		all = append(all, p.media.Close())
	}
	if p.photos != nil {
		all = append(all, p.photos.Close())
	}
	if p.db != nil {
		all = append(all, p.db.Close())
	}
	return errors.Join(all...)
}
