package auth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"strings"

	"github.com/supertokens/supertokens-golang/supertokens"
)

// Why the consume route answers GENERAL_ERROR.
const (
	ReasonTryAgain    = "try_again"          // nothing is decided yet: the same link may work in a moment
	ReasonNewLink     = "new_link"           // the link is spent but no session was made
	ReasonDigits      = "digits_required"    // the last four digits of the number are wanted, with triesLeft
	ReasonWrongDigits = "digits_wrong"       // they were others, with triesLeft
	ReasonOther       = "signed_in_as_other" // somebody else is signed in here: replaceSession says that this is meant
	ReasonOffer       = "offer"              // the digits were right, and a guest could come along: bringGuest says whether, with the offer's tag
	ReasonWrongCode   = "code_wrong"         // the code from the chat was another, with triesLeft
)

// maxBody is the largest request body that the SDK's routes are given.
const maxBody = 16 << 10

const consumePath = "/signinup/code/consume"

// access says who answers a path below apiBasePath.
type access int

const (
	notOurs access = iota // the next handler
	served                // the SDK
	ours                  // this package
	api                   // the next handler, and it is a part of the API
	closed                // nobody: 404
)

// Routes serves SuperTokens' own paths below apiBasePath (consume, refresh, sign-out, and the public keys by which
// others check sessions) and ours (guests, logins that are under way). The SDK's routes that would let anybody mint codes
// or list who is registered answer 404, however they are spelled. Everything else goes to next. The website's origins may
// call the API from a browser.
func (s *Service) Routes(next http.Handler) http.Handler {
	routes := s.routes(next)
	if s.origins == nil {
		return routes
	}
	shared := s.origins.Handler(routes)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		method := r.Method
		if method == http.MethodOptions { // a browser asks whether it may use another method
			method = r.Header.Get("Access-Control-Request-Method")
		}
		if _, a := s.route(method, r.URL.Path); a == notOurs || a == closed {
			routes.ServeHTTP(w, r)
			return
		}
		shared.ServeHTTP(w, r)
	})
}

func (s *Service) routes(next http.Handler) http.Handler {
	sdk := supertokens.Middleware(http.NotFoundHandler())
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, a := s.route(r.Method, r.URL.Path)
		switch a {
		case ours:
			s.serveOurs(w, r, path)
		case served:
			s.serve(w, r, sdk, path)
		case closed:
			http.NotFound(w, r)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// route reads a path as the SDK does: its own idea of equal spellings, and with or without a tenant.
func (s *Service) route(method, raw string) (path string, a access) {
	normal, err := supertokens.NewNormalisedURLPath(raw)
	if err != nil {
		return "", notOurs
	}
	rest, below := strings.CutPrefix(normal.GetAsStringDangerous(), s.base)
	if !below {
		return "", notOurs
	}
	if a := accessTo(method, rest); a != notOurs {
		return rest, a
	}
	if _, h := s.ourRoute(rest); h != nil && !s.cfg.Elsewhere {
		return rest, ours
	}
	if i := strings.IndexByte(strings.TrimPrefix(rest, "/"), '/'); i >= 0 {
		rest = rest[i+1:]
		return rest, accessTo(method, rest)
	}
	return "", notOurs
}

func accessTo(method, path string) access {
	switch path {
	case "/signinup/code", "/signinup/code/resend",
		"/signup/email/exists", "/signup/phonenumber/exists",
		"/passwordless/email/exists", "/passwordless/phonenumber/exists",
		"/email/exists", "/phonenumber/exists":
		return closed
	case consumePath, "/session/refresh", "/signout":
		if method == http.MethodPost {
			return served
		}
	case "/jwt/jwks.json", "/.well-known/openid-configuration":
		if method == http.MethodGet {
			return served
		}
	case sessionPath:
		return api
	}
	return notOurs
}

// serve lets the SDK answer, into a buffer and within a time: the SDK itself knows neither.
func (s *Service) serve(w http.ResponseWriter, r *http.Request, sdk http.Handler, path string) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		s.malformed(path)
		writeJSON(w, http.StatusRequestEntityTooLarge, map[string]string{"message": "the request is too large"})
		return
	case err != nil:
		return // the browser is gone
	case path == consumePath && !isObject(body):
		s.malformed(path)
		writeJSON(w, http.StatusBadRequest, map[string]string{"message": "the body must be a JSON object"})
		return
	}
	said := &exchange{answers: readAnswers(body)}
	in := r.Clone(context.WithValue(context.WithoutCancel(r.Context()), exchangeKey{}, said))
	in.Body = io.NopCloser(bytes.NewReader(body))
	out := newResponse(w.Header())
	ctx, cancel := context.WithTimeout(r.Context(), s.Settle()+s.core.patience())
	defer cancel()
	if path != consumePath { // which refuses foreign codes without a call to the core
		err = s.core.ready(ctx)
	}
	if err == nil {
		err = s.core.run(ctx, func() error { sdk.ServeHTTP(out, in); return nil })
	}
	switch {
	case err == nil:
		if path == consumePath && out.status == http.StatusBadRequest { // the SDK's answer to what is no confirmation
			s.malformed(path)
		}
		out.put("returnPath", said.next)
		out.copyTo(w)
	case r.Context().Err() != nil: // nobody to answer
	case path == consumePath:
		s.interrupted(err)
		s.log.Error().Ctx(ctx).Err(s.core.explain("consume code", err)).Msg("sign-in: interrupted")
		s.excuse(w, ReasonTryAgain)
	default:
		s.away(w, r, s.core.explain("serve "+path, err))
	}
}

func isObject(body []byte) bool {
	var object map[string]json.RawMessage
	return json.Unmarshal(body, &object) == nil && object != nil
}

// exchange is what a confirmation says beside what the SDK reads, and is told beside what the SDK writes.
type exchange struct {
	answers
	next string // see signedIn
}

// exchangeKey carries it through the SDK.
type exchangeKey struct{}

func exchangeOf(ctx context.Context) *exchange {
	if x, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
		return x
	}
	return &exchange{}
}

// readAnswers reads what the body of a confirmation says. What has another form counts as not said.
func readAnswers(body []byte) answers {
	var fields map[string]json.RawMessage
	var a answers
	if json.Unmarshal(body, &fields) != nil {
		return a
	}
	_ = json.Unmarshal(fields["digits"], &a.Digits)
	_ = json.Unmarshal(fields["offer"], &a.Offer)
	_ = json.Unmarshal(fields["replaceSession"], &a.ReplaceSession)
	var bring *bool
	if json.Unmarshal(fields["bringGuest"], &bring) == nil {
		a.BringGuest = bring
	}
	return a
}

// ask answers the consume route with what has to be asked first, in the form that SuperTokens' front ends know.
func (s *Service) ask(w http.ResponseWriter, q *question) {
	body := map[string]any{"status": "GENERAL_ERROR", "reason": q.reason}
	switch q.reason {
	case ReasonDigits:
		body["message"] = "Please enter the last four digits of your number."
	case ReasonWrongDigits:
		body["message"] = "These are not the last four digits of the number. Please try again."
	case ReasonWrongCode:
		body["message"] = "This is not the code from the chat. Please try again."
	case ReasonOther:
		body["message"] = "Somebody else is signed in here."
	case ReasonOffer:
		body["message"] = "Shall what was done before signing in come along?"
		body["offer"] = q.offer
	}
	if q.left >= 0 {
		body["triesLeft"] = q.left
	}
	writeJSON(w, http.StatusOK, body)
}

// excuse answers the consume route in the form that SuperTokens' front ends know, with a reason for ours.
func (s *Service) excuse(w http.ResponseWriter, reason string) {
	message := "Signing in did not work just now. Please try again in a moment."
	if reason == ReasonNewLink {
		message = "Signing in did not work. Please ask for a new link."
	}
	writeJSON(w, http.StatusOK, map[string]string{"status": "GENERAL_ERROR", "reason": reason, "message": message})
}

// apiError answers what the SDK has no answer for. Its own way would be to show the error.
func (s *Service) apiError(err error, r *http.Request, w http.ResponseWriter) {
	s.away(w, r, s.core.explain("serve request", err))
}

func (s *Service) away(w http.ResponseWriter, r *http.Request, err error) {
	s.turnAway(s.routeName(r), turnedUnavailable)
	if r.Context().Err() == nil {
		s.log.Error().Ctx(r.Context()).Err(err).Msg("a request could not be served")
	}
	w.Header().Set("Retry-After", "5")
	writeJSON(w, http.StatusServiceUnavailable, map[string]string{"message": "Please try again in a moment."})
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // there is nobody left to tell
}

// response is what the SDK has written so far. It reaches the browser when the SDK is done, or never.
type response struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func newResponse(header http.Header) *response { return &response{header: header.Clone()} }

func (w *response) Header() http.Header { return w.header }

func (w *response) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

func (w *response) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}

// put adds a text to an answer that is a JSON object; an empty one adds nothing.
func (w *response) put(key, value string) {
	var fields map[string]any
	if value == "" || json.Unmarshal(w.body.Bytes(), &fields) != nil || fields == nil {
		return
	}
	fields[key] = value
	w.body.Reset()
	_ = json.NewEncoder(&w.body).Encode(fields) // it came from JSON
}

func (w *response) copyTo(to http.ResponseWriter) {
	clear(to.Header())
	maps.Copy(to.Header(), w.header)
	if w.status == 0 { // headers only, so far
		return
	}
	to.WriteHeader(w.status)
	_, _ = to.Write(w.body.Bytes())
}
