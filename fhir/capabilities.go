package fhir

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
)

// Capabilities is what a server says of itself, as far as it matters to us.
type Capabilities struct {
	Software          string // name and version; empty: not told
	Version           string // of FHIR
	ConditionalCreate bool   // of Patients: two who create at once make one
	Versioned         bool   // Patients: a change that overlooked another one is refused (If-Match)
}

// capabilityStatement is the part of https://hl7.org/fhir/R4/capabilitystatement.html that is read.
type capabilityStatement struct {
	ResourceType string
	FHIRVersion  string
	Software     struct{ Name, Version string }
	Rest         []struct {
		Resource []struct {
			Type              string
			Versioning        string
			ConditionalCreate bool
		}
	}
}

// Capabilities reads the CapabilityStatement: the server is there, speaks FHIR, and can do this.
func (s *Service) Capabilities(ctx context.Context) (Capabilities, error) {
	const op = "read capabilities"
	a, err := s.api.do(ctx, request{op: op, method: http.MethodGet, path: "metadata"})
	if err != nil {
		return Capabilities{}, err
	}
	var said capabilityStatement
	if err := json.Unmarshal(a.body, &said); err != nil || said.ResourceType != "CapabilityStatement" {
		return Capabilities{}, s.api.unexpected(op, "no CapabilityStatement (does fhir.base_url point to a FHIR server?)")
	}
	c := Capabilities{Software: said.Software.Name, Version: said.FHIRVersion}
	if c.Software != "" && said.Software.Version != "" {
		c.Software += " " + said.Software.Version
	}
	for _, rest := range said.Rest {
		for _, r := range rest.Resource {
			if r.Type != "Patient" {
				continue
			}
			c.ConditionalCreate = c.ConditionalCreate || r.ConditionalCreate
			c.Versioned = c.Versioned || r.Versioning == "versioned" || r.Versioning == "versioned-update"
		}
	}
	return c, nil
}

// AskPatients searches for the Patient of a user whom there is not, to learn whether our credentials allow it: everybody
// may read capabilities.
func (s *Service) AskPatients(ctx context.Context) error {
	query := url.Values{"identifier": {systemUserID + "|konsulin-bot doctor"}}
	_, err := s.api.do(ctx, request{op: "search Patient", method: http.MethodGet, path: "Patient", query: query})
	return err
}
