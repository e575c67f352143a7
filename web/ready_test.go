package web_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/web"
	"github.com/stretchr/testify/require"
)

func fine(context.Context) error { return nil }

func TestReadyz(t *testing.T) {
	t.Parallel()
	down := func(context.Context) error {
		return fmt.Errorf("ask: %w", web.Reason("logged out", errors.New("401 from host-7: run konsulin-bot pair")))
	}
	plain := func(context.Context) error {
		return errors.New("failed to connect to `user=bot database=health`: 10.0.0.7:5432 (db.internal)")
	}
	for name, c := range map[string]struct {
		checks []web.Check
		status int
		body   string
	}{
		"nothing to check": {nil, http.StatusOK, `{"ready":true,"version":"v1","checks":[]}`},
		"all fine": {
			[]web.Check{{Name: "line", Probe: fine}, {Name: "core", Probe: fine}}, http.StatusOK,
			`{"ready":true,"version":"v1","checks":[{"name":"line","ok":true},{"name":"core","ok":true}]}`,
		},
		"one fails": {
			[]web.Check{{Name: "line", Probe: down}, {Name: "core", Probe: fine}}, http.StatusServiceUnavailable,
			`{"ready":false,"version":"v1","checks":[
				{"name":"line","ok":false,"reason":"logged out"},{"name":"core","ok":true}]}`,
		},
		"one fails and says nothing for everybody": {
			[]web.Check{{Name: "storage", Probe: plain}, {Name: "core", Probe: fine}}, http.StatusServiceUnavailable,
			`{"ready":false,"version":"v1","checks":[
				{"name":"storage","ok":false,"reason":"not available, see the log"},{"name":"core","ok":true}]}`,
		},
		"an empty reason": {
			[]web.Check{{Name: "core", Probe: func(context.Context) error { return web.Reason("", errAway) }}}, http.StatusServiceUnavailable,
			`{"ready":false,"version":"v1","checks":[{"name":"core","ok":false,"reason":"not available, see the log"}]}`,
		},
		"a check panics": {
			[]web.Check{{Name: "core", Probe: func(context.Context) error { panic("secret") }}}, http.StatusServiceUnavailable,
			`{"ready":false,"version":"v1","checks":[{"name":"core","ok":false,"reason":"not available, see the log"}]}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t, func(cfg *web.Config) { cfg.Checks = c.checks }).get(t, "/readyz")
			require.Equal(t, c.status, w.Code)
			require.JSONEq(t, c.body, w.Body.String())
		})
	}
}

func TestReadyzLogsTheWholeReasonOncePerChange(t *testing.T) {
	t.Parallel()
	clock := &clock{at: time.Unix(1000, 0)}
	var failure atomic.Pointer[error]
	b := setup(t, func(c *web.Config) {
		c.Now = clock.now
		c.Checks = []web.Check{{Name: "storage", Probe: func(context.Context) error {
			if err := failure.Load(); err != nil {
				return *err
			}
			return nil
		}}}
	})
	ask := func(err error) {
		failure.Store(nil)
		if err != nil {
			failure.Store(&err)
		}
		clock.add(2 * time.Second)
		require.NotContains(t, b.get(t, "/readyz").Body.String(), "db.internal")
	}
	count := func(level, text string) (n int) {
		for line := range strings.Lines(b.log.String()) {
			if strings.Contains(line, `"level":"`+level+`"`) && strings.Contains(line, `"check":"storage"`) && strings.Contains(line, text) {
				n++
			}
		}
		return n
	}
	ask(nil)
	require.Zero(t, count("info", ""), "there was nothing to recover from")
	for port := range 5 {
		ask(fmt.Errorf("dial db.internal from port %d", port))
	}
	require.Equal(t, 1, count("warn", "db.internal"), "not once for each probe")
	ask(web.Reason("replaced", errors.New("at db.internal")))
	require.Equal(t, 2, count("warn", "db.internal"), "another reason is news")
	ask(nil)
	ask(nil)
	require.Equal(t, 1, count("info", "ready again"))
	ask(web.Reason("replaced", nil))
	require.Equal(t, 1, count("warn", `"error":"replaced"`))
}

func TestLivezAnswersWhateverIsWrong(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *web.Config) {
		c.Checks = []web.Check{{Name: "core", Probe: func(context.Context) error { return errAway }}}
	})
	w := b.get(t, "/livez")
	require.Equal(t, http.StatusOK, w.Code)
	require.JSONEq(t, `{"alive":true,"version":"v1"}`, w.Body.String())
}

func TestReadyzAsksAtMostOnceASecondHoweverManyAsk(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	clock := &clock{at: time.Unix(1000, 0)}
	b := setup(t, func(c *web.Config) {
		c.Now = clock.now
		c.Checks = []web.Check{{Name: "core", Probe: func(context.Context) error { asked.Add(1); return nil }}}
	})
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() { b.get(t, "/readyz") })
	}
	all.Wait()
	require.EqualValues(t, 1, asked.Load())
	clock.add(999 * time.Millisecond)
	b.get(t, "/readyz")
	require.EqualValues(t, 1, asked.Load())
	clock.add(time.Millisecond)
	b.get(t, "/readyz")
	require.EqualValues(t, 2, asked.Load())
	clock.add(-time.Hour)
	b.get(t, "/readyz")
	require.EqualValues(t, 3, asked.Load(), "a clock that was set back does not freeze the answer")
}

func TestReadyzRunsChecksTogetherAndNamesTheSlowOne(t *testing.T) {
	t.Parallel()
	meeting := make(chan struct{})
	one := func(ctx context.Context) error {
		select {
		case meeting <- struct{}{}:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	two := func(ctx context.Context) error {
		select {
		case <-meeting:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	release := make(chan struct{})
	var started atomic.Int64
	clock := &clock{at: time.Unix(1000, 0)}
	b := setup(t, func(c *web.Config) {
		c.Now = clock.now
		c.Checks = []web.Check{
			{Name: "one", Probe: one}, {Name: "two", Probe: two},
			{Name: "deaf", Probe: func(context.Context) error { started.Add(1); <-release; return nil }},
		}
	})
	w := b.get(t, "/readyz")
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.JSONEq(t, `{"ready":false,"version":"v1","checks":[{"name":"one","ok":true},{"name":"two","ok":true},
		{"name":"deaf","ok":false,"reason":"not available, see the log"}]}`, w.Body.String())
	require.Contains(t, b.log.String(), "no answer within 2s")

	clock.add(time.Minute)
	close(release)
	require.Eventually(t, func() bool {
		clock.add(2 * time.Second)
		return b.get(t, "/readyz").Code == http.StatusOK
	}, 10*time.Second, time.Millisecond)
	require.LessOrEqual(t, started.Load(), int64(2), "a check that hangs is not started a second time")
}

func TestReadyzForgetsAnAnswerThatCameTooLate(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	late := make(chan struct{})
	clock := &clock{at: time.Unix(1000, 0)}
	b := setup(t, func(c *web.Config) {
		c.Now = clock.now
		c.Checks = []web.Check{{Name: "core", Probe: func(ctx context.Context) error {
			if calls.Add(1) > 1 {
				return nil
			}
			<-ctx.Done()
			defer close(late)
			return ctx.Err()
		}}}
	})
	require.Equal(t, http.StatusServiceUnavailable, b.get(t, "/readyz").Code)
	<-late
	require.Eventually(t, func() bool {
		clock.add(time.Minute)
		return b.get(t, "/readyz").Code == http.StatusOK
	}, 10*time.Second, time.Millisecond)
}

func TestReadyzSurvivesAClientThatGoesAway(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *web.Config) {
		c.Checks = []web.Check{{Name: "core", Probe: func(ctx context.Context) error { return ctx.Err() }}}
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := b.doContext(ctx, "/readyz")
	require.Equal(t, http.StatusOK, w.Code)
}

type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}
