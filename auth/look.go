package auth

import (
	"context"
	"errors"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/supertokens/supertokens-golang/recipe/passwordless"
	"github.com/supertokens/supertokens-golang/supertokens"
)

// APIVersion is the version of the driver interface that the core and the SDK speak with each other.
func (s *Service) APIVersion(ctx context.Context) (string, error) {
	return call(ctx, s.core, "ask for the API version", func(uc supertokens.UserContext) (string, error) {
		querier, err := supertokens.GetNewQuerierInstanceOrThrowError("")
		if err != nil {
			return "", err
		}
		return querier.GetQuerierAPIVersion(uc)
	})
}

// CodeLifetime is how long the core's codes, and so our links, live. The core tells it with a code only, so one is made
// for n, which should be nobody's who logs in, and revoked at once, whatever becomes of ctx. Codes of others are not touched.
func (s *Service) CodeLifetime(ctx context.Context, n phone.Number) (time.Duration, error) {
	code, err := s.createCode(ctx, n)
	if err != nil {
		return 0, err
	}
	err = s.core.do(context.WithoutCancel(ctx), "revoke code", func(uc supertokens.UserContext) error {
		return passwordless.RevokeCode(s.cfg.Tenant, code.CodeID, uc)
	})
	lifetime := time.Duration(code.CodeLifetime) * time.Millisecond //nolint:gosec // minutes
	if err != nil {
		return lifetime, errors.Join(errors.New("the code that was made to learn this stays until it expires; nobody has it"), err)
	}
	return lifetime, nil
}
