package auth_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/konsulin-care/konsulin-bot/storage"
	"github.com/stretchr/testify/require"
)

// The same promises with the real storage behind them, on SQLite. Storage's own suite shows that PostgreSQL does the same.
func withStorage(t *testing.T) (*world, *storage.Store, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	store, err := storage.Open(t.Context(), storage.Config{Engine: storage.SQLite, Dir: dir})
	require.NoError(t, err)
	w := setup(t, func(c *auth.Config) { c.Links, c.SignIns, c.Guests, c.Attempts = store, store, store, store })
	t.Cleanup(func() {
		w.stop()
		require.NoError(t, store.Close())
	})
	return w, store, dir
}

func signIns(t *testing.T, s *storage.Store, n phone.Number) []storage.AuditRow {
	t.Helper()
	rows, err := s.ListAudit(t.Context(), storage.AuditQuery{Event: storage.EventSignIn, Number: n})
	require.NoError(t, err)
	return rows
}

func jobKinds(t *testing.T, s *storage.Store) (kinds []string) {
	t.Helper()
	list, err := s.ListJobs(t.Context())
	require.NoError(t, err)
	for _, j := range list {
		kinds = append(kinds, j.Kind)
	}
	return kinds
}

func TestStorageLoginFromEndToEnd(t *testing.T) {
	w, store, dir := withStorage(t)
	m := w.fresh()
	require.Equal(t, m.code, w.link(m.number, m.reply).code)
	var all sync.WaitGroup
	var mu sync.Mutex
	oks := 0
	for range 100 {
		all.Go(func() {
			a := w.browser().consume(m)
			mu.Lock()
			defer mu.Unlock()
			if a.says("status") == "OK" {
				oks++
			}
		})
	}
	all.Wait()
	require.Equal(t, 1, oks)
	rows := signIns(t, store, m.number)
	require.Len(t, rows, 1)
	require.Equal(t, w.core.user(m.number), rows[0].UserID)
	require.Equal(t, 1, w.core.sessions(rows[0].UserID))
	require.ElementsMatch(t, []string{auth.JobFHIRSync, auth.JobContactSync}, jobKinds(t, store))
	v, err := w.service.Link(t.Context(), opener(t), m.preAuth)
	require.NoError(t, err)
	require.Equal(t, auth.ViewUsed, v.State)
	_, err = w.service.CreateLink(t.Context(), asked(m.number, m.reply))
	require.ErrorIs(t, err, auth.ErrLinkSpent)

	waiting := w.fresh() // stays open, so that its seal is in the files
	var files []byte
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		files = append(files, raw...)
		return err
	}))
	require.Contains(t, string(files), waiting.reply, "these are the files")
	for _, secret := range []string{m.code, waiting.code, m.url, waiting.url} {
		require.NotContains(t, string(files), secret, "links at rest are sealed")
	}
}

func TestStorageSupersedesAndReconciles(t *testing.T) {
	w, store, _ := withStorage(t)
	n := newNumber(t)
	old, m := w.link(n, newReply(t)), w.link(n, newReply(t))
	require.Equal(t, "RESTART_FLOW_ERROR", w.browser().consume(old).says("status"))

	begin := func(m magic) {
		link, err := store.LinkByReply(t.Context(), m.reply)
		require.NoError(t, err)
		require.NoError(t, store.BeginSignIn(t.Context(), auth.Intent{
			ID: "killed " + m.reply, ReplyID: m.reply, CodeID: link.CodeID, Number: m.number,
			StartedAt: w.clock.Now(), ExpiresAt: link.ExpiresAt, PreAuth: m.preAuth,
		}))
	}
	begin(m)
	require.Equal(t, "OK", w.core.consumeDirectly(m))
	unspent := w.fresh()
	begin(unspent)
	w.clock.advance(coreTimeout)
	closed, err := w.service.Reconcile(t.Context(), w.clock.Now())
	require.NoError(t, err)
	require.Equal(t, 2, closed)
	rows := signIns(t, store, n)
	require.Len(t, rows, 1)
	require.Equal(t, true, rows[0].Detail["reconciled"])
	require.Equal(t, "OK", w.browser().consume(unspent).says("status"), "its link is open again")
	closed, err = w.service.Reconcile(t.Context(), w.clock.Now())
	require.NoError(t, err)
	require.Zero(t, closed)
	require.Len(t, jobKinds(t, store), 4)
}

// A link that was superseded while somebody tried to spend it stays dead.
func TestStorageSupersededWhileConsumed(t *testing.T) {
	w, store, _ := withStorage(t)
	m := w.fresh()
	w.proxy.set(func(p *proxy) { p.cut[consumeCode] = 1 })
	require.Equal(t, auth.ReasonTryAgain, w.browser().consume(m).says("reason"))
	next := w.link(m.number, newReply(t))
	w.clock.advance(w.service.Settle() + coreTimeout)
	a := w.browser().consume(m)
	require.Equal(t, "RESTART_FLOW_ERROR", a.says("status"), a.raw)
	require.Empty(t, signIns(t, store, m.number), "nobody was confirmed")
	require.Equal(t, "OK", w.browser().consume(next).says("status"))
	require.Len(t, signIns(t, store, m.number), 1)
}

// Another process, whose clock is ahead, takes the intent for dead while the core is consuming its code.
func TestStorageKeepsAConfirmationThatWasAbandoned(t *testing.T) {
	w, store, _ := withStorage(t)
	m := w.fresh()
	abandoned := make(chan error, 1)
	w.proxy.set(func(p *proxy) {
		p.before[consumeCode] = func() {
			open, err := store.OpenIntents(context.Background(), w.clock.Now().Add(time.Hour))
			for _, i := range open {
				err = errors.Join(err, store.AbandonSignIn(context.Background(), i.ID, true, "the other clock"))
			}
			abandoned <- err
		}
	})
	a := w.browser().consume(m)
	require.NoError(t, <-abandoned)
	require.Equal(t, "OK", a.says("status"), a.raw)
	require.Len(t, signIns(t, store, m.number), 1)
	require.Equal(t, "RESTART_FLOW_ERROR", w.browser().consume(m).says("status"))
	require.Len(t, signIns(t, store, m.number), 1)
	require.Len(t, jobKinds(t, store), 2)
}

func TestStorageTellsWhoseLinkIsWhose(t *testing.T) {
	_, store, _ := withStorage(t)
	_, err := store.LinkByReply(context.Background(), "nobody's")
	require.True(t, errors.Is(err, auth.ErrNotFound))
}
