package storage

import (
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/contact"
	"github.com/konsulin-care/konsulin-bot/fhir"
	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/stretchr/testify/require"
)

// quarantined signs a user in whose Patient then waits for a person: the job is dead, the case open.
func quarantined(t *testing.T, b bundle, i int, user string, candidates ...string) (id int64) {
	t.Helper()
	l := b.link(t, i, "R "+user)
	in := b.intent(l, "i "+user)
	require.NoError(t, b.BeginSignIn(t.Context(), in))
	require.NoError(t, b.RecordSignIn(t.Context(), b.signIn(in, user)))
	id, err := b.OpenCase(t.Context(), fhir.Case{UserID: user, Number: number(t, i), Resource: "Patient", Why: fhir.Foreign,
		Candidates: candidates})
	require.NoError(t, err)
	taken := b.lease(t, "me", 1, "fhir.sync")
	require.Len(t, taken, 1)
	b.settle(t, jobs.Settlement{ID: taken[0].ID, Owner: "me", Outcome: jobs.Dead, At: b.now(), Reason: "a person must look"})
	return id
}

func (b bundle) patientOf(t *testing.T, user string) string {
	t.Helper()
	state, err := b.PatientState(t.Context(), user)
	require.NoError(t, err)
	return state
}

func TestADecisionHasTheUsersWorkGoOn(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		id := quarantined(t, b, 1, "u1", "Patient/1")
		require.Equal(t, PatientReview, b.patientOf(t, "u1"))
		d, err := b.Decision(t.Context(), "u1", "Patient")
		require.NoError(t, err)
		require.Equal(t, fhir.Decision{Open: true}, d, "nobody has decided")

		woken := 0
		b.OnNewJobs(func() { woken++ })
		require.NoError(t, b.Decide(t.Context(), id, fhir.Approve, "", "operator anna"))
		require.Equal(t, 1, woken)
		require.Equal(t, PatientPending, b.patientOf(t, "u1"))
		d, err = b.Decision(t.Context(), "u1", "Patient")
		require.NoError(t, err)
		require.Equal(t, fhir.Decision{Verdict: fhir.Approve, Ref: "Patient/1", Candidates: []string{"Patient/1"}}, d)
		require.Len(t, b.lease(t, "me", 1, "fhir.sync"), 1)
		require.ErrorIs(t, b.Decide(t.Context(), id, fhir.Separate, "", "operator budi"), ErrNoOpenCase, "decided once")

		require.NoError(t, b.CloseCase(t.Context(), "u1", "Patient"))
		require.NoError(t, b.CloseCase(t.Context(), "u1", "Patient"), "closing twice is closing once")
		d, err = b.Decision(t.Context(), "u1", "Patient")
		require.NoError(t, err)
		require.Zero(t, d)
		rows, err := b.ListAudit(t.Context(), AuditQuery{Event: EventDecided, UserID: "u1"})
		require.NoError(t, err)
		require.Len(t, rows, 1)
		require.Equal(t, "operator anna", rows[0].Detail["by"])
	})
}

func TestAnApprovalNamesOneOfTheCandidates(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		id := quarantined(t, b, 1, "u1", "Patient/1", "Patient/2")
		for _, ref := range []string{"", "Patient/3", "Person/1"} {
			require.ErrorIs(t, b.Decide(t.Context(), id, fhir.Approve, ref, "operator"), ErrNotACandidate)
		}
		require.Error(t, b.Decide(t.Context(), id, "merge", "Patient/1", "operator"))
		require.ErrorIs(t, b.Decide(t.Context(), id+9, fhir.Separate, "", "operator"), ErrNoOpenCase)
		require.Equal(t, PatientReview, b.patientOf(t, "u1"), "nothing was decided")
		require.NoError(t, b.Decide(t.Context(), id, fhir.Approve, "Patient/2", "operator"))
		d, err := b.Decision(t.Context(), "u1", "Patient")
		require.NoError(t, err)
		require.Equal(t, "Patient/2", d.Ref)
	})
}

func TestACaseIsOneForEachUserAndResource(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		open := func(user, resource string, candidates ...string) int64 {
			id, err := b.OpenCase(t.Context(), fhir.Case{UserID: user, Number: number(t, 1), Resource: resource,
				Why: fhir.Ambiguous, Candidates: candidates})
			require.NoError(t, err)
			return id
		}
		first := open("u1", "Patient", "Patient/1", "Patient/2")
		require.Equal(t, first, open("u1", "Patient", "Patient/2", "Patient/3"))
		require.NotEqual(t, first, open("u1", "Person", "Person/1"))
		require.NotEqual(t, first, open("u2", "Patient", "Patient/1"))
		require.NoError(t, b.Decide(t.Context(), first, fhir.Separate, "", "operator"))
		require.Equal(t, first, open("u1", "Patient", "Patient/4"), "a decision that did not help is asked for again")
		found, err := b.ListCases(t.Context(), CaseOpen)
		require.NoError(t, err)
		require.Len(t, found, 3)
		last := found[2]
		require.Equal(t, []string{"Patient/4"}, last.Candidates)
		require.Equal(t, fhir.Ambiguous, last.Why)
		require.Equal(t, number(t, 1), last.Number)
		require.Empty(t, last.DecidedBy)

		require.NoError(t, b.CloseCase(t.Context(), "u1", "Patient"))
		require.NotEqual(t, first, open("u1", "Patient", "Patient/5"), "a settled case stays settled")
		b.clock.advance(DefaultRetention().Cases + time.Hour)
		purged, err := b.Purge(t.Context(), DefaultRetention(), b.now())
		require.NoError(t, err)
		require.EqualValues(t, 1, purged.Cases, "only the settled one goes")
	})
}

// TestADecisionStandsAgainstWorkThatHasNotReadIt: a sign-in that looked before the decision must not ask again.
func TestADecisionStandsAgainstWorkThatHasNotReadIt(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		id := quarantined(t, b, 1, "u1", "Patient/1")
		require.NoError(t, b.Decide(t.Context(), id, fhir.Approve, "", "operator"))
		same := fhir.Case{UserID: "u1", Number: number(t, 1), Resource: "Patient", Why: fhir.Foreign, Candidates: []string{"Patient/1"}}
		_, err := b.OpenCase(t.Context(), same)
		var later interface{ RetryAfter() (time.Duration, bool) }
		require.ErrorAs(t, err, &later, "come back and read it")
		wait, ok := later.RetryAfter()
		require.True(t, ok)
		require.Zero(t, wait)
		d, err := b.Decision(t.Context(), "u1", "Patient")
		require.NoError(t, err)
		require.Equal(t, fhir.Approve, d.Verdict)
	})
}

// TestAnOpenCaseIsToldAndDecidedHoweverOld: jobs that were laid aside are forgotten after a while, the question is not.
func TestAnOpenCaseIsToldAndDecidedHoweverOld(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		id := quarantined(t, b, 1, "u1", "Patient/1")
		b.clock.advance(DefaultRetention().DeadJobs + time.Hour)
		_, err := b.Purge(t.Context(), DefaultRetention(), b.now())
		require.NoError(t, err)
		require.Zero(t, b.count(t, "jobs WHERE kind = 'fhir.sync'"))
		require.Equal(t, PatientReview, b.patientOf(t, "u1"))
		require.NoError(t, b.Decide(t.Context(), id, fhir.Separate, "", "operator"))
		require.Equal(t, PatientPending, b.patientOf(t, "u1"), "it is being carried out")
		taken := b.lease(t, "me", 1, "fhir.sync")
		require.Len(t, taken, 1)
		require.Equal(t, "fhir:"+number(t, 1).Digits(), taken[0].Serial)
		require.Contains(t, string(taken[0].Payload), `"user_id":"u1"`)
		require.NoError(t, b.CloseCase(t.Context(), "u1", "Patient"))
		require.Equal(t, PatientLinked, b.patientOf(t, "u1"))
	})
}

func TestAWaitingJobCanBeHurried(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		b.add(t, jobs.New{Kind: "k", Key: "a", RunAt: b.now().Add(time.Hour)})
		require.NoError(t, b.HurryJob(t.Context(), "k", "none"))
		require.Empty(t, b.lease(t, "me", 1, "k"))
		require.NoError(t, b.HurryJob(t.Context(), "k", "a"))
		require.Len(t, b.lease(t, "me", 1, "k"), 1)
	})
}

func TestAContactIsRememberedAndItsIDReachesThePatient(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		_, found, err := b.Contact(t.Context(), "u1")
		require.NoError(t, err)
		require.False(t, found)

		without := contact.Record{UserID: "u1", Number: number(t, 1), At: b.now()}
		require.NoError(t, b.SaveContact(t.Context(), without))
		got, found, err := b.Contact(t.Context(), "u1")
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, without, got)
		require.Empty(t, b.lease(t, "me", 1, JobChatwootID), "there is no id to write")

		with := without
		with.ChatwootID = "42"
		require.NoError(t, b.SaveContact(t.Context(), with))
		require.NoError(t, b.SaveContact(t.Context(), with))
		require.NoError(t, b.SaveContact(t.Context(), without), "an id is not forgotten")
		got, _, err = b.Contact(t.Context(), "u1")
		require.NoError(t, err)
		require.Equal(t, with, got)
		taken := b.lease(t, "me", 9, JobChatwootID)
		require.Len(t, taken, 1)
		require.JSONEq(t, `{"user_id":"u1","digits":"`+number(t, 1).Digits()+`","id":"42"}`, string(taken[0].Payload))
		require.Equal(t, "fhir:"+number(t, 1).Digits(), taken[0].Serial)

		b.settle(t, jobs.Settlement{ID: taken[0].ID, Owner: "me", Outcome: jobs.Done, At: b.now()})
		require.NoError(t, b.SaveContact(t.Context(), with))
		require.Len(t, b.lease(t, "me", 9, JobChatwootID), 1, "a Patient that lost the id gets it again")
	})
}

func TestPushNamesAreKeptForAWhile(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		say := func(id, name string) {
			a := accepted(number(t, 1).Digits(), id, b.now())
			a.Name = name
			_, err := b.Accept(t.Context(), a)
			require.NoError(t, err)
		}
		called := func() string {
			name, err := b.PushName(t.Context(), number(t, 1))
			require.NoError(t, err)
			return name
		}
		require.Empty(t, called())
		say("m1", "Siti \x00\xff")
		require.Equal(t, "Siti ??", called())
		say("m2", "")
		require.Equal(t, "Siti ??", called(), "no name is no news")
		say("m3", "Siti Rahma")
		require.Equal(t, "Siti Rahma", called())
		b.clock.advance(DefaultRetention().Chats + time.Hour)
		_, err := b.Purge(t.Context(), DefaultRetention(), b.now())
		require.NoError(t, err)
		require.Empty(t, called())
	})
}

func TestAllDeadJobsCanBeRetriedAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		b.add(t, jobs.New{Kind: "k", Key: "a"}, jobs.New{Kind: "k", Key: "b"}, jobs.New{Kind: "k", Key: "c"})
		for _, j := range b.lease(t, "me", 2, "k") {
			b.settle(t, jobs.Settlement{ID: j.ID, Owner: "me", Outcome: jobs.Dead, At: b.now(), Reason: "no"})
		}
		counts, err := b.CountJobs(t.Context())
		require.NoError(t, err)
		require.Equal(t, map[JobState]int{JobDead: 2, JobReady: 1, JobRunning: 0}, counts)
		n, err := b.RetryJobs(t.Context())
		require.NoError(t, err)
		require.Equal(t, 2, n)
		n, err = b.RetryJobs(t.Context())
		require.NoError(t, err)
		require.Zero(t, n)
		require.Len(t, b.lease(t, "me", 9, "k"), 3)

		j, err := b.Job(t.Context(), 1)
		require.NoError(t, err)
		require.Equal(t, "k", j.Kind)
		_, err = b.Job(t.Context(), 99)
		require.ErrorIs(t, err, ErrNoJob)
	})
}
