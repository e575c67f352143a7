package website

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// shelf is a FHIR server in memory.
type shelf struct {
	mu  sync.Mutex
	all map[string][][]byte
	err error
}

func (s *shelf) Put(raw []byte) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var r struct{ ResourceType string }
	if err := json.Unmarshal(raw, &r); err != nil {
		return "", err
	}
	if s.err != nil {
		return "", s.err
	}
	s.all[r.ResourceType] = append(s.all[r.ResourceType], raw)
	return r.ResourceType + "/1", nil
}

func (s *shelf) All(kind string) [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all[kind]
}

// bundle is a site before a bot that knows one user by a cookie.
type bundle struct {
	t       *testing.T
	shelf   *shelf
	site    *httptest.Server
	bot     *httptest.Server
	asked   []*http.Request // what reached the bot
	changed int
}

func setup(t *testing.T) *bundle {
	t.Helper()
	b := &bundle{t: t, shelf: &shelf{all: map[string][][]byte{}}}
	b.bot = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.asked = append(b.asked, r)
		if c, err := r.Cookie("session"); r.URL.Path == "/auth/session" && (err != nil || c.Value != "good") {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = io.WriteString(w, `{"userId":"u1"}`)
	}))
	t.Cleanup(b.bot.Close)
	site, err := New(Config{
		Records: b.shelf, Changed: func() { b.changed++ }, Now: func() time.Time { return time.Unix(1700000000, 0) },
	})
	require.NoError(t, err)
	site.Behind(b.bot.Listener.Addr().String())
	t.Cleanup(site.Close)
	b.site = httptest.NewServer(site)
	t.Cleanup(b.site.Close)
	return b
}

func (b *bundle) do(method, path, body string, header ...string) (int, string, http.Header) {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.site.URL+path, strings.NewReader(body))
	require.NoError(b.t, err)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(b.t, err)
	defer func() { require.NoError(b.t, resp.Body.Close()) }()
	raw, err := io.ReadAll(resp.Body)
	require.NoError(b.t, err)
	return resp.StatusCode, string(raw), resp.Header
}

func TestAnswersBelongToTheGuestUntilTheyAreClaimed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	status, _, _ := b.do(http.MethodPost, "/answers", `{"guest":"g1","mood":"Good","note":" slept well "}`)
	require.Equal(t, http.StatusCreated, status)
	require.Equal(t, 1, b.changed)
	require.JSONEq(t, `{"resourceType":"QuestionnaireResponse","status":"completed","questionnaire":"https://konsulin.example/Questionnaire/check-in",
		"identifier":{"system":"https://login.konsulin.care/guestid","value":"g1"},"authored":"2023-11-14T22:13:20Z","item":[
		{"linkId":"mood","text":"How do you feel today?","answer":[{"valueString":"Good"}]},
		{"linkId":"note","text":"Anything that you want to remember?","answer":[{"valueString":"slept well"}]}]}`,
		string(b.shelf.All("QuestionnaireResponse")[0]))

	_, body, _ := b.do(http.MethodGet, "/answers?guest=g1", "")
	require.JSONEq(t, `{"signedIn":false,"answers":[{"at":"2023-11-14T22:13:20Z","mood":"Good","note":"slept well"}]}`, body)
	for _, other := range []string{"g2", ""} {
		_, body, _ = b.do(http.MethodGet, "/answers?guest="+other, "")
		require.JSONEq(t, `{"signedIn":false,"answers":[]}`, body)
	}
	_, body, _ = b.do(http.MethodGet, "/answers?guest=g1", "", "Cookie", "session=good")
	require.JSONEq(t, `{"signedIn":true,"answers":[]}`, body, "nobody has claimed them")

	_, err := b.shelf.Put([]byte(`{"resourceType":"Patient","id":"p1","identifier":[{"system":"https://login.konsulin.care/userid","value":"u1"}]}`))
	require.NoError(t, err)
	claimed := strings.Replace(string(b.shelf.All("QuestionnaireResponse")[0]),
		`"identifier":{"system":"https://login.konsulin.care/guestid","value":"g1"}`, `"author":{"reference":"Patient/p1"}`, 1)
	b.shelf.all["QuestionnaireResponse"] = [][]byte{[]byte(claimed)}
	_, body, _ = b.do(http.MethodGet, "/answers", "", "Cookie", "session=good")
	require.Contains(t, body, `"mood":"Good"`)
	_, body, _ = b.do(http.MethodGet, "/answers?guest=g1", "")
	require.JSONEq(t, `{"signedIn":false,"answers":[]}`, body)
}

func TestBotIsReachedBelowItsPathsAndToldWhoAsks(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, path := range []string{"/auth", "/auth/verify?preAuthSessionId=x", "/livez", "/readyz"} {
		status, _, _ := b.do(http.MethodGet, path, "", "X-Forwarded-For", "192.0.2.1")
		require.Equal(t, http.StatusOK, status)
		last := b.asked[len(b.asked)-1]
		require.Equal(t, path, last.URL.RequestURI())
		require.Equal(t, strings.TrimPrefix(b.site.URL, "http://"), last.Host, "the browser's Host")
		require.Equal(t, "127.0.0.1", last.Header.Get("X-Forwarded-For"), "who asks, not who they say they are")
	}
	asked := len(b.asked)
	status, page, header := b.do(http.MethodGet, "/", "")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, page, `href="/auth?redirectToPath=%2F"`)
	require.Contains(t, header.Get("Content-Security-Policy"), "default-src 'none'")
	require.Len(t, b.asked, asked, "the page is the site's own")
	b.bot.Close()
	status, _, _ = b.do(http.MethodGet, "/auth", "")
	require.Equal(t, http.StatusBadGateway, status)
	status, _, _ = b.do(http.MethodGet, "/answers", "")
	require.Equal(t, http.StatusBadGateway, status)
}

func TestAnswersThatCannotBeReadAreRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, body := range []string{
		``, `{}`, `{"guest":"g","mood":""}`, `{"mood":"Good"}`, `{"guest":"g","mood":"Good","x":1}`, `{"guest":"g","mood":"Good"}{}`,
		`{"guest":"g","mood":"Good","note":"` + strings.Repeat("x", 501) + `"}`,
	} {
		status, _, _ := b.do(http.MethodPost, "/answers", body)
		require.Equal(t, http.StatusBadRequest, status, body)
	}
	status, _, _ := b.do(http.MethodPost, "/answers", `{"guest":"g","mood":"Good"}`, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example")
	require.Equal(t, http.StatusForbidden, status)
	b.shelf.err = io.ErrClosedPipe
	status, _, _ = b.do(http.MethodPost, "/answers", `{"guest":"g","mood":"Good"}`)
	require.Equal(t, http.StatusBadGateway, status)
	require.Empty(t, b.shelf.All("QuestionnaireResponse"))
}
