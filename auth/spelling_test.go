package auth_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/stretchr/testify/require"
)

// plusUser makes a user whose number is written with a plus, as another program once did.
func (c coreClient) plusUser(digits string) {
	c.t.Helper()
	got := c.do(http.MethodPost, "/public/recipe/signinup/code", "passwordless", nil, map[string]any{"phoneNumber": "+" + digits})
	m := magic{preAuth: got["preAuthSessionId"].(string), code: got["linkCode"].(string)}
	require.Equal(c.t, "OK", c.consumeDirectly(m))
}

func TestANumberWithAPlusIsReportedAndNotDoubled(t *testing.T) {
	w := setup(t, beside)
	before, whole, err := w.service.PlusUsers(context.Background(), 1000)
	require.NoError(t, err)
	require.True(t, whole)
	n := newNumber(t)
	w.core.plusUser(n.Digits())
	_, err = w.service.CreateLink(context.Background(), asked(n, newReply(t)))
	require.ErrorIs(t, err, auth.ErrOtherSpelling)
	require.NotContains(t, err.Error(), n.Digits())
	require.Empty(t, w.core.codes(n), "no code, so nobody can make the second user")
	require.Empty(t, w.core.user(n))
	after, whole, err := w.service.PlusUsers(context.Background(), 1000)
	require.NoError(t, err)
	require.True(t, whole)
	require.Len(t, after, len(before)+1)
	if len(after) > 0 {
		_, whole, err = w.service.PlusUsers(context.Background(), len(after)-1)
		require.NoError(t, err)
		require.False(t, whole)
	}

	// Who has both already keeps the one with digits.
	both := newNumber(t)
	w.core.plusUser(both.Digits())
	require.Equal(t, "OK", w.core.consumeDirectly(w.core.createCode(both)))
	w.link(both, newReply(t))
}
