package supertokens_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/konsulin-care/konsulin-bot/sandbox/supertokens"
)

func options() supertokens.Options { return supertokens.Options{} }

func TestWhatTheSDKWouldNotSendIsRefusedAndListed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		method, path, body string
		header             [2]string
		status             int
		unknown            string
	}{
		"path":            {method: "GET", path: "/recipe/no/such?phoneNumber=62812", status: 404, unknown: "GET /recipe/no/such: unknown path"},
		"tenant path":     {method: "GET", path: "/public/no/such", status: 404, unknown: "GET /public/no/such: unknown path"},
		"recipe":          {method: "POST", path: "/public/recipe/signin", body: `{}`, status: 404, unknown: "POST /recipe/signin: unknown path"},
		"method":          {method: "DELETE", path: "/recipe/role", status: 405, unknown: "DELETE /recipe/role: unknown method"},
		"strange method":  {method: "PATCH", path: "/recipe/role", status: 501, unknown: "PATCH /recipe/role: unknown method"},
		"body field":      {method: "POST", path: "/public/recipe/signinup/code", body: `{"phoneNumber":"62812","shouldTryLinkingWithSessionUser":1}`, status: 400, unknown: `POST /recipe/signinup/code: unknown field "shouldTryLinkingWithSessionUser"`},
		"query field":     {method: "GET", path: "/public/users?page=1", status: 400, unknown: `GET /users: unknown field "page"`},
		"query of a POST": {method: "POST", path: "/user/remove?userId=1", body: `{"userId":"1"}`, status: 400, unknown: `POST /user/remove: unknown field "userId"`},
		"no version":      {method: "GET", path: "/recipe/roles", header: [2]string{"cdi-version", ""}, status: 400, unknown: "GET /recipe/roles: no cdi-version"},
		"other version":   {method: "GET", path: "/recipe/roles", header: [2]string{"cdi-version", "5.0"}, status: 400, unknown: `GET /recipe/roles: cdi-version "5.0"`},
		"no recipe id":    {method: "GET", path: "/recipe/user?userId=1", header: [2]string{"rid", ""}, status: 400, unknown: "GET /recipe/user: rid is not passwordless"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := supertokens.New(options())
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, s.Close()) })
			r := httptest.NewRequestWithContext(t.Context(), c.method, c.path, strings.NewReader(c.body))
			r.Header.Set("cdi-version", "3.1")
			r.Header.Set("rid", "passwordless")
			if c.header[0] != "" {
				r.Header.Set(c.header[0], c.header[1])
			}
			w := httptest.NewRecorder()
			s.Handler().ServeHTTP(w, r)
			require.Equal(t, c.status, w.Code, w.Body)
			require.Equal(t, []string{c.unknown}, s.Unknown())
			require.Empty(t, s.Users())
		})
	}
}

func TestWhatTheCoreRefusesIsNotUnknown(t *testing.T) {
	t.Parallel()
	b := setup(t, supertokens.Options{APIKey: "secret"})
	for _, body := range []string{`{}`, `{"phoneNumber":1}`, `nonsense`} {
		status, _, err := b.do(t, http.MethodPost, "/public"+createPath, body)
		require.NoError(t, err)
		require.Equal(t, http.StatusUnauthorized, status)
	}
	require.Empty(t, b.Unknown())
	require.Equal(t, 3, b.Calls(createPath))
	require.Equal(t, 3, b.Calls(""))
}

func TestOnlyLoopbackIsListenedOn(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"0.0.0.0:0", ":0", "192.0.2.1:0", "example.com:0", "127.0.0.1", "[::]:0"} {
		_, err := supertokens.New(supertokens.Options{Addr: addr})
		require.ErrorContains(t, err, "listen on", addr)
	}
	for _, addr := range []string{"", "127.0.0.1:0", "localhost:0"} {
		s, err := supertokens.New(supertokens.Options{Addr: addr})
		require.NoError(t, err)
		require.Contains(t, s.URL(), "http://127.0.0.1:")
		require.NoError(t, s.Close())
		require.NoError(t, s.Close())
	}
}

func TestTheKeyMayComeAsABearer(t *testing.T) {
	t.Parallel()
	s, err := supertokens.New(supertokens.Options{APIKey: "secret"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	for value, status := range map[string]int{"Bearer secret": 200, "secret": 200, "Bearer no": 401, "": 401, "Bearer": 401} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/apiversion", nil)
		r.Header.Set("Authorization", value)
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		require.Equal(t, status, w.Code, value)
	}
}

func TestLookingInSeesUsersRolesAndSessions(t *testing.T) {
	t.Parallel()
	b := setup(t, options())
	_, made, err := b.create(t, "6281234567890")
	require.NoError(t, err)
	require.Equal(t, 1, b.Codes("6281234567890"))
	require.Equal(t, 0, b.Codes("+6281234567890"))
	_, done, err := b.do(t, http.MethodPost, "/public/recipe/signinup/code/consume",
		`{"preAuthSessionId":"`+made["preAuthSessionId"].(string)+`","linkCode":"`+made["linkCode"].(string)+`"}`)
	require.NoError(t, err)
	id := done["user"].(map[string]any)["id"].(string)
	for path, body := range map[string]string{
		"PUT /recipe/role": `{"role":"Patient"}`,
		"POST /public/recipe/session": `{"userId":"` + id +
			`","userDataInJWT":{},"userDataInDatabase":{},"enableAntiCsrf":false}`,
	} {
		method, path, _ := strings.Cut(path, " ")
		_, _, err = b.do(t, method, path, body)
		require.NoError(t, err)
	}
	_, _, err = b.do(t, http.MethodPut, "/public/recipe/user/role", `{"userId":"`+id+`","role":"Patient"}`)
	require.NoError(t, err)

	users := b.Users()
	require.Len(t, users, 1)
	require.False(t, users[0].Joined.IsZero())
	require.Equal(t, supertokens.User{ID: id, Phone: "6281234567890", Joined: users[0].Joined, Roles: []string{"Patient"}}, users[0])
	require.Equal(t, 1, b.Sessions(id))
	require.Equal(t, 0, b.Sessions("nobody"))
	require.Equal(t, 0, b.Codes("6281234567890"))
}
