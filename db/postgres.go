package db

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// connections bounds how many connections to PostgreSQL one process holds.
const connections = 20

func (d *DB) openPostgres(ctx context.Context, address string) error {
	c, err := pgx.ParseConfig(address)
	if err != nil {
		return errors.New("the database URL cannot be used") // the cause could repeat a password
	}
	d.dialect = PostgreSQL
	c.ConnectTimeout = 3 * time.Second
	c.RuntimeParams["application_name"] = "besedka"
	c.RuntimeParams["timezone"] = "UTC"
	// Acknowledged means durable, whatever the server's default is.
	c.RuntimeParams["synchronous_commit"] = "on"

	if err := d.migratePostgres(ctx, c.Copy()); err != nil {
		return err
	}

	patience := strconv.FormatInt(Patience.Milliseconds(), 10)
	c.RuntimeParams["statement_timeout"] = patience
	c.RuntimeParams["idle_in_transaction_session_timeout"] = strconv.FormatInt(2*Patience.Milliseconds(), 10)
	pool := stdlib.OpenDB(*c)
	pool.SetMaxOpenConns(connections)
	pool.SetMaxIdleConns(connections)
	pool.SetConnMaxIdleTime(5 * time.Minute)
	pool.SetConnMaxLifetime(time.Hour)
	d.writer, d.reader = pool, pool
	if err := d.Check(ctx); err != nil {
		return errors.Join(err, pool.Close())
	}
	return nil
}

// migratePostgres has no statement timeout: the change of a large table may take its time.
func (d *DB) migratePostgres(ctx context.Context, c *pgx.ConnConfig) error {
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 600))
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	migrator := stdlib.OpenDB(*c)
	defer migrator.Close()
	if err := migrator.PingContext(ctx); err != nil {
		return ErrUnavailable.Because(err)
	}
	return d.migrate(ctx, migrator, goose.DialectPostgres, locker)
}
