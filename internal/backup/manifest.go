package backup

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"
)

// format is the version of the archive's form.
const format = 1

// manifestName is the first entry of an archive.
const manifestName = "manifest.json"

// Limits on what is read, so that a damaged or foreign file is refused instead of filling memory.
const (
	maxManifest = 1 << 20
	maxFiles    = 64
)

// Errors of [Read].
var (
	ErrNotABackup = errors.New("this is not a backup of konsulin-bot")
	ErrDamaged    = errors.New("the backup is damaged or cut off")
	ErrNewer      = errors.New("the backup was made by a newer konsulin-bot")
)

// Manifest says what an archive holds.
type Manifest struct {
	Format  int       `json:"format"`
	Made    time.Time `json:"made"`
	Version string    `json:"version"` // of the binary that made it
	Schema  int64     `json:"schema"`  // of the database
	// KeyMark is the fingerprint of the sealing key that belongs to the database, whether or not the key is in here.
	KeyMark string `json:"keyMark,omitempty"`
	Files   []File `json:"files"`
}

// File is one file of an archive.
type File struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Names lists the files.
func (m Manifest) Names() []string {
	names := make([]string, 0, len(m.Files))
	for _, f := range m.Files {
		names = append(names, f.Name)
	}
	return names
}

// check refuses a manifest that this binary cannot follow.
func (m Manifest) check() error {
	switch {
	case m.Format > format:
		return fmt.Errorf("%w (form %d, this binary knows up to %d)", ErrNewer, m.Format, format)
	case m.Format < 1 || len(m.Files) == 0 || len(m.Files) > maxFiles:
		return ErrNotABackup
	}
	seen := map[string]bool{}
	for _, f := range m.Files {
		if f.Name != filepath.Base(f.Name) || f.Name == "." || f.Name == ".." || f.Name == manifestName || f.Name[0] == '.' ||
			seen[f.Name] || f.Size < 0 {
			return ErrNotABackup
		}
		seen[f.Name] = true
	}
	return nil
}
