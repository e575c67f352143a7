package bot

import (
	"bytes"
	"context"
	"errors"
	"regexp"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
)

func TestReplyIDIsFixedKeyedAndOfWhatsAppsForm(t *testing.T) {
	t.Parallel()
	key := []byte("sixteen bytes at least")
	id := ReplyID(key, "6281200000010", "3EB0AA", purposeAnswer)
	require.Regexp(t, regexp.MustCompile(`^3EB0[0-9A-F]{18}$`), id)
	require.Equal(t, id, ReplyID(key, "6281200000010", "3EB0AA", purposeAnswer))
	all := map[string]bool{id: true}
	for _, other := range []string{
		ReplyID([]byte("another sixteen bytes"), "6281200000010", "3EB0AA", purposeAnswer),
		ReplyID(key, "6281200000011", "3EB0AA", purposeAnswer),
		ReplyID(key, "6281200000010", "3EB0AB", purposeAnswer),
		ReplyID(key, "6281200000010", "3EB0AA", purposeLimited),
		ReplyID(key, "62812000000103", "EB0AA", purposeAnswer), // the same characters, cut elsewhere
		ReplyID(key, "6281200000010", "3EB0AAa", "nswer"),
	} {
		require.False(t, all[other])
		all[other] = true
	}
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for want, change := range map[string]func(*Config){
		"all needed":             func(c *Config) { c.Line = nil },
		"16 bytes":               func(c *Config) { c.IDKey = []byte("short") },
		"limit number:":          func(c *Config) { c.Limits.Number.Burst = 0 },
		"limit number and day":   func(c *Config) { c.Limits.NumberDay.Every = 0 },
		"limit new numbers":      func(c *Config) { c.Limits.NewNumbers = Rate{} },
		"limit global":           func(c *Config) { c.Limits.Global = Rate{} },
		"limit notices":          func(c *Config) { c.Limits.Notices = Rate{Burst: 1} },
		"stale after":            func(c *Config) { c.Times.StaleAfter = 0 },
		"silent after":           func(c *Config) { c.Times.SilentAfter = time.Second },
		"negative":               func(c *Config) { c.Times.Coalesce = -1 },
		"the policy must":        func(c *Config) { c.Other.Policy = "shout" },
		"a human contact":        func(c *Config) { c.Other.Human = " \n" },
		"an emergency line":      func(c *Config) { c.Other.Emergency = "" },
		"way out":                func(c *Config) { c.WayOut = "" },
		"way out: must be":       func(c *Config) { c.WayOut = "javascript:alert(1)" },
		"http or https URL":      func(c *Config) { c.WayOut = "https://a.example/x y" },
		"login phrase 1":         func(c *Config) { c.Phrases = []string{"!"} },
		"no login phrase":        func(c *Config) { c.Phrases = []string{} },
		"viewer, support":        func(c *Config) { c.Admins = []Admin{{phone.Number{}, Owner}} },
		"support or owner":       func(c *Config) { c.Admins = []Admin{{number(t, 1), Anyone}} },
		"both owner and viewer":  func(c *Config) { c.Admins = []Admin{{number(t, 1), Owner}, {number(t, 1), Viewer}} },
		`language "fr"`:          func(c *Config) { c.Language.Default = "fr" },
		"needs a human contact":  func(c *Config) { c.Other = Other{Policy: OtherReply} },
		"replies in ":            func(c *Config) { c.Language.Dir = t.TempDir() + "/absent" },
		"level viewer":           func(c *Config) { c.Admins = []Admin{{number(t, 1), Owner + 1}} },
		"the line, links, inbox": func(c *Config) { c.Chats = nil },
	} {
		cfg := w.cfg
		change(&cfg)
		_, err := New(cfg)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), number(t, 1).Digits())
	}
	cfg := w.cfg
	cfg.Wake, cfg.Counter, cfg.Now, cfg.Phrases = nil, nil, nil, nil
	cfg.Admins = []Admin{{number(t, 1), Owner}, {number(t, 1), Owner}}
	cfg.Language.Hidden = ""
	b, err := New(cfg)
	require.NoError(t, err)
	require.Len(t, b.Handlers(), 4)
	require.NoError(t, b.Receive(context.Background(), w.message(number(t, 10), "A", tap)))
}

func TestMessageThatIsNotCommittedComesAgain(t *testing.T) {
	t.Parallel()
	w := setup(t)
	busy := errors.New("database is busy")
	w.fault = func(op string) error {
		if op == "after accept" { // committed, but we were not told
			return busy
		}
		return nil
	}
	m := w.message(number(t, 10), "A", tap)
	require.ErrorIs(t, w.bot.Receive(context.Background(), m), busy)
	w.fault = nil
	require.NoError(t, w.bot.Receive(context.Background(), m))
	w.run()
	require.Len(t, w.sent, 1)
}

func TestMessageWithoutNumberIsDropped(t *testing.T) {
	t.Parallel()
	w := setup(t)
	require.NoError(t, w.bot.Receive(context.Background(), Message{ID: "A", Chat: "c", Text: tap, SentAt: w.now}))
	require.Empty(t, w.inbox)
	require.Equal(t, 1, w.counts["login misdirected"])
}

func TestLogShowsNoNumberTextOrLink(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	w := setup(t, func(c *Config) { c.Log = zerolog.New(&log).Level(zerolog.TraceLevel) })
	n := number(t, 10)
	w.receive(t, n, "A", tap)
	w.receive(t, n, "B", "my secret words")
	w.receive(t, n, "C", tap)
	w.receive(t, number(t, 1), "A", "/whoami secret")
	require.NoError(t, w.bot.ReceiveStranger(context.Background(), Stranger{ID: "A", Chat: "12345678901234@lid", Text: tap, SentAt: w.now}))
	w.run()
	require.Len(t, w.sent, 4)
	require.Contains(t, log.String(), `"outcome":"link"`)
	for _, leak := range []string{n.Digits(), n.Digits()[5:], "secret", "login.example", "12345678901234", "Somebody", "Request"} {
		require.NotContains(t, log.String(), leak)
	}
}
