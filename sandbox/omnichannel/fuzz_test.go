package omnichannel_test

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/konsulin-care/konsulin-bot/sandbox/omnichannel"
)

// FuzzRequest promises that whatever is asked, the stand-in answers with a status and does not panic, and that a contact
// always has a name and a number with its plus.
func FuzzRequest(f *testing.F) {
	f.Add("POST", synchronous, "", "key", plain)
	f.Add("POST", asynchronous, "", "", `{"email":"a@b","name":"a","phoneNumber":"+6281234567890"}`)
	f.Add("GET", "/", "a=b", "", "")
	s, err := omnichannel.New(omnichannel.Options{})
	require.NoError(f, err)
	f.Cleanup(func() { _ = s.Close() })
	f.Fuzz(func(t *testing.T, method, path, query, key, body string) {
		target, err := url.Parse("http://127.0.0.1/")
		require.NoError(t, err)
		target.Path, target.RawQuery = path, query
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/", strings.NewReader(body))
		r.Method, r.URL = method, target
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Idempotency-Key", key)
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		require.GreaterOrEqual(t, w.Code, 200)
		require.Less(t, w.Code, 500)
		require.NotEmpty(t, w.Body.String())
		if w.Code == 200 || w.Code == 202 {
			all := s.Contacts()
			last := all[len(all)-1]
			require.NotEmpty(t, strings.TrimSpace(last.Name))
			require.Regexp(t, `^\+[1-9][0-9]{6,14}$`, last.Phone)
		}
	})
}
