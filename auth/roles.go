package auth

import (
	"context"
	"fmt"

	"github.com/supertokens/supertokens-golang/recipe/userroles"
	"github.com/supertokens/supertokens-golang/recipe/userroles/userrolesmodels"
	"github.com/supertokens/supertokens-golang/supertokens"
)

// Roles are the roles of a user, as the core knows them now.
func (s *Service) Roles(ctx context.Context, userID string) ([]string, error) {
	const op = "roles of user"
	has, err := call(ctx, s.core, op, func(uc supertokens.UserContext) (userrolesmodels.GetRolesForUserResponse, error) {
		return userroles.GetRolesForUser(s.cfg.Tenant, userID, uc)
	})
	if err != nil {
		return nil, err
	}
	if has.OK == nil {
		return nil, s.core.explain(op, errUnexpected)
	}
	return has.OK.Roles, nil
}

// ensureRole gives the default role to a user who has none. Doing it again changes nothing.
func (s *Service) ensureRole(ctx context.Context, userID string) error {
	has, err := s.Roles(ctx, userID)
	if err != nil || len(has) > 0 {
		return err
	}
	known, err := s.addRole(ctx, userID)
	if err != nil || known {
		return err
	}
	err = s.core.do(ctx, "create role", func(uc supertokens.UserContext) error {
		_, err := userroles.CreateNewRoleOrAddPermissions(s.cfg.DefaultRole, []string{}, uc)
		return err
	})
	if err != nil {
		return err
	}
	if known, err = s.addRole(ctx, userID); err == nil && !known {
		err = fmt.Errorf("the core does not know the role %s that it has just created", s.cfg.DefaultRole)
	}
	return err
}

// addRole answers false when the core does not know the role.
func (s *Service) addRole(ctx context.Context, userID string) (known bool, err error) {
	const op = "add role to user"
	added, err := call(ctx, s.core, op, func(uc supertokens.UserContext) (userrolesmodels.AddRoleToUserResponse, error) {
		return userroles.AddRoleToUser(s.cfg.Tenant, userID, s.cfg.DefaultRole, uc)
	})
	switch {
	case err != nil:
		return false, err
	case added.UnknownRoleError != nil:
		return false, nil
	case added.OK == nil:
		return false, s.core.explain(op, errUnexpected)
	}
	return true, nil
}
