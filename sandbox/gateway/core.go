package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
)

// defaultRole is that of a user who has none.
const defaultRole = "Patient"

// made is a code as the core makes it.
type made struct {
	Status, PreAuthSessionID, DeviceID, LinkCode string
}

// signedIn is the core's answer to a code that was consumed, or its refusal.
type signedIn struct {
	Status         string
	CreatedNewUser bool
	User           *account

	FailedCodeInputAttemptCount, MaximumCodeInputAttempts int
}

// account is a user as the core shows it.
type account struct {
	ID          string   `json:"id"`
	PhoneNumber string   `json:"phoneNumber,omitempty"`
	Email       string   `json:"email,omitempty"`
	TimeJoined  int64    `json:"timeJoined"`
	TenantIDs   []string `json:"tenantIds"`
}

// ask calls the core, and reads its answer into out.
func (s *Server) ask(ctx context.Context, method, path, rid string, body, out any) error {
	var payload io.Reader = http.NoBody
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return err
		}
		payload = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, s.o.Core+path, payload)
	if err != nil {
		return err
	}
	req.Header.Set("cdi-version", "3.1")
	if body != nil {
		req.Header.Set("Content-Type", "application/json; charset=utf-8")
	}
	if rid != "" {
		req.Header.Set("rid", rid)
	}
	if s.o.CoreKey != "" {
		req.Header.Set("api-key", s.o.CoreKey)
	}
	raw, _, err := s.send200(req)
	if err != nil {
		return fmt.Errorf("ask the core: %w", err)
	}
	return json.Unmarshal(raw, out)
}

// send200 does a request and reads the answer; any other status than one of success is an error.
func (s *Server) send200(req *http.Request) (body []byte, status int, err error) {
	resp, err := s.http.Do(req)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err = io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("answer %d", resp.StatusCode)
	}
	return body, resp.StatusCode, err
}

func (s *Server) coreCode(ctx context.Context, body object) (made, error) {
	var m made
	err := s.ask(ctx, http.MethodPost, "/"+tenant+"/recipe/signinup/code", "passwordless", body, &m)
	return m, err
}

func (s *Server) coreConsume(ctx context.Context, body object) (signedIn, error) {
	var in signedIn
	err := s.ask(ctx, http.MethodPost, "/"+tenant+"/recipe/signinup/code/consume", "passwordless", body, &in)
	if err == nil && in.Status == "OK" && in.User == nil {
		err = fmt.Errorf("consume: no user in the core's answer")
	}
	return in, err
}

// coreUser finds the user of a contact; nil: there is none.
func (s *Server) coreUser(ctx context.Context, who contact) (*account, error) {
	query := url.Values{"phoneNumber": {who.phone}}
	if who.phone == "" {
		query = url.Values{"email": {who.email}}
	}
	var got struct{ User *account }
	err := s.ask(ctx, http.MethodGet, "/"+tenant+"/recipe/user?"+query.Encode(), "passwordless", nil, &got)
	return got.User, err
}

// roles are a user's; who has none is given the default one.
func (s *Server) roles(ctx context.Context, userID string) ([]string, error) {
	var held struct{ Roles []string }
	if err := s.ask(ctx, http.MethodGet, "/"+tenant+"/recipe/user/roles?"+url.Values{"userId": {userID}}.Encode(), "userroles", nil, &held); err != nil {
		return nil, err
	}
	if len(held.Roles) > 0 {
		return held.Roles, nil
	}
	var done struct{ Status string }
	if err := s.ask(ctx, http.MethodPut, "/recipe/role", "userroles", object{"role": defaultRole, "permissions": []string{}}, &done); err != nil {
		return nil, err
	}
	if err := s.ask(ctx, http.MethodPut, "/"+tenant+"/recipe/user/role", "userroles", object{"userId": userID, "role": defaultRole}, &done); err != nil {
		return nil, err
	}
	return slices.Clone([]string{defaultRole}), nil
}
