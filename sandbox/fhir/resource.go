package fhir

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sort"
	"strconv"
	"time"
	"unicode/utf8"
)

// resource is a resource as it was sent, not yet stored.
type resource struct {
	kind  string // resourceType
	id    string // empty: none given
	keys  []string
	raw   []byte
	slots []slot
}

// slot is a place in the JSON of a resource where the server writes a string of its own.
type slot struct {
	start, end    int // what is replaced
	what          byte
	before, after string // around the string
}

const (
	slotID      = 'i'
	slotVersion = 'v'
	slotUpdated = 'u'
)

// parse checks a resource as far as the server needs. It keeps raw, which must not change afterwards.
func parse(raw []byte) (*resource, error) {
	raw = bytes.TrimSpace(raw)
	if err := checkJSON(raw); err != nil {
		return nil, err
	}
	top, err := members(raw, 0)
	if err != nil {
		return nil, err
	}
	r := &resource{raw: raw}
	kind, ok := top["resourceType"]
	if r.kind, err = text(kind.raw); !ok || err != nil || r.kind == "" {
		return nil, bad("The body has no resourceType")
	}
	if id, given := top["id"]; given {
		if r.id, err = text(id.raw); err != nil || !validID(r.id) {
			return nil, bad("The id is not valid")
		}
	}
	if r.keys, err = keysOf(r.kind, top); err != nil {
		return nil, err
	}
	if err := mayAuthor(r.kind, top); err != nil {
		return nil, err
	}
	r.slots, err = slotsOf(top, kind.end)
	return r, err
}

// slotsOf finds where id, meta.versionId and meta.lastUpdated stand or, when they are missing, may stand.
func slotsOf(top map[string]member, missing int) ([]slot, error) {
	id := slot{start: missing, end: missing, what: slotID, before: `,"id":`}
	if m, given := top["id"]; given {
		id = slot{start: m.start, end: m.end, what: slotID}
	}
	version := slot{start: missing, end: missing, what: slotVersion, before: `,"meta":{"versionId":`}
	updated := slot{start: missing, end: missing, what: slotUpdated, before: `,"lastUpdated":`, after: `}`}
	if meta, given := top["meta"]; given {
		within, err := members(meta.raw, meta.start)
		if err != nil {
			return nil, bad("meta is no object")
		}
		first := meta.start + 1
		version = slot{start: first, end: first, what: slotVersion, before: `"versionId":`, after: `,`}
		updated = slot{start: first, end: first, what: slotUpdated, before: `"lastUpdated":`, after: `,`}
		if len(within) == 0 {
			updated.after = ""
		}
		if m, given := within["versionId"]; given {
			version = slot{start: m.start, end: m.end, what: slotVersion}
		}
		if m, given := within["lastUpdated"]; given {
			updated = slot{start: m.start, end: m.end, what: slotUpdated}
		}
	}
	slots := []slot{id, version, updated}
	sort.SliceStable(slots, func(i, j int) bool { return slots[i].start < slots[j].start })
	return slots, nil
}

// stamped is the JSON of the resource with the server's id and meta. All other bytes are those that were sent.
func (r *resource) stamped(id string, number int, at time.Time) []byte {
	out := make([]byte, 0, len(r.raw)+len(id)+100)
	done := 0
	for _, s := range r.slots {
		out = append(append(out, r.raw[done:s.start]...), s.before...)
		switch s.what {
		case slotID:
			out = strconv.AppendQuote(out, id)
		case slotVersion:
			out = strconv.AppendQuote(out, strconv.Itoa(number))
		case slotUpdated:
			out = strconv.AppendQuote(out, instant(at))
		}
		out = append(out, s.after...)
		done = s.end
	}
	return append(out, r.raw[done:]...)
}

// member is the value of a JSON object's member, and where it stands.
type member struct {
	raw        []byte
	start, end int
}

// members reads a JSON object that stands at offset of something larger.
func members(raw []byte, offset int) (map[string]member, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, bad("The body is no JSON object")
	}
	all := map[string]member{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, bad("The body is not valid JSON")
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, bad("The body is not valid JSON")
		}
		end := int(d.InputOffset())
		all[fmt.Sprint(name)] = member{raw: value, start: offset + end - len(value), end: offset + end}
	}
	return all, nil
}

// checkJSON refuses what is no JSON, is not UTF-8, or has a key twice in one object.
func checkJSON(raw []byte) error {
	if !json.Valid(raw) || !utf8.Valid(raw) {
		return bad("The body is not valid JSON")
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var open []map[string]bool // a set per object, nil per array
	atKey := false
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return bad("The body is not valid JSON")
		}
		name, isText := t.(string)
		switch {
		case t == json.Delim('{'):
			open = append(open, map[string]bool{})
		case t == json.Delim('['):
			open = append(open, nil)
		case t == json.Delim('}'), t == json.Delim(']'):
			open = open[:len(open)-1]
		case atKey && isText:
			if open[len(open)-1][name] {
				return bad("The body has a key twice in one object")
			}
			open[len(open)-1][name] = true
			atKey = false
			continue
		}
		atKey = len(open) > 0 && open[len(open)-1] != nil
	}
}

// text reads a JSON string, and nothing else.
func text(raw []byte) (string, error) {
	var s *string
	if err := json.Unmarshal(raw, &s); err != nil || s == nil {
		return "", errors.New("no string")
	}
	return *s, nil
}

// validID is the FHIR id type.
func validID(id string) bool {
	if id == "" || len(id) > 64 {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '.' {
			return false
		}
	}
	return true
}
