package gateway_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/konsulin-care/konsulin-bot/sandbox/gateway"
)

// TestWhatIsNotKnownIsListed promises that an unknown path, method, parameter or field is refused and listed without its
// value, and does no work.
func TestWhatIsNotKnownIsListed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		method, path string
		body         any
		status       int
		unknown      string
	}{
		"path":          {http.MethodPost, base + "/nothing", nil, 404, `path "/api/v1/auth/nothing"`},
		"path outside":  {http.MethodGet, "/", nil, 404, `path "/"`},
		"method":        {http.MethodGet, base + "/signinup/code", nil, 405, `method "GET"`},
		"page's method": {http.MethodPost, "/auth/verify", nil, 405, `method "POST"`},
		"parameter":     {http.MethodPost, base + "/signinup/code?a=secret", map[string]any{}, 400, `parameter "a"`},
		"field": {http.MethodPost, base + "/signinup/code", map[string]any{"phoneNumber": number, "name": "secret"}, 400,
			`field "name"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			got := b.browser().do(c.method, c.path, c.body)
			require.Equal(t, c.status, got.status, got.text)
			require.Equal(t, []string{c.unknown}, b.Unknown())
			require.Zero(t, b.core.Calls(""))
		})
	}
}

// TestWhatIsWrongIsRefused promises that a body that says too little or too much reaches nobody.
func TestWhatIsWrongIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	br := b.browser()
	for path, bodies := range map[string][]any{
		"/signinup/code":         {nil, []int{1}, map[string]any{}, map[string]any{"phoneNumber": number, "email": "a@b"}, map[string]any{"phoneNumber": 1}},
		"/signinup/code/resend":  {map[string]any{}, map[string]any{"deviceId": "x"}},
		"/signinup/code/consume": {map[string]any{}, map[string]any{"preAuthSessionId": "x"}, map[string]any{"linkCode": "x"}},
	} {
		for _, body := range bodies {
			require.Equal(t, http.StatusBadRequest, br.post(path, body).status, "%s %v", path, body)
		}
	}
	for _, contact := range []map[string]any{{"phoneNumber": "0812"}, {"email": "nobody"}} {
		require.Equal(t, "GENERAL_ERROR", br.post("/signinup/code", contact).body["status"])
	}
	require.Zero(t, b.core.Calls(""))
	require.Empty(t, b.Unknown())
}

// TestOpeningThePageChangesNothing promises a page that may not be framed, runs only its own script, and consumes nothing by
// itself.
func TestOpeningThePageChangesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	br := b.browser()
	br.ask()
	before := b.core.Calls("")
	for path, kind := range map[string]string{
		"/auth/verify?preAuthSessionId=x&tenantId=public": "text/html", "/auth/verify.js": "text/javascript", "/auth/verify.css": "text/css",
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			got := br.do(method, path, nil)
			require.Equal(t, http.StatusOK, got.status)
			require.Contains(t, got.header.Get("Content-Type"), kind)
			require.Contains(t, got.header.Get("Content-Security-Policy"), "frame-ancestors 'none'")
			require.Equal(t, "no-referrer", got.header.Get("Referrer-Policy"))
		}
	}
	require.Contains(t, br.do(http.MethodGet, "/auth/verify", nil).text, `data-api="/api/v1/auth"`)
	require.Equal(t, before, b.core.Calls(""))
	require.Equal(t, 1, b.core.Codes(number))
}

// TestHooksAndOutages promises what tests place kills by.
func TestHooksAndOutages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var seen []int
	b.Before("/signinup/code", func() { seen = append(seen, len(b.patients())) })
	b.After("/signinup/code", func() { seen = append(seen, len(b.patients())) })
	b.browser().ask()
	require.Equal(t, []int{0, 1}, seen)
	require.Equal(t, 1, b.Calls("/signinup/code"))
	require.NoError(t, b.Down(true))
	_, err := http.Get(b.URL() + "/auth/verify")
	require.Error(t, err)
	require.NoError(t, b.Down(false))
	b.browser().ask()
}

// TestOnlyLoopback promises that nobody else reaches the stand-in.
func TestOnlyLoopback(t *testing.T) {
	t.Parallel()
	_, err := gateway.New(gateway.Options{Addr: "0.0.0.0:0"})
	require.Error(t, err)
}
