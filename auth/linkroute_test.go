package auth_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/stretchr/testify/require"
)

const linkRoute = "/api/v1/auth/login/link?preAuthSessionId="

// looks is what a front end is told about a link.
func (b browser) looks(m magic) answer {
	b.w.t.Helper()
	a := b.do(http.MethodGet, linkRoute+url.QueryEscape(m.preAuth), nil)
	require.Equal(b.w.t, http.StatusOK, a.status, a.raw)
	return a
}

func TestFrontEndIsToldWhatItsPageNeedsAndNoWholeNumber(t *testing.T) {
	w := setup(t, withReference)
	own, foreign := w.browser(), w.browser()
	own.guest()
	r := asked(newNumber(t), newReply(t))
	r.Reference = own.begin("/journal")
	m := w.linkFor(r)

	a := own.looks(m)
	require.Equal(t, "open", a.says("state"))
	require.Equal(t, "self", a.says("door"))
	require.Equal(t, m.number.Masked(), a.says("number"))
	require.Equal(t, "/journal", a.says("returnPath"))
	require.Equal(t, true, a.body["comes"])
	require.Positive(t, a.body["expires_in"])

	a = foreign.looks(m)
	require.Equal(t, "digits", a.says("door"))
	require.InDelta(t, 3, a.body["triesLeft"], 0)
	digits := m.number.Digits()
	require.NotContains(t, a.raw, digits[len(digits)-4:])
	require.NotContains(t, a.raw, m.code)

	wrong := map[bool]string{true: "0000", false: "1111"}[!strings.HasSuffix(digits, "0000")]
	foreign.present(m, map[string]any{"digits": wrong})
	require.InDelta(t, 2, foreign.looks(m).body["triesLeft"], 0)
	require.Equal(t, "OK", own.present(m, nil).says("status"))
	require.Equal(t, "used", foreign.looks(m).says("state"))
}

func TestLookingAtALinkTellsNothingOfOthersAndChangesNothing(t *testing.T) {
	w := setup(t)
	m := w.fresh()
	b := w.browser()
	for range 5 {
		require.Equal(t, "open", b.looks(m).says("state"))
	}
	require.Equal(t, http.StatusMethodNotAllowed, b.do(http.MethodPost, linkRoute+m.preAuth, nil).status)
	unknown := b.do(http.MethodGet, linkRoute+"unknown", nil)
	require.Equal(t, "expired", unknown.says("state"))
	require.Empty(t, unknown.says("number"))
	w.clock.advance(time.Hour)
	require.Equal(t, unknown.raw, b.looks(m).raw, "one that is over looks as one that never was")
}

func TestFrontEndsOfTheWebsiteMayReadWhenToAskAgain(t *testing.T) {
	w := setup(t)
	a := w.browser().do(http.MethodGet, linkRoute+"unknown", nil, "Origin", "https://konsulin.example")
	require.Equal(t, "https://konsulin.example", a.header.Get("Access-Control-Allow-Origin"))
	require.Contains(t, strings.ToLower(a.header.Get("Access-Control-Expose-Headers")), "retry-after")
	a = w.browser().do(http.MethodGet, linkRoute+"unknown", nil, "Origin", "https://evil.example")
	require.Empty(t, a.header.Get("Access-Control-Allow-Origin"))
}

func TestLinksOfAnotherProgramAreNotLookedAt(t *testing.T) {
	w := setup(t, func(c *auth.Config) { c.Elsewhere = true })
	require.Equal(t, http.StatusTeapot, w.browser().do(http.MethodGet, linkRoute+"unknown", nil).status)
}
