package e2e_test

import (
	"database/sql"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/storage"
	"github.com/stretchr/testify/require"
)

// TestSecondProcessIsRefused: on SQLite a second serve names the first and changes nothing.
func TestSecondProcessIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storage.SQLite)
	b := w.pairAndStart()
	second := w.prepareOutside()
	second.start()
	refused := make(chan error, 1)
	go func() { refused <- second.cmd.Wait() }()
	select {
	case err := <-refused:
		require.Error(t, err)
	case <-time.After(time.Minute):
		second.kill()
		t.Fatal("the second process was not refused\n" + second.Log())
	}
	second.cmd = nil
	require.Contains(t, second.Log(), "in use by another konsulin-bot")
	u := w.user()
	_, err := u.Text(t.Context(), w.account, phrase)
	require.NoError(t, err)
	w.oneLink(b, u, 0)
}

// TestLineMovesToTheNextOwner: on PostgreSQL a second process stands by, serves pages, and takes the line over.
func TestLineMovesToTheNextOwner(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storage.Postgres)
	first := w.pairAndStart()
	key := w.cfg.Storage.Dir + "/seal.key"
	w.cfg.HTTP.Listen = freePort(t)
	w.cfg.Auth.SealKeyFile = key
	second := w.prepareOutside()
	second.start()
	w.awaitReady(second)

	u := w.user()
	newBrowser(t, second.URL()).signIn(t, w.requestLink(u)) // either serves the pages
	first.kill()
	_, err := u.Text(t.Context(), w.account, phrase)
	require.NoError(t, err)
	w.oneLink(second, u, 1)
}

// TestPausedOwnerStandsBy: an owner that was frozen finds the line with another process when it thaws. It goes on serving
// pages, does not fight for the line, and takes it again when it is free.
func TestPausedOwnerStandsBy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storage.Postgres)
	first := w.pairAndStart()
	w.cfg.Auth.SealKeyFile = w.cfg.Storage.Dir + "/seal.key"
	w.cfg.HTTP.Listen = freePort(t)
	second := w.prepareOutside()
	second.start()
	w.awaitReady(second)

	require.NoError(t, first.cmd.Process.Signal(syscall.SIGSTOP))
	u := w.user()
	_, err := u.Text(t.Context(), w.account, phrase)
	require.NoError(t, err)
	w.oneLink(second, u, 0)
	require.NoError(t, first.cmd.Process.Signal(syscall.SIGCONT))
	w.awaitReady(first)
	require.Eventually(t, func() bool { return strings.Contains(first.Log(), "standing by") }, time.Minute, 50*time.Millisecond)
	newBrowser(t, first.URL()).signIn(t, w.requestLink(u)) // it still serves the pages

	second.kill()
	_, err = u.Text(t.Context(), w.account, phrase)
	require.NoError(t, err)
	w.oneLink(first, u, 2)
}

// TestDatabaseAwayIsOutlived: PostgreSQL refuses everybody for a while. The process stays, says so, and goes on.
func TestDatabaseAwayIsOutlived(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storage.Postgres)
	b := w.pairAndStart()
	u := w.user()
	newBrowser(t, b.URL()).signIn(t, w.requestLink(u))

	back := w.refuseConnections()
	w.awaitNotReady(b, "storage")
	_, err := u.Text(t.Context(), w.account, phrase)
	require.NoError(t, err)
	require.Never(t, func() bool { return len(u.Received()) > 1 }, 6*time.Second, 50*time.Millisecond)
	back()
	w.oneLink(b, u, 1)
	w.awaitReady(b)
	live := newBrowser(t, b.URL()).do(t, http.MethodGet, "/livez", nil)
	require.Equal(t, http.StatusOK, live.StatusCode)
}

// refuseConnections ends all connections to the bot's database and lets nobody in until back is called.
func (w *world) refuseConnections() (back func()) {
	w.t.Helper()
	u, err := url.Parse(w.cfg.Storage.DSN.Reveal())
	require.NoError(w.t, err)
	name := strings.TrimPrefix(u.Path, "/")
	u.Path = "/postgres"
	admin, err := sql.Open("pgx", u.String())
	require.NoError(w.t, err)
	do := func(statement string) {
		_, err := admin.ExecContext(w.t.Context(), statement)
		require.NoError(w.t, err)
	}
	do(fmt.Sprintf("ALTER DATABASE %s ALLOW_CONNECTIONS false", name))
	do(fmt.Sprintf("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '%s'", name))
	return func() {
		do(fmt.Sprintf("ALTER DATABASE %s ALLOW_CONNECTIONS true", name))
		require.NoError(w.t, admin.Close())
	}
}
