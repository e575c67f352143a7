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

var errPowerCut = errors.New("power cut")

// replaceUntil replaces what is in dir by what knows "second", and stops, as if killed, when it would rename one more file
// than allowed. It says whether it came to its end.
func replaceUntil(t *testing.T, dir string, renames int) (done bool) {
	t.Helper()
	r, err := Replace(dir, time.Now)
	require.NoError(t, err)
	stage(t, r, "second")
	require.NoError(t, os.WriteFile(filepath.Join(r.Stage(), "third"), []byte("new"), 0o600))
	r.rename = func(from, to string) error {
		if renames--; renames < 0 {
			return errPowerCut
		}
		return os.Rename(from, to)
	}
	_, err = r.Commit(append(Files(), "third")...)
	require.NoError(t, r.Close())
	if err != nil {
		require.ErrorIs(t, err, errPowerCut)
	}
	return err == nil
}

// TestKilledAnywhereARestoreLeavesTheOldOrTheNew cuts a replacement off before each of its steps. Whoever looks without
// changing anything is told; whoever opens the database, or restores again, finds one of the two whole.
func TestKilledAnywhereARestoreLeavesTheOldOrTheNew(t *testing.T) {
	t.Parallel()
	old, fresh := 0, 0
	for step := range 100 {
		dir := filepath.Join(t.TempDir(), "data")
		r, err := Replace(dir, time.Now)
		require.NoError(t, err)
		stage(t, r, "first")
		require.NoError(t, os.WriteFile(filepath.Join(r.Stage(), "third"), []byte("old"), 0o600))
		_, err = r.Commit("third")
		require.NoError(t, errors.Join(err, r.Close()))
		if replaceUntil(t, dir, step) {
			require.Positive(t, old)
			require.Greater(t, fresh, 5)
			return
		}
		if _, err := os.Lstat(filepath.Join(dir, halfway)); err == nil {
			_, err := Snapshot(t.Context(), dir)
			require.ErrorIs(t, err, ErrHalfRestored)
			_, err = Inspect(t.Context(), Config{Engine: SQLite, Dir: dir})
			require.ErrorIs(t, err, ErrHalfRestored)
			if step%2 == 0 { // somebody restores again, and stops before the end
				r, err := Replace(dir, time.Now)
				require.NoError(t, err)
				require.NoError(t, r.Close())
			}
		}
		switch first, second := senders(t, dir, "first"), senders(t, dir, "second"); {
		case first == 1 && second == 0:
			old++
			require.Zero(t, fresh, "old after a step after which it was new")
			requireFile(t, filepath.Join(dir, "third"), "old")
		default:
			require.Equal(t, [2]int{0, 1}, [2]int{first, second}, "step %d", step)
			fresh++
			requireFile(t, filepath.Join(dir, "third"), "new")
			require.Len(t, keptIn(t, dir, ownFile), 1, "the former database is kept, in one place")
			require.Len(t, keptIn(t, dir, "third"), 1)
		}
		require.NoDirExists(t, filepath.Join(dir, stageDir), "step %d", step)
	}
	require.Fail(t, "it never came to its end")
}

func requireFile(t *testing.T, path, holds string) {
	t.Helper()
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, holds, string(raw))
}

func keptIn(t *testing.T, dir, name string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "replaced-*", name))
	require.NoError(t, err)
	return found
}

func TestAMarkThatSaysNothingIsRefusedUntilSomebodyRestores(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	r, err := Replace(dir, time.Now)
	require.NoError(t, err)
	stage(t, r, "first")
	_, err = r.Commit("absent")
	require.ErrorIs(t, err, os.ErrNotExist, "what is not in the stage is missed before anything is moved")
	require.NoFileExists(t, filepath.Join(dir, halfway))
	require.NoError(t, os.WriteFile(filepath.Join(dir, halfway), nil, 0o600))
	require.NoError(t, r.Close())
	_, err = Open(t.Context(), Config{Engine: SQLite, Dir: dir})
	require.ErrorIs(t, err, ErrHalfRestored)
	r, err = Replace(dir, time.Now)
	require.NoError(t, err)
	stage(t, r, "again")
	_, err = r.Commit()
	require.NoError(t, errors.Join(err, r.Close()))
	require.Equal(t, 1, senders(t, dir, "again"))
}

func TestNobodyFinishesWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	r, err := Replace(dir, time.Now)
	require.NoError(t, err)
	stage(t, r, "first")
	r.rename = func(from, to string) error {
		if filepath.Base(to) == ownFile { // the mark stands, and the lock is held
			_, err := Open(t.Context(), Config{Engine: SQLite, Dir: dir})
			require.ErrorIs(t, err, ErrHalfRestored)
		}
		return os.Rename(from, to)
	}
	_, err = r.Commit()
	require.NoError(t, errors.Join(err, r.Close()))
	require.Equal(t, 1, senders(t, dir, "first"))
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
