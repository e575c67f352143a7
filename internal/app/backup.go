package app

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/konsulin-care/konsulin-bot/bot/whatsapp"
	"github.com/konsulin-care/konsulin-bot/internal/backup"
	"github.com/konsulin-care/konsulin-bot/storage"
)

// ErrDumpInstead says that a PostgreSQL database has better tools for this than ours.
var ErrDumpInstead = errors.New("storage.engine is postgres: back the database up with PostgreSQL's own tools, such as " +
	"pg_dump --format=custom, and the sealing key (auth.seal_key_file, or seal.key in storage.dir) beside it; see docs/operations.md")

// BackupOptions say where a backup goes and what it says of itself.
type BackupOptions struct {
	Path    string           // of a file that is not there yet; it appears when it is whole
	Out     io.Writer        // instead of Path
	Version string           // of this binary
	Now     func() time.Time // nil: the system's clock
}

// BackupView is what became of a backup, as a terminal shows it.
type BackupView struct {
	backup.Manifest
	Path     string `json:"path,omitempty"`
	KeyApart bool   `json:"keyApart"` // the sealing key is a file of auth.seal_key_file and not in the backup
}

// Backup copies everything that the bot remembers, beside a running serve: both databases, and the sealing key when it
// lives in the data directory. A key that auth.seal_key_file puts somewhere else stays with whoever put it there. The
// copy of the line's store is detached from the conversations that go on, see [whatsapp.Detach].
func Backup(ctx context.Context, cfg Config, opt BackupOptions) (_ BackupView, err error) {
	if cfg.Storage.Engine != storage.SQLite {
		return BackupView{}, ErrDumpInstead
	}
	if opt.Now == nil {
		opt.Now = time.Now //nolint:forbidigo // where the clock comes from
	}
	made := opt.Now()
	c, err := storage.Snapshot(ctx, cfg.Storage.Dir)
	if err != nil {
		return BackupView{}, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	detach := func(db *sql.DB, dialect string) error { return whatsapp.Detach(ctx, db, dialect) }
	if err := c.ChangeLine(detach); err != nil {
		return BackupView{}, err
	}
	names := storage.Files()
	if cfg.Auth.SealKeyFile == "" {
		switch err := copyKey(filepath.Join(cfg.Storage.Dir, sealKey), filepath.Join(c.Dir, sealKey)); {
		case err == nil:
			names = append(names, sealKey)
		case !errors.Is(err, fs.ErrNotExist): // it is made by the first serve
			return BackupView{}, err
		}
	}
	m := backup.Manifest{Made: made.UTC().Truncate(time.Second), Version: opt.Version, Schema: c.State.Schema, KeyMark: c.State.KeyMark}
	v := BackupView{Path: opt.Path, KeyApart: cfg.Auth.SealKeyFile != ""}
	write := func(w io.Writer) (err error) {
		v.Manifest, err = backup.Write(w, m, c.Dir, names...)
		return err
	}
	if opt.Out != nil {
		return v, write(opt.Out)
	}
	return v, writeWhole(opt.Path, write)
}

// copyKey copies the sealing key after the databases: a key that was made meanwhile belongs to them too.
func copyKey(from, to string) error {
	raw, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("copy the sealing key: %w", err)
	}
	return os.WriteFile(to, raw, 0o600)
}

// writeWhole makes a file of mode 0600 that nobody sees before it is whole and on the disk. It refuses to replace one.
func writeWhole(path string, write func(io.Writer) error) (err error) {
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%s is there already; name a new file", path)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return fmt.Errorf("make the file of the backup: %w", err)
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	err = write(tmp)
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err := os.Link(tmp.Name(), path); err != nil { // unlike a rename it replaces nothing
		return fmt.Errorf("name the file of the backup: %w", err)
	}
	return nil
}
