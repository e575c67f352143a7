package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/konsulin-care/konsulin-bot/bot"
	"github.com/konsulin-care/konsulin-bot/bot/whatsapp"
	"github.com/konsulin-care/konsulin-bot/internal/backup"
	"github.com/konsulin-care/konsulin-bot/storage"
)

// Why a backup is not restored.
var (
	// ErrOccupied says that a restore would replace data and that nobody has said that it may.
	ErrOccupied   = errors.New("there is data already; to put the backup in its place, add --replace (what is there is kept beside it)")
	ErrKeyMissing = errors.New("the backup does not hold the sealing key, because it was kept apart (auth.seal_key_file): " +
		"put the key there first; if it is lost for good, restore with --without-key and start once with serve --new-seal-key")
	ErrKeyElsewhere = errors.New("the sealing key at auth.seal_key_file is not the one that belongs to this backup: bring the " +
		"right one, or leave auth.seal_key_file empty when the backup holds the key")
)

// RestoreOptions say what is restored.
type RestoreOptions struct {
	From       io.Reader        // the backup
	Replace    bool             // although there is data
	WithoutKey bool             // although the sealing key is lost
	Now        func() time.Time // nil: the system's clock
}

// RestoreView is what became of a restore, as a terminal shows it.
type RestoreView struct {
	Made   time.Time `json:"made,omitzero"`  // when the copy was made
	Schema int64     `json:"schema"`         // of the restored database, migrated
	Ended  int       `json:"repliesNotSent"` // jobs of the chat that the copy had not answered
	Kept   string    `json:"kept,omitempty"` // where the former files are
}

// Restore puts a backup in the place of the data directory's files. It refuses a directory on which a serve runs, one
// with data unless told to replace it, and a backup that is not whole or was made by a newer binary; until everything is
// checked nothing is replaced. What was there is kept. It may be repeated. Interrupted, it leaves the old or the new.
func Restore(ctx context.Context, cfg Config, opt RestoreOptions) (v RestoreView, err error) {
	if cfg.Storage.Engine != storage.SQLite {
		return v, errors.New("storage.engine is postgres: restore the database with PostgreSQL's own tools, such as pg_restore, " +
			"then run konsulin-bot restore --in-place; see docs/operations.md")
	}
	if opt.Now == nil {
		opt.Now = time.Now //nolint:forbidigo // where the clock comes from
	}
	r, err := storage.Replace(cfg.Storage.Dir, opt.Now)
	if err != nil {
		return v, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	switch occupied, err := r.Occupied(); {
	case err != nil:
		return v, err
	case occupied && !opt.Replace:
		return v, fmt.Errorf("%s: %w", cfg.Storage.Dir, ErrOccupied)
	}
	m, err := backup.Read(opt.From, r.Stage())
	if err != nil {
		return v, err
	}
	if !slices.Contains(m.Names(), storage.Files()[0]) || !slices.Contains(m.Names(), storage.Files()[1]) {
		return v, backup.ErrNotABackup
	}
	if err := checkKey(cfg, m, r.Stage(), opt.WithoutKey); err != nil {
		return v, err
	}
	staged := cfg
	staged.Storage.Dir = r.Stage()
	if v, err = goOn(ctx, staged, m.Made, opt.Now); err != nil {
		return v, err
	}
	v.Kept, err = r.Commit(m.Names()...)
	return v, err
}

// RestoreInPlace does what must follow when the database was restored by other means, such as pg_restore or a snapshot
// of the disk. It refuses while a serve owns the line.
func RestoreInPlace(ctx context.Context, cfg Config, now func() time.Time) (v RestoreView, err error) {
	if now == nil {
		now = time.Now //nolint:forbidigo // where the clock comes from
	}
	return goOn(ctx, cfg, time.Time{}, now)
}

// goOn makes the copy of a database fit to go on from.
func goOn(ctx context.Context, cfg Config, copied time.Time, now func() time.Time) (v RestoreView, err error) {
	store, err := openStore(ctx, cfg, now)
	if err != nil {
		return v, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	line, err := store.OwnLine(ctx)
	if err != nil {
		return v, err
	}
	defer func() { err = errors.Join(err, line.Release()) }()
	v.Made = copied
	v.Ended, err = store.GoOn(ctx, copied, storage.Stale{
		Kinds: bot.UnansweredKinds(), Reason: bot.RefusedRestored, Message: bot.Unanswered,
	})
	if err != nil {
		return v, err
	}
	db, dialect := store.LineDB()
	if err := whatsapp.Detach(ctx, db, dialect); err != nil {
		return v, err
	}
	state, err := storage.Inspect(ctx, storageConfig(cfg, now))
	v.Schema = state.Schema
	return v, err
}

// checkKey makes sure that the restored database finds its sealing key where the configuration looks for it.
func checkKey(cfg Config, m backup.Manifest, stage string, without bool) error {
	if m.KeyMark == "" || without {
		return nil // no serve has run on it, or the operator knows
	}
	inside := slices.Contains(m.Names(), sealKey)
	path, missing := cfg.Auth.SealKeyFile, ErrKeyElsewhere
	switch {
	case path == "" && inside:
		path = filepath.Join(stage, sealKey)
	case path == "":
		path, missing = filepath.Join(cfg.Storage.Dir, sealKey), ErrKeyMissing
	case !inside:
		missing = ErrKeyMissing
	}
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return missing
	}
	if err != nil {
		return fmt.Errorf("read the sealing key: %w", err)
	}
	switch mark, err := fingerprint(raw); {
	case err != nil:
		return err
	case mark != m.KeyMark && inside && cfg.Auth.SealKeyFile == "":
		return fmt.Errorf("the sealing key in the backup is not its database's: %w", backup.ErrDamaged)
	case mark != m.KeyMark:
		return ErrKeyElsewhere
	}
	return nil
}
