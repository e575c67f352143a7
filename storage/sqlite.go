package storage

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/mattn/go-sqlite3"
)

// liteEngine is our own SQLite file, with one connection that writes and several that read, and the line's file.
type liteEngine struct {
	writer *writer
	reads  *sql.DB
	line   *sql.DB
}

var _ engine = (*liteEngine)(nil)

// The settings of each kind of connection; docs/adr/0002 says why.
const (
	pragmasWrite = "_foreign_keys=on&_journal_mode=WAL&_busy_timeout=5000&_txlock=immediate&_secure_delete=FAST" +
		"&_stmt_cache_size=128&_synchronous="
	pragmasRead = "_foreign_keys=on&_busy_timeout=5000&_query_only=on&_stmt_cache_size=32&_cache_size=-512"
	pragmasLine = "_foreign_keys=on&_journal_mode=WAL&_synchronous=NORMAL&_busy_timeout=5000&_txlock=immediate" +
		"&_secure_delete=FAST&_stmt_cache_size=64"
)

// liteTuning is what the benchmarks behind docs/adr/0002 vary.
type liteTuning struct {
	synchronous string // when the disk must have a commit
	batch       int    // how many callers share one transaction at most
}

// production is how it is set. FULL: the message that WhatsApp may forget is on the disk.
func production() liteTuning { return liteTuning{synchronous: "FULL", batch: 64} }

// openSQLite also returns the absolute path of the data directory.
func openSQLite(ctx context.Context, dir string, tuning liteTuning) (engine, string, error) {
	dir, err := prepareDir(dir)
	if err != nil {
		return nil, "", err
	}
	own := filepath.Join(dir, ownFile)
	if err := migrateSQLite(ctx, dir); err != nil {
		return nil, "", fmt.Errorf("%s: %w", own, classify(err))
	}
	writes, reads := openFile(own, pragmasWrite+tuning.synchronous, 1), openFile(own, pragmasRead, 4)
	return &liteEngine{writer: newWriter(writes, tuning.synchronous, tuning.batch), reads: reads, line: openLine(dir)}, dir, nil
}

// openFile prepares connections to a file; the first use opens one.
func openFile(path, pragmas string, conns int) *sql.DB {
	return pool(connectorOf(path, pragmas), conns)
}

func openLine(dir string) *sql.DB {
	return pool(turnConnector{connectorOf(filepath.Join(dir, lineFile), pragmasLine), make(turns, 1)}, 4)
}

func connectorOf(path, pragmas string) liteConnector {
	return liteConnector{dsn: fileURI(path) + "?" + pragmas, driver: &sqlite3.SQLiteDriver{ConnectHook: inMemory}}
}

func pool(c driver.Connector, conns int) *sql.DB {
	db := sql.OpenDB(c)
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db
}

// inMemory keeps what a statement needs only while it runs out of files. SQLite otherwise makes a file on the disk for
// each statement that may have to be undone half-way: one that changes several rows, returns rows or runs under a
// savepoint. The data source name has no word for it.
func inMemory(c *sqlite3.SQLiteConn) error {
	_, err := c.Exec("PRAGMA temp_store = MEMORY", nil)
	return err
}

// liteConnector opens connections that the driver's own registration does not offer.
type liteConnector struct {
	dsn    string
	driver *sqlite3.SQLiteDriver
}

var _ driver.Connector = liteConnector{}

// Connect implements [driver.Connector]. Opening a file cannot be called off.
func (c liteConnector) Connect(context.Context) (driver.Conn, error) { return c.driver.Open(c.dsn) }

// Driver implements [driver.Connector].
func (c liteConnector) Driver() driver.Driver { return c.driver }

// fileURI escapes what would end the path in SQLite's URI form.
func fileURI(path string) string { return "file:" + (&url.URL{Path: path}).EscapedPath() }

func (e *liteEngine) write(ctx context.Context, d durability, fn func(ctx context.Context, q querier) error) error {
	return e.writer.do(ctx, d, fn)
}

func (e *liteEngine) reader() querier           { return numbered{e.reads} }
func (e *liteEngine) lineDB() (*sql.DB, string) { return e.line, "sqlite3" }
func (e *liteEngine) skipLocked() string        { return "" }
func (e *liteEngine) contains(column, parameter string) string {
	return "instr(" + column + ", CAST(" + parameter + " AS BLOB)) > 0"
}

// ping takes the write lock too, so that a database that another process has locked for good is noticed.
func (e *liteEngine) ping(ctx context.Context) error {
	var n int64
	if err := e.reads.QueryRowContext(ctx, "SELECT keep_since FROM audit_horizon").Scan(&n); err != nil {
		return err
	}
	return e.writer.probe(ctx)
}

func (e *liteEngine) close() error {
	return errors.Join(e.writer.close(), e.reads.Close(), e.line.Close())
}

// numbered lets both engines share one text: SQLite takes $1 for a name and numbers names as they appear, and ?1 for
// a number.
type numbered struct{ querier }

func (n numbered) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return n.querier.ExecContext(ctx, strings.ReplaceAll(query, "$", "?"), args...)
}

func (n numbered) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return n.querier.QueryContext(ctx, strings.ReplaceAll(query, "$", "?"), args...)
}

func (n numbered) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	return n.querier.QueryRowContext(ctx, strings.ReplaceAll(query, "$", "?"), args...)
}
