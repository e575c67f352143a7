package pgtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// Server is one cluster. It starts at the first call of [Server.Database], so that tests that need no PostgreSQL do
// not wait for one.
type Server struct {
	once sync.Once
	err  error
	dir  string
	stop func() error
	last atomic.Int64
}

// Main runs the tests of a package with a server and exits with their code:
//
//	func TestMain(m *testing.M) { pgtest.Main(m, &server) }
//
// where server is the package's own variable of type pgtest.Server.
func Main(m *testing.M, s *Server) {
	code := m.Run()
	if err := s.Close(); err != nil {
		fmt.Fprintln(os.Stderr, "stop PostgreSQL:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// Database makes an empty database for one test and returns how to connect to it. The test fails, and is never
// skipped, when there is no server to be had.
func (s *Server) Database(tb testing.TB) (dsn string) {
	tb.Helper()
	s.once.Do(func() { s.err = s.start() })
	if s.err != nil {
		tb.Fatalf("PostgreSQL for the tests: %v", s.err)
	}
	name := fmt.Sprintf("t%d", s.last.Add(1))
	if err := s.admin("CREATE DATABASE " + name); err != nil {
		tb.Fatalf("make a test database: %v", err)
	}
	tb.Cleanup(func() {
		if err := s.admin("DROP DATABASE IF EXISTS " + name + " WITH (FORCE)"); err != nil {
			tb.Errorf("drop the test database: %v", err)
		}
	})
	return s.dsn(name)
}

// Close stops the server, if one was started, and removes its files.
func (s *Server) Close() error {
	if s.dir == "" {
		return nil
	}
	var err error
	if s.stop != nil {
		err = s.stop()
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

// dsn connects as the superuser over the socket; the password is only there so that tests can look for leaks of it.
func (s *Server) dsn(database string) string {
	return (&url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(superuser, Password),
		Host:     "localhost",
		Path:     "/" + database,
		RawQuery: url.Values{"host": {filepath.Join(s.dir, "socket")}, "sslmode": {"disable"}}.Encode(),
	}).String()
}

func (s *Server) admin(statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	db, err := sql.Open("pgx", s.dsn("postgres"))
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, statement)
	return errors.Join(err, db.Close())
}
