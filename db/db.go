package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"besedka"
)

// Patience is the longest that Write or Read takes, waiting for locks and
// connections included.
const Patience = 4500 * time.Millisecond

// attempts bounds how often one transaction is begun because PostgreSQL broke it
// off in favour of others or its connection was found dead.
const attempts = 8

// Options say which database to open.
type Options struct {
	URL string // "" means the SQLite file besedka.db in Dir; otherwise postgres://…
	Dir string // the data folder; made with mode 0700 when it is missing
	Now func() time.Time
	Log *slog.Logger
}

// DB is an open database. It is safe for use by several goroutines.
type DB struct {
	dialect Dialect
	path    string  // of the SQLite file
	writer  *sql.DB // SQLite: a single connection whose transactions begin immediate
	reader  *sql.DB // SQLite: connections that cannot write; PostgreSQL: the same as writer
	now     func() time.Time
	log     *slog.Logger
	closed  atomic.Bool

	prepared *statements // of reader; nil on PostgreSQL, whose driver keeps them itself

	mu    sync.RWMutex
	hooks []func([]besedka.Topic)
}

// Dialect names which of the two databases it is.
type Dialect string

// The two databases.
const (
	SQLite     Dialect = "sqlite"
	PostgreSQL Dialect = "postgresql"
)

// Open opens the database, making it when it is missing, and brings its tables
// up to date. It may be called by several processes at once. Close releases it.
func Open(ctx context.Context, o Options) (*DB, error) {
	if o.Now == nil || o.Log == nil {
		return nil, errors.New("open database: Now and Log are needed")
	}
	d := &DB{now: o.Now, log: o.Log}
	var err error
	switch {
	case o.URL == "":
		err = d.openSQLite(ctx, o.Dir)
	case strings.HasPrefix(o.URL, "postgres://"), strings.HasPrefix(o.URL, "postgresql://"):
		err = d.openPostgres(ctx, o.URL)
	default:
		err = errors.New("the database URL must begin with postgres://")
	}
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	return d, nil
}

// Dialect says which database it is.
func (d *DB) Dialect() Dialect { return d.dialect }

// Close waits for running transactions and closes the database. What is asked
// of it afterwards is ErrUnavailable.
func (d *DB) Close() error {
	if d.closed.Swap(true) {
		return nil
	}
	if d.dialect == PostgreSQL {
		return d.writer.Close()
	}
	d.optimize()
	return errors.Join(d.reader.Close(), d.writer.Close())
}

// OnCommit has f called after each commit that published facts, with the
// topics they were published to, before Write returns. f must be quick and
// must not call Write. Transactions of other processes are not seen: see Changed.
func (d *DB) OnCommit(f func(topics []besedka.Topic)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hooks = append(d.hooks, f)
}

// Write runs f in one transaction and commits it when f returns nil.
//
// f may be run several times, each time in a new transaction, so it must set
// whatever it gives to the outside anew each time and must have no effect other
// than through tx. On PostgreSQL the isolation is READ COMMITTED: what f reads
// in order to decide, it must read with ForUpdate, or decide by a condition in
// the statement that writes. An error of f is returned as it is after rollback;
// a database that cannot be reached or does not answer in time is ErrUnavailable.
func (d *DB) Write(ctx context.Context, f func(tx *Tx) error) error {
	topics, err := d.run(ctx, func(ctx context.Context) ([]besedka.Topic, error) { return d.once(ctx, d.writer, nil, f) })
	if err != nil {
		return err
	}
	if len(topics) == 0 {
		return nil
	}
	d.mu.RLock()
	hooks := d.hooks
	d.mu.RUnlock()
	for _, hook := range hooks {
		hook(topics)
	}
	return nil
}

// Read runs f on one consistent snapshot of the database. f cannot write and
// may be run several times. Errors are as of Write.
func (d *DB) Read(ctx context.Context, f func(tx *Tx) error) error {
	o := &sql.TxOptions{ReadOnly: true}
	if d.dialect == PostgreSQL {
		o.Isolation = sql.LevelRepeatableRead
	}
	_, err := d.run(ctx, func(ctx context.Context) ([]besedka.Topic, error) { return d.once(ctx, d.reader, o, f) })
	return err
}

// Lookup is Read for one query, which needs no transaction around it: that is a third of
// what reading a row costs, and with PostgreSQL two of three round trips.
func (d *DB) Lookup(ctx context.Context, f func(tx *Tx) error) error {
	_, err := d.run(ctx, func(ctx context.Context) ([]besedka.Topic, error) {
		d.prepared.prepare(ctx)
		return nil, f(&Tx{Now: d.now().UTC().Truncate(time.Millisecond), ctx: ctx, pool: d.reader, dialect: d.dialect, prepared: d.prepared})
	})
	return err
}

// Check says whether the database answers.
func (d *DB) Check(ctx context.Context) error {
	return d.Read(ctx, func(tx *Tx) error {
		var one int
		return tx.QueryRow(`SELECT 1`).Scan(&one)
	})
}

func (d *DB) run(ctx context.Context, once func(context.Context) ([]besedka.Topic, error)) ([]besedka.Topic, error) {
	patient, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	for attempt := 1; ; attempt++ {
		topics, err := once(patient)
		if err == nil {
			return topics, nil
		}
		if attempt < attempts && brokenOff(err) && pause(patient, attempt) {
			continue
		}
		return nil, d.explain(ctx, patient, err)
	}
}

func (d *DB) once(ctx context.Context, pool *sql.DB, o *sql.TxOptions, f func(tx *Tx) error) ([]besedka.Topic, error) {
	var prepared *statements
	if pool == d.reader {
		prepared = d.prepared
		prepared.prepare(ctx)
	}
	stx, err := pool.BeginTx(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	defer stx.Rollback() // after Commit it does nothing; after a panic of f it frees the connection
	tx := &Tx{
		Now:     d.now().UTC().Truncate(time.Millisecond),
		ctx:     ctx,
		tx:      stx,
		dialect: d.dialect,
		write:   o == nil,

		prepared: prepared,
	}
	if err := f(tx); err != nil {
		return nil, err
	}
	if err := stx.Commit(); err != nil {
		return nil, fmt.Errorf("commit: %w", err)
	}
	return tx.topics, nil
}

// pause waits a little, longer and more at random with each attempt, and says
// whether there is time for another.
func pause(ctx context.Context, attempt int) bool {
	longest := time.Millisecond << (attempt + 2)
	t := time.NewTimer(time.Millisecond + rand.N(longest))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
