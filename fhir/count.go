package fhir

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
)

// CountGuest tells how many records carry a guest's id, by FHIR type. Types without any are left out.
func (s *Service) CountGuest(ctx context.Context, guest string) (map[string]int, error) {
	const op = "count guest records"
	if !guestID.MatchString(guest) {
		return nil, s.api.permanent(op, "the guest's id has a form that ours never have")
	}
	query := url.Values{"identifier": {identifier{systemGuest, guest}.token()}, "_count": {"0"}, "_total": {"accurate"}}
	a, err := s.api.do(ctx, request{op: op, method: http.MethodGet, path: record, query: query})
	if err != nil {
		return nil, err
	}
	var b struct {
		ResourceType string `json:"resourceType"`
		Total        *int   `json:"total"`
	}
	if err := json.Unmarshal(a.body, &b); err != nil || b.ResourceType != "Bundle" || b.Total == nil || *b.Total < 0 {
		return nil, s.api.unexpected(op, "no Bundle with a total")
	}
	if *b.Total == 0 {
		return map[string]int{}, nil
	}
	return map[string]int{record: *b.Total}, nil
}
