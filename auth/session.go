package auth

import (
	"context"
	"net/http"
	"time"

	"github.com/supertokens/supertokens-golang/recipe/session"
	sessionerrors "github.com/supertokens/supertokens-golang/recipe/session/errors"
	"github.com/supertokens/supertokens-golang/recipe/session/sessmodels"
	"github.com/supertokens/supertokens-golang/recipe/userroles/userrolesclaims"
	"github.com/supertokens/supertokens-golang/supertokens"

	"github.com/konsulin-care/konsulin-bot/internal/phone"
)

// Session is who is signed in, in our own words.
type Session struct {
	Handle string // SuperTokens' session handle; not a secret, but not for logs either
	UserID string
	Roles  []string
	StepUp bool // somebody else may have the number: ask for another proof, see ClaimStepUp
	// CreatedAt is when the session was made, also after refreshes. Only the core knows it: while the core is away a
	// session is accepted without it, and this is the zero time (IsZero), which means "not known" and is not for
	// anybody to see.
	CreatedAt time.Time
}

// Session answers who is signed in; ok is false when nobody is. It may write refreshed tokens, or the 401 at which
// SuperTokens' front-end libraries refresh or sign out, or a 503 while the core's keys cannot be had; written is true
// when the response is finished. A session that was revoked elsewhere counts as none, unless the core is away.
func (s *Service) Session(w http.ResponseWriter, r *http.Request) (sess Session, ok, written bool) {
	type result struct {
		sess    Session
		ok, end bool
	}
	out := newResponse(w.Header())
	in := r.Clone(context.WithoutCancel(r.Context()))
	results := make(chan result, 1)
	ctx, cancel := context.WithTimeout(r.Context(), s.core.patience())
	defer cancel()
	err := s.core.run(ctx, func() error {
		var x result
		x.sess, x.ok, x.end = s.session(out, in)
		results <- x
		return nil
	})
	if err != nil {
		s.away(w, r, s.core.explain("check session", err))
		return Session{}, false, true
	}
	out.copyTo(w)
	x := <-results
	return x.sess, x.ok, x.end
}

func (s *Service) session(w http.ResponseWriter, r *http.Request) (sess Session, ok, written bool) {
	optional := false
	uc := supertokens.SetRequestInUserContextIfNotDefined(nil, r)
	got, err := session.GetSession(r, w, &sessmodels.VerifySessionOptions{SessionRequired: &optional}, uc)
	if err != nil {
		s.answerError(w, r, err)
		return Session{}, false, true
	}
	if got == nil {
		return Session{}, false, false
	}
	sess = Session{
		Handle: got.GetHandleWithContext(uc), UserID: got.GetUserIDWithContext(uc),
		Roles: stringsOf(got.GetClaimValueWithContext(userrolesclaims.UserRoleClaim, uc)),
	}
	sess.StepUp, _ = got.GetAccessTokenPayloadWithContext(uc)[ClaimStepUp].(bool)
	created, revoked := s.sessionStart(r.Context(), sess.Handle)
	if revoked {
		clearTokens := true
		s.answerError(w, r, sessionerrors.UnauthorizedError{Msg: "the session was revoked", ClearTokens: &clearTokens})
		return Session{}, false, true
	}
	sess.CreatedAt = created
	return sess, true, false
}

// sessionStart asks the core when a session was made. A page does not wait long for that.
func (s *Service) sessionStart(ctx context.Context, handle string) (at time.Time, revoked bool) {
	ctx, cancel := context.WithTimeout(ctx, min(s.cfg.CoreTimeout, 2*time.Second))
	defer cancel()
	info, revoked, err := s.sessionInfo(ctx, handle)
	if err != nil {
		s.log.Warn().Err(err).Msg("a session was accepted without asking the core")
		return time.Time{}, false
	}
	if revoked {
		return time.Time{}, true
	}
	if info.TimeCreated == 0 {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(info.TimeCreated)), false //nolint:gosec // milliseconds since 1970
}

// answerError lets the SDK answer an error of its own, such as an expired token, and answers any other.
func (s *Service) answerError(w http.ResponseWriter, r *http.Request, err error) {
	if err = supertokens.ErrorHandler(err, r, w, supertokens.SetRequestInUserContextIfNotDefined(nil, r)); err != nil {
		s.apiError(err, r, w)
	}
}

func stringsOf(claim any) []string {
	values, _ := claim.([]any)
	out := make([]string, 0, len(values))
	for _, v := range values {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// sessionFunctions wraps the SDK's check of a session. It notes that the SDK holds the core's keys. In a test binary the
// SDK also keeps books about its key cache in package variables without a lock, so there one check runs at a time.
func (s *Service) sessionFunctions(f sessmodels.RecipeInterface) sessmodels.RecipeInterface {
	original := *f.GetSession
	get := func(token, antiCSRF *string, o *sessmodels.VerifySessionOptions, uc supertokens.UserContext) (sessmodels.SessionContainer, error) {
		if token != nil {
			s.keysUsed.Store(true)
		}
		if supertokens.IsRunningInTestMode() {
			s.verify.Lock()
			defer s.verify.Unlock()
		}
		return original(token, antiCSRF, o, uc)
	}
	f.GetSession = &get
	return f
}

// tokenTheft ends a session whose refresh token was used twice. It is the SDK's own handler, which would write the
// cache tag, see quiet.
func (s *Service) tokenTheft(handle, _ string, _ *http.Request, w http.ResponseWriter) error {
	s.log.Warn().Msg("a refresh token was used twice: the session is revoked")
	if _, err := session.RevokeSession(handle, quiet()); err != nil {
		return err
	}
	return supertokens.SendNon200ResponseWithMessage(w, "token theft detected", http.StatusUnauthorized)
}

// newSession does what the SDK's own consume route does: a session as cookies or headers, by st-auth-mode.
func (s *Service) newSession(ctx context.Context, r *http.Request, w http.ResponseWriter, who account) (sessmodels.SessionContainer, error) {
	n, err := phone.FromDigits(*who.PhoneNumber) // see belongs
	if err != nil {
		return nil, err
	}
	uc := supertokens.MakeDefaultUserContextFromAPI(r)
	made, err := session.CreateNewSession(r, w, s.cfg.Tenant, who.ID, s.stepUpClaims(ctx, n, who.ID), map[string]any{}, uc)
	if err != nil {
		return nil, s.core.explain("create session", err)
	}
	return made, nil
}
