package fhir_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/konsulin-care/konsulin-bot/fhir"
)

// once puts resources of other writers right before our first create, while searches do not show them yet.
func once(w *world, raws ...string) {
	w.core.IndexLag(time.Hour)
	w.core.Before("create Patient", func() {
		w.core.Before("create Patient", nil)
		for _, raw := range raws {
			w.put(raw)
		}
	})
}

func TestTwoPatientsThatSearchesDoNotShowYetGetNoThird(t *testing.T) {
	t.Parallel()
	w := setup(t)
	u := w.user()
	once(w, resource("Patient", ids(systemUserID, u.ID)), resource("Patient", ids(systemUserID, u.ID)))
	_, err := w.s.Sync(t.Context(), u)
	require.ErrorContains(t, err, "others kept changing")
	require.False(t, permanent(err))
	require.Len(t, w.core.All("Patient"), 2)

	w.core.IndexLag(0)
	require.Len(t, w.sync(u).Refs, 1)
	require.Len(t, w.core.All("Patient"), 2)
	var found []fhir.Duplicate
	require.NoError(t, w.s.Scan(t.Context(), func(d fhir.Duplicate) { found = append(found, d) }))
	require.Len(t, found, 1)
	require.Len(t, found[0].References, 2)
}

func TestPatientsOfAnotherUserThatSearchesDoNotShowYetAreNotBypassed(t *testing.T) {
	t.Parallel()
	w := setup(t)
	u := w.user()
	another := resource("Patient", ids(systemUserID, "another", systemWhatsApp, u.Number.Digits()))
	once(w, another, another)
	_, err := w.s.Sync(t.Context(), u)
	require.ErrorContains(t, err, "others kept changing")
	require.Len(t, w.core.All("Patient"), 2)

	w.core.IndexLag(0)
	_, err = w.s.Sync(t.Context(), u)
	require.Equal(t, fhir.Ambiguous, quarantined(t, err).Why)
	require.Len(t, w.core.All("Patient"), 2)
}

// refusing answers the first creates with 409 and then calls a hook before the next one.
type refusing struct {
	left int
	then func()
}

func (r *refusing) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method == http.MethodPost {
		if r.left--; r.left >= 0 {
			return &http.Response{StatusCode: http.StatusConflict, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(""))}, nil
		}
		r.then()
	}
	return http.DefaultTransport.RoundTrip(req)
}

func TestRefusedCreatesStayConditional(t *testing.T) {
	t.Parallel()
	w := setup(t)
	u := w.user()
	transport := &refusing{left: 4, then: func() { w.put(resource("Patient", ids(systemUserID, u.ID))) }}
	s := w.service(w.core.URL(), func(c *fhir.Config) { c.HTTP = &http.Client{Transport: transport} })
	l, err := s.Sync(t.Context(), u)
	require.NoError(t, err)
	require.Equal(t, []string{"Patient/1"}, l.Refs)
	require.Len(t, w.core.All("Patient"), 1)
}
