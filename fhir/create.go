package fhir

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
)

// conditions are those under which a resource is created, each weaker than the one before: nobody has made one with
// the number or the user id meanwhile; with the user id; none at all. The weaker ones are for numbers and ids that
// resources hold which do not count (replaced by another, or decided to be somebody else's): the server cannot tell.
func (w *work) conditions() []string {
	where := func(ids ...identifier) string {
		var tokens []string
		for _, i := range ids {
			tokens = append(tokens, i.token())
		}
		return url.Values{"identifier": {strings.Join(tokens, ",")}}.Encode()
	}
	return []string{where(w.u.whatsapp(), w.u.userID()), where(w.u.userID()), ""}
}

// create makes a resource when the searches found none, then looks again.
func (s *Service) create(ctx context.Context, w *work) error {
	taken := ""
	if w.decision.Verdict == Separate {
		w.condition = max(w.condition, 1)
		var err error
		if taken, err = s.taken(ctx, w); err != nil {
			return err
		}
	}
	a, err := s.api.do(ctx, request{
		op: "create " + w.kind, method: http.MethodPost, path: w.kind, body: s.newResource(w, taken == ""),
		ifNoneExist: w.conditions()[w.condition], prefer: "return=representation",
	})
	if errors.Is(err, errConflict) {
		// Somebody made several. The next search finds them, unless they do not count.
		if w.refusals++; w.refusals > 1 {
			w.weaken()
		}
		return err
	}
	if err != nil {
		return err
	}
	if a.status == http.StatusCreated {
		w.created, w.changed = true, true
	}
	r, err := s.made(ctx, w, a)
	switch {
	case err != nil:
		return err
	case r.replaced:
		w.weaken()
		return errConflict
	case r.has(w.u.userID()):
		return s.lookAgain(ctx, w, r)
	default: // somebody else was faster, with the same number
		return s.adopt(ctx, w, []*resource{r})
	}
}

func (w *work) weaken() { w.condition = min(w.condition+1, len(w.conditions())-1) }

// made is the resource that a create is answered with: the new one, or the one that fits its condition.
func (s *Service) made(ctx context.Context, w *work, a answer) (*resource, error) {
	if r, err := parseResource(w.kind, a.body); err == nil {
		if a.etag != "" {
			r.etag = a.etag
		}
		return r, nil
	}
	_, after, _ := strings.Cut(a.location, "/"+w.kind+"/")
	id, _, _ := strings.Cut(after, "/")
	if !resourceID.MatchString(id) {
		return nil, errConflict // the search will find it
	}
	return s.read(ctx, w.kind, id)
}

// lookAgain finds out whether somebody else made another one at the same time. What was just made is trusted even when
// the search does not see it yet.
func (s *Service) lookAgain(ctx context.Context, w *work, made *resource) error {
	mine, err := s.byUser(ctx, w.kind, w.u.ID)
	if err != nil {
		return err
	}
	if len(mine) == 0 {
		if made, err = s.read(ctx, w.kind, made.id); err != nil {
			return err
		}
	}
	return s.keep(ctx, w, with(mine, made))
}

// newResource is the least that a user's resource says.
func (s *Service) newResource(w *work, withNumber bool) []byte {
	type telecom struct {
		System string `json:"system"`
		Value  string `json:"value"`
		Use    string `json:"use"`
	}
	ids := []identifier{w.u.userID()}
	if withNumber {
		ids = append(ids, w.u.whatsapp())
	}
	number := w.u.Number.Digits()
	if s.cfg.Telecom == E164 {
		number = w.u.Number.E164()
	}
	return encode(struct {
		ResourceType string       `json:"resourceType"`
		Active       bool         `json:"active"`
		Identifier   []identifier `json:"identifier"`
		Telecom      []telecom    `json:"telecom"`
	}{w.kind, true, ids, []telecom{{"phone", number, "mobile"}}})
}
