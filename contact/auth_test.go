package contact_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/konsulin-care/konsulin-bot/contact"
	"github.com/konsulin-care/konsulin-bot/sandbox/omnichannel"
)

func ecKey(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	require.NoError(t, err)
	return key
}

func rsaKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	return key
}

func block(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func pkcs8(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return block("PRIVATE KEY", der)
}

func sec1(t *testing.T, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalECPrivateKey(key)
	require.NoError(t, err)
	return block("EC PRIVATE KEY", der)
}

func webhookSecret(t *testing.T) string {
	t.Helper()
	raw := make([]byte, 32)
	_, err := rand.Read(raw)
	require.NoError(t, err)
	return "whsec_" + base64.StdEncoding.EncodeToString(raw)
}

// proof is an Auth and the service that asks for it.
type proof struct {
	auth contact.Auth
	asks omnichannel.Options
}

// proofs are all kinds of Auth, each with the stand-in that lets it in.
func proofs(t *testing.T) map[string]proof {
	t.Helper()
	ec, rs, secret := ecKey(t, elliptic.P256()), rsaKey(t), webhookSecret(t)
	token := func(key []byte, public crypto.PublicKey) proof {
		return proof{contact.Auth{Kind: contact.JWT, KeyPEM: key, Subject: "konsulin-bot", Issuer: "bot", Audience: "hook"},
			omnichannel.Options{PublicKey: public}}
	}
	return map[string]proof{
		"none":              {contact.Auth{Kind: contact.None}, omnichannel.Options{}},
		"unset":             {contact.Auth{}, omnichannel.Options{}},
		"jwt EC PKCS#8":     token(pkcs8(t, ec), ec.Public()),
		"jwt EC SEC 1":      token(sec1(t, ec), ec.Public()),
		"jwt RSA PKCS#8":    token(pkcs8(t, rs), rs.Public()),
		"jwt RSA PKCS#1":    token(block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rs)), rs.Public()),
		"api key":           {contact.Auth{Kind: contact.APIKey, APIKey: "the-key"}, omnichannel.Options{APIKey: "the-key"}},
		"standard webhooks": {contact.Auth{Kind: contact.StandardWebhooks, Secret: secret}, omnichannel.Options{Secret: secret}},
	}
}

// TestEveryAuthIsLetIn promises that a service which asks strictly for a proof accepts ours, also long after the
// start: tokens and signatures are made for each call.
func TestEveryAuthIsLetIn(t *testing.T) {
	t.Parallel()
	for name, p := range proofs(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := time.Date(2026, 3, 1, 12, 0, 0, 999, time.UTC)
			p.asks.Now = func() time.Time { return clock }
			w := setup(t, p.asks, func(c *contact.Config) { c.Auth = p.auth })
			clock = clock.Add(3 * time.Hour)
			require.NoError(t, w.sync())
			require.Len(t, w.hook.Contacts(), 1)
			require.Empty(t, w.hook.Unknown())
		})
	}
}

// TestWrongProofIsMended promises that a proof which is refused leaves the job waiting for the operator: with the
// right one it succeeds.
func TestWrongProofIsMended(t *testing.T) {
	t.Parallel()
	other := ecKey(t, elliptic.P256())
	for name, p := range proofs(t) {
		if p.auth.Kind == contact.None || p.auth.Kind == "" {
			p.asks.APIKey = "the-key" // asks guests for one
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t, p.asks, func(c *contact.Config) {
				c.Auth = p.auth
				c.Auth.KeyPEM, c.Auth.APIKey, c.Auth.Secret = pkcs8(t, other), "wrong", webhookSecret(t)
			})
			err := w.sync()
			require.ErrorContains(t, err, "answered 401: contact.auth is ")
			permanent, wait, later := retry(err)
			require.False(t, permanent)
			require.True(t, later)
			require.Equal(t, 10*time.Minute, wait)
			require.False(t, w.records.found)
			if w.config.Auth = p.auth; p.asks.APIKey != "" {
				w.config.Auth = contact.Auth{Kind: contact.APIKey, APIKey: p.asks.APIKey}
			}
			w.restart()
			require.NoError(t, w.sync())
		})
	}
}

// TestNewNamesWhatIsWrong promises an operator the setting that is wrong, and never its value.
func TestNewNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	whole := pkcs8(t, ecKey(t, elliptic.P256()))
	for name, c := range map[string]struct {
		change func(*contact.Config)
		says   string
	}{
		"no base":        {func(c *contact.Config) { c.BaseURL = "" }, "contact.base_url"},
		"no host":        {func(c *contact.Config) { c.BaseURL = "https://" }, "contact.base_url"},
		"scheme":         {func(c *contact.Config) { c.BaseURL = "ftp://h" }, "contact.base_url"},
		"user in base":   {func(c *contact.Config) { c.BaseURL = "https://hidden:hidden@h" }, "contact.base_url"},
		"query in base":  {func(c *contact.Config) { c.BaseURL = "https://h?hidden=1" }, "contact.base_url"},
		"no default":     {func(c *contact.Config) { c.DefaultName = " \n" }, "contact.default_name"},
		"no records":     {func(c *contact.Config) { c.Records = nil }, "Records"},
		"unknown kind":   {func(c *contact.Config) { c.Auth.Kind = "hidden" }, "none, jwt, api_key or standard_webhooks"},
		"no subject":     {func(c *contact.Config) { c.Auth = contact.Auth{Kind: contact.JWT, KeyPEM: whole} }, "subject"},
		"no PEM":         {jwtKey([]byte("hidden")), "not PEM"},
		"no key":         {jwtKey(block("PRIVATE KEY", []byte("hidden"))), "private key"},
		"certificate":    {jwtKey(block("CERTIFICATE", []byte("hidden"))), "private key"},
		"wrong curve":    {jwtKey(pkcs8(t, ecKey(t, elliptic.P384()))), "P-256"},
		"small RSA":      {jwtKey(pkcs8(t, small)), "2048"},
		"no api key":     {func(c *contact.Config) { c.Auth.Kind = contact.APIKey }, "api_key"},
		"broken api key": {func(c *contact.Config) { c.Auth = contact.Auth{Kind: contact.APIKey, APIKey: "hidden\n"} }, "api_key"},
		"no secret":      {func(c *contact.Config) { c.Auth.Kind = contact.StandardWebhooks }, "whsec_"},
		"broken secret": {func(c *contact.Config) {
			c.Auth = contact.Auth{Kind: contact.StandardWebhooks, Secret: "whsec_hidden!"}
		}, "whsec_"},
		"short secret": {func(c *contact.Config) {
			c.Auth = contact.Auth{Kind: contact.StandardWebhooks, Secret: "whsec_aGlkZGVu"}
		}, "24 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t, omnichannel.Options{})
			c.change(&w.config)
			_, err := contact.New(w.config)
			require.ErrorContains(t, err, c.says)
			require.NotContains(t, err.Error(), "hidden")
			require.NotContains(t, err.Error(), "aGlkZGVu")
		})
	}
}

func jwtKey(key []byte) func(*contact.Config) {
	return func(c *contact.Config) {
		c.Auth = contact.Auth{Kind: contact.JWT, KeyPEM: key, Subject: "konsulin-bot"}
	}
}
