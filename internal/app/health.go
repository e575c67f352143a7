package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// Health asks the serve that runs by cfg on this machine how it is, over its web server: whether it is alive, and with
// ready whether it can serve. It returns what was answered, as one line of JSON; the error says in words what is wrong.
func Health(ctx context.Context, cfg Config, ready bool) (json.RawMessage, error) {
	path := "/livez"
	if ready {
		path = "/readyz"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+localAddress(cfg.HTTP.Listen)+path, nil)
	if err != nil {
		return nil, fmt.Errorf("http.listen: %w", err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // never through a proxy
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("no konsulin-bot answers at http.listen (%s); is serve running?", cfg.HTTP.Listen)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	var said struct {
		Alive  *bool
		Ready  *bool
		Reason string
		Checks []struct {
			Name, Reason string
			OK           bool
		}
	}
	if err != nil || json.Unmarshal(raw, &said) != nil || (said.Alive == nil && said.Ready == nil) {
		return nil, fmt.Errorf("what answers at http.listen (%s) is no konsulin-bot", cfg.HTTP.Listen)
	}
	raw = []byte(strings.TrimSpace(string(raw)))
	if resp.StatusCode == http.StatusOK {
		return raw, nil
	}
	wrong := []string{}
	if said.Reason != "" {
		wrong = append(wrong, said.Reason)
	}
	for _, c := range said.Checks {
		if !c.OK {
			wrong = append(wrong, c.Name+": "+c.Reason)
		}
	}
	return raw, errors.New(strings.Join(wrong, "; "))
}

// localAddress is where a server on this machine is reached that listens at an address.
func localAddress(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	switch ip := net.ParseIP(host); {
	case host == "", ip != nil && ip.Equal(net.IPv4zero):
		host = "127.0.0.1"
	case ip != nil && ip.IsUnspecified():
		host = "::1"
	}
	return net.JoinHostPort(host, port)
}
