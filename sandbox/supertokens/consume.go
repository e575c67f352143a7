package supertokens

import (
	"encoding/base64"
	"slices"
	"strings"
)

// attempt is what somebody offers to sign in with.
type attempt struct {
	link   []byte // the link code; nil when digits were entered
	key    []byte // the device id
	digits string
	hash   string // preAuthSessionId, as given
}

// consumeCode answers POST /recipe/signinup/code/consume.
func (s *Server) consumeCode(c *call) (object, error) {
	a, err := c.attempt()
	if err != nil {
		return nil, err
	}
	d, no, err := s.check(a)
	if err != nil || no != nil {
		return no, err
	}
	s.core.dropAll(d.of)
	u, created := s.signInUp(d.of)
	return ok(object{"createdNewUser": created, "user": u.json()}), nil
}

func (c *call) attempt() (attempt, error) {
	a := attempt{}
	var err error
	if a.hash, err = c.str("preAuthSessionId"); err != nil {
		return a, err
	}
	_, hasLink := c.body["linkCode"]
	_, hasDigits := c.body["userInputCode"]
	_, hasDevice := c.body["deviceId"]
	switch {
	case hasLink && !hasDigits && !hasDevice:
		link, err := c.str("linkCode")
		if err != nil {
			return a, err
		}
		a.link, err = decode64(base64.RawURLEncoding, link, "linkCode")
		return a, err
	case !hasLink && hasDigits && hasDevice:
		return c.digitsAttempt(a)
	}
	return a, bad("Please provide exactly one of linkCode or deviceId+userInputCode")
}

func (c *call) digitsAttempt(a attempt) (attempt, error) {
	id, err := c.str("deviceId")
	if err != nil {
		return a, err
	}
	if a.digits, err = c.str("userInputCode"); err != nil {
		return a, err
	}
	a.key, err = decode64(base64.RawStdEncoding, id, "deviceId")
	return a, err
}

// check finds the device whose code the attempt proves. no is the core's answer when it does not prove one.
func (s *Server) check(a attempt) (d *device, no object, err error) {
	restart := status("RESTART_FLOW_ERROR")
	var found *code
	if a.link != nil {
		found = s.core.links[hashOf(a.link)]
		if found == nil || s.expired(found) {
			return nil, restart, nil
		}
		d = found.device
	} else {
		if d = s.core.devices[hashOf(a.key)]; d == nil {
			return nil, restart, nil
		}
		found = s.core.links[hashOf(d.linkCode(a.key, a.digits))]
	}
	if d.hash != strings.ReplaceAll(a.hash, "=", "") {
		return nil, nil, bad("preAuthSessionId and deviceId doesn't match")
	}
	if found != nil && !s.expired(found) {
		return d, nil, nil
	}
	d.failed++
	if d.failed >= maxCodeAttempts {
		s.core.drop(d)
		return nil, restart, nil
	}
	word := "INCORRECT_USER_INPUT_CODE_ERROR"
	if found != nil {
		word = "EXPIRED_USER_INPUT_CODE_ERROR"
	}
	no = status(word)
	no["failedCodeInputAttemptCount"], no["maximumCodeInputAttempts"] = d.failed, maxCodeAttempts
	return nil, no, nil
}

// signInUp finds or makes the user of a contact. Somebody who has another contact too loses that one's codes.
func (s *Server) signInUp(who contact) (*user, bool) {
	u := s.core.byPhone[who.phone.value]
	if who.email.given {
		u = s.core.byEmail[who.email.value]
	}
	if u == nil {
		u = &user{id: uuid(), phone: who.phone, email: who.email, joined: s.now()}
		s.core.users[u.id] = u
		s.core.index(u)
		return u, true
	}
	s.core.dropAll(contact{phone: u.phone})
	s.core.dropAll(contact{email: u.email})
	return u, false
}

// listCodes answers GET /recipe/signinup/codes.
func (s *Server) listCodes(c *call) (object, error) {
	if len(c.query) != 1 {
		return nil, bad("Please provide exactly one of email, phoneNumber, deviceId or preAuthSessionId")
	}
	var found []*device
	one := func(hash string) {
		if d := s.core.devices[hash]; d != nil {
			found = append(found, d)
		}
	}
	for name, value := range c.query {
		switch name {
		case "deviceId":
			key, err := decode64(base64.RawStdEncoding, value, "deviceId")
			if err != nil {
				return nil, err
			}
			one(hashOf(key))
		case "preAuthSessionId":
			one(value)
		case "phoneNumber":
			found = oldestFirst(s.core.devicesOf(contact{phone: given(normalPhone(value))}))
		default:
			found = oldestFirst(s.core.devicesOf(contact{email: given(normalEmail(value))}))
		}
	}
	list := make([]object, len(found))
	for i, d := range found {
		list[i] = s.deviceJSON(d)
	}
	return ok(object{"devices": list}), nil
}

func oldestFirst(m map[string]*device) []*device {
	list := make([]*device, 0, len(m))
	for _, d := range m {
		list = append(list, d)
	}
	slices.SortFunc(list, func(a, b *device) int {
		if c := a.codes[0].created.Compare(b.codes[0].created); c != 0 {
			return c
		}
		return strings.Compare(a.hash, b.hash)
	})
	return list
}

func (s *Server) deviceJSON(d *device) object {
	codes := make([]object, len(d.codes))
	for i, c := range d.codes {
		codes[i] = object{"codeId": c.id, "timeCreated": c.created.UnixMilli(), "codeLifetime": s.o.CodeLifetime.Milliseconds()}
	}
	o := object{"preAuthSessionId": d.hash, "failedCodeInputAttemptCount": d.failed, "codes": codes}
	o.contact(d.of.phone, d.of.email)
	return o
}

// removeCode answers POST /recipe/signinup/code/remove. A device goes with its last code.
func (s *Server) removeCode(c *call) (object, error) {
	id, err := c.str("codeId")
	if err != nil {
		return nil, err
	}
	found := s.core.codes[id]
	switch {
	case found == nil:
	case len(found.device.codes) == 1:
		s.core.drop(found.device)
	default:
		delete(s.core.codes, found.id)
		delete(s.core.links, found.hash)
		found.device.codes = slices.DeleteFunc(found.device.codes, func(o *code) bool { return o == found })
	}
	return ok(nil), nil
}

// removeCodes answers POST /recipe/signinup/codes/remove.
func (s *Server) removeCodes(c *call) (object, error) {
	who, err := c.contact()
	if err != nil {
		return nil, err
	}
	if !exactlyOne(who.email.given, who.phone.given) {
		return nil, bad("Please provide exactly one of email or phoneNumber")
	}
	s.core.dropAll(who)
	return ok(nil), nil
}
