package fhir

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

// Profile is what others need to know of a user.
type Profile struct {
	Ref        string // of the resource in use, the Patient if there is one
	Name       string // empty: none given
	ChatwootID string // empty: none known
}

// Profile reads what the user's resources say. ErrNoPatient: no live resource carries the user's id.
func (s *Service) Profile(ctx context.Context, userID string) (Profile, error) {
	var p Profile
	if userID == "" {
		return p, s.api.permanent("read profile", "a user needs an id")
	}
	kinds, err := s.profileKinds(ctx, userID)
	if err != nil {
		return p, err
	}
	for _, group := range kinds {
		for _, kind := range group {
			mine, err := s.byUser(ctx, kind, userID)
			if err != nil {
				return Profile{}, err
			}
			p.add(mine)
		}
		if p.Ref != "" {
			return p, nil
		}
	}
	return p, s.api.noPatient("read profile")
}

// profileKinds are the resource types that the user's roles ask for, then the others.
func (s *Service) profileKinds(ctx context.Context, userID string) ([][]string, error) {
	if s.cfg.Roles == nil {
		return [][]string{userKinds()}, nil
	}
	asked, err := s.kinds(ctx, userID)
	if err != nil {
		return nil, err
	}
	others := slices.DeleteFunc(userKinds(), func(kind string) bool { return slices.Contains(asked, kind) })
	return [][]string{asked, others}, nil
}

// add takes from more resources of the user what is not known yet.
func (p *Profile) add(mine []*resource) {
	for _, r := range mine {
		if p.Ref == "" {
			p.Ref = r.ref()
		}
		if p.Name == "" {
			p.Name = nameOf(r.raw)
		}
		if p.ChatwootID == "" {
			p.ChatwootID = r.value(systemChatwoot)
		}
	}
}

// AddChatwootID adds the contact's id to the user's resources. It writes nothing where there is one already.
func (s *Service) AddChatwootID(ctx context.Context, u User, id string) error {
	const op = "add chatwoot id"
	if id == "" || u.ID == "" {
		return s.api.permanent(op, "a user and a contact need an id")
	}
	kinds, err := s.kinds(ctx, u.ID)
	if err != nil {
		return err
	}
	known := 0
	for _, kind := range kinds {
		mine, err := s.byUser(ctx, kind, u.ID)
		if err != nil {
			return err
		}
		if len(mine) == 0 {
			continue
		}
		known++
		if err := s.addChatwootID(ctx, u, mine[0], id); err != nil {
			return err
		}
	}
	if known == 0 {
		return s.api.noPatient(op)
	}
	return nil
}

func (s *Service) addChatwootID(ctx context.Context, u User, r *resource, id string) error {
	_, err := s.amend(ctx, &work{u: u, kind: r.kind}, r, func(r *resource) ([]identifier, error) {
		if r.replaced || !r.has(identifier{systemUserID, u.ID}) {
			return nil, errGone
		}
		if other := r.value(systemChatwoot); other != "" && other != id {
			s.log.Warn().Ctx(ctx).Str("reference", r.ref()).Msg("FHIR: the resource has another chatwoot-id, which stays")
			return nil, nil
		}
		return []identifier{{systemChatwoot, id}}, nil
	})
	if errors.Is(err, errConflict) || errors.Is(err, errGone) {
		return s.api.restless("add chatwoot id")
	}
	return err
}

// nameOf is a name that a person would be called by.
func nameOf(raw []byte) string {
	type humanName struct {
		Use    string
		Text   string
		Family string
		Given  []string
	}
	var v struct{ Name []humanName }
	if json.Unmarshal(raw, &v) != nil {
		return ""
	}
	best, rank := "", 0
	for _, n := range v.Name {
		text := strings.Join(strings.Fields(n.Text), " ")
		if text == "" {
			text = strings.Join(strings.Fields(strings.Join(append(n.Given, n.Family), " ")), " ")
		}
		if r := nameRank(n.Use); text != "" && r > rank {
			best, rank = text, r
		}
	}
	return best
}

// nameRank says which name is preferred; 0: never used.
func nameRank(use string) int {
	switch use {
	case "official":
		return 4
	case "usual":
		return 3
	case "nickname":
		return 1
	case "old", "maiden", "anonymous":
		return 0
	default:
		return 2
	}
}
