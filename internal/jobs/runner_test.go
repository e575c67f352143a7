package jobs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// safeBuffer takes logs from several goroutines.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// running is a runner at work, and what stops it.
type running struct {
	*Runner
	store *memory
	log   *safeBuffer
	stop  func() error // ends Run and returns its error
}

func setup(t *testing.T, c Config) running {
	t.Helper()
	store, log := newMemory(), &safeBuffer{}
	if c.Store == nil {
		c.Store = store
	} else {
		store = c.Store.(*memory)
	}
	if c.Owner == "" {
		c.Owner = "me"
	}
	c.Log = zerolog.New(log)
	r := NewRunner(c)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	stop := sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() { _ = stop() })
	return running{Runner: r, store: store, log: log, stop: stop}
}

func (r running) eventually(t *testing.T, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, 30*time.Second, time.Millisecond)
}

func handlers(h Handler) map[string]Handler { return map[string]Handler{"k": h} }

func succeed(context.Context, Job) error { return nil }

func TestAWokenRunnerWorksWithoutWaitingForItsPoll(t *testing.T) {
	t.Parallel()
	r := setup(t, Config{Handlers: handlers(succeed), Poll: time.Hour})
	for i := range 20 {
		r.store.add(New{Kind: "k", Key: fmt.Sprint(i)})
		r.Wake()
		r.eventually(t, func() bool { return r.store.all("done") })
	}
	require.NoError(t, r.stop())
}

func TestWorkOfOtherProcessesIsFoundByPolling(t *testing.T) {
	t.Parallel()
	r := setup(t, Config{Handlers: handlers(succeed), Poll: 5 * time.Millisecond})
	r.store.add(New{Kind: "k", Key: "a"})
	r.eventually(t, func() bool { return r.store.all("done") })
}

func TestAJobThatIsDueLaterRunsThenAndNotAtTheNextPoll(t *testing.T) {
	t.Parallel()
	r := setup(t, Config{Handlers: handlers(succeed), Poll: time.Hour})
	due := time.Now().Add(30 * time.Millisecond)
	r.store.add(New{Kind: "k", Key: "a", RunAt: due})
	r.Wake()
	r.eventually(t, func() bool { return r.store.all("done") })
	require.False(t, time.Now().Before(due))
}

func TestABatchIsWorkedInParallel(t *testing.T) {
	t.Parallel()
	const workers = 6
	var together sync.WaitGroup
	together.Add(workers)
	r := setup(t, Config{Workers: workers, Handlers: handlers(func(context.Context, Job) error {
		together.Done()
		together.Wait() // nobody gets on before all are here
		return nil
	})})
	for i := range workers {
		r.store.add(New{Kind: "k", Key: fmt.Sprint(i)})
	}
	r.Wake()
	r.eventually(t, func() bool { return r.store.all("done") })
}

func TestNoMoreJobsRunThanThereAreWorkers(t *testing.T) {
	t.Parallel()
	var now, most atomic.Int64
	r := setup(t, Config{Workers: 3, Handlers: handlers(func(context.Context, Job) error {
		n := now.Add(1)
		for seen := most.Load(); n > seen && !most.CompareAndSwap(seen, n); seen = most.Load() {
		}
		runtime.Gosched()
		now.Add(-1)
		return nil
	})})
	for i := range 300 {
		r.store.add(New{Kind: "k", Key: fmt.Sprint(i)})
	}
	r.Wake()
	r.eventually(t, func() bool { return r.store.all("done") })
	require.LessOrEqual(t, most.Load(), int64(3))
}

func TestJobsThatFinishTogetherAreSettledTogether(t *testing.T) {
	t.Parallel()
	const jobs = 400
	r := setup(t, Config{Workers: 50, Handlers: handlers(succeed)})
	r.store.mu.Lock() // the store is slow to begin with: what is added now is leased at once
	for i := range int64(jobs) {
		r.store.rows[i+1] = &row{state: "ready", Job: Job{ID: i + 1, Kind: "k"}}
	}
	r.store.mu.Unlock()
	r.Wake()
	r.eventually(t, func() bool { return r.store.all("done") })
	r.store.mu.Lock()
	defer r.store.mu.Unlock()
	require.Less(t, r.store.settles, jobs)
}

func TestAnErrorDecidesWhatBecomesOfTheJob(t *testing.T) {
	t.Parallel()
	failure := errors.New("the core is away")
	for name, tc := range map[string]struct {
		err    error
		state  string
		counts int
	}{
		"permanent":          {Permanent(failure), "dead", 0},
		"wrapped permanent":  {fmt.Errorf("send: %w", Permanent(failure)), "dead", 0},
		"own permanent type": {ownPermanent{}, "dead", 0},
		"later":              {After(time.Hour, failure), "ready", 0},
		"later wins":         {After(time.Hour, Permanent(failure)), "ready", 0},
		"own later type":     {fmt.Errorf("sync: %w", ownLater{true}), "ready", 0},
		"not later":          {ownLater{false}, "ready", 1},
		"plain":              {failure, "ready", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := setup(t, Config{Backoff: Backoff{First: time.Hour}, Handlers: handlers(func(context.Context, Job) error { return tc.err })})
			r.store.add(New{Kind: "k", Key: "a"})
			r.Wake()
			r.eventually(t, func() bool { return r.store.get(1).reason != "" })
			got := r.store.get(1)
			require.Equal(t, tc.state, got.state)
			require.Equal(t, tc.counts, got.counts)
		})
	}
	require.NoError(t, Permanent(nil))
	require.ErrorIs(t, Permanent(failure), failure)
	require.ErrorIs(t, After(0, failure), failure)
	require.Equal(t, "asked to run again later", After(time.Second, nil).Error())
	require.False(t, IsPermanent(nil))
}

// ownLater is how a room that does not know this package asks for another run.
type ownLater struct{ later bool }

func (ownLater) Error() string                       { return "busy" }
func (e ownLater) RetryAfter() (time.Duration, bool) { return time.Hour, e.later }

type ownPermanent struct{}

func (ownPermanent) Error() string   { return "refused" }
func (ownPermanent) Permanent() bool { return true }

func TestAJobThatFailsTooOftenIsLaidAside(t *testing.T) {
	t.Parallel()
	var attempts []int
	r := setup(t, Config{MaxAttempts: 3, Backoff: Backoff{First: time.Millisecond}, Handlers: handlers(func(_ context.Context, j Job) error {
		attempts = append(attempts, j.Attempt)
		return errors.New("no")
	})})
	r.store.add(New{Kind: "k", Key: "a"})
	r.Wake()
	r.eventually(t, func() bool { return r.store.all("dead") })
	require.NoError(t, r.stop())
	require.Equal(t, []int{1, 2, 3}, attempts)
	require.Contains(t, r.log.String(), `"message":"job laid aside"`)
}

func TestAPanicIsAFailedAttemptWhoseTextIsNotShown(t *testing.T) {
	t.Parallel()
	r := setup(t, Config{Backoff: Backoff{First: time.Hour}, Handlers: map[string]Handler{
		"text":    func(_ context.Context, j Job) error { panic("payload: " + string(j.Payload)) },
		"runtime": func(_ context.Context, j Job) error { var none []error; return none[len(j.Key)] },
		"goexit":  func(context.Context, Job) error { runtime.Goexit(); return nil },
	}})
	for _, kind := range []string{"text", "runtime", "goexit"} {
		r.store.add(New{Kind: kind, Key: "62811234567", Payload: []byte("s3cret")})
	}
	r.Wake()
	for id := range int64(3) {
		r.eventually(t, func() bool { return r.store.get(id+1).counts == 1 })
	}
	require.NoError(t, r.stop())
	require.Equal(t, "panic in the handler: string", r.store.get(1).reason)
	require.Contains(t, r.store.get(2).reason, "index out of range")
	require.Contains(t, r.log.String(), "runner_test.go", "the stack says where")
	require.NotContains(t, r.log.String(), "s3cret")
}

func TestLogsShowNeitherPayloadNorKeyNorNumbers(t *testing.T) {
	t.Parallel()
	var turn atomic.Int64
	r := setup(t, Config{MaxAttempts: 2, Backoff: Backoff{First: time.Millisecond}, Handlers: handlers(func(ctx context.Context, j Job) error {
		zerolog.Ctx(ctx).Info().Msg("from the handler")
		switch turn.Add(1) {
		case 1:
			return After(0, fmt.Errorf("ask +62 812-3456-7890 about %s", j.Key))
		case 2:
			return errors.New(`Get "https://core.example/recipe?phoneNumber=6281234567890": 123456789@lid sent aB3dE6gH9jK2mN5pQ8`)
		}
		return Permanent(errors.New("no\nnew\x00line"))
	})})
	r.store.add(New{Kind: "k", Key: "6281234567890", Serial: "login:6281234567890", Payload: []byte("s3cret")})
	r.Wake()
	r.eventually(t, func() bool { return r.store.all("dead") })
	require.NoError(t, r.stop())
	text := r.log.String()
	for _, leak := range []string{"7890", "812-3456", "s3cret", "phoneNumber", "aB3dE6gH9", "123456789"} {
		require.NotContains(t, text, leak)
		require.NotContains(t, r.store.get(1).reason, leak)
	}
	require.Contains(t, text, `"kind":"k"`)
	require.Contains(t, text, "https://core.example")
	require.Contains(t, text, "no new line")
	require.Contains(t, text, "from the handler")
}

func TestJobsOfOneSerialNeverOverlapAndKeepTheirOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		serials := rapid.SliceOfN(rapid.SampledFrom([]string{"", "a", "b", "c"}), 1, 30).Draw(rt, "serials")
		fails := rapid.SliceOfN(rapid.IntRange(0, 4), len(serials), len(serials)).Draw(rt, "failures")
		workers := rapid.IntRange(1, 5).Draw(rt, "workers")
		var mu sync.Mutex
		busy, finished := map[string]bool{}, map[string]int64{}
		var broken []string
		store := newMemory()
		for i, serial := range serials {
			store.add(New{Kind: "k", Key: fmt.Sprint(i), Serial: serial})
		}
		r := NewRunner(Config{Store: store, Owner: "me", Workers: workers, MaxAttempts: 3,
			Backoff: Backoff{First: time.Microsecond}, Log: zerolog.Nop(),
			Handlers: handlers(func(_ context.Context, j Job) error {
				mu.Lock()
				if j.Serial != "" && (busy[j.Serial] || finished[j.Serial] > j.ID) {
					broken = append(broken, fmt.Sprint(j.ID))
				}
				busy[j.Serial] = true
				mu.Unlock()
				runtime.Gosched()
				mu.Lock()
				defer mu.Unlock()
				busy[j.Serial] = false
				if fails[j.ID-1] >= j.Attempt {
					return errors.New("again") // four failures are more than are allowed: the job dies
				}
				finished[j.Serial] = j.ID
				return nil
			})})
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- r.Run(ctx) }()
		over := func() bool {
			store.mu.Lock()
			defer store.mu.Unlock()
			for _, row := range store.rows {
				if row.state != "done" && row.state != "dead" {
					return false
				}
			}
			return true
		}
		for deadline := time.Now().Add(30 * time.Second); !over() && time.Now().Before(deadline); {
			time.Sleep(100 * time.Microsecond)
		}
		cancel()
		require.NoError(rt, <-ended)
		require.True(rt, over())
		require.Empty(rt, broken)
	})
}

func TestPausesGrowToTheirCapAndVary(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		b := Backoff{First: time.Duration(rapid.Int64Range(1, int64(time.Minute)).Draw(rt, "first")),
			Max: time.Duration(rapid.Int64Range(int64(time.Minute), int64(time.Hour)).Draw(rt, "max"))}
		attempt := rapid.IntRange(1, 1000).Draw(rt, "attempt")
		low, high := b.pause(attempt, 0), b.pause(attempt, 0.999)
		require.Positive(rt, high+1)
		require.LessOrEqual(rt, low, high)
		require.LessOrEqual(rt, high, b.Max)
		require.GreaterOrEqual(rt, low, b.First/2)
		require.GreaterOrEqual(rt, b.pause(attempt+1, 0.5), b.pause(attempt, 0.5))
	})
	b := Backoff{}.withDefaults()
	require.Equal(t, []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Minute},
		[]time.Duration{b.pause(1, 0), b.pause(2, 0), b.pause(3, 0), b.pause(30, 0)})
}

func TestEveryRunIsToldWithItsOutcome(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var runs []Run
	r := setup(t, Config{Workers: 1, MaxAttempts: 2, Backoff: Backoff{First: time.Microsecond},
		Ran: func(run Run) {
			mu.Lock()
			defer mu.Unlock()
			run.Took = 0
			runs = append(runs, run)
		},
		Handlers: handlers(func(_ context.Context, j Job) error {
			switch j.Key {
			case "a":
				return nil
			case "b":
				return errors.New("no")
			}
			return After(time.Hour, nil)
		})})
	for _, key := range []string{"a", "b", "c"} {
		r.store.add(New{Kind: "k", Key: key, Serial: "one after the other"})
	}
	r.Wake()
	r.eventually(t, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(runs) == 4
	})
	require.NoError(t, r.stop())
	require.Equal(t, []Run{
		{Kind: "k", Outcome: Done}, {Kind: "k", Outcome: Retry, Counts: true}, {Kind: "k", Outcome: Dead}, {Kind: "k", Outcome: Retry},
	}, runs)
}
