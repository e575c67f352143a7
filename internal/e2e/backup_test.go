package e2e_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	replies "github.com/konsulin-care/konsulin-bot/bot"
	"github.com/konsulin-care/konsulin-bot/internal/app"
	"github.com/konsulin-care/konsulin-bot/sandbox/whatsapp"
	"github.com/konsulin-care/konsulin-bot/storage"
	"github.com/stretchr/testify/require"
)

// client is somebody who logs in again and again.
type client struct {
	phone    *whatsapp.User
	requests int
}

// logIn asks for a link and opens it; it answers with the user id.
func (c *client) logIn(w *world, url string) string {
	c.requests++
	br := newBrowser(w.t, url)
	br.signIn(w.t, w.requestLink(c.phone))
	return br.session(w.t).json(w.t)["userId"].(string)
}

// TestBackupUnderLoadRestoredElsewhere copies a bot's data while people log in and some of them wait for their link,
// loses its machine, and goes on from the copy on another one: without pairing again, no link comes twice, no Patient
// and no contact is doubled, and everybody reads what the bot writes, also those whom the lost one has written to since
// the copy was made.
func TestBackupUnderLoadRestoredElsewhere(t *testing.T) {
	t.Parallel()
	s := newBehind(t)
	core := newProxy(t)
	w := newWorld(t, storage.SQLite, core.before, s.join, func(cfg *app.Config) {
		cfg.Log.Level = "info"
		plenty := app.RateConfig{Burst: 1_000_000, Every: time.Millisecond}
		cfg.Login.Limits = app.LimitsConfig{Number: plenty, NumberDay: plenty, NewNumbers: plenty, Global: plenty}
	})
	b := w.pairAndStart()
	clients := make([]*client, 8)
	ids := make([]string, len(clients))
	for i := range clients {
		clients[i] = &client{phone: w.user()}
		ids[i] = clients[i].logIn(w, b.URL())
	}
	file := filepath.Join(t.TempDir(), "backup.tar")
	w.underLoad(core, clients, b.URL(), func() {
		_, err := app.Backup(t.Context(), w.cfg, app.BackupOptions{Path: file, Version: "test"})
		require.NoError(t, err)
	})
	w.settled()
	b.kill() // and its machine with it

	there := *w
	there.cfg.Storage.Dir = filepath.Join(t.TempDir(), "elsewhere", "data")
	there.cfg.HTTP.Listen = freePort(t)
	there.cfg.Auth.APIDomain, there.cfg.Auth.WebsiteDomain = "http://"+there.cfg.HTTP.Listen, "http://"+there.cfg.HTTP.Listen
	for range 2 { // it may be repeated
		v := there.restore(file)
		require.Positive(t, v.Ended, "some waited for their link when the copy was made: that is over")
		require.Zero(t, there.count(`SELECT COUNT(*) FROM jobs WHERE kind LIKE 'login.%' AND state <> 'done'`))
		require.Equal(t, v.Ended, there.count(`SELECT COUNT(*) FROM messages WHERE refused = $1`, replies.RefusedRestored))
	}
	fresh := there.startOutside() // ready, so it is paired
	for i, c := range clients {
		require.Equal(t, ids[i], c.logIn(&there, fresh.URL()), "the same user")
		require.Len(t, c.phone.Received(), c.requests, "one message for each request, none twice")
	}
	total := 0
	for _, c := range clients {
		total += c.requests
	}
	require.Eventually(t, func() bool { return len(w.account.Sent()) == total }, 30*time.Second, 20*time.Millisecond,
		"the account's own phone, which never writes to the bot, shows what it sends now")
	there.settled()
	for i, c := range clients {
		s.converged(numberOf(t, c.phone), ids[i])
		require.Empty(t, c.phone.Waiting(), "everything can be read")
	}
	require.Len(t, s.fhir.All("Patient"), len(clients))
}

// underLoad does f while all clients log in again and again and the core takes its time, so that some of their requests
// wait for an answer.
func (w *world) underLoad(core *proxy, clients []*client, url string, f func()) {
	w.t.Helper()
	ctx, stop := context.WithCancel(w.t.Context())
	defer stop()
	var busy sync.WaitGroup
	for _, c := range clients {
		busy.Go(func() {
			for ctx.Err() == nil {
				c.logIn(w, url)
			}
		})
	}
	core.slow(time.Second)
	store := w.store()
	require.Eventually(w.t, func() bool {
		found, err := store.ListJobs(w.t.Context(), storage.JobReady, storage.JobRunning)
		n := 0
		for _, j := range found {
			if j.Kind == replies.JobLogin {
				n++
			}
		}
		return err == nil && n > len(clients)/2
	}, 60*time.Second, 10*time.Millisecond, "requests wait for their answer")
	f()
	core.slow(0)
	time.Sleep(2 * time.Second) // the world goes on after the copy
	stop()
	busy.Wait()
}

// restore puts a backup into the world's data directory.
func (w *world) restore(file string) app.RestoreView {
	w.t.Helper()
	in, err := os.Open(file)
	require.NoError(w.t, err)
	defer func() { require.NoError(w.t, in.Close()) }()
	v, err := app.Restore(w.t.Context(), w.cfg, app.RestoreOptions{From: in, Replace: true})
	require.NoError(w.t, err)
	return v
}
