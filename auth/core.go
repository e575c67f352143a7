package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/supertokens/supertokens-golang/supertokens"
)

// rateLimitPatience is how long the SDK itself goes on trying when the core answers 429: five times, 2.55 s in all.
const rateLimitPatience = 3 * time.Second

// CoreError is a call to the SuperTokens core that came to nothing. It never repeats what was sent or answered: both
// may hold codes, tokens and numbers.
type CoreError struct {
	Op     string // what was tried ("create code")
	Host   string // of auth.core_uri
	Reason string // for an operator
	Status int    // of the answer; 0: there was none

	certainty certainty
	cause     error // only ever an error of package context
}

// Error says what was tried, where, and what to look at.
func (e *CoreError) Error() string {
	return fmt.Sprintf("%s: SuperTokens core at %s: %s", e.Op, e.Host, e.Reason)
}

// Unwrap is context.Canceled or context.DeadlineExceeded when the caller ended the wait, else nil.
func (e *CoreError) Unwrap() error { return e.cause }

// certainty is what a failed call tells about whether the core did the work.
type certainty int

const (
	unknown   certainty = iota // the work may be done, or may still be going on
	answered                   // the core has ended the work, one way or the other
	untouched                  // the core never got the request, or refused to work on it
)

var (
	errStopped    = errors.New("the service is closed")
	errUnexpected = errors.New("unexpected answer")
)

// core is every call to the SuperTokens core. The SDK takes no context, so each call runs in a goroutine of its own:
// the caller leaves when its context ends, the goroutine when the HTTP client's timeout does, and stop waits for it.
type core struct {
	host    string
	timeout time.Duration // of one HTTP request
	client  *http.Client

	asking chan struct{} // held by the one that asks for the API version
	known  atomic.Bool   // the SDK knows the API version

	mu      sync.Mutex
	stopped bool
	work    sync.WaitGroup
}

func newCore(uri string, timeout time.Duration, measure func(http.RoundTripper) http.RoundTripper) *core {
	host := uri
	if u, err := url.Parse(uri); err == nil && u.Host != "" {
		host = u.Host
	}
	base := http.DefaultTransport.(*http.Transport).Clone()
	base.MaxIdleConnsPerHost = 32
	base.DialContext = (&net.Dialer{Timeout: timeout, KeepAlive: 30 * time.Second}).DialContext
	way := http.RoundTripper(base)
	if measure != nil {
		way = measure(base)
	}
	return &core{
		host: host, timeout: timeout, asking: make(chan struct{}, 1),
		client: &http.Client{
			Timeout: timeout, Transport: transport{way},
			// A redirect would carry the API key to wherever it points.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// patience is how long a caller waits for one call of the SDK.
func (c *core) patience() time.Duration { return c.timeout + rateLimitPatience }

// call does one call of the SDK. It always passes a user context of its own, see quiet.
func call[T any](ctx context.Context, c *core, op string, f func(supertokens.UserContext) (T, error)) (T, error) {
	var none T
	ctx, cancel := context.WithTimeout(ctx, c.patience())
	defer cancel()
	err := c.ready(ctx)
	if err == nil {
		err = ctx.Err() // what nobody waits for any more must not begin
	}
	if err != nil {
		explained := c.explain(op, err)
		explained.certainty = untouched
		return none, explained
	}
	result := make(chan T, 1)
	err = c.run(ctx, func() error {
		v, err := f(quiet())
		result <- v
		return err
	})
	if err != nil {
		return none, c.explain(op, err)
	}
	return <-result, nil
}

// do is call for what has no result.
func (c *core) do(ctx context.Context, op string, f func(supertokens.UserContext) error) error {
	_, err := call(ctx, c, op, func(uc supertokens.UserContext) (struct{}, error) { return struct{}{}, f(uc) })
	return err
}

// ready makes sure that the SDK knows the core's API version. The SDK asks for it under a lock that every call needs,
// so while the core hangs calls would queue up behind each other, each for the whole timeout. Here one asks and the
// others wait no longer than they want to.
func (c *core) ready(ctx context.Context) error {
	if c.known.Load() {
		return nil
	}
	select {
	case c.asking <- struct{}{}:
		defer func() { <-c.asking }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if c.known.Load() {
		return nil
	}
	return c.run(ctx, func() error {
		querier, err := supertokens.GetNewQuerierInstanceOrThrowError("")
		if err != nil {
			return err
		}
		if _, err := querier.GetQuerierAPIVersion(quiet()); err != nil {
			return err
		}
		c.known.Store(true)
		return nil
	})
}

// run does f in a goroutine that stop waits for, and waits for it as long as ctx lives; it does not begin after that. A panic of f is an error: the
// SDK asserts the types of what the core answers.
func (c *core) run(ctx context.Context, f func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.mu.Lock()
	if c.stopped {
		c.mu.Unlock()
		return errStopped
	}
	c.work.Add(1)
	c.mu.Unlock()
	done := make(chan error, 1)
	go func() {
		defer c.work.Done()
		done <- recovered(f)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func recovered(f func() error) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case runtime.Error: // names types, never values
			err = fmt.Errorf("%w (%w)", errUnexpected, p)
		default:
			err = errUnexpected
		}
	}()
	return f()
}

// stop refuses new calls and waits for those that are on their way.
func (c *core) stop() {
	c.mu.Lock()
	c.stopped = true
	c.mu.Unlock()
	c.work.Wait()
	c.client.CloseIdleConnections()
}

// explain turns an error of the SDK into one that gives nothing away.
func (c *core) explain(op string, err error) *CoreError {
	e := &CoreError{Op: op, Host: c.host, Reason: errUnexpected.Error()}
	var known *CoreError
	var status *statusError
	var network *net.OpError
	var timeout interface{ Timeout() bool }
	var wrong runtime.Error
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, errStopped):
		e.Reason, e.certainty = errStopped.Error(), untouched
	case errors.As(err, &status):
		e.Status, e.Reason, e.certainty = status.status, statusReason(status.status), statusCertainty(status.status)
	case errors.Is(err, context.Canceled):
		e.Reason, e.cause = "the caller did not wait for the answer", context.Canceled
	case errors.As(err, &network) && network.Op == "dial",
		strings.Contains(err.Error(), "no SuperTokens core available"): // the SDK's words for a refused connection
		e.Reason, e.certainty = "it cannot be reached (is it running? see auth.core_uri)", untouched
	case errors.As(err, &timeout) && timeout.Timeout():
		e.Reason, e.cause = fmt.Sprintf("no answer within %s (auth.core_timeout)", c.timeout), context.DeadlineExceeded
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &network):
		e.Reason = "the connection was cut before an answer came"
	case strings.Contains(err.Error(), "status code: 429"): // the SDK's words, after its own repeats
		e.Status, e.Reason, e.certainty = http.StatusTooManyRequests, "too many requests", untouched
	case strings.Contains(err.Error(), "not compatible with this Golang SDK"):
		e.Reason = "it speaks no version of the driver interface that is known here (is it too old? update the core)"
	case errors.As(err, &wrong):
		e.Reason = fmt.Sprintf("%s (%s)", errUnexpected, wrong)
	}
	return e
}

func statusReason(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "the API key is missing or wrong (auth.api_key)"
	case http.StatusNotFound:
		return "answered 404 Not Found (does auth.core_uri point to a SuperTokens core?)"
	default:
		return fmt.Sprintf("answered with status %d", status)
	}
}

func statusCertainty(status int) certainty {
	switch {
	case status >= 400 && status < 500:
		return untouched
	case status == http.StatusInternalServerError || status == http.StatusServiceUnavailable:
		return answered
	default:
		return unknown // such as a proxy's answer, while the core behind it may be working
	}
}

// sure tells what a failed call says about whether the core did the work.
func sure(err error) certainty {
	var e *CoreError
	if errors.As(err, &e) {
		return e.certainty
	}
	return unknown
}

// quiet is the user context for one call. Without keepCacheAlive every POST and PUT of the SDK writes a global
// variable (its cache tag) that every GET reads, without a lock: the SDK's known data race. With it nobody writes.
// One context is used for one call only, because the SDK keeps answers in it, also without a lock.
func quiet() supertokens.UserContext {
	return &map[string]any{"_default": map[string]any{"keepCacheAlive": true}}
}
