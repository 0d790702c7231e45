package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

// SQLiteFile is the name of the database in the data folder.
const SQLiteFile = "besedka.db"

func (d *DB) openSQLite(ctx context.Context, dir string) error {
	if dir == "" {
		return errors.New("a data folder is needed")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, SQLiteFile)
	if err := private(dir, path); err != nil {
		return err
	}
	d.dialect, d.path = SQLite, path

	// Migrations have connections of their own: goose needs two, which our single writer is not.
	migrator, err := sql.Open("sqlite", sqliteName(path, false))
	if err != nil {
		return err
	}
	err = d.migrate(ctx, migrator, goose.DialectSQLite3, &folderLock{dir: dir})
	if err := errors.Join(err, migrator.Close()); err != nil {
		return err
	}

	if d.writer, err = sql.Open("sqlite", sqliteName(path, false)); err != nil {
		return err
	}
	d.writer.SetMaxOpenConns(1)
	if d.reader, err = sql.Open("sqlite", sqliteName(path, true)); err != nil {
		return errors.Join(err, d.writer.Close())
	}
	readers := max(4, runtime.GOMAXPROCS(0))
	d.prepared = &statements{pool: d.reader, known: make(map[string]*sql.Stmt)}
	d.reader.SetMaxOpenConns(readers)
	d.reader.SetMaxIdleConns(readers)
	if err := d.Check(ctx); err != nil {
		return errors.Join(err, d.reader.Close(), d.writer.Close())
	}
	return nil
}

// private makes the folder (0700) and the file (0600) when they are missing and
// takes the file away from group and others. SQLite gives its companions
// (-wal, -shm) the mode of the file.
func private(dir, path string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	switch {
	case err == nil:
		return f.Close()
	case errors.Is(err, fs.ErrExist):
		return os.Chmod(path, 0o600)
	}
	return err
}

func sqliteName(path string, reads bool) string {
	q := url.Values{}
	q.Set("_busy_timeout", fmt.Sprint(Patience.Milliseconds()))
	q.Set("_foreign_keys", "1")
	q.Set("_journal_mode", "WAL")
	q.Set("_synchronous", "FULL")
	q.Set("_dqs", "0")
	q.Add("_pragma", "journal_size_limit(67108864)")
	if reads {
		q.Set("_query_only", "1")
	} else {
		q.Set("_txlock", "immediate")
	}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String()
}

// worthCounting is how many rows a table has from which its size is worth knowing.
const worthCounting = 10_000

// optimize lets SQLite refresh what it knows about the sizes of its tables, as
// its manual advises for connections that stay open long. What it knows of small tables it
// has to forget again: it would read the whole of a table that was small when it was
// counted, in every query, also when it has grown long since. A failure costs speed only.
func (d *DB) optimize() {
	if d.dialect != SQLite {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	if err := d.count(ctx); err != nil {
		d.log.Warn("optimize database", "error", err)
	}
}

// count does both in one transaction, so that no other process sees what is to be forgotten.
func (d *DB) count(ctx context.Context) error {
	tx, err := d.writer.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, `PRAGMA optimize`); err != nil {
		return err
	}
	var counted int
	if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM sqlite_schema WHERE name = 'sqlite_stat1'`).Scan(&counted); err != nil {
		return err
	}
	if counted > 0 { // stat begins with the number of rows
		if _, err := tx.ExecContext(ctx, `DELETE FROM sqlite_stat1 WHERE CAST(stat AS INTEGER) < $1`, worthCounting); err != nil {
			return err
		}
	}
	return tx.Commit()
}
