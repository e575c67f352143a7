package fhir_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/konsulin-care/konsulin-bot/fhir"
)

// claimed is a Patient of another user with the number of this one.
func claimed(w *world, u fhir.User) string {
	return w.put(resource("Patient", ids(systemUserID, "another"), telecom(u.Number.E164())))
}

func TestForeignUserIDQuarantined(t *testing.T) {
	t.Parallel()
	w := setup(t)
	u := w.user()
	ref := claimed(w, u)
	before, _ := w.core.Get(ref)
	for range 2 {
		l, err := w.s.Sync(t.Context(), u)
		q := quarantined(t, err)
		require.Equal(t, fhir.QuarantineError{CaseID: 7, Resource: "Patient", Why: fhir.Foreign}, q)
		require.Contains(t, q.Error(), "case 7")
		require.Equal(t, fhir.Linked{}, l)
	}
	k, ok := w.cases.of(u, "Patient")
	require.True(t, ok)
	require.Equal(t, fhir.Case{
		UserID: u.ID, Number: u.Number, Resource: "Patient", Why: fhir.Foreign, Candidates: []string{ref},
	}, k)
	after, _ := w.core.Get(ref)
	require.True(t, bytes.Equal(before, after), "nothing is overwritten")
	require.Len(t, w.core.All("Patient"), 1)

	t.Run("also with our own identifier", func(t *testing.T) {
		w := setup(t)
		w.put(resource("Patient", ids(systemUserID, "another", systemWhatsApp, u.Number.Digits())))
		_, err := w.s.Sync(t.Context(), u)
		require.Equal(t, fhir.Foreign, quarantined(t, err).Why)
	})
}

func TestAnApprovalAddsTheUserID(t *testing.T) {
	t.Parallel()
	w := setup(t)
	u := w.user()
	ref := claimed(w, u)
	_, err := w.s.Sync(t.Context(), u)
	quarantined(t, err)
	w.cases.decide(u, "Patient", fhir.Decision{Verdict: fhir.Approve, Ref: ref})
	require.Equal(t, fhir.Linked{Refs: []string{ref}, Changed: true}, w.sync(u))
	p := w.get(ref)
	require.Equal(t, []string{"another", u.ID}, p.values(systemUserID), "it adds, and never replaces")
	require.Equal(t, []string{u.Number.Digits()}, p.values(systemWhatsApp))
	require.Equal(t, []string{u.ID + " Patient"}, w.cases.closed)
	require.Equal(t, fhir.Linked{Refs: []string{ref}}, w.sync(u))
	require.Len(t, w.core.All("Patient"), 1)
}

func TestAnApprovalOfWhatIsGoneAsksAgain(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(w *world, ref string){
		"deleted": func(w *world, ref string) { w.core.Delete(ref) },
		"replaced": func(w *world, ref string) {
			w.put(`{"resourceType":"Patient","id":"1","link":[{"other":{"reference":"Patient/2"},"type":"replaced-by"}]}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			u := w.user()
			ref, other := claimed(w, u), claimed(w, u)
			_, err := w.s.Sync(t.Context(), u)
			require.Equal(t, fhir.Ambiguous, quarantined(t, err).Why)
			w.cases.decide(u, "Patient", fhir.Decision{Verdict: fhir.Approve, Ref: ref})
			leave(w, ref)
			_, err = w.s.Sync(t.Context(), u)
			require.Equal(t, fhir.Foreign, quarantined(t, err).Why)
			k, _ := w.cases.of(u, "Patient")
			require.Equal(t, []string{other}, k.Candidates)
		})
	}
}

func TestAnApprovalOfAnotherTypeIsRefused(t *testing.T) {
	t.Parallel()
	w := setup(t)
	u := w.user()
	claimed(w, u)
	for _, ref := range []string{"Person/1", "Patient/", "Patient/..", "Patient/1/_history/1", "Patient/1?x=y", ""} {
		w.cases.decide(u, "Patient", fhir.Decision{Verdict: fhir.Approve, Ref: ref})
		_, err := w.s.Sync(t.Context(), u)
		require.True(t, permanent(err), "%s: %v", ref, err)
	}
	require.Zero(t, w.core.Calls(""))
}

func TestASeparateOneIsCreated(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		put    func(w *world, u fhir.User)
		number bool // whether the new one gets our identifier of the number
	}{
		"next to one with a typed number": {put: func(w *world, u fhir.User) { claimed(w, u) }, number: true},
		"next to one with our identifier": {put: func(w *world, u fhir.User) {
			w.put(resource("Patient", ids(systemUserID, "another", systemWhatsApp, u.Number.Digits())))
		}},
		"next to several": {put: func(w *world, u fhir.User) {
			w.put(resource("Patient", telecom(u.Number.E164())))
			w.put(resource("Patient", telecom(u.Number.Digits())))
		}, number: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			u := w.user()
			c.put(w, u)
			others := w.core.All("Patient")
			_, err := w.s.Sync(t.Context(), u)
			quarantined(t, err)
			w.cases.decide(u, "Patient", fhir.Decision{Verdict: fhir.Separate})
			l := w.sync(u)
			require.True(t, l.Created)
			require.Len(t, l.Refs, 1)
			p := w.get(l.Refs[0])
			require.Equal(t, []string{u.ID}, p.values(systemUserID))
			require.Equal(t, c.number, len(p.values(systemWhatsApp)) == 1)
			require.Equal(t, fhir.Linked{Refs: l.Refs}, w.sync(u))
			all := w.core.All("Patient")
			require.Len(t, all, len(others)+1)
			require.Equal(t, others, all[:len(others)], "the others are left alone")
			_, open := w.cases.of(u, "Patient")
			require.False(t, open)
		})
	}
}

func TestASeparateOneWhoseAnswerIsLostIsNotCreatedTwice(t *testing.T) {
	t.Parallel()
	w := setup(t)
	u := w.user()
	claimed(w, u)
	_, err := w.s.Sync(t.Context(), u)
	quarantined(t, err)
	w.cases.decide(u, "Patient", fhir.Decision{Verdict: fhir.Separate})
	w.core.LoseResponse(1, "create Patient")
	_, err = w.s.Sync(t.Context(), u)
	require.False(t, permanent(err))
	require.Equal(t, fhir.Linked{Refs: []string{"Patient/2"}}, w.sync(u))
	require.Equal(t, []string{u.ID + " Patient"}, w.cases.closed, "the case is closed all the same")
	require.Len(t, w.core.All("Patient"), 2)
}

func TestSeveralCandidatesAreAmbiguous(t *testing.T) {
	t.Parallel()
	w := setup(t)
	u := w.user()
	refs := []string{
		w.put(resource("Patient", telecom(u.Number.E164()))), w.put(resource("Patient", telecom(u.Number.Digits()))),
	}
	w.put(resource("Patient", telecom("6281100000000")))
	_, err := w.s.Sync(t.Context(), u)
	require.Equal(t, fhir.Ambiguous, quarantined(t, err).Why)
	k, _ := w.cases.of(u, "Patient")
	require.Equal(t, refs, k.Candidates)
	require.Zero(t, w.core.Calls("create Patient")+w.core.Calls("update Patient"))
}

func TestAQuarantineOfOneTypeLeavesTheOthersToBeLinked(t *testing.T) {
	t.Parallel()
	w := setup(t)
	u := w.user()
	w.roles.of[u.ID] = []string{"Patient", "Practitioner", "Superadmin"}
	claimed(w, u)
	l, err := w.s.Sync(t.Context(), u)
	require.Equal(t, "Patient", quarantined(t, err).Resource)
	require.Equal(t, fhir.Linked{Refs: []string{"Practitioner/1", "Person/1"}, Created: true, Changed: true}, l)
}

func TestACaseIsClosedWhenTheFrontEndMadeAPatientOfTheUsersOwn(t *testing.T) {
	t.Parallel()
	w := setup(t)
	u := w.user()
	claimed(w, u)
	_, err := w.s.Sync(t.Context(), u)
	quarantined(t, err)
	own := w.put(resource("Patient", ids(systemUserID, u.ID)))
	require.Equal(t, []string{own}, w.sync(u).Refs)
	_, open := w.cases.of(u, "Patient")
	require.False(t, open)
}

func TestAnOpenCaseIsClosedWhenNothingIsLeftToWrite(t *testing.T) {
	t.Parallel()
	w := setup(t)
	u := w.user()
	claimed(w, u)
	_, err := w.s.Sync(t.Context(), u)
	quarantined(t, err)
	w.cases.decide(u, "Patient", fhir.Decision{Open: true})
	own := w.put(resource("Patient", ids(systemUserID, u.ID, systemWhatsApp, u.Number.Digits())))
	require.Equal(t, fhir.Linked{Refs: []string{own}}, w.sync(u))
	_, open := w.cases.of(u, "Patient")
	require.False(t, open)
}

// Between our read and our write the Patient becomes somebody else's.
func TestAPatientThatIsTakenMeanwhileIsNotOverwritten(t *testing.T) {
	t.Parallel()
	w := setup(t)
	u := w.user()
	ref := w.put(resource("Patient", telecom(u.Number.Digits())))
	w.core.Before("update Patient", func() {
		w.core.Before("update Patient", nil)
		_, _ = w.core.Put([]byte(`{"resourceType":"Patient","id":"1",` + ids(systemUserID, "another") + `,` + telecom(u.Number.Digits()) + `}`))
	})
	_, err := w.s.Sync(t.Context(), u)
	require.Equal(t, fhir.Foreign, quarantined(t, err).Why)
	require.Equal(t, []string{"another"}, w.get(ref).values(systemUserID))
}
