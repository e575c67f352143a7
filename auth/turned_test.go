package auth_test

import (
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/stretchr/testify/require"
)

// doorman is an Admission with so many left, and what it was asked.
type doorman struct {
	mu      sync.Mutex
	left    int
	all     bool // the empty budget is everybody's
	away    error
	clients []string
	turned  map[string]int
}

func (d *doorman) Admit(_ context.Context, kind, client string) (time.Duration, bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.clients = append(d.clients, kind+" "+client)
	switch {
	case d.away != nil:
		return 0, false, d.away
	case d.left == 0:
		return 1500 * time.Millisecond, d.all, nil
	}
	d.left--
	return 0, false, nil
}

func (d *doorman) turnedAway(route, reason string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.turned[route+" "+reason]++
}

func withDoorman(t *testing.T, left int) (*world, *doorman) {
	t.Helper()
	d := &doorman{left: left, turned: map[string]int{}}
	return setup(t, func(c *auth.Config) { c.Admission, c.TurnedAway = d, d.turnedAway }), d
}

const (
	guestRoute = "/api/v1/auth/anonymous-session"
	startRoute = "/api/v1/auth/login/start"
)

// TestGuestsAndLoginsAreBounded: who has begun goes on; who would begin is told when to come again, and counted once.
func TestGuestsAndLoginsAreBounded(t *testing.T) {
	w, d := withDoorman(t, 2)
	b := w.browser()
	require.Equal(t, http.StatusOK, b.do(http.MethodPost, guestRoute, nil).status)
	require.Equal(t, http.StatusOK, b.do(http.MethodPost, startRoute, nil).status)
	require.Equal(t, http.StatusOK, b.do(http.MethodPost, guestRoute, nil).status, "the guest that lives costs nothing")
	require.Equal(t, http.StatusOK, b.do(http.MethodPost, startRoute, nil).status, "nor does the login under way")
	require.Len(t, d.clients, 2)
	for _, client := range d.clients {
		require.NotContains(t, client, "127.0.0.1", "no address is kept")
	}
	plain := w.browser().do(http.MethodPost, startRoute, nil)
	require.Equal(t, http.StatusOK, plain.status, "a login needs no attempt: its link asks for the digits")
	require.Empty(t, plain.header.Values("Set-Cookie"))
	require.Contains(t, plain.says("url"), "Request%20login")
	for i, route := range []string{guestRoute, guestRoute + "?force_new=true"} {
		d.all = i == 1
		a := w.browser().do(http.MethodPost, route, nil)
		require.Equal(t, http.StatusTooManyRequests, a.status, route)
		require.Equal(t, "2", a.header.Get("Retry-After"), "rounded up")
		require.Empty(t, a.header.Values("Set-Cookie"))
		require.NotEmpty(t, a.says("message"))
	}
	require.Equal(t, map[string]int{"guest client": 1, "guest everybody": 1, "login client": 1}, d.turned)
	require.Len(t, w.store.guests, 1)
}

// TestNothingIsBegunWhenNobodyCanBeAsked: the budgets fail closed.
func TestNothingIsBegunWhenNobodyCanBeAsked(t *testing.T) {
	w, d := withDoorman(t, 9)
	d.away = errors.New("the database is away")
	for _, route := range []string{guestRoute, startRoute} {
		a := w.browser().do(http.MethodPost, route, nil)
		require.Equal(t, http.StatusServiceUnavailable, a.status)
		require.NotEmpty(t, a.header.Get("Retry-After"))
		require.Empty(t, a.header.Values("Set-Cookie"))
	}
	require.Equal(t, map[string]int{"guest unavailable": 1, "login unavailable": 1}, d.turned)
	require.Empty(t, w.store.guests)
	require.Contains(t, w.logs.String(), "the database is away")
}

// TestTurnedAwayIsCountedOnce: everything else that a route says no to.
func TestTurnedAwayIsCountedOnce(t *testing.T) {
	w, d := withDoorman(t, 1_000_000)
	b := w.browser()
	require.Equal(t, http.StatusMethodNotAllowed, b.do(http.MethodGet, startRoute, nil).status)
	require.Equal(t, http.StatusBadRequest, b.do(http.MethodPost, startRoute, []string{"x"}).status)
	require.Equal(t, map[string]int{"login malformed": 2}, d.turned)
	for range 300 { // more than one client may ask at once
		b.do(http.MethodGet, "/api/v1/auth/login/attempt", nil)
	}
	require.Positive(t, d.turned["attempt flood"])
	require.Len(t, d.turned, 2)
}

// TestEveryRefusedConfirmationHasAReasonOfItsOwn: also what never reaches the rules of a confirmation.
func TestEveryRefusedConfirmationHasAReasonOfItsOwn(t *testing.T) {
	c := &tally{refused: map[string]int{}}
	w := setup(t, func(cfg *auth.Config) { cfg.Events = c })
	const route = "/api/v1/auth/signinup/code/consume"
	b := w.browser()
	require.Equal(t, http.StatusBadRequest, b.do(http.MethodPost, route, []string{"x"}).status)
	require.Equal(t, http.StatusBadRequest, b.do(http.MethodPost, route, map[string]any{"linkCode": "x"}).status)
	require.Equal(t, http.StatusBadRequest, b.do(http.MethodPost, route, map[string]any{"preAuthSessionId": 1, "linkCode": "x"}).status)
	require.Equal(t, http.StatusRequestEntityTooLarge,
		b.do(http.MethodPost, route, map[string]string{"linkCode": strings.Repeat("a", 1<<20)}).status)
	require.Equal(t, map[string]int{"not_a_link": 4}, c.refused)

	m := w.fresh()
	ask := map[string]any{"preAuthSessionId": m.preAuth, "linkCode": m.code}
	say := func(digits string) answer {
		ask["digits"] = digits
		return w.browser().do(http.MethodPost, route, ask)
	}
	require.Equal(t, "digits_required", w.browser().do(http.MethodPost, route, ask).says("reason"))
	right := m.number.Digits()[len(m.number.Digits())-4:]
	wrong := "0000"
	if wrong == right {
		wrong = "1111"
	}
	for range 2 {
		require.Equal(t, "digits_wrong", say(wrong).says("reason"))
	}
	require.Equal(t, "RESTART_FLOW_ERROR", say(wrong).says("status"))
	require.Equal(t, "RESTART_FLOW_ERROR", say(right).says("status"), "the link is dead")
	require.Equal(t, map[string]int{"not_a_link": 4, "digits": 1, "wrong_digits": 2, "guessed": 1, "revoked": 1}, c.refused)
	require.Empty(t, c.signIns)
}

// TestEveryReasonIsListed: what the code can count is what the metrics begin with.
func TestEveryReasonIsListed(t *testing.T) {
	for prefix, listed := range map[string][]string{"refused": auth.Refusals(), "turned": auth.TurnedReasons()} {
		require.ElementsMatch(t, constantsOf(t, prefix), listed)
	}
	require.Len(t, auth.TurnedRoutes(), len(slices.Compact(slices.Sorted(slices.Values(auth.TurnedRoutes())))))
}

// constantsOf reads, from the source, the text constants of this package whose names begin so.
func constantsOf(t *testing.T, prefix string) (found []string) {
	t.Helper()
	for _, file := range []string{"events.go", "turned.go"} {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		require.NoError(t, err)
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || !strings.HasPrefix(spec.Names[0].Name, prefix) || len(spec.Values) == 0 {
				return true
			}
			literal, ok := spec.Values[0].(*ast.BasicLit)
			require.True(t, ok, spec.Names[0].Name)
			value, err := strconv.Unquote(literal.Value)
			require.NoError(t, err)
			found = append(found, value)
			return true
		})
	}
	require.NotEmpty(t, found)
	return found
}
