package db_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"besedka"
	"besedka/db"
	"besedka/db/dbtest"
)

func write(t *testing.T, d *db.DB, f func(tx *db.Tx) error) {
	t.Helper()
	if err := d.Write(context.Background(), f); err != nil {
		t.Fatal(err)
	}
}

func TestSeveralProcessesMayOpenANewDatabaseAtOnce(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			s := dbtest.Store{Dir: dir}
			d, err := db.Open(context.Background(), db.Options{Dir: s.Dir, Now: time.Now, Log: dbtest.Log(t)})
			if err != nil {
				t.Error(err)
				return
			}
			if err := d.Check(context.Background()); err != nil {
				t.Error(err)
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestDataFolderIsClosedToOtherUsers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	d := dbtest.Store{Dir: dir}.Open(t, time.Now)
	write(t, d, func(tx *db.Tx) error { return tx.SetSetting("a", "b") })
	folder, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if folder.Mode().Perm() != 0o700 {
		t.Errorf("the folder has mode %o", folder.Mode().Perm())
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) < 3 {
		t.Fatalf("files %v, error %v; want the database, -wal and -shm", files, err)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o", f.Name(), info.Mode().Perm())
		}
	}
}

func TestSQLiteIsOpenedDurablyAndStrictly(t *testing.T) {
	d := dbtest.Store{Dir: t.TempDir()}.Open(t, time.Now)
	for _, pragma := range []struct{ name, want string }{
		{"journal_mode", "wal"}, {"synchronous", "2"}, {"foreign_keys", "1"}, {"busy_timeout", "4500"},
	} {
		read := func(tx *db.Tx) error {
			var got string
			if err := tx.QueryRow("PRAGMA " + pragma.name).Scan(&got); err != nil {
				return err
			}
			if got != pragma.want {
				t.Errorf("%s is %s, want %s", pragma.name, got, pragma.want)
			}
			return nil
		}
		write(t, d, read)
		if err := d.Read(context.Background(), read); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSettingIsKeptUntilRemoved(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		want := ""
		for _, set := range []string{"", "one", "два", ""} {
			write(t, d, func(tx *db.Tx) error { return tx.SetSetting("key", set) })
			want = set
			err := d.Read(context.Background(), func(tx *db.Tx) error {
				got, err := tx.Setting("key")
				if err == nil && got != want {
					t.Errorf("got %q, want %q", got, want)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestSecondRowWithTheSameKeyIsUnique(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		insert := func(tx *db.Tx) error {
			_, err := tx.Exec(`INSERT INTO settings (key, value) VALUES ($1, $2)`, "key", "value")
			return err
		}
		write(t, d, insert)
		if err := d.Write(context.Background(), insert); !db.IsUnique(err) {
			t.Errorf("got %v, want a violated unique key", err)
		}
		err := d.Write(context.Background(), func(tx *db.Tx) error {
			_, err := tx.Exec(`INSERT INTO settings (key, value) VALUES ($1, $2)`, "other", nil)
			return err
		})
		if err == nil || db.IsUnique(err) {
			t.Errorf("got %v, want another error for a missing value", err)
		}
	})
}

func TestReadCannotWrite(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		err := d.Read(context.Background(), func(tx *db.Tx) error { return tx.SetSetting("key", "value") })
		if err == nil {
			t.Error("a setting was written while reading")
		}
		err = d.Read(context.Background(), func(tx *db.Tx) error {
			_, err := tx.Publish("room:a", "room_opened", nil, nil)
			return err
		})
		if err == nil {
			t.Error("a fact was published while reading")
		}
	})
}

func TestReadSeesOneSnapshot(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		err := d.Read(context.Background(), func(tx *db.Tx) error {
			before, err := tx.Setting("key")
			if err != nil {
				return err
			}
			write(t, d, func(tx *db.Tx) error { return tx.SetSetting("key", "changed meanwhile") })
			after, err := tx.Setting("key")
			if before != after {
				t.Errorf("read %q and then %q", before, after)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestPanicInATransactionLeavesNothingBehind(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		for range 30 { // more than there are connections
			func() {
				defer func() { _ = recover() }()
				_ = d.Write(context.Background(), func(tx *db.Tx) error {
					if err := tx.SetSetting("key", "value"); err != nil {
						t.Error(err)
					}
					panic("on purpose")
				})
			}()
		}
		if dump := dbtest.Dump(t, d); strings.Contains(dump, "settings.key") {
			t.Error("what a broken transaction wrote is still there")
		}
	})
}

// hold keeps a lock that writers need until the test's end.
func hold(t *testing.T, s dbtest.Store) {
	t.Helper()
	driver, name := "pgx", s.URL
	statements := []string{"BEGIN", "LOCK TABLE settings IN EXCLUSIVE MODE"}
	if s.URL == "" {
		driver, name = "sqlite", (&url.URL{Scheme: "file", Path: filepath.Join(s.Dir, db.SQLiteFile)}).String()
		statements = []string{"BEGIN IMMEDIATE"}
	}
	other, err := sql.Open(driver, name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Close() })
	c, err := other.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	for _, statement := range statements {
		if _, err := c.ExecContext(context.Background(), statement); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if _, err := c.ExecContext(context.Background(), "ROLLBACK"); err != nil {
			t.Error(err)
		}
	})
}

func TestLockedDatabaseAnswersUnavailable(t *testing.T) {
	dbtest.EachStore(t, func(t *testing.T, s dbtest.Store) {
		t.Parallel()
		d := s.Open(t, time.Now)
		hold(t, s)
		start := time.Now()
		var wg sync.WaitGroup
		for i := range 40 { // more than there are connections: waiting in line counts too
			wg.Go(func() {
				err := d.Write(context.Background(), func(tx *db.Tx) error { return tx.SetSetting(fmt.Sprint("key", i), "value") })
				var e *besedka.Error
				if !errors.Is(err, db.ErrUnavailable) || !errors.As(err, &e) || e.Kind != besedka.Unavailable || e.RetryAfter == 0 {
					t.Errorf("got %v, want ErrUnavailable", err)
				}
			})
		}
		if d.Dialect() == db.SQLite { // its readers have connections of their own
			if err := d.Check(context.Background()); err != nil {
				t.Errorf("reading while the database is locked: %v", err)
			}
		}
		wg.Wait()
		// db.Patience is the promise; a busy machine may add to it, but nobody waits for the lock.
		if took := time.Since(start); took > 4*db.Patience {
			t.Errorf("took %v", took)
		}
	})
}

func TestCallerWhoGivesUpGetsHisOwnError(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx, cancel := context.WithCancel(context.Background())
		err := d.Write(ctx, func(tx *db.Tx) error {
			cancel()
			return tx.SetSetting("key", "value")
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
	})
}

// TestPostgresAwayIsUnavailableAndComesBack speaks to PostgreSQL through a relay that is cut.
func TestPostgresAwayIsUnavailableAndComesBack(t *testing.T) {
	dbtest.EachStore(t, func(t *testing.T, s dbtest.Store) {
		if s.URL == "" {
			return
		}
		relay := newRelay(t, s.URL)
		u, err := url.Parse(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		u.Host = relay.listener.Addr().String()
		u.RawQuery = "user=" + u.Query().Get("user") + "&sslmode=disable"
		d := dbtest.Store{URL: u.String()}.Open(t, time.Now)
		write(t, d, func(tx *db.Tx) error { return tx.SetSetting("key", "before") })

		relay.cut(true)
		start := time.Now()
		err = d.Write(context.Background(), func(tx *db.Tx) error { return tx.SetSetting("key", "lost") })
		if !errors.Is(err, db.ErrUnavailable) || time.Since(start) > 5*time.Second {
			t.Errorf("got %v after %v, want ErrUnavailable", err, time.Since(start))
		}
		if err := d.Check(context.Background()); !errors.Is(err, db.ErrUnavailable) {
			t.Errorf("got %v, want ErrUnavailable", err)
		}
		relay.cut(false)
		write(t, d, func(tx *db.Tx) error { return tx.SetSetting("key", "after") })
	})
}

// relay carries TCP connections to the socket of PostgreSQL until it is cut.
type relay struct {
	listener net.Listener
	target   string
	wg       sync.WaitGroup

	mu    sync.Mutex
	away  bool
	conns []net.Conn
}

func newRelay(t *testing.T, address string) *relay {
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{listener: l, target: filepath.Join(u.Query().Get("host"), ".s.PGSQL.5432")}
	r.wg.Go(r.accept)
	t.Cleanup(func() {
		l.Close()
		r.cut(true)
		r.wg.Wait()
	})
	return r
}

func (r *relay) accept() {
	for {
		near, err := r.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("unix", r.target)
		if err != nil {
			near.Close()
			continue
		}
		r.mu.Lock()
		if r.away {
			near.Close()
			far.Close()
		}
		r.conns = append(r.conns, near, far)
		r.mu.Unlock()
		r.wg.Go(func() { io.Copy(near, far); near.Close() })
		r.wg.Go(func() { io.Copy(far, near); far.Close() })
	}
}

func (r *relay) cut(away bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.away = away
	if away {
		for _, c := range r.conns {
			c.Close()
		}
		r.conns = nil
	}
}
