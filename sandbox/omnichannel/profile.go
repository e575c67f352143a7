package omnichannel

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var plusDigits = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)

// profile is the body of a call.
type profile struct {
	email, name, phone string
}

// unknownField is a field that the service does not have.
type unknownField string

func (u unknownField) Error() string { return "there is a field that the hook does not know" }

// decode reads a body. Field names are exact, as they are in the service.
func decode(body []byte) (profile, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil || fields == nil {
		return profile{}, errors.New("the body must be one JSON object")
	}
	var p profile
	for name, raw := range fields {
		into := map[string]*string{"email": &p.email, "name": &p.name, "phoneNumber": &p.phone}[name]
		if into == nil {
			return profile{}, unknownField(name)
		}
		if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, into) != nil {
			return profile{}, fmt.Errorf("%s must be text", name)
		}
	}
	_, mailed := fields["email"]
	switch {
	case strings.TrimSpace(p.name) == "":
		return profile{}, errors.New("name must not be empty")
	case !plusDigits.MatchString(p.phone):
		return profile{}, errors.New("phoneNumber must be a plus and digits")
	case mailed && !strings.Contains(p.email, "@"):
		return profile{}, errors.New("email must be an address, or be left out")
	}
	return p, nil
}

// do makes or renames the contact. The caller holds mu.
func (s *Server) do(path string, body []byte) answer {
	p, err := decode(body)
	var unknown unknownField
	if errors.As(err, &unknown) {
		s.note("field %q", string(unknown))
	}
	if err != nil {
		return refusal(http.StatusBadRequest, "%v", err)
	}
	c := s.modify(p.phone, p.name)
	if path == asynchronous {
		return answer{status: http.StatusAccepted, body: `{"status":"enqueued"}`}
	}
	row := map[string]any{"chatwoot_id": c.ID, "email": nil, "phone_number": c.Phone}
	if s.o.IDsAsString {
		row["chatwoot_id"] = strconv.Itoa(c.ID)
	}
	if p.email != "" {
		row["email"] = p.email
	}
	text, err := json.Marshal([]any{row})
	if err != nil {
		return refusal(http.StatusInternalServerError, "the answer cannot be written")
	}
	return answer{status: http.StatusOK, body: string(text)}
}

// modify is what the omnichannel system does with a profile: a contact that exists is renamed. The caller holds mu.
func (s *Server) modify(phone, name string) *Contact {
	at := slices.IndexFunc(s.contacts, func(c *Contact) bool { return c.Phone == phone })
	if at < 0 {
		s.contacts = append(s.contacts, &Contact{ID: len(s.contacts) + 1, Phone: phone, Name: name})
		return s.contacts[len(s.contacts)-1]
	}
	c := s.contacts[at]
	if c.Name != name {
		c.Renames = append(c.Renames, c.Name)
		c.Name = name
	}
	return c
}
