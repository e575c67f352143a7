package supertokens_test

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/konsulin-care/konsulin-bot/sandbox/supertokens"
)

// FuzzRequest promises that whatever is asked, the stand-in answers with a status and does not panic.
func FuzzRequest(f *testing.F) {
	f.Add("POST", "/public/recipe/signinup/code", "", `{"phoneNumber":"62812"}`)
	s, err := supertokens.New(options())
	require.NoError(f, err)
	f.Cleanup(func() { _ = s.Close() })
	f.Fuzz(func(t *testing.T, method, path, query, body string) {
		target, err := url.Parse("http://127.0.0.1/")
		require.NoError(t, err)
		target.Path, target.RawQuery = path, query
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/", strings.NewReader(body))
		r.Method, r.URL = method, target
		r.Header.Set("cdi-version", "3.1")
		r.Header.Set("rid", "passwordless")
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		require.GreaterOrEqual(t, w.Code, 200)
		require.Less(t, w.Code, 502)
		require.NotEmpty(t, w.Body.String())
	})
}
