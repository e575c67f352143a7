package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// The identifiers that the gateway writes.
const (
	systemUserID   = "https://login.konsulin.care/userid"
	systemChatwoot = "https://login.konsulin.care/chatwoot-id"
	systemGuest    = "https://login.konsulin.care/guestid"
)

const fhirJSON = "application/fhir+json"

// identifier is a FHIR Identifier as far as the gateway goes.
type identifier struct {
	System string `json:"system"`
	Value  string `json:"value"`
}

// patient is a Patient: all that it holds, and what the gateway looks at.
type patient struct {
	fields map[string]json.RawMessage
	id     string
	name   string
	ids    []json.RawMessage
}

// register makes the Patient and the contact of somebody, or adds to the Patient what is missing. It returns the
// Patient's reference; empty when there is no FHIR server. A webhook that fails is no reason to fail, as in the gateway.
func (s *Server) register(ctx context.Context, who contact, userID string) (ref string, err error) {
	if s.o.FHIR == "" {
		return "", nil
	}
	found, err := s.lookUp(ctx, who, userID)
	if err != nil {
		return "", err
	}
	name := ""
	if found != nil {
		name = found.name
	}
	chatwoot, err := s.modifyProfile(ctx, who, name)
	if err != nil {
		s.log.Warn().Err(err).Msg("stand-in for konsulin-api: the webhook failed")
	}
	if found == nil {
		return s.createPatient(ctx, who, userID, chatwoot)
	}
	changed := found.set(systemUserID, userID)
	if found.set(systemChatwoot, chatwoot) || changed {
		if err := s.putPatient(ctx, found); err != nil {
			return "", err
		}
	}
	return "Patient/" + found.id, nil
}

// lookUp takes the first Patient that has the number, the address or, without both, the user id; nil: there is none.
func (s *Server) lookUp(ctx context.Context, who contact, userID string) (*patient, error) {
	query := url.Values{"identifier": {systemUserID + "|" + userID}}
	switch {
	case who.phone != "":
		query = url.Values{"phone": {who.phone}}
	case who.email != "":
		query = url.Values{"telecom": {"email|" + who.email}}
	}
	found, err := s.search(ctx, "Patient", query)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return readPatient(found[0])
}

func readPatient(raw []byte) (*patient, error) {
	p := &patient{}
	var v struct {
		ID         string
		Identifier []json.RawMessage
		Name       []struct {
			Text, Family string
			Given        []string
		}
	}
	if err := json.Unmarshal(raw, &p.fields); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return nil, err
	}
	p.id, p.ids = v.ID, v.Identifier
	if len(v.Name) > 0 {
		p.name = v.Name[0].Text
		if p.name == "" {
			p.name = strings.TrimSpace(strings.Join(v.Name[0].Given, " ") + " " + v.Name[0].Family)
		}
	}
	return p, nil
}

// set puts the value of a system there, in place of another one, and says whether that changed anything. An empty value
// changes nothing.
func (p *patient) set(system, value string) (changed bool) {
	if value == "" {
		return false
	}
	raw, err := json.Marshal(identifier{system, value})
	if err != nil {
		return false
	}
	for i, old := range p.ids {
		var one identifier
		if json.Unmarshal(old, &one) != nil || one.System != system {
			continue
		}
		if one.Value == value {
			return false
		}
		p.ids[i] = raw
		return true
	}
	p.ids = append(p.ids, raw)
	return true
}

func (s *Server) createPatient(ctx context.Context, who contact, userID, chatwoot string) (ref string, err error) {
	ids := slices.DeleteFunc([]identifier{{systemUserID, userID}, {systemChatwoot, chatwoot}}, func(i identifier) bool { return i.Value == "" })
	body := object{"resourceType": "Patient", "active": true, "telecom": []object{who.telecom()}}
	if len(ids) > 0 {
		body["identifier"] = ids
	}
	raw, err := s.fhir(ctx, http.MethodPost, "/Patient", body)
	if err != nil {
		return "", err
	}
	var v struct{ ID string }
	if err := json.Unmarshal(raw, &v); err != nil {
		return "", err
	}
	return "Patient/" + v.ID, nil
}

func (c contact) telecom() object {
	if c.phone != "" {
		return object{"system": "phone", "value": c.phone, "use": "work"}
	}
	return object{"system": "email", "value": c.email, "use": "work"}
}

func (s *Server) putPatient(ctx context.Context, p *patient) error {
	ids, err := json.Marshal(p.ids)
	if err != nil {
		return err
	}
	p.fields["identifier"] = ids
	_, err = s.fhir(ctx, http.MethodPut, "/Patient/"+p.id, p.fields)
	return err
}

// search reads the first page of a search.
func (s *Server) search(ctx context.Context, kind string, query url.Values) ([]json.RawMessage, error) {
	raw, err := s.fhir(ctx, http.MethodGet, "/"+kind+"?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	var bundle struct {
		Entry []struct{ Resource json.RawMessage }
	}
	if err := json.Unmarshal(raw, &bundle); err != nil {
		return nil, err
	}
	var found []json.RawMessage
	for _, e := range bundle.Entry {
		found = append(found, e.Resource)
	}
	return found, nil
}

// fhir calls the FHIR server.
func (s *Server) fhir(ctx context.Context, method, path string, body any) ([]byte, error) {
	var raw []byte
	if body != nil {
		var err error
		if raw, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, s.o.FHIR+path, bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", fhirJSON)
	if body != nil {
		req.Header.Set("Content-Type", fhirJSON)
	}
	if s.o.FHIRBearer != "" {
		req.Header.Set("Authorization", "Bearer "+s.o.FHIRBearer)
	}
	answer, _, err := s.send200(req)
	if err != nil {
		return nil, fmt.Errorf("ask the FHIR server: %w", err)
	}
	return answer, nil
}

// modifyProfile calls the webhook; it returns the contact's id, empty when there is no webhook.
func (s *Server) modifyProfile(ctx context.Context, who contact, name string) (string, error) {
	if s.o.Omnichannel == "" || who.phone == "" {
		return "", nil
	}
	if name == "" {
		name = "+" + who.phone
	}
	raw, err := json.Marshal(object{"name": name, "phoneNumber": "+" + who.phone})
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.o.Omnichannel+"/api/v1/hook/synchronous/modify-profile", bytes.NewReader(raw))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	if s.o.HookKey != "" {
		req.Header.Set("X-Api-Key", s.o.HookKey)
	}
	answer, status, err := s.send200(req)
	if err != nil || status == http.StatusAccepted {
		return "", err
	}
	var rows []struct {
		ID json.RawMessage `json:"chatwoot_id"`
	}
	if err := json.Unmarshal(answer, &rows); err != nil || len(rows) == 0 {
		return "", err
	}
	return strings.Trim(string(rows[0].ID), `"`), nil
}
