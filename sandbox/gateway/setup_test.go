package gateway_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/konsulin-care/konsulin-bot/sandbox/fhir"
	"github.com/konsulin-care/konsulin-bot/sandbox/gateway"
	"github.com/konsulin-care/konsulin-bot/sandbox/omnichannel"
	"github.com/konsulin-care/konsulin-bot/sandbox/supertokens"
)

const (
	number = "6281234567890"
	base   = "/api/v1/auth"
)

// bundle is a gateway with everything behind it.
type bundle struct {
	*gateway.Server
	t    *testing.T
	core *supertokens.Server
	fhir *fhir.Server
	omni *omnichannel.Server
}

func setup(t *testing.T, change ...func(*gateway.Options)) bundle {
	t.Helper()
	b := bundle{t: t}
	var err error
	b.core, err = supertokens.New(supertokens.Options{APIKey: "key"})
	require.NoError(t, err)
	b.fhir, err = fhir.New(fhir.Options{Bearer: "token"})
	require.NoError(t, err)
	b.omni, err = omnichannel.New(omnichannel.Options{APIKey: "hook"})
	require.NoError(t, err)
	o := gateway.Options{
		Core: b.core.URL(), CoreKey: "key", FHIR: b.fhir.URL(), FHIRBearer: "token", Omnichannel: b.omni.URL(), HookKey: "hook",
	}
	for _, f := range change {
		f(&o)
	}
	b.Server, err = gateway.New(o)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, b.Close())
		require.Empty(t, b.core.Unknown(), "the gateway speaks as the core is spoken with")
		require.Empty(t, b.fhir.Unknown())
		require.Empty(t, b.omni.Unknown())
		require.NoError(t, b.omni.Close())
		require.NoError(t, b.fhir.Close())
		require.NoError(t, b.core.Close())
	})
	return b
}

// browser keeps cookies.
type browser struct {
	b    bundle
	http *http.Client
}

func (b bundle) browser() *browser {
	b.t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(b.t, err)
	return &browser{b, &http.Client{Jar: jar, Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}}
}

// reply is an answer with its body read.
type reply struct {
	status int
	header http.Header
	text   string
	body   map[string]any
}

// do sends a request to a path of the gateway. headers are pairs of name and value.
func (br *browser) do(method, path string, body any, headers ...string) reply {
	br.b.t.Helper()
	var payload io.Reader = http.NoBody
	if body != nil {
		raw, err := json.Marshal(body)
		require.NoError(br.b.t, err)
		payload = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(br.b.t.Context(), method, br.b.URL()+path, payload)
	require.NoError(br.b.t, err)
	req.Header.Set("st-auth-mode", "cookie")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := br.http.Do(req)
	require.NoError(br.b.t, err)
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	require.NoError(br.b.t, err)
	got := reply{status: resp.StatusCode, header: resp.Header, text: string(raw)}
	_ = json.Unmarshal(raw, &got.body) // pages and empty answers are no JSON
	return got
}

func (br *browser) post(path string, body any, headers ...string) reply {
	br.b.t.Helper()
	return br.do(http.MethodPost, base+path, body, headers...)
}

// ask asks for a link and returns what was sent.
func (br *browser) ask() map[string]any {
	br.b.t.Helper()
	got := br.post("/signinup/code", map[string]any{"phoneNumber": "+" + number})
	require.Equal(br.b.t, "OK", got.body["status"], got.text)
	return br.b.newest()
}

// newest is the body that consumes the link that was sent last.
func (b bundle) newest() map[string]any {
	b.t.Helper()
	sent := b.Sent()
	require.NotEmpty(b.t, sent)
	u, err := url.Parse(sent[len(sent)-1].URL)
	require.NoError(b.t, err)
	require.Equal(b.t, "/auth/verify", u.Path)
	require.Equal(b.t, "public", u.Query().Get("tenantId"))
	return map[string]any{"preAuthSessionId": u.Query().Get("preAuthSessionId"), "linkCode": u.Fragment}
}

// signIn asks for a link and follows it.
func (br *browser) signIn(headers ...string) reply {
	br.b.t.Helper()
	got := br.post("/signinup/code/consume", br.ask(), headers...)
	require.Equal(br.b.t, "OK", got.body["status"], got.text)
	return got
}

// patients are all Patients, as JSON.
func (b bundle) patients() (all []string) {
	for _, raw := range b.fhir.All("Patient") {
		all = append(all, string(raw))
	}
	return all
}
