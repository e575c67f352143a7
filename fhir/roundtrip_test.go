package fhir_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/konsulin-care/konsulin-bot/fhir"
)

// wiretap stands between the Service and the stand-in and keeps what goes through.
type wiretap struct {
	*httptest.Server
	mu       sync.Mutex
	requests []tapped
}

type tapped struct {
	method, path, query, body string
	header                    http.Header
}

func tap(t testing.TB, target string) *wiretap {
	t.Helper()
	to, err := url.Parse(target)
	require.NoError(t, err)
	w := &wiretap{}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme, r.Out.URL.Host = to.Scheme, to.Host
	}}
	w.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			rw.WriteHeader(http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		w.mu.Lock()
		w.requests = append(w.requests, tapped{r.Method, r.URL.Path, r.URL.RawQuery, string(body), r.Header.Clone()})
		w.mu.Unlock()
		proxy.ServeHTTP(rw, r)
	}))
	t.Cleanup(w.Close)
	return w
}

func (w *wiretap) of(method string) []tapped {
	w.mu.Lock()
	defer w.mu.Unlock()
	var found []tapped
	for _, r := range w.requests {
		if r.method == method {
			found = append(found, r)
		}
	}
	return found
}

// strange is a Patient that a typed model would spoil. %s is where its identifiers are.
const strange = `{"resourceType" : "Patient",
  "id":"7", "meta":{"profile":["http://x/<y>&z"],"versionId":"1","lastUpdated":"2020-01-01T00:00:00Z"},
  "text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">\u00e9 é & \/ </div>"},
  "contained":[{"resourceType":"Organization","id":"o","name":"A & B"}],
  "extension":[{"url":"http://x/weight","valueDecimal":72.5000000000000000000001},{"url":"http://x/e","valueDecimal":1.0E+2}],
%s  "active":false, "multipleBirthInteger" : 9007199254740993,
  "name":[{"family":"O'Neil","_family":{"extension":[{"url":"u","valueString":"\u2028"}]},"given":["A",null]}],
  "_birthDate":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"unknown"}]},
  "unknownField":{"b":1,"a":[ 1 , 2.50 ]}, "emptyObject":{}, "telecom":[ {"system":"phone", "value":"%s" } ]
}`

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	ours := func(u fhir.User) string {
		return fmt.Sprintf(`{"system":"%s","value":"%s"},{"system":"%s","value":"%s"}`, systemUserID, u.ID, systemWhatsApp, u.Number.Digits())
	}
	for name, c := range map[string]struct{ before, after string }{
		"with identifiers": {
			`  "identifier": [ {"value":"x\u0041&<>", "system":"urn:a", "period":{"start":"2001"}} ,` + "\n" + `  {"use":"old","extra":1.10}  ],` + "\n",
			`  "identifier": [ {"value":"x\u0041&<>", "system":"urn:a", "period":{"start":"2001"}} ,` + "\n" + `  {"use":"old","extra":1.10},OURS  ],` + "\n",
		},
		"with an identifier that is null": {`"identifier":null,`, `"identifier":[OURS],`},
		"without":                         {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// A server of its own: the stand-in refuses what is not valid FHIR.
			u := someone(t)
			raw := fmt.Sprintf(strange, c.before, u.Number.Digits())
			want := fmt.Sprintf(strange, strings.ReplaceAll(c.after, "OURS", ours(u)), u.Number.Digits())
			if c.before == "" {
				want = strings.TrimSuffix(want, "\n}") + `,"identifier":[` + ours(u) + "]\n}"
			}
			var put string
			l := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				switch {
				case r.Method == http.MethodPut:
					body, _ := io.ReadAll(r.Body)
					put = string(body)
				case r.URL.Query().Has("phone"):
					_, _ = io.WriteString(rw, `{"resourceType":"Bundle","entry":[{"resource":`+raw+`}]}`)
				default:
					_, _ = io.WriteString(rw, `{"resourceType":"Bundle"}`)
				}
			}))
			t.Cleanup(l.Close)
			w := setup(t)
			_, err := w.service(l.URL).Sync(t.Context(), u)
			require.NoError(t, err)
			require.Equal(t, want, put)
		})
	}
}

func TestRoundTripThroughAServer(t *testing.T) {
	t.Parallel()
	w := setup(t)
	u := w.user()
	wire := tap(t, w.core.URL())
	ref := w.put(fmt.Sprintf(strange, `"identifier":[ {"system":"urn:a","value":"é","x":1.10} ],`, u.Number.Digits()))
	before, _ := w.core.Get(ref)
	_, err := w.service(wire.URL+"/fhir/").Sync(t.Context(), u)
	require.NoError(t, err)
	puts := wire.of(http.MethodPut)
	require.Len(t, puts, 1)
	require.Equal(t, `W/"1"`, puts[0].header.Get("If-Match"))
	require.Equal(t, "application/fhir+json", puts[0].header.Get("Content-Type"))
	added := fmt.Sprintf(`,{"system":"%s","value":"%s"},{"system":"%s","value":"%s"}`, systemUserID, u.ID, systemWhatsApp, u.Number.Digits())
	require.Equal(t, 1, strings.Count(puts[0].body, added))
	require.Equal(t, string(before), strings.Replace(puts[0].body, added, "", 1), "byte for byte")
	w.get(ref).carries(t, u)
}

func TestIfMatchRace(t *testing.T) {
	t.Parallel()
	for edits := range 6 {
		t.Run(fmt.Sprint(edits, " edits"), func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			u := w.user()
			ref := w.put(resource("Patient", telecom(u.Number.Digits())))
			left := make(chan int, edits)
			for i := range edits {
				left <- i
			}
			w.core.Before("update Patient", func() {
				select {
				case i := <-left:
					_, _ = w.core.Put([]byte(fmt.Sprintf(`{"resourceType":"Patient","id":"1","gender":"edit %d",%s}`, i, telecom(u.Number.Digits()))))
				default:
				}
			})
			require.Equal(t, []string{ref}, w.sync(u).Refs)
			raw, _ := w.core.Get(ref)
			if edits > 0 {
				require.Contains(t, string(raw), fmt.Sprintf(`"gender":"edit %d"`, edits-1), "the other's edit survives")
			}
			w.get(ref).carries(t, u)
		})
	}
}

func TestEditsWithoutEndAreGivenUp(t *testing.T) {
	t.Parallel()
	w := setup(t)
	u := w.user()
	w.put(resource("Patient", telecom(u.Number.Digits())))
	w.core.Before("update Patient", func() {
		_, _ = w.core.Put([]byte(`{"resourceType":"Patient","id":"1",` + telecom(u.Number.Digits()) + `}`))
	})
	_, err := w.s.Sync(t.Context(), u)
	require.ErrorContains(t, err, "others kept changing")
	require.False(t, permanent(err))
	require.Empty(t, w.get("Patient/1").Identifier)
}

func TestPlusEncoding(t *testing.T) {
	t.Parallel()
	w := setup(t)
	u := w.user()
	u.ID = "a+b&c=d %|,$\\ü#?/é"
	wire := tap(t, w.core.URL())
	s := w.service(wire.URL+"/fhir", func(c *fhir.Config) { c.Telecom = fhir.E164 })
	l, err := s.Sync(t.Context(), u)
	require.NoError(t, err)
	require.Equal(t, []string{"Patient/1"}, l.Refs)
	w.get("Patient/1").carries(t, u)
	l, err = s.Sync(t.Context(), u)
	require.NoError(t, err)
	require.False(t, l.Changed)
	require.Len(t, w.core.All("Patient"), 1)

	posts := wire.of(http.MethodPost)
	require.Len(t, posts, 1)
	condition := posts[0].header.Get("If-None-Exist")
	for _, raw := range []string{condition, wire.of(http.MethodGet)[0].query, wire.of(http.MethodGet)[1].query} {
		require.NotRegexp(t, `[| ,#?/:\\ü]`, strings.ReplaceAll(raw, "_count", ""))
	}
	require.Contains(t, condition, url.QueryEscape(systemWhatsApp+"|"+u.Number.Digits()))
	require.Contains(t, wire.of(http.MethodGet)[1].query, "phone="+u.Number.Digits()+"%2C%2B"+u.Number.Digits())
	for _, r := range wire.of(http.MethodGet) {
		require.Equal(t, "no-cache", r.header.Get("Cache-Control"))
	}
}
