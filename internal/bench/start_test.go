package bench_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	starts = 5               // how often the bot is started
	rest   = 3 * time.Second // how long it is left alone before its memory is read
)

// BenchmarkStart measures the bot at rest: from the start of the process to /readyz answering 200, the memory of the
// idle process, and the size of the stripped program.
func BenchmarkStart(b *testing.B) {
	const title = "At rest"
	for _, engine := range []string{sqlite, postgres} {
		bo := newWorld(b).newBot(engine)
		var ready, idle, own []float64
		for range starts {
			s, took := bo.serve()
			time.Sleep(rest)
			ready = append(ready, took.Seconds()*1000)
			idle, own = append(idle, s.memory("VmRSS")), append(own, s.memory("RssAnon"))
			s.stop()
		}
		table.row(title, "", engine+": start to ready", "median", fmt.Sprintf("%.0f ms", median(ready)), "aim", "")
		table.row(title, "", engine+": idle RSS", "median", fmt.Sprintf("%.1f MB", median(idle)), "aim", "< 40 MB")
		table.row(title, "", engine+": of it not the program's file", "median", fmt.Sprintf("%.1f MB", median(own)), "aim", "")
	}
	dir, err := programs()
	require.NoError(b, err)
	info, err := os.Stat(filepath.Join(dir, "konsulin-bot"))
	require.NoError(b, err)
	table.row(title, "", "konsulin-bot, stripped", "median", fmt.Sprintf("%.1f MB", float64(info.Size())/(1<<20)), "aim", "< 40 MB")
	b.ReportMetric(0, "ns/op")
}
