package property_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
)

// browser is somebody's browser: cookies, and what its owner remembers of it.
type browser struct {
	cookies map[string]string

	guest    string // whom it is a guest as; empty: nobody
	attempt  string // the reference of the login that was begun here, where messages name one
	begunTo  time.Time
	signedIn *session
	unsure   bool // an answer to it was lost, or something failed behind one: what it holds may be worth nothing
}

// session is one that a browser was given.
type session struct {
	handle string
	user   string
	number string // digits of whose it should be
	over   bool   // it was ended
	unsure bool   // perhaps
}

func newBrowser() *browser { return &browser{cookies: map[string]string{}} }

// answer is what came back; nil: the process died first.
type answer struct {
	status int
	cookie map[string]string
	body   map[string]any
}

// ask sends a request as the browser would. keep tells whether the answer arrives.
func (b *browser) ask(t require.TestingT, routes http.Handler, method, path string, body any) answer {
	raw, err := json.Marshal(body)
	require.NoError(t, err)
	r := httptest.NewRequestWithContext(context.Background(), method, "http://127.0.0.1:8080"+path, bytes.NewReader(raw))
	r.Header.Set("St-Auth-Mode", "cookie")
	r.Header.Set("Content-Type", "application/json")
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	routes.ServeHTTP(w, r)
	a := answer{status: w.Code, cookie: map[string]string{}}
	for _, c := range w.Result().Cookies() {
		if c.MaxAge < 0 || c.Value == "" || (!c.Expires.IsZero() && c.Expires.Year() < 2000) {
			a.cookie[c.Name] = ""
			continue
		}
		a.cookie[c.Name] = c.Value
	}
	_ = json.Unmarshal(w.Body.Bytes(), &a.body)
	return a
}

// take keeps the cookies of an answer.
func (b *browser) take(a answer) {
	for name, value := range a.cookie {
		if value == "" {
			delete(b.cookies, name)
			continue
		}
		b.cookies[name] = value
	}
}

// session is the one that an answer carries; nil: none.
func (a answer) session(t require.TestingT) *session {
	token := a.cookie["sAccessToken"]
	if token == "" {
		return nil
	}
	parts := strings.Split(token, ".")
	require.Len(t, parts, 3)
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	require.NoError(t, err)
	var claims struct {
		Sub    string `json:"sub"`
		Handle string `json:"sessionHandle"`
	}
	require.NoError(t, json.Unmarshal(raw, &claims))
	require.NotEmpty(t, claims.Handle)
	return &session{handle: claims.Handle, user: claims.Sub}
}

func (a answer) says(key string) string {
	s, _ := a.body[key].(string)
	return s
}
