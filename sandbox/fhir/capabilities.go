package fhir

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// capabilities answers with the CapabilityStatement.
func (s *Server) capabilities(c *call) (*answer, error) {
	if err := s.noQuery(c); err != nil {
		return nil, err
	}
	type object = map[string]any
	var resources []object
	for _, kind := range kinds() {
		var params []object
		for _, name := range paramsOf(kind) {
			params = append(params, object{"name": name, "type": "token"})
		}
		resources = append(resources, object{
			"type":              kind,
			"interaction":       []object{{"code": "read"}, {"code": "create"}, {"code": "update"}, {"code": "search-type"}},
			"versioning":        "versioned",
			"readHistory":       false,
			"updateCreate":      false,
			"conditionalCreate": true,
			"conditionalUpdate": false,
			"conditionalDelete": "not-supported",
			"searchParam":       params,
		})
	}
	body, err := json.Marshal(object{
		"resourceType":   "CapabilityStatement",
		"status":         "active",
		"kind":           "instance",
		"date":           instant(s.o.Now()),
		"fhirVersion":    "4.0.1",
		"format":         []string{mediaType},
		"implementation": object{"description": "stand-in", "url": s.URL()},
		"rest": []object{{
			"mode":        "server",
			"resource":    resources,
			"interaction": []object{{"code": "transaction"}},
		}},
	})
	if err != nil {
		return nil, fmt.Errorf("encode capabilities: %w", err)
	}
	return &answer{status: http.StatusOK, body: body}, nil
}
