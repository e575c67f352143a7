package fhir

import (
	"bytes"
	"encoding/json"
	"errors"
)

var errJSON = errors.New("no JSON of the expected form")

// span is a member of a JSON object, and where it stands: its name from at on, its value from start to end.
type span struct {
	name           string
	at, start, end int
}

// spansOf finds the members of an object. An object with a name twice is refused: servers and we could disagree about
// which one counts.
func spansOf(raw []byte) ([]span, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errJSON
	}
	var all []span
	seen := map[string]bool{}
	for d.More() {
		before := int(d.InputOffset())
		t, err := d.Token()
		name, isText := t.(string)
		if err != nil || !isText || seen[name] {
			return nil, errJSON
		}
		seen[name] = true
		at := before + bytes.IndexByte(raw[before:], '"')
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, errJSON
		}
		end := int(d.InputOffset())
		all = append(all, span{name: name, at: at, start: end - len(value), end: end})
	}
	if t, err := d.Token(); err != nil || t != json.Delim('}') {
		return nil, errJSON
	}
	return all, nil
}

// setMember gives a member of an object a value. All other bytes stay; a new member comes last.
func setMember(raw []byte, name string, value []byte) ([]byte, error) {
	all, err := spansOf(raw)
	if err != nil {
		return nil, err
	}
	for _, s := range all {
		if s.name == name {
			return splice(raw, s.start, s.end, value), nil
		}
	}
	member := append(append(quote(name), ':'), value...)
	if len(all) == 0 {
		at := bytes.IndexByte(raw, '{') + 1
		return splice(raw, at, at, member), nil
	}
	last := all[len(all)-1].end
	return splice(raw, last, last, append([]byte{','}, member...)), nil
}

// dropMember takes a member with its comma out of an object.
func dropMember(raw []byte, name string) ([]byte, error) {
	all, err := spansOf(raw)
	if err != nil {
		return nil, err
	}
	for i, s := range all {
		switch {
		case s.name != name:
		case i+1 < len(all):
			return splice(raw, s.at, all[i+1].at, nil), nil
		case i > 0:
			return splice(raw, all[i-1].end, s.end, nil), nil
		default:
			return splice(raw, s.at, s.end, nil), nil
		}
	}
	return raw, nil
}

// memberOf is the value of a member; nil: there is none.
func memberOf(raw []byte, name string) (json.RawMessage, error) {
	all, err := spansOf(raw)
	if err != nil {
		return nil, err
	}
	for _, s := range all {
		if s.name == name {
			return raw[s.start:s.end], nil
		}
	}
	return nil, nil
}

// elementsOf finds the elements of an array.
func elementsOf(raw []byte) ([]span, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return nil, errJSON
	}
	var all []span
	for d.More() {
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, errJSON
		}
		end := int(d.InputOffset())
		all = append(all, span{start: end - len(value), end: end})
	}
	return all, nil
}

// extend adds elements at the end of an array; those that are there keep their bytes. No array, or null, is an empty one.
func extend(array []byte, elements ...[]byte) ([]byte, error) {
	joined := bytes.Join(elements, []byte{','})
	if array == nil || bytes.Equal(array, []byte("null")) {
		array = []byte("[]")
	}
	all, err := elementsOf(array)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return append(append([]byte{'['}, joined...), ']'), nil
	}
	last := all[len(all)-1].end
	return splice(array, last, last, append([]byte{','}, joined...)), nil
}

func splice(raw []byte, start, end int, with []byte) []byte {
	out := make([]byte, 0, len(raw)-(end-start)+len(with))
	return append(append(append(out, raw[:start]...), with...), raw[end:]...)
}

// quote is s as JSON, without the escapes that are for HTML.
func quote(s string) []byte { return encode(s) }

// encode is v as JSON, without the escapes that are for HTML. v is made of strings.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // strings can always be encoded
	}
	return bytes.TrimSpace(b.Bytes())
}
