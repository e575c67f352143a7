package app

import (
	"fmt"
	"io"
	"time"

	"github.com/rs/zerolog"
)

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
	return zerolog.New(to).Level(level).With().Timestamp().Logger(), nil
}
