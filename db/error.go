package db

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"
	"time"

	"besedka"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// ErrUnavailable means that the database cannot be reached, or did not answer in time.
var ErrUnavailable = besedka.NewError(besedka.Unavailable, "database_unavailable").After(2 * time.Second)

// PostgreSQL's codes that are named here (Appendix A of its manual).
const (
	pgUniqueViolation      = "23505"
	pgSerializationFailure = "40001"
	pgDeadlockDetected     = "40P01"
	pgQueryCanceled        = "57014" // by statement_timeout
	pgLockNotAvailable     = "55P03" // by lock_timeout
	pgReadOnly             = "25006" // a standby, while roles are changing
	pgIdleInTransaction    = "25P03"
)

// IsUnique says whether err is the refusal of a second row with the same unique
// key. The transaction cannot go on after it: return from the function given to
// Write, or avoid it with ON CONFLICT DO NOTHING.
func IsUnique(err error) bool {
	var p *pgconn.PgError
	if errors.As(err, &p) {
		return p.Code == pgUniqueViolation
	}
	var s *sqlite.Error
	return errors.As(err, &s) &&
		(s.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || s.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)
}

// brokenOff says that PostgreSQL gave the transaction up in favour of another
// one, or that its connection was lost before anything was sent on it, so that
// the same work may succeed when it is begun anew and cannot be done twice.
func brokenOff(err error) bool {
	var p *pgconn.PgError
	if errors.As(err, &p) {
		return p.Code == pgSerializationFailure || p.Code == pgDeadlockDetected
	}
	return pgconn.SafeToRetry(err)
}

// explain turns what a failed transaction returned into what the caller of
// Write or Read gets. ctx is the caller's, patient is ours with its time limit.
func (d *DB) explain(ctx, patient context.Context, err error) error {
	var known *besedka.Error
	switch {
	case errors.As(err, &known):
		return err
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case d.closed.Load(), patient.Err() != nil, brokenOff(err), unreachable(err):
		d.log.Warn("database unavailable", "error", err)
		return ErrUnavailable.Because(err)
	}
	return err
}

func unreachable(err error) bool {
	var p *pgconn.PgError
	if errors.As(err, &p) {
		switch p.Code {
		case pgQueryCanceled, pgLockNotAvailable, pgReadOnly, pgIdleInTransaction:
			return true
		}
		// 08: connection exception; 53: insufficient resources (disk full, too
		// many connections); 57P: shutdown and start; 58: system error.
		return strings.HasPrefix(p.Code, "08") || strings.HasPrefix(p.Code, "53") ||
			strings.HasPrefix(p.Code, "57P") || strings.HasPrefix(p.Code, "58")
	}
	var s *sqlite.Error
	if errors.As(err, &s) {
		switch s.Code() & 0xff {
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL,
			sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_READONLY:
			return true
		}
		return false
	}
	var c *pgconn.ConnectError
	var n net.Error
	return errors.As(err, &c) || errors.As(err, &n) ||
		errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) ||
		errors.Is(err, net.ErrClosed)
}
