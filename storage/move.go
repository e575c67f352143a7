package storage

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// move is what a [Replacement] does to a data directory, as the mark there says it. Its steps can be taken from
// anywhere: the files that are still in the stage are those that have not been moved.
type move struct {
	Names []string `json:"names"` // of the files that come from the stage
	Kept  string   `json:"kept"`  // the directory for what they replace

	dir    string
	rename func(from, to string) error
}

// resume brings an interrupted move to its end. Whoever calls it holds the line's lock. A mark that says nothing is left
// alone: what is there stays refused until somebody restores again.
func resume(dir string) error {
	raw, err := os.ReadFile(filepath.Join(dir, halfway))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	m, ok := readMove(raw)
	if !ok {
		return nil
	}
	m.dir, m.rename = dir, os.Rename
	if _, err := m.finish(); err != nil {
		return err
	}
	return os.RemoveAll(filepath.Join(dir, stageDir))
}

// readMove reads a mark; ok is false for one that says nothing.
func readMove(raw []byte) (m move, ok bool) {
	err := json.Unmarshal(raw, &m)
	return m, err == nil && len(m.Names) > 0 && m.Kept != ""
}

// resumeAlone is resume for who does not hold the line's lock. While somebody else does, it leaves things as they are.
func resumeAlone(dir string) error {
	if _, err := os.Lstat(filepath.Join(dir, halfway)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	lock, err := tryLock(filepath.Join(dir, lineLock))
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil
	}
	if err != nil {
		return err
	}
	err = resume(dir)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%s: %w", dir, ErrHalfRestored)
	}
	return errors.Join(err, lock.Close())
}

// write puts the mark in place, whole or not at all, and on the disk.
func (m move) write() error {
	raw, err := json.Marshal(m)
	if err != nil {
		return err
	}
	draft := filepath.Join(m.dir, stageDir, halfway)
	f, err := os.OpenFile(draft, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := m.rename(draft, filepath.Join(m.dir, halfway)); err != nil {
		return err
	}
	return syncDir(m.dir)
}

// finish takes the steps that have not been taken, and removes the mark.
func (m move) finish() (kept string, err error) {
	kept = filepath.Join(m.dir, m.Kept)
	if err := os.Mkdir(kept, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	if err := m.clear(kept); err != nil {
		return kept, err
	}
	if err := m.place(); err != nil {
		return kept, err
	}
	if err := errors.Join(syncDir(kept), syncDir(m.dir)); err != nil {
		return kept, err
	}
	if err := os.Remove(filepath.Join(m.dir, halfway)); err != nil {
		return kept, err
	}
	if entries, err := os.ReadDir(kept); err == nil && len(entries) == 0 {
		kept = ""
		err = os.Remove(filepath.Join(m.dir, m.Kept))
		return kept, errors.Join(err, syncDir(m.dir))
	}
	return kept, syncDir(m.dir)
}

// clear moves the former files away, each with its side files. What has the name of a file that has left the stage is
// the new one.
func (m move) clear(kept string) error {
	for _, name := range m.Names {
		if _, err := os.Lstat(filepath.Join(m.dir, stageDir, name)); errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return err
		}
		for _, side := range []string{"", "-wal", "-shm", "-journal"} {
			err := m.rename(filepath.Join(m.dir, name+side), filepath.Join(kept, name+side))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

// place moves the new files in.
func (m move) place() error {
	for _, name := range m.Names {
		err := m.rename(filepath.Join(m.dir, stageDir, name), filepath.Join(m.dir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if _, err := os.Lstat(filepath.Join(m.dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// syncDir has the disk know which files a directory holds.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
