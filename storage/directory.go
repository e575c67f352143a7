package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// The names in the data directory.
const (
	ownFile     = "konsulin.db"
	lineFile    = "whatsapp.db"
	lineLock    = "line.lock"
	migrateLock = "migrate.lock"
	stageDir    = "restoring"      // where a restore prepares what it will put in place
	halfway     = "restoring.half" // stands while a restore moves files, and says which
)

// Files are the names of the database files in a data directory of SQLite.
func Files() []string { return []string{ownFile, lineFile} }

// prepareDir makes the data directory and the database files so that nobody else can read them, and refuses a
// directory in which somebody else could. It checks before it makes anything. A restore that was killed while it moved
// files is brought to its end.
func prepareDir(dir string) (string, error) {
	if dir == "" {
		return "", errors.New("no data directory is configured")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	if err := resumeAlone(dir); err != nil {
		return "", err
	}
	if err := checkDir(dir); err != nil {
		return "", err
	}
	for _, name := range Files() {
		// SQLite gives its side files the mode of the database.
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return "", err
		}
		if err := f.Close(); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// checkDir refuses a directory that others can reach, or in which a restore is half done.
func checkDir(dir string) error {
	if err := checkModes(dir); err != nil {
		return err
	}
	switch _, err := os.Lstat(filepath.Join(dir, halfway)); {
	case err == nil:
		return fmt.Errorf("%s: %w", dir, ErrHalfRestored)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return nil
}

func checkModes(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is not a directory", dir)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return looseError(dir, info.Mode(), 0o700)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		info, err := os.Stat(filepath.Join(dir, entry.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // a side file that a closing process has just removed
		}
		if err != nil {
			return err
		}
		if info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
			return looseError(filepath.Join(dir, entry.Name()), info.Mode(), 0o600)
		}
	}
	return nil
}

func looseError(path string, have, want fs.FileMode) error {
	return fmt.Errorf("others on this machine can reach %s (mode %04o), which holds health data and keys; run: chmod %o %q",
		path, have.Perm(), want, path)
}
