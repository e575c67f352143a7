package fhir

import (
	"fmt"
	"net/http"
	"slices"
	"sort"
	"strconv"
	"sync"
	"time"
)

// store keeps every version of every resource. Its lower-case methods expect the caller to hold the lock.
type store struct {
	sync.RWMutex
	now    func() time.Time
	tables map[string]*table
	times  []time.Time // when each change was made; change n stands at n-1
}

// table holds the resources of a type.
type table struct {
	next    int                  // the number that the next id is made of
	records []*record            // as created; deleted ones stay
	byID    map[string]*record   //
	index   map[string][]*record // key → records of which a version has it or had it
}

// record is a resource with all its versions, oldest first.
type record struct {
	kind, id string
	place    int // in table.records, from 1
	versions []*version
}

// version never changes once it is in a record.
type version struct {
	record  *record
	number  int // versionId
	change  int // of the store; the writes of a transaction share one
	at      time.Time
	body    []byte
	keys    []string
	deleted bool
}

func newStore(now func() time.Time) *store {
	s := &store{now: now, tables: map[string]*table{}}
	for _, kind := range kinds() {
		s.tables[kind] = &table{next: 1, byID: map[string]*record{}, index: map[string][]*record{}}
	}
	return s
}

func (v *version) etag() string { return fmt.Sprintf(`W/"%d"`, v.number) }

func (v *version) ref() string { return v.record.kind + "/" + v.record.id }

// last is the current version, which may be a deletion.
func (r *record) last() *version { return r.versions[len(r.versions)-1] }

// asOf is the version that was current after a change, or nil.
func (r *record) asOf(change int) *version {
	for i := len(r.versions) - 1; i >= 0; i-- {
		if v := r.versions[i]; v.change <= change {
			if v.deleted {
				return nil
			}
			return v
		}
	}
	return nil
}

// visible is the last change that a search may see when the index lags.
func (s *store) visible(lag time.Duration) int {
	n := len(s.times)
	if lag <= 0 {
		return n
	}
	for limit := s.now().Add(-lag); n > 0 && s.times[n-1].After(limit); {
		n--
	}
	return n
}

// change begins a change: what is written until the next one happens at once.
func (s *store) change() { s.times = append(s.times, s.now()) }

// create stores a new resource. An empty id lets the store choose one.
func (s *store) create(r *resource, id string) *version {
	t := s.tables[r.kind]
	for id == "" {
		if candidate := strconv.Itoa(t.next); t.byID[candidate] == nil {
			id = candidate
		}
		t.next++
	}
	rec := &record{kind: r.kind, id: id, place: len(t.records) + 1}
	t.records = append(t.records, rec)
	t.byID[id] = rec
	return s.update(rec, r)
}

// update stores the next version of a resource.
func (s *store) update(rec *record, r *resource) *version {
	v := s.next(rec)
	v.body = r.stamped(rec.id, v.number, v.at)
	v.keys = append(slices.Clone(r.keys), key(byID, "", rec.id))
	t := s.tables[rec.kind]
	var had []string
	if len(rec.versions) > 0 {
		had = rec.last().keys
	}
	for _, k := range v.keys {
		if !slices.Contains(had, k) {
			t.index[k] = append(t.index[k], rec)
		}
	}
	rec.versions = append(rec.versions, v)
	return v
}

func (s *store) remove(rec *record) {
	v := s.next(rec)
	v.deleted = true
	rec.versions = append(rec.versions, v)
}

func (s *store) next(rec *record) *version {
	return &version{record: rec, number: len(rec.versions) + 1, change: len(s.times), at: s.times[len(s.times)-1]}
}

// current returns the record of a resource that exists.
func (s *store) current(kind, id string) (*record, error) {
	rec := s.tables[kind].byID[id]
	if rec == nil {
		return nil, refusal{status: http.StatusNotFound, text: fmt.Sprintf("%s/%s is not known", kind, id)}
	}
	if rec.last().deleted {
		return nil, refusal{status: http.StatusGone, text: fmt.Sprintf("%s/%s was deleted", kind, id)}
	}
	return rec, nil
}

// criteria are the conditions of a search: one key of each group must fit. No group: everything fits.
type criteria [][]string

func (c criteria) fit(v *version) bool {
	for _, group := range c {
		if !slices.ContainsFunc(group, func(k string) bool { return slices.Contains(v.keys, k) }) {
			return false
		}
	}
	return true
}

// candidates are the records that may fit, as created.
func (t *table) candidates(c criteria) []*record {
	if len(c) == 0 {
		return t.records
	}
	var found []*record
	for _, k := range c[0] {
		found = append(found, t.index[k]...)
	}
	sort.Slice(found, func(i, j int) bool { return found[i].place < found[j].place })
	return slices.Compact(found)
}

// find returns up to limit versions that fit, as the server was after a change and as created, from the record after
// the place. limit < 0 has no limit.
func (s *store) find(kind string, c criteria, change, place, limit int) []*version {
	records := s.tables[kind].candidates(c)
	from := sort.Search(len(records), func(i int) bool { return records[i].place > place })
	var found []*version
	for _, rec := range records[from:] {
		if limit >= 0 && len(found) >= limit {
			break
		}
		if v := rec.asOf(change); v != nil && c.fit(v) {
			found = append(found, v)
		}
	}
	return found
}
