package bot

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/admin"
	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/stretchr/testify/require"
)

func alertJob(t *testing.T, w *world, n phone.Number, alert string) jobs.Job {
	t.Helper()
	payload, err := json.Marshal(admin.Telling{ID: "x", Digits: n.Digits(), Alert: alert, Value: 3, At: w.now})
	require.NoError(t, err)
	return jobs.Job{Kind: admin.JobTellAdmin, Payload: payload}
}

func TestAlertIsSentToItsAdminOnce(t *testing.T) {
	t.Parallel()
	w := setup(t)
	j := alertJob(t, w, number(t, 1), admin.AlertJobs)
	for range 2 { // a retry is the same bubble
		require.NoError(t, w.bot.tellAdmin(t.Context(), j))
	}
	require.Len(t, w.shown, 1)
	require.Equal(t, number(t, 1), w.sent[0].To)
	require.Contains(t, w.sent[0].Text, "*3* tugas mati")
}

func TestAlertWaitsForTheLineAndGrowsOld(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.lineDown = ErrLineDown
	j := alertJob(t, w, number(t, 1), admin.AlertCore)
	err := w.bot.tellAdmin(t.Context(), j)
	require.ErrorIs(t, err, ErrLineDown)
	require.False(t, jobs.IsPermanent(err))
	w.lineDown, w.now = nil, w.now.Add(w.cfg.Times.SilentAfter+time.Second)
	require.NoError(t, w.bot.tellAdmin(t.Context(), j))
	require.Empty(t, w.sent)
	require.NoError(t, w.bot.tellAdmin(t.Context(), alertJob(t, w, number(t, 10), admin.AlertCore)))
	require.Empty(t, w.sent, "nobody but admins")
	require.True(t, jobs.IsPermanent(w.bot.tellAdmin(t.Context(), jobs.Job{Payload: []byte("x")})))
}
