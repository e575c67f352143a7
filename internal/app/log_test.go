package app

import (
	"bytes"
	"strings"
	"testing"

	"github.com/konsulin-care/konsulin-bot/internal/requestid"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
)

func TestEachRoomHasItsLevelAndItsName(t *testing.T) {
	t.Parallel()
	cfg, err := Load(write(t, minimal+"log: {level: warn, rooms: {auth: debug}}\n"), []string{"KONSULIN_LOG_ROOMS=auth:debug,web:error"})
	require.NoError(t, err)
	var out bytes.Buffer
	a := &App{cfg: cfg}
	a.log, err = newLogger(cfg.Log, &out)
	require.NoError(t, err)
	for _, room := range []string{"auth", "bot", "web"} {
		log := a.logOf(room)
		for _, level := range []zerolog.Level{zerolog.DebugLevel, zerolog.WarnLevel, zerolog.ErrorLevel} {
			log.WithLevel(level).Msg(level.String())
		}
	}
	var got []string
	for line := range strings.Lines(out.String()) {
		for _, room := range []string{"auth", "bot", "web"} {
			for _, level := range []string{"debug", "warn", "error"} {
				if strings.Contains(line, `"room":"`+room+`"`) && strings.Contains(line, `"level":"`+level+`"`) {
					got = append(got, room+" "+level)
				}
			}
		}
	}
	require.Equal(t, []string{"auth debug", "auth warn", "auth error", "bot warn", "bot error", "web error"}, got)
}

func TestOnlyRoomsHaveLevels(t *testing.T) {
	t.Parallel()
	for text, key := range map[string]string{"{kitchen: debug}": "log.rooms", "{auth: loud}": "log.rooms[auth]"} {
		_, err := Load(write(t, minimal+"log: {rooms: "+text+"}\n"), nil)
		require.ErrorContains(t, err, key, text)
	}
}

func TestLinesWithAContextNameTheirRequest(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log, err := newLogger(Default().Log, &out)
	require.NoError(t, err)
	log.Info().Ctx(requestid.With(t.Context(), "r1")).Msg("x")
	require.Contains(t, out.String(), `"request":"r1"`)
}
