package e2e_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestRevokeSpeed revokes -revokes numbers on each engine and says how long it took from the owner's yes in the chat until
// the session was dead, and until the link was refused too. Each is dead when the answer says so.
func TestRevokeSpeed(t *testing.T) {
	t.Parallel()
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			s := newStaff(t, engine, "62812")
			var session, link []time.Duration
			for range *revokes {
				dead, refused := s.revokeOne()
				session, link = append(session, dead), append(link, refused)
			}
			t.Logf("%s: /revoke %d times: session dead after %s; link refused, asked after that, by %s", engine, *revokes, spread(session), spread(link))
		})
	}
}

// revokeOne signs somebody in, sends them another link, and revokes both.
func (s *staff) revokeOne() (session, link time.Duration) {
	u := s.user()
	br := newBrowser(s.t, s.b.URL())
	br.signIn(s.t, s.requestLink(u))
	require.Equal(s.t, http.StatusOK, br.session(s.t).StatusCode)
	open := s.requestLink(u)
	code := yesCode.FindString(s.says("owner", "/revoke "+u.Phone()))
	require.NotEmpty(s.t, code)
	began := time.Now()
	_, err := s.people["owner"].Text(s.t.Context(), s.account, code)
	require.NoError(s.t, err)
	require.Eventually(s.t, func() bool { return br.session(s.t).StatusCode == http.StatusUnauthorized }, time.Minute, 2*time.Millisecond)
	session = time.Since(began)
	require.NotEqual(s.t, "OK", newBrowser(s.t, s.b.URL()).confirm(s.t, open).status(), "links end before sessions do")
	link = time.Since(began)
	require.Contains(s.t, s.next(s.people["owner"]), "sesi yang diakhiri: 1")
	return session, link
}
