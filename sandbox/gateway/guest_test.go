package gateway_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func (br *browser) beGuest(query string) map[string]any {
	br.b.t.Helper()
	got := br.post("/anonymous-session"+query, nil)
	require.Equal(br.b.t, http.StatusOK, got.status)
	require.Equal(br.b.t, true, got.body["success"])
	data, ok := got.body["data"].(map[string]any)
	require.True(br.b.t, ok)
	require.Equal(br.b.t, "guest", data["role"])
	return data
}

func (b bundle) answers(guest string, n int) {
	b.t.Helper()
	for range n {
		_, err := b.fhir.Put([]byte(`{"resourceType":"QuestionnaireResponse","status":"completed","identifier":{"system":"https://login.konsulin.care/guestid","value":"` + guest + `"}}`))
		require.NoError(b.t, err)
	}
}

// TestAGuestIsTheSameUntilForced promises one guest for each browser.
func TestAGuestIsTheSameUntilForced(t *testing.T) {
	t.Parallel()
	b := setup(t)
	br := b.browser()
	first := br.beGuest("")
	require.Equal(t, true, first["is_new"])
	again := br.beGuest("")
	require.Equal(t, first["guest_id"], again["guest_id"])
	require.Equal(t, false, again["is_new"])
	require.NotEqual(t, first["guest_id"], br.beGuest("?force_new=true")["guest_id"])
	require.NotEqual(t, first["guest_id"], b.browser().beGuest("")["guest_id"])
}

// TestAClaimReadsOnePage promises the gateway's claim with its faults: it takes the first page only, and says claimed
// whatever happened.
func TestAClaimReadsOnePage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	br := b.browser()
	guest := fmt.Sprint(br.beGuest("")["guest_id"])
	b.answers(guest, 60)
	require.Equal(t, http.StatusUnauthorized, br.do(http.MethodPatch, base+"/anonymous/claim", nil).status)
	br.signIn()
	got := br.do(http.MethodPatch, base+"/anonymous/claim", nil)
	require.Equal(t, http.StatusOK, got.status, got.text)
	data, ok := got.body["data"].(map[string]any)
	require.True(t, ok)
	require.Equal(t, true, data["claimed"])
	require.InDelta(t, 50, data["count"], 0)
	require.Len(t, data["referenceList"], 50)
	mine := 0
	for _, raw := range b.fhir.All("QuestionnaireResponse") {
		if strings.Contains(string(raw), `"subject":{"reference":"Patient/1"}`) {
			mine++
			require.NotContains(t, string(raw), guest)
		}
	}
	require.Equal(t, 50, mine)
	require.Equal(t, http.StatusNoContent, br.do(http.MethodPatch, base+"/anonymous/claim", nil).status, "the cookie is gone")
	got = br.do(http.MethodPatch, base+"/anonymous/claim", nil, "Cookie", "anon_session=invented")
	require.Equal(t, true, got.body["data"].(map[string]any)["claimed"], "as the gateway says")
	require.Empty(t, b.Unknown())
}
