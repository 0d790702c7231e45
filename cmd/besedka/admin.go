package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"besedka"
	"besedka/account"
	"besedka/blob"
	"besedka/db"
	"besedka/room"
)

// adminCommands are what the operator may do from the shell of the server.
type adminCommands struct {
	Invite  adminInvite `cmd:"" help:"Print an invitation link."`
	Account struct {
		Create      adminAccountCreate      `cmd:"" help:"Create an account; the passphrase is read from standard input. Prints the account's id."`
		Suspend     adminAccountSuspend     `cmd:"" help:"Suspend an account: a rule, the facts, and until when. Nothing is deleted."`
		Restore     adminAccountRestore     `cmd:"" help:"Lift a suspension; everything is as it was."`
		RemovePhoto adminAccountRemovePhoto `cmd:"" help:"Delete an account's photo."`
	} `cmd:"" help:"Accounts."`
	Token struct {
		Create adminTokenCreate `cmd:"" help:"Print a bearer token for an account."`
	} `cmd:"" help:"Bearer tokens."`
	Guests adminGuests `cmd:"" help:"Print tokens of guests who may listen to one room (load tests, screens)."`
}

// storage says which instance a command is about.
type storage struct {
	Data     string `help:"The folder that holds everything." default:"data" env:"BESEDKA_DATA" type:"path"`
	Database string `help:"PostgreSQL URL (postgres://…); without it SQLite in the data folder." env:"BESEDKA_DATABASE"`
}

// open opens the database of the instance.
func (s storage) open(ctx context.Context, log *slog.Logger) (*db.DB, error) {
	return db.Open(ctx, db.Options{URL: s.Database, Dir: s.Data, Now: time.Now, Log: log})
}

// blobFolder holds the files that the database names, in the data folder.
const blobFolder = "blobs"

// openBlobs opens the files of the instance.
func (s storage) openBlobs() (*blob.Folder, error) {
	return blob.Open(filepath.Join(s.Data, blobFolder), time.Now())
}

// accounts runs f with the instance's accounts.
func (s storage) accounts(ctx context.Context, log *slog.Logger, f func(*account.Service) error) error {
	return s.instance(ctx, log, func(_ *db.DB, a *account.Service) error { return f(a) })
}

// instance runs f with the instance's database and accounts.
func (s storage) instance(ctx context.Context, log *slog.Logger, f func(*db.DB, *account.Service) error) error {
	if _, err := os.Stat(s.Data); err != nil && s.Database == "" {
		return fmt.Errorf("no instance in %s: start `besedka serve --data %s` first", s.Data, s.Data)
	}
	d, err := s.open(ctx, log)
	if err != nil {
		return err
	}
	defer d.Close()
	link, err := publicURL(ctx, d)
	if err != nil {
		return err
	}
	var photos *blob.Folder // none where this machine does not have them
	if _, err := os.Stat(filepath.Join(s.Data, blobFolder)); err == nil {
		if photos, err = s.openBlobs(); err != nil {
			return err
		}
		defer photos.Close()
	}
	return explain(f(d, newAccounts(d, link, photos, log)))
}

// explain gives an operator the words for an error with a code.
func explain(err error) error {
	var e *besedka.Error
	if !errors.As(err, &e) {
		return err
	}
	if e.Cause != nil {
		return fmt.Errorf("%s (%s): %w", words(e.Code), e.Code, e.Cause)
	}
	return fmt.Errorf("%s (%s)", words(e.Code), e.Code)
}

type adminInvite struct {
	storage
}

// Run prints an invitation link.
func (c *adminInvite) Run(ctx context.Context, log *slog.Logger) error {
	return c.accounts(ctx, log, func(s *account.Service) error {
		link, err := s.AdminInvite(ctx)
		if err == nil {
			fmt.Println(link)
		}
		return err
	})
}

type adminAccountCreate struct {
	storage
	Username string `required:"" help:"3 to 16 of a–z, 0–9 and _."`
	Name     string `required:"" help:"The name others see."`
}

// Run creates an account and prints its id.
func (c *adminAccountCreate) Run(ctx context.Context, log *slog.Logger) error {
	password, err := firstLine(os.Stdin)
	if err != nil {
		return fmt.Errorf("read the passphrase from standard input: %w", err)
	}
	return c.accounts(ctx, log, func(s *account.Service) error {
		id, err := s.CreateAccount(ctx, c.Username, c.Name, password)
		if err == nil {
			fmt.Println(id)
		}
		return err
	})
}

// firstLine reads one line of at most 4 KiB, without its end.
func firstLine(r io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(r, 4<<10)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return "", errors.New("it is empty")
	}
	return line, nil
}

type adminAccountSuspend struct {
	storage
	Username string     `required:"" help:"Whom."`
	Rule     string     `required:"" help:"The rule that was broken."`
	Facts    string     `required:"" help:"What happened."`
	Until    *time.Time `help:"Until when (RFC 3339); without it until restored." format:"2006-01-02T15:04:05Z07:00"`
}

// Run suspends an account.
func (c *adminAccountSuspend) Run(ctx context.Context, log *slog.Logger) error {
	return c.accounts(ctx, log, func(s *account.Service) error {
		return s.Suspend(ctx, c.Username, c.Rule, c.Facts, c.Until)
	})
}

type adminAccountRestore struct {
	storage
	Username string `required:"" help:"Whom."`
}

// Run lifts a suspension.
func (c *adminAccountRestore) Run(ctx context.Context, log *slog.Logger) error {
	return c.accounts(ctx, log, func(s *account.Service) error { return s.Restore(ctx, c.Username) })
}

type adminAccountRemovePhoto struct {
	storage
	Username string `required:"" help:"Whose."`
}

// Run deletes a photo.
func (c *adminAccountRemovePhoto) Run(ctx context.Context, log *slog.Logger) error {
	return c.accounts(ctx, log, func(s *account.Service) error { return s.RemovePhotoOf(ctx, c.Username) })
}

type adminTokenCreate struct {
	storage
	Username string `required:"" help:"Whose."`
}

// Run prints a bearer token.
func (c *adminTokenCreate) Run(ctx context.Context, log *slog.Logger) error {
	return c.accounts(ctx, log, func(s *account.Service) error {
		token, err := s.CreateToken(ctx, c.Username)
		if err == nil {
			fmt.Println(token)
		}
		return err
	})
}

type adminGuests struct {
	storage
	Room  string `required:"" help:"The room's id."`
	Count int    `default:"1" help:"How many tokens."`
}

// Run prints guests' tokens, one a line.
func (c *adminGuests) Run(ctx context.Context, log *slog.Logger) error {
	return c.instance(ctx, log, func(d *db.DB, s *account.Service) error {
		if err := room.Running(ctx, d, besedka.RoomID(c.Room)); err != nil {
			return err
		}
		tokens, err := s.CreateGuests(ctx, besedka.RoomID(c.Room), c.Count)
		if err != nil {
			return err
		}
		out := bufio.NewWriter(os.Stdout)
		for _, t := range tokens {
			fmt.Fprintln(out, t)
		}
		return out.Flush()
	})
}
