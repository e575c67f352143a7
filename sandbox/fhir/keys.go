package fhir

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// What a search looks up. A key is one of these, a system and a value, so that no two searches share a key.
const (
	byIdentifier = "identifier"
	byTelecom    = "telecom"
	byValue      = "telecom value" // of any system
	byID         = "_id"
)

func key(by, system, value string) string { return by + "\x00" + system + "\x00" + value }

// kinds are the resource types that the server knows, with their search parameters.
func kinds() []string {
	return []string{"Patient", "Practitioner", "Person", "QuestionnaireResponse"}
}

func knownKind(kind string) bool { return slices.Contains(kinds(), kind) }

func paramsOf(kind string) []string {
	if kind == "QuestionnaireResponse" {
		return []string{"_id", "identifier"}
	}
	return []string{"_id", "identifier", "phone", "telecom"}
}

// keysOf are the keys under which a resource is found.
func keysOf(kind string, top map[string]member) ([]string, error) {
	var keys []string
	if m, given := top["identifier"]; given {
		items, err := itemsOf(m.raw, kind == "QuestionnaireResponse")
		if err != nil {
			return nil, bad("identifier is malformed: %v", err)
		}
		for _, item := range items {
			if item.value != "" {
				keys = append(keys, key(byIdentifier, item.system, item.value))
			}
		}
	}
	m, given := top["telecom"]
	if !given || kind == "QuestionnaireResponse" {
		return keys, nil
	}
	items, err := itemsOf(m.raw, false)
	if err != nil {
		return nil, bad("telecom is malformed: %v", err)
	}
	for _, item := range items {
		if item.value != "" {
			keys = append(keys, key(byTelecom, item.system, item.value), key(byValue, "", item.value))
		}
	}
	return keys, nil
}

// mayAuthor refuses an author whom R4 does not allow (http://hl7.org/fhir/R4/questionnaireresponse.html).
func mayAuthor(kind string, top map[string]member) error {
	m, given := top["author"]
	if !given || kind != "QuestionnaireResponse" {
		return nil
	}
	var author struct {
		Reference string `json:"reference"`
		Type      string `json:"type"`
	}
	if json.Unmarshal(m.raw, &author) != nil {
		return bad("author is no Reference")
	}
	path := strings.Split(author.Reference, "/")
	for i, part := range path {
		if part == "_history" {
			path = path[:i]
			break
		}
	}
	named := author.Type
	if len(path) >= 2 {
		named = path[len(path)-2]
	}
	if named != "" && !slices.Contains(authors(), named) {
		return refusal{status: http.StatusUnprocessableEntity, code: "invalid", text: "A " + named + " cannot be the author of a QuestionnaireResponse"}
	}
	return nil
}

func authors() []string {
	return []string{"Device", "Practitioner", "PractitionerRole", "Patient", "RelatedPerson", "Organization"}
}

// item is an Identifier or a ContactPoint.
type item struct{ system, value string }

// itemsOf reads an element that repeats (an array) or, with single, one that does not (an object).
func itemsOf(raw []byte, single bool) ([]item, error) {
	var objects []map[string]json.RawMessage
	if single {
		var one map[string]json.RawMessage
		if json.Unmarshal(raw, &one) != nil || one == nil {
			return nil, bad("it is no object")
		}
		objects = append(objects, one)
	} else if json.Unmarshal(raw, &objects) != nil || len(objects) == 0 {
		return nil, bad("it is no array of objects, or an empty one")
	}
	items := make([]item, len(objects))
	for i, o := range objects {
		if o == nil {
			return nil, bad("an element is null")
		}
		for name, into := range map[string]*string{"system": &items[i].system, "value": &items[i].value} {
			given, ok := o[name]
			if !ok {
				continue
			}
			var err error
			if *into, err = text(given); err != nil || *into == "" {
				return nil, bad("%s is no string, or an empty one", name)
			}
		}
	}
	return items, nil
}
