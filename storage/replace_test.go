package storage

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/stretchr/testify/require"
)

// stage fills a replacement with databases that know one message.
func stage(t *testing.T, r *Replacement, sender string) {
	t.Helper()
	s, err := Open(t.Context(), Config{Engine: SQLite, Dir: r.Stage()})
	require.NoError(t, err)
	_, err = s.Accept(t.Context(), accepted(sender, "1", time.Now()))
	require.NoError(t, err)
	require.NoError(t, s.Close())
}

func senders(t *testing.T, dir, sender string) int {
	t.Helper()
	s, err := Open(t.Context(), Config{Engine: SQLite, Dir: dir})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	return bundle{Store: s}.count(t, "messages WHERE sender = '"+sender+"'")
}

func TestReplacedFilesAreKeptAndTheNewOnesAreInForce(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	r, err := Replace(dir, time.Now)
	require.NoError(t, err)
	stage(t, r, "first")
	kept, err := r.Commit(Files()...)
	require.NoError(t, err)
	require.Empty(t, kept, "there was nothing before")
	require.NoError(t, r.Close())
	require.Equal(t, 1, senders(t, dir, "first"))

	require.NoError(t, os.WriteFile(filepath.Join(dir, ownFile+"-wal"), []byte("of the former database"), 0o600))
	r, err = Replace(dir, time.Now)
	require.NoError(t, err)
	stage(t, r, "second")
	kept, err = r.Commit(Files()...)
	require.NoError(t, err)
	require.NoError(t, errors.Join(r.Close(), r.Close()), "twice is harmless")
	require.FileExists(t, filepath.Join(kept, ownFile))
	require.FileExists(t, filepath.Join(kept, ownFile+"-wal"), "side files go with their database")
	require.NoDirExists(t, r.Stage())
	require.Equal(t, 1, senders(t, dir, "second"))
	require.Zero(t, senders(t, dir, "first"))
}

func TestALiveServeKeepsItsFiles(t *testing.T) {
	t.Parallel()
	b := setup(t, SQLite)
	own(t, b.Store)
	_, err := Replace(b.dir, time.Now)
	var held *HeldError
	require.ErrorAs(t, err, &held)
	require.Equal(t, os.Getpid(), held.PID)
}

func TestAHalfDoneReplacementIsRefusedUntilItIsDoneAgain(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	r, err := Replace(dir, time.Now)
	require.NoError(t, err)
	stage(t, r, "first")
	_, err = r.Commit(append(Files(), "missing")...)
	require.Error(t, err, "as if killed between two files")
	require.NoError(t, r.Close())
	for _, look := range []func() error{
		func() error { _, err := Open(t.Context(), Config{Engine: SQLite, Dir: dir}); return err },
		func() error { _, err := Snapshot(t.Context(), dir); return err },
		func() error { _, err := Inspect(t.Context(), Config{Engine: SQLite, Dir: dir}); return err },
	} {
		require.ErrorIs(t, look(), ErrHalfRestored)
	}
	r, err = Replace(dir, time.Now)
	require.NoError(t, err)
	stage(t, r, "again")
	_, err = r.Commit(Files()...)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	require.Equal(t, 1, senders(t, dir, "again"))
}

// TestACopyGoesOnWithoutItsUnsentReplies: what the chat waited for is over, what follows a sign-in is done again.
func TestACopyGoesOnWithoutItsUnsentReplies(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		for _, id := range []string{"waiting", "running", "dead", "done"} {
			a := accepted("62811", id, b.now())
			a.Job.Payload = []byte(`{"sender":"62811","id":"` + id + `"}`)
			a.Job.Serial = id
			_, err := b.Accept(t.Context(), a)
			require.NoError(t, err)
		}
		a := accepted("62811", "unreadable", b.now())
		a.Job.Payload, a.Job.Serial = []byte("{"), "unreadable"
		_, err := b.Accept(t.Context(), a)
		require.NoError(t, err)
		for _, j := range b.lease(t, "line", 10, "login.answer") {
			switch j.Serial {
			case "dead":
				b.settle(t, jobs.Settlement{ID: j.ID, Owner: "line", Outcome: jobs.Dead, At: b.now(), Reason: "no"})
			case "done":
				b.settle(t, jobs.Settlement{ID: j.ID, Owner: "line", Outcome: jobs.Done, At: b.now()})
			case "waiting", "unreadable":
				b.settle(t, jobs.Settlement{ID: j.ID, Owner: "line", Outcome: jobs.Retry, RunAt: b.now(), Counts: true, Reason: "later"})
			}
		}
		b.add(t, jobs.New{Kind: "fhir.sync", Key: "1"})
		require.Len(t, b.lease(t, "fhir", 1, "fhir.sync"), 1)

		stale := Stale{Kinds: []string{"login.answer"}, Reason: "restored", Message: func(payload []byte) (string, string, error) {
			var p struct{ Sender, ID string }
			err := json.Unmarshal(payload, &p)
			return p.Sender, p.ID, err
		}}
		ended, err := b.GoOn(t.Context(), b.now().Add(-time.Hour), stale)
		require.NoError(t, err)
		require.Equal(t, 4, ended)
		require.Empty(t, b.lease(t, "line", 10, "login.answer"))
		require.Len(t, b.lease(t, "fhir", 1, "fhir.sync"), 1, "it waits again")
		require.Equal(t, 3, b.count(t, "messages WHERE refused = 'restored'"))
		require.Equal(t, 1, b.count(t, "messages WHERE id = 'done' AND refused = ''"), "it has its answer")
		require.Equal(t, 4, b.count(t, "jobs WHERE state = 'done' AND reason = 'restored' AND length(payload) = 0"))
		rows, err := b.ListAudit(t.Context(), AuditQuery{Event: EventRestored})
		require.NoError(t, err)
		require.Len(t, rows, 1)
		require.EqualValues(t, 4, rows[0].Detail["replies not sent"])

		ended, err = b.GoOn(t.Context(), time.Time{}, stale)
		require.NoError(t, err)
		require.Zero(t, ended, "again changes nothing")
	})
}
