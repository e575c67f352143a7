package contact

import (
	"context"
	"net/http"
)

// Look asks whether somebody answers at the webhook, with a method that makes no contact, and without our credentials. It
// answers with the status, whatever that is. Its error names nobody.
func (s *Service) Look(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, s.c.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, s.target, http.NoBody)
	if err != nil {
		return 0, s.unanswered(err)
	}
	res, err := s.http.Do(req)
	if err != nil {
		return 0, s.unanswered(err)
	}
	return res.StatusCode, res.Body.Close()
}
