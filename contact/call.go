package contact

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// longestAnswer is how much of an answer is read.
const longestAnswer = 64 << 10

// body is what modify-profile wants. The e-mail address stays out: we never know one.
type body struct {
	Name        string `json:"name"`
	PhoneNumber string `json:"phoneNumber"`
}

// client is given's transport without redirects: a POST that is sent on becomes a GET, or goes to another host.
func client(given *http.Client) *http.Client {
	c := http.Client{}
	if given != nil {
		c = *given
	}
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c
}

// modifyProfile makes the one call. The id is empty when the contact was accepted without one.
func (s *Service) modifyProfile(ctx context.Context, u User, name string) (string, error) {
	call, cancel := context.WithTimeout(ctx, s.c.Timeout)
	defer cancel()
	req, err := s.request(call, u, name)
	if err != nil {
		return "", err
	}
	res, err := s.http.Do(req)
	if err != nil {
		return "", s.unanswered(err)
	}
	defer func() { _ = res.Body.Close() }()
	switch res.StatusCode {
	case http.StatusUnprocessableEntity:
		return "", nil // the contact exists already
	case http.StatusAccepted:
		return "", nil // it will exist
	case http.StatusOK:
		text, err := io.ReadAll(io.LimitReader(res.Body, longestAnswer+1))
		return s.accepted(text, err, u)
	}
	return "", s.refused(ctx, res)
}

// unanswered is a call of which nobody knows whether it arrived. It is made again, with the same idempotency id, for as
// long as it takes: an outage is nobody's failed attempt.
func (s *Service) unanswered(err error) error {
	cause := contextCause(err)
	if errors.Is(cause, context.Canceled) {
		return s.counted(0, "no answer", cause)
	}
	return s.outage(0, "no answer", cause)
}

func (s *Service) request(ctx context.Context, u User, name string) (*http.Request, error) {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body{Name: name, PhoneNumber: u.Number.E164()}); err != nil {
		return nil, s.permanent(0, "the body cannot be written")
	}
	payload := bytes.TrimSpace(text.Bytes())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.target, bytes.NewReader(payload))
	if err != nil {
		return nil, s.permanent(0, "the request cannot be made")
	}
	// net/http repeats a request with an idempotency key by itself when a connection breaks. Each call has to ask the
	// pacer first, so it must not.
	req.GetBody = nil
	id := idempotencyID(u.ID, u.Number)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Idempotency-Key", id)
	if err := s.auth(req.Header, id, payload); err != nil {
		return nil, s.after(operatorWait, 0, err.Error(), nil)
	}
	return req, nil
}

// accepted reads the id out of an answer with 200. The contact exists now, whatever else the answer says: a second call
// would only rename it, so an id that cannot be read is done without. Only what is no answer of the webhook at all is laid
// aside for a person.
func (s *Service) accepted(text []byte, broken error, u User) (string, error) {
	if broken == nil && len(text) <= longestAnswer {
		id, err := chatwootID(text, u.Number)
		switch {
		case err == nil:
			return id, nil
		case errors.Is(err, errNoArray):
			return "", s.permanent(http.StatusOK, "the answer is not the webhook's: "+err.Error()+"; check contact.base_url")
		}
		broken = err
	}
	s.c.Log.Warn().Str("reason", unreadable(broken)).Msg("the omnichannel system has accepted a contact, and its id cannot be read")
	return "", nil
}

// unreadable says why there is no id, in words of ours only.
func unreadable(err error) string {
	for _, known := range []error{errNoContact, errManyIDs, errBadID} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return "the answer broke off, or is too long"
}

// refused turns a status that promises nothing into an error.
func (s *Service) refused(ctx context.Context, res *http.Response) error {
	status := res.StatusCode
	wait, told := s.retryAfter(res.Header)
	said := "answered " + strconv.Itoa(status)
	switch {
	case status == http.StatusTooManyRequests:
		return s.busy(ctx, wait, told)
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return s.after(operatorWait, status, said+": "+s.advice(), nil)
	case status >= 300 && status < 400:
		return s.after(operatorWait, status, said+", a redirect, which is not followed: check contact.base_url", nil)
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed:
		return s.after(operatorWait, status, said+": there is no such webhook; check contact.base_url", nil)
	case status == http.StatusServiceUnavailable && told:
		return s.after(wait, status, said+" and asked to wait", nil)
	case status == http.StatusBadGateway, status == http.StatusServiceUnavailable, status == http.StatusGatewayTimeout:
		return s.outage(status, said, nil)
	case status >= 500, status == http.StatusRequestTimeout, status < 300:
		return s.counted(status, said, nil)
	}
	return s.permanent(status, said+": it refuses the call itself")
}

func (s *Service) busy(ctx context.Context, wait time.Duration, told bool) error {
	if !told {
		wait = busyWait
	}
	if err := s.c.Pacer.Pause(ctx, wait); err != nil {
		return fmt.Errorf("pause calls to the omnichannel webhook: %w",
			errors.Join(s.after(wait, http.StatusTooManyRequests, "too many calls", nil), err))
	}
	return s.after(wait, http.StatusTooManyRequests, "too many calls; all of them wait", nil)
}

// advice is what an operator has to look at when the server does not let us in.
func (s *Service) advice() string {
	switch s.c.Auth.Kind {
	case JWT:
		return "contact.auth is jwt; check that the server knows the public key, the subject, and the right time"
	case APIKey:
		return "contact.auth is api_key; check the key, and whether the gateway has a rule for modify-profile with" +
			" x-api-key: it makes the caller Superadmin, and the shipped policy has none; none works there"
	case StandardWebhooks:
		return "contact.auth is standard_webhooks; check the secret and the time of both machines"
	}
	return "contact.auth is none; check that the gateway lets guests call modify-profile, or choose another kind"
}

// retryAfter reads the header of that name, in seconds or as a date.
func (s *Service) retryAfter(h http.Header) (time.Duration, bool) {
	raw := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(raw, 10, 32); err == nil {
		return clamp(time.Duration(seconds) * time.Second), true
	}
	if at, err := http.ParseTime(raw); err == nil {
		return clamp(at.Sub(s.c.Now())), true
	}
	return 0, false
}

func clamp(d time.Duration) time.Duration { return min(max(d, shortestWait), longestWait) }

// contextCause keeps of an error of net/http only what names nobody.
func contextCause(err error) error {
	for _, known := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, known) {
			return known
		}
	}
	return nil
}
