package bench_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/konsulin-care/konsulin-bot/storage"
	"github.com/stretchr/testify/require"
)

const (
	watchedLinks = 10_000
	watchedFor   = time.Minute
)

// BenchmarkWatch measures what ten thousand open links cost a bot beside a gateway at its default pace: calls to the core
// a minute, and memory beside that of the same bot without any.
func BenchmarkWatch(b *testing.B) {
	for _, engine := range []string{sqlite, postgres} {
		b.Run(engine, func(b *testing.B) {
			bo := newWorld(b).newBot(engine)
			bo.env = []string{"KONSULIN_AUTH_CONSUME=elsewhere"}
			s, _ := bo.serve()
			time.Sleep(rest)
			idle := s.memory("VmRSS")
			s.stop()
			bo.issue()

			s, _ = bo.serve()
			before := bo.core.Calls("")
			cpu, err := cpuTime(s.cmd.Process.Pid)
			require.NoError(b, err)
			time.Sleep(watchedFor)
			calls := bo.core.Calls("") - before
			used, err := cpuTime(s.cmd.Process.Pid)
			require.NoError(b, err)
			require.Positive(b, calls)
			table.row("Beside a gateway: 10,000 open links watched, aim at most 2,000 calls a minute",
				"engine", engineName(b, engine, bo.dsn), "calls a minute", fmt.Sprintf("%.0f", float64(calls)/watchedFor.Minutes()),
				"processor", fmt.Sprintf("%.1f %%", 100*(used-cpu).Seconds()/watchedFor.Seconds()),
				"RSS without links", fmt.Sprintf("%.1f MB", idle), "RSS with them", fmt.Sprintf("%.1f MB", s.memory("VmRSS")),
				"peak RSS", fmt.Sprintf("%.1f MB", s.memory("VmHWM")))
			b.ReportMetric(0, "ns/op")
		})
	}
}

// issue leaves the links that the bot would have issued, with their codes at the core.
func (bo *bot) issue() {
	bo.w.Helper()
	store, err := storage.Open(bo.w.Context(), storage.Config{Engine: bo.engine, Dir: bo.data(), DSN: bo.dsn})
	require.NoError(bo.w, err)
	defer func() { require.NoError(bo.w, store.Close()) }()
	now := time.Now()
	for i := range watchedLinks {
		n, err := phone.FromDigits(fmt.Sprintf("62814%08d", i))
		require.NoError(bo.w, err)
		id := fmt.Sprint("watched-", i)
		require.NoError(bo.w, store.SaveLink(bo.w.Context(), auth.LinkRecord{
			ReplyID: id, CodeID: bo.code(n), PreAuthHash: id, Number: n, Sealed: []byte{1},
			RequestedAt: now, CreatedAt: now, ExpiresAt: now.Add(15 * time.Minute), State: auth.LinkOpen, Alone: true,
		}))
	}
}

// code makes a code at the core.
func (bo *bot) code(n phone.Number) (id string) {
	bo.w.Helper()
	body, err := json.Marshal(map[string]string{"phoneNumber": n.Digits()})
	require.NoError(bo.w, err)
	req, err := http.NewRequestWithContext(bo.w.Context(), http.MethodPost, bo.core.URL()+"/public/recipe/signinup/code", bytes.NewReader(body))
	require.NoError(bo.w, err)
	req.Header.Set("cdi-version", "3.1")
	req.Header.Set("rid", "passwordless")
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(bo.w, err)
	defer func() { require.NoError(bo.w, resp.Body.Close()) }()
	var made struct{ CodeID string }
	require.NoError(bo.w, json.NewDecoder(resp.Body).Decode(&made))
	return made.CodeID
}
