package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/mattn/go-sqlite3"
	"golang.org/x/sys/unix"
)

// State is what a look at the database found.
type State struct {
	Exists  bool       // there are tables of ours
	Schema  int64      // version of the tables; zero: there are none
	Known   int64      // version that this binary migrates to
	Damage  string     // SQLite: what its own check found first; empty: nothing
	KeyMark string     // fingerprint of the sealing key that the database knows; empty: none yet
	Holder  *HeldError // who owns the line; nil: nobody
	Dead    int        // jobs that were laid aside
	Cases   int        // cases that wait for a decision
}

// TooNew is an error that wraps [ErrNewer] when the database belongs to a newer binary.
func (s State) TooNew() error { return tooNew(s.Schema, s.Known) }

// Inspect looks at the database without changing anything: it makes no file and migrates nothing, so it can be asked
// before an upgrade, and beside a running serve of another version. The error says why it cannot look.
func Inspect(ctx context.Context, c Config) (State, error) {
	known, err := Newest(c.Engine)
	if err != nil {
		return State{}, err
	}
	s := State{Known: known}
	switch c.Engine {
	case SQLite:
		err = s.inspectFiles(ctx, c.Dir)
	case Postgres:
		err = s.inspectServer(ctx, c.DSN)
	default:
		err = fmt.Errorf("unknown engine %q: use %q or %q", c.Engine, SQLite, Postgres)
	}
	if err != nil {
		return s, fmt.Errorf("look at the database: %w", classify(err))
	}
	return s, nil
}

func (s *State) inspectFiles(ctx context.Context, dir string) error {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := checkDir(dir); err != nil {
		return err
	}
	for _, file := range []string{ownFile, lineFile} {
		db, err := openExisting(filepath.Join(dir, file))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		err = s.inspectFile(ctx, db, file == ownFile)
		if err = errors.Join(err, db.Close()); err != nil {
			return fmt.Errorf("%s: %w", filepath.Join(dir, file), err)
		}
	}
	held, err := holderOf(dir)
	s.Holder = held
	return err
}

func (s *State) inspectFile(ctx context.Context, db *sql.DB, own bool) error {
	var found string
	var lite sqlite3.Error
	switch err := db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&found); {
	case errors.As(err, &lite) && (lite.Code == sqlite3.ErrCorrupt || lite.Code == sqlite3.ErrNotADB):
		found = lite.Error()
	case err != nil:
		return err
	}
	if found != "ok" && s.Damage == "" {
		s.Damage = found
	}
	if !own || found != "ok" {
		return nil
	}
	return s.readFacts(ctx, numbered{db}, tablesInSQLite)
}

func (s *State) inspectServer(ctx context.Context, dsn string) error {
	config, err := pgConfig(dsn)
	if err != nil {
		return err
	}
	db := stdlib.OpenDB(*config)
	defer func() { _ = db.Close() }()
	if err := s.readFacts(ctx, db, tablesInPostgres); err != nil || !s.Exists {
		return withoutPassword(err, config.Password)
	}
	held := &HeldError{What: "the WhatsApp line of this database"}
	var since int64
	owned, err := one(ctx, db, `SELECT pid, host, since FROM line_owner WHERE until > `+dbClock, nil, &held.PID, &held.Host, &since)
	if owned {
		held.Since = at(since)
		s.Holder = held
	}
	return withoutPassword(err, config.Password)
}

// How to ask whether there is a table, by engine.
const (
	tablesInSQLite   = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = $1"
	tablesInPostgres = "SELECT count(*) FROM pg_class WHERE oid = to_regclass($1)"
)

// readFacts reads what the tables of the present version say. Of another version's only the version is read.
func (s *State) readFacts(ctx context.Context, q querier, exists string) error {
	var err error
	if s.Schema, err = schemaVersion(ctx, q, exists); err != nil || s.Schema == 0 {
		return err
	}
	s.Exists = true
	if s.Schema != s.Known {
		return nil
	}
	if _, err := one(ctx, q, `SELECT value FROM facts WHERE name = $1`, []any{factKey}, &s.KeyMark); err != nil {
		return err
	}
	if _, err := one(ctx, q, `SELECT COUNT(*) FROM jobs WHERE state = 'dead'`, nil, &s.Dead); err != nil {
		return err
	}
	_, err = one(ctx, q, `SELECT COUNT(*) FROM cases WHERE state = 'open'`, nil, &s.Cases)
	return err
}

// openExisting opens a SQLite file that is there already, for reading; fs.ErrNotExist when it is not, or is empty.
func openExisting(path string) (*sql.DB, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() == 0 {
		return nil, fmt.Errorf("%s is empty: %w", path, fs.ErrNotExist)
	}
	return openFile(path, pragmasRead+"&mode=rw", 1), nil // rw, not rwc: the side files may be needed, the database must be there
}

// holderOf says who has locked a data directory. It asks for a shared lock for a moment; that is refused only while
// somebody holds the line.
func holderOf(dir string) (*HeldError, error) {
	f, err := os.Open(filepath.Join(dir, lineLock))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	switch err := unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB); {
	case errors.Is(err, unix.EWOULDBLOCK):
		return readHolder(dir), nil
	case err != nil:
		return nil, err
	}
	return nil, nil
}

// pgConfig reads a DSN. The parser's own words may repeat parts of the password.
func pgConfig(dsn string) (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil || dsn == "" {
		return nil, errors.New("the DSN of the storage is not a PostgreSQL connection string; " +
			"expected postgres://user:password@host:5432/database or host=… user=… dbname=…")
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTime
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "konsulin-bot"
	}
	return config, nil
}

// Querier is what [LookAtLine] gives: enough to read, and nothing to change.
type Querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// LookAtLine lets f read the WhatsApp library's own store, in the dialect that it is told. It makes nothing: when there
// is no store, f is not called.
func LookAtLine(c Config, f func(q Querier, dialect string) error) error {
	if c.Engine == Postgres {
		config, err := pgConfig(c.DSN)
		if err != nil {
			return err
		}
		db := stdlib.OpenDB(*config)
		err = f(db, "postgres")
		return withoutPassword(errors.Join(classify(err), db.Close()), config.Password)
	}
	if err := checkDir(c.Dir); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	db, err := openExisting(filepath.Join(c.Dir, lineFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(f(db, "sqlite3"), db.Close())
}
