package fhir_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	server "github.com/konsulin-care/konsulin-bot/sandbox/fhir"
)

func TestWhatTheServerDoesNotKnowIsListed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		method, path, body string
		header             [2]string
		status             int
		unknown            string
	}{
		"type":                  {method: "GET", path: "/Observation/1", status: 404, unknown: "GET /fhir/Observation/1: unknown path"},
		"base":                  {method: "GET", path: "x/Patient", status: 404, unknown: "GET /fhirx/Patient: unknown path"},
		"double slash":          {method: "GET", path: "//Patient/1", status: 404, unknown: "GET /fhir//Patient/1: unknown path"},
		"final slash":           {method: "GET", path: "/Patient/", status: 404, unknown: "GET /fhir/Patient/: unknown path"},
		"history":               {method: "GET", path: "/Patient/1/_history/1", status: 404, unknown: "GET /fhir/Patient/1/_history/1: unknown path"},
		"operation":             {method: "POST", path: "/Patient/$match", body: "{}", status: 404, unknown: "POST /fhir/Patient/$match: unknown path"},
		"delete":                {method: "DELETE", path: "/Patient/1", status: 405, unknown: "DELETE /fhir/Patient/{id}: unknown method"},
		"patch":                 {method: "PATCH", path: "/Patient/1", body: "[]", status: 405, unknown: "PATCH /fhir/Patient/{id}: unknown method"},
		"post to an id":         {method: "POST", path: "/Patient/1", body: "{}", status: 405, unknown: "POST /fhir/Patient/{id}: unknown method"},
		"conditional update":    {method: "PUT", path: "/Patient?_id=1", body: "{}", status: 405, unknown: "PUT /fhir/Patient: unknown method"},
		"conditional delete":    {method: "DELETE", path: "/Patient?_id=1", status: 405, unknown: "DELETE /fhir/Patient: unknown method"},
		"search of the system":  {method: "GET", path: "?_id=1", status: 405, unknown: "GET /fhir: unknown method"},
		"get of a form":         {method: "GET", path: "/Patient/_search?_id=1", status: 405, unknown: "GET /fhir/Patient/_search: unknown method"},
		"parameter":             {method: "GET", path: "/Patient?name=x", status: 400, unknown: `GET /fhir/Patient: unknown parameter "name"`},
		"modifier":              {method: "GET", path: "/Patient?identifier:not=a%7Cb", status: 400, unknown: `GET /fhir/Patient: unknown parameter "identifier:not"`},
		"result parameter":      {method: "GET", path: "/Patient?_elements=id", status: 400, unknown: `GET /fhir/Patient: unknown parameter "_elements"`},
		"identifier, no system": {method: "GET", path: "/Patient?identifier=b", status: 400, unknown: `GET /fhir/Patient: parameter "identifier" without a value or in an unknown form`},
		"no value":              {method: "GET", path: "/Patient?phone=", status: 400, unknown: `GET /fhir/Patient: parameter "phone" without a value or in an unknown form`},
		"total":                 {method: "GET", path: "/Patient?_total=estimate", status: 400, unknown: "GET /fhir/Patient: unknown value of _total"},
		"parameter of a read":   {method: "GET", path: "/Patient/1?_format=json", status: 400, unknown: `GET /fhir/Patient/{id}: unknown parameter "_format"`},
		"parameter of metadata": {method: "GET", path: "/metadata?mode=full", status: 400, unknown: `GET /fhir/metadata: unknown parameter "mode"`},
		"parameter of a write":  {method: "POST", path: "/Patient?_pretty=1", body: `{"resourceType":"Patient"}`, status: 400, unknown: `POST /fhir/Patient: unknown parameter "_pretty"`},
		"If-Match of a read":    {method: "GET", path: "/Patient/1", header: [2]string{"If-Match", `W/"1"`}, status: 400, unknown: `GET /fhir/Patient/{id}: header "If-Match" here, or several times`},
		"condition of a PUT":    {method: "PUT", path: "/Patient/1", body: `{"resourceType":"Patient","id":"1"}`, header: [2]string{"If-None-Exist", "_id=1"}, status: 400, unknown: `PUT /fhir/Patient/{id}: header "If-None-Exist" here, or several times`},
		"header":                {method: "GET", path: "/Patient/1", header: [2]string{"If-None-Match", `W/"1"`}, status: 200, unknown: `GET /fhir/Patient/{id}: unknown header "If-None-Match"`},
		"preference":            {method: "PUT", path: "/Patient/1", body: `{"resourceType":"Patient","id":"1"}`, header: [2]string{"Prefer", "return=OperationOutcome"}, status: 200, unknown: "PUT /fhir/Patient/{id}: unknown preference"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, server.Options{})
			b.put(t, `{"resourceType":"Patient"}`)
			headers := c.header[:]
			if c.header[0] == "" {
				headers = nil
			}
			g := b.do(t, c.method, c.path, c.body, headers...)
			require.Equal(t, c.status, g.status, g.body)
			require.Equal(t, fhirJSON, g.header.Get("Content-Type"))
			require.Equal(t, []string{c.unknown}, b.Unknown())
			require.Len(t, b.All("Patient"), 1)
			require.Equal(t, 1, b.Calls(""))
		})
	}
}

func TestBodiesAndAnswersAreFHIRJSON(t *testing.T) {
	t.Parallel()
	b := setup(t, server.Options{})
	for _, kind := range []string{"application/json", "text/plain", "", "application/fhir+xml", ";"} {
		refused(t, b.do(t, http.MethodPost, "/Patient", patient("1"), "Content-Type", kind), http.StatusUnsupportedMediaType, "not-supported")
		refused(t, b.do(t, http.MethodPost, "", transaction(), "Content-Type", kind), http.StatusUnsupportedMediaType, "not-supported")
	}
	require.Empty(t, b.All("Patient"))
	g := b.do(t, http.MethodPost, "/Patient", patient("1"), "Content-Type", "application/fhir+json; charset=utf-8")
	require.Equal(t, http.StatusCreated, g.status)
	for accept, status := range map[string]int{fhirJSON: 200, "*/*": 200, "text/html, application/fhir+json;q=0.9": 200, "application/fhir+xml": 406} {
		require.Equal(t, status, b.do(t, http.MethodGet, "/Patient/1", "", "Accept", accept).status, accept)
	}
	require.Empty(t, b.Unknown())
}

func TestCredentialsAreAskedFor(t *testing.T) {
	t.Parallel()
	basic := func(user, password string) string {
		r := &http.Request{Header: http.Header{}}
		r.SetBasicAuth(user, password)
		return r.Header.Get("Authorization")
	}
	for name, c := range map[string]struct {
		o     server.Options
		right [2]string
		wrong [][2]string
	}{
		"bearer": {server.Options{Bearer: "secret"}, [2]string{"Authorization", "Bearer secret"},
			[][2]string{{"Authorization", "Bearer no"}, {"Authorization", "secret"}, {"Authorization", "Basic secret"}, {"Accept", "*/*"}}},
		"basic": {server.Options{User: "u", Password: "p"}, [2]string{"Authorization", basic("u", "p")},
			[][2]string{{"Authorization", basic("u", "x")}, {"Authorization", basic("x", "p")}, {"Authorization", "Bearer p"}, {"Accept", "*/*"}}},
		"api key": {server.Options{APIKeyHeader: "x-api-key", APIKey: "k"}, [2]string{"X-API-Key", "k"},
			[][2]string{{"X-API-Key", "x"}, {"Authorization", "k"}, {"Accept", "*/*"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, c.o)
			for _, path := range []string{"/metadata", "/Patient", "/none"} {
				for _, wrong := range c.wrong {
					refused(t, b.do(t, http.MethodGet, path, "", wrong[:]...), http.StatusUnauthorized, "login")
				}
			}
			refused(t, b.do(t, http.MethodPost, "/Patient", patient("1")), http.StatusUnauthorized, "login")
			require.Equal(t, http.StatusCreated, b.do(t, http.MethodPost, "/Patient", patient("1"), c.right[:]...).status)
			require.Len(t, b.All("Patient"), 1)
			require.Empty(t, b.Unknown())
		})
	}
	_, err := server.New(server.Options{APIKey: "k"})
	require.ErrorContains(t, err, "header")
}

func TestTheCapabilityStatementSaysWhatIsServed(t *testing.T) {
	t.Parallel()
	b := setup(t, server.Options{})
	g := b.do(t, http.MethodGet, "/metadata", "")
	require.Equal(t, http.StatusOK, g.status)
	var c struct {
		ResourceType, FHIRVersion string
		Rest                      []struct {
			Mode        string
			Interaction []struct{ Code string }
			Resource    []struct {
				Type, Versioning                string
				ConditionalCreate, UpdateCreate bool
				Interaction                     []struct{ Code string }
				SearchParam                     []struct{ Name string }
				SearchRevInclude                []string
			}
		}
	}
	require.NoError(t, json.Unmarshal([]byte(g.body), &c))
	require.Equal(t, "CapabilityStatement", c.ResourceType)
	require.Equal(t, "4.0.1", c.FHIRVersion)
	require.Len(t, c.Rest, 1)
	require.Equal(t, "server", c.Rest[0].Mode)
	require.Equal(t, "transaction", c.Rest[0].Interaction[0].Code)
	for i, kind := range []string{"Patient", "Practitioner", "Person", "QuestionnaireResponse"} {
		r := c.Rest[0].Resource[i]
		require.Equal(t, kind, r.Type)
		require.Equal(t, "versioned", r.Versioning)
		require.True(t, r.ConditionalCreate)
		require.False(t, r.UpdateCreate)
		require.Len(t, r.Interaction, 4)
		require.Empty(t, r.SearchRevInclude)
		for _, p := range r.SearchParam {
			value := map[string]string{"identifier": "s%7Cv"}[p.Name]
			require.Equal(t, 200, b.do(t, http.MethodGet, "/"+kind+"?"+p.Name+"="+value+"x", "").status, p.Name)
		}
	}
	require.Equal(t, 1, b.Calls("capabilities"))
	require.Empty(t, b.Unknown())
}

func TestOnlyLoopbackIsListenedOn(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"0.0.0.0:0", ":0", "192.0.2.1:0", "example.com:0", "127.0.0.1", "[::]:0"} {
		_, err := server.New(server.Options{Addr: addr})
		require.ErrorContains(t, err, "listen on", addr)
	}
	for _, addr := range []string{"", "127.0.0.1:0", "localhost:0"} {
		s, err := server.New(server.Options{Addr: addr})
		require.NoError(t, err)
		require.Regexp(t, `^http://127\.0\.0\.1:\d+/fhir$`, s.URL())
		require.NoError(t, s.Close())
		require.NoError(t, s.Close())
	}
}
