package gateway

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// contact is whom a code is for: exactly one of the two.
type contact struct{ phone, email string }

func (c contact) String() string { return c.phone + c.email }

var digitsOnly = regexp.MustCompile(`^[1-9][0-9]{6,14}$`)

// createCode answers POST /signinup/code.
func (s *Server) createCode(c *call) (any, error) {
	given, err := c.texts("phoneNumber", "email")
	if err != nil {
		return nil, err
	}
	who := contact{phone: strings.TrimPrefix(given["phoneNumber"], "+"), email: given["email"]}
	switch {
	case (who.phone == "") == (who.email == ""):
		return nil, bad("exactly one of phoneNumber and email must be given")
	case who.phone != "" && !digitsOnly.MatchString(who.phone), who.email != "" && !strings.Contains(who.email, "@"):
		return object{"status": "GENERAL_ERROR", "message": "The number or address is not valid."}, nil
	}
	code, err := s.codeFor(c.ctx, who)
	if err != nil {
		return nil, err
	}
	return object{"status": "OK", "deviceId": code.DeviceID, "preAuthSessionId": code.PreAuthSessionID, "flowType": "MAGIC_LINK"}, nil
}

// codeFor creates a code, with its side effects, and sends it.
func (s *Server) codeFor(ctx context.Context, who contact) (made, error) {
	code, err := s.coreCode(ctx, whom(who))
	if err != nil {
		return made{}, err
	}
	user, err := s.coreUser(ctx, who)
	if err != nil {
		return made{}, err
	}
	id := ""
	if user != nil {
		id = user.ID
	}
	if _, err := s.register(ctx, who, id); err != nil {
		return made{}, err
	}
	s.send(who.String(), s.linkURL(code))
	return code, nil
}

func whom(who contact) object {
	if who.phone != "" {
		return object{"phoneNumber": who.phone}
	}
	return object{"email": who.email}
}

func (s *Server) linkURL(code made) string {
	return s.URL() + s.o.WebsiteBasePath + "/verify?" +
		url.Values{"preAuthSessionId": {code.PreAuthSessionID}, "tenantId": {tenant}}.Encode() + "#" + code.LinkCode
}

// resendCode answers POST /signinup/code/resend: another code for the same device.
func (s *Server) resendCode(c *call) (any, error) {
	given, err := c.texts("deviceId", "preAuthSessionId")
	if err != nil {
		return nil, err
	}
	if given["deviceId"] == "" || given["preAuthSessionId"] == "" {
		return nil, bad("deviceId and preAuthSessionId must be given")
	}
	var listed struct {
		Devices []struct{ PhoneNumber, Email string }
	}
	query := url.Values{"deviceId": {given["deviceId"]}}
	if err := s.ask(c.ctx, http.MethodGet, "/"+tenant+"/recipe/signinup/codes?"+query.Encode(), "passwordless", nil, &listed); err != nil {
		return nil, err
	}
	if len(listed.Devices) == 0 {
		return object{"status": "RESTART_FLOW_ERROR"}, nil
	}
	code, err := s.coreCode(c.ctx, object{"deviceId": given["deviceId"]})
	if err != nil || code.Status != "OK" {
		return object{"status": code.Status}, err
	}
	s.send(listed.Devices[0].PhoneNumber+listed.Devices[0].Email, s.linkURL(code))
	return object{"status": "OK"}, nil
}

// consumeCode answers POST /signinup/code/consume.
func (s *Server) consumeCode(c *call) (any, error) {
	given, err := c.texts("preAuthSessionId", "linkCode", "deviceId", "userInputCode")
	if err != nil {
		return nil, err
	}
	body := object{}
	for name, value := range given {
		if value != "" {
			body[name] = value
		}
	}
	if given["preAuthSessionId"] == "" || (given["linkCode"] == "") == (given["deviceId"] == "" || given["userInputCode"] == "") {
		return nil, bad("preAuthSessionId and either linkCode or deviceId and userInputCode must be given")
	}
	in, err := s.coreConsume(c.ctx, body)
	if err != nil {
		return nil, err
	}
	if in.Status != "OK" {
		refused := object{"status": in.Status}
		if in.MaximumCodeInputAttempts > 0 {
			refused["failedCodeInputAttemptCount"], refused["maximumCodeInputAttempts"] = in.FailedCodeInputAttemptCount, in.MaximumCodeInputAttempts
		}
		return refused, nil
	}
	roles, err := s.roles(c.ctx, in.User.ID)
	if err != nil {
		return nil, err
	}
	ref, err := s.registered(c.ctx, *in.User)
	if err != nil {
		return nil, err
	}
	if err := s.openSession(c, in.User.ID, roles, ref); err != nil {
		return nil, err
	}
	return object{"status": "OK", "createdNewUser": in.CreatedNewUser, "user": in.User}, nil
}

// registered makes the records of somebody who has just confirmed, now or, with the option Late, after the answer.
func (s *Server) registered(ctx context.Context, u account) (ref string, err error) {
	who := contact{phone: strings.TrimPrefix(u.PhoneNumber, "+"), email: u.Email}
	if s.o.Late == nil {
		return s.register(ctx, who, u.ID)
	}
	s.late.Go(func() {
		s.o.Late(u.ID)
		if _, err := s.register(ctx, who, u.ID); err != nil {
			s.log.Warn().Err(err).Msg("stand-in for konsulin-api: late records failed")
		}
	})
	return "", nil
}

// Invite is what a clinic's invitation does: it makes the user of a number (digits) at once, which deletes the number's
// codes, and sends a link.
func (s *Server) Invite(ctx context.Context, digits string) error {
	who := contact{phone: digits}
	code, err := s.coreCode(ctx, whom(who))
	if err != nil {
		return err
	}
	in, err := s.coreConsume(ctx, object{"preAuthSessionId": code.PreAuthSessionID, "linkCode": code.LinkCode})
	if err != nil {
		return err
	}
	if _, err := s.roles(ctx, in.User.ID); err != nil {
		return err
	}
	_, err = s.codeFor(ctx, who)
	return err
}
