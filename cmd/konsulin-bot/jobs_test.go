package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/fhir"
	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
	server "github.com/konsulin-care/konsulin-bot/sandbox/fhir"
	"github.com/konsulin-care/konsulin-bot/storage"
	"github.com/stretchr/testify/require"
)

const digits = "6281234567890"

// desk is an operator's: a configuration, and the database that it names.
type desk struct {
	config string
	store  *storage.Store
}

func newDesk(t *testing.T, more string) desk {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	d := desk{config: configFile(t, "whatsapp: {number: \"+6281110002000\"}\nstorage: {dir: "+dir+"}\n"+more)}
	var err error
	d.store, err = storage.Open(t.Context(), storage.Config{Engine: storage.SQLite, Dir: dir})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.store.Close()) })
	return d
}

// dead leaves a job that was laid aside for a reason.
func (d desk) dead(t *testing.T, key, reason string) int64 {
	t.Helper()
	_, err := d.store.AddJobs(t.Context(), jobs.New{Kind: "fhir.sync", Key: key, Payload: []byte(`{"digits":"` + digits + `"}`)})
	require.NoError(t, err)
	now := time.Now().Add(time.Second)
	taken, err := d.store.LeaseJobs(t.Context(), jobs.Lease{Owner: "me", Kinds: []string{"fhir.sync"}, Limit: 1, Now: now, Until: now.Add(time.Minute)})
	require.NoError(t, err)
	require.Len(t, taken, 1)
	require.NoError(t, d.store.SettleJobs(t.Context(), []jobs.Settlement{
		{ID: taken[0].ID, Owner: "me", Outcome: jobs.Dead, At: now, Reason: reason}}))
	return taken[0].ID
}

// run is the command line with this desk's configuration; it must succeed and name nobody.
func (d desk) run(t *testing.T, args ...string) string {
	t.Helper()
	out, _, err := execute(t, append(args, "-c", d.config)...)
	require.NoError(t, err)
	require.NotContains(t, out, digits)
	return out
}

func TestJobsAreListedExplainedAndRetried(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "")
	require.Contains(t, d.run(t, "jobs", "list"), "no jobs")
	first, second := d.dead(t, "a", "the server refuses it"), d.dead(t, "b", "a person must decide")
	n, err := phone.FromDigits(digits)
	require.NoError(t, err)
	caseOf := func(user string) {
		_, err := d.store.OpenCase(t.Context(), fhir.Case{UserID: user, Number: n, Resource: "Patient", Why: fhir.Foreign, Candidates: []string{"Patient/1"}})
		require.NoError(t, err)
	}
	caseOf("somebody else")

	list := d.run(t, "jobs", "list", "--state", "dead")
	require.Contains(t, list, "the server refuses it")
	require.Contains(t, list, "fhir.sync")
	var parsed []struct {
		ID    int64
		State string
	}
	require.NoError(t, json.Unmarshal([]byte(d.run(t, "jobs", "list", "--json")), &parsed))
	require.Len(t, parsed, 2)
	require.Equal(t, "dead", parsed[0].State)

	told := d.run(t, "jobs", "explain", fmt.Sprint(first))
	require.Contains(t, told, "Makes sure that somebody who signed in")
	require.Contains(t, told, fmt.Sprintf("konsulin-bot jobs retry %d", first))
	caseOf("") // the jobs here are nobody's
	require.Contains(t, d.run(t, "jobs", "explain", fmt.Sprint(second)), "konsulin-bot jobs cases")

	require.Contains(t, d.run(t, "jobs", "retry", fmt.Sprint(first)), "1")
	require.Contains(t, d.run(t, "jobs", "retry", "all"), "1", "only one is left")
	require.Contains(t, d.run(t, "jobs", "list", "--state", "dead"), "no jobs")
	require.Contains(t, d.run(t, "jobs", "list", "--state", "waiting"), "waiting")
}

func TestCasesAreDecidedInTheTerminal(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "")
	require.Contains(t, d.run(t, "jobs", "cases"), "no cases")
	n, err := phone.FromDigits(digits)
	require.NoError(t, err)
	open := func(user string, candidates ...string) string {
		id, err := d.store.OpenCase(t.Context(), fhir.Case{UserID: user, Number: n, Resource: "Patient", Why: fhir.Ambiguous, Candidates: candidates})
		require.NoError(t, err)
		return fmt.Sprint(id)
	}
	one, two := open("u1", "Patient/1", "Patient/2"), open("u2", "Patient/3")
	list := d.run(t, "jobs", "cases")
	require.Contains(t, list, "Patient/1 Patient/2")
	require.Contains(t, list, "u2")
	require.Contains(t, d.run(t, "jobs", "cases", "--json"), `"candidates"`)

	_, code, err := execute(t, "jobs", "approve", one, "-c", d.config)
	require.ErrorIs(t, err, storage.ErrNotACandidate, "which one?")
	require.Equal(t, exitFailed, code)
	require.Contains(t, d.run(t, "jobs", "approve", one, "Patient/2"), "approved")
	require.Contains(t, d.run(t, "jobs", "separate", two), "separated")
	require.Contains(t, d.run(t, "jobs", "cases"), "no cases")
	rows, err := d.store.ListAudit(t.Context(), storage.AuditQuery{Event: storage.EventDecided})
	require.NoError(t, err)
	require.Len(t, rows, 2)
	require.Contains(t, rows[0].Detail["by"], "operator")
}

func TestMistakesWithJobsSayWhatIsNeeded(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "")
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"no such state":   {[]string{"jobs", "list", "--state", "lost"}, exitUsage, "waiting, running, done and dead"},
		"no id":           {[]string{"jobs", "explain"}, exitUsage, "the id of a job"},
		"not an id":       {[]string{"jobs", "explain", "x"}, exitUsage, `"x" is no id`},
		"no such job":     {[]string{"jobs", "explain", "99"}, exitFailed, "no job has this id"},
		"nothing to do":   {[]string{"jobs", "retry", "99"}, exitFailed, "no dead job has this id"},
		"no such case":    {[]string{"jobs", "separate", "99"}, exitFailed, "no open case has this id"},
		"too much":        {[]string{"jobs", "approve", "1", "2", "3"}, exitUsage, "the id of a case"},
		"no server":       {[]string{"fhir", "scan"}, exitFailed, "fhir.base_url is not set"},
		"negative number": {[]string{"jobs", "retry", "--", "-1"}, exitUsage, "is no id"},
	} {
		_, code, err := execute(t, append([]string{"-c", d.config}, c.args...)...)
		require.ErrorContains(t, err, c.says, name)
		require.Equal(t, c.code, code, name)
	}
}

func TestScanReportsDuplicates(t *testing.T) {
	t.Parallel()
	s, err := server.New(server.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	d := newDesk(t, "fhir: {base_url: "+s.URL()+"}\n")
	require.Contains(t, d.run(t, "fhir", "scan"), "duplicates: 0")
	var refs []string
	for range 2 {
		ref, err := s.Put([]byte(`{"resourceType":"Patient","telecom":[{"system":"phone","value":"` + digits + `"}]}`))
		require.NoError(t, err)
		refs = append(refs, ref)
	}
	out := d.run(t, "fhir", "scan")
	require.Contains(t, out, refs[0]+" "+refs[1])
	require.Contains(t, out, "duplicates: 1")
	require.Contains(t, d.run(t, "fhir", "scan", "--json"), `"of": "number"`)
	require.Empty(t, s.Unknown())
}
