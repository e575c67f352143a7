package bench_test

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/konsulin-care/konsulin-bot/sandbox/fhir"
	"github.com/konsulin-care/konsulin-bot/storage"
	"github.com/stretchr/testify/require"
)

// waitingSignIns is how many users' Patients wait when the drain begins.
const waitingSignIns = 10_000

// BenchmarkFollowUps measures how fast the Patients of ten thousand sign-ins that waited come to be once the FHIR
// server is there, and what memory that takes: each is a new Patient, so four calls to the server.
func BenchmarkFollowUps(b *testing.B) {
	for _, engine := range []string{sqlite, postgres} {
		b.Run(engine, func(b *testing.B) {
			server, err := fhir.New(fhir.Options{})
			require.NoError(b, err)
			b.Cleanup(func() {
				require.NoError(b, server.Close())
				require.Empty(b, server.Unknown())
			})
			bo := newWorld(b).newBot(engine)
			bo.append(fmt.Sprintf("fhir: {base_url: %q}\n", server.URL()))
			server.Down(true)
			s, _ := bo.serve()
			time.Sleep(rest)
			idle := s.memory("VmRSS")
			store, err := storage.Open(b.Context(), storage.Config{Engine: engine, Dir: bo.data(), DSN: bo.dsn})
			require.NoError(b, err)
			b.Cleanup(func() { require.NoError(b, store.Close()) })
			bo.queue(store)

			s.forgetPeak()
			server.Down(false)
			began := time.Now()
			s.await("drained", func() bool {
				time.Sleep(50 * time.Millisecond)
				counts, err := store.CountJobs(b.Context())
				require.NoError(b, err)
				return counts[storage.JobReady]+counts[storage.JobRunning] == 0
			})
			took := time.Since(began)
			require.Len(b, server.All("Patient"), waitingSignIns)
			table.row("After the sign-in: Patients of 10,000 sign-ins, drained by the default 8 workers, aim 500 a second on SQLite",
				"engine", engineName(b, engine, bo.dsn), "jobs a second", fmt.Sprintf("%.0f", waitingSignIns/took.Seconds()),
				"calls to the server each", fmt.Sprintf("%.1f", float64(server.Calls(""))/waitingSignIns),
				"idle RSS", fmt.Sprintf("%.1f MB", idle), "peak RSS", fmt.Sprintf("%.1f MB", s.memory("VmHWM")))
			b.ReportMetric(0, "ns/op")
		})
	}
}

// append adds to the bot's configuration.
func (bo *bot) append(yaml string) {
	bo.w.Helper()
	f, err := os.OpenFile(bo.config(), os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(bo.w, err)
	_, err = f.WriteString(yaml)
	require.NoError(bo.w, err)
	require.NoError(bo.w, f.Close())
}

// queue leaves the work of sign-ins of as many people.
func (bo *bot) queue(store *storage.Store) {
	bo.w.Helper()
	for from := 0; from < waitingSignIns; from += 500 {
		var add []jobs.New
		for i := from; i < from+500; i++ {
			n, err := phone.FromDigits(fmt.Sprintf("62813%08d", i))
			require.NoError(bo.w, err)
			payload, err := json.Marshal(auth.FollowUp{Intent: fmt.Sprint(i), UserID: fmt.Sprint("user-", i), Digits: n.Digits(), At: time.Now()})
			require.NoError(bo.w, err)
			add = append(add, jobs.New{Kind: auth.JobFHIRSync, Key: fmt.Sprint(i), Serial: auth.FHIRSerial(n), Payload: payload})
		}
		_, err := store.AddJobs(bo.w.Context(), add...)
		require.NoError(bo.w, err)
	}
}
