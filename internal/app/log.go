package app

import (
	"fmt"
	"io"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/requestid"
	"github.com/rs/zerolog"
)

// logOf is a room's own logger: with its name, at its own level if log.rooms gives it one.
func (a *App) logOf(room string) zerolog.Logger {
	log := a.log
	if own, ok := a.cfg.Log.Rooms[room]; ok {
		if level, err := zerolog.ParseLevel(own); err == nil { // validated before
			log = log.Level(level)
		}
	}
	return log.With().Str("room", room).Logger()
}

// newLogger writes what the configured level lets through. No level shows numbers, links, codes, tokens or text: that
// is the rooms' matter, and a test drives a whole login at debug level to prove it.
func newLogger(cfg LogConfig, to io.Writer) (zerolog.Logger, error) {
	level, err := zerolog.ParseLevel(cfg.Level)
	if err != nil {
		return zerolog.Nop(), fmt.Errorf("log.level: %w", err)
	}
	if cfg.Format == "console" {
		to = zerolog.ConsoleWriter{Out: to, TimeFormat: time.TimeOnly, NoColor: true}
	}
	return zerolog.New(to).Level(level).With().Timestamp().Logger().Hook(requestid.Hook{}), nil
}
