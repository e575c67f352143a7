package web_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/stretchr/testify/require"
)

const sessionPath = "/api/v1/auth/session"

func TestSessionTellsWhoIsSignedIn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	at := time.Date(2026, 3, 1, 12, 30, 0, 0, time.FixedZone("WIB", 7*3600))
	b.sessions.who = &auth.Session{Handle: "handle", UserID: "user-1", Roles: []string{"Patient"}, CreatedAt: at}
	w := b.get(t, sessionPath)
	require.Equal(t, http.StatusOK, w.Code)
	require.JSONEq(t, `{"signedIn":true,"userId":"user-1","roles":["Patient"],"patient":"linked",
		"createdAt":"2026-03-01T05:30:00Z"}`, w.Body.String())

	b.sessions.who.Roles = nil
	require.Contains(t, b.get(t, sessionPath).Body.String(), `"roles":[]`)
}

func TestSessionSaysInTheUsersLanguageThatThePatientIsInReview(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.sessions.who = &auth.Session{UserID: "user-1"}
	b.patients.state = "review"
	said := map[string]string{}
	for _, lang := range []string{"id", "en"} {
		var body struct{ Patient, Notice string }
		w := b.get(t, sessionPath+"?lang="+lang)
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &body))
		require.Equal(t, "review", body.Patient)
		require.NotEmpty(t, body.Notice)
		require.Contains(t, w.Header().Values("Vary"), "Accept-Language")
		said[lang] = body.Notice
	}
	require.NotEqual(t, said["id"], said["en"])
}

func TestSessionDoesNotInventWhenItBegan(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.sessions.who = &auth.Session{UserID: "user-1"}
	w := b.get(t, sessionPath)
	require.Equal(t, http.StatusOK, w.Code)
	require.JSONEq(t, `{"signedIn":true,"userId":"user-1","roles":[],"patient":"linked"}`, w.Body.String())
	require.Contains(t, b.get(t, "/auth/signed-in").Body.String(), "<div data-since-row hidden>",
		"the row is shown only once there is something to say")
}

func TestSessionOfNobodyIs401InSuperTokensWords(t *testing.T) {
	t.Parallel()
	b := setup(t)
	w := b.get(t, sessionPath)
	require.Equal(t, http.StatusUnauthorized, w.Code)
	require.JSONEq(t, `{"message":"unauthorised"}`, w.Body.String())

	b.sessions.unusual = func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(`{"message":"try refresh token"}`))
	}
	w = b.get(t, sessionPath)
	require.Equal(t, http.StatusUnauthorized, w.Code)
	require.JSONEq(t, `{"message":"try refresh token"}`, w.Body.String(), "written once, by auth")
}

func TestSessionSignsNobodyOutWhenStorageIsAway(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.sessions.who = &auth.Session{UserID: "user-1"}
	b.patients.err = errAway
	w := b.get(t, sessionPath)
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.NotEmpty(t, w.Header().Get("Retry-After"))
	require.NotContains(t, w.Body.String(), errAway.Error())
	require.Contains(t, b.log.String(), errAway.Error())
}
