package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"besedka/db"
)

// backupCommand writes a copy of the database beside a running server.
type backupCommand struct {
	storage
	File string `arg:"" help:"The file to write; it must not exist." type:"path"`
}

// Run writes the backup.
func (c *backupCommand) Run(ctx context.Context, log *slog.Logger) error {
	d, err := c.open(ctx, log)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Backup(ctx, c.File); err != nil {
		return explain(err)
	}
	fmt.Println(c.File)
	return nil
}

// restoreCommand puts a backup into an empty data folder.
type restoreCommand struct {
	storage
	File string `arg:"" help:"A file that besedka backup wrote." type:"existingfile"`
}

// Run restores the backup.
func (c *restoreCommand) Run(ctx context.Context, log *slog.Logger) error {
	err := db.Restore(ctx, c.File, db.Options{URL: c.Database, Dir: c.Data, Now: time.Now, Log: log})
	if err != nil {
		return explain(err)
	}
	fmt.Println(c.Data)
	return nil
}
