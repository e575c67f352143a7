package fhir

import (
	"context"
	"encoding/json"
	"hash/maphash"
	"net/url"
	"slices"
	"strings"

	"github.com/konsulin-care/konsulin-bot/internal/phone"
)

// The kinds of Duplicate.
const (
	SameNumber = "number"
	SameUserID = "userid"
)

// Duplicate is a number or a user id that several live resources of one type have.
type Duplicate struct {
	Kind       string       // SameNumber or SameUserID
	Number     phone.Number // of SameNumber
	UserID     string       // of SameUserID
	References []string
}

// Scan reads every Patient, Practitioner and Person and reports duplicates, type by type. It writes nothing. It
// remembers an id and a hash for each number and user id, no resources.
func (s *Service) Scan(ctx context.Context, report func(Duplicate)) error {
	for _, kind := range userKinds() {
		seen := newCensus(kind)
		query := url.Values{"_count": {scanPageSize}}
		err := s.pages(ctx, kind, query, scanPages, func(page []json.RawMessage) error {
			for _, raw := range page {
				r, err := parseResource(kind, raw)
				if err != nil {
					return s.api.unexpected("search "+kind, "a resource that cannot be read")
				}
				seen.add(r)
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, d := range seen.found {
			report(*d)
		}
	}
	return nil
}

// mark is a number or user id, hashed twice with different seeds: 128 bits make two of them the same only by a miracle.
type mark [2]uint64

// census is what Scan remembers of one resource type.
type census struct {
	kind   string
	seeds  [2]maphash.Seed
	first  map[mark]string // id of the first resource
	groups map[mark]*Duplicate
	found  []*Duplicate
}

func newCensus(kind string) *census {
	return &census{
		kind: kind, seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
		first: map[mark]string{}, groups: map[mark]*Duplicate{},
	}
}

// add counts a resource under its numbers and user ids, each once.
func (c *census) add(r *resource) {
	if r.replaced {
		return
	}
	for _, n := range numbersOf(r) {
		c.count(r, SameNumber+" "+n.Digits(), Duplicate{Kind: SameNumber, Number: n})
	}
	for _, i := range r.ids {
		if i.System == systemUserID && i.Value != "" {
			c.count(r, SameUserID+" "+i.Value, Duplicate{Kind: SameUserID, UserID: i.Value})
		}
	}
}

func (c *census) count(r *resource, key string, d Duplicate) {
	m := mark{maphash.String(c.seeds[0], key), maphash.String(c.seeds[1], key)}
	id, known := c.first[m]
	switch {
	case !known:
		c.first[m] = r.id
		return
	case id == r.id: // pages may overlap when somebody writes meanwhile
		return
	}
	group := c.groups[m]
	if group == nil {
		d.References = []string{c.kind + "/" + id}
		group = &d
		c.groups[m] = group
		c.found = append(c.found, group)
	}
	if !slices.Contains(group.References, r.ref()) {
		group.References = append(group.References, r.ref())
	}
}

// numbersOf are the numbers of a resource: what WhatsApp vouched for, and what was typed in a form that can be one.
func numbersOf(r *resource) []phone.Number {
	var all []phone.Number
	add := func(n phone.Number, err error) {
		if err == nil && !slices.Contains(all, n) {
			all = append(all, n)
		}
	}
	for _, i := range r.ids {
		if i.System == systemWhatsApp {
			add(phone.FromDigits(i.Value))
		}
	}
	for _, p := range r.phones {
		n, err := phone.Parse(p)
		if err != nil {
			n, err = phone.FromDigits(strings.TrimPrefix(p, "+"))
		}
		add(n, err)
	}
	return all
}
