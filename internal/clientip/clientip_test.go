package clientip

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSpoofedForwardedFor(t *testing.T) {
	t.Parallel()
	r, err := New([]string{"10.0.0.0/8", "192.0.2.7", "2001:db8::/32"})
	require.NoError(t, err)
	for name, c := range map[string]struct {
		peer      string
		forwarded []string
		want      string
	}{
		"no proxy":                           {"203.0.113.9:1234", nil, "203.0.113.9"},
		"no proxy, and a lie":                {"203.0.113.9:1234", []string{"198.51.100.1"}, "203.0.113.9"},
		"no proxy, and a proxy's address":    {"203.0.113.9:1234", []string{"10.0.0.1"}, "203.0.113.9"},
		"a proxy's word":                     {"10.1.2.3:80", []string{"203.0.113.9"}, "203.0.113.9"},
		"a lie left of the proxy's word":     {"10.1.2.3:80", []string{"198.51.100.1, 203.0.113.9"}, "203.0.113.9"},
		"a lie in a header of its own":       {"10.1.2.3:80", []string{"198.51.100.1", "203.0.113.9"}, "203.0.113.9"},
		"a lie that looks like a proxy":      {"10.1.2.3:80", []string{"10.9.9.9, 203.0.113.9"}, "203.0.113.9"},
		"two proxies":                        {"10.1.2.3:80", []string{"203.0.113.9, 192.0.2.7"}, "203.0.113.9"},
		"a lie behind two proxies":           {"10.1.2.3:80", []string{"198.51.100.1, 203.0.113.9, 192.0.2.7"}, "203.0.113.9"},
		"only proxies":                       {"10.1.2.3:80", []string{"10.0.0.5, 10.0.0.6"}, "10.0.0.5"},
		"a proxy that says nothing":          {"10.1.2.3:80", nil, "10.1.2.3"},
		"rubbish next to the proxy":          {"10.1.2.3:80", []string{"203.0.113.9, rubbish"}, "10.1.2.3"},
		"rubbish left of the proxy's word":   {"10.1.2.3:80", []string{"rubbish, 203.0.113.9"}, "203.0.113.9"},
		"an address with a port":             {"10.1.2.3:80", []string{"203.0.113.9:80"}, "10.1.2.3"},
		"IPv6":                               {"[2001:db8::1]:80", []string{"2001:db9::5"}, "2001:db9::5"},
		"IPv4 written as IPv6":               {"[::ffff:10.1.2.3]:80", []string{"::ffff:203.0.113.9"}, "203.0.113.9"},
		"not a network address (unix, test)": {"@", []string{"203.0.113.9"}, "invalid IP"},
	} {
		req := httptest.NewRequest(http.MethodGet, "/", nil)
		req.RemoteAddr = c.peer
		for _, f := range c.forwarded {
			req.Header.Add("X-Forwarded-For", f)
		}
		require.Equal(t, c.want, r.Of(req).String(), name)
	}
}

func TestProxiesAreAddressesOrNetworks(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "proxy.example.org", "10.0.0.0/33", "10.0.0", "*"} {
		_, err := New([]string{bad})
		require.Error(t, err, bad)
	}
	none, err := New(nil)
	require.NoError(t, err)
	req := httptest.NewRequest(http.MethodGet, "/", nil)
	req.RemoteAddr = "127.0.0.1:9"
	req.Header.Set("X-Forwarded-For", "203.0.113.9")
	require.Equal(t, "127.0.0.1", none.Of(req).String(), "nobody is trusted unless it is said")
}
