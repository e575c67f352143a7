package app

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/doctor"
	"github.com/konsulin-care/konsulin-bot/sandbox/supertokens"
	"github.com/stretchr/testify/require"
)

// addUser makes a user at the core behind the bot's back, with the number as it is written.
func addUser(t *testing.T, p *patient, number string) {
	t.Helper()
	post := func(path, body string) map[string]any {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.core.URL()+path, strings.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/json; charset=utf-8")
		req.Header.Set("cdi-version", "3.1")
		req.Header.Set("rid", "passwordless")
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer func() { require.NoError(t, resp.Body.Close()) }()
		var said map[string]any
		require.NoError(t, json.NewDecoder(resp.Body).Decode(&said))
		require.Equal(t, "OK", said["status"])
		return said
	}
	code := post("/public/recipe/signinup/code", fmt.Sprintf(`{"phoneNumber":%q}`, number))
	post("/public/recipe/signinup/code/consume", fmt.Sprintf(`{"preAuthSessionId":%q,"linkCode":%q}`, code["preAuthSessionId"], code["linkCode"]))
}

func TestDoctorOnABrokenCore(t *testing.T) {
	for name, s := range map[string]symptom{
		"down": {area: "core", level: doctor.Fail, says: "cannot be reached", do: "nobody can log in",
			breaks: func(_ *testing.T, p *patient) { p.core.Down(true) }},
		"a wrong key": {area: "core", level: doctor.Fail, says: "API key", do: "finding", core: supertokens.Options{APIKey: "right"},
			breaks: func(_ *testing.T, p *patient) { p.cfg.Auth.APIKey = "hunter2" }},
		"an old one": {area: "core", level: doctor.Fail, says: "is it too old? update the core", do: "finding",
			breaks: func(t *testing.T, p *patient) {
				s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"versions":["2.7","2.8"]}`)) }))
				t.Cleanup(s.Close)
				p.cfg.Auth.CoreURI = s.URL
			}},
		"no such tenant": {area: "core", level: doctor.Fail, says: "no tenant", do: "finding",
			breaks: func(_ *testing.T, p *patient) { p.cfg.Auth.Tenant = "other" }},
		"long links": {area: "core", level: doctor.Warn, says: "lives 15m0s", do: "600000", core: supertokens.Options{CodeLifetime: 15 * time.Minute},
			breaks: func(*testing.T, *patient) {}},
		"short links": {area: "core", level: doctor.Warn, says: "no longer than login.stale_after", do: "stale_after", core: supertokens.Options{CodeLifetime: time.Minute},
			breaks: func(*testing.T, *patient) {}},
		"a user with a plus": {area: "core", level: doctor.Warn, says: "a login makes a second user", do: "digits only",
			breaks: func(t *testing.T, p *patient) { addUser(t, p, "+6281234500001") }},
		"a user with a plus, beside a gateway": {area: "core", level: doctor.Warn, says: "they get no link", do: "digits only",
			breaks: func(t *testing.T, p *patient) { addUser(t, p, "+6281234500001"); p.cfg.Auth.Consume = consumeElsewhere }},
	} {
		t.Run(name, s.check)
	}
}

// statement is a FHIR server that says of itself what a test wants.
func statement(t *testing.T, p *patient, version, patient string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/metadata") {
			_, _ = fmt.Fprintf(w, `{"resourceType":"CapabilityStatement","fhirVersion":%q,"rest":[{"resource":[{"type":"Patient"%s}]}]}`, version, patient)
			return
		}
		_, _ = w.Write([]byte(`{"resourceType":"Bundle","type":"searchset"}`))
	}))
	t.Cleanup(s.Close)
	p.cfg.FHIR.BaseURL = s.URL
}

func TestDoctorOnABrokenFHIRServer(t *testing.T) {
	for name, s := range map[string]symptom{
		"none": {area: "fhir", level: doctor.Warn, says: "not set", do: "fhir.base_url", also: []string{"webhook"},
			breaks: func(_ *testing.T, p *patient) {
				p.cfg.FHIR.BaseURL, p.cfg.FHIR.Auth, p.cfg.FHIR.Secret = "", "none", ""
				p.cfg.Contact.BaseURL = ""
			}},
		"down": {area: "fhir", level: doctor.Fail, says: "FHIR server at", do: "Patients wait",
			breaks: func(_ *testing.T, p *patient) { p.fhir.Down(true) }},
		"a wrong token": {area: "fhir", level: doctor.Fail, says: "FHIR server at", do: "Patients wait",
			breaks: func(_ *testing.T, p *patient) { p.cfg.FHIR.Secret = "hunter2" }},
		"another server": {area: "fhir", level: doctor.Fail, says: "does fhir.base_url point to a FHIR server", do: "Patients wait",
			breaks: func(t *testing.T, p *patient) {
				s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{}`)) }))
				t.Cleanup(s.Close)
				p.cfg.FHIR.BaseURL = s.URL
			}},
		"no conditional create": {area: "fhir", level: doctor.Warn, says: "If-None-Exist", do: "fhir scan",
			breaks: func(t *testing.T, p *patient) { statement(t, p, "4.0.1", `,"versioning":"versioned"`) }},
		"no versions": {area: "fhir", level: doctor.Fail, says: "If-Match", do: "versioning",
			breaks: func(t *testing.T, p *patient) {
				statement(t, p, "4.0.1", `,"conditionalCreate":true,"versioning":"no-version"`)
			}},
		"R5": {area: "fhir", level: doctor.Warn, says: `"5.0.0"`, do: "R4",
			breaks: func(t *testing.T, p *patient) {
				statement(t, p, "5.0.0", `,"conditionalCreate":true,"versioning":"versioned-update"`)
			}},
	} {
		t.Run(name, s.check)
	}
}

func TestDoctorOnABrokenWebhookAndPublicAddress(t *testing.T) {
	says := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/readyz") {
				_, _ = w.Write([]byte(`{"ready":true}`))
				return
			}
			w.WriteHeader(status)
		}
	}
	hook := func(t *testing.T, p *patient, status int) {
		s := httptest.NewServer(says(status))
		t.Cleanup(s.Close)
		p.cfg.Contact.BaseURL = s.URL
	}
	for name, s := range map[string]symptom{
		"no webhook": {area: "webhook", level: doctor.Warn, says: "not set", do: "contact.base_url",
			breaks: func(_ *testing.T, p *patient) { p.cfg.Contact.BaseURL = "" }},
		"down": {area: "webhook", level: doctor.Fail, says: "no answer", do: "contacts wait",
			breaks: func(_ *testing.T, p *patient) { p.hook.Down(true) }},
		"broken": {area: "webhook", level: doctor.Fail, says: "status 502", do: "gateway",
			breaks: func(t *testing.T, p *patient) { hook(t, p, http.StatusBadGateway) }},
		"not there": {area: "webhook", level: doctor.Warn, says: "404", do: "contact.base_url",
			breaks: func(t *testing.T, p *patient) { hook(t, p, http.StatusNotFound) }},
		"elsewhere": {area: "webhook", level: doctor.Warn, says: "status 308", do: "contact.base_url",
			breaks: func(t *testing.T, p *patient) { hook(t, p, http.StatusPermanentRedirect) }},
		"a key that makes Superadmin": {area: "webhook", level: doctor.Warn, says: "Superadmin", do: "modify-profile",
			breaks: func(_ *testing.T, p *patient) { p.cfg.Contact.Auth, p.cfg.Contact.Secret = "api_key", "hunter2" }},
		"a key that is none": {area: "webhook", level: doctor.Fail, says: "PEM", do: "contact section",
			breaks: func(_ *testing.T, p *patient) { p.cfg.Contact.Auth, p.cfg.Contact.Secret = "jwt", "hunter2" }},
		"only this machine": {area: "public", level: doctor.Warn, says: "is this machine", do: "public https address",
			breaks: func(_ *testing.T, p *patient) {
				p.cfg.Auth.APIDomain, p.cfg.Auth.WebsiteDomain = "http://127.0.0.1:1", "http://127.0.0.1:1"
			}},
		"a bad certificate": {area: "public", level: doctor.Fail, says: "certificate is signed by nobody", do: "renew",
			breaks: func(_ *testing.T, p *patient) { p.trust = false }},
		"no such name": {area: "public", level: doctor.Warn, says: "DNS", do: "phone",
			breaks: func(_ *testing.T, p *patient) {
				p.opt.HTTP = doctor.NewClient(placeTimeout)
				p.cfg.Auth.APIDomain, p.cfg.Auth.WebsiteDomain = "https://login.invalid", "https://login.invalid"
			}},
		"the proxy leads nowhere": {area: "public", level: doctor.Fail, says: "status 502", do: "http.listen",
			breaks: func(_ *testing.T, p *patient) { p.web = says(http.StatusBadGateway) }},
		"nothing runs behind the proxy": {area: "public", level: doctor.Warn, says: "while no serve runs", do: "start serve", also: []string{"service"},
			breaks: func(t *testing.T, p *patient) {
				p.web = says(http.StatusBadGateway)
				require.NoError(t, p.serves.Release())
			}},
	} {
		t.Run(name, s.check)
	}
}
