package fhir

import (
	"bytes"
	"fmt"
	"strings"
)

// Put is what another writer does: it creates a resource, or updates the one with the type and id of the JSON. It is
// no request: nothing counts it and no fault meets it. It returns the reference, "Patient/1".
func (s *Server) Put(resource []byte) (ref string, err error) {
	r, err := parse(bytes.Clone(resource))
	if err != nil {
		return "", fmt.Errorf("put resource: %w", err)
	}
	if !knownKind(r.kind) {
		return "", fmt.Errorf("put resource: the stand-in has no %s", r.kind)
	}
	s.store.Lock()
	defer s.store.Unlock()
	s.store.change()
	if rec := s.store.tables[r.kind].byID[r.id]; rec != nil {
		return s.store.update(rec, r).ref(), nil
	}
	return s.store.create(r, r.id).ref(), nil
}

// Get returns the current version of a resource, with its id and meta and otherwise as it was sent.
func (s *Server) Get(ref string) (json []byte, ok bool) {
	kind, id, _ := strings.Cut(ref, "/")
	s.store.RLock()
	defer s.store.RUnlock()
	t := s.store.tables[kind]
	if t == nil || t.byID[id] == nil || t.byID[id].last().deleted {
		return nil, false
	}
	return bytes.Clone(t.byID[id].last().body), true
}

// Delete is what another writer does. A resource that does not exist stays so.
func (s *Server) Delete(ref string) {
	kind, id, _ := strings.Cut(ref, "/")
	s.store.Lock()
	defer s.store.Unlock()
	t := s.store.tables[kind]
	if t == nil || t.byID[id] == nil || t.byID[id].last().deleted {
		return
	}
	s.store.change()
	s.store.remove(t.byID[id])
}

// All returns the current versions of a type's resources, oldest resource first.
func (s *Server) All(resourceType string) [][]byte {
	s.store.RLock()
	defer s.store.RUnlock()
	if s.store.tables[resourceType] == nil {
		return nil
	}
	var all [][]byte
	for _, v := range s.store.find(resourceType, nil, len(s.store.times), 0, -1) {
		all = append(all, bytes.Clone(v.body))
	}
	return all
}
