package e2e_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/app"
	"github.com/konsulin-care/konsulin-bot/sandbox/gateway"
	"github.com/stretchr/testify/require"
)

const gatewayBase = gateway.APIBasePath

// beside is a world in which a gateway hosts the pages and consumes the codes.
type beside struct {
	*world
	*behind
	gateway *gateway.Server
	core    *proxy // between the bot and the core; the gateway asks the core itself
}

// newBeside makes such a world with an account that is paired. late is the gateway's option of that name.
func newBeside(t *testing.T, engine string, late func(userID string), change ...func(*app.Config)) *beside {
	t.Helper()
	v := &beside{behind: newBehind(t), core: newProxy(t)}
	v.world = newWorld(t, engine, append([]func(*app.Config){func(cfg *app.Config) {
		var err error
		v.gateway, err = gateway.New(gateway.Options{
			Core: cfg.Auth.CoreURI, CoreKey: cfg.Auth.APIKey.Reveal(), FHIR: v.fhir.URL(), Omnichannel: v.omni.URL(), Late: late,
		})
		require.NoError(t, err)
		t.Cleanup(func() {
			require.NoError(t, v.gateway.Close())
			require.Empty(t, v.gateway.Unknown(), "the gateway was asked things that it does not know")
		})
		v.join(cfg)
		cfg.Auth.Consume, cfg.Auth.WatchEvery, cfg.Auth.Grace = "elsewhere", 50*time.Millisecond, 500*time.Millisecond
		cfg.Auth.APIDomain, cfg.Auth.WebsiteDomain = v.gateway.URL(), v.gateway.URL()
		cfg.Auth.APIBasePath = gatewayBase
		v.core.before(cfg)
	}}, change...)...)
	v.pairQR()
	return v
}

// follow opens a link in a browser and presses the button of the gateway's page.
func (v *beside) follow(br *browser, l link) answer {
	v.world.t.Helper()
	require.Equal(v.world.t, http.StatusOK, br.open(v.world.t, l).StatusCode)
	return br.do(v.world.t, http.MethodPost, gatewayBase+"/signinup/code/consume",
		map[string]string{"preAuthSessionId": l.PreAuthSessionID, "linkCode": l.Code}, "rid", "passwordless", "st-auth-mode", "cookie")
}

// signIn follows a link in a new browser and returns the user.
func (v *beside) signIn(l link) (userID string) {
	v.world.t.Helper()
	a := v.follow(newBrowser(v.world.t, v.gateway.URL()), l)
	require.Equal(v.world.t, "OK", a.status(), a.Text)
	userID, _ = a.json(v.world.t)["user"].(map[string]any)["id"].(string)
	return userID
}

// noticed waits until so many sign-ins of a user are recorded, with one job each, and insists on no more.
func (v *beside) noticed(userID string, n int) {
	v.world.t.Helper()
	const recorded = `SELECT count(*) FROM audit WHERE event = 'sign-in' AND user_id = $1`
	require.Eventually(v.world.t, func() bool { return v.count(recorded, userID) >= n }, 3*time.Minute, 20*time.Millisecond)
	require.Equal(v.world.t, n, v.count(recorded, userID), "recorded once")
	require.Equal(v.world.t, n, v.count(`SELECT count(*) FROM jobs WHERE kind = 'fhir.sync' AND user_id = $1`, userID))
}
