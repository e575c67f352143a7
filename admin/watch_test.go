package admin

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/stretchr/testify/require"
)

// ward is everything that a Watch looks at, with one clock.
type ward struct {
	now    time.Time
	dead   int
	died   time.Time
	cases  []Case
	core   error
	line   string
	seen   time.Time
	alerts map[string]AlertState
	told   []string
	watch  *Watch
}

func (w *ward) Jobs(context.Context, ...State) ([]Job, error) { return nil, nil }
func (w *ward) Job(context.Context, int64) (Job, error)       { return Job{}, nil }
func (w *ward) CountJobs(context.Context) (map[State]int, error) {
	return map[State]int{Dead: w.dead + 9}, nil // jobs that tell of alerts are among them
}
func (w *ward) Retry(context.Context, int64) (int, error)                 { return 0, nil }
func (w *ward) Cases(context.Context) ([]Case, error)                     { return w.cases, nil }
func (w *ward) Decide(context.Context, int64, bool, string, string) error { return nil }
func (w *ward) SetPause(context.Context, Pause) error                     { return nil }
func (w *ward) EndPause(context.Context) (bool, error)                    { return false, nil }
func (w *ward) Paused(context.Context) (*Pause, error)                    { return nil, nil }
func (w *ward) Alerts(context.Context) (map[string]AlertState, error)     { return w.alerts, nil }
func (w *ward) Deaths(context.Context) (Deaths, error)                    { return Deaths{w.dead, w.died}, nil }
func (w *ward) SaveAlert(_ context.Context, a AlertState, tell ...jobs.New) error {
	w.alerts[a.Name] = a
	for _, j := range tell {
		w.told = append(w.told, fmt.Sprint(j.Kind, " ", a.Name, " ", a.Told))
	}
	return nil
}

func setup(t *testing.T) *ward {
	t.Helper()
	w := &ward{now: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC), line: "connected", alerts: map[string]AlertState{}}
	now := func() time.Time { return w.now }
	desk := New(Config{Jobs: w, Cases: w, Pauses: w, PingCore: func(context.Context) error { return w.core },
		Line: func() Health { return Health{State: w.line} }, Now: now})
	n, err := phone.FromDigits("6281234567890")
	require.NoError(t, err)
	w.watch = NewWatch(WatchConfig{Store: w, Desk: desk, PhoneSeen: func(context.Context) (time.Time, error) { return w.seen, nil },
		DownAfter: 5 * time.Minute, PhoneAfter: 240 * time.Hour, Pause: 30 * time.Minute, Admins: []phone.Number{n}, Webhook: true, Now: now})
	return w
}

// after lets time pass, looks each minute, and returns what was told meanwhile.
func (w *ward) after(t *testing.T, d time.Duration) []string {
	t.Helper()
	w.told = nil
	for end := w.now.Add(d); ; w.now = w.now.Add(time.Minute) {
		require.NoError(t, w.watch.Look(t.Context()))
		if !w.now.Before(end) {
			return w.told
		}
	}
}

func both(name string, value int) []string {
	return []string{fmt.Sprint("alert.webhook ", name, " ", value), fmt.Sprint("alert.send ", name, " ", value)}
}

func TestAlertIsToldOncePerChange(t *testing.T) {
	t.Parallel()
	w := setup(t)
	require.Empty(t, w.after(t, time.Hour))
	w.dead = 3
	require.Equal(t, both(AlertJobs, 3), w.after(t, 3*time.Hour))
	w.dead = 2
	require.Empty(t, w.after(t, time.Hour), "better, but not over")
	w.dead = 5
	require.Equal(t, both(AlertJobs, 5), w.after(t, time.Hour))
	w.dead = 0
	require.Equal(t, both(AlertJobs, 0), w.after(t, time.Hour))
	w.cases = []Case{{ID: 1}}
	require.Equal(t, both(AlertCases, 1), w.after(t, time.Hour))
}

func TestOutageIsToldWhenItLastsAndFlappingIsPaused(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.core = errors.New("away")
	require.Empty(t, w.after(t, 4*time.Minute), "a short one is nobody's business")
	w.core = nil
	require.Empty(t, w.after(t, time.Minute))
	w.core = errors.New("away")
	require.Equal(t, both(AlertCore, 1), w.after(t, 10*time.Minute))
	for range 5 { // it comes and goes
		w.core = nil
		require.Empty(t, w.after(t, 2*time.Minute))
		w.core = errors.New("away")
		require.Empty(t, w.after(t, time.Minute))
	}
	w.core = nil
	require.Equal(t, both(AlertCore, 0), w.after(t, time.Hour))
}

func TestPhoneThatIsAwayForLongIsTold(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.seen = w.now.Add(-240*time.Hour + 10*time.Minute)
	require.Empty(t, w.after(t, 9*time.Minute))
	require.Equal(t, both(AlertPhone, 1), w.after(t, 5*time.Minute))
}

func TestWhatCannotBeToldInWhatsAppGoesToTheWebhookOnly(t *testing.T) {
	t.Parallel()
	for state, value := range map[string]int{"wrong account": 6, "unpaired": 5, "logged out": 4, "banned": 3, "outdated": 2, "replaced": 1} {
		w := setup(t)
		w.line = state
		require.Equal(t, []string{fmt.Sprint("alert.webhook line ", value)}, w.after(t, time.Hour))
	}
}

func TestADeathIsToldAlthoughAnotherOneIsKnown(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.dead, w.died = 2, w.now
	require.Equal(t, both(AlertJobs, 2), w.after(t, time.Hour))
	w.dead = 1 // one was retried
	require.Empty(t, w.after(t, time.Hour))
	w.dead, w.died = 2, w.now
	require.Equal(t, both(AlertJobs, 2), w.after(t, time.Hour), "as many as were told, but another one")
	require.Empty(t, w.after(t, time.Hour), "once")
	w.cases = []Case{{ID: 1}}
	require.Equal(t, both(AlertCases, 1), w.after(t, time.Hour))
	w.cases = []Case{{ID: 2}}
	require.Equal(t, both(AlertCases, 1), w.after(t, time.Hour))
}

func TestADeathWithinThePauseIsToldAfterIt(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.dead, w.died = 1, w.now
	require.Equal(t, both(AlertJobs, 1), w.after(t, time.Minute))
	w.dead = 0 // retried
	require.Empty(t, w.after(t, 5*time.Minute))
	w.dead, w.died = 1, w.now // and dead again
	require.Empty(t, w.after(t, 5*time.Minute))
	require.Equal(t, both(AlertJobs, 1), w.after(t, time.Hour))
}

// TestAFailingAlertRaisesNone: the count of all dead jobs has those that tell of alerts in it, see ward.CountJobs.
func TestAFailingAlertRaisesNone(t *testing.T) {
	t.Parallel()
	w := setup(t)
	require.Empty(t, w.after(t, 3*time.Hour))
}

func TestALineIsOverOnlyWhenItStands(t *testing.T) {
	t.Parallel()
	w := setup(t)
	line := func(value int) []string { return []string{fmt.Sprint("alert.webhook line ", value)} }
	w.line = "banned"
	require.Equal(t, line(3), w.after(t, time.Hour))
	for _, state := range []string{"connecting", "", "banned"} { // as after a restart
		w.line = state
		require.Empty(t, w.after(t, time.Hour), state)
	}
	w.line = "replaced"
	require.Equal(t, line(1), w.after(t, time.Hour), "another trouble is a change, though it counts less")
	w.line = "degraded"
	require.Equal(t, line(0), w.after(t, time.Hour))
	w.line = "connected"
	require.Empty(t, w.after(t, time.Hour))
	w.line = "connecting"
	require.Empty(t, w.after(t, time.Hour))
}
