// Package dbtest runs storage tests on both databases. SQLite lives in a
// temporary folder; PostgreSQL is started once for each test program, in a
// temporary folder and on a socket of its own, and goes when the program ends.
// Where PostgreSQL is not installed the tests fail and say what to install.
package dbtest

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"besedka/db"
)

// Each runs f as a subtest on a fresh SQLite database and as another on a fresh
// PostgreSQL database, with the real clock.
func Each(t *testing.T, f func(t *testing.T, d *db.DB)) {
	t.Helper()
	EachStore(t, func(t *testing.T, s Store) { f(t, s.Open(t, time.Now)) })
}

// EachStore is Each for tests that open the database themselves: with a clock
// of their own, or several times as several processes do.
func EachStore(t *testing.T, f func(t *testing.T, s Store)) {
	t.Helper()
	t.Run("SQLite", func(t *testing.T) { f(t, Store{Dir: t.TempDir()}) })
	t.Run("PostgreSQL", func(t *testing.T) { f(t, Store{URL: freshDatabase(t), Dir: t.TempDir()}) })
}

// Store says where one test's database is.
type Store struct {
	URL string // as db.Options.URL: "" is SQLite
	Dir string
}

// Open opens the database as one more process would; it is closed when the test ends.
func (s Store) Open(t testing.TB, now func() time.Time) *db.DB {
	t.Helper()
	d, err := db.Open(context.Background(), db.Options{URL: s.URL, Dir: s.Dir, Now: now, Log: Log(t)})
	if err != nil {
		t.Fatalf("open database: %v", err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("close database: %v", err)
		}
	})
	return d
}

// Log is a logger that writes into the test's own output, warnings and worse
// only. After the test has ended it is silent.
func Log(t testing.TB) *slog.Logger {
	w := &testWriter{t: t}
	t.Cleanup(w.end)
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

type testWriter struct {
	mu sync.Mutex
	t  testing.TB
}

var _ io.Writer = (*testWriter)(nil)

func (w *testWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.t != nil {
		w.t.Log(strings.TrimSpace(string(p)))
	}
	return len(p), nil
}

func (w *testWriter) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.t = nil
}

// Clock is a clock that a test moves by hand. It is safe for several goroutines.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock starts at a fixed noon.
func NewClock() *Clock {
	return &Clock{now: time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)}
}

// Now is the time on the clock.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Dump is every value of every row of every table as text, "table.column=value"
// one to a line: what somebody holds who has stolen the database.
func Dump(t *testing.T, d *db.DB) string {
	t.Helper()
	var out strings.Builder
	err := d.Read(context.Background(), func(tx *db.Tx) error {
		out.Reset()
		tables, err := tables(tx, d.Dialect())
		if err != nil {
			return err
		}
		for _, table := range tables {
			if err := dumpTable(tx, table, &out); err != nil {
				return fmt.Errorf("table %s: %w", table, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("dump database: %v", err)
	}
	return out.String()
}

func tables(tx *db.Tx, dialect db.Dialect) ([]string, error) {
	query := `SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name`
	if dialect == db.PostgreSQL {
		query = `SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY table_name`
	}
	rows, err := tx.Query(query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, rows.Err()
}

func dumpTable(tx *db.Tx, table string, out *strings.Builder) error {
	rows, err := tx.Query(`SELECT * FROM ` + table)
	if err != nil {
		return err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	values := make([]any, len(columns))
	into := make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		for i, v := range values {
			if b, ok := v.([]byte); ok {
				v = string(b)
			}
			fmt.Fprintf(out, "%s.%s=%v\n", table, columns[i], v)
		}
	}
	return rows.Err()
}
