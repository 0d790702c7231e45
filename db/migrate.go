package db

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate applies the migrations that are missing, each in a transaction of its
// own. locker keeps other processes from doing the same at the same time.
func (d *DB) migrate(ctx context.Context, pool *sql.DB, dialect goose.Dialect, locker lock.SessionLocker) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(dialect, pool, files,
		goose.WithSessionLocker(locker), goose.WithDisableGlobalRegistry(true), goose.WithSlog(d.log))
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	applied, err := p.Up(ctx)
	for _, m := range applied {
		d.log.Info("migration applied", "version", m.Source.Version, "took", m.Duration)
	}
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	have, known, err := p.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if have > known {
		return fmt.Errorf("migrate: the database is of version %d, made by a newer program; this one knows %d", have, known)
	}
	return nil
}

// folderLock is held by the one process that migrates the SQLite file in a
// folder, because SQLite has no lock that lasts longer than a transaction. It is
// a lock on the folder: opening and closing the file itself would drop the locks
// that SQLite holds on it ("How To Corrupt An SQLite Database File", 2.2).
type folderLock struct {
	dir    string
	folder *os.File
}

// SessionLock waits for the lock until ctx ends.
func (l *folderLock) SessionLock(ctx context.Context, _ *sql.Conn) error {
	folder, err := os.Open(l.dir)
	if err != nil {
		return err
	}
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		err := syscall.Flock(int(folder.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			l.folder = folder
			return nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return errors.Join(fmt.Errorf("lock folder: %w", err), folder.Close())
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("lock folder: %w", ctx.Err()), folder.Close())
		case <-again.C:
		}
	}
}

// SessionUnlock gives the lock back.
func (l *folderLock) SessionUnlock(context.Context, *sql.Conn) error { return l.folder.Close() }
