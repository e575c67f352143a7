package auth_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/stretchr/testify/require"
)

func TestPublicMintingClosed(t *testing.T) {
	for _, base := range []string{"/api/v1/auth", "/auth", ""} {
		t.Run("base "+base, func(t *testing.T) {
			w := setup(t, func(c *auth.Config) { c.APIBasePath = base })
			m := w.fresh()
			require.Equal(t, "OK", w.browser().do(http.MethodPost, base+"/signinup/code/consume",
				map[string]string{"preAuthSessionId": m.preAuth, "linkCode": m.code, "digits": lastOf(m.number)}, "st-auth-mode", "cookie").says("status"),
				"the base path is right")
			before := w.proxy.count("")
			b := w.browser()
			n := newNumber(t)
			for _, path := range []string{
				"/signinup/code", "/signinup/code/resend", "/signup/email/exists", "/signup/phonenumber/exists",
				"/passwordless/email/exists", "/passwordless/phonenumber/exists", "/phonenumber/exists", "/email/exists",
			} {
				for _, spelled := range spellings(base, path) {
					for _, method := range []string{http.MethodPost, http.MethodGet, http.MethodHead, http.MethodPut} {
						for _, rid := range []string{"", "passwordless", "thirdpartypasswordless", "anti-csrf", "session", "nonsense"} {
							a := b.do(method, spelled+"?"+url.Values{"phoneNumber": {n.Digits()}, "email": {"a@b.example"}}.Encode(),
								map[string]string{"phoneNumber": n.Digits(), "deviceId": "d", "preAuthSessionId": m.preAuth}, "rid", rid)
							require.Equal(t, http.StatusNotFound, a.status, "%s %s (rid %q)", method, spelled, rid)
							require.NotContains(t, a.raw, "exists")
						}
					}
				}
			}
			require.Equal(t, before, w.proxy.count(""), "the core is not asked")
			require.Empty(t, w.core.codes(n))
		})
	}
}

// spellings are the ways in which the SDK's own router would find the path.
func spellings(base, path string) []string {
	shout := func(s string) string { return strings.ToUpper(s) }
	return []string{
		base + path, base + "/public" + path, base + "/other-tenant" + path, shout(base + path), base + shout(path),
		base + "/PUBLIC" + shout(path), base + path + "/", base + "/public" + path + "/",
		base + path + "%3Fx", base + path + "%23x", base + strings.ReplaceAll(path, "i", "%69"), base + path + "%20",
	}
}

func TestEverythingElseGoesOn(t *testing.T) {
	w := setup(t)
	b := w.browser()
	for _, path := range []string{
		"/", "/auth/verify", "/api/v1/auth", "/api/v1/auth/", "/api/v1/auth/session", "/api/v1/authentic/signinup/code", "/livez",
		"/signinup/code/consume", "/api/v1/auth/loginmethods", "/api/v1/auth/dashboard", "/api/v1/auth/signin", "/api/v1/auth/a/b/c",
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			require.Equal(t, http.StatusTeapot, b.do(method, path, nil).status, "%s %s", method, path)
		}
	}
	require.Zero(t, w.proxy.count(""))
}

func TestConsumeRouteIsFoundAsTheSDKFindsIt(t *testing.T) {
	w := setup(t)
	for _, path := range []string{
		"/api/v1/auth/signinup/code/consume", "/api/v1/auth/public/signinup/code/consume", "/API/v1/auth/signinup/CODE/consume/",
	} {
		m := w.fresh()
		a := w.browser().do(http.MethodPost, path, map[string]string{"preAuthSessionId": m.preAuth, "linkCode": m.code, "digits": lastOf(m.number)}, "rid", "passwordless")
		require.Equal(t, "OK", a.says("status"), path)
	}
	require.Len(t, w.store.recorded(), 3)
}

func TestPublicKeysAreServed(t *testing.T) {
	w := setup(t)
	a := w.browser().do(http.MethodGet, "/api/v1/auth/jwt/jwks.json", nil)
	require.Equal(t, http.StatusOK, a.status)
	require.NotEmpty(t, a.body["keys"])
	a = w.browser().do(http.MethodGet, "/api/v1/auth/.well-known/openid-configuration", nil)
	require.Equal(t, "http://127.0.0.1:8080/api/v1/auth", a.says("issuer"))
}
