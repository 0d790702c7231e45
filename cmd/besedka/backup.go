package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"besedka/blob"
	"besedka/db"
)

// A backup is a tar archive: the files of the instance below "blobs/", and the database.
const (
	archivedDatabase = "besedka.db"
	archivedBlobs    = blobFolder + "/"
)

// backupCommand writes a copy of the database and its files beside a running server.
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
	files, err := c.openBlobs()
	if err != nil {
		return err
	}
	defer files.Close()
	if err := backup(ctx, d, files, c.File); err != nil {
		return explain(err)
	}
	fmt.Println(c.File)
	return nil
}

// backup writes the archive, which is there wholly or not at all. Files are copied
// before the database and those that came meanwhile after it, so that the copy of
// the database names none that is missing, but what was replaced in these moments.
func backup(ctx context.Context, d *db.DB, files *blob.Folder, file string) (err error) {
	out, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	defer func() {
		err = errors.Join(err, out.Close())
		if err != nil {
			err = errors.Join(fmt.Errorf("backup: %w", err), os.Remove(file))
		}
	}()
	a := archive{tar.NewWriter(out), map[string]bool{}}
	if err := a.addBlobs(ctx, files); err != nil {
		return err
	}
	if err := a.addDatabase(ctx, d, file+".database"); err != nil {
		return err
	}
	if err := a.addBlobs(ctx, files); err != nil {
		return err
	}
	return errors.Join(a.Close(), out.Sync())
}

// archive is a backup that is being written.
type archive struct {
	*tar.Writer
	has map[string]bool
}

func (a archive) add(name string, size int64, modified time.Time, content io.Reader) error {
	if err := a.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: size, ModTime: modified, Format: tar.FormatPAX}); err != nil {
		return err
	}
	n, err := io.Copy(a, content)
	if err == nil && n != size {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// addBlobs adds the files that it does not have yet.
func (a archive) addBlobs(ctx context.Context, files *blob.Folder) error {
	for about, err := range files.List(ctx, "") {
		if err != nil {
			return err
		}
		if a.has[about.Name] {
			continue
		}
		a.has[about.Name] = true
		f, err := files.Get(ctx, about.Name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted meanwhile
		}
		if err == nil {
			err = errors.Join(a.add(archivedBlobs+about.Name, f.Size, f.Modified, f), f.Close())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// addDatabase adds a copy of the database, which is made at aside for a while.
func (a archive) addDatabase(ctx context.Context, d *db.DB, aside string) (err error) {
	if err := d.Backup(ctx, aside); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(aside)) }()
	f, err := os.Open(aside)
	if err != nil {
		return err
	}
	defer f.Close()
	about, err := f.Stat()
	if err != nil {
		return err
	}
	return a.add(archivedDatabase, about.Size(), about.ModTime(), f)
}

// restoreCommand puts a backup into an empty data folder.
type restoreCommand struct {
	storage
	File string `arg:"" help:"A file that besedka backup wrote." type:"existingfile"`
}

// Run restores the backup.
func (c *restoreCommand) Run(ctx context.Context, log *slog.Logger) error {
	o := db.Options{URL: c.Database, Dir: c.Data, Now: time.Now, Log: log}
	if err := restore(ctx, c.storage, c.File, o); err != nil {
		return explain(err)
	}
	fmt.Println(c.Data)
	return nil
}

// sqliteMagic begins a SQLite file: a backup that holds nothing but a database.
var sqliteMagic = []byte("SQLite format 3\x00")

// restore unpacks a backup. The database comes last, because the folder of an
// instance is one that has a database.
func restore(ctx context.Context, s storage, file string, o db.Options) error {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	magic := make([]byte, len(sqliteMagic))
	if _, err := io.ReadFull(in, magic); err == nil && bytes.Equal(magic, sqliteMagic) {
		return db.Restore(ctx, file, o)
	}
	if o.URL != "" {
		return db.ErrNotSQLite
	}
	if _, err := os.Stat(filepath.Join(o.Dir, db.SQLiteFile)); err == nil {
		return fmt.Errorf("restore: %s: %w", o.Dir, fs.ErrExist)
	}
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		return err
	}
	files, err := s.openBlobs()
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	defer files.Close()
	aside, err := unpack(ctx, in, files, o.Dir)
	if aside != "" {
		defer os.Remove(aside)
	}
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	return db.Restore(ctx, aside, o)
}

// unpack puts files where they belong and the database aside, and says where that is.
func unpack(ctx context.Context, in io.Reader, files *blob.Folder, dir string) (aside string, err error) {
	for r := tar.NewReader(in); ; {
		h, err := r.Next()
		switch {
		case errors.Is(err, io.EOF) && aside == "":
			return "", errors.New("there is no database in this file")
		case errors.Is(err, io.EOF):
			return aside, nil
		case err != nil:
			return aside, err
		case h.Name == archivedDatabase && aside == "":
			aside, err = putAside(r, dir)
		case strings.HasPrefix(h.Name, archivedBlobs) && h.Typeflag == tar.TypeReg:
			err = files.Put(ctx, strings.TrimPrefix(h.Name, archivedBlobs), r)
		default:
			err = fmt.Errorf("%q is nothing that a backup has", h.Name)
		}
		if err != nil {
			return aside, err
		}
	}
}

func putAside(database io.Reader, dir string) (string, error) {
	f, err := os.CreateTemp(dir, ".restored-*")
	if err != nil {
		return "", err
	}
	_, err = io.Copy(f, database)
	return f.Name(), errors.Join(err, f.Close())
}
