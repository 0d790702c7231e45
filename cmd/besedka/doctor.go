package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"besedka"
	"besedka/account"
	"besedka/db"
	"besedka/doctor"
)

// doctorCommand says what is wrong with an instance and what to do.
type doctorCommand struct {
	storage
	URL   string `env:"BESEDKA_URL" help:"The address people type; without it the one that the server was last started with."`
	Token string `env:"BESEDKA_TOKEN" help:"A bearer token, to look at a server from another machine."`
}

// filesNeeded is how many open files a small instance may come to need.
const filesNeeded = 4096

var errUnwell = errors.New("something does not work")

// Run looks and prints. It fails when something does not work.
func (c *doctorCommand) Run(ctx context.Context, _ *slog.Logger) error {
	v := doctor.Visit{Token: c.Token, Now: time.Now}
	link := c.URL
	var list []doctor.Finding
	if c.Token == "" {
		list = outsideOfData(c.Data)
		d, err := c.openExisting(ctx)
		if err != nil {
			list = append(list, doctor.Finding{Level: doctor.Bad, Key: "database_away", Args: map[string]string{"reason": err.Error()}})
		} else {
			defer d.Close()
			list = append(list, sound(ctx, d))
			var end func()
			if v.Token, end, err = patient(ctx, d); err != nil {
				return explain(err)
			}
			defer end()
			if link == "" {
				link, err = publicURL(ctx, d)
			}
			if err != nil {
				return explain(err)
			}
		}
	}
	var err error
	if v.URL, err = url.Parse(link); err != nil || v.URL.Host == "" {
		return errors.Join(report(list), fmt.Errorf("--url must be like https://talk.example.org, not %q", link))
	}
	return report(append(list, v.Look(ctx)...))
}

// openExisting opens the database of an instance that is there.
func (s storage) openExisting(ctx context.Context) (*db.DB, error) {
	if s.Database == "" {
		if _, err := os.Stat(filepath.Join(s.Data, "besedka.db")); err != nil {
			return nil, err
		}
	}
	return s.open(ctx, slog.New(slog.DiscardHandler))
}

// outsideOfData looks at the folder and the limits of the machine.
func outsideOfData(folder string) (list []doctor.Finding) {
	for _, name := range []string{folder, filepath.Join(folder, "besedka.db")} {
		if about, err := os.Stat(name); err == nil && about.Mode()&fs.FileMode(0o077) != 0 {
			list = append(list, doctor.Finding{Level: doctor.Warn, Key: "folder_open", Args: map[string]string{"path": name}})
		}
	}
	if limit, known := openFiles(); known && limit < filesNeeded {
		list = append(list, doctor.Finding{Level: doctor.Warn, Key: "files_few", Args: map[string]string{"limit": fmt.Sprint(limit)}})
	}
	return list
}

func sound(ctx context.Context, d *db.DB) doctor.Finding {
	if err := d.Verify(ctx); err != nil {
		return doctor.Finding{Level: doctor.Bad, Key: "database_damaged", Args: map[string]string{"reason": err.Error()}}
	}
	return doctor.Finding{Level: doctor.Good, Key: "database"}
}

// patient makes a guest of a room that does not exist, who may test connections
// and nothing else. He is signed out by end.
func patient(ctx context.Context, d *db.DB) (token string, end func(), err error) {
	accounts := account.New(d, account.Config{URL: defaultURL, Now: time.Now, Random: rand.Reader, Log: slog.New(slog.DiscardHandler)})
	tokens, err := accounts.CreateGuests(ctx, besedka.RoomID("doctor-"+besedka.NewID(rand.Reader)), 1)
	if err != nil {
		return "", nil, err
	}
	who, err := accounts.Authenticate(ctx, tokens[0])
	if err != nil {
		return "", nil, err
	}
	return tokens[0], func() { _ = accounts.SignOut(context.WithoutCancel(ctx), who.Credential) }, nil // else he ends by himself in a day
}

// report prints the findings, in the language of the shell.
func report(list []doctor.Finding) error {
	russian := strings.HasPrefix(os.Getenv("LC_ALL")+os.Getenv("LC_MESSAGES")+os.Getenv("LANG"), "ru")
	marks := map[doctor.Level]string{doctor.Good: "ok", doctor.Warn: "!", doctor.Bad: "!!"}
	worst := doctor.Good
	for _, f := range list {
		what, todo := f.Words(russian)
		fmt.Printf("%-3s %s\n", marks[f.Level], what)
		if todo != "" {
			fmt.Printf("    → %s\n", todo)
		}
		worst = max(worst, f.Level)
	}
	if worst == doctor.Bad {
		return errUnwell
	}
	return nil
}
