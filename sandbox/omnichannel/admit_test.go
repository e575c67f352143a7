package omnichannel_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"

	"github.com/konsulin-care/konsulin-bot/sandbox/omnichannel"
)

// TestToken promises which tokens hold: ES256 or RS256 by the known key, with a subject, for five minutes at most.
func TestToken(t *testing.T) {
	t.Parallel()
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		method jwt.SigningMethod
		key    any
		change func(c jwt.MapClaims, now time.Time)
		status int
	}{
		"ES256":          {jwt.SigningMethodES256, ec, func(jwt.MapClaims, time.Time) {}, 200},
		"RS256":          {jwt.SigningMethodRS256, rs, func(jwt.MapClaims, time.Time) {}, 200},
		"PS256":          {jwt.SigningMethodPS256, rs, func(jwt.MapClaims, time.Time) {}, 401},
		"HS256":          {jwt.SigningMethodHS256, []byte("key"), func(jwt.MapClaims, time.Time) {}, 401},
		"none":           {jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, func(jwt.MapClaims, time.Time) {}, 401},
		"other key":      {jwt.SigningMethodES256, other, func(jwt.MapClaims, time.Time) {}, 401},
		"no subject":     {jwt.SigningMethodES256, ec, func(c jwt.MapClaims, _ time.Time) { delete(c, "sub") }, 401},
		"no end":         {jwt.SigningMethodES256, ec, func(c jwt.MapClaims, _ time.Time) { delete(c, "exp") }, 401},
		"no beginning":   {jwt.SigningMethodES256, ec, func(c jwt.MapClaims, _ time.Time) { delete(c, "iat") }, 401},
		"over":           {jwt.SigningMethodES256, ec, func(c jwt.MapClaims, n time.Time) { c["exp"] = n.Add(-time.Second).Unix() }, 401},
		"too long":       {jwt.SigningMethodES256, ec, func(c jwt.MapClaims, n time.Time) { c["exp"] = n.Add(301 * time.Second).Unix() }, 401},
		"of tomorrow":    {jwt.SigningMethodES256, ec, func(c jwt.MapClaims, n time.Time) { c["iat"] = n.Add(time.Minute).Unix() }, 401},
		"unknown claim":  {jwt.SigningMethodES256, ec, func(c jwt.MapClaims, _ time.Time) { c["role"] = "x" }, 401},
		"known audience": {jwt.SigningMethodES256, ec, func(c jwt.MapClaims, _ time.Time) { c["aud"], c["iss"] = "x", "y" }, 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := omnichannel.Options{PublicKey: ec.Public()}
			if c.method.Alg() == "RS256" || c.method.Alg() == "PS256" {
				o.PublicKey = rs.Public()
			}
			b := setup(t, o)
			now := b.clock.Now()
			claims := jwt.MapClaims{"sub": "bot", "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix()}
			c.change(claims, now)
			token, err := jwt.NewWithClaims(c.method, claims).SignedString(c.key)
			require.NoError(t, err)
			require.Equal(t, c.status, b.must(synchronous, plain, "Authorization", "Bearer "+token).status)
			require.Equal(t, 401, b.must(synchronous, plain, "Authorization", token).status)
			require.Equal(t, 401, b.must(synchronous, plain).status)
		})
	}
}

// TestSignature promises that what the reference library of Standard Webhooks signs holds, within five minutes and for
// this body only, and that an id that was seen does no work again.
func TestSignature(t *testing.T) {
	t.Parallel()
	const secret = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
	signer, err := webhooks.NewWebhook(secret)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		age    time.Duration
		signed string // instead of the body
		format string // of webhook-signature
		status int
	}{
		"now":          {0, plain, "%s", 200},
		"old":          {5 * time.Minute, plain, "%s", 200},
		"too old":      {5*time.Minute + time.Second, plain, "%s", 401},
		"too new":      {-5*time.Minute - time.Second, plain, "%s", 401},
		"other body":   {0, plain + " ", "%s", 401},
		"one of two":   {0, plain, "v1,AAAA %s", 200},
		"unknown form": {0, plain, "v2%.0s,AAAA", 401},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, omnichannel.Options{Secret: secret})
			at := b.clock.Now().Add(-c.age)
			signature, err := signer.Sign("msg_1", at, []byte(c.signed))
			require.NoError(t, err)
			headers := []string{
				"Webhook-Id", "msg_1", "Webhook-Timestamp", strconv.FormatInt(at.Unix(), 10),
				"Webhook-Signature", fmt.Sprintf(c.format, signature),
			}
			got := b.must(synchronous, plain, headers...)
			require.Equal(t, c.status, got.status)
			b.Put("+6281234567890", "Renamed")
			require.Equal(t, got, b.must(synchronous, plain, headers...))
			require.Equal(t, "Renamed", b.Contacts()[0].Name)
			require.Equal(t, 401, b.must(synchronous, plain).status)
			if c.status == 200 {
				require.Equal(t, 400, b.must(synchronous, plain, append(headers, "Idempotency-Key", "msg_2")...).status)
			}
		})
	}
}

// TestAPIKey promises that only the right key holds.
func TestAPIKey(t *testing.T) {
	t.Parallel()
	b := setup(t, omnichannel.Options{APIKey: "right"})
	require.Equal(t, 401, b.must(synchronous, plain).status)
	require.Equal(t, 401, b.must(synchronous, plain, "X-Api-Key", "wrong").status)
	require.Equal(t, 200, b.must(synchronous, plain, "X-Api-Key", "right").status)
}
