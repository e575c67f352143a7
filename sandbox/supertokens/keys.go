package supertokens

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"math/big"
	"sync"

	"github.com/golang-jwt/jwt/v5"
)

// Names of the two kinds of signing keys: a dynamic key, which a real core changes every week, and a static one.
const (
	dynamicPrefix = "d-"
	staticPrefix  = "s-"
)

// keySize is the core's.
const keySize = 2048

// signer is one RSA key with its id.
type signer struct {
	kid string
	key *rsa.PrivateKey
}

// keys are what the core signs and seals with. The RSA keys are made when they are first needed.
type keys struct {
	dynamic func() *signer
	static  func() *signer
	seal    cipher.AEAD // of refresh tokens
}

func newKeys() (*keys, error) {
	block, err := aes.NewCipher(random(32))
	if err != nil {
		return nil, err
	}
	seal, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	make1 := func(prefix string) func() *signer {
		return sync.OnceValue(func() *signer {
			key, err := rsa.GenerateKey(rand.Reader, keySize)
			if err != nil {
				panic(fmt.Sprintf("make an RSA key: %v", err)) // only a broken source of randomness does that
			}
			return &signer{kid: prefix + uuid(), key: key}
		})
	}
	return &keys{dynamic: make1(dynamicPrefix), static: make1(staticPrefix), seal: seal}, nil
}

// pick is the key for new tokens.
func (k *keys) pick(static bool) *signer {
	if static {
		return k.static()
	}
	return k.dynamic()
}

// sign makes a JWT. version is that of access tokens; empty for other tokens.
func (g *signer) sign(claims map[string]any, version string) (string, error) {
	t := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims(claims))
	t.Header["kid"] = g.kid
	if version != "" {
		t.Header["version"] = version
	}
	return t.SignedString(g.key)
}

// verify reads a JWT that one of the two keys signed. Times in it are not looked at.
func (k *keys) verify(token string) (map[string]any, error) {
	p := jwt.NewParser(jwt.WithoutClaimsValidation(), jwt.WithJSONNumber(), jwt.WithValidMethods([]string{"RS256"}))
	t, err := p.Parse(token, func(t *jwt.Token) (any, error) {
		for _, g := range []*signer{k.dynamic(), k.static()} {
			if t.Header["kid"] == g.kid {
				return &g.key.PublicKey, nil
			}
		}
		return nil, fmt.Errorf("key not found")
	})
	if err != nil {
		return nil, err
	}
	return t.Claims.(jwt.MapClaims), nil
}

// jwks answers GET /.well-known/jwks.json.
func (s *Server) jwks(c *call) (object, error) {
	c.w.Header().Set("Cache-Control", "max-age=3600, must-revalidate")
	list := make([]object, 0, 2)
	for _, g := range []*signer{s.keys.dynamic(), s.keys.static()} {
		list = append(list, object{
			"kty": "RSA", "kid": g.kid, "alg": "RS256", "use": "sig",
			"n": base64.RawURLEncoding.EncodeToString(g.key.N.Bytes()),
			"e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(g.key.E)).Bytes()),
		})
	}
	return object{"keys": list}, nil
}

// signJWT answers POST /recipe/jwt.
func (s *Server) signJWT(c *call) (object, error) {
	algorithm, err := c.str("algorithm")
	if err != nil {
		return nil, err
	}
	domain, err := c.str("jwksDomain")
	if err != nil {
		return nil, err
	}
	payload, err := c.obj("payload")
	if err != nil {
		return nil, err
	}
	validity, err := c.positive("validity")
	if err != nil {
		return nil, err
	}
	static, given, err := c.maybeFlag("useStaticSigningKey")
	if err != nil {
		return nil, err
	}
	if algorithm != "RS256" && algorithm != "rs256" {
		return status("UNSUPPORTED_ALGORITHM_ERROR"), nil
	}
	claims := map[string]any{"iss": domain}
	for k, v := range payload {
		claims[k] = v
	}
	now := s.now().Unix()
	claims["iat"], claims["exp"] = now, now+validity
	token, err := s.keys.pick(static || !given).sign(claims, "")
	if err != nil {
		return nil, err
	}
	return ok(object{"jwt": token}), nil
}
