package contact

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/konsulin-care/konsulin-bot/internal/webhook"
)

// Kind is how a caller proves who it is.
type Kind string

// The kinds.
const (
	None             Kind = "none"              // a guest; what the gateway's shipped policy allows
	JWT              Kind = "jwt"               // a signed token; what the service behind the gateway asks for
	APIKey           Kind = "api_key"           // the header x-api-key
	StandardWebhooks Kind = "standard_webhooks" // an HMAC over the body (standardwebhooks.com)
)

// tokenLife is how long a token is good for.
const tokenLife = 5 * time.Minute

// minRSABits is the size below which a key is no secret.
const minRSABits = 2048

// Auth is a kind and what the kind needs.
type Auth struct {
	Kind Kind // empty: none

	KeyPEM   []byte // of JWT: private key, EC P-256 (ES256) or RSA (RS256); PKCS#8, SEC 1 or PKCS#1
	Subject  string // of JWT
	Issuer   string // of JWT; may be empty
	Audience string // of JWT; may be empty

	APIKey string // of APIKey
	Secret string // of StandardWebhooks: whsec_<base64>, or two of them while one takes the other's place
}

// authorizer adds the proof to the headers of one call.
type authorizer func(h http.Header, id string, body []byte) error

func newAuthorizer(a Auth, now func() time.Time) (authorizer, error) {
	switch a.Kind {
	case None, "":
		return func(http.Header, string, []byte) error { return nil }, nil
	case JWT:
		return bearer(a, now)
	case APIKey:
		return apiKey(a)
	case StandardWebhooks:
		return signature(a, now)
	}
	return nil, errors.New("the kind must be none, jwt, api_key or standard_webhooks")
}

func bearer(a Auth, now func() time.Time) (authorizer, error) {
	if a.Subject == "" {
		return nil, errors.New("jwt needs a subject")
	}
	method, key, err := privateKey(a.KeyPEM)
	if err != nil {
		return nil, fmt.Errorf("key of jwt: %w", err)
	}
	return func(h http.Header, _ string, _ []byte) error {
		at := now()
		claims := jwt.RegisteredClaims{
			Subject: a.Subject, Issuer: a.Issuer,
			IssuedAt: jwt.NewNumericDate(at), ExpiresAt: jwt.NewNumericDate(at.Add(tokenLife)),
		}
		if a.Audience != "" {
			claims.Audience = jwt.ClaimStrings{a.Audience}
		}
		token, err := jwt.NewWithClaims(method, claims).SignedString(key)
		if err != nil {
			return errors.New("the token cannot be signed with the configured key")
		}
		h.Set("Authorization", "Bearer "+token)
		return nil
	}, nil
}

// privateKey never repeats what a parser says: it might quote the file.
func privateKey(pem []byte) (jwt.SigningMethod, any, error) {
	if key, err := jwt.ParseECPrivateKeyFromPEM(pem); err == nil {
		return ecKey(key)
	}
	key, err := jwt.ParseRSAPrivateKeyFromPEM(pem)
	switch {
	case errors.Is(err, jwt.ErrKeyMustBePEMEncoded):
		return nil, nil, errors.New("it is not PEM")
	case err != nil:
		return nil, nil, errors.New("it is not an unencrypted EC or RSA private key (PKCS#8, SEC 1 or PKCS#1)")
	case key.N.BitLen() < minRSABits:
		return nil, nil, fmt.Errorf("an RSA key needs %d bits or more", minRSABits)
	}
	return jwt.SigningMethodRS256, key, nil
}

func ecKey(key *ecdsa.PrivateKey) (jwt.SigningMethod, any, error) {
	if key.Curve != elliptic.P256() {
		return nil, nil, errors.New("the EC key must be on the curve P-256")
	}
	return jwt.SigningMethodES256, key, nil
}

func apiKey(a Auth) (authorizer, error) {
	if a.APIKey == "" || strings.ContainsFunc(a.APIKey, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("api_key needs a key of visible ASCII characters")
	}
	return func(h http.Header, _ string, _ []byte) error {
		h.Set("x-api-key", a.APIKey)
		return nil
	}, nil
}

func signature(a Auth, now func() time.Time) (authorizer, error) {
	signer, err := webhook.New(a.Secret)
	if err != nil {
		return nil, fmt.Errorf("standard_webhooks: %w", err)
	}
	return func(h http.Header, id string, body []byte) error { return signer.Sign(h, id, now(), body) }, nil
}
