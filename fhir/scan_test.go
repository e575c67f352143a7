package fhir_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/konsulin-care/konsulin-bot/fhir"
)

func (w *world) scan() []fhir.Duplicate {
	w.t.Helper()
	found := []fhir.Duplicate{}
	require.NoError(w.t, w.s.Scan(w.t.Context(), func(d fhir.Duplicate) { found = append(found, d) }))
	return found
}

func TestDuplicateScan(t *testing.T) {
	t.Parallel()
	w := setup(t)
	u, other := w.user(), w.user()
	replaced := `"link":[{"other":{"reference":"Patient/x"},"type":"replaced-by"}]`
	for i := range 120 {
		w.put(resource("Patient", ids(systemUserID, fmt.Sprint("u", i)), telecom(fmt.Sprintf("62813%08d", i))))
	}
	digits := w.put(resource("Patient", telecom(u.Number.Digits())))
	w.put(resource("Patient", telecom(u.Number.Digits()), replaced))
	w.put(resource("Patient", `"telecom":[{"system":"email","value":"`+u.Number.Digits()+`"},{"system":"phone","value":"0812"}]`))
	e164 := w.put(resource("Patient", `"telecom":[{"system":"phone","value":"+62 `+u.Number.Digits()[2:]+`"},{"system":"phone","value":"`+u.Number.Digits()+`"}]`))
	ours := w.put(resource("Patient", ids(systemWhatsApp, u.Number.Digits(), systemUserID, "u0")))
	practitioner := []string{
		w.put(resource("Practitioner", ids(systemUserID, other.ID), telecom(other.Number.Digits()))),
		w.put(resource("Practitioner", ids(systemUserID, other.ID))),
	}
	w.put(resource("Person", ids(systemUserID, other.ID), telecom(other.Number.Digits())))
	require.Equal(t, []fhir.Duplicate{
		{Kind: fhir.SameNumber, Number: u.Number, References: []string{digits, e164, ours}},
		{Kind: fhir.SameUserID, UserID: "u0", References: []string{"Patient/1", ours}},
		{Kind: fhir.SameUserID, UserID: other.ID, References: practitioner},
	}, w.scan())
	require.Zero(t, w.core.Calls("create Patient")+w.core.Calls("update Patient")+w.core.Calls("transaction"), "it writes nothing")
	require.Equal(t, 3, w.core.Calls("search Patient"), "page by page")
}

func TestAScanOfAServerWithoutDuplicatesReportsNone(t *testing.T) {
	t.Parallel()
	w := setup(t)
	require.Empty(t, w.scan())
	for range 5 {
		w.sync(w.user())
	}
	require.Empty(t, w.scan())
}

func TestProfile(t *testing.T) {
	t.Parallel()
	w := setup(t)
	u := w.user()
	_, err := w.s.Profile(t.Context(), u.ID)
	require.ErrorIs(t, err, fhir.ErrNoPatient)
	_, later := retryAfter(err)
	require.True(t, later)
	w.put(resource("Patient", ids(systemUserID, u.ID), `"link":[{"other":{"reference":"Patient/x"},"type":"replaced-by"}]`))
	_, err = w.s.Profile(t.Context(), u.ID)
	require.ErrorIs(t, err, fhir.ErrNoPatient)

	ref := w.sync(u).Refs[0]
	p, err := w.s.Profile(t.Context(), u.ID)
	require.NoError(t, err)
	require.Equal(t, fhir.Profile{Ref: ref}, p)
	require.NoError(t, w.s.AddChatwootID(t.Context(), u, "42"))
	p, err = w.s.Profile(t.Context(), u.ID)
	require.NoError(t, err)
	require.Equal(t, fhir.Profile{Ref: ref, ChatwootID: "42"}, p)

	person := w.put(resource("Person", ids(systemUserID, "p"), `"name":[{"family":"Sari"}]`))
	p, err = w.s.Profile(t.Context(), "p")
	require.NoError(t, err, "a resource that the roles do not ask for is better than none")
	require.Equal(t, fhir.Profile{Ref: person, Name: "Sari"}, p)
}

func TestNameOfAProfile(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for i, c := range [][2]string{
		{`[{"given":["Siti","Nur"],"family":"Aminah"}]`, "Siti Nur Aminah"},
		{`[{"text":"  Bu   Siti ","family":"Aminah"}]`, "Bu Siti"},
		{`[{"use":"old","text":"A"},{"use":"nickname","text":"B"},{"text":"C"},{"use":"usual","text":"D"},{"use":"official","given":["E"]}]`, "E"},
		{`[{"use":"maiden","text":"A"}]`, ""},
		{`[{"use":"official"},{"use":"nickname","text":"B"}]`, "B"},
		{`[{"given":[null,"Ana"]}]`, "Ana"},
	} {
		id := fmt.Sprint("u", i)
		w.put(resource("Patient", ids(systemUserID, id), `"name":`+c[0]))
		p, err := w.s.Profile(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, c[1], p.Name, c[0])
	}
}

func TestAddChatwootID(t *testing.T) {
	t.Parallel()
	w := setup(t)
	u := w.user()
	require.ErrorIs(t, w.s.AddChatwootID(t.Context(), u, "42"), fhir.ErrNoPatient)
	w.roles.of[u.ID] = []string{"Patient", "Practitioner"}
	refs := w.sync(u).Refs
	w.core.Before("update Patient", func() {
		w.core.Before("update Patient", nil)
		raw, _ := w.core.Get("Patient/1")
		_, _ = w.core.Put([]byte(strings.Replace(string(raw), `"active":true`, `"active":false`, 1)))
	})
	for range 2 {
		require.NoError(t, w.s.AddChatwootID(t.Context(), u, "42"))
		for _, ref := range refs {
			require.Equal(t, []string{"42"}, w.get(ref).values(systemChatwoot))
		}
	}
	require.Equal(t, "3", w.version("Patient/1"))
	require.Equal(t, "2", w.version("Practitioner/1"), "no write when it is there")
	require.Contains(t, string(must(w.core.Get("Patient/1"))), `"active":false`)

	require.NoError(t, w.s.AddChatwootID(t.Context(), u, "43"))
	require.Equal(t, []string{"42"}, w.get("Patient/1").values(systemChatwoot), "another one stays")
	require.Contains(t, w.log.String(), "another chatwoot-id")
}
