package bench_test

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var past = flag.Int("past", 1_000_000, "how many past sign-ins BenchmarkGrowth begins with")

// BenchmarkGrowth compares what a whole login costs (message, link, sign-in) with an empty database and with a million
// past sign-ins. Two bots take turns, so that noise meets both; the same people write to both.
func BenchmarkGrowth(b *testing.B) {
	for _, engine := range []string{sqlite, postgres} {
		b.Run(engine, func(b *testing.B) { growth(b, engine) })
	}
}

// cost is what one login took in each round.
type cost struct {
	*subject
	browser *browser
	wall    []float64 // ms, of the whole round divided by its logins
	cpu     []float64 // ms, of the bot and of its database server
}

func growth(b *testing.B, engine string) {
	w := newWorld(b)
	people := w.people(pastFirst, users) // people of whom the full database knows
	empty := w.newBot(engine)
	full := w.newBot(engine)
	once, _ := full.serve() // makes the tables
	once.stop()
	full.remember(*past)

	var sides []*cost
	for _, bo := range []*bot{empty, full} {
		s, _ := bo.serve()
		sides = append(sides, &cost{subject: s, browser: newBrowser(b, s.url)})
	}
	const each = 6
	for i := range 1 + 2**rounds {
		for j := range sides {
			c := sides[(i+j)%2] // either goes first as often
			before := c.cpuNow(b)
			l := c.round(b, people, each, func(ctx context.Context, answer string) error { return c.browser.signIn(ctx, answer) })
			n := float64(len(l.waits))
			if i > 0 { // the first is a warm-up
				c.wall = append(c.wall, l.took.Seconds()*1000/n)
				c.cpu = append(c.cpu, (c.cpuNow(b)-before).Seconds()*1000/n)
			}
		}
	}
	noneTwice(b, people, 2*each*(1+2**rounds))
	for i, name := range []string{"empty", fmt.Sprintf("%d past sign-ins", *past)} {
		cpu, wall := "", ""
		if i == 1 {
			cpu, wall = growthOf(sides[0].cpu, sides[1].cpu), growthOf(sides[0].wall, sides[1].wall)
		}
		table.row("Growth: a whole login (message, link, sign-in), 50 people at once, aim at most 1.2 times",
			"engine", engineName(b, engine, sides[i].dsn), "database", name,
			"CPU of bot and database server each", fmt.Sprintf("%.2f ms", median(sides[i].cpu)), "times (range)", cpu,
			"wall each", fmt.Sprintf("%.2f ms", median(sides[i].wall)), "times (range) ", wall,
			"peak RSS", fmt.Sprintf("%.1f MB", sides[i].memory("VmHWM")))
	}
	b.ReportMetric(0, "ns/op")
}

// growthOf is the median of the rounds' own ratios.
func growthOf(empty, full []float64) string {
	var ratios []float64
	for i := range empty {
		ratios = append(ratios, full[i]/empty[i])
	}
	return fmt.Sprintf("%.2f (%.2f-%.2f)", median(ratios), slices.Min(ratios), slices.Max(ratios))
}

// cpuNow is the processor time of the bot, and on PostgreSQL of the server processes that work for it.
func (c *cost) cpuNow(b *testing.B) time.Duration {
	b.Helper()
	pids := []int{c.cmd.Process.Pid}
	if c.dsn != "" {
		pids = append(pids, backends(b, c.dsn)...)
	}
	var sum time.Duration
	for _, pid := range pids {
		used, err := cpuTime(pid)
		require.NoError(b, err)
		sum += used
	}
	return sum
}

// backends are the server's processes for a database, but for the one that answers this question.
func backends(b *testing.B, dsn string) []int {
	b.Helper()
	db, err := sql.Open("pgx", dsn)
	require.NoError(b, err)
	defer func() { require.NoError(b, db.Close()) }()
	rows, err := db.QueryContext(b.Context(), `SELECT pid FROM pg_stat_activity
		WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()`)
	require.NoError(b, err)
	defer func() { require.NoError(b, rows.Close()) }()
	var pids []int
	for rows.Next() {
		var pid int
		require.NoError(b, rows.Scan(&pid))
		pids = append(pids, pid)
	}
	require.NoError(b, rows.Err())
	return pids
}

// engineName names the engine, and the version of a server.
func engineName(b *testing.B, engine, dsn string) string {
	b.Helper()
	if dsn == "" {
		return engine
	}
	db, err := sql.Open("pgx", dsn)
	require.NoError(b, err)
	defer func() { require.NoError(b, db.Close()) }()
	var version string
	require.NoError(b, db.QueryRowContext(b.Context(), "SHOW server_version").Scan(&version))
	return engine + " " + version
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
