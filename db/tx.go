package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"besedka"
)

// Tx is a running transaction. It is valid only inside the function given to
// Write or Read and used by one goroutine.
type Tx struct {
	Now time.Time // when the transaction began, UTC, in whole milliseconds

	ctx     context.Context
	tx      *sql.Tx // nil in Lookup,
	pool    *sql.DB // which has this instead
	dialect Dialect
	write   bool
	topics  []besedka.Topic // published to, each once

	prepared *statements // nil where the driver keeps them itself, or there is nothing to gain
}

// Millis is Now as it stands in the tables.
func (t *Tx) Millis() int64 { return t.Now.UnixMilli() }

// Exec runs a statement and says how many rows it changed.
func (t *Tx) Exec(query string, args ...any) (int64, error) {
	r, err := t.tx.ExecContext(t.ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// QueryRow runs a query of at most one row; Scan gives sql.ErrNoRows for none.
func (t *Tx) QueryRow(query string, args ...any) *sql.Row {
	s := t.prepared.find(query)
	switch {
	case s != nil && t.tx == nil:
		return s.QueryRowContext(t.ctx, args...)
	case s != nil:
		return t.tx.StmtContext(t.ctx, s).QueryRowContext(t.ctx, args...)
	case t.tx == nil:
		return t.pool.QueryRowContext(t.ctx, query, args...)
	}
	return t.tx.QueryRowContext(t.ctx, query, args...)
}

// Query runs a query of many rows. They must be closed before the next statement.
func (t *Tx) Query(query string, args ...any) (*sql.Rows, error) {
	s := t.prepared.find(query)
	switch {
	case s != nil && t.tx == nil:
		return s.QueryContext(t.ctx, args...)
	case s != nil:
		return t.tx.StmtContext(t.ctx, s).QueryContext(t.ctx, args...)
	case t.tx == nil:
		return t.pool.QueryContext(t.ctx, query, args...)
	}
	return t.tx.QueryContext(t.ctx, query, args...)
}

// ForUpdate is what stands at the end of a SELECT whose rows must not be
// changed by others before this transaction ends: " FOR UPDATE" in a writing
// transaction of PostgreSQL, nothing in SQLite, which has a single writer.
func (t *Tx) ForUpdate() string {
	if t.write && t.dialect == PostgreSQL {
		return " FOR UPDATE"
	}
	return ""
}

// Setting is the value kept under key, or "" when there is none.
func (t *Tx) Setting(key string) (string, error) {
	var v string
	err := t.QueryRow(`SELECT value FROM settings WHERE key = $1`+t.ForUpdate(), key).Scan(&v)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read setting %s: %w", key, err)
	}
	return v, nil
}

// SetSetting keeps value under key; the empty value removes it.
func (t *Tx) SetSetting(key, value string) error {
	if key == "" || len(key) > 100 || len(value) > 64<<10 {
		return besedka.ErrInvalid.Because(fmt.Errorf("setting %.100q is too large", key))
	}
	var err error
	if value == "" {
		_, err = t.Exec(`DELETE FROM settings WHERE key = $1`, key)
	} else {
		_, err = t.Exec(`INSERT INTO settings (key, value) VALUES ($1, $2)
			ON CONFLICT (key) DO UPDATE SET value = excluded.value`, key, value)
	}
	if err != nil {
		return fmt.Errorf("write setting %s: %w", key, err)
	}
	return nil
}
