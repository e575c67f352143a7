package growth

import (
	"fmt"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/bot"
	"github.com/konsulin-care/konsulin-bot/internal/pgtest"
	"github.com/konsulin-care/konsulin-bot/storage"
	"github.com/stretchr/testify/require"
)

// server is the one PostgreSQL of this test process.
var server pgtest.Server

func TestMain(m *testing.M) { pgtest.Main(m, &server) }

// TestTwoServicesHaveOneSetOfBudgets: two bots on one PostgreSQL, and one that starts after them, give together what one gives
// alone: to newcomers, and to one number.
func TestTwoServicesHaveOneSetOfBudgets(t *testing.T) {
	t.Parallel()
	cfg := storage.Config{Engine: storage.Postgres, DSN: server.Database(t)}
	limits := bot.DefaultLimits()
	limits.NewNumbers = bot.Rate{Burst: 10, Every: time.Hour}
	limits.Number = bot.Rate{Burst: 3, Every: time.Hour}
	services := []*world{open(t, cfg, limits), open(t, cfg, limits)}
	for i := range 40 {
		w := services[i%2]
		w.receive([]bot.Message{w.ask(w.number(i), fmt.Sprint("M", i))})
		w.work()
	}
	third := open(t, cfg, limits)
	services = append(services, third)
	third.receive([]bot.Message{third.ask(third.number(99), "after a restart")})
	third.work()
	var made int64
	var refused int
	for _, w := range services {
		made += w.made.Load()
		refused += w.counts["login limited_new"]
	}
	require.EqualValues(t, 10, made)
	require.Equal(t, 31, refused)

	n := third.number(0) // had a link
	for i := range 6 {
		for _, w := range services {
			w.now.Add(time.Minute.Milliseconds())
		}
		w := services[i%3]
		w.receive([]bot.Message{w.ask(n, fmt.Sprint("again", i))})
		w.work()
	}
	total := 0
	for _, w := range services {
		total += w.linked[n]
	}
	require.Equal(t, 3, total, "the burst of one number, whoever answers it")
}

// TestWithoutItsDatabaseTheBotDoesNothing: nothing is taken, made or sent, and it is counted.
func TestWithoutItsDatabaseTheBotDoesNothing(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.receive([]bot.Message{w.ask(w.number(1), "waiting")})
	taken := w.lease()
	require.Len(t, taken, 1)
	require.NoError(t, w.store.Close())
	require.Error(t, w.bot.Handlers()[bot.JobLogin](t.Context(), taken[0]), "it is tried again")
	require.Error(t, w.bot.Receive(t.Context(), w.ask(w.number(2), "new")), "WhatsApp brings it again")
	require.Zero(t, w.made.Load())
	require.Zero(t, w.sent.Load())
	require.Equal(t, map[string]int{"login accepted": 1, "login storage": 2}, w.counts)
}
