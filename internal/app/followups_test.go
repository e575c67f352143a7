package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/konsulin-care/konsulin-bot/internal/metrics"
	"github.com/konsulin-care/konsulin-bot/internal/pgtest"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/konsulin-care/konsulin-bot/sandbox/fhir"
	"github.com/konsulin-care/konsulin-bot/sandbox/omnichannel"
	"github.com/konsulin-care/konsulin-bot/storage"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
)

var database pgtest.Server

func TestMain(m *testing.M) { pgtest.Main(m, &database) }

// clock is a test's own time.
type clock struct{ ms atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.ms.Store(time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC).UnixMilli())
	return c
}

func (c *clock) now() time.Time          { return time.UnixMilli(c.ms.Load()).UTC() }
func (c *clock) advance(d time.Duration) { c.ms.Add(d.Milliseconds()) }

// everybodyIsAPatient are the roles of everybody; asking for broken fails.
type everybodyIsAPatient struct{ broken string }

func (r everybodyIsAPatient) Roles(_ context.Context, userID string) ([]string, error) {
	if userID == r.broken {
		return nil, errors.New("the core does not answer about this user")
	}
	return []string{"Patient"}, nil
}

// after is what follows a sign-in, without the rest of the product.
type after struct {
	*App
	clock *clock
	fhir  *fhir.Server
	omni  *omnichannel.Server
}

// setupAfter opens a store and the stand-ins; run starts the work.
func setupAfter(t *testing.T, engine string, change ...func(*Config)) *after {
	t.Helper()
	a := &after{clock: newClock()}
	var err error
	a.fhir, err = fhir.New(fhir.Options{})
	require.NoError(t, err)
	a.omni, err = omnichannel.New(omnichannel.Options{})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.Empty(t, a.fhir.Unknown())
		require.Empty(t, a.omni.Unknown())
		require.NoError(t, errors.Join(a.fhir.Close(), a.omni.Close()))
	})
	cfg := Default()
	cfg.Storage.Engine, cfg.Storage.Dir = engine, filepath.Join(t.TempDir(), "data")
	if engine == storage.Postgres {
		cfg.Storage.DSN = Secret(database.Database(t))
	}
	cfg.FHIR.BaseURL, cfg.FHIR.Cooldown = a.fhir.URL(), 20*time.Millisecond
	for _, f := range change {
		f(&cfg)
	}
	a.App = &App{cfg: cfg, opt: Options{Now: a.clock.now}, log: zerolog.Nop(), process: "process",
		metrics: metrics.New(metrics.Config{})}
	a.store, err = openStore(t.Context(), cfg, a.clock.now)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, a.store.Close()) })
	return a
}

// run works the jobs until the test ends or stop is called.
func (a *after) run(t *testing.T, roles everybodyIsAPatient) (stop func()) {
	t.Helper()
	work, err := newFollowUps(a.App, roles)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for _, r := range work.runners {
		forget := a.store.OnNewJobs(r.Wake)
		all.Go(func() {
			defer forget()
			if err := r.Run(ctx); err != nil {
				t.Errorf("runner: %v", err)
			}
		})
	}
	stop = sync.OnceFunc(func() {
		cancel()
		all.Wait()
		work.close()
	})
	t.Cleanup(stop)
	return stop
}

func number(t *testing.T, i int) phone.Number {
	t.Helper()
	n, err := phone.FromDigits(fmt.Sprintf("62812%08d", i))
	require.NoError(t, err)
	return n
}

// queue adds the jobs of sign-ins number first to first+n-1, of the given kinds.
func (a *after) queue(t *testing.T, first, n int, kinds ...string) {
	t.Helper()
	for from := first; from < first+n; from += 500 {
		var add []jobs.New
		for i := from; i < min(from+500, first+n); i++ {
			payload, err := json.Marshal(auth.FollowUp{Intent: fmt.Sprint(i), UserID: fmt.Sprint("user-", i), Digits: number(t, i).Digits(), At: a.clock.now()})
			require.NoError(t, err)
			for _, kind := range kinds {
				family, _, _ := strings.Cut(kind, ".")
				add = append(add, jobs.New{Kind: kind, Key: fmt.Sprint(i), Serial: family + ":" + number(t, i).Digits(), Payload: payload})
			}
		}
		_, err := a.store.AddJobs(t.Context(), add...)
		require.NoError(t, err)
	}
}

// left counts the jobs that are not done.
func (a *after) left(t *testing.T) int {
	t.Helper()
	counts, err := a.store.CountJobs(t.Context())
	require.NoError(t, err)
	return counts[storage.JobReady] + counts[storage.JobRunning] + counts[storage.JobDead]
}

func heap() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / (1 << 20)
}

// TestFhirDown: ten thousand sign-ins wait out an hour without the FHIR server. Memory does not grow with them, nothing
// is given up, and all are delivered after.
func TestFhirDown(t *testing.T) {
	const signIns = 10_000
	a := setupAfter(t, storage.SQLite)
	a.queue(t, 0, signIns, auth.JobFHIRSync)
	a.fhir.Down(true)
	before := heap()
	a.run(t, everybodyIsAPatient{})
	for range 60 {
		a.clock.advance(time.Minute)
		time.Sleep(50 * time.Millisecond) // the workers run on real time
	}
	require.Less(t, heap()-before, 16.0, "MB that an hour of outage adds")
	require.Equal(t, signIns, a.left(t), "nothing is done, nothing is given up")
	counts, err := a.store.CountJobs(t.Context())
	require.NoError(t, err)
	require.Zero(t, counts[storage.JobDead])

	a.fhir.Down(false)
	require.Eventually(t, func() bool {
		a.clock.advance(time.Minute)
		return a.left(t) == 0
	}, 5*time.Minute, 100*time.Millisecond)
	require.Len(t, a.fhir.All("Patient"), signIns)
}

// TestPoisonJob: a number that fails whatever is tried delays nobody else, and is laid aside in the end.
func TestPoisonJob(t *testing.T) {
	t.Parallel()
	for name, poison := range map[string]struct {
		status int
		roles  everybodyIsAPatient
	}{
		"the server breaks over it": {status: http.StatusInternalServerError},
		"the server refuses it":     {status: http.StatusUnprocessableEntity},
		"its roles are unknown":     {roles: everybodyIsAPatient{broken: "user-0"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := setupAfter(t, storage.SQLite)
			a.cfg.Jobs.MaxAttempts, a.cfg.Jobs.RetryMin, a.cfg.Jobs.RetryMax = 3, time.Second, time.Second
			sick := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if poison.status != 0 && strings.Contains(r.URL.RawQuery+r.Header.Get("If-None-Exist"), number(t, 0).Digits()) {
					http.Error(w, "{}", poison.status)
					return
				}
				a.fhir.Handler().ServeHTTP(w, r)
			}))
			defer sick.Close()
			a.cfg.FHIR.BaseURL = sick.URL + "/fhir"
			a.queue(t, 0, 200, auth.JobFHIRSync)
			defer a.run(t, poison.roles)()
			require.Eventually(t, func() bool { return a.left(t) == 1 }, time.Minute, 10*time.Millisecond, "the others go on")
			require.Len(t, a.fhir.All("Patient"), 199)
			require.Eventually(t, func() bool {
				a.clock.advance(time.Second)
				dead, err := a.store.ListJobs(t.Context(), storage.JobDead)
				return err == nil && len(dead) == 1
			}, time.Minute, 10*time.Millisecond, "and it is a person's in the end")
			a.queue(t, 1000, 50, auth.JobFHIRSync)
			require.Eventually(t, func() bool { return a.left(t) == 1 }, time.Minute, 10*time.Millisecond)
		})
	}
}

// TestWebhookPaced: the calls of all processes together keep to the budget, and to what the server asks for.
func TestWebhookPaced(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{storage.SQLite, storage.Postgres} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			const people = 30
			a := setupAfter(t, engine)
			a.cfg.Contact.BaseURL, a.cfg.Contact.PerMinute = a.omni.URL(), 60
			a.queue(t, 0, people, auth.JobFHIRSync)
			done := a.run(t, everybodyIsAPatient{})
			require.Eventually(t, func() bool { return a.left(t) == 0 }, time.Minute, 10*time.Millisecond)
			done()

			a.queue(t, 0, people, auth.JobContactSync)
			a.run(t, everybodyIsAPatient{})
			if engine == storage.Postgres { // a second process works on the same queue
				second := &after{App: &App{cfg: a.cfg, opt: a.opt, log: a.log, store: a.store, process: "second", metrics: a.metrics}, clock: a.clock}
				second.run(t, everybodyIsAPatient{})
			}
			begun := a.clock.now()
			allowed := func() int { return 1 + int(a.clock.now().Sub(begun)/time.Second) }
			for range 40 {
				require.Eventually(t, func() bool { return a.omni.Calls() == min(allowed(), people) }, time.Minute, 5*time.Millisecond)
				if allowed() == 10 {
					break
				}
				a.clock.advance(time.Second)
			}
			require.Never(t, func() bool { return a.omni.Calls() > allowed() }, 300*time.Millisecond, 10*time.Millisecond,
				"while no time passes nothing is sent")

			if engine == storage.SQLite { // another process hears of it from the server itself
				a.omni.Answer(1, http.StatusTooManyRequests, `{}`, "120")
				a.clock.advance(time.Second)
				require.Eventually(t, func() bool { return a.omni.Calls() == 11 }, time.Minute, 5*time.Millisecond)
				for range 100 {
					a.clock.advance(time.Second)
				}
				require.Never(t, func() bool { return a.omni.Calls() > 11 }, 500*time.Millisecond, 10*time.Millisecond, "told to wait")
			}
			require.Eventually(t, func() bool {
				a.clock.advance(time.Second)
				return a.left(t) == 0
			}, 2*time.Minute, 50*time.Millisecond)
			require.Len(t, a.omni.Contacts(), people)
		})
	}
}

// TestWorkWaitsUntilThereIsAServer: without a FHIR server what a sign-in leaves is kept, and done once there is one.
func TestWorkWaitsUntilThereIsAServer(t *testing.T) {
	t.Parallel()
	a := setupAfter(t, storage.SQLite)
	url := a.cfg.FHIR.BaseURL
	a.cfg.FHIR.BaseURL = ""
	a.queue(t, 0, 5, auth.JobFHIRSync, auth.JobContactSync)
	a.run(t, everybodyIsAPatient{})()
	require.Equal(t, 10, a.left(t))

	a.cfg.FHIR.BaseURL, a.cfg.Contact.BaseURL, a.cfg.Contact.PerMinute = url, a.omni.URL(), 6000
	a.run(t, everybodyIsAPatient{})
	require.Eventually(t, func() bool {
		a.clock.advance(time.Second)
		return a.left(t) == 0
	}, time.Minute, 10*time.Millisecond)
	require.Len(t, a.omni.Contacts(), 5)
}

// TestOneJobOutlivesADay: a night without the servers gives nobody up, however few wait for them.
func TestOneJobOutlivesADay(t *testing.T) {
	t.Parallel()
	a := setupAfter(t, storage.SQLite)
	a.cfg.Contact.BaseURL, a.cfg.Contact.PerMinute = a.omni.URL(), 6000
	a.fhir.Down(true)
	a.queue(t, 0, 1, auth.JobFHIRSync)
	work := a.run(t, everybodyIsAPatient{})
	for i := range 144 {
		a.clock.advance(10 * time.Minute)
		_, err := a.store.AddJobs(t.Context(), jobs.New{Kind: "wakes the runner", Key: fmt.Sprint(i)})
		require.NoError(t, err)
		time.Sleep(10 * time.Millisecond) // the runner works on real time
	}
	counts, err := a.store.CountJobs(t.Context())
	require.NoError(t, err)
	require.Zero(t, counts[storage.JobDead])
	a.fhir.Down(false)
	require.Eventually(t, func() bool {
		a.clock.advance(time.Minute)
		return len(a.fhir.All("Patient")) == 1
	}, time.Minute, 50*time.Millisecond)
	work()
}

// TestAClaimThatWaitsMakesThePatientItself: jobs of a number run in order, so a claim that only waited would keep the next
// sign-in from making the Patient.
func TestAClaimThatWaitsMakesThePatientItself(t *testing.T) {
	t.Parallel()
	a := setupAfter(t, storage.SQLite)
	n := number(t, 0)
	twins := []string{}
	for range 2 {
		ref, err := a.fhir.Put([]byte(`{"resourceType":"Patient","telecom":[{"system":"phone","value":"` + n.Digits() + `"}]}`))
		require.NoError(t, err)
		twins = append(twins, ref)
	}
	payload, err := json.Marshal(auth.FollowUp{Intent: "0", UserID: "user-0", Digits: n.Digits(), Guest: "guest-00000001", At: a.clock.now()})
	require.NoError(t, err)
	for _, kind := range []string{auth.JobFHIRSync, auth.JobClaimGuest} {
		_, err := a.store.AddJobs(t.Context(), jobs.New{Kind: kind, Key: "0", Serial: auth.FHIRSerial(n), Payload: payload})
		require.NoError(t, err)
	}
	a.run(t, everybodyIsAPatient{})
	require.Eventually(t, func() bool {
		dead, err := a.store.ListJobs(t.Context(), storage.JobDead)
		return err == nil && len(dead) == 1
	}, time.Minute, 10*time.Millisecond, "two Patients have the number")
	a.fhir.Delete(twins[1]) // somebody has put it right on the server
	_, err = a.store.AddJobs(t.Context(), jobs.New{Kind: auth.JobFHIRSync, Key: "1", Serial: auth.FHIRSerial(n), Payload: payload})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		a.clock.advance(time.Minute)
		return a.left(t) == 1
	}, time.Minute, 10*time.Millisecond, "all but the first are done")
	require.Len(t, a.fhir.All("Patient"), 1)
}

// TestTheWaitForAPatientEnds although the Patient never comes.
func TestTheWaitForAPatientEnds(t *testing.T) {
	t.Parallel()
	a := setupAfter(t, storage.SQLite)
	work, err := newFollowUps(a.App, everybodyIsAPatient{})
	require.NoError(t, err)
	defer work.close()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		work.awaitPatient(context.WithoutCancel(t.Context()), "user-0", 100*time.Millisecond)
	}()
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Fatal("the sign-in is never answered")
	}
}
