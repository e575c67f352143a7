package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"
)

// The engines.
const (
	SQLite   = "sqlite"
	Postgres = "postgres"
)

// Config says where everything is remembered.
type Config struct {
	Engine string // SQLite or Postgres
	Dir    string // SQLite: the data directory; made when it is missing
	DSN    string // Postgres: how to connect; never printed

	MaxConns  int              // Postgres: connections for our own statements; zero: 10
	LineLease time.Duration    // Postgres: how long a silent owner keeps the line; zero: 15 s
	Now       func() time.Time // zero: time.Now
}

// Store is everything that is remembered. It is safe for concurrent use, also by several processes.
type Store struct {
	engine    engine
	now       func() time.Time
	dir       string // SQLite: absolute
	lineLease time.Duration

	mu     sync.Mutex
	onJobs map[int]func() // who is told of new jobs
	lastID int            // of onJobs
}

// engine is what differs between SQLite and PostgreSQL.
type engine interface {
	// write runs fn in one transaction and returns when it is committed, as safely as d says. fn may run more than
	// once, so it must set its results anew on each run; an error of fn rolls everything back and comes out wrapped.
	write(ctx context.Context, d durability, fn func(ctx context.Context, q querier) error) error
	// reader is for statements that change nothing.
	reader() querier
	// lineDB is the handle for the WhatsApp library's own store, and that library's name for the dialect.
	lineDB() (*sql.DB, string)
	// skipLocked is appended to a SELECT that chooses rows to work on.
	skipLocked() string
	// contains is the condition that a column of bytes holds the text of a parameter.
	contains(column, parameter string) string
	ping(ctx context.Context) error
	close() error
}

// durability is what a commit outlives. Both outlive the death of the process at any moment.
type durability int

const (
	// onDisk is for promises to others: a power cut does not take the commit back.
	onDisk durability = iota
	// inOrder is for what the bot only tells itself, and would do again. A power cut may take back the last such
	// commits, but never one without everything that was written after it: the next onDisk commit settles them too.
	inOrder
)

// querier is what *sql.DB, *sql.Conn and *sql.Tx have in common.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// Open opens the database, makes or migrates its tables and returns. It refuses a database of a newer version, and
// files that others may read. It does not take the line: subcommands open beside a running serve. See [Store.OwnLine].
func Open(ctx context.Context, c Config) (*Store, error) {
	if c.Now == nil {
		c.Now = time.Now //nolint:forbidigo // the default of the Now field
	}
	if c.LineLease <= 0 {
		c.LineLease = 15 * time.Second
	}
	if c.MaxConns <= 0 {
		c.MaxConns = 10
	}
	s := &Store{now: c.Now, lineLease: c.LineLease}
	var err error
	switch c.Engine {
	case SQLite:
		s.engine, s.dir, err = openSQLite(ctx, c.Dir, production())
	case Postgres:
		s.engine, err = openPostgres(ctx, c.DSN, c.MaxConns)
	default:
		err = fmt.Errorf("unknown engine %q: use %q or %q", c.Engine, SQLite, Postgres)
	}
	if err != nil {
		return nil, fmt.Errorf("open storage: %w", err)
	}
	return s, nil
}

// Close ends everything that the store runs. Calls that are under way finish first; later ones get [ErrClosed].
func (s *Store) Close() error { return s.engine.close() }

// Ping asks whether the database can be read and written now.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.engine.ping(ctx); err != nil {
		return fmt.Errorf("reach the database: %w", classify(err))
	}
	return nil
}

// LineDB is the database of the WhatsApp library's own store and that library's name of its dialect ("sqlite3" or
// "postgres"): a second file on SQLite, the same database on PostgreSQL. The store closes it.
func (s *Store) LineDB() (db *sql.DB, dialect string) { return s.engine.lineDB() }

// OnNewJobs has f called after every commit that made a job ready in this process, so that a runner need not wait for
// its next look. f must not block. stop ends that.
func (s *Store) OnNewJobs(f func()) (stop func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.onJobs == nil {
		s.onJobs = map[int]func(){}
	}
	s.lastID++
	id := s.lastID
	s.onJobs[id] = f
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.onJobs, id)
	}
}

func (s *Store) jobsAdded() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.onJobs {
		f()
	}
}

// write is engine.write with errors that callers can tell apart.
func (s *Store) write(ctx context.Context, fn func(ctx context.Context, q querier) error) error {
	return classify(s.engine.write(ctx, onDisk, fn))
}

// note is write for what may be lost to a power cut, see inOrder.
func (s *Store) note(ctx context.Context, fn func(ctx context.Context, q querier) error) error {
	return classify(s.engine.write(ctx, inOrder, fn))
}

// change runs one statement and tells how many rows it changed.
func change(ctx context.Context, q querier, query string, args ...any) (int64, error) {
	result, err := q.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// one reads one row; found is false when there is none.
func one(ctx context.Context, q querier, query string, args []any, into ...any) (found bool, err error) {
	err = q.QueryRowContext(ctx, query, args...).Scan(into...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// each reads all rows; scan is called once for each.
func each(ctx context.Context, q querier, query string, args []any, scan func(*sql.Rows) error) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
