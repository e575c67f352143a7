package fhir

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strings"
)

// record is the resource type of what guests leave behind.
const record = "QuestionnaireResponse"

// maxBundle is about how large a transaction may be; many servers refuse bodies of more than a megabyte.
const maxBundle = 512 << 10

// edit is a record as it is to become.
type edit struct {
	id   string
	etag string
	raw  []byte
}

func (e *edit) ref() string { return record + "/" + e.id }

// edit makes a record the owner's: author and subject, without the guest's id, every other byte as it was. It returns
// nil for a record that is not (or no longer) the guest's, or that speaks of somebody else.
func (s *Service) edit(c *claim, raw []byte) (*edit, error) {
	const op = "claim guest records"
	var v struct {
		ResourceType string                     `json:"resourceType"`
		ID           string                     `json:"id"`
		Meta         struct{ VersionID string } `json:"meta"`
		Identifier   json.RawMessage            `json:"identifier"`
		Subject      *party                     `json:"subject"`
		Author       *party                     `json:"author"`
	}
	if err := json.Unmarshal(raw, &v); err != nil || v.ResourceType != record || !resourceID.MatchString(v.ID) {
		return nil, s.api.unexpected(op, "a record that cannot be read")
	}
	rest, carried := without(v.Identifier, c.guest)
	if !carried || c.speaksOfAnother(s.api, v.Subject) || c.speaksOfAnother(s.api, v.Author) {
		return nil, nil
	}
	e := &edit{id: v.ID}
	if v.Meta.VersionID != "" {
		e.etag = `W/"` + v.Meta.VersionID + `"`
	}
	reference := encode(struct {
		Reference string `json:"reference"`
	}{c.owner})
	next, err := setMember(raw, "subject", reference)
	if err == nil && c.mayAuthor() {
		next, err = setMember(next, "author", reference)
	}
	if err == nil && rest == nil {
		next, err = dropMember(next, "identifier")
	} else if err == nil {
		next, err = setMember(next, "identifier", rest)
	}
	if err != nil {
		return nil, s.api.permanent(op, "a record has a form that cannot be edited safely")
	}
	e.raw = next
	return e, nil
}

// owns reports whether a record looks as edit leaves it.
func (c *claim) owns(api *client, raw []byte) bool {
	var v struct {
		Identifier json.RawMessage `json:"identifier"`
		Subject    party           `json:"subject"`
		Author     party           `json:"author"`
	}
	if json.Unmarshal(raw, &v) != nil {
		return false
	}
	_, carried := without(v.Identifier, c.guest)
	return !carried && plain(api, v.Subject.Reference) == c.owner &&
		(!c.mayAuthor() || plain(api, v.Author.Reference) == c.owner)
}

// mayAuthor says whether the owner can be the author: a Person cannot (http://hl7.org/fhir/R4/questionnaireresponse.html).
func (c *claim) mayAuthor() bool { return !strings.HasPrefix(c.owner, person+"/") }

// plain is a reference relative to the server and without a version.
func plain(api *client, ref string) string {
	ref, _, _ = strings.Cut(strings.TrimPrefix(ref, api.base.String()+"/"), "/_history/")
	return ref
}

// without takes an identifier out of what stands in a record: an object in R4, an array in later versions. rest is nil
// when nothing is left.
func without(raw json.RawMessage, i identifier) (rest []byte, carried bool) {
	var one identifier
	if json.Unmarshal(raw, &one) == nil {
		return nil, one == i
	}
	all, err := elementsOf(raw)
	if err != nil {
		return nil, false
	}
	var kept [][]byte
	for _, s := range all {
		var one identifier
		if json.Unmarshal(raw[s.start:s.end], &one) == nil && one == i {
			carried = true
			continue
		}
		kept = append(kept, raw[s.start:s.end])
	}
	if len(kept) == 0 {
		return nil, carried
	}
	rest, err = extend(nil, kept...)
	return rest, carried && err == nil
}

// party is a Reference.
type party struct {
	Reference  string      `json:"reference"`
	Identifier *identifier `json:"identifier"`
}

// speaksOfAnother reports whether a subject or author is somebody else. A mere name is nobody.
func (c *claim) speaksOfAnother(api *client, p *party) bool {
	if p == nil {
		return false
	}
	if p.Reference != "" {
		return !slices.Contains(c.mine, plain(api, p.Reference))
	}
	return p.Identifier != nil && *p.Identifier != c.guest && *p.Identifier != c.u.userID() && *p.Identifier != c.u.whatsapp()
}

// chunks cuts records into transactions of at most a page, and not too large ones.
func chunks(todo []*edit) iter.Seq[[]*edit] {
	return func(yield func([]*edit) bool) {
		for len(todo) > 0 {
			n, size := 1, len(todo[0].raw)
			for n < len(todo) && n < 50 && size+len(todo[n].raw) <= maxBundle {
				size += len(todo[n].raw)
				n++
			}
			if !yield(todo[:n]) {
				return
			}
			todo = todo[n:]
		}
	}
}

// transact writes records in one transaction: all of them, each over the version that was read, or none.
func (s *Service) transact(ctx context.Context, todo []*edit) error {
	const op = "claim guest records"
	var b bytes.Buffer
	b.WriteString(`{"resourceType":"Bundle","type":"transaction","entry":[`)
	for i, e := range todo {
		if e.etag == "" {
			return s.api.permanent(op, "it gives no versions, so an update could undo somebody else's")
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`{"resource":`)
		b.Write(e.raw)
		fmt.Fprintf(&b, `,"request":{"method":"PUT","url":%s,"ifMatch":%s}}`, quote(e.ref()), quote(e.etag))
	}
	b.WriteString(`]}`)
	a, err := s.api.do(ctx, request{op: op, method: http.MethodPost, body: b.Bytes()})
	if err != nil {
		return err
	}
	var answer struct {
		ResourceType string `json:"resourceType"`
		Entry        []struct{ Response struct{ Status string } }
	}
	if json.Unmarshal(a.body, &answer) != nil || answer.ResourceType != "Bundle" || len(answer.Entry) != len(todo) {
		return s.api.unexpected(op, "no Bundle that answers the transaction")
	}
	for _, e := range answer.Entry {
		switch {
		case strings.HasPrefix(e.Response.Status, "2"):
		case strings.HasPrefix(e.Response.Status, "409"), strings.HasPrefix(e.Response.Status, "412"):
			return errConflict
		default:
			return s.api.unexpected(op, "a part of the transaction was not done")
		}
	}
	return nil
}

// readRecord gets the current version of a record.
func (s *Service) readRecord(ctx context.Context, id string) (raw []byte, etag string, err error) {
	a, err := s.api.do(ctx, request{op: "read " + record, method: http.MethodGet, path: record + "/" + id, named: true})
	return a.body, a.etag, err
}
