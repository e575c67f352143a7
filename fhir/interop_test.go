package fhir_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/konsulin-care/konsulin-bot/fhir"
)

// The tests named TestInterop make sense on any FHIR server. `make interop` runs them against one that is not ours; it
// may hold others' data, so they use random numbers and ids only and look at nothing else.

// outside is a FHIR server at a distance, and a Service that speaks with it.
type outside struct {
	*world
	base string
}

// target is the server at FHIR_BASE_URL, else the stand-in.
func target(t *testing.T) *outside {
	t.Helper()
	w := setup(t)
	base := strings.TrimRight(os.Getenv("FHIR_BASE_URL"), "/")
	if base == "" {
		base = w.core.URL()
	}
	w.s = w.service(base + "/")
	return &outside{world: w, base: base}
}

// call is another writer's request.
func (o *outside) call(method, path, body string, want ...int) []byte {
	o.t.Helper()
	raw, err := o.try(method, path, body, want...)
	require.NoError(o.t, err)
	return raw
}

func (o *outside) try(method, path, body string, want ...int) ([]byte, error) {
	req, err := http.NewRequestWithContext(context.Background(), method, o.base+"/"+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/fhir+json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	for _, status := range want {
		if resp.StatusCode == status {
			return raw, err
		}
	}
	return nil, fmt.Errorf("%s answered with status %d", method, resp.StatusCode)
}

// create is what another writer creates; it returns the reference.
func (o *outside) create(body string) string {
	o.t.Helper()
	var v struct{ ResourceType, ID string }
	require.NoError(o.t, json.Unmarshal([]byte(body), &v))
	require.NoError(o.t, json.Unmarshal(o.call(http.MethodPost, v.ResourceType, body, 201), &v))
	return v.ResourceType + "/" + v.ID
}

func (o *outside) read(ref string) view { return see(o.t, o.call(http.MethodGet, ref, "", 200)) }

// count is how many resources carry an identifier.
func (o *outside) count(kind, system, value string) int {
	o.t.Helper()
	var b struct{ Entry []json.RawMessage }
	raw := o.call(http.MethodGet, kind+"?"+url.Values{"identifier": {system + "|" + value}}.Encode(), "", 200)
	require.NoError(o.t, json.Unmarshal(raw, &b))
	return len(b.Entry)
}

func TestInteropPing(t *testing.T) {
	t.Parallel()
	require.NoError(t, target(t).s.Ping(t.Context()))
}

func TestInteropANewNumberGetsOneResourceOfEachKind(t *testing.T) {
	t.Parallel()
	o := target(t)
	u := o.user()
	o.roles.of[u.ID] = []string{"Patient", "Practitioner", "Researcher"}
	l := o.sync(u)
	require.True(t, l.Created)
	require.Len(t, l.Refs, 3)
	for i, kind := range []string{"Patient", "Practitioner", "Person"} {
		require.True(t, strings.HasPrefix(l.Refs[i], kind+"/"))
		o.read(l.Refs[i]).carries(t, u)
	}
	require.Equal(t, fhir.Linked{Refs: l.Refs}, o.sync(u))
	for _, kind := range []string{"Patient", "Practitioner", "Person"} {
		require.Equal(t, 1, o.count(kind, systemUserID, u.ID))
		require.Equal(t, 1, o.count(kind, systemWhatsApp, u.Number.Digits()))
	}
}

func TestInteropAnExistingPatientIsAdopted(t *testing.T) {
	t.Parallel()
	for name, number := range map[string]func(fhir.User) string{
		"digits":        func(u fhir.User) string { return u.Number.Digits() },
		"with its plus": func(u fhir.User) string { return u.Number.E164() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := target(t)
			u := o.user()
			ref := o.create(resource("Patient", `"gender":"female"`, telecom(number(u))))
			require.Equal(t, fhir.Linked{Refs: []string{ref}, Changed: true}, o.sync(u))
			o.read(ref).carries(t, u)
			require.Equal(t, fhir.Linked{Refs: []string{ref}}, o.sync(u))
			require.NoError(t, o.s.AddChatwootID(t.Context(), u, "42"))
			p, err := o.s.Profile(t.Context(), u.ID)
			require.NoError(t, err)
			require.Equal(t, fhir.Profile{Ref: ref, ChatwootID: "42"}, p)
			require.Contains(t, string(o.call(http.MethodGet, ref, "", 200)), `"female"`)
		})
	}
}

func TestInteropForeignUserIDQuarantined(t *testing.T) {
	t.Parallel()
	o := target(t)
	u, other := o.user(), o.user()
	ref := o.create(resource("Patient", ids(systemUserID, other.ID), telecom(u.Number.E164())))
	_, err := o.s.Sync(t.Context(), u)
	require.Equal(t, fhir.Foreign, quarantined(t, err).Why)
	require.Equal(t, []string{other.ID}, o.read(ref).values(systemUserID))
	o.cases.decide(u, "Patient", fhir.Decision{Verdict: fhir.Approve, Ref: ref})
	require.Equal(t, []string{ref}, o.sync(u).Refs)
	require.Equal(t, []string{other.ID, u.ID}, o.read(ref).values(systemUserID))
}

func TestInteropASeparateOneIsCreated(t *testing.T) {
	t.Parallel()
	o := target(t)
	u, other := o.user(), o.user()
	ref := o.create(resource("Patient", ids(systemUserID, other.ID, systemWhatsApp, u.Number.Digits())))
	_, err := o.s.Sync(t.Context(), u)
	quarantined(t, err)
	o.cases.decide(u, "Patient", fhir.Decision{Verdict: fhir.Separate})
	l := o.sync(u)
	require.True(t, l.Created)
	require.NotEqual(t, []string{ref}, l.Refs)
	require.Equal(t, fhir.Linked{Refs: l.Refs}, o.sync(u))
	require.Equal(t, 1, o.count("Patient", systemUserID, u.ID))
}

func TestInteropReplacedPatientsAreIgnored(t *testing.T) {
	t.Parallel()
	o := target(t)
	u := o.user()
	survivor := o.create(`{"resourceType":"Patient"}`)
	dead := o.create(resource("Patient", ids(systemWhatsApp, u.Number.Digits()),
		`"link":[{"other":{"reference":"`+survivor+`"},"type":"replaced-by"}]`))
	l := o.sync(u)
	require.NotEqual(t, []string{dead}, l.Refs)
	o.read(l.Refs[0]).carries(t, u)
	require.Empty(t, o.read(dead).values(systemUserID))
	require.Equal(t, fhir.Linked{Refs: l.Refs}, o.sync(u))
}

// Another writer edits the Patient between our read and our write.
func TestInteropIfMatchRace(t *testing.T) {
	t.Parallel()
	o := target(t)
	u := o.user()
	ref := o.create(resource("Patient", `"gender":"unknown"`, telecom(u.Number.Digits())))
	var once sync.Once
	var failed error
	tapped := &meddler{next: http.DefaultTransport, before: func(r *http.Request) {
		if r.Method == http.MethodPut {
			once.Do(func() {
				var raw []byte
				if raw, failed = o.try(http.MethodGet, ref, "", 200); failed == nil {
					_, failed = o.try(http.MethodPut, ref, string(bytes.Replace(raw, []byte("unknown"), []byte("other"), 1)), 200)
				}
			})
		}
	}}
	s := o.service(o.base, func(c *fhir.Config) { c.HTTP = &http.Client{Transport: tapped} })
	_, err := s.Sync(t.Context(), u)
	require.NoError(t, err)
	require.NoError(t, failed)
	o.read(ref).carries(t, u)
	require.Contains(t, string(o.call(http.MethodGet, ref, "", 200)), `"other"`, "the other's edit survives")
}

// meddler does something before a request goes out.
type meddler struct {
	next   http.RoundTripper
	before func(*http.Request)
}

func (m *meddler) RoundTrip(r *http.Request) (*http.Response, error) {
	m.before(r)
	return m.next.RoundTrip(r)
}

func TestInteropClaimPages(t *testing.T) {
	t.Parallel()
	o := target(t)
	u := o.user()
	owner := o.sync(u).Refs[0]
	guest := strings.TrimPrefix(o.user().ID, "user-")
	mine := fmt.Sprintf(`"identifier":{"system":%q,"value":%q}`, systemGuest, guest)
	refs := []string{}
	for i := range 120 {
		refs = append(refs, o.create(resource("QuestionnaireResponse", mine, `"status":"completed"`, fmt.Sprintf(`"item":[{"linkId":"%d"}]`, i))))
	}
	stranger := o.create(`{"resourceType":"Patient"}`)
	taken := o.create(resource("QuestionnaireResponse", mine, `"status":"completed"`, `"subject":{"reference":"`+stranger+`"}`))
	c, err := o.s.ClaimGuest(t.Context(), u, guest)
	require.NoError(t, err)
	require.Equal(t, sorted(refs), sorted(c.References))
	require.Equal(t, sorted(refs), o.audit.references())
	for _, ref := range []string{refs[0], refs[60], refs[119]} {
		raw := string(o.call(http.MethodGet, ref, "", 200))
		require.Equal(t, 2, strings.Count(raw, owner))
		require.NotContains(t, raw, guest)
	}
	require.Contains(t, string(o.call(http.MethodGet, taken, "", 200)), guest)
	c, err = o.s.ClaimGuest(t.Context(), u, guest)
	require.NoError(t, err)
	require.Zero(t, c.Count)
}

func TestInteropDuplicateScan(t *testing.T) {
	t.Parallel()
	o := target(t)
	u := o.user()
	refs := []string{
		o.create(resource("Patient", telecom(u.Number.E164()))), o.create(resource("Patient", telecom(u.Number.Digits()))),
	}
	var found []fhir.Duplicate
	require.NoError(t, o.s.Scan(t.Context(), func(d fhir.Duplicate) {
		if d.Number == u.Number {
			found = append(found, d)
		}
	}))
	require.Len(t, found, 1)
	require.Equal(t, sorted(refs), sorted(found[0].References))
}
