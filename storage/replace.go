package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Replacement puts other files in the place of a SQLite data directory's, all of them or, after a crash, none that
// anybody would use. It holds the line, so that no serve can run meanwhile. Close it.
type Replacement struct {
	dir    string
	tenure *Tenure
	now    func() time.Time
}

// Replace begins: it makes the directory when there is none, refuses one whose line somebody owns with a [*HeldError],
// and clears away what an interrupted restore has prepared.
func Replace(dir string, now func() time.Time) (*Replacement, error) {
	r, err := replace(dir, now)
	if err != nil {
		return nil, fmt.Errorf("replace the database: %w", err)
	}
	return r, nil
}

func replace(dir string, now func() time.Time) (*Replacement, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := checkModes(dir); err != nil {
		return nil, err
	}
	r := &Replacement{dir: dir, now: now, tenure: &Tenure{store: &Store{now: now}, lost: make(chan struct{})}}
	if err := r.tenure.ownFile(dir); err != nil {
		return nil, err
	}
	err = os.RemoveAll(r.Stage())
	if err = errors.Join(err, os.Mkdir(r.Stage(), 0o700)); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// Stage is a directory inside the data directory in which the new files are prepared; Config.Dir of a store that does so.
func (r *Replacement) Stage() string { return filepath.Join(r.dir, stageDir) }

// Commit moves the named files from the stage into the data directory. What had their names before, and our own
// database files in any case, is kept in the directory that is returned, empty when there was nothing. Until Commit
// returns nil, [Open] refuses the data directory; a new Replacement sets it right.
func (r *Replacement) Commit(names ...string) (kept string, err error) {
	mark := filepath.Join(r.dir, halfway)
	if err := writeMark(mark); err != nil {
		return "", fmt.Errorf("replace the database: %w", err)
	}
	kept, err = r.move(names)
	if err = errors.Join(err, syncDir(r.dir)); err != nil {
		return kept, fmt.Errorf("replace the database: %w", err)
	}
	err = os.Remove(mark)
	if err = errors.Join(err, syncDir(r.dir)); err != nil {
		return kept, fmt.Errorf("replace the database: %w", err)
	}
	return kept, nil
}

func (r *Replacement) move(names []string) (kept string, err error) {
	kept = filepath.Join(r.dir, "replaced-"+r.now().UTC().Format("20060102T150405.000Z"))
	if err := os.Mkdir(kept, 0o700); err != nil {
		return "", err
	}
	moved := 0
	for _, name := range append(Files(), names...) {
		for _, side := range []string{"", "-wal", "-shm", "-journal"} {
			switch err := os.Rename(filepath.Join(r.dir, name+side), filepath.Join(kept, name+side)); {
			case err == nil:
				moved++
			case !errors.Is(err, fs.ErrNotExist):
				return kept, err
			}
		}
	}
	if moved == 0 {
		if err := os.Remove(kept); err != nil {
			return "", err
		}
		kept = ""
	}
	for _, name := range names {
		if err := os.Rename(filepath.Join(r.Stage(), name), filepath.Join(r.dir, name)); err != nil {
			return kept, err
		}
	}
	return kept, nil
}

// Close gives the line back and clears the stage away. It may be called more than once.
func (r *Replacement) Close() error {
	return errors.Join(os.RemoveAll(r.Stage()), r.tenure.Release())
}

func writeMark(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	err = errors.Join(f.Sync(), f.Close())
	return errors.Join(err, syncDir(filepath.Dir(path)))
}

// syncDir has the disk know which files a directory holds.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
