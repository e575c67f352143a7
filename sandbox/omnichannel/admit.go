package omnichannel

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// How far a proof may reach in time.
const (
	tokenLife = 5 * time.Minute
	tolerance = 5 * time.Minute
)

// admit asks for every proof that the options name, and refuses a proof that nobody asked for.
func (s *Server) admit(h http.Header, body []byte) (answer, bool) {
	if s.o.APIKey == "" && h.Get("X-Api-Key") != "" {
		// The gateway makes the caller Superadmin, who has no rule for the hook.
		return refusal(http.StatusForbidden, "the role has no rule for this path"), false
	}
	if s.o.PublicKey == nil && h.Get("Authorization") != "" {
		s.note("header %q", "Authorization")
		return refusal(http.StatusUnauthorized, "no token is asked for"), false
	}
	if len(s.secret) == 0 {
		for _, name := range []string{"Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"} {
			if h.Get(name) != "" {
				s.note("header %q", name)
				return refusal(http.StatusUnauthorized, "no signature is asked for"), false
			}
		}
	}
	switch {
	case s.o.APIKey != "" && subtle.ConstantTimeCompare([]byte(h.Get("X-Api-Key")), []byte(s.o.APIKey)) != 1:
		return refusal(http.StatusUnauthorized, "x-api-key is missing or wrong"), false
	case s.o.PublicKey != nil && !s.tokenHolds(h.Get("Authorization")):
		return refusal(http.StatusUnauthorized, "the token is missing or does not hold"), false
	case len(s.secret) > 0 && !s.signed(h, body):
		return refusal(http.StatusUnauthorized, "the signature is missing or does not hold"), false
	}
	return answer{}, true
}

// tokenHolds checks signature, times, subject and the names of the claims.
func (s *Server) tokenHolds(header string) bool {
	raw, ok := strings.CutPrefix(header, "Bearer ")
	if !ok {
		return false
	}
	claims := jwt.MapClaims{}
	_, err := jwt.ParseWithClaims(raw, claims, func(*jwt.Token) (any, error) { return s.o.PublicKey, nil },
		jwt.WithValidMethods([]string{"ES256", "RS256"}), jwt.WithTimeFunc(s.o.Now),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt())
	if err != nil {
		return false
	}
	for name := range claims {
		if !slices.Contains([]string{"sub", "iss", "aud", "iat", "exp"}, name) {
			s.note("claim %q", name)
			return false
		}
	}
	subject, err := claims.GetSubject()
	expires, expErr := claims.GetExpirationTime()
	issued, iatErr := claims.GetIssuedAt()
	return err == nil && subject != "" && expErr == nil && iatErr == nil && issued != nil &&
		expires.Sub(s.o.Now()) <= tokenLife && expires.Sub(issued.Time) <= tokenLife
}

// signed checks an HMAC as https://www.standardwebhooks.com describes it.
func (s *Server) signed(h http.Header, body []byte) bool {
	id, stamp := h.Get("Webhook-Id"), h.Get("Webhook-Timestamp")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || id == "" || s.o.Now().Sub(time.Unix(seconds, 0)).Abs() > tolerance {
		return false
	}
	mac := hmac.New(sha256.New, s.secret)
	_, _ = fmt.Fprintf(mac, "%s.%s.%s", id, stamp, body) // a hash takes everything
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	return slices.ContainsFunc(strings.Fields(h.Get("Webhook-Signature")), func(given string) bool {
		return hmac.Equal([]byte(given), []byte(want))
	})
}
