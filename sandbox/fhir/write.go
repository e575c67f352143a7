package fhir

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

func (s *Server) read(c *call) (*answer, error) {
	if err := s.noQuery(c); err != nil {
		return nil, err
	}
	s.store.RLock()
	defer s.store.RUnlock()
	rec, err := s.store.current(c.kind, c.id)
	if err != nil {
		return nil, err
	}
	v := rec.last()
	return &answer{status: http.StatusOK, body: v.body, version: v}, nil
}

// sent reads and checks the resource of a write.
func (s *Server) sent(c *call) (*resource, error) {
	if err := s.noQuery(c); err != nil {
		return nil, err
	}
	raw, err := c.body(mediaType)
	if err != nil {
		return nil, err
	}
	r, err := parse(raw)
	if err != nil {
		return nil, err
	}
	if r.kind != c.kind {
		return nil, bad("The body is a %s, the path says %s", r.kind, c.kind)
	}
	return r, nil
}

func (s *Server) written(c *call, status int, v *version) *answer {
	a := &answer{status: status, version: v}
	if !s.minimal(c) {
		a.body = v.body
	}
	return a
}

// place is the URL of a version.
func (s *Server) place(v *version) string {
	return fmt.Sprintf("%s/%s/_history/%d", s.URL(), v.ref(), v.number)
}

func (s *Server) create(c *call) (*answer, error) {
	r, err := s.sent(c)
	if err != nil {
		return nil, err
	}
	match := c.r.Header.Get("If-None-Exist")
	where, err := s.condition(c, c.kind, match, len(c.r.Header.Values("If-None-Exist")) > 0)
	if err != nil {
		return nil, err
	}
	v, made, err := s.createUnless(c, r, where, match)
	if err != nil {
		return nil, err
	}
	if !made {
		return s.written(c, http.StatusOK, v), nil
	}
	a := s.written(c, http.StatusCreated, v)
	a.location = s.place(v)
	return a, nil
}

// createUnless creates a resource unless one fits the condition. A nil condition always creates.
func (s *Server) createUnless(c *call, r *resource, where criteria, match string) (v *version, made bool, err error) {
	racy := where != nil && s.faults.race()
	if racy {
		if v, err := s.existingNow(c.kind, where, match); v != nil || err != nil {
			return v, false, err
		}
		s.faults.window(c.r.Context())
	}
	s.store.Lock()
	defer s.store.Unlock()
	if where != nil && !racy {
		if v, err := s.existing(c.kind, where, len(s.store.times), match); v != nil || err != nil {
			return v, false, err
		}
	}
	s.store.change()
	return s.store.create(r, ""), true, nil
}

// existingNow is the search that a racy server does before it creates.
func (s *Server) existingNow(kind string, where criteria, match string) (*version, error) {
	lag := s.faults.indexLag()
	s.store.RLock()
	defer s.store.RUnlock()
	return s.existing(kind, where, s.store.visible(lag), match)
}

// existing is the one resource that fits a condition; nil: there is none. The caller holds the store. As on real
// servers the text of the error holds the condition, with whatever it says about a person.
func (s *Server) existing(kind string, where criteria, change int, match string) (*version, error) {
	found := s.store.find(kind, where, change, 0, 2)
	switch len(found) {
	case 0:
		return nil, nil
	case 1:
		return found[0], nil
	}
	return nil, refusal{status: http.StatusPreconditionFailed,
		text: fmt.Sprintf("Failed to create %s with condition %q: several resources match", kind, match)}
}

// condition reads the value of If-None-Exist. As on real servers an unknown parameter, or one without value, makes
// the create unconditional (nil); here it is listed, too.
func (s *Server) condition(c *call, kind, match string, given bool) (criteria, error) {
	if !given {
		return nil, nil
	}
	query, err := url.ParseQuery(match)
	if err != nil {
		return nil, bad("The condition of the create is malformed")
	}
	var where criteria
	for name, values := range query {
		if !slices.Contains(paramsOf(kind), name) {
			s.note(c, fmt.Sprintf("unknown parameter %q of If-None-Exist", name))
			return nil, nil
		}
		for _, value := range values {
			group, ok := groupOf(name, value)
			if !ok {
				s.note(c, fmt.Sprintf("parameter %q of If-None-Exist without a value", name))
				return nil, nil
			}
			where = append(where, group)
		}
	}
	if where == nil {
		s.note(c, "If-None-Exist without a parameter")
	}
	return where, nil
}

func (s *Server) update(c *call) (*answer, error) {
	r, err := s.sent(c)
	if err != nil {
		return nil, err
	}
	if r.id != c.id {
		return nil, bad("The id of the body is not that of the path")
	}
	match := c.r.Header.Get("If-Match")
	number, err := versionOf(match, len(c.r.Header.Values("If-Match")) > 0)
	if err != nil {
		return nil, err
	}
	s.store.Lock()
	defer s.store.Unlock()
	rec, err := s.store.current(c.kind, c.id)
	if err != nil {
		return nil, err
	}
	if err := rec.mustBe(number); err != nil {
		return nil, err
	}
	s.store.change()
	return s.written(c, http.StatusOK, s.store.update(rec, r)), nil
}

// mustBe checks an If-Match; 0: there was none.
func (r *record) mustBe(number int) error {
	if number == 0 || number == r.last().number {
		return nil
	}
	return refusal{status: http.StatusPreconditionFailed,
		text: fmt.Sprintf("%s is at version %d, not %d", r.last().ref(), r.last().number, number)}
}

// versionOf reads the ETag of an If-Match: W/"3". Not given is 0.
func versionOf(match string, given bool) (int, error) {
	if !given {
		return 0, nil
	}
	inner, weak := strings.CutPrefix(match, `W/"`)
	inner, closed := strings.CutSuffix(inner, `"`)
	number, err := strconv.Atoi(inner)
	if !weak || !closed || err != nil || number < 1 || strconv.Itoa(number) != inner {
		return 0, bad(`If-Match must be W/"n"`)
	}
	return number, nil
}
