package storage

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/mattn/go-sqlite3"
)

var (
	// ErrUnavailable is wrapped by every error that may be gone a moment later: the database is busy, away, out of
	// connections or restarting. Nothing was written, or it is unknown whether it was: every write can be repeated.
	ErrUnavailable = errors.New("the database is busy or away")
	// ErrClosed is what a closed store answers.
	ErrClosed = errors.New("the store is closed")
	// ErrNewer says that a newer konsulin-bot has changed the database.
	ErrNewer = errors.New("the database belongs to a newer version of konsulin-bot")
	// ErrNoJob says that there is no job of that id, or none any more.
	ErrNoJob = errors.New("no job has this id")
	// ErrNoDeadJob says that there is no job of that id that was laid aside.
	ErrNoDeadJob = errors.New("no dead job has this id")
	// ErrOtherKey says that links of other processes of this database would not open here, and that replies would be
	// sent twice.
	ErrOtherKey = errors.New("this process has another sealing key than the database's: give every process the same " +
		"auth.seal_key_file; when that key is lost for good, the database must be told to take the new one")
	// ErrNoOpenCase says that there is no case of that id that waits for a decision.
	ErrNoOpenCase = errors.New("no open case has this id")
	// ErrNotACandidate says that the approved resource is none of the case's.
	ErrNotACandidate = errors.New("name one of the case's resources")
	// ErrHalfRestored says that a restore has not come to its end, so that the files do not belong together.
	ErrHalfRestored = errors.New("a restore is under way here, or was interrupted; the next serve brings it to its end, and so " +
		"does konsulin-bot restore")
	// ErrNoDatabase says that there is nothing to copy.
	ErrNoDatabase = errors.New("there is no database here yet; the first serve or pair makes it")
	// ErrLineLost says that this process does not own the line any more.
	ErrLineLost = errors.New("this process does not own the WhatsApp line any more")
)

// HeldError says who holds the line.
type HeldError struct {
	What  string // what is held: the data directory or the database
	PID   int    // zero: not known
	Host  string
	Since time.Time
}

// Error tells an operator who is in the way.
func (e *HeldError) Error() string {
	if e.PID == 0 {
		return e.What + " is in use by another konsulin-bot; stop it first"
	}
	return fmt.Sprintf("%s is in use by another konsulin-bot: process %d on %s, since %s; stop it first",
		e.What, e.PID, e.Host, e.Since.UTC().Format(time.RFC3339))
}

// classify wraps what may be gone a moment later in ErrUnavailable and leaves the rest alone.
func classify(err error) error {
	if err == nil || errors.Is(err, ErrUnavailable) || !passing(err) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

func passing(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false // the caller's own doing
	}
	var lite sqlite3.Error
	if errors.As(err, &lite) {
		return lite.Code == sqlite3.ErrBusy || lite.Code == sqlite3.ErrLocked || lite.Code == sqlite3.ErrFull ||
			lite.Code == sqlite3.ErrIoErr || lite.Code == sqlite3.ErrNomem || lite.Code == sqlite3.ErrInterrupt
	}
	var server *pgconn.PgError
	if errors.As(err, &server) {
		return passingState(server.Code)
	}
	var connect *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &connect) || errors.As(err, &network) || errors.Is(err, driver.ErrBadConn) ||
		errors.Is(err, sql.ErrConnDone) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, pgconn.ErrConnClosed)
}

// passingState knows the classes of PostgreSQL's appendix A that another try may cure: connection, resources,
// operator intervention, transaction rollback, lock not available.
func passingState(code string) bool {
	for _, class := range []string{"08", "53", "57P", "40", "55P03"} {
		if strings.HasPrefix(code, class) {
			return true
		}
	}
	return false
}
