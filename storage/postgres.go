package storage

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// pgEngine is one PostgreSQL database behind two pools, so that the WhatsApp library cannot starve the jobs.
type pgEngine struct {
	db   *sql.DB
	line *sql.DB
}

var _ engine = (*pgEngine)(nil)

// connectTime is how long a server may take to accept a connection when the DSN does not say.
const connectTime = 5 * time.Second

// maxTries is how often a transaction that lost against another one is run again.
const maxTries = 5

func openPostgres(ctx context.Context, dsn string, conns int) (engine, error) {
	config, err := pgConfig(dsn)
	if err != nil {
		return nil, err
	}
	e := &pgEngine{db: stdlib.OpenDB(*config), line: stdlib.OpenDB(*config)}
	for _, db := range []*sql.DB{e.db, e.line} {
		db.SetMaxOpenConns(conns)
		db.SetMaxIdleConns(conns)
		db.SetConnMaxIdleTime(5 * time.Minute)
	}
	if err := migratePostgres(ctx, e.db); err != nil {
		return nil, errors.Join(withoutPassword(classify(err), config.Password), e.close())
	}
	return e, nil
}

// secretError is an error whose text had a password taken out.
type secretError struct {
	text string
	err  error
}

func (e *secretError) Error() string { return e.text }
func (e *secretError) Unwrap() error { return e.err }

func withoutPassword(err error, password string) error {
	if err == nil || password == "" {
		return err
	}
	text := err.Error()
	for _, form := range []string{password, url.QueryEscape(password), url.PathEscape(password)} {
		text = strings.ReplaceAll(text, form, "•••")
	}
	return &secretError{text: text, err: err}
}

func (e *pgEngine) write(ctx context.Context, _ durability, fn func(ctx context.Context, q querier) error) error {
	for try := 1; ; try++ {
		err := e.transact(ctx, fn)
		if try == maxTries || !lostRace(err) {
			return err
		}
	}
}

func (e *pgEngine) transact(ctx context.Context, fn func(ctx context.Context, q querier) error) error {
	tx, err := e.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after Commit
	if err := fn(ctx, tx); err != nil {
		return err
	}
	return tx.Commit()
}

// lostRace tells a transaction that another one has beaten: a deadlock, or a second job of one serial that became
// visible while its neighbour was being leased.
func lostRace(err error) bool {
	var server *pgconn.PgError
	if !errors.As(err, &server) {
		return false
	}
	return server.Code == "40001" || server.Code == "40P01" ||
		server.Code == "23505" && server.ConstraintName == "jobs_serial_running"
}

func (e *pgEngine) reader() querier           { return e.db }
func (e *pgEngine) lineDB() (*sql.DB, string) { return e.line, "postgres" }
func (e *pgEngine) skipLocked() string        { return " FOR UPDATE SKIP LOCKED" }
func (e *pgEngine) contains(column, parameter string) string {
	return "position(convert_to(" + parameter + "::text, 'UTF8') IN " + column + ") > 0"
}

// ping notices a server that only answers reads, such as a standby.
func (e *pgEngine) ping(ctx context.Context) error {
	var readOnly string
	if err := e.db.QueryRowContext(ctx, "SHOW transaction_read_only").Scan(&readOnly); err != nil {
		return err
	}
	if readOnly == "on" {
		return errors.New("the server accepts no writes now")
	}
	return nil
}

func (e *pgEngine) close() error { return errors.Join(e.db.Close(), e.line.Close()) }
