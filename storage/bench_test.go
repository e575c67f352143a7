package storage

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
)

// startRunner runs handlers over a store until the benchmark ends.
func startRunner(b *testing.B, s *Store, workers int, handlers map[string]jobs.Handler) {
	b.Helper()
	r := jobs.NewRunner(jobs.Config{Store: s, Owner: "bench", Handlers: handlers, Workers: workers, Log: zerolog.Nop()})
	s.OnNewJobs(r.Wake)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	b.Cleanup(func() {
		cancel()
		require.NoError(b, <-ended)
	})
}

// realTime makes the store follow the clock of the runner.
func realTime(b *testing.B, engine string) bundle {
	b.Helper()
	bb := setup(b, engine)
	bb.config.Now = time.Now
	bb.Store = bb.open(b)
	return bb
}

// BenchmarkInsertToWorked adds one job at a time through Accept, as a message does, and measures until its handler
// begins: with an in-process wake-up, on an otherwise idle runner.
func BenchmarkInsertToWorked(b *testing.B) {
	for _, engine := range []string{SQLite, Postgres} {
		b.Run(engine, func(b *testing.B) {
			s := realTime(b, engine)
			worked := make(chan time.Time, 1)
			startRunner(b, s.Store, 8, map[string]jobs.Handler{"login.answer": func(context.Context, jobs.Job) error {
				worked <- time.Now()
				return nil
			}})
			whole, after := make([]time.Duration, 0, b.N), make([]time.Duration, 0, b.N)
			for i := 0; b.Loop(); i++ {
				begin := time.Now()
				_, err := s.Accept(context.Background(), accepted(fmt.Sprint(i), "m", begin))
				committed := time.Now()
				require.NoError(b, err)
				at := <-worked
				whole, after = append(whole, at.Sub(begin)), append(after, at.Sub(committed))
			}
			quantiles(b, "call", whole)
			quantiles(b, "commit", after)
		})
	}
}

// BenchmarkSQLiteSettings is what docs/adr/0002 weighs: a commit that waits for the disk against one that does not,
// and transactions shared by waiting callers against one for each.
func BenchmarkSQLiteSettings(b *testing.B) {
	for _, tuning := range []liteTuning{{"FULL", 64}, {"FULL", 1}, {"NORMAL", 64}, {"NORMAL", 1}} {
		for _, callers := range []int{1, 16} {
			b.Run(fmt.Sprintf("%s/batch=%d/callers=%d", tuning.synchronous, tuning.batch, callers), func(b *testing.B) {
				e, _, err := openSQLite(context.Background(), filepath.Join(b.TempDir(), "data"), tuning)
				require.NoError(b, err)
				s := &Store{engine: e, now: time.Now}
				b.Cleanup(func() { require.NoError(b, s.Close()) })
				b.ResetTimer()
				acceptAll(b, s, callers)
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "accepts/s")
			})
		}
	}
}

// acceptAll accepts b.N messages of 500 senders from so many callers at once.
func acceptAll(b *testing.B, s *Store, callers int) {
	b.Helper()
	var next atomic.Int64
	var done sync.WaitGroup
	for range callers {
		done.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				_, err := s.Accept(context.Background(), accepted(fmt.Sprint(i%500), fmt.Sprint(i), time.Now()))
				if err != nil {
					b.Error(err)
				}
			}
		})
	}
	done.Wait()
}

// BenchmarkJobsPerSecond works a backlog of jobs that finish at once, 200 numbers taking turns.
func BenchmarkJobsPerSecond(b *testing.B) {
	for _, engine := range []string{SQLite, Postgres} {
		b.Run(engine, func(b *testing.B) {
			s := realTime(b, engine)
			var add []jobs.New
			for i := range b.N {
				add = append(add, jobs.New{Kind: "k", Key: fmt.Sprint(i), Serial: fmt.Sprint("s", i%200)})
			}
			for part := range slices.Chunk(add, 500) {
				_, err := s.AddJobs(context.Background(), part...)
				require.NoError(b, err)
			}
			var left atomic.Int64
			left.Store(int64(b.N))
			all := make(chan struct{})
			b.ResetTimer()
			startRunner(b, s.Store, 16, map[string]jobs.Handler{"k": func(context.Context, jobs.Job) error {
				if left.Add(-1) == 0 {
					close(all)
				}
				return nil
			}})
			<-all
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
		})
	}
}

// BenchmarkAcceptAndWork is the whole path under load: callers accept messages while the runner works them.
func BenchmarkAcceptAndWork(b *testing.B) {
	for _, engine := range []string{SQLite, Postgres} {
		for _, callers := range []int{1, 16} {
			b.Run(fmt.Sprintf("%s/callers=%d", engine, callers), func(b *testing.B) {
				s := realTime(b, engine)
				var worked sync.WaitGroup
				startRunner(b, s.Store, 16, map[string]jobs.Handler{"login.answer": func(context.Context, jobs.Job) error {
					worked.Done()
					return nil
				}})
				worked.Add(b.N)
				b.ResetTimer()
				acceptAll(b, s.Store, callers)
				worked.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
			})
		}
	}
}

func quantiles(b *testing.B, name string, d []time.Duration) {
	b.Helper()
	slices.Sort(d)
	at := func(q float64) float64 { return float64(d[int(q*float64(len(d)-1))].Microseconds()) / 1000 }
	b.ReportMetric(at(0.5), name+"-p50-ms")
	b.ReportMetric(at(0.99), name+"-p99-ms")
}
