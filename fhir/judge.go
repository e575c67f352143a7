package fhir

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// judge turns an answer that is not a good one into an error.
func (c *client) judge(r request, a answer, h http.Header) error {
	e := &Error{Op: r.op, Host: c.base.Host, Status: a.status, Reason: fmt.Sprintf("answered with status %d", a.status)}
	wait, told := c.retryAfter(h)
	switch {
	case len(a.body) > maxBody:
		e.Reason = fmt.Sprintf("its answer is larger than %d MiB", maxBody>>20)
	case a.status >= 200 && a.status < 300:
		return nil
	case r.named && (a.status == http.StatusNotFound || a.status == http.StatusGone):
		e.cause, e.Reason = errGone, errGone.Error()
	case a.status == http.StatusConflict, a.status == http.StatusPreconditionFailed:
		e.cause, e.Reason = errConflict, errConflict.Error()
	case a.status == http.StatusUnauthorized, a.status == http.StatusForbidden:
		e.Reason = fmt.Sprintf("refuses our credentials with status %d (see the credentials in fhir)", a.status)
		e.wait, e.later = operatorWait, true
	case a.status == http.StatusNotFound, a.status == http.StatusMethodNotAllowed, a.status < 400:
		e.Reason = fmt.Sprintf("answered with status %d (does fhir.base_url point to a FHIR server?)", a.status)
		e.wait, e.later = operatorWait, true
	case a.status == http.StatusTooManyRequests:
		e.Reason = "too many requests"
		e.wait, e.later = busyWait, true
		if told {
			e.wait = wait
		}
	case a.status == http.StatusServiceUnavailable && told:
		e.Reason = "not available at the moment, and says when to come back"
		e.wait, e.later = wait, true
	case a.status == http.StatusBadGateway, a.status == http.StatusServiceUnavailable, a.status == http.StatusGatewayTimeout,
		a.status == http.StatusRequestTimeout, a.status == http.StatusTooEarly:
		e.wait, e.later, e.away = outageWait(), true, true
	case a.status >= 500:
	default:
		e.final = true
		e.Reason += " to our request" + issueCodes(a.body)
	}
	return e
}

// retryAfter reads the header of that name: seconds or a date.
func (c *client) retryAfter(h http.Header) (time.Duration, bool) {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return min(time.Duration(seconds)*time.Second, longestWait), true
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(0, at.Sub(c.now())), longestWait), true
	}
	return 0, false
}

// issueCode is what the code of an issue looks like. Whatever else stands in an OperationOutcome may name people.
var issueCode = regexp.MustCompile(`^[a-z-]{1,40}$`)

func issueCodes(body []byte) string {
	var outcome struct{ Issue []struct{ Code string } }
	if json.Unmarshal(body, &outcome) != nil {
		return ""
	}
	var codes []string
	for _, issue := range outcome.Issue {
		if issueCode.MatchString(issue.Code) && !slices.Contains(codes, issue.Code) && len(codes) < 5 {
			codes = append(codes, issue.Code)
		}
	}
	if len(codes) == 0 {
		return ""
	}
	return " (" + strings.Join(codes, ", ") + ")"
}

// unreachable explains a call that got no answer. The errors of package http hold the whole URL.
func (c *client) unreachable(ctx context.Context, op string, err error) error {
	e := &Error{Op: op, Host: c.base.Host}
	var known *Error
	var network *net.OpError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(err, &known):
		return known
	case ctx.Err() != nil:
		e.Reason, e.cause = errLeft.Error(), ctx.Err()
	case errors.As(err, &network) && network.Op == "dial":
		e.Reason = "it cannot be reached (is it running? see fhir.base_url)"
		e.wait, e.later, e.away = outageWait(), true, true
	case errors.As(err, &timeout) && timeout.Timeout():
		e.Reason, e.cause = fmt.Sprintf("no answer within %s (fhir.timeout)", c.timeout), context.DeadlineExceeded
		e.wait, e.later, e.away = outageWait(), true, true
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &network):
		e.Reason = "the connection was cut before an answer came"
		e.wait, e.later, e.away = outageWait(), true, true
	default:
		e.Reason = "the call did not come to an answer"
		e.wait, e.later, e.away = outageWait(), true, true
	}
	return e
}

// outageWait spreads over half a minute when the work that an outage has met comes back. An outage, however long, is
// nobody's failed attempt.
func outageWait() time.Duration { return 15*time.Second + rand.N(30*time.Second) }

// open is the error of calls that the circuit breaker keeps back. Jobs come back at different times.
func (c *client) open(ctx context.Context, op string) error {
	return &Error{
		Op: op, Host: c.base.Host, Reason: "it failed several times in a row and is left alone for a while",
		wait: c.cooldown/2 + rand.N(c.cooldown/2+1), later: true, cause: ctx.Err(),
	}
}

// unexpected is for answers that make no sense.
func (c *client) unexpected(op, reason string) error {
	return &Error{Op: op, Host: c.base.Host, Reason: "unexpected answer: " + reason}
}

func (c *client) permanent(op, reason string) error {
	return &Error{Op: op, Host: c.base.Host, Reason: reason, final: true}
}

func (c *client) misconfigured(op, reason string) error {
	return &Error{Op: op, Host: c.base.Host, Reason: reason, wait: operatorWait, later: true}
}

// restless is for work that others kept from its end. It may be tried again.
func (c *client) restless(op string) error {
	return &Error{Op: op, Host: c.base.Host, Reason: "others kept changing the same resources"}
}

func (c *client) noPatient(op string) error {
	return &Error{Op: op, Host: c.base.Host, Reason: ErrNoPatient.Error(), wait: patientWait, later: true, cause: ErrNoPatient}
}
