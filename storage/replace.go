package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Replacement puts other files in the place of a SQLite data directory's: all of them or none, wherever the process is
// killed. It holds the line, so that no serve can run meanwhile. Close it.
type Replacement struct {
	dir    string
	tenure *Tenure
	now    func() time.Time
	rename func(from, to string) error
}

// Replace begins: it makes the directory when there is none, refuses one whose line somebody owns with a [*HeldError],
// brings a former Commit that was interrupted to its end, and clears away what else an interrupted restore has prepared.
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
	r := &Replacement{dir: dir, now: now, rename: os.Rename, tenure: &Tenure{store: &Store{now: now}, lost: make(chan struct{})}}
	if err := r.tenure.ownFile(dir); err != nil {
		return nil, err
	}
	if err := errors.Join(resume(dir), os.RemoveAll(r.Stage()), os.Mkdir(r.Stage(), 0o700)); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// Stage is a directory inside the data directory in which the new files are prepared; Config.Dir of a store that does so.
func (r *Replacement) Stage() string { return filepath.Join(r.dir, stageDir) }

// Occupied says whether there are databases that a Commit would replace.
func (r *Replacement) Occupied() (bool, error) {
	for _, name := range Files() {
		switch info, err := os.Stat(filepath.Join(r.dir, name)); {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return false, err
		case info.Size() > 0:
			return true, nil
		}
	}
	return false, nil
}

// Commit moves our database files, and those named beside them, from the stage into the data directory. What had their
// names before is kept in the directory that is returned, empty when there was nothing. It first writes down what it
// will do: killed before that it has done nothing, killed after it the next [Open] or [Replace] does the rest.
func (r *Replacement) Commit(names ...string) (kept string, err error) {
	kept, err = r.commit(names)
	if err != nil {
		return kept, fmt.Errorf("replace the database: %w", err)
	}
	return kept, nil
}

func (r *Replacement) commit(names []string) (kept string, err error) {
	names = append(Files(), names...)
	slices.Sort(names)
	names = slices.Compact(names)
	for _, name := range names {
		if _, err := os.Lstat(filepath.Join(r.Stage(), name)); err != nil {
			return "", err
		}
	}
	if err := syncDir(r.Stage()); err != nil {
		return "", err
	}
	m := move{Names: names, Kept: "replaced-" + r.now().UTC().Format("20060102T150405.000Z"), dir: r.dir, rename: r.rename}
	if err := m.write(); err != nil {
		return "", err
	}
	return m.finish()
}

// Close gives the line back and clears the stage away, unless a Commit that was interrupted still needs it. It may be
// called more than once.
func (r *Replacement) Close() error {
	_, err := os.Lstat(filepath.Join(r.dir, halfway))
	if errors.Is(err, fs.ErrNotExist) {
		err = os.RemoveAll(r.Stage())
	}
	return errors.Join(err, r.tenure.Release())
}
