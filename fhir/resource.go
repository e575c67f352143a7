package fhir

import (
	"cmp"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"time"
)

type identifier struct {
	System string `json:"system"`
	Value  string `json:"value"`
}

// resource is a Patient, Practitioner or Person as the server gave it.
type resource struct {
	kind, id string
	etag     string // for If-Match; empty: not known
	updated  time.Time
	raw      []byte
	ids      []identifier
	phones   []string
	replaced bool // by another one
}

// resourceID is the FHIR id type. It becomes part of paths.
var resourceID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]{0,63}$`)

// identityOf reads type and id.
func identityOf(raw []byte) (kind, id string, err error) {
	var v struct {
		ResourceType string `json:"resourceType"`
		ID           string `json:"id"`
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return "", "", errJSON
	}
	return v.ResourceType, v.ID, nil
}

// parseResource reads what we need of a resource of a kind.
func parseResource(kind string, raw []byte) (*resource, error) {
	var v struct {
		ResourceType string `json:"resourceType"`
		ID           string `json:"id"`
		Meta         struct {
			VersionID   string    `json:"versionId"`
			LastUpdated time.Time `json:"lastUpdated"`
		} `json:"meta"`
		Identifier []identifier `json:"identifier"`
		Telecom    []struct{ System, Value string }
		Link       []struct{ Type string }
	}
	if err := json.Unmarshal(raw, &v); err != nil || v.ResourceType != kind || !resourceID.MatchString(v.ID) {
		return nil, errJSON
	}
	r := &resource{kind: kind, id: v.ID, updated: v.Meta.LastUpdated, raw: raw, ids: v.Identifier}
	if v.Meta.VersionID != "" {
		r.etag = `W/"` + v.Meta.VersionID + `"`
	}
	for _, t := range v.Telecom {
		if t.System == "phone" && t.Value != "" {
			r.phones = append(r.phones, t.Value)
		}
	}
	for _, l := range v.Link {
		r.replaced = r.replaced || l.Type == "replaced-by"
	}
	return r, nil
}

func (r *resource) ref() string { return r.kind + "/" + r.id }

func (r *resource) has(i identifier) bool { return slices.Contains(r.ids, i) }

// value is that of the first identifier of a system; empty: there is none.
func (r *resource) value(system string) string {
	for _, i := range r.ids {
		if i.System == system && i.Value != "" {
			return i.Value
		}
	}
	return ""
}

// foreign reports whether the resource carries user ids, and none of them is this one.
func (r *resource) foreign(userID string) bool {
	return r.value(systemUserID) != "" && !r.has(identifier{systemUserID, userID})
}

// with is the resource's JSON with more identifiers, and every other byte as it was.
func (r *resource) with(more []identifier) ([]byte, error) {
	array, err := memberOf(r.raw, "identifier")
	if err != nil {
		return nil, err
	}
	var elements [][]byte
	for _, i := range more {
		elements = append(elements, encode(i))
	}
	if array, err = extend(array, elements...); err != nil {
		return nil, err
	}
	return setMember(r.raw, "identifier", array)
}

// first sorts resources that all claim to be a user's, the one to use in front. Updates move lastUpdated, so what we
// have written to a resource before counts more: the same one stays the first.
func first(all []*resource) {
	rank := func(r *resource) int {
		n := 0
		if r.value(systemWhatsApp) == "" {
			n += 2
		}
		if r.value(systemChatwoot) == "" {
			n++
		}
		return n
	}
	slices.SortStableFunc(all, func(a, b *resource) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), a.updated.Compare(b.updated),
			cmp.Compare(len(a.id), len(b.id)), strings.Compare(a.id, b.id))
	})
}

func refsOf(all []*resource) []string {
	var refs []string
	for _, r := range all {
		refs = append(refs, r.ref())
	}
	return refs
}
