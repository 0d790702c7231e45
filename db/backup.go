package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// ErrNotSQLite is returned by what is done to a file: PostgreSQL has tools of
// its own for it, pg_dump and pg_restore.
var ErrNotSQLite = errors.New("this is done with pg_dump and pg_restore on PostgreSQL")

// Backup writes a consistent copy of the database to a new file of mode 0600,
// while work goes on. The file must not exist yet. When it returns nil the copy
// is on disk; otherwise there is none. It is for SQLite only.
func (d *DB) Backup(ctx context.Context, file string) (err error) {
	if d.dialect != SQLite {
		return ErrNotSQLite
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	defer func() {
		err = errors.Join(err, f.Close())
		if err != nil {
			err = errors.Join(fmt.Errorf("backup: %w", err), os.Remove(file))
		}
	}()
	// Our readers refuse VACUUM, and the writer must stay free meanwhile.
	own, err := sql.Open("sqlite", sqliteName(d.path, false))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, own.Close()) }()
	// "The file […] must not previously exist, or else it must be an empty file." (lang_vacuum.html)
	if _, err := own.ExecContext(ctx, `VACUUM INTO $1`, file); err != nil {
		return err
	}
	return f.Sync()
}

// Restore makes the data folder from a file that Backup wrote. It refuses to
// touch a folder that has a database already; nothing may use the folder meanwhile.
func Restore(ctx context.Context, file string, o Options) (err error) {
	if o.URL != "" {
		return ErrNotSQLite
	}
	path := filepath.Join(o.Dir, SQLiteFile)
	if err := copyNew(file, o.Dir, path); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("restore: %w", err), os.Remove(path))
			_, _ = os.Remove(path+"-wal"), os.Remove(path+"-shm") // which may be there or not
		}
	}()
	d, err := Open(ctx, o)
	if err != nil {
		return err
	}
	return errors.Join(d.Verify(ctx), d.Close())
}

func copyNew(from, dir, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err == nil {
		err = out.Sync()
	}
	if err := errors.Join(err, out.Close()); err != nil {
		return errors.Join(err, os.Remove(to))
	}
	return nil
}

// Verify reads the whole database and says what is damaged. PostgreSQL looks
// after its own files; of it only an answer is asked.
func (d *DB) Verify(ctx context.Context) error {
	if d.dialect != SQLite {
		return d.Check(ctx)
	}
	var verdict string
	if err := d.reader.QueryRowContext(ctx, `PRAGMA integrity_check(1)`).Scan(&verdict); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	if verdict != "ok" {
		return fmt.Errorf("verify: the database is damaged: %s", verdict)
	}
	rows, err := d.reader.QueryContext(ctx, `PRAGMA foreign_key_check`)
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	defer rows.Close()
	if rows.Next() {
		return errors.New("verify: a row refers to one that does not exist")
	}
	return rows.Err()
}
