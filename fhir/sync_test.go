package fhir_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/konsulin-care/konsulin-bot/fhir"
)

func TestANewNumberGetsOnePatient(t *testing.T) {
	t.Parallel()
	for spelling, want := range map[fhir.Spelling]func(fhir.User) string{
		"":          func(u fhir.User) string { return u.Number.Digits() },
		fhir.Digits: func(u fhir.User) string { return u.Number.Digits() },
		fhir.E164:   func(u fhir.User) string { return u.Number.E164() },
	} {
		t.Run(string(spelling), func(t *testing.T) {
			t.Parallel()
			w := setup(t, func(c *fhir.Config) { c.Telecom = spelling })
			u := w.user()
			l := w.sync(u)
			require.Equal(t, fhir.Linked{Refs: []string{"Patient/1"}, Created: true, Changed: true}, l)
			p := w.get("Patient/1")
			p.carries(t, u)
			require.Len(t, p.Telecom, 1)
			require.Equal(t, want(u), p.Telecom[0].Value)
			require.Equal(t, "phone", p.Telecom[0].System)
			require.Zero(t, w.core.Calls("update Patient"))

			before := w.core.Calls("")
			require.Equal(t, fhir.Linked{Refs: []string{"Patient/1"}}, w.sync(u), "the second time nothing changes")
			require.Equal(t, before+1, w.core.Calls(""), "and one search finds that out")
			require.Len(t, w.core.All("Patient"), 1)
		})
	}
}

func TestAnExistingPatientIsAdopted(t *testing.T) {
	t.Parallel()
	for name, members := range map[string]func(fhir.User) []string{
		"typed as digits":        func(u fhir.User) []string { return []string{telecom(u.Number.Digits())} },
		"typed with a plus":      func(u fhir.User) []string { return []string{telecom(u.Number.E164())} },
		"with our number":        func(u fhir.User) []string { return []string{ids(systemWhatsApp, u.Number.Digits())} },
		"with the user id":       func(u fhir.User) []string { return []string{ids(systemUserID, u.ID)} },
		"of an old number":       func(u fhir.User) []string { return []string{ids(systemUserID, u.ID), telecom("6281100000000")} },
		"with other identifiers": func(u fhir.User) []string { return []string{ids("urn:x", "7"), telecom(u.Number.Digits())} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			u := w.user()
			ref := w.put(resource("Patient", members(u)...))
			had := w.get(ref)
			require.Equal(t, fhir.Linked{Refs: []string{ref}, Changed: true}, w.sync(u))
			p := w.get(ref)
			p.carries(t, u)
			require.Equal(t, had.Telecom, p.Telecom, "telecom is the writer's")
			require.Equal(t, "2", p.Meta.VersionID, "one update")
			require.Equal(t, fhir.Linked{Refs: []string{ref}}, w.sync(u))
			require.Len(t, w.core.All("Patient"), 1)
			require.Equal(t, "2", w.get(ref).Meta.VersionID)
		})
	}
}

func TestANewNumberIsAddedAndTheOldOneStays(t *testing.T) {
	t.Parallel()
	w := setup(t)
	u := w.user()
	ref := w.put(resource("Patient", ids(systemUserID, u.ID, systemWhatsApp, "6281100000000")))
	w.sync(u)
	require.Equal(t, []string{"6281100000000", u.Number.Digits()}, w.get(ref).values(systemWhatsApp))
}

func TestANumberOfAnotherUserIsNotAddedToTheUsersOwnPatient(t *testing.T) {
	t.Parallel()
	w := setup(t)
	u, other := w.user(), w.user()
	own := w.put(resource("Patient", ids(systemUserID, u.ID)))
	w.put(resource("Patient", ids(systemUserID, other.ID, systemWhatsApp, u.Number.Digits())))
	require.Equal(t, fhir.Linked{Refs: []string{own}}, w.sync(u))
	require.Empty(t, w.get(own).values(systemWhatsApp))
	require.Contains(t, w.log.String(), own)
}

func TestRolesToResources(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		roles []string
		kinds []string
	}{
		{nil, []string{"Patient"}},
		{[]string{"Guest"}, []string{"Patient"}},
		{[]string{"Patient"}, []string{"Patient"}},
		{[]string{"Practitioner"}, []string{"Practitioner"}},
		{[]string{"Clinic Admin"}, []string{"Person"}},
		{[]string{"Researcher"}, []string{"Person"}},
		{[]string{"Superadmin"}, []string{"Person"}},
		{[]string{"Superadmin", "Researcher", "Guest"}, []string{"Person"}},
		{[]string{"Clinic Admin", "Practitioner", "Patient", "Patient"}, []string{"Patient", "Practitioner", "Person"}},
		{[]string{"patient", "Something else"}, []string{"Patient"}},
	} {
		t.Run(fmt.Sprint(c.roles), func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			u := w.user()
			w.roles.of[u.ID] = c.roles
			l := w.sync(u)
			require.Len(t, l.Refs, len(c.kinds))
			for i, kind := range c.kinds {
				require.Equal(t, kind+"/1", l.Refs[i])
				w.get(l.Refs[i]).carries(t, u)
			}
			total := 0
			for _, kind := range []string{"Patient", "Practitioner", "Person"} {
				total += len(w.core.All(kind))
			}
			require.Equal(t, len(c.kinds), total)
			require.Equal(t, fhir.Linked{Refs: l.Refs}, w.sync(u))
		})
	}
}

func TestReplacedPatientsAreIgnored(t *testing.T) {
	t.Parallel()
	replaced := `"link":[{"other":{"reference":"Patient/x"},"type":"replaced-by"}]`
	for name, members := range map[string]func(fhir.User) string{
		"with the typed number":        func(u fhir.User) string { return telecom(u.Number.Digits()) },
		"with our number":              func(u fhir.User) string { return ids(systemWhatsApp, u.Number.Digits()) },
		"with the user id":             func(u fhir.User) string { return ids(systemUserID, u.ID) },
		"with both":                    func(u fhir.User) string { return ids(systemUserID, u.ID, systemWhatsApp, u.Number.Digits()) },
		"with the id of somebody else": func(u fhir.User) string { return ids(systemUserID, "x", systemWhatsApp, u.Number.Digits()) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			u := w.user()
			for range 2 {
				w.put(resource("Patient", members(u), replaced))
			}
			l := w.sync(u)
			require.Equal(t, []string{"Patient/3"}, l.Refs)
			w.get("Patient/3").carries(t, u)
			require.Equal(t, fhir.Linked{Refs: l.Refs}, w.sync(u))
			require.Len(t, w.core.All("Patient"), 3)
			require.Equal(t, "1", w.get("Patient/1").Meta.VersionID)
		})
	}
	t.Run("but not those that replace", func(t *testing.T) {
		t.Parallel()
		w := setup(t)
		u := w.user()
		ref := w.put(resource("Patient", telecom(u.Number.Digits()), `"link":[{"other":{"reference":"Patient/x"},"type":"replaces"}]`))
		require.Equal(t, []string{ref}, w.sync(u).Refs)
	})
}

// The front end looks for the user id right after sign-in and POSTs a Patient of its own when it finds none.
func TestForeignWriterRace(t *testing.T) {
	t.Parallel()
	for _, racy := range []bool{false, true} {
		for _, when := range []string{"search Patient", "create Patient", "update Patient"} {
			for n := 1; n <= 4; n++ {
				for _, after := range []bool{false, true} {
					t.Run(fmt.Sprint("racy ", racy, ", ", when, " ", n, ", after ", after), func(t *testing.T) {
						t.Parallel()
						foreignWriter(t, racy, when, n, after)
					})
				}
			}
		}
	}
}

func foreignWriter(t *testing.T, racy bool, when string, n int, after bool) {
	w := setup(t)
	u := w.user()
	w.core.Racy(racy)
	calls := make(chan struct{}, 100)
	front := func() {
		if calls <- struct{}{}; len(calls) == n {
			_, _ = w.core.Put([]byte(resource("Patient", ids(systemUserID, u.ID), telecom(u.Number.Digits()))))
		}
	}
	if after {
		w.core.After(when, front)
	} else {
		w.core.Before(when, front)
	}
	first := w.sync(u)
	w.core.Before(when, nil)
	w.core.After(when, nil)
	made := len(w.core.All("Patient"))
	require.LessOrEqual(t, made, 2)
	if made == 2 {
		var found []fhir.Duplicate
		require.NoError(t, w.s.Scan(t.Context(), func(d fhir.Duplicate) { found = append(found, d) }))
		require.Len(t, found, 2, "the number and the user id")
		require.Equal(t, []string{"Patient/1", "Patient/2"}, found[0].References)
		require.Equal(t, []string{"Patient/1", "Patient/2"}, found[1].References)
	}
	for range 3 {
		require.Equal(t, first.Refs, w.sync(u).Refs, "the same one is used ever after")
	}
	require.Len(t, w.core.All("Patient"), made, "never a third")
	require.NoError(t, w.s.AddChatwootID(t.Context(), u, "17"))
	require.Equal(t, first.Refs, w.sync(u).Refs)
	w.get(first.Refs[0]).carries(t, u)
}

// When the other writer is done before our create is checked, a server that serialises makes no second one.
func TestForeignWriterBeforeTheCreateLeavesOne(t *testing.T) {
	t.Parallel()
	w := setup(t)
	u := w.user()
	w.core.Before("create Patient", func() {
		_, _ = w.core.Put([]byte(resource("Patient", ids(systemUserID, u.ID))))
	})
	require.Equal(t, fhir.Linked{Refs: []string{"Patient/1"}, Changed: true}, w.sync(u))
	require.Len(t, w.core.All("Patient"), 1)
	w.get("Patient/1").carries(t, u)
}

func TestSomebodyElsesPatientThatIsMadeMeanwhileIsQuarantined(t *testing.T) {
	t.Parallel()
	w := setup(t)
	u := w.user()
	w.core.Before("create Patient", func() {
		_, _ = w.core.Put([]byte(resource("Patient", ids(systemUserID, "x", systemWhatsApp, u.Number.Digits()))))
	})
	_, err := w.s.Sync(t.Context(), u)
	require.Equal(t, fhir.Foreign, quarantined(t, err).Why)
	require.Len(t, w.core.All("Patient"), 1)
	require.Equal(t, []string{"x"}, w.get("Patient/1").values(systemUserID))
}

func TestLostResponse(t *testing.T) {
	t.Parallel()
	for _, racy := range []bool{false, true} {
		for _, interaction := range []string{"create Patient", "update Patient"} {
			t.Run(fmt.Sprint(interaction, ", racy ", racy), func(t *testing.T) {
				t.Parallel()
				w := setup(t)
				w.core.Racy(racy)
				u := w.user()
				if interaction == "update Patient" {
					w.put(resource("Patient", telecom(u.Number.E164())))
				}
				w.core.LoseResponse(1, interaction)
				_, err := w.s.Sync(t.Context(), u)
				require.Error(t, err)
				require.False(t, permanent(err))
				_, later := retryAfter(err)
				require.True(t, later, "an outage is nobody's failed attempt")
				var away interface{ Away() bool }
				require.True(t, errors.As(err, &away) && away.Away())
				require.Equal(t, fhir.Linked{Refs: []string{"Patient/1"}}, w.sync(u))
				require.Len(t, w.core.All("Patient"), 1)
				w.get("Patient/1").carries(t, u)
			})
		}
	}
}

func TestIndexLagMakesNoSecondPatient(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.core.IndexLag(time.Hour)
	u := w.user()
	require.Equal(t, fhir.Linked{Refs: []string{"Patient/1"}, Created: true, Changed: true}, w.sync(u))
	for range 3 {
		require.Equal(t, []string{"Patient/1"}, w.sync(u).Refs, "the condition of the create sees what the search does not")
	}
	require.Len(t, w.core.All("Patient"), 1)
	require.Equal(t, "1", w.get("Patient/1").Meta.VersionID)

	w.core.IndexLag(0)
	other := w.user()
	ref := w.put(resource("Patient", telecom(other.Number.Digits())))
	time.Sleep(30 * time.Millisecond)
	w.core.IndexLag(20 * time.Millisecond)
	w.sync(other)
	require.Equal(t, []string{ref}, w.sync(other).Refs, "a search that shows the old version leads to no second update")
	require.Equal(t, "2", w.get(ref).Meta.VersionID)
}

func TestChaosConvergesToOne(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		for _, racy := range []bool{false, true} {
			t.Run(fmt.Sprint("seed ", seed, ", racy ", racy), func(t *testing.T) {
				t.Parallel()
				w := setup(t, func(c *fhir.Config) { c.Cooldown = 10 * time.Millisecond })
				w.core.Racy(racy)
				w.core.Chaos(0.3, seed, http.StatusConflict, http.StatusPreconditionFailed, http.StatusTooManyRequests,
					http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable)
				fresh, known := w.user(), w.user()
				ref := w.put(resource("Patient", telecom(known.Number.Digits())))
				w.get(w.syncUntil(fresh).Refs[0]).carries(t, fresh)
				require.Equal(t, []string{ref}, w.syncUntil(known).Refs)
				w.get(ref).carries(t, known)
				require.Equal(t, "2", w.get(ref).Meta.VersionID)
				w.core.Chaos(0, 0)
				require.Len(t, w.core.All("Patient"), 2)
			})
		}
	}
}
