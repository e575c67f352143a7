package storage

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// holder is what the lock file says about who has locked it.
type holder struct {
	PID   int       `json:"pid"`
	Host  string    `json:"host"`
	Since time.Time `json:"since"`
}

// ownFile locks the data directory for as long as this process lives or until release.
func (t *Tenure) ownFile(dir string) error {
	path := filepath.Join(dir, lineLock)
	f, err := tryLock(path)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return readHolder(dir)
	}
	if err != nil {
		return err
	}
	if err := writeHolder(f, t.store.now()); err != nil {
		return errors.Join(err, f.Close())
	}
	t.release = sync.OnceValue(func() error {
		// The file stays: removing it would let two processes lock two files of one name.
		return errors.Join(f.Truncate(0), f.Close())
	})
	return nil
}

// readHolder reads who has locked a data directory.
func readHolder(dir string) *HeldError {
	held := &HeldError{What: "the data directory " + dir}
	if text, err := os.ReadFile(filepath.Join(dir, lineLock)); err == nil {
		var h holder
		if json.Unmarshal(text, &h) == nil {
			held.PID, held.Host, held.Since = h.PID, h.Host, h.Since
		}
	}
	return held
}

func writeHolder(f *os.File, now time.Time) error {
	host, err := os.Hostname()
	if err != nil {
		host = "this host"
	}
	text, err := json.Marshal(holder{PID: os.Getpid(), Host: host, Since: now.UTC()})
	if err != nil {
		return err
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err = f.WriteAt(text, 0)
	return err
}

// tryLock takes the lock of a file without waiting; unix.EWOULDBLOCK when somebody else has it. The lock ends with
// the file or the process, whichever is first.
func tryLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// lockFile waits for the lock of a file.
func lockFile(ctx context.Context, path string) (unlock func(), err error) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		f, err := tryLock(path)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
