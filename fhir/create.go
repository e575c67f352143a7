package fhir

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// condition is that under which a resource is created: nobody has made one with the number or the user id meanwhile. It
// leaves out what resources hold that do not count (replaced by another, or decided to be somebody else's), because the
// server cannot tell. Only having seen such a resource weakens it: a refusal may speak of ones that searches do not
// show yet.
func (w *work) condition() string {
	var tokens []string
	if !w.numberHeld {
		tokens = append(tokens, w.u.whatsapp().token())
	}
	if !w.idHeld {
		tokens = append(tokens, w.u.userID().token())
	}
	if len(tokens) == 0 {
		return ""
	}
	return url.Values{"identifier": {strings.Join(tokens, ",")}}.Encode()
}

// passOver remembers what resources hold that do not count.
func (w *work) passOver(seen ...*resource) {
	for _, r := range seen {
		w.idHeld = w.idHeld || r.has(w.u.userID())
		w.numberHeld = w.numberHeld || r.has(w.u.whatsapp())
	}
}

// apart reports whether an admin decided that a resource is somebody else's.
func (w *work) apart(r *resource) bool {
	return w.decision.Verdict == Separate && slices.Contains(w.decision.Candidates, r.ref())
}

// create makes a resource when the searches found none, then looks again.
func (s *Service) create(ctx context.Context, w *work) error {
	taken := ""
	if w.decision.Verdict == Separate {
		var err error
		if taken, err = s.taken(ctx, w); err != nil {
			return err
		}
	}
	a, err := s.api.do(ctx, request{
		op: "create " + w.kind, method: http.MethodPost, path: w.kind, body: s.newResource(w, taken == ""),
		ifNoneExist: w.condition(), prefer: "return=representation",
	})
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
	case r.replaced, w.apart(r):
		w.passOver(r)
		return errConflict
	case r.has(w.u.userID()):
		return s.lookAgain(ctx, w, r)
	default: // somebody else was faster, with the same number
		return s.adopt(ctx, w, []*resource{r})
	}
}

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
