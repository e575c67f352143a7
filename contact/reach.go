package contact

import (
	"context"
	"fmt"
	"net"
	"net/url"
)

// Reach says whether anybody listens at the webhook's address. It calls nothing: the webhook has no call that changes
// nothing.
func (s *Service) Reach(ctx context.Context) error {
	u, err := url.Parse(s.target)
	if err != nil {
		return fmt.Errorf("reach the webhook: %w", err)
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return fmt.Errorf("reach the webhook: %w", err)
	}
	return conn.Close()
}
