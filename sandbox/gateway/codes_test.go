package gateway_test

import (
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/konsulin-care/konsulin-bot/sandbox/gateway"
)

// TestACodeLeavesAPatientAndAContact promises the side effects of a code: a Patient without user when it is created for a
// number that has none, and the same Patient with its user, and one contact, when it is consumed.
func TestACodeLeavesAPatientAndAContact(t *testing.T) {
	t.Parallel()
	b := setup(t)
	br := b.browser()
	link := br.ask()
	require.Len(t, b.patients(), 1)
	require.NotContains(t, b.patients()[0], "userid")
	require.Contains(t, b.patients()[0], `"system":"https://login.konsulin.care/chatwoot-id","value":"1"`)
	require.Contains(t, b.patients()[0], `{"system":"phone","use":"work","value":"`+number+`"}`)
	require.Empty(t, b.core.Users())

	got := br.post("/signinup/code/consume", link)
	require.Equal(t, "OK", got.body["status"], got.text)
	require.Equal(t, true, got.body["createdNewUser"])
	users := b.core.Users()
	require.Len(t, users, 1)
	require.Equal(t, number, users[0].Phone)
	require.Equal(t, []string{"Patient"}, users[0].Roles)
	require.Len(t, b.patients(), 1)
	require.Contains(t, b.patients()[0], users[0].ID)
	require.Len(t, b.omni.Contacts(), 1)
	require.Equal(t, "+"+number, b.omni.Contacts()[0].Phone)
	require.Equal(t, 2, b.omni.Calls(), "the webhook is called each time")
	me := br.do(http.MethodGet, base+"/session", nil)
	require.Equal(t, users[0].ID, me.body["userId"])
	require.Equal(t, "Patient/1", me.body["fhirResourceId"])

	got = br.post("/signinup/code/consume", link)
	require.Equal(t, "RESTART_FLOW_ERROR", got.body["status"], "a link works once")
	require.Empty(t, b.Unknown())
}

// TestTheGatewayWritesWithoutCare promises that the stand-in is as careless as the gateway: it overwrites another's user id,
// and two at once make two Patients.
func TestTheGatewayWritesWithoutCare(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.fhir.Put([]byte(`{"resourceType":"Patient","name":[{"given":["Rahma"],"family":"Wijaya"}],
		"identifier":[{"system":"https://login.konsulin.care/userid","value":"somebody"},{"system":"mrn","value":"7","use":"old"}],
		"telecom":[{"system":"phone","value":"` + number + `"}],"_birthDate":{"extension":[{"url":"x","valueDecimal":1.50}]}}`))
	require.NoError(t, err)
	b.browser().signIn()
	require.Len(t, b.patients(), 1)
	require.NotContains(t, b.patients()[0], "somebody")
	require.Contains(t, b.patients()[0], b.core.Users()[0].ID)
	require.Contains(t, b.patients()[0], `{"system":"mrn","value":"7","use":"old"}`)
	require.Contains(t, b.patients()[0], "1.50", "what it does not edit stays")
	require.Equal(t, "Rahma Wijaya", b.omni.Contacts()[0].Name)

	racy := setup(t)
	var met sync.WaitGroup
	met.Add(2)
	racy.fhir.After("search Patient", func() { met.Done(); met.Wait() }) // both have looked before either writes
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() { racy.browser().post("/signinup/code", map[string]any{"phoneNumber": number}) })
	}
	both.Wait()
	require.Len(t, racy.patients(), 2)
}

// TestAnInvitationDeletesTheNumbersCodes promises what a clinic's invitation does to a link that is on its way.
func TestAnInvitationDeletesTheNumbersCodes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	older := b.browser().ask()
	require.NoError(t, b.Invite(t.Context(), number))
	require.Len(t, b.core.Users(), 1)
	require.Zero(t, b.core.Sessions(b.core.Users()[0].ID))
	require.Equal(t, "RESTART_FLOW_ERROR", b.browser().post("/signinup/code/consume", older).body["status"])
	require.Equal(t, "OK", b.browser().post("/signinup/code/consume", b.newest()).body["status"])
}

// TestResend promises another code for the same device, both good until one is used.
func TestResend(t *testing.T) {
	t.Parallel()
	b := setup(t)
	br := b.browser()
	made := br.post("/signinup/code", map[string]any{"phoneNumber": number})
	require.Equal(t, "MAGIC_LINK", made.body["flowType"])
	again := map[string]any{"deviceId": made.body["deviceId"], "preAuthSessionId": made.body["preAuthSessionId"]}
	require.Equal(t, "OK", br.post("/signinup/code/resend", again).body["status"])
	require.Equal(t, 2, b.core.Codes(number))
	require.Equal(t, number, b.Sent()[1].To)
	require.Equal(t, "OK", br.post("/public/signinup/code/consume", b.newest()).body["status"], "the path may name the tenant")
	require.Equal(t, "RESTART_FLOW_ERROR", br.post("/signinup/code/resend", again).body["status"])
}

// TestEMail promises the e-mail login that the front end has beside the other.
func TestEMail(t *testing.T) {
	t.Parallel()
	b := setup(t)
	br := b.browser()
	require.Equal(t, "OK", br.post("/signinup/code", map[string]any{"email": "siti@example.org"}).body["status"])
	require.Equal(t, "OK", br.post("/signinup/code/consume", b.newest()).body["status"])
	require.Len(t, b.patients(), 1)
	require.Contains(t, b.patients()[0], "siti@example.org")
	require.Zero(t, b.omni.Calls())
}

// TestAWebhookThatFailsStopsNobody promises that only the contact is missing then, and that it comes the next time.
func TestAWebhookThatFailsStopsNobody(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.omni.Down(true)
	b.browser().signIn()
	require.NotContains(t, b.patients()[0], "chatwoot")
	b.omni.Down(false)
	b.browser().signIn()
	require.Len(t, b.patients(), 1)
	require.Contains(t, b.patients()[0], "chatwoot")
}

// TestWhatIsBehindFails promises an error, and no session, when the core or the FHIR server is away.
func TestWhatIsBehindFails(t *testing.T) {
	t.Parallel()
	b := setup(t)
	br := b.browser()
	link := br.ask()
	b.fhir.Down(true)
	require.Equal(t, http.StatusInternalServerError, br.post("/signinup/code/consume", link).status)
	require.Len(t, b.core.Users(), 1, "the code was consumed all the same")
	require.Zero(t, b.core.Sessions(b.core.Users()[0].ID))
	b.fhir.Down(false)
	b.core.Down(true)
	require.Equal(t, http.StatusInternalServerError, br.post("/signinup/code", map[string]any{"phoneNumber": number}).status)
}

// TestLateRecords promises a session before the records, for tests that want the two programs to meet.
func TestLateRecords(t *testing.T) {
	t.Parallel()
	released := make(chan struct{})
	b := setup(t, func(o *gateway.Options) { o.Late = func(string) { <-released } })
	require.NoError(t, b.Invite(t.Context(), number)) // its records are not late
	code := b.newest()
	require.Len(t, b.patients(), 1)
	b.fhir.Delete("Patient/1")
	require.Equal(t, "OK", b.browser().post("/signinup/code/consume", code).body["status"])
	require.Equal(t, 1, b.core.Sessions(b.core.Users()[0].ID))
	require.Empty(t, b.patients())
	close(released)
	require.NoError(t, b.Close())
	require.Len(t, b.patients(), 1)
}
