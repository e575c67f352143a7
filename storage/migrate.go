package storage

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

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
	look, err := openFile(path, pragmasRead, 1)
	if err != nil {
		return err
	}
	err = refuseNewer(ctx, look, "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = $1", SQLite)
	if err := errors.Join(err, look.Close()); err != nil {
		return err
	}
	db, err := openFile(path, pragmasWrite+"FULL", 1)
	if err != nil {
		return err
	}
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
	if err := refuseNewer(ctx, conn, "SELECT count(*) FROM pg_class WHERE oid = to_regclass($1)", Postgres); err != nil {
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
	var tables, have int64
	if err := q.QueryRowContext(ctx, exists, versionTable).Scan(&tables); err != nil {
		return fmt.Errorf("read the version of the database: %w", err)
	}
	if tables == 0 {
		return nil
	}
	row := q.QueryRowContext(ctx, "SELECT COALESCE(MAX(version_id), 0) FROM "+versionTable+" WHERE is_applied")
	if err := row.Scan(&have); err != nil {
		return fmt.Errorf("read the version of the database: %w", err)
	}
	known, err := newest(engine)
	if err != nil {
		return err
	}
	if have > known {
		return fmt.Errorf("%w: its tables have version %d, this binary knows up to %d; start the newer binary, "+
			"or restore the backup made before it ran", ErrNewer, have, known)
	}
	return nil
}

// newest is the version that this binary migrates to.
func newest(engine string) (int64, error) {
	files, err := fs.Glob(migrations, "migrations/"+engine+"/*.sql")
	if err != nil {
		return 0, err
	}
	var top int64
	for _, file := range files {
		version, err := goose.NumericComponent(filepath.Base(file))
		if err != nil {
			return 0, err
		}
		top = max(top, version)
	}
	return top, nil
}
