package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"
)

// A request at which the core stumbles is made this often, with a pause that doubles from this one. Together they take
// no longer than a person notices.
const (
	tries      = 4
	firstPause = 50 * time.Millisecond
)

// statusError is an answer other than 200. It takes the place of the SDK's own error, which repeats the body.
type statusError struct{ status int }

func (e *statusError) Error() string { return fmt.Sprintf("status %d", e.status) }

// transport is the SDK's way to the core. It makes a request again at which the core stumbled: a core answers 500 when
// two requests are in each other's way at its database, the one that keeps everything in memory most of all. To do one
// twice changes nothing that matters; only a code can be consumed just once, see [Service.consumeCode]. 429 passes: the
// SDK repeats such calls by itself.
type transport struct{ base http.RoundTripper }

// RoundTrip answers with 200, 429 or an error.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	for n := 1; ; n++ {
		resp, err := t.once(r)
		if err == nil || !stumbled(err) || n == tries || strings.HasSuffix(r.URL.Path, consumePath) {
			return resp, err
		}
		next, rewound := rewind(r)
		if !rewound || !pause(r.Context(), n) {
			return nil, err
		}
		r = next
	}
}

func (t transport) once(r *http.Request) (*http.Response, error) {
	resp, err := t.base.RoundTrip(r)
	if err != nil || resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusTooManyRequests {
		return resp, err
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be used again
	_ = resp.Body.Close()
	return nil, &statusError{resp.StatusCode}
}

// CloseIdleConnections is what http.Client's method of that name looks for.
func (t transport) CloseIdleConnections() {
	if c, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// stumbled says that the core has ended the work, likely without doing it, and may do it in a moment.
func stumbled(err error) bool {
	var status *statusError
	return errors.As(err, &status) && statusCertainty(status.status) == answered
}

// rewind is the request as it was before its body was read.
func rewind(r *http.Request) (*http.Request, bool) {
	next := r.Clone(r.Context())
	if r.Body == nil || r.Body == http.NoBody {
		return next, true
	}
	if r.GetBody == nil {
		return nil, false
	}
	body, err := r.GetBody()
	next.Body = body
	return next, err == nil
}

// pause waits between the n-th try and the next, each caller a little differently so that they do not meet again. It
// answers false when ctx ends before.
func pause(ctx context.Context, n int) bool {
	d := firstPause << (n - 1)
	t := time.NewTimer(d/2 + rand.N(d)) //nolint:gosec // not a secret
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
