package bench_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/sandbox/whatsapp"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

const phrase = "Request login, authenticate me."

// users is how many people write at once, each with one message outstanding.
const users = 50

// load is what one round showed.
type load struct {
	took  time.Duration
	waits []time.Duration // of each message, from sending to the answer
}

func (l load) rate() float64 { return float64(len(l.waits)) / l.took.Seconds() }

// round lets everybody send so many messages, one after the other; after is called with each answer and may be nil.
func (s *subject) round(b *testing.B, people []*whatsapp.User, each int, after func(ctx context.Context, answer string) error) load {
	b.Helper()
	waits := make([][]time.Duration, len(people))
	g, ctx := errgroup.WithContext(b.Context())
	began := time.Now()
	for i, u := range people {
		g.Go(func() error {
			for range each {
				sent := time.Now()
				answer, err := s.ask(ctx, u)
				if err != nil {
					return err
				}
				waits[i] = append(waits[i], time.Since(sent))
				if after != nil {
					if err := after(ctx, answer); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}
	err := g.Wait()
	took := time.Since(began)
	if err != nil {
		b.Fatalf("%v\n%s", err, s.tail())
	}
	return load{took: took, waits: slices.Concat(waits...)}
}

// ask sends one message and returns its answer.
func (s *subject) ask(ctx context.Context, u *whatsapp.User) (string, error) {
	ctx, cancel := waitFor(ctx)
	defer cancel()
	if _, err := u.Text(ctx, s.account, phrase); err != nil {
		return "", err
	}
	got, err := u.Next(ctx)
	if err != nil {
		return "", fmt.Errorf("a message was lost: %w", err)
	}
	if !s.fits(phrase, got.Text) {
		return "", fmt.Errorf("not the answer: %s", got.Text)
	}
	return got.Text, nil
}

// noneTwice insists that every message had one answer.
func noneTwice(b *testing.B, people []*whatsapp.User, each int) {
	b.Helper()
	for _, u := range people {
		require.Len(b, u.Received(), each, "one answer for each message")
	}
}

var linkInText = regexp.MustCompile(`https?://\S+/verify\?\S+#\S+`)

func isLink(_, got string) bool { return linkInText.MatchString(got) }

// browser opens links as people do.
type browser struct {
	http *http.Client
	url  string
	n    atomic.Uint32 // logins begun: each from an address of its own, as people do
}

func newBrowser(b *testing.B, url string) *browser {
	b.Helper()
	t := &http.Transport{MaxIdleConnsPerHost: users}
	b.Cleanup(t.CloseIdleConnections)
	return &browser{http: &http.Client{Transport: t, Timeout: patience}, url: url}
}

// signIn begins a login, as the login page does, and presses the button of the page that the link opens.
func (br *browser) signIn(ctx context.Context, answer string) error {
	link, err := url.Parse(linkInText.FindString(answer))
	if err != nil {
		return err
	}
	n := br.n.Add(1)
	from := netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}).String()
	begun, err := br.post(ctx, from, "/auth/login/start", []byte("{}"), nil)
	if err != nil {
		return err
	}
	body, err := json.Marshal(map[string]string{"preAuthSessionId": link.Query().Get("preAuthSessionId"), "linkCode": link.Fragment})
	if err != nil {
		return err
	}
	_, err = br.post(ctx, from, "/auth/signinup/code/consume", body, begun)
	return err
}

// post wants the answer OK and returns the cookies that came with it. The proxy in front says that the request is from
// an address.
func (br *browser) post(ctx context.Context, from, path string, body []byte, cookies []*http.Cookie) ([]*http.Cookie, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, br.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for _, c := range cookies {
		req.AddCookie(c)
	}
	for key, value := range map[string]string{
		"Content-Type": "application/json", "rid": "passwordless", "st-auth-mode": "cookie", "Origin": br.url, "Sec-Fetch-Site": "same-origin",
		"X-Forwarded-For": from,
	} {
		req.Header.Set(key, value)
	}
	resp, err := br.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	var v struct{ Status string }
	if err == nil && (json.Unmarshal(raw, &v) != nil || v.Status != "OK") {
		err = fmt.Errorf("%s: HTTP %d: %s", path, resp.StatusCode, raw)
	}
	return resp.Cookies(), err
}

// quantile of times that are sorted.
func quantile(sorted []time.Duration, q float64) time.Duration {
	return sorted[int(q*float64(len(sorted)-1))]
}

// median of numbers in any order.
func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}
