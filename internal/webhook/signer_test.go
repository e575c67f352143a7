package webhook_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/webhook"
	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"
)

const (
	oldSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" // of the specification's example
	newSecret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
	other     = "whsec_//////////////////////////////8="
)

// signed is the header of a call, signed with the secrets.
func signed(t *testing.T, secrets, id string, at time.Time, body string) http.Header {
	t.Helper()
	s, err := webhook.New(secrets)
	require.NoError(t, err)
	h := http.Header{}
	require.NoError(t, s.Sign(h, id, at, []byte(body)))
	return h
}

// accepted asks the reference library, as a receiver would.
func accepted(t *testing.T, secret string, h http.Header, body string) bool {
	t.Helper()
	receiver, err := webhooks.NewWebhook(secret)
	require.NoError(t, err)
	return receiver.Verify([]byte(body), h) == nil
}

func TestWebhookVectors(t *testing.T) {
	t.Parallel()
	t.Run("the specification's example", func(t *testing.T) {
		t.Parallel()
		h := signed(t, oldSecret, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), `{"test": 2432232314}`)
		require.Equal(t, "msg_p5jXN8AQM9LWM0D4loKWxJek", h.Get("webhook-id"))
		require.Equal(t, "1614265330", h.Get("webhook-timestamp"))
		require.Equal(t, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", h.Get("webhook-signature"))
	})
	t.Run("a receiver takes it within five minutes, before and after", func(t *testing.T) {
		t.Parallel()
		const body = `{"name":"Siti"}`
		for off, want := range map[time.Duration]bool{
			0: true, -4 * time.Minute: true, 4 * time.Minute: true, -6 * time.Minute: false, 6 * time.Minute: false,
		} {
			require.Equal(t, want, accepted(t, oldSecret, signed(t, oldSecret, "msg_1", time.Now().Add(off), body), body), off)
		}
	})
	t.Run("nothing of it can be changed", func(t *testing.T) {
		t.Parallel()
		const body = `{"name":"Siti"}`
		now := time.Now()
		require.False(t, accepted(t, oldSecret, signed(t, oldSecret, "msg_1", now, body), body+" "))
		for header, value := range map[string]string{
			"webhook-id": "msg_2", "webhook-timestamp": "1", "webhook-signature": "v1,AAAA",
		} {
			h := signed(t, oldSecret, "msg_1", now, body)
			require.True(t, accepted(t, oldSecret, h, body))
			h.Set(header, value)
			require.False(t, accepted(t, oldSecret, h, body), header)
		}
		require.False(t, accepted(t, other, signed(t, oldSecret, "msg_1", now, body), body))
	})
	t.Run("two secrets while one takes the other's place", func(t *testing.T) {
		t.Parallel()
		const body = `{"name":"Siti"}`
		h := signed(t, newSecret+" "+oldSecret, "msg_1", time.Now(), body)
		require.True(t, accepted(t, oldSecret, h, body), "a receiver that has the old one still")
		require.True(t, accepted(t, newSecret, h, body), "and one that has the new one already")
		require.False(t, accepted(t, other, h, body))
	})
}

func TestNewRefusesWhatIsNoSecretAndRepeatsNone(t *testing.T) {
	t.Parallel()
	for _, secrets := range []string{"", "  ", "whsec_hidden!", "whsec_aGlkZGVu", oldSecret + " whsec_hidden!", oldSecret + " " + newSecret + " " + other} {
		_, err := webhook.New(secrets)
		require.Error(t, err, secrets)
		require.NotContains(t, err.Error(), "hidden")
	}
}
