package fhir

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sony/gobreaker/v2"
)

const (
	mediaType = "application/fhir+json"

	// maxBody is how large an answer may be.
	maxBody = 16 << 20

	// openPatience is how long a call waits while the circuit breaker is open: a worker that waits takes up no job,
	// one that gives up at once would turn over the whole queue.
	openPatience = 2 * time.Second
)

// client is every call to the server.
type client struct {
	base     *url.URL // without final slash
	timeout  time.Duration
	cooldown time.Duration
	http     *http.Client
	now      func() time.Time
	sign     func(http.Header)
	gate     *gobreaker.TwoStepCircuitBreaker[struct{}]
}

// request is one call.
type request struct {
	op          string
	method      string
	path        string // below the base; empty: the base itself
	query       url.Values
	target      *url.URL // instead of path and query: a link of the server, checked by client.next
	body        []byte
	ifMatch     string
	ifNoneExist string
	prefer      string
	named       bool // path names one resource, so that 404 and 410 speak of it
}

type answer struct {
	status   int
	etag     string
	location string
	body     []byte
}

// errLeft marks calls that tell nothing about the server, because the caller went away.
var errLeft = errors.New("the caller did not wait")

func newClient(cfg Config) (*client, error) {
	base, err := readBase(cfg.BaseURL)
	if err != nil {
		return nil, err
	}
	c := &client{base: base, timeout: cfg.Timeout, cooldown: cfg.Cooldown, now: cfg.Now}
	if c.sign, err = signer(cfg); err != nil {
		return nil, err
	}
	if cfg.HTTP != nil {
		own := *cfg.HTTP
		c.http = &own
	} else {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.MaxIdleConnsPerHost = 32
		c.http = &http.Client{Transport: transport}
	}
	// A redirect would carry credentials and numbers to wherever it points.
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.gate = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Name: "fhir", Timeout: cfg.Cooldown,
		IsExcluded: func(err error) bool { return errors.Is(err, errLeft) },
		OnStateChange: func(_ string, from, to gobreaker.State) {
			cfg.Log.Warn().Stringer("from", from).Stringer("to", to).Str("host", base.Host).Msg("FHIR server: circuit breaker")
		},
	})
	return c, nil
}

func readBase(raw string) (*url.URL, error) {
	base, err := url.Parse(strings.TrimRight(raw, "/"))
	if err != nil || base.Host == "" || (base.Scheme != "http" && base.Scheme != "https") ||
		base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, errors.New("the base URL must be http(s)://host[:port][/path], without credentials and query")
	}
	return base, nil
}

// signer is how requests say who we are.
func signer(cfg Config) (func(http.Header), error) {
	kinds := 0
	for _, given := range []bool{cfg.Bearer != "", cfg.User != "" || cfg.Password != "", cfg.APIKey != "" || cfg.APIKeyHeader != ""} {
		if given {
			kinds++
		}
	}
	switch {
	case kinds > 1:
		return nil, errors.New("give one kind of credentials: bearer, user and password, or API key")
	case cfg.Bearer != "":
		return func(h http.Header) { h.Set("Authorization", "Bearer "+cfg.Bearer) }, nil
	case cfg.User != "" && cfg.Password != "":
		return func(h http.Header) {
			r := http.Request{Header: h}
			r.SetBasicAuth(cfg.User, cfg.Password)
		}, nil
	case cfg.APIKey != "" && cfg.APIKeyHeader != "":
		return func(h http.Header) { h.Set(cfg.APIKeyHeader, cfg.APIKey) }, nil
	case kinds == 1:
		return nil, errors.New("credentials are incomplete: a user needs a password, an API key the name of its header")
	}
	return func(http.Header) {}, nil
}

// do sends a request and returns the answer when it is a good one.
func (c *client) do(ctx context.Context, r request) (answer, error) {
	done, err := c.enter(ctx, r.op)
	if err != nil {
		return answer{}, err
	}
	a, err := c.send(ctx, r)
	switch {
	case a.status >= 500:
		done(fmt.Errorf("status %d", a.status))
	case a.status > 0:
		done(nil) // it lives, even when it refuses
	case ctx.Err() != nil:
		done(errLeft)
	default:
		done(err)
	}
	if err != nil {
		return answer{}, c.unreachable(ctx, r.op, err)
	}
	return a, nil
}

// enter waits for the circuit breaker.
func (c *client) enter(ctx context.Context, op string) (func(error), error) {
	patience := time.NewTimer(openPatience)
	defer patience.Stop()
	for {
		if ctx.Err() != nil {
			return nil, c.unreachable(ctx, op, ctx.Err())
		}
		done, err := c.gate.Allow()
		if err == nil {
			return done, nil
		}
		again := time.NewTimer(20*time.Millisecond + rand.N(40*time.Millisecond))
		select {
		case <-again.C:
			continue
		case <-patience.C:
		case <-ctx.Done():
		}
		again.Stop()
		return nil, c.open(ctx, op)
	}
}

func (c *client) send(ctx context.Context, r request) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, r.method, c.address(r), bytes.NewReader(r.body))
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Accept", mediaType)
	for name, value := range map[string]string{"If-Match": r.ifMatch, "If-None-Exist": r.ifNoneExist, "Prefer": r.prefer} {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	if r.body != nil {
		req.Header.Set("Content-Type", mediaType)
	} else {
		req.Header.Set("Cache-Control", "no-cache")
	}
	c.sign(req.Header)
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err != nil {
		return answer{}, err
	}
	a := answer{status: resp.StatusCode, etag: resp.Header.Get("ETag"), location: resp.Header.Get("Location"), body: body}
	if err := c.judge(r, a, resp.Header); err != nil {
		return a, err
	}
	a.body = bytes.TrimSpace(body)
	return a, nil
}

func (c *client) address(r request) string {
	if r.target != nil {
		return r.target.String()
	}
	u := *c.base
	if r.path != "" {
		u = *c.base.JoinPath(r.path)
	}
	u.RawQuery = r.query.Encode()
	return u.String()
}

// next checks a link that the server gives. One that leads anywhere but below the base would take our credentials along.
func (c *client) next(op, link string) (*url.URL, error) {
	u, err := c.base.Parse(link)
	if err != nil || u.Scheme != c.base.Scheme || !strings.EqualFold(u.Host, c.base.Host) || u.User != nil ||
		!c.below(u) {
		return nil, c.misconfigured(op, "its link to the next page leads away from fhir.base_url and is not followed")
	}
	u.Fragment = ""
	return u, nil
}

func (c *client) below(u *url.URL) bool {
	for part := range strings.SplitSeq(u.Path, "/") {
		if part == ".." {
			return false
		}
	}
	return u.Path == c.base.Path || strings.HasPrefix(u.Path, strings.TrimRight(c.base.Path, "/")+"/")
}
