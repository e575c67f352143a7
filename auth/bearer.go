package auth

import (
	"context"
	"net/http"
	"strings"

	"github.com/golang-jwt/jwt/v5"
	"github.com/supertokens/supertokens-golang/recipe/session"
	"github.com/supertokens/supertokens-golang/recipe/session/sessmodels"
	"github.com/supertokens/supertokens-golang/supertokens"
)

// bearer is whose session a browser holds. A session whose access token has run out, and would be refreshed, counts.
type bearer struct{ userID, handle string }

// bearerOf reads the access token that a request carries. Anything that the core did not sign is nobody's.
func (s *Service) bearerOf(ctx context.Context, r *http.Request) (bearer, error) {
	for _, token := range accessTokens(r) {
		b, err := s.readToken(ctx, token)
		if err != nil || b.userID != "" {
			return b, err
		}
	}
	return bearer{}, nil
}

// accessTokens are the two places of a request where a front end puts its token.
func accessTokens(r *http.Request) (tokens []string) {
	if t, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		tokens = append(tokens, strings.TrimSpace(t))
	}
	for _, c := range r.CookiesNamed("sAccessToken") {
		if c.Value != "" {
			tokens = append(tokens, c.Value)
		}
	}
	return tokens
}

type accessClaims struct {
	Handle string `json:"sessionHandle"`
	jwt.RegisteredClaims
}

// readToken checks who signed a token, and does not mind when it ends.
func (s *Service) readToken(ctx context.Context, token string) (bearer, error) {
	// What is no token of a core at all is not worth a call to it.
	if _, _, err := jwt.NewParser().ParseUnverified(token, &accessClaims{}); err != nil {
		return bearer{}, nil //nolint:nilerr // nobody's
	}
	return call(ctx, s.core, "check session", func(supertokens.UserContext) (bearer, error) {
		s.keysUsed.Store(true)
		if supertokens.IsRunningInTestMode() { // see sessionFunctions
			s.verify.Lock()
			defer s.verify.Unlock()
		}
		keys, err := session.GetCombinedJWKS()
		if err != nil {
			return bearer{}, err
		}
		var c accessClaims
		_, err = jwt.ParseWithClaims(token, &c, keys.Keyfunc, jwt.WithoutClaimsValidation(), jwt.WithValidMethods([]string{"RS256"}))
		if err != nil || c.Handle == "" {
			return bearer{}, nil
		}
		return bearer{userID: c.Subject, handle: c.Handle}, nil
	})
}

// dropSession ends a session that another one has taken the place of. The browser loses it in any case.
func (s *Service) dropSession(ctx context.Context, b bearer) {
	if b.handle == "" {
		return
	}
	err := s.core.do(ctx, "revoke session", func(uc supertokens.UserContext) error {
		_, err := session.RevokeSession(b.handle, uc)
		return err
	})
	if err != nil {
		s.log.Warn().Err(err).Msg("sign-in: the session that was there before could not be revoked")
	}
}

// sessionInfo asks the core about a session.
func (s *Service) sessionInfo(ctx context.Context, handle string) (info sessmodels.SessionInformation, revoked bool, err error) {
	got, err := call(ctx, s.core, "look up session", func(uc supertokens.UserContext) (*sessmodels.SessionInformation, error) {
		return session.GetSessionInformation(handle, uc)
	})
	if err != nil {
		return info, false, err
	}
	if got == nil {
		return info, true, nil
	}
	return *got, false, nil
}
