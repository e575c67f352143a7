package fhir

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	pageSize     = "50"
	userPages    = 20      // of a search for one person
	claimPages   = 400     // of a guest's records
	scanPageSize = "50"    // of the duplicate scan; a Patient may hold a photo
	scanPages    = 400_000 // of the duplicate scan
)

// token is an identifier as the value of a search parameter, not yet percent-encoded
// (http://hl7.org/fhir/R4/search.html#escaping).
func (i identifier) token() string {
	return i.System + "|" + strings.NewReplacer(`\`, `\\`, `,`, `\,`, `|`, `\|`, `$`, `\$`).Replace(i.Value)
}

// pages calls each with the resources of every page of a search.
func (s *Service) pages(ctx context.Context, kind string, query url.Values, limit int, each func([]json.RawMessage) error) error {
	op := "search " + kind
	r := request{op: op, method: http.MethodGet, path: kind, query: query}
	for range limit {
		a, err := s.api.do(ctx, r)
		if err != nil {
			return err
		}
		page, next, err := readPage(kind, a.body)
		if err != nil {
			return s.api.unexpected(op, "no Bundle with search results")
		}
		if err := each(page); err != nil || next == "" {
			return err
		}
		if r.target, err = s.api.next(op, next); err != nil {
			return err
		}
	}
	return s.api.unexpected(op, "the pages do not end")
}

// readPage takes the matches out of a Bundle.
func readPage(kind string, body []byte) (page []json.RawMessage, next string, err error) {
	var b struct {
		ResourceType string `json:"resourceType"`
		Link         []struct{ Relation, URL string }
		Entry        []struct {
			Resource json.RawMessage
			Search   struct{ Mode string }
		}
	}
	if err := json.Unmarshal(body, &b); err != nil || b.ResourceType != "Bundle" {
		return nil, "", errJSON
	}
	for _, l := range b.Link {
		if l.Relation == "next" {
			next = l.URL
		}
	}
	for _, e := range b.Entry {
		if e.Search.Mode != "" && e.Search.Mode != "match" {
			continue // such as an OperationOutcome
		}
		got, _, err := identityOf(e.Resource)
		if err != nil {
			return nil, "", err // to pass over it could lead to a second one
		}
		if got == kind {
			page = append(page, e.Resource)
		}
	}
	return page, next, nil
}

// find returns the live resources that a search finds and that fit, and those that fit but are replaced by another.
// Servers ignore parameters that they do not know, and then find everything.
func (s *Service) find(ctx context.Context, kind, param, value string, fits func(*resource) bool) (found, replaced []*resource, err error) {
	query := url.Values{param: {value}, "_count": {pageSize}}
	err = s.pages(ctx, kind, query, userPages, func(page []json.RawMessage) error {
		for _, raw := range page {
			r, err := parseResource(kind, raw)
			if err != nil {
				return s.api.unexpected("search "+kind, "a resource that cannot be read")
			}
			seen := slices.ContainsFunc(found, func(other *resource) bool { return other.id == r.id })
			switch {
			case seen || !fits(r):
			case r.replaced:
				replaced = append(replaced, r)
			default:
				found = append(found, r)
			}
		}
		return nil
	})
	return found, replaced, err
}

func (s *Service) findIdentifier(ctx context.Context, kind string, i identifier) ([]*resource, error) {
	found, _, err := s.find(ctx, kind, "identifier", i.token(), func(r *resource) bool { return r.has(i) })
	return found, err
}

// byUser finds what carries a user's id, the one to use in front.
func (s *Service) byUser(ctx context.Context, kind, userID string) ([]*resource, error) {
	found, err := s.findIdentifier(ctx, kind, identifier{systemUserID, userID})
	first(found)
	return found, err
}

// byUserOrNumber finds, in one search, what carries the user's id, the one to use in front, and what carries the number as
// WhatsApp vouched for it. It tells the work which of them are replaced.
func (s *Service) byUserOrNumber(ctx context.Context, w *work) (mine, numbered []*resource, err error) {
	u := w.u
	either := u.userID().token() + "," + u.whatsapp().token()
	found, replaced, err := s.find(ctx, w.kind, "identifier", either, func(r *resource) bool { return r.has(u.userID()) || r.has(u.whatsapp()) })
	w.passOver(replaced...)
	for _, r := range found {
		if r.has(u.userID()) {
			mine = append(mine, r)
		}
		if r.has(u.whatsapp()) {
			numbered = append(numbered, r)
		}
	}
	first(mine)
	return mine, numbered, err
}

// byNumber is what was written by us for a number (numbered, found before), else what somebody typed.
func (s *Service) byNumber(ctx context.Context, kind string, u User, numbered []*resource, but []string) ([]*resource, error) {
	left := func(found []*resource) []*resource {
		return slices.DeleteFunc(found, func(r *resource) bool { return slices.Contains(but, r.ref()) })
	}
	if found := left(numbered); len(found) > 0 {
		return found, nil
	}
	spellings := []string{u.Number.Digits(), u.Number.E164()}
	found, _, err := s.find(ctx, kind, "phone", strings.Join(spellings, ","), func(r *resource) bool {
		return slices.ContainsFunc(r.phones, func(p string) bool { return slices.Contains(spellings, p) })
	})
	return left(found), err
}

// read gets the current version of a resource. Searches may lag behind.
func (s *Service) read(ctx context.Context, kind, id string) (*resource, error) {
	op := "read " + kind
	a, err := s.api.do(ctx, request{op: op, method: http.MethodGet, path: kind + "/" + id, named: true})
	if err != nil {
		return nil, err
	}
	r, err := parseResource(kind, a.body)
	if err != nil || r.id != id {
		return nil, s.api.unexpected(op, "another resource, or none that can be read")
	}
	if a.etag != "" {
		r.etag = a.etag
	}
	return r, nil
}

func (u User) whatsapp() identifier { return identifier{systemWhatsApp, u.Number.Digits()} }

func (u User) userID() identifier { return identifier{systemUserID, u.ID} }

// pause waits a moment before the next try, so that writers who met do not meet again.
func pause(ctx context.Context, try int) {
	t := time.NewTimer(time.Duration(try+1) * (5*time.Millisecond + rand.N(15*time.Millisecond)))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
