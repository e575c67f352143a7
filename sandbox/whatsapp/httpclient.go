package whatsapp

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"go.mau.fi/whatsmeow/socket"
)

const dialTimeout = 10 * time.Second

// HTTPClient is what a WhatsApp client is given to reach the stand-in at addr: the websocket endpoint of WhatsApp is
// dialled there in plain TCP, whatever its name resolves to. Every other request fails, so that nothing can leave
// for the real service.
func HTTPClient(addr string) *http.Client {
	return &http.Client{Transport: newDetour(addr, nil)}
}

// HTTPClient is like the function of that name, and lists refused requests in Unknown.
func (s *Server) HTTPClient() *http.Client {
	return &http.Client{Transport: newDetour(s.Addr(), s.complain)}
}

// detour sends WhatsApp's websocket endpoint to one loopback address.
type detour struct {
	endpoint  *url.URL
	transport *http.Transport
	refused   func(format string, args ...any)
}

func newDetour(addr string, refused func(string, ...any)) *detour {
	endpoint, err := url.Parse(socket.URL)
	if err != nil {
		panic(err) // a constant of the library
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		d := net.Dialer{Timeout: dialTimeout}
		return d.DialContext(ctx, "tcp", addr)
	}
	return &detour{endpoint: endpoint, refused: refused, transport: &http.Transport{
		Proxy: nil, DialContext: dial, DialTLSContext: dial, DisableKeepAlives: true,
	}}
}

// RoundTrip implements http.RoundTripper.
func (d *detour) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != d.endpoint.Host || r.URL.Path != d.endpoint.Path {
		err := fmt.Errorf("sandbox: refused a request to %s%s: only %s is served", r.URL.Host, r.URL.Path, socket.URL)
		if d.refused != nil {
			d.refused("%v", err)
		}
		return nil, err
	}
	return d.transport.RoundTrip(r)
}

// CloseIdleConnections lets http.Client.CloseIdleConnections reach the transport.
func (d *detour) CloseIdleConnections() { d.transport.CloseIdleConnections() }
