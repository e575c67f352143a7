package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// The names that a copy has in the data directory while it is made.
const (
	copyDir  = "copying"
	copyLock = "copying.lock"
)

// Copy is a copy of a SQLite data directory, in a directory of its own inside of it. Close it.
type Copy struct {
	State State
	Dir   string
	lock  *os.File
}

// Snapshot copies both files of a SQLite data directory. A running serve goes on meanwhile: each copy is what its file
// held at one moment, the line's file first, so that a message of which the line's copy knows that it was read is
// either in our copy or comes again. The copies are checked before Snapshot returns. It migrates nothing, and copies a
// database of any version. One copy is made at a time; what an interrupted one has left is cleared away.
func Snapshot(ctx context.Context, dir string) (*Copy, error) {
	c, err := snapshot(ctx, dir)
	if err != nil {
		return nil, fmt.Errorf("copy the database: %w", classify(err))
	}
	return c, nil
}

func snapshot(ctx context.Context, dir string) (_ *Copy, err error) {
	if err := checkDir(dir); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%s: %w", dir, ErrNoDatabase)
		}
		return nil, err
	}
	c := &Copy{Dir: filepath.Join(dir, copyDir)}
	if c.lock, err = tryLock(filepath.Join(dir, copyLock)); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = fmt.Errorf("%s: another backup is being made; wait for it", dir)
		}
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	if err := errors.Join(os.RemoveAll(c.Dir), os.Mkdir(c.Dir, 0o700)); err != nil {
		return nil, err
	}
	for _, file := range []string{lineFile, ownFile} {
		if err := copyFile(ctx, filepath.Join(dir, file), filepath.Join(c.Dir, file)); err != nil {
			return nil, err
		}
	}
	c.State, err = Inspect(ctx, Config{Engine: SQLite, Dir: c.Dir})
	switch {
	case err != nil:
		return nil, err
	case c.State.Damage != "":
		return nil, fmt.Errorf("%s is damaged (%s); restore an older backup", dir, c.State.Damage)
	case !c.State.Exists:
		return nil, fmt.Errorf("%s: %w", dir, ErrNoDatabase)
	}
	return c, nil
}

// ChangeLine lets f change the copy of the line's file. What f deletes is overwritten.
func (c *Copy) ChangeLine(f func(db *sql.DB, dialect string) error) error {
	db := openFile(filepath.Join(c.Dir, lineFile), "mode=rw&_journal_mode=MEMORY&_secure_delete=on&_foreign_keys=on", 1)
	return errors.Join(f(db, "sqlite3"), db.Close())
}

// Close removes the copy.
func (c *Copy) Close() error { return errors.Join(os.RemoveAll(c.Dir), c.lock.Close()) }

// copyFile copies one database, as it is at one moment, without the space that deleted rows have left. The copy
// appears with mode 0600. A file without content, such as the line's before the first pairing, stays one.
func copyFile(ctx context.Context, from, to string) error {
	f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	info, err := os.Stat(from)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	db := openFile(from, "mode=rw&_busy_timeout=5000", 1)
	_, err = db.ExecContext(ctx, "VACUUM INTO ?", to)
	if err = errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	return nil
}
