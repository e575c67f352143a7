package web_test

import (
	"testing"

	"github.com/konsulin-care/konsulin-bot/web"
	"github.com/stretchr/testify/require"
)

// TestAnotherSiteBeginsNoLogin: a hostile page that sends a browser to the login page does not make it one that began a login;
// a link of the attacker's would open there without digits, and take the guest's records along.
func TestAnotherSiteBeginsNoLogin(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		header []string
		begins bool
	}{
		"typed in":                       {[]string{"Sec-Fetch-Site", "none"}, true},
		"our own page":                   {[]string{"Sec-Fetch-Site", "same-origin"}, true},
		"our own site":                   {[]string{"Sec-Fetch-Site", "same-site", "Referer", "https://app.konsulin.example/"}, true},
		"our website on another site":    {[]string{"Sec-Fetch-Site", "cross-site", "Referer", "https://app.example/journal"}, true},
		"another site":                   {[]string{"Sec-Fetch-Site", "cross-site"}, false},
		"another site that names itself": {[]string{"Sec-Fetch-Site", "cross-site", "Referer", "https://evil.example/"}, false},
		"another site with our name in":  {[]string{"Sec-Fetch-Site", "cross-site", "Referer", "https://app.example.evil.example/"}, false},
		"an old browser":                 {nil, true},
		"an old browser, another site":   {[]string{"Referer", "http://evil.example/"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, func(c *web.Config) { c.TrustedOrigins = []string{"https://app.example"} })
			page := b.get(t, "/auth", tc.header...)
			require.Equal(t, 200, page.Code)
			require.Contains(t, page.Body.String(), "wa.me/", "the page works all the same")
			require.Equal(t, tc.begins, b.sessions.started == 1)
			require.Equal(t, tc.begins, len(page.Result().Cookies()) > 0)
		})
	}
}
