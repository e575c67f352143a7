package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestDemoBesideAGateway: the link leads to the gateway's page, the gateway makes session, Patient and contact, and the bot
// notices and completes the Patient.
func TestDemoBesideAGateway(t *testing.T) {
	v := watch(t, func(f *demoFlags) { f.beside = true })
	gw := v.stage.gateway
	t.Cleanup(func() { require.Empty(t, gw.Unknown()) })
	require.Equal(t, http.StatusNotFound, status(t, "http://"+v.f.site+"/auth/verify"))
	for _, user := range []string{"siti", "dewi"} {
		v.press("/send", map[string]any{"user": user, "text": phrase})
		v.sees("a link", func() bool { return len(v.links(user)) == 1 })
		link := v.links(user)[0]
		require.True(t, strings.HasPrefix(link, gw.URL()+"/auth/verify?"), "links that can be tapped lead to the gateway")
		require.Equal(t, http.StatusOK, status(t, link))
		require.Contains(t, consume(t, gw.URL(), link), `"status":"OK"`)

		v.seesStep(user, "session", "A session is made")
		v.seesStep(user, "noticed", "The bot notices")
		v.seesStep(user, "patient", "The bot completes the Patient")
		v.seesStatus(user, "patient", "linked")
		card, contact := v.last("card", user, "fhir"), v.last("card", user, "omnichannel")
		require.NotEmpty(t, card.row("whatsapp"))
		require.NotContains(t, card.Detail, "somebody else")
		require.Equal(t, contact.Detail, "Contact "+card.row("chatwoot-id"))
	}
	require.Len(t, v.stage.omni.Contacts(), 2)
}

// consume is what the gateway's page posts.
func consume(t *testing.T, gateway, link string) string {
	t.Helper()
	u, err := url.Parse(link)
	require.NoError(t, err)
	body := fmt.Sprintf(`{"preAuthSessionId":%q,"linkCode":%q}`, u.Query().Get("preAuthSessionId"), u.Fragment)
	resp, err := (&http.Client{Timeout: 30 * time.Second}).Post(gateway+"/api/v1/auth/signinup/code/consume", "application/json", strings.NewReader(body))
	require.NoError(t, err)
	defer func() { require.NoError(t, resp.Body.Close()) }()
	raw, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(raw)
}

// TestDemoBesideAGatewaySaysWhichPortIsTaken: the flag is named.
func TestDemoBesideAGatewaySaysWhichPortIsTaken(t *testing.T) {
	f := flags(t)
	f.beside, f.gateway = true, f.page // taken by the page
	require.ErrorContains(t, demo(t.Context(), f, io.Discard, &bytes.Buffer{}), "--gateway")
}
