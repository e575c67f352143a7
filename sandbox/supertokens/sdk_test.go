package supertokens_test

import (
	"encoding/json"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/supertokens/supertokens-golang/recipe/passwordless"
	"github.com/supertokens/supertokens-golang/recipe/passwordless/plessmodels"
	"github.com/supertokens/supertokens-golang/recipe/session"
	"github.com/supertokens/supertokens-golang/recipe/session/sessmodels"
	"github.com/supertokens/supertokens-golang/recipe/usermetadata"
	"github.com/supertokens/supertokens-golang/recipe/userroles"
	"github.com/supertokens/supertokens-golang/recipe/userroles/userrolesclaims"
	sdk "github.com/supertokens/supertokens-golang/supertokens"

	"github.com/konsulin-care/konsulin-bot/sandbox/supertokens"
)

// world is the SDK with a core behind it and an API server that it protects.
type world struct {
	core *supertokens.Server // nil when SUPERTOKENS_URI names another core
	api  *httptest.Server
}

// TestTheSDK drives the unchanged SDK. It is one test with many parts because the SDK can be started only once in a
// process.
func TestTheSDK(t *testing.T) {
	w := startSDK(t)
	t.Run("a code becomes a user", w.codeBecomesUser)
	t.Run("codes are listed and revoked one by one and all at once", w.codesAreRevoked)
	t.Run("digits are counted and die at the fifth mistake", w.digitsAreCounted)
	t.Run("with and without a plus are two users", w.plusMakesAnotherUser)
	t.Run("a session lives by cookie until sign-out", w.sessionLives)
	t.Run("an old refresh token ends the session", w.theftEndsSession)
	t.Run("sessions are listed and revoked from the server", w.sessionsFromServer)
	t.Run("roles are granted and shown in the session", w.roles)
	t.Run("metadata is merged", w.metadata)
	t.Run("users are counted, paged and deleted", w.users)
	if w.core != nil {
		require.Empty(t, w.core.Unknown(), "the stand-in must know everything that the SDK asks")
	}
}

func startSDK(t *testing.T) *world {
	t.Helper()
	w := &world{}
	uri, key := os.Getenv("SUPERTOKENS_URI"), os.Getenv("SUPERTOKENS_API_KEY")
	if uri == "" {
		core, err := supertokens.New(supertokens.Options{APIKey: "an-api-key-of-the-tests"})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, core.Close()) })
		w.core, uri, key = core, core.URL(), "an-api-key-of-the-tests"
	}
	secure, same := false, "lax"
	require.NoError(t, sdk.Init(sdk.TypeInput{
		Supertokens: &sdk.ConnectionInfo{ConnectionURI: uri, APIKey: key},
		AppInfo: sdk.AppInfo{
			AppName: "tests", APIDomain: "http://127.0.0.1", WebsiteDomain: "http://127.0.0.1",
		},
		RecipeList: []sdk.Recipe{
			passwordless.Init(plessmodels.TypeInput{
				FlowType: "MAGIC_LINK",
				ContactMethodPhone: plessmodels.ContactMethodPhoneConfig{
					Enabled:             true,
					ValidatePhoneNumber: func(any, string) *string { return nil },
				},
			}),
			session.Init(&sessmodels.TypeInput{CookieSecure: &secure, CookieSameSite: &same}),
			userroles.Init(nil),
			usermetadata.Init(nil),
		},
	}))
	t.Cleanup(sdk.ResetForTest)
	sdk.SetHTTPClient(&http.Client{Timeout: 10 * time.Second})
	w.api = httptest.NewServer(sdk.Middleware(http.HandlerFunc(serveAPI)))
	t.Cleanup(w.api.Close)
	return w
}

// serveAPI is an application: it signs in whoever names a user, and tells who is signed in.
func serveAPI(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/enter":
		if _, err := session.CreateNewSession(r, w, "public", r.URL.Query().Get("user"), nil, nil); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	case "/whoami":
		session.VerifySession(nil, func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte(session.GetSessionFromRequestContext(r.Context()).GetUserID()))
		})(w, r)
	case "/roles":
		session.VerifySession(nil, func(w http.ResponseWriter, r *http.Request) {
			x := session.GetSessionFromRequestContext(r.Context())
			b, _ := json.Marshal(x.GetClaimValue(userrolesclaims.UserRoleClaim))
			_, _ = w.Write(b)
		})(w, r)
	default:
		http.NotFound(w, r)
	}
}

// number is a number that no other test uses, on whichever core this runs.
func number(t *testing.T) string {
	t.Helper()
	return "62" + randomDigits(t)
}

func (w *world) create(t *testing.T, phone string) *plessmodels.NewCode {
	t.Helper()
	made, err := passwordless.CreateCodeWithPhoneNumber("public", phone, nil)
	require.NoError(t, err)
	require.NotNil(t, made.OK)
	return made.OK
}

func (w *world) consume(t *testing.T, c *plessmodels.NewCode) plessmodels.ConsumeCodeResponse {
	t.Helper()
	done, err := passwordless.ConsumeCodeWithLinkCode("public", c.LinkCode, c.PreAuthSessionID)
	require.NoError(t, err)
	return done
}

func (w *world) codeBecomesUser(t *testing.T) {
	phone := number(t)
	first := w.create(t, phone)
	require.NotEmpty(t, first.CodeID)
	require.Len(t, first.UserInputCode, 6)
	second := w.create(t, phone)
	devices, err := passwordless.ListCodesByPhoneNumber("public", phone)
	require.NoError(t, err)
	require.Len(t, devices, 2, "a code does not supersede an older one")

	done := w.consume(t, first)
	require.NotNil(t, done.OK)
	require.True(t, done.OK.CreatedNewUser)
	require.Equal(t, phone, *done.OK.User.PhoneNumber)
	require.Equal(t, []string{"public"}, done.OK.User.TenantIds)
	require.NotNil(t, w.consume(t, second).RestartFlowError, "consumption kills the number's other codes")
	require.NotNil(t, w.consume(t, first).RestartFlowError, "a code works once")

	again := w.consume(t, w.create(t, phone))
	require.NotNil(t, again.OK)
	require.False(t, again.OK.CreatedNewUser)
	require.Equal(t, done.OK.User.ID, again.OK.User.ID)
	byID, err := passwordless.GetUserByID(done.OK.User.ID)
	require.NoError(t, err)
	require.Equal(t, phone, *byID.PhoneNumber)
}

func (w *world) codesAreRevoked(t *testing.T) {
	phone := number(t)
	first, second, third := w.create(t, phone), w.create(t, phone), w.create(t, phone)
	require.NoError(t, passwordless.RevokeCode("public", second.CodeID))
	devices, err := passwordless.ListCodesByPhoneNumber("public", phone)
	require.NoError(t, err)
	require.Len(t, devices, 2)
	require.NotNil(t, w.consume(t, second).RestartFlowError)
	gone, err := passwordless.ListCodesByPreAuthSessionID("public", second.PreAuthSessionID)
	require.NoError(t, err)
	require.Nil(t, gone)
	one, err := passwordless.ListCodesByDeviceID("public", first.DeviceID)
	require.NoError(t, err)
	require.Equal(t, first.CodeID, one.Codes[0].CodeID)

	require.NoError(t, passwordless.RevokeAllCodesByPhoneNumber("public", phone))
	require.NotNil(t, w.consume(t, third).RestartFlowError)
	require.NotNil(t, w.consume(t, first).RestartFlowError)
	_, err = passwordless.ConsumeCodeWithLinkCode("public", w.create(t, phone).LinkCode, first.PreAuthSessionID)
	require.ErrorContains(t, err, "400", "another device's preAuthSessionId is an error of HTTP")
}

func (w *world) digitsAreCounted(t *testing.T) {
	c := w.create(t, number(t))
	wrong := "000000"
	if c.UserInputCode == wrong {
		wrong = "000001"
	}
	for i := 1; i < 5; i++ {
		done, err := passwordless.ConsumeCodeWithUserInputCode("public", c.DeviceID, wrong, c.PreAuthSessionID)
		require.NoError(t, err)
		require.NotNil(t, done.IncorrectUserInputCodeError)
		require.Equal(t, i, done.IncorrectUserInputCodeError.FailedCodeInputAttemptCount)
		require.Equal(t, 5, done.IncorrectUserInputCodeError.MaximumCodeInputAttempts)
	}
	done, err := passwordless.ConsumeCodeWithUserInputCode("public", c.DeviceID, wrong, c.PreAuthSessionID)
	require.NoError(t, err)
	require.NotNil(t, done.RestartFlowError)
	require.NotNil(t, w.consume(t, c).RestartFlowError, "the link dies with the device")
}

func (w *world) plusMakesAnotherUser(t *testing.T) {
	phone := number(t)
	plain := w.consume(t, w.create(t, phone)).OK
	plus := w.consume(t, w.create(t, "+"+phone)).OK
	require.True(t, plus.CreatedNewUser)
	require.NotEqual(t, plain.User.ID, plus.User.ID)
}

// browser is a client with cookies.
func browser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &http.Client{Jar: jar, Timeout: 10 * time.Second}
}

func (w *world) call(t *testing.T, c *http.Client, method, path string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, w.api.URL+path, nil)
	require.NoError(t, err)
	req.Header.Set("st-auth-mode", "cookie")
	req.Header.Set("rid", "session")
	res, err := c.Do(req)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	return res.StatusCode, readAll(t, res.Body)
}

func (w *world) cookie(t *testing.T, c *http.Client, path, name string) string {
	t.Helper()
	u, err := url.Parse(w.api.URL + path)
	require.NoError(t, err)
	for _, k := range c.Jar.Cookies(u) {
		if k.Name == name {
			value, err := url.QueryUnescape(k.Value)
			require.NoError(t, err)
			return value
		}
	}
	return ""
}

func (w *world) sessionLives(t *testing.T) {
	user := w.consume(t, w.create(t, number(t))).OK.User.ID
	c := browser(t)
	code, _ := w.call(t, c, http.MethodGet, "/whoami")
	require.Equal(t, http.StatusUnauthorized, code)
	code, body := w.call(t, c, http.MethodGet, "/enter?user="+user)
	require.Equal(t, http.StatusOK, code, body)
	code, body = w.call(t, c, http.MethodGet, "/whoami")
	require.Equal(t, http.StatusOK, code, body)
	require.Equal(t, user, body)

	old := w.cookie(t, c, "/", "sAccessToken")
	code, body = w.call(t, c, http.MethodPost, "/auth/session/refresh")
	require.Equal(t, http.StatusOK, code, body)
	require.NotEqual(t, old, w.cookie(t, c, "/", "sAccessToken"))
	code, body = w.call(t, c, http.MethodGet, "/whoami")
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, user, body)

	code, _ = w.call(t, c, http.MethodPost, "/auth/signout")
	require.Equal(t, http.StatusOK, code)
	code, _ = w.call(t, c, http.MethodGet, "/whoami")
	require.Equal(t, http.StatusUnauthorized, code)
	handles, err := session.GetAllSessionHandlesForUser(user, nil)
	require.NoError(t, err)
	require.Empty(t, handles)
}

func (w *world) theftEndsSession(t *testing.T) {
	user := w.consume(t, w.create(t, number(t))).OK.User.ID
	c := browser(t)
	w.call(t, c, http.MethodGet, "/enter?user="+user)
	stolen := w.cookie(t, c, "/auth/session/refresh", "sRefreshToken")
	require.NotEmpty(t, stolen)
	w.call(t, c, http.MethodPost, "/auth/session/refresh")
	code, _ := w.call(t, c, http.MethodGet, "/whoami") // the first use settles the refresh
	require.Equal(t, http.StatusOK, code)

	_, err := session.RefreshSessionWithoutRequestResponse(stolen, nil, nil)
	require.ErrorContains(t, err, "theft")
	w.call(t, c, http.MethodGet, "/enter?user="+user)
	handles, err := session.GetAllSessionHandlesForUser(user, nil)
	require.NoError(t, err)
	require.Len(t, handles, 2, "the core only tells; it is the SDK's handler that ends the session")
}

func (w *world) sessionsFromServer(t *testing.T) {
	user := w.consume(t, w.create(t, number(t))).OK.User.ID
	one, err := session.CreateNewSessionWithoutRequestResponse("public", user,
		map[string]any{"n": 1}, map[string]any{"k": "v"}, nil)
	require.NoError(t, err)
	two, err := session.CreateNewSessionWithoutRequestResponse("public", user, nil, nil, nil)
	require.NoError(t, err)
	info, err := session.GetSessionInformation(one.GetHandle())
	require.NoError(t, err)
	require.Equal(t, user, info.UserId)
	require.Equal(t, "public", info.TenantId)
	require.EqualValues(t, 1, info.CustomClaimsInAccessTokenPayload["n"])
	require.Equal(t, "v", info.SessionDataInDatabase["k"])
	require.NotZero(t, info.TimeCreated)

	changed, err := session.UpdateSessionDataInDatabase(one.GetHandle(), map[string]any{"k": "w"})
	require.NoError(t, err)
	require.True(t, changed)
	require.NoError(t, one.MergeIntoAccessTokenPayload(map[string]any{"m": "x"}))
	info, err = session.GetSessionInformation(one.GetHandle())
	require.NoError(t, err)
	require.Equal(t, "w", info.SessionDataInDatabase["k"])
	require.Equal(t, "x", info.CustomClaimsInAccessTokenPayload["m"])

	revoked, err := session.RevokeSession(one.GetHandle())
	require.NoError(t, err)
	require.True(t, revoked)
	revoked, err = session.RevokeSession(one.GetHandle())
	require.NoError(t, err)
	require.False(t, revoked)
	all, err := session.RevokeAllSessionsForUser(user, nil)
	require.NoError(t, err)
	require.Equal(t, []string{two.GetHandle()}, all)
}

func (w *world) roles(t *testing.T) {
	user := w.consume(t, w.create(t, number(t))).OK.User.ID
	role := "Role " + number(t)
	unknown, err := userroles.AddRoleToUser("public", user, role)
	require.NoError(t, err)
	require.NotNil(t, unknown.UnknownRoleError)
	made, err := userroles.CreateNewRoleOrAddPermissions(role, []string{"read", "write"})
	require.NoError(t, err)
	require.True(t, made.OK.CreatedNewRole)
	added, err := userroles.AddRoleToUser("public", user, role)
	require.NoError(t, err)
	require.False(t, added.OK.DidUserAlreadyHaveRole)
	held, err := userroles.GetRolesForUser("public", user)
	require.NoError(t, err)
	require.Equal(t, []string{role}, held.OK.Roles)
	permissions, err := userroles.GetPermissionsForRole(role)
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"read", "write"}, permissions.OK.Permissions)

	c := browser(t)
	w.call(t, c, http.MethodGet, "/enter?user="+user)
	_, body := w.call(t, c, http.MethodGet, "/roles")
	require.Equal(t, `["`+role+`"]`, body)
	gone, err := userroles.DeleteRole(role, &map[string]any{}) // the SDK panics without a user context
	require.NoError(t, err)
	require.True(t, gone.OK.DidRoleExist)
	held, err = userroles.GetRolesForUser("public", user)
	require.NoError(t, err)
	require.Empty(t, held.OK.Roles)
}

func (w *world) metadata(t *testing.T) {
	user := w.consume(t, w.create(t, number(t))).OK.User.ID
	_, err := usermetadata.UpdateUserMetadata(user, map[string]any{"a": 1, "b": "x"})
	require.NoError(t, err)
	merged, err := usermetadata.UpdateUserMetadata(user, map[string]any{"a": nil, "c": true})
	require.NoError(t, err)
	require.Equal(t, map[string]any{"b": "x", "c": true}, merged)
	require.NoError(t, usermetadata.ClearUserMetadata(user))
	empty, err := usermetadata.GetUserMetadata(user)
	require.NoError(t, err)
	require.Empty(t, empty)
}

func (w *world) users(t *testing.T) {
	before, err := sdk.GetUserCount(nil, nil)
	require.NoError(t, err)
	// Users of one millisecond are ordered by their random ids: those of the tests before must be older.
	begun := time.Now().UnixMilli()
	require.Eventually(t, func() bool { return time.Now().UnixMilli() > begun+1 }, time.Minute, time.Millisecond)
	phones := []string{number(t), number(t), number(t)}
	for _, phone := range phones {
		w.consume(t, w.create(t, phone))
	}
	after, err := sdk.GetUserCount(nil, nil)
	require.NoError(t, err)
	require.InDelta(t, before+3, after, 0)

	limit := 1
	page, err := sdk.GetUsersNewestFirst("public", nil, &limit, nil, nil)
	require.NoError(t, err)
	require.Len(t, page.Users, 1)
	require.Equal(t, "passwordless", page.Users[0].RecipeId)
	first := page.Users[0].User["phoneNumber"]
	require.Contains(t, phones, first)
	require.NotNil(t, page.NextPaginationToken)
	page, err = sdk.GetUsersNewestFirst("public", page.NextPaginationToken, &limit, nil, nil)
	require.NoError(t, err)
	second := page.Users[0].User["phoneNumber"].(string)
	require.Contains(t, phones, second)
	require.NotEqual(t, first, second)

	require.NoError(t, sdk.DeleteUser(page.Users[0].User["id"].(string)))
	missing, err := passwordless.GetUserByPhoneNumber("public", second)
	require.NoError(t, err)
	require.Nil(t, missing)
}
