package bench_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

const (
	pageVisits   = 4000
	pageVisitors = 16 // at once, each on a connection of their own
)

// BenchmarkPages measures how fast one process serves its two busiest pages to sixteen browsers at once, and what it sends
// for each: the login page, which begins a login that is written down, for a browser that was never here and for one that
// comes back; and the page of a link.
func BenchmarkPages(b *testing.B) {
	for _, engine := range []string{sqlite, postgres} {
		w := newWorld(b)
		s, _ := w.newBot(engine).serve()
		answer, err := s.ask(b.Context(), w.people(6281700000000, 1)[0])
		require.NoError(b, err)
		link, err := url.Parse(linkInText.FindString(answer))
		require.NoError(b, err)
		for _, p := range []struct {
			name, path string
			back       bool
		}{
			{"login page, new browser", "/auth", false}, {"login page, again", "/auth", true}, {"page of a link", link.RequestURI(), false},
		} {
			s.visit(b, p.path, p.back, pageVisitors*5) // warm
			v := s.visit(b, p.path, p.back, pageVisits)
			table.row("Pages", "page", engine+": "+p.name, "pages/s", fmt.Sprintf("%.0f", pageVisits/v.took.Seconds()),
				"bytes sent for each", fmt.Sprint(v.bytes/pageVisits), "with what it refers to", fmt.Sprint(v.whole))
		}
		s.stop()
	}
	b.ReportMetric(0, "ns/op")
}

// visits is what many requests of one page showed.
type visits struct {
	took  time.Duration
	bytes int64 // on the wire, heads included
	whole int64 // of one page with its styles, scripts and pictures, in an empty browser
}

// visit asks for a page so often. Each visitor has an address of their own, as behind a proxy, because the bot bounds what
// one address may begin.
func (s *subject) visit(b *testing.B, path string, back bool, times int) visits {
	b.Helper()
	var bytes, asked atomic.Int64
	g, ctx := errgroup.WithContext(b.Context())
	began := time.Now()
	for range pageVisitors {
		g.Go(func() error {
			client, err := counting(&bytes, back)
			if err != nil {
				return err
			}
			defer client.CloseIdleConnections()
			for {
				n := asked.Add(1)
				if n > int64(times) {
					return nil
				}
				if _, err := page(ctx, client, s.url+path, n); err != nil {
					return err
				}
			}
		})
	}
	err := g.Wait()
	took := time.Since(began)
	require.NoError(b, err, s.tail())
	return visits{took: took, bytes: bytes.Load(), whole: s.whole(b, path)}
}

// whole loads a page as an empty browser does, with all that it refers to.
func (s *subject) whole(b *testing.B, path string) int64 {
	b.Helper()
	var bytes atomic.Int64
	client, err := counting(&bytes, false)
	require.NoError(b, err)
	defer client.CloseIdleConnections()
	body, err := page(b.Context(), client, s.url+path, 0)
	require.NoError(b, err)
	seen := map[string]bool{}
	for _, part := range strings.Split(body, `"`) {
		if strings.Contains(part, "/assets/") && !seen[part] {
			seen[part] = true
			_, err := page(b.Context(), client, s.url+part, 0)
			require.NoError(b, err)
		}
	}
	require.GreaterOrEqual(b, len(seen), 3)
	return bytes.Load()
}

// counting is a browser on one connection whose received bytes are counted; back: one that keeps its cookies.
func counting(bytes *atomic.Int64, back bool) (*http.Client, error) {
	client := &http.Client{Timeout: patience, Transport: &http.Transport{
		MaxIdleConnsPerHost: 1,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
			return &countedConn{Conn: conn, bytes: bytes}, err
		},
	}}
	if !back {
		return client, nil
	}
	jar, err := cookiejar.New(nil)
	client.Jar = jar
	return client, err
}

type countedConn struct {
	net.Conn
	bytes *atomic.Int64
}

func (c *countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.bytes.Add(int64(n))
	return n, err
}

func page(ctx context.Context, client *http.Client, address string, visitor int64) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return "", err
	}
	n := uint32(visitor) //nolint:gosec // a few thousand
	req.Header.Set("X-Forwarded-For", netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}).String())
	req.Header.Set("Accept-Encoding", "gzip, br")
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("HTTP %d for a page", resp.StatusCode)
	}
	return string(body), err
}
