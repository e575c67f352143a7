package web_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/web"
	"github.com/stretchr/testify/require"
)

func TestAccessLogNamesRoutesAndNothingThatAClientSent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.get(t, verifyPath(openLink)+"&redirectToPath=/secret-place", "Cookie", "sAccessToken=secret-cookie", "User-Agent", "secret-agent")
	b.get(t, "/6281234567890/secret-path")
	b.do(t, "SECRET", "/secret-path", "")
	b.do(t, http.MethodPost, consumePath, `{"preAuthSessionId":"secret-id","linkCode":"secret-code"}`)
	log := b.log.String()
	require.Equal(t, 4, strings.Count(log, `"message":"served"`))
	for _, s := range []string{"secret", "SECRET", "6281234567890", openLink, "192.0.2.1", "preAuth"} {
		require.NotContains(t, log, s)
	}
	require.Contains(t, log, `"route":"/auth/verify"`)
	require.Contains(t, log, `"route":"`+consumePath+`"`)
	require.Contains(t, log, `"route":"other"`)
	require.Contains(t, log, `"status":404`)
}

func TestEveryRequestHasItsOwnIDWhichAClientCannotChoose(t *testing.T) {
	t.Parallel()
	b := setup(t)
	one := b.get(t, "/livez", "X-Request-Id", "mine").Header().Get("X-Request-Id")
	two := b.get(t, "/livez", "X-Request-Id", "mine").Header().Get("X-Request-Id")
	require.NotEqual(t, one, two)
	require.NotContains(t, one+two, "mine")
	require.Contains(t, b.log.String(), one)
}

func TestBodiesAreBoundedAlsoWithoutALength(t *testing.T) {
	t.Parallel()
	b := setup(t)
	server := httptest.NewServer(b.handler)
	t.Cleanup(server.Close)
	for _, c := range []struct {
		size, status int
	}{{64 << 10, http.StatusBadRequest}, {64<<10 + 1, http.StatusRequestEntityTooLarge}} {
		// A reader of unknown type is sent in chunks.
		body := struct{ *strings.Reader }{strings.NewReader(strings.Repeat("x", c.size))}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+consumePath, body)
		require.NoError(t, err)
		res, err := server.Client().Do(req)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, c.status, res.StatusCode, "%d bytes", c.size)
	}
}

func TestTrustedOriginMayPost(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *web.Config) { c.TrustedOrigins = []string{"https://app.example"} })
	header := []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://app.example"}
	require.Equal(t, http.StatusOK, b.do(t, "POST", consumePath, "{}", header...).Code)
	header[3] = "https://app.example.evil.example"
	require.Equal(t, http.StatusForbidden, b.do(t, "POST", consumePath, "{}", header...).Code)
	header[3] = "null"
	require.Equal(t, http.StatusForbidden, b.do(t, "POST", consumePath, "{}", header...).Code)
}

func TestPanicInTheMiddleOfAResponseCutsItOff(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.sessions.sdk = func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = w.Write([]byte(`{"status":`))
		_ = []int{}[len(r.URL.Path)]
	}
	server := httptest.NewServer(b.handler)
	t.Cleanup(server.Close)
	res, err := server.Client().Post(server.URL+consumePath, "application/json", strings.NewReader("{}"))
	if err == nil {
		_, err = res.Body.Read(make([]byte, 200))
		for err == nil {
			_, err = res.Body.Read(make([]byte, 200))
		}
		require.NoError(t, res.Body.Close())
		require.ErrorContains(t, err, "unexpected EOF")
	}
	server.Close()
	require.Contains(t, b.log.String(), "index out of range")
}

func TestHTTPServerDoesNotWaitForever(t *testing.T) {
	t.Parallel()
	pages, err := web.New(web.Config{Sessions: &sessions{}, Patients: &patients{}})
	require.NoError(t, err)
	s := pages.HTTPServer("127.0.0.1:0")
	for _, d := range []time.Duration{s.ReadHeaderTimeout, s.ReadTimeout, s.WriteTimeout, s.IdleTimeout} {
		require.Positive(t, d)
	}
	require.Positive(t, s.MaxHeaderBytes)
	listener, err := net.Listen("tcp", s.Addr)
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- s.Serve(listener) }()
	require.NoError(t, s.Close())
	require.ErrorIs(t, <-done, http.ErrServerClosed)
}

func TestAnswersAreAwaitedAsLongAsTheCoreMayTake(t *testing.T) {
	t.Parallel()
	wait := regexp.MustCompile(`data-wait="(\d+)"`)
	for patience, least := range map[time.Duration]time.Duration{
		0: 25 * time.Second, time.Second: 25 * time.Second, 69 * time.Second: 70 * time.Second, 5 * time.Minute: 5 * time.Minute,
	} {
		s, err := web.New(web.Config{Sessions: &sessions{}, Patients: &patients{}, Patience: patience})
		require.NoError(t, err)
		server := s.HTTPServer("127.0.0.1:0")
		require.GreaterOrEqual(t, server.WriteTimeout, time.Minute)
		for _, page := range []string{verifyPath(openLink), "/auth/signed-in"} {
			w := httptest.NewRecorder()
			server.Handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, page, nil))
			found := wait.FindStringSubmatch(w.Body.String())
			require.Len(t, found, 2, page)
			pageWaits, err := time.ParseDuration(found[1] + "ms")
			require.NoError(t, err)
			require.GreaterOrEqual(t, pageWaits, least, "the page does not give up before there must be an answer")
			require.Greater(t, pageWaits, patience)
			require.Greater(t, server.WriteTimeout, pageWaits+server.ReadTimeout, "nor does the server")
		}
	}
}

func TestScriptsWaitAsLongAsTheirPageSays(t *testing.T) {
	t.Parallel()
	b := setup(t)
	script := regexp.MustCompile(`/auth/assets/(?:verify|signed-in)\.[0-9a-f]+\.js`)
	for _, page := range []string{verifyPath(openLink), "/auth/signed-in"} {
		body := b.get(t, script.FindString(b.get(t, page).Body.String())).Body.String()
		require.Contains(t, body, `abort.abort(); }, Number(root.getAttribute("data-wait")))`, page)
	}
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	good := web.Config{Sessions: &sessions{}, Patients: &patients{}}
	_, err := web.New(good)
	require.NoError(t, err)
	for says, change := range map[string]func(*web.Config){
		"sessions":          func(c *web.Config) { c.Sessions = nil },
		"patients":          func(c *web.Config) { c.Patients = nil },
		"API base path":     func(c *web.Config) { c.APIBasePath = "auth" },
		"website base path": func(c *web.Config) { c.WebsiteBasePath = "/{any}" },
		"support URL":       func(c *web.Config) { c.SupportURL = "javascript:alert(1)" },
		"home URL":          func(c *web.Config) { c.HomeURL = "//evil.example" },
		`language "de"`:     func(c *web.Config) { c.Languages = []string{"id", "de"} },
		"trusted origin":    func(c *web.Config) { c.TrustedOrigins = []string{"app.example"} },
	} {
		cfg := good
		change(&cfg)
		_, err := web.New(cfg)
		require.ErrorContains(t, err, says)
	}
}
