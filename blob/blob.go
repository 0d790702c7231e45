// Package blob keeps files that the database only names, in a folder. A file is
// there wholly or not at all: it is written beside its place, flushed to disk, and
// then put there by renaming. Names are paths of lower-case letters, digits, ".",
// "-" and "_", and lead nowhere outside the folder, also through links.
package blob

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"strings"
	"time"

	"besedka"
)

// Folder is a store in a folder. It is safe for use by several goroutines, and
// by several processes.
type Folder struct{ root *os.Root }

// Info says what is kept.
type Info struct {
	Name     string
	Size     int64 // bytes
	Modified time.Time
}

// File is something kept, open for reading. Who opened it closes it.
type File struct {
	Info
	io.ReadSeekCloser
}

const (
	maxName = 200 // bytes

	// draft begins the names of files that are not yet whole; abandoned is the age
	// at which nobody writes to one any more.
	draft     = ".draft-"
	abandoned = time.Hour
)

// Open opens the folder, which is made if it is not there, and clears away what
// was left half written. now is the present time.
func Open(dir string, now time.Time) (*Folder, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	f := &Folder{root}
	if err := f.clear(now); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return f, nil
}

// clear removes drafts that nobody will finish.
func (f *Folder) clear(now time.Time) error {
	entries, err := fs.ReadDir(f.root.FS(), ".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		about, err := e.Info()
		if err != nil || !strings.HasPrefix(e.Name(), draft) || now.Sub(about.ModTime()) < abandoned {
			continue
		}
		if err := f.root.Remove(e.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Close closes the store; files that are open stay so.
func (f *Folder) Close() error { return f.root.Close() }

// valid says whether the text is a name.
func valid(name string) bool {
	if name == "" || len(name) > maxName || path.Clean(name) != name {
		return false
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part[0] == '.' {
			return false
		}
		for _, c := range []byte(part) {
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '-' && c != '_' {
				return false
			}
		}
	}
	return true
}

// Put keeps all of data under the name, instead of what was there. When it
// returns nil the file is on disk.
func (f *Folder) Put(ctx context.Context, name string, data io.Reader) (err error) {
	if !valid(name) {
		return fmt.Errorf("keep %q: %w", name, fs.ErrInvalid)
	}
	dir := path.Dir(name)
	if err := f.root.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("keep %s: %w", name, err)
	}
	begun := draft + besedka.NewID(rand.Reader)
	defer func() {
		if err != nil {
			_ = f.root.Remove(begun) // else Open clears it away
			err = fmt.Errorf("keep %s: %w", name, err)
		}
	}()
	if err := f.write(ctx, begun, data); err != nil {
		return err
	}
	if err := f.root.Rename(begun, name); err != nil {
		return err
	}
	return f.flush(dir)
}

func (f *Folder) write(ctx context.Context, name string, data io.Reader) error {
	file, err := f.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, data)
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

// flush writes down which files a folder has.
func (f *Folder) flush(dir string) error {
	d, err := f.root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Get opens what is kept under the name; fs.ErrNotExist when there is nothing.
func (f *Folder) Get(_ context.Context, name string) (*File, error) {
	if !valid(name) {
		return nil, fmt.Errorf("open %q: %w", name, fs.ErrNotExist)
	}
	file, err := f.root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	about, err := file.Stat()
	if err == nil && !about.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", name, err), file.Close())
	}
	return &File{Info{name, about.Size(), about.ModTime()}, file}, nil
}

// Delete removes what is kept under the name; it is no error that there is nothing.
func (f *Folder) Delete(_ context.Context, name string) error {
	if !valid(name) {
		return nil
	}
	if err := f.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete %s: %w", name, err)
	}
	return nil
}

// List gives everything kept whose name begins with folder and a slash, or
// everything for "", in the order of the names. What is kept or deleted meanwhile
// may be listed or not. It ends after an error, and when ctx does.
func (f *Folder) List(ctx context.Context, folder string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		top := "."
		if folder != "" {
			top = folder
		}
		stopped := errors.New("stopped")
		err := fs.WalkDir(f.root.FS(), top, func(name string, e fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil || ctx.Err() != nil {
				return errors.Join(err, ctx.Err())
			}
			if !e.Type().IsRegular() || !valid(name) {
				return nil
			}
			about, err := e.Info()
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil {
				return err
			}
			if !yield(Info{name, about.Size(), about.ModTime()}, nil) {
				return stopped
			}
			return nil
		})
		if err != nil && err != stopped {
			yield(Info{}, fmt.Errorf("list %s: %w", top, err))
		}
	}
}
