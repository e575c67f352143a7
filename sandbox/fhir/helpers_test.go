package fhir_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	server "github.com/konsulin-care/konsulin-bot/sandbox/fhir"
)

const (
	whatsapp = "https://login.konsulin.care/whatsapp"
	fhirJSON = "application/fhir+json"
)

// bench is a stand-in and a client.
type bench struct {
	*server.Server
	client http.Client
}

// setup starts a stand-in of its own for a test.
func setup(t testing.TB, o server.Options) *bench {
	t.Helper()
	s, err := server.New(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	// A connection for each request: one that is kept may be cut between two requests, which reads as EOF.
	return &bench{Server: s, client: http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}}
}

// got is an answer.
type got struct {
	status int
	header http.Header
	body   string
}

// try sends a request. headers are pairs of name and value; a Content-Type goes without saying.
func (b *bench) try(t testing.TB, method, path, body string, headers ...string) (got, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, b.URL()+path, strings.NewReader(body))
	require.NoError(t, err)
	if body != "" {
		req.Header.Set("Content-Type", fhirJSON)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := b.client.Do(req)
	if err != nil {
		return got{}, err
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	return got{res.StatusCode, res.Header, string(raw)}, err
}

func (b *bench) do(t testing.TB, method, path, body string, headers ...string) got {
	t.Helper()
	g, err := b.try(t, method, path, body, headers...)
	require.NoError(t, err)
	return g
}

// put is another writer's Patient; it returns the reference.
func (b *bench) put(t testing.TB, resource string) string {
	t.Helper()
	ref, err := b.Put([]byte(resource))
	require.NoError(t, err)
	return ref
}

// patient has a number, as identifier and as telecom.
func patient(number string) string {
	return `{"resourceType":"Patient","identifier":[{"system":"` + whatsapp + `","value":"` + number +
		`"}],"telecom":[{"system":"phone","value":"` + number + `","use":"mobile"}]}`
}

func byNumber(number string) string {
	return url.Values{"identifier": {whatsapp + "|" + number}}.Encode()
}

// bundle is a page of a search.
type bundle struct {
	ResourceType, Type string
	Total              *int
	Link               []struct{ Relation, URL string }
	Entry              []struct {
		FullURL  string
		Resource json.RawMessage
		Response struct{ Status, Location, Etag string }
	}
}

func (g got) bundle(t testing.TB) bundle {
	t.Helper()
	require.Equal(t, http.StatusOK, g.status, g.body)
	var b bundle
	require.NoError(t, json.Unmarshal([]byte(g.body), &b), g.body)
	require.Equal(t, "Bundle", b.ResourceType)
	return b
}

// ids are the ids of a page, in order.
func (b bundle) ids(t testing.TB) []string {
	t.Helper()
	ids := []string{}
	for _, e := range b.Entry {
		var r struct{ ID string }
		require.NoError(t, json.Unmarshal(e.Resource, &r))
		ids = append(ids, r.ID)
	}
	return ids
}

func (b bundle) link(relation string) string {
	for _, l := range b.Link {
		if l.Relation == relation {
			return l.URL
		}
	}
	return ""
}

// search returns the ids that a search finds, over all pages.
func (b *bench) search(t testing.TB, kind, query string) []string {
	t.Helper()
	path, ids := "/"+kind+"?"+query, []string{}
	for range 1000 {
		page := b.do(t, http.MethodGet, path, "").bundle(t)
		ids = append(ids, page.ids(t)...)
		next := page.link("next")
		if next == "" {
			return ids
		}
		var below bool
		path, below = strings.CutPrefix(next, b.URL())
		require.True(t, below)
	}
	require.Fail(t, "the pages never end")
	return nil
}

// refused checks an answer that says no.
func refused(t testing.TB, g got, status int, code string) {
	t.Helper()
	require.Equal(t, status, g.status, g.body)
	require.Equal(t, fhirJSON, g.header.Get("Content-Type"))
	var o struct {
		ResourceType string
		Issue        []struct{ Severity, Code, Diagnostics string }
	}
	require.NoError(t, json.Unmarshal([]byte(g.body), &o), g.body)
	require.Equal(t, "OperationOutcome", o.ResourceType)
	require.Len(t, o.Issue, 1)
	require.Equal(t, "error", o.Issue[0].Severity)
	require.Equal(t, code, o.Issue[0].Code)
	require.NotEmpty(t, o.Issue[0].Diagnostics)
}
