package bench_test

import (
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var rounds = flag.Int("rounds", 4, "how often each side of a comparison takes its turn")

// firstNumber is where the numbers of this benchmark's people begin.
const firstNumber = 6281200000000

// side is one of the two in the comparison, and what it showed.
type side struct {
	*subject
	name    string
	rates   []float64
	waits   []time.Duration
	peak    float64
	process []float64 // processor time of the process for one message, in ms
}

// BenchmarkAgainstEcho compares full logins of the bot (message in, link out) with messages of a bare echo bot: both on
// one server, with the same store settings and client options, the same people writing, taking turns.
func BenchmarkAgainstEcho(b *testing.B) {
	w := newWorld(b)
	people := w.people(firstNumber, users)
	bot, _ := w.newBot(sqlite).serve()
	sides := []*side{{subject: bot, name: "konsulin-bot"}, {subject: w.newEcho(), name: "bare echo bot"}}
	sent := 0
	turn := func(each int) {
		for i := range sides {
			s := sides[(i+sent)%2] // either goes first as often
			s.forgetPeak()
			before, err := cpuTime(s.cmd.Process.Pid)
			require.NoError(b, err)
			l := s.round(b, people, each, nil)
			after, err := cpuTime(s.cmd.Process.Pid)
			require.NoError(b, err)
			s.rates, s.waits = append(s.rates, l.rate()), append(s.waits, l.waits...)
			s.peak = max(s.peak, s.memory("VmHWM"))
			s.process = append(s.process, (after-before).Seconds()*1000/float64(len(l.waits)))
		}
		sent += each
	}
	reset := func() {
		for _, s := range sides {
			*s = side{subject: s.subject, name: s.name}
		}
	}

	turn(1)
	compare(b, "first contact", sides)
	reset()
	turn(5) // warm-up, not reported
	for _, c := range []struct {
		delay        time.Duration
		each, rounds int
	}{{0, 20, *rounds}, {5 * time.Millisecond, 10, *rounds}, {50 * time.Millisecond, 2, max(1, *rounds/2)}} {
		reset()
		w.server.AckDelay(c.delay)
		for range c.rounds {
			turn(c.each)
		}
		compare(b, fmt.Sprintf("%d ms", c.delay.Milliseconds()), sides)
	}
	noneTwice(b, people, 2*sent)
	b.ReportMetric(0, "ns/op")
}

// compare puts a line for each side into the table. The ratio is the median of the rounds' own ratios, so that noise
// that lasts longer than a round cancels out.
func compare(b *testing.B, delay string, sides []*side) {
	b.Helper()
	var ratios []float64
	for i := range sides[0].rates {
		ratios = append(ratios, sides[0].rates[i]/sides[1].rates[i])
	}
	for i, s := range sides {
		slices.Sort(s.waits)
		ratio, memory := "", ""
		if i == 0 {
			ratio = fmt.Sprintf("%.2f (%.2f-%.2f)", median(ratios), slices.Min(ratios), slices.Max(ratios))
			memory = fmt.Sprintf("%.2f", s.peak/sides[1].peak)
		}
		table.row("Logins (message in, link out) beside a bare echo bot, SQLite, 50 people at once",
			"ack delay", delay, "", s.name, "messages", fmt.Sprint(len(s.waits)), "a second", fmt.Sprintf("%.1f", median(s.rates)),
			"ratio (range)", ratio, "p50", ms(quantile(s.waits, 0.5)), "p99", ms(quantile(s.waits, 0.99)),
			"own CPU each", fmt.Sprintf("%.2f ms", median(s.process)), "peak RSS", fmt.Sprintf("%.1f MB", s.peak), "memory ratio", memory)
	}
	b.Logf("ack delay %s: ratio %.2f", delay, median(ratios))
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }
