package supertokens_test

import (
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
)

// ask sends one request to the target and decodes the answer, which must be a good one.
func (g *target) ask(t *testing.T, method, path, body string) map[string]any {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, g.url+path, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("api-key", g.key)
	req.Header.Set("cdi-version", "3.1")
	res, err := g.client.Do(req)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	raw := readAll(t, res.Body)
	require.Equal(t, http.StatusOK, res.StatusCode, raw)
	var answer map[string]any
	require.NoError(t, json.Unmarshal([]byte(raw), &answer), raw)
	return answer
}

// parse verifies a token with the keys that the core publishes.
func (g *target) parse(t *testing.T, token string) (header, claims map[string]any) {
	t.Helper()
	keys := map[string]*rsa.PublicKey{}
	for _, k := range g.ask(t, http.MethodGet, "/.well-known/jwks.json", "")["keys"].([]any) {
		k := k.(map[string]any)
		n, err := base64.RawURLEncoding.DecodeString(k["n"].(string))
		require.NoError(t, err)
		e, err := base64.RawURLEncoding.DecodeString(k["e"].(string))
		require.NoError(t, err)
		keys[k["kid"].(string)] = &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
	}
	all := jwt.MapClaims{}
	parsed, err := jwt.ParseWithClaims(token, all, func(t *jwt.Token) (any, error) { return keys[t.Header["kid"].(string)], nil })
	require.NoError(t, err)
	return parsed.Header, all
}

func TestAccessTokensCarryWhatTheSDKReads(t *testing.T) {
	sideBySide(t)
	for prefix, dynamic := range map[string]string{"d-": "true", "s-": "false"} {
		t.Run(prefix, func(t *testing.T) {
			g := setupTarget(t)
			made := g.ask(t, http.MethodPost, "/public/recipe/session", `{"userId":"u","userDataInJWT":{"a":[1,{"b":null}],"n":null,
				"iss":"http://127.0.0.1/auth"},"userDataInDatabase":{},"enableAntiCsrf":true,"useDynamicSigningKey":`+dynamic+`}`)
			token := made["accessToken"].(map[string]any)
			header, claims := g.parse(t, token["token"].(string))
			require.True(t, strings.HasPrefix(header["kid"].(string), prefix))
			delete(header, "kid")
			require.Equal(t, map[string]any{"alg": "RS256", "typ": "JWT", "version": "4"}, header)

			require.InDelta(t, token["expiry"].(float64)/1000, claims["exp"], 0)
			require.InDelta(t, token["createdTime"].(float64)/1000, claims["iat"], 0)
			require.Len(t, claims["refreshTokenHash1"], 64)
			for _, name := range []string{"exp", "iat", "refreshTokenHash1"} {
				delete(claims, name)
			}
			require.Equal(t, map[string]any{
				"sub": "u", "tId": "public", "sessionHandle": made["session"].(map[string]any)["handle"],
				"parentRefreshTokenHash1": nil, "antiCsrfToken": made["antiCsrfToken"],
				"a": []any{1.0, map[string]any{"b": nil}}, "n": nil, "iss": "http://127.0.0.1/auth",
			}, claims)
		})
	}
}

func TestRefreshedTokensNameTheirParents(t *testing.T) {
	sideBySide(t)
	g := setupTarget(t)
	made := g.ask(t, http.MethodPost, "/public/recipe/session",
		`{"userId":"u","userDataInJWT":{},"userDataInDatabase":{},"enableAntiCsrf":false}`)
	_, first := g.parse(t, made["accessToken"].(map[string]any)["token"].(string))
	body, err := json.Marshal(map[string]any{
		"refreshToken": made["refreshToken"].(map[string]any)["token"], "enableAntiCsrf": false, "useDynamicSigningKey": false,
	})
	require.NoError(t, err)
	next := g.ask(t, http.MethodPost, "/recipe/session/refresh", string(body))
	header, second := g.parse(t, next["accessToken"].(map[string]any)["token"].(string))
	require.Equal(t, first["refreshTokenHash1"], second["parentRefreshTokenHash1"])
	require.NotEqual(t, first["refreshTokenHash1"], second["refreshTokenHash1"])
	require.True(t, strings.HasPrefix(header["kid"].(string), "s-"), "a refresh may change the kind of key")
}

func TestARefreshThatIsTheftLeavesTheKindOfKey(t *testing.T) {
	sideBySide(t)
	g := setupTarget(t)
	token := func(answer map[string]any, name string) string {
		return answer[name].(map[string]any)["token"].(string)
	}
	refresh := func(token, more string) map[string]any {
		return g.ask(t, http.MethodPost, "/public/recipe/session/refresh", `{"refreshToken":"`+token+`","enableAntiCsrf":false`+more+`}`)
	}
	first := g.ask(t, http.MethodPost, "/public/recipe/session",
		`{"userId":"u","userDataInJWT":{},"userDataInDatabase":{},"enableAntiCsrf":false,"useDynamicSigningKey":false}`)
	second := refresh(token(first, "refreshToken"), "")
	third := refresh(token(second, "refreshToken"), "")
	require.Equal(t, "TOKEN_THEFT_DETECTED", refresh(token(first, "refreshToken"), `,"useDynamicSigningKey":true`)["status"])
	fourth := refresh(token(third, "refreshToken"), "")
	header, _ := g.parse(t, token(fourth, "accessToken"))
	require.True(t, strings.HasPrefix(header["kid"].(string), "s-"), header["kid"])
}

func TestTokensOfOnesOwnNameTheirIssuer(t *testing.T) {
	sideBySide(t)
	g := setupTarget(t)
	for _, payload := range []string{`{"a":1}`, `{"iss":"me","a":1}`} {
		made := g.ask(t, http.MethodPost, "/recipe/jwt", `{"payload":`+payload+
			`,"validity":60,"algorithm":"RS256","jwksDomain":"http://example.com","useStaticSigningKey":false}`)
		header, claims := g.parse(t, made["jwt"].(string))
		require.True(t, strings.HasPrefix(header["kid"].(string), "d-"))
		require.NotContains(t, header, "version")
		require.InDelta(t, 60, claims["exp"].(float64)-claims["iat"].(float64), 0)
		require.Equal(t, strings.Contains(payload, "me"), claims["iss"] == "me")
	}
}

func TestDefaultsAreTheCores(t *testing.T) {
	t.Parallel()
	b := setup(t, options())
	_, made, err := b.create(t, "6281234567890")
	require.NoError(t, err)
	require.InDelta(t, 900000, made["codeLifetime"], 0)
	_, made, err = b.do(t, http.MethodPost, "/public/recipe/session",
		`{"userId":"u","userDataInJWT":{},"userDataInDatabase":{},"enableAntiCsrf":false}`)
	require.NoError(t, err)
	span := func(name string) float64 {
		token := made[name].(map[string]any)
		return token["expiry"].(float64) - token["createdTime"].(float64)
	}
	require.InDelta(t, 3600e3, span("accessToken"), 0)
	require.InDelta(t, 144000*60e3, span("refreshToken"), 0)
}
