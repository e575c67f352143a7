package fhir_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/konsulin-care/konsulin-bot/fhir"
	server "github.com/konsulin-care/konsulin-bot/sandbox/fhir"
)

// fake is a server that answers everything alike.
func fake(t testing.TB, answer http.HandlerFunc) *httptest.Server {
	t.Helper()
	l := httptest.NewServer(answer)
	t.Cleanup(l.Close)
	return l
}

func says(status int, body string, headers ...string) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			rw.Header().Set(headers[i], headers[i+1])
		}
		rw.WriteHeader(status)
		_, _ = io.WriteString(rw, body)
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	t.Parallel()
	const outcome = `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"invalid","diagnostics":"SECRET"},{"code":"SECRET"}]}`
	for name, c := range map[string]struct {
		answer    http.HandlerFunc
		permanent bool
		wait      time.Duration // -1: a failed attempt; 0: half a minute or so, the server is away
		reason    string
	}{
		"400":                          {says(400, outcome), true, -1, "status 400 to our request (invalid)"},
		"422":                          {says(422, "SECRET"), true, -1, "status 422"},
		"401":                          {says(401, outcome), false, 10 * time.Minute, "credentials"},
		"403":                          {says(403, outcome), false, 10 * time.Minute, "credentials"},
		"404":                          {says(404, "SECRET"), false, 10 * time.Minute, "fhir.base_url"},
		"redirect":                     {says(302, "", "Location", "/SECRET"), false, 10 * time.Minute, "fhir.base_url"},
		"409":                          {says(409, outcome), false, -1, "others kept changing"},
		"412":                          {says(412, outcome), false, -1, "others kept changing"},
		"429 with seconds":             {says(429, outcome, "Retry-After", "7"), false, 7 * time.Second, "too many"},
		"429 without":                  {says(429, outcome), false, 5 * time.Second, "too many"},
		"503 with seconds":             {says(503, outcome, "Retry-After", "120"), false, 2 * time.Minute, "not available"},
		"503 with a day":               {says(503, outcome, "Retry-After", "86400"), false, time.Hour, "not available"},
		"503 with nonsense":            {says(503, outcome, "Retry-After", "-1"), false, 0, "503"},
		"503 without":                  {says(503, outcome), false, 0, "503"},
		"502":                          {says(502, "<html>SECRET"), false, 0, "502"},
		"408":                          {says(408, ""), false, 0, "408"},
		"500":                          {says(500, outcome), false, -1, "500"},
		"no JSON":                      {says(200, "<html>SECRET"), false, -1, "no Bundle"},
		"no Bundle":                    {says(200, `{"resourceType":"Patient","id":"SECRET"}`), false, -1, "no Bundle"},
		"a resource without sense":     {says(200, `{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient","id":7}}]}`), false, -1, "no Bundle"},
		"a resource with a strange id": {says(200, `{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient","id":"../SECRET"}}]}`), false, -1, "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			u := w.user()
			_, err := w.service(fake(t, c.answer).URL).Sync(t.Context(), u)
			require.ErrorContains(t, err, c.reason)
			require.NotContains(t, err.Error(), "SECRET")
			require.Equal(t, c.permanent, permanent(err))
			wait, later := retryAfter(err)
			require.Equal(t, c.wait >= 0, later)
			switch {
			case c.wait == 0:
				require.GreaterOrEqual(t, wait, 15*time.Second)
				require.LessOrEqual(t, wait, 45*time.Second)
			case later:
				require.Equal(t, c.wait, wait)
			}
		})
	}
}

func TestRetryAfterAsADate(t *testing.T) {
	t.Parallel()
	w := setup(t)
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	at := now.Add(90 * time.Second).Format(http.TimeFormat)
	s := w.service(fake(t, says(503, "", "Retry-After", at)).URL, func(c *fhir.Config) { c.Now = func() time.Time { return now } })
	wait, later := retryAfter(s.Ping(t.Context()))
	require.True(t, later)
	require.Equal(t, 90*time.Second, wait)
}

func TestErrorsNameNobody(t *testing.T) {
	t.Parallel()
	for status := range map[int]bool{0: true, 400: true, 401: true, 404: true, 409: true, 412: true, 422: true, 429: true, 500: true, 503: true} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			u := w.user()
			answer := func(rw http.ResponseWriter, r *http.Request) {
				if status == 0 {
					panic(http.ErrAbortHandler)
				}
				rw.WriteHeader(status)
				_, _ = fmt.Fprintf(rw, `{"resourceType":"OperationOutcome","issue":[{"code":%q,"diagnostics":%q}]}`, r.URL.RawQuery, r.URL.String())
			}
			s := w.service(fake(t, answer).URL+"/some/path", func(c *fhir.Config) { c.Bearer = "SECRET" })
			_, err1 := s.Sync(t.Context(), u)
			_, err2 := s.ClaimGuest(t.Context(), u, guest)
			_, err3 := s.Profile(t.Context(), u.ID)
			for _, err := range []error{err1, err2, err3, s.AddChatwootID(t.Context(), u, "chat-8765"), s.Scan(t.Context(), func(fhir.Duplicate) {}), s.Ping(t.Context())} {
				require.Error(t, err)
				for ; err != nil; err = errors.Unwrap(err) {
					for _, secret := range []string{u.ID, u.Number.Digits(), guest, "chat-8765", "SECRET", "identifier=", "phone=", "%", "some/path"} {
						require.NotContains(t, fmt.Sprintf("%v %+v", err, err.Error()), secret)
					}
				}
			}
		})
	}
}

func TestCancelledCallsSaySo(t *testing.T) {
	t.Parallel()
	w := setup(t)
	ctx, cancel := context.WithCancel(t.Context())
	w.core.Before("search Patient", cancel)
	_, err := w.s.Sync(ctx, w.user())
	require.ErrorIs(t, err, context.Canceled)
	require.False(t, permanent(err))
}

func TestASlowServerIsLeftInTime(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.core.Slow(time.Minute)
	s := w.service(w.core.URL(), func(c *fhir.Config) { c.Timeout = 50 * time.Millisecond })
	_, err := s.Sync(t.Context(), w.user())
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "no answer within 50ms")
}

func TestNextLinksAreFollowedBelowTheBaseOnly(t *testing.T) {
	t.Parallel()
	var strangers atomic.Int64
	stranger := fake(t, func(http.ResponseWriter, *http.Request) { strangers.Add(1) })
	for name, link := range map[string]string{
		"another host":      stranger.URL + "/fhir/Patient?page=2",
		"no scheme":         strings.TrimPrefix(stranger.URL, "http:") + "/fhir/Patient?page=2",
		"another path":      "/admin?page=2",
		"a path beside":     "/fhirx/Patient?page=2",
		"up and away":       "/fhir/../admin",
		"up, encoded":       "/fhir/%2e%2e/admin",
		"credentials":       "CREDENTIALS",
		"another scheme":    "file:///etc/passwd",
		"no URL":            "http://[::1",
		"https, for a http": "HTTPS",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var calls atomic.Int64
			var l *httptest.Server
			l = fake(t, func(rw http.ResponseWriter, _ *http.Request) {
				calls.Add(1)
				host := strings.TrimPrefix(l.URL, "http://")
				next := map[string]string{"CREDENTIALS": "http://u:p@" + host + "/fhir/Patient", "HTTPS": "https://" + host + "/fhir/Patient"}[link]
				if next == "" {
					next = link
				}
				_, _ = fmt.Fprintf(rw, `{"resourceType":"Bundle","link":[{"relation":"next","url":%q}]}`, next)
			})
			w := setup(t)
			err := w.service(l.URL+"/fhir", func(c *fhir.Config) { c.Bearer = "SECRET" }).Scan(t.Context(), func(fhir.Duplicate) {})
			require.ErrorContains(t, err, "leads away")
			_, later := retryAfter(err)
			require.True(t, later)
			require.EqualValues(t, 1, calls.Load())
		})
	}
	t.Cleanup(func() { require.Zero(t, strangers.Load()) })
}

func TestPagesWithoutEndAreGivenUp(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	l := fake(t, func(rw http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		_, _ = io.WriteString(rw, `{"resourceType":"Bundle","link":[{"relation":"next","url":"Patient?page=2"}]}`)
	})
	w := setup(t)
	_, err := w.service(l.URL+"/fhir").Sync(t.Context(), w.user())
	require.ErrorContains(t, err, "leads away", "a relative link is relative to the host")
	l2 := fake(t, func(rw http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		_, _ = io.WriteString(rw, `{"resourceType":"Bundle","link":[{"relation":"next","url":"/fhir/Patient?page=2"}]}`)
	})
	calls.Store(0)
	_, err = w.service(l2.URL+"/fhir").Sync(t.Context(), w.user())
	require.ErrorContains(t, err, "do not end")
	require.EqualValues(t, 20, calls.Load())
}

func TestAServerThatIgnoresParametersFindsNobody(t *testing.T) {
	t.Parallel()
	w := setup(t)
	u := w.user()
	var posted atomic.Int64
	l := fake(t, func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			posted.Add(1)
			rw.WriteHeader(http.StatusInternalServerError)
			return
		}
		_, _ = io.WriteString(rw, `{"resourceType":"Bundle","entry":[{"resource":`+resource("Patient", `"id":"1"`, telecom("6281100000000"))+`}]}`)
	})
	_, err := w.service(l.URL).Sync(t.Context(), u)
	require.Error(t, err)
	require.EqualValues(t, 1, posted.Load(), "nobody else's Patient is adopted")
}

func TestLargeAnswersAreRefused(t *testing.T) {
	t.Parallel()
	w := setup(t)
	err := w.service(fake(t, says(200, strings.Repeat(" ", 16<<20)+`{"resourceType":"CapabilityStatement"}`)).URL).Ping(t.Context())
	require.ErrorContains(t, err, "larger than 16 MiB")
}

func TestBreaker(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := w.service(w.core.URL(), func(c *fhir.Config) { c.Cooldown = time.Hour })
	w.core.FailNext(6, 500, "")
	for range 6 {
		_, later := retryAfter(s.Ping(t.Context()))
		require.False(t, later)
	}
	calls := w.core.Calls("")
	began := time.Now()
	err := s.Ping(t.Context())
	require.ErrorContains(t, err, "left alone")
	wait, later := retryAfter(err)
	require.True(t, later, "it is no failed attempt")
	require.GreaterOrEqual(t, wait, 30*time.Minute)
	require.False(t, permanent(err))
	require.Greater(t, time.Since(began), time.Second, "the worker waits a moment")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, later = retryAfter(s.Ping(ctx))
	require.True(t, later, "or as long as its context lives")
	require.Equal(t, calls, w.core.Calls(""), "the server is left alone")
	require.Contains(t, w.log.String(), "circuit breaker")
}

func TestBreakerClosesAgain(t *testing.T) {
	t.Parallel()
	w := setup(t, func(c *fhir.Config) { c.Cooldown = 200 * time.Millisecond })
	w.core.Down(true)
	for range 6 {
		require.ErrorContains(t, w.s.Ping(t.Context()), "cannot be reached")
	}
	w.core.Down(false)
	require.NoError(t, w.s.Ping(t.Context()), "the call waits until the server may be asked")
}

func TestWhatTheServerRefusesDoesNotOpenTheBreaker(t *testing.T) {
	t.Parallel()
	w := setup(t, func(c *fhir.Config) { c.Cooldown = time.Hour })
	for _, status := range []int{400, 401, 404, 409, 412, 422, 429} {
		w.core.FailNext(10, status, "")
		for range 10 {
			require.Error(t, w.s.Ping(t.Context()))
		}
	}
	for range 10 {
		ctx, cancel := context.WithCancel(t.Context())
		left := make(chan struct{})
		w.core.Before("capabilities", func() { cancel(); <-left })
		err := w.s.Ping(ctx)
		close(left)
		require.ErrorIs(t, err, context.Canceled)
	}
	w.core.Before("capabilities", nil)
	require.NoError(t, w.s.Ping(t.Context()))
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		asks server.Options
		has  func(*fhir.Config)
	}{
		"bearer":  {server.Options{Bearer: "b"}, func(c *fhir.Config) { c.Bearer = "b" }},
		"basic":   {server.Options{User: "u", Password: "p"}, func(c *fhir.Config) { c.User, c.Password = "u", "p" }},
		"API key": {server.Options{APIKeyHeader: "x-api-key", APIKey: "k"}, func(c *fhir.Config) { c.APIKeyHeader, c.APIKey = "x-api-key", "k" }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := server.New(c.asks)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, l.Close()); require.Empty(t, l.Unknown()) })
			w := setup(t)
			require.NoError(t, w.service(l.URL()+"/", c.has).Ping(t.Context()))
			require.ErrorContains(t, w.service(l.URL()).Ping(t.Context()), "credentials")
		})
	}
}

func TestConfigurationsThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]fhir.Config{
		"no URL":              {},
		"no host":             {BaseURL: "http:///fhir"},
		"no http":             {BaseURL: "ftp://host/fhir"},
		"credentials in it":   {BaseURL: "http://u:p@host/fhir"},
		"query":               {BaseURL: "http://host/fhir?x=y"},
		"two credentials":     {BaseURL: "http://host", Bearer: "b", APIKeyHeader: "h", APIKey: "k"},
		"no password":         {BaseURL: "http://host", User: "u"},
		"key without header":  {BaseURL: "http://host", APIKey: "k"},
		"an unknown spelling": {BaseURL: "http://host", Telecom: "dashes"},
	} {
		_, err := fhir.New(cfg)
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), "u:p", name)
	}
}

func TestUsersWithoutIDOrNumberAreRefused(t *testing.T) {
	t.Parallel()
	w := setup(t)
	u := w.user()
	for _, bad := range []fhir.User{{}, {ID: u.ID}, {Number: u.Number}} {
		_, err := w.s.Sync(t.Context(), bad)
		require.True(t, permanent(err))
		_, err = w.s.ClaimGuest(t.Context(), bad, guest)
		require.True(t, permanent(err))
	}
	require.True(t, permanent(w.s.AddChatwootID(t.Context(), u, "")))
	_, err := w.s.Profile(t.Context(), "")
	require.True(t, permanent(err))
	require.Zero(t, w.core.Calls(""))
}
