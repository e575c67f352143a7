package app

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/konsulin-care/konsulin-bot/storage"
)

// MigrationView is what stands between a database and this binary, as a terminal shows it.
type MigrationView struct {
	Engine  string              `json:"engine"`
	Schema  int64               `json:"schema"` // of the database before
	Known   int64               `json:"known"`  // that this binary wants
	Steps   []storage.Migration `json:"steps"`
	Applied bool                `json:"applied"`
}

// Migrate tells which migrations the database lacks and, when apply is true, applies them: ours, and those of the
// line's store. It refuses a database of a newer binary with an error that wraps [storage.ErrNewer].
func Migrate(ctx context.Context, cfg Config, apply bool, logTo io.Writer) (_ MigrationView, err error) {
	v := MigrationView{Engine: cfg.Storage.Engine, Steps: []storage.Migration{}}
	now := time.Now //nolint:forbidigo // where the clock comes from
	state, err := storage.Inspect(ctx, storageConfig(cfg, now))
	if err != nil {
		return v, err
	}
	v.Schema, v.Known = state.Schema, state.Known
	if err := state.TooNew(); err != nil {
		return v, err
	}
	all, err := storage.Migrations(cfg.Storage.Engine)
	if err != nil {
		return v, err
	}
	for _, m := range all {
		if m.Version > v.Schema {
			v.Steps = append(v.Steps, m)
		}
	}
	if !apply {
		return v, nil
	}
	log, err := newLogger(cfg.Log, logTo)
	if err != nil {
		return v, err
	}
	store, err := openStore(ctx, cfg, now)
	if err != nil {
		return v, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	a := &App{cfg: cfg, opt: Options{Now: now}, log: log, store: store}
	if _, err := openLine(ctx, a, noIntake{}, nil); err != nil {
		return v, err
	}
	v.Applied = true
	return v, nil
}

// Schema is the version of the database's tables that this binary works with.
func Schema() (int64, error) { return storage.Newest(storage.SQLite) }
