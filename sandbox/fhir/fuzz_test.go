package fhir_test

import (
	"encoding/json"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	server "github.com/konsulin-care/konsulin-bot/sandbox/fhir"
)

// FuzzRequest promises that whatever is asked, the stand-in answers with JSON, does not panic, and never says that
// the fault is its own.
func FuzzRequest(f *testing.F) {
	f.Add("POST", "/fhir/Patient", "", byNumber("62812"), patient("62812"))
	s, err := server.New(server.Options{})
	require.NoError(f, err)
	f.Cleanup(func() { _ = s.Close() })
	_, err = s.Put([]byte(patient("62812")))
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, method, path, query, condition, body string) {
		target, err := url.Parse("http://127.0.0.1/")
		require.NoError(t, err)
		target.Path, target.RawQuery = path, query
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/", strings.NewReader(body))
		r.Method, r.URL = method, target
		r.Header.Set("Content-Type", fhirJSON)
		switch {
		case strings.HasSuffix(path, "_search"):
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		case method == "PUT" && condition != "":
			r.Header.Set("If-Match", condition)
		case method == "POST" && condition != "":
			r.Header.Set("If-None-Exist", condition)
		}
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		require.GreaterOrEqual(t, w.Code, 200)
		require.Less(t, w.Code, 500)
		require.True(t, json.Valid(w.Body.Bytes()), w.Body)
	})
}
