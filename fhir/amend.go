package fhir

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
)

// tries is how often an update is written again after somebody else's.
const tries = 4

// errForeign says that a resource has become another user's. It never leaves the room.
var errForeign = errors.New("it belongs to another user")

// amend adds to a resource the identifiers that want asks for, as far as they are missing, and changes nothing else. It
// writes only over the version that want has seen: when somebody else wrote in between, want is asked again.
func (s *Service) amend(
	ctx context.Context, w *work, r *resource, want func(*resource) ([]identifier, error),
) (*resource, error) {
	var err error
	for try := range tries {
		ids, refused := want(r)
		if refused != nil {
			return nil, refused
		}
		ids = slices.DeleteFunc(ids, r.has)
		if len(ids) == 0 {
			return r, nil
		}
		if r.etag == "" {
			if r, err = s.read(ctx, w.kind, r.id); err != nil {
				return nil, err
			}
			if r.etag == "" {
				return nil, s.api.permanent("update "+w.kind, "it gives no versions, so an update could undo somebody else's")
			}
			continue
		}
		var next *resource
		if next, err = s.put(ctx, r, ids); err == nil {
			w.changed = true
			return next, nil
		}
		if !errors.Is(err, errConflict) {
			return nil, err
		}
		pause(ctx, try)
		var again error
		if r, again = s.read(ctx, w.kind, r.id); again != nil {
			return nil, again
		}
	}
	return nil, errConflict
}

// put writes a resource with more identifiers.
func (s *Service) put(ctx context.Context, r *resource, more []identifier) (*resource, error) {
	op := "update " + r.kind
	body, err := r.with(more)
	if err != nil {
		return nil, s.api.permanent(op, "the resource has a form that cannot be edited safely")
	}
	a, err := s.api.do(ctx, request{
		op: op, method: http.MethodPut, path: r.ref(), body: body, ifMatch: r.etag, prefer: "return=minimal", named: true,
	})
	if err != nil {
		return nil, err
	}
	next, err := parseResource(r.kind, body)
	if err != nil {
		return nil, s.api.permanent(op, "the resource has a form that cannot be edited safely")
	}
	next.etag = a.etag
	return next, nil
}

// idOf is the id of a reference to a resource of a kind.
func idOf(kind, ref string) (string, bool) {
	id, ok := strings.CutPrefix(ref, kind+"/")
	return id, ok && resourceID.MatchString(id)
}
