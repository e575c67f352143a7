package auth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"net/http"

	"github.com/supertokens/supertokens-golang/ingredients/smsdelivery"
	"github.com/supertokens/supertokens-golang/recipe/passwordless"
	"github.com/supertokens/supertokens-golang/recipe/passwordless/plessmodels"
	"github.com/supertokens/supertokens-golang/recipe/session/sessmodels"
	"github.com/supertokens/supertokens-golang/supertokens"

	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/konsulin-care/konsulin-bot/internal/requestid"
)

// What a confirmation can come to, other than a sign-in.
var (
	errRestart  = errors.New("the link cannot be used")
	errTryAgain = errors.New("the sign-in is not decided yet")
	errSpent    = errors.New("the link is spent, and there is no session")
)

// account is a user of the core.
type account struct {
	plessmodels.User
	isNew bool
	reply string // of the link that was confirmed
}

// passwordlessAPIs closes the routes through which anybody could mint codes or ask who is registered, and puts our
// rules into the one that stays.
func (s *Service) passwordlessAPIs(api plessmodels.APIInterface) plessmodels.APIInterface {
	api.CreateCodePOST, api.ResendCodePOST = nil, nil
	api.EmailExistsGET, api.PhoneNumberExistsGET = nil, nil
	consume := s.consumePOST
	api.ConsumeCodePOST = &consume
	return api
}

func (s *Service) consumePOST(
	userInput *plessmodels.UserInputCodeWithDeviceID, linkCode *string, preAuthSessionID, _ string,
	options plessmodels.APIOptions, _ supertokens.UserContext,
) (plessmodels.ConsumeCodePOSTResponse, error) {
	var resp plessmodels.ConsumeCodePOSTResponse
	if userInput != nil || linkCode == nil {
		s.refused(because(refusedRequest, errRestart))
		resp.RestartFlowError = &struct{}{} // our codes are links only
		return resp, nil
	}
	// The browser may leave; a confirmation that has begun is brought to its end.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(options.Req.Context()), s.Settle())
	defer cancel()
	said := exchangeOf(options.Req.Context())
	v, err := s.arrive(ctx, options.Req, said.answers)
	if err != nil {
		s.refused(err)
		s.sayWhyNot(options.Res, err)
		return resp, nil
	}
	done, err := s.signIn(ctx, options.Res, options.Req, v, preAuthSessionID, *linkCode)
	if err != nil {
		s.sayWhyNot(options.Res, err)
		return resp, nil
	}
	said.next = done.next
	resp.OK = &struct {
		CreatedNewUser bool
		User           plessmodels.User
		Session        sessmodels.SessionContainer
	}{done.isNew, done.User, done.session}
	return resp, nil
}

// arrive reads what the browser of a confirmation comes with.
func (s *Service) arrive(ctx context.Context, r *http.Request, in answers) (visit, error) {
	v, err := s.visitOf(ctx, r)
	if err == nil {
		v.person, err = s.bearerOf(ctx, r)
	}
	if err != nil {
		s.log.Error().Ctx(ctx).Err(err).Msg("sign-in: cannot find out what the browser comes with")
		return visit{}, errTryAgain
	}
	v.answers = in
	return v, nil
}

// signedIn is a confirmation that came to its end.
type signedIn struct {
	account
	session sessmodels.SessionContainer
	next    string // where the login that the link belongs to wanted to go; empty: nowhere special
}

// signIn confirms a link for a browser and gives it a session in place of the one that it had, which ends only when the
// new one is there: whoever gets none keeps theirs. Its errors are those of confirm, and are counted.
func (s *Service) signIn(ctx context.Context, w http.ResponseWriter, r *http.Request, v visit, preAuthSessionID, linkCode string) (signedIn, error) {
	began := s.now()
	done, err := s.confirm(ctx, preAuthSessionID, linkCode, v)
	if err != nil {
		s.refused(err)
		return signedIn{}, err
	}
	if done.session, err = s.admit(ctx, r, w, done.account, began); err != nil {
		why := refusedSession
		if errors.Is(err, errBarred) {
			why = refusedBarred
		}
		s.refused(because(why, err))
		s.log.Error().Ctx(ctx).Err(err).Msg("signed in and recorded, but no session was made")
		return signedIn{}, errSpent
	}
	s.dropSession(ctx, v.person)
	s.finishAttempt(ctx, w, v.attempt)
	if s.cfg.Await != nil {
		s.cfg.Await(ctx, done.ID)
	}
	return done, nil
}

// sayWhyNot answers a confirmation that came to nothing.
func (s *Service) sayWhyNot(w http.ResponseWriter, err error) {
	var q *question
	switch {
	case errors.As(err, &q):
		s.ask(w, q)
	case errors.Is(err, errRestart):
		writeJSON(w, http.StatusOK, map[string]string{"status": "RESTART_FLOW_ERROR"})
	case errors.Is(err, errSpent):
		s.excuse(w, ReasonNewLink)
	default:
		s.excuse(w, ReasonTryAgain)
	}
}

// confirm turns the whole secret of a link into a recorded sign-in. It returns nil only to the one caller that may
// have the session; a question when the browser has to be asked something first, errRestart when the link is of no use,
// errSpent when it was spent for nothing, and errTryAgain when nothing is decided.
func (s *Service) confirm(ctx context.Context, preAuthSessionID, linkCode string, v visit) (signedIn, error) {
	link, err := s.presented(ctx, preAuthSessionID, linkCode)
	if err == nil {
		err = s.barred(ctx, link)
	}
	if err != nil {
		return signedIn{}, err
	}
	ctx = requestid.With(ctx, link.ReplyID)
	with, err := s.pass(ctx, link, v)
	if err != nil {
		return signedIn{}, err
	}
	if link.State == LinkConsuming {
		if link, err = s.unstick(ctx, link); err != nil {
			return signedIn{}, err
		}
	}
	i := Intent{
		ID: newID(), ReplyID: link.ReplyID, CodeID: link.CodeID, Number: link.Number, Guest: with.bring, Apart: with.apart,
		StartedAt: s.now(), ExpiresAt: link.ExpiresAt, PreAuth: preAuthSessionID,
	}
	s.claim(i.ID)
	defer s.unclaim(i.ID)
	if err := s.signIns.BeginSignIn(ctx, i); err != nil {
		return signedIn{}, s.lost(ctx, link.ReplyID, err)
	}
	who, err := s.consumeCode(ctx, i, linkCode)
	if err != nil {
		who, err = s.salvage(ctx, i, err)
	} else {
		err = s.finishOrLeave(ctx, i, who)
	}
	who.reply = i.ReplyID
	return signedIn{account: who, next: with.next}, err
}

// presented finds the link of which somebody presents the whole secret, or refuses without a call to the core.
func (s *Service) presented(ctx context.Context, preAuthSessionID, linkCode string) (LinkRecord, error) {
	link, err := s.links.LinkByPreAuth(ctx, hashOf(preAuthSessionID))
	switch {
	case errors.Is(err, ErrNotFound):
		return LinkRecord{}, because(refusedUnknown, errRestart)
	case err != nil:
		s.log.Error().Ctx(ctx).Err(err).Msg("sign-in: cannot look up the link")
		return LinkRecord{}, errTryAgain
	case link.State != LinkOpen && link.State != LinkConsuming, link.Tries >= maxDigits, !s.now().Before(link.ExpiresAt):
		return LinkRecord{}, because(whyClosed(link), errRestart)
	}
	x, err := s.seal.open(link.ReplyID, link.Sealed)
	if err != nil {
		s.log.Error().Ctx(ctx).Err(err).Stringer("number", link.Number).Msg("sign-in: the link cannot be checked")
		return LinkRecord{}, because(refusedSealed, errRestart)
	}
	if subtle.ConstantTimeCompare([]byte(x.LinkCode), []byte(linkCode)) != 1 {
		return LinkRecord{}, because(refusedWrongCode, errRestart)
	}
	return link, nil
}

// lost is for the callers that did not win the link.
func (s *Service) lost(ctx context.Context, replyID string, err error) error {
	if !errors.Is(err, ErrTaken) {
		s.log.Error().Ctx(ctx).Err(err).Msg("sign-in: cannot write the intent")
		return errTryAgain
	}
	link, err := s.links.LinkByReply(ctx, replyID)
	switch {
	case err != nil:
		return errTryAgain
	case link.State == LinkConsuming || link.State == LinkOpen:
		return because(refusedTaken, errTryAgain)
	}
	return because(refusedTaken, errRestart)
}

// consumeCode spends the code at the core. A core that stumbled and has the code still has done nothing, so it is asked
// again.
func (s *Service) consumeCode(ctx context.Context, i Intent, linkCode string) (account, error) {
	for n := 1; ; n++ {
		who, err := s.consumeOnce(ctx, i, linkCode)
		if err == nil || sure(err) != answered || n == tries {
			return who, err
		}
		there, lookErr := s.codeIsThere(ctx, i)
		if lookErr != nil || !there || !pause(ctx, n) {
			return who, err
		}
	}
}

func (s *Service) consumeOnce(ctx context.Context, i Intent, linkCode string) (account, error) {
	const op = "consume code"
	resp, err := call(ctx, s.core, op, func(uc supertokens.UserContext) (plessmodels.ConsumeCodeResponse, error) {
		return passwordless.ConsumeCodeWithLinkCode(s.cfg.Tenant, linkCode, i.PreAuth, uc)
	})
	switch {
	case err != nil:
		return account{}, err
	case resp.RestartFlowError != nil:
		return account{}, because(refusedCore, errRestart)
	case resp.OK == nil || !belongs(resp.OK.User, i.Number):
		return account{}, s.core.explain(op, errUnexpected)
	}
	return account{User: resp.OK.User, isNew: resp.OK.CreatedNewUser}, nil
}

// belongs checks that the core speaks of the number that was confirmed. The SDK hands out empty users without an error.
func belongs(u plessmodels.User, n phone.Number) bool {
	return u.ID != "" && u.PhoneNumber != nil && *u.PhoneNumber == n.Digits()
}

// validDigits is the SDK's check of a number: digits only, as Konsulin's core holds them.
func validDigits(value any, _ string) *string {
	if digits, ok := value.(string); ok {
		if _, err := phone.FromDigits(digits); err == nil {
			return nil
		}
	}
	refused := "the phone number must be digits only, country code first"
	return &refused
}

// noDelivery is how the SDK sends codes: never. Links go over our own line.
func noDelivery() *smsdelivery.TypeInput {
	send := func(smsdelivery.SmsType, supertokens.UserContext) error {
		return errors.New("links are sent over the bot's own line only")
	}
	return &smsdelivery.TypeInput{Service: &smsdelivery.SmsDeliveryInterface{SendSms: &send}}
}

func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, see crypto/rand
	return hex.EncodeToString(b[:])
}
