package storage

import (
	"strings"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/stretchr/testify/require"
)

func TestTheQueueTellsByKindWhatIsNotDone(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		none, err := b.Queue(t.Context())
		require.NoError(t, err)
		require.Empty(t, none)
		began := b.now()
		b.add(t, jobs.New{Kind: "a", Key: "1"}, jobs.New{Kind: "a", Key: "2", RunAt: began.Add(time.Hour)}, jobs.New{Kind: "b", Key: "1"})
		b.clock.advance(time.Minute)
		b.add(t, jobs.New{Kind: "a", Key: "3"}, jobs.New{Kind: "b", Key: "2"}, jobs.New{Kind: "b", Key: "3"})
		taken := b.lease(t, "me", 3, "b")
		require.Len(t, taken, 3)
		b.settle(t, jobs.Settlement{ID: taken[0].ID, Owner: "me", Outcome: jobs.Done, At: b.now()},
			jobs.Settlement{ID: taken[1].ID, Owner: "me", Outcome: jobs.Dead, At: b.now()})
		queue, err := b.Queue(t.Context())
		require.NoError(t, err)
		require.Equal(t, []Backlog{
			{Kind: "a", Waiting: 3, Due: began, Oldest: began}, {Kind: "b", Running: 1, Dead: 1},
		}, queue)
		b.settle(t, jobs.Settlement{ID: taken[2].ID, Owner: "me", Outcome: jobs.Retry, At: b.now(), RunAt: began.Add(time.Hour)})
		queue, err = b.Queue(t.Context())
		require.NoError(t, err)
		require.Equal(t, Backlog{Kind: "b", Waiting: 1, Dead: 1, Due: began.Add(time.Hour), Oldest: began.Add(time.Minute)}, queue[1])
	})
}

func TestOpenCasesAreCounted(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		quarantined(t, b, 1, "u1", "Patient/1")
		quarantined(t, b, 2, "u2", "Patient/2")
		require.NoError(t, b.CloseCase(t.Context(), "u1", "Patient"))
		n, err := b.CountOpenCases(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, n)
	})
}

// TestLookingAtTheQueueReadsNoFinishedJobs: metrics are scraped every few seconds, and most jobs of a month are done. What
// waits can be many too, so that it is counted along an index and sorted nowhere.
func TestLookingAtTheQueueReadsNoFinishedJobs(t *testing.T) {
	t.Parallel()
	b := setup(t, SQLite)
	b.add(t, jobs.New{Kind: "a", Key: "1"})
	log := &statements{seen: map[string][]any{}}
	plain := b.engine
	b.engine = spyEngine{plain, log}
	_, err := b.Queue(t.Context())
	require.NoError(t, err)
	_, err = b.CountOpenCases(t.Context())
	require.NoError(t, err)
	require.Len(t, log.seen, 6)
	b.engine = plain
	for query, args := range log.seen {
		plan := strings.Join(explain(t, b, query, args), "\n")
		require.Regexp(t, `USING ((COVERING )?INDEX (jobs_(due|lease|dead|serial_running)|cases_(open|user))|INTEGER PRIMARY KEY)`, plan, query)
		if strings.Contains(query, "'ready'") {
			require.Contains(t, plan, "COVERING INDEX jobs_due", query)
			require.NotContains(t, plan, "TEMP B-TREE", query)
		}
	}
}
