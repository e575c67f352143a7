package fhir

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// step is one entry of a transaction.
type step struct {
	method   string
	kind, id string
	resource *resource // of POST and PUT
	number   int       // of ifMatch; 0: none
	where    criteria  // of ifNoneExist; nil: none
	match    string    // its text
	inquiry  *inquiry  // of a GET that searches

	found   *version // what fits where
	version *version // what came of it
	made    bool
}

// transaction does all entries of a Bundle, or none.
func (s *Server) transaction(c *call) (*answer, error) {
	if err := s.noQuery(c); err != nil {
		return nil, err
	}
	raw, err := c.body(mediaType)
	if err != nil {
		return nil, err
	}
	steps, err := s.steps(c, bytes.TrimSpace(raw))
	if err != nil {
		return nil, err
	}
	racy, lag := s.faults.race(), s.faults.indexLag()
	if racy && slices.ContainsFunc(steps, func(st *step) bool { return st.where != nil }) {
		for i, st := range steps {
			if err := s.lookAhead(st); err != nil {
				return nil, at(i, err)
			}
		}
		s.faults.window(c.r.Context())
	}
	s.store.Lock()
	defer s.store.Unlock()
	for i, st := range steps {
		if err := s.check(st, racy); err != nil {
			return nil, at(i, err)
		}
	}
	s.apply(steps)
	return &answer{status: http.StatusOK, body: s.results(steps, s.store.visible(lag))}, nil
}

// at says which entry an error is about.
func at(i int, err error) error {
	var r refusal
	if errors.As(err, &r) {
		r.text = fmt.Sprintf("Bundle.entry[%d]: %s", i, r.text)
		return r
	}
	return err
}

// steps reads a Bundle.
func (s *Server) steps(c *call, raw []byte) ([]*step, error) {
	if err := checkJSON(raw); err != nil {
		return nil, err
	}
	top, err := s.fields(c, "Bundle", raw, "resourceType", "type", "entry", "id", "meta")
	if err != nil {
		return nil, err
	}
	if kind, err := text(top["resourceType"]); err != nil || kind != "Bundle" {
		return nil, bad("The body is no Bundle")
	}
	if kind, err := text(top["type"]); err != nil || kind != "transaction" {
		return nil, s.strange(c, "a Bundle that is no transaction")
	}
	var entries []json.RawMessage
	if list, given := top["entry"]; given && (json.Unmarshal(list, &entries) != nil || len(entries) == 0) {
		return nil, bad("Bundle.entry is no array, or an empty one")
	}
	steps := make([]*step, len(entries))
	written := map[string]bool{}
	for i, entry := range entries {
		if steps[i], err = s.step(c, raw, entry); err != nil {
			return nil, at(i, err)
		}
		target := steps[i].kind + "/" + steps[i].id
		if steps[i].where != nil {
			target = steps[i].kind + "?" + steps[i].match
		} else if steps[i].method != http.MethodPut {
			continue
		}
		if written[target] {
			return nil, at(i, bad("The transaction writes a resource twice"))
		}
		written[target] = true
	}
	return steps, nil
}

// fields reads an object and refuses members that the stand-in does not know.
func (s *Server) fields(c *call, where string, raw []byte, known ...string) (map[string]json.RawMessage, error) {
	var all map[string]json.RawMessage
	if json.Unmarshal(raw, &all) != nil || all == nil {
		return nil, bad("%s is no object", where)
	}
	for name := range all {
		if !slices.Contains(known, name) {
			return nil, s.strange(c, fmt.Sprintf("unknown field %q of %s", name, where))
		}
	}
	return all, nil
}

// step reads an entry of a Bundle.
func (s *Server) step(c *call, bundle, raw []byte) (*step, error) {
	entry, err := s.fields(c, "Bundle.entry", raw, "fullUrl", "resource", "request")
	if err != nil {
		return nil, err
	}
	if full, given := entry["fullUrl"]; given && bytes.HasPrefix(full, []byte(`"urn:`)) && bytes.Count(bundle, full) > 1 {
		return nil, s.strange(c, "a reference to another entry of the Bundle")
	}
	request, err := s.fields(c, "Bundle.entry.request", entry["request"], "method", "url", "ifMatch", "ifNoneExist")
	if err != nil {
		return nil, err
	}
	st := &step{}
	if st.method, err = text(request["method"]); err != nil {
		return nil, bad("The request has no method")
	}
	target, err := text(request["url"])
	if err != nil {
		return nil, bad("The request has no url")
	}
	if err := s.aim(c, st, target); err != nil {
		return nil, err
	}
	if err := s.conditions(c, st, request); err != nil {
		return nil, err
	}
	return st, st.read(entry["resource"])
}

// aim reads the url of an entry: Patient, Patient/1 or Patient?identifier=…
func (s *Server) aim(c *call, st *step, target string) error {
	path, query, searches := strings.Cut(target, "?")
	var named bool
	st.kind, st.id, named = strings.Cut(path, "/")
	if !knownKind(st.kind) || (named && !validID(st.id)) {
		return s.strange(c, "unknown url of an entry")
	}
	known := map[string]bool{
		http.MethodPost: !named && !searches,
		http.MethodPut:  named && !searches,
		http.MethodGet:  named != searches,
	}
	if !known[st.method] {
		return s.strange(c, "unknown method of an entry, or one that does not go with its url")
	}
	if !searches {
		return nil
	}
	params, err := url.ParseQuery(query)
	if err != nil {
		return bad("The url is malformed")
	}
	st.inquiry, err = s.inquire(c, st.kind, params)
	return err
}

// conditions reads ifMatch and ifNoneExist of an entry.
func (s *Server) conditions(c *call, st *step, request map[string]json.RawMessage) (err error) {
	if raw, given := request["ifMatch"]; given {
		match, err := text(raw)
		if err != nil || st.method != http.MethodPut {
			return s.strange(c, "ifMatch that is no string or not of a PUT")
		}
		if st.number, err = versionOf(match, true); err != nil {
			return err
		}
	}
	if raw, given := request["ifNoneExist"]; given {
		if st.match, err = text(raw); err != nil || st.method != http.MethodPost {
			return s.strange(c, "ifNoneExist that is no string or not of a POST")
		}
		st.where, err = s.condition(c, st.kind, st.match, true)
	}
	return err
}

// read takes the resource of a POST or PUT.
func (st *step) read(raw []byte) (err error) {
	if st.method == http.MethodGet {
		if raw != nil {
			return bad("A GET has no resource")
		}
		return nil
	}
	if st.resource, err = parse(raw); err != nil {
		return err
	}
	if st.resource.kind != st.kind || (st.method == http.MethodPut && st.resource.id != st.id) {
		return bad("The resource is not what the url says")
	}
	return nil
}

// lookAhead is the search of a racy server before it takes its locks.
func (s *Server) lookAhead(st *step) (err error) {
	if st.where != nil {
		st.found, err = s.existingNow(st.kind, st.where, st.match)
	}
	return err
}

// check finds what would keep an entry from being done. The caller holds the store.
func (s *Server) check(st *step, racy bool) (err error) {
	if st.where != nil && !racy {
		st.found, err = s.existing(st.kind, st.where, len(s.store.times), st.match)
		return err
	}
	if st.id == "" {
		return nil
	}
	rec, err := s.store.current(st.kind, st.id)
	if err != nil {
		return err
	}
	return rec.mustBe(st.number)
}

// apply does the writes, which cannot fail any more, then the reads. The caller holds the store.
func (s *Server) apply(steps []*step) {
	s.store.change()
	for _, st := range steps {
		switch {
		case st.method == http.MethodPost && st.found != nil:
			st.version = st.found
		case st.method == http.MethodPost:
			st.version, st.made = s.store.create(st.resource, ""), true
		case st.method == http.MethodPut:
			st.version = s.store.update(s.store.tables[st.kind].byID[st.id], st.resource)
		}
	}
	for _, st := range steps {
		if st.method == http.MethodGet && st.inquiry == nil {
			st.version = s.store.tables[st.kind].byID[st.id].last()
		}
	}
}

// results is the Bundle that answers a transaction. The caller holds the store.
func (s *Server) results(steps []*step, change int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"resourceType":"Bundle","type":"transaction-response"`)
	for i, st := range steps {
		b.WriteString([]string{`,"entry":[{`, `,{`}[min(i, 1)])
		switch {
		case st.inquiry != nil:
			b.WriteString(`"resource":`)
			b.Write(s.bundle(st.inquiry, change))
			b.WriteString(`,"response":{"status":"200"}}`)
			continue
		case st.method == http.MethodGet:
			b.WriteString(`"resource":`)
			b.Write(st.version.body)
			b.WriteByte(',')
		}
		status := http.StatusOK
		if st.made {
			status = http.StatusCreated
		}
		fmt.Fprintf(&b, `"response":{"status":"%d","location":%s,"etag":%s,"lastModified":%s}}`, status,
			quote(s.place(st.version)), quote(st.version.etag()), quote(instant(st.version.at)))
	}
	if len(steps) > 0 {
		b.WriteByte(']')
	}
	b.WriteByte('}')
	return b.Bytes()
}
