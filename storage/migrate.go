package storage

import (
	"cmp"
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pressly/goose/v3"
)

//go:embed migrations/sqlite/*.sql migrations/postgres/*.sql
var migrations embed.FS

// versionTable is where the version of the schema is kept.
const versionTable = "konsulin_schema"

// migrateKey is the advisory lock under which one process at a time migrates a PostgreSQL database.
const migrateKey = 0x6b6f6e73756c696e // "konsulin"

func migrateSQLite(ctx context.Context, dir string) error {
	unlock, err := lockFile(ctx, filepath.Join(dir, migrateLock))
	if err != nil {
		return fmt.Errorf("wait for another process that migrates: %w", err)
	}
	defer unlock()
	path := filepath.Join(dir, ownFile)
	// The version is read over a connection that can change nothing: a newer database stays as it is.
	look := openFile(path, pragmasRead, 1)
	err = refuseNewer(ctx, numbered{look}, tablesInSQLite, SQLite)
	if err := errors.Join(err, look.Close()); err != nil {
		return err
	}
	db := openFile(path, pragmasWrite+"FULL", 1)
	return errors.Join(migrate(ctx, db, goose.DialectSQLite3, SQLite), db.Close())
}

func migratePostgres(ctx context.Context, db *sql.DB) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", int64(migrateKey)); err != nil {
		return err
	}
	defer func() {
		_, _ = conn.ExecContext(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1)", int64(migrateKey))
	}()
	if err := refuseNewer(ctx, conn, tablesInPostgres, Postgres); err != nil {
		return err
	}
	return migrate(ctx, db, goose.DialectPostgres, Postgres)
}

func migrate(ctx context.Context, db *sql.DB, dialect goose.Dialect, engine string) error {
	files, err := fs.Sub(migrations, "migrations/"+engine)
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(dialect, db, files,
		goose.WithTableName(versionTable), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// refuseNewer answers ErrNewer when the database has a version that this binary does not know.
func refuseNewer(ctx context.Context, q querier, exists, engine string) error {
	have, err := schemaVersion(ctx, q, exists)
	if err != nil {
		return err
	}
	known, err := Newest(engine)
	if err != nil {
		return err
	}
	return tooNew(have, known)
}

// tooNew is an error that wraps ErrNewer when have is more than known.
func tooNew(have, known int64) error {
	if have <= known {
		return nil
	}
	return fmt.Errorf("%w: its tables have version %d, this binary knows up to %d; start the newer binary, "+
		"or restore the backup made before it ran", ErrNewer, have, known)
}

// schemaVersion is the version of the tables; zero when there are none. exists asks whether there is a table.
func schemaVersion(ctx context.Context, q querier, exists string) (int64, error) {
	var tables, have int64
	if err := q.QueryRowContext(ctx, exists, versionTable).Scan(&tables); err != nil {
		return 0, fmt.Errorf("read the version of the database: %w", err)
	}
	if tables == 0 {
		return 0, nil
	}
	row := q.QueryRowContext(ctx, "SELECT COALESCE(MAX(version_id), 0) FROM "+versionTable+" WHERE is_applied")
	if err := row.Scan(&have); err != nil {
		return 0, fmt.Errorf("read the version of the database: %w", err)
	}
	return have, nil
}

// Migration is one step of the database's tables.
type Migration struct {
	Version int64  `json:"version"`
	Name    string `json:"name"`
}

// Migrations lists the steps that this binary knows, oldest first.
func Migrations(engine string) ([]Migration, error) {
	files, err := fs.Glob(migrations, "migrations/"+engine+"/*.sql")
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("unknown engine %q: use %q or %q", engine, SQLite, Postgres)
	}
	all := make([]Migration, 0, len(files))
	for _, file := range files {
		base := filepath.Base(file)
		version, err := goose.NumericComponent(base)
		if err != nil {
			return nil, err
		}
		_, name, _ := strings.Cut(strings.TrimSuffix(base, ".sql"), "_")
		all = append(all, Migration{Version: version, Name: name})
	}
	slices.SortFunc(all, func(a, b Migration) int { return cmp.Compare(a.Version, b.Version) })
	return all, nil
}

// Newest is the version that this binary migrates to.
func Newest(engine string) (int64, error) {
	all, err := Migrations(engine)
	if err != nil {
		return 0, err
	}
	return all[len(all)-1].Version, nil
}
