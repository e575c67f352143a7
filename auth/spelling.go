package auth

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/supertokens/supertokens-golang/recipe/passwordless"
	"github.com/supertokens/supertokens-golang/recipe/passwordless/plessmodels"
	"github.com/supertokens/supertokens-golang/supertokens"

	"github.com/konsulin-care/konsulin-bot/internal/phone"
)

// ErrOtherSpelling says that the core has a user with this number written with a plus, and none with digits only. To
// the core these are two people: a link would make a second user of one person, so none is made. See [Service.PlusUsers].
var ErrOtherSpelling = errors.New("the core has this number with a plus only; a link would make a second user " +
	"(change the user's number to digits at the core)")

const (
	usersPage  = 500
	usersPages = 2000 // a million users
)

// PlusUsers lists the ids of users whose number the core holds with a plus, at most limit of them. It pages through all
// users, oldest first; whole is false when there are more than it looked at.
func (s *Service) PlusUsers(ctx context.Context, limit int) (ids []string, whole bool, err error) {
	var next *string
	size := usersPage
	for range usersPages {
		page, err := call(ctx, s.core, "list users", func(supertokens.UserContext) (supertokens.UserPaginationResult, error) {
			return supertokens.GetUsersOldestFirst(s.cfg.Tenant, next, &size, &[]string{"passwordless"}, nil)
		})
		if err != nil {
			return ids, false, fmt.Errorf("find numbers with a plus: %w", err)
		}
		for _, u := range page.Users {
			number, _ := u.User["phoneNumber"].(string)
			id, _ := u.User["id"].(string)
			if !strings.HasPrefix(number, "+") {
				continue
			}
			if len(ids) == limit {
				return ids, false, nil
			}
			ids = append(ids, id)
		}
		if next = page.NextPaginationToken; next == nil {
			return ids, true, nil
		}
	}
	return ids, false, nil
}

// checkSpelling refuses a number that the core knows in the other spelling only.
func (s *Service) checkSpelling(ctx context.Context, n phone.Number) error {
	plus, err := s.userByPhone(ctx, "+"+n.Digits())
	if err != nil || plus == nil {
		return err
	}
	digits, err := s.userByPhone(ctx, n.Digits())
	if err == nil && digits == nil {
		err = ErrOtherSpelling
	}
	return err
}

func (s *Service) userByPhone(ctx context.Context, number string) (*plessmodels.User, error) {
	return call(ctx, s.core, "look up user", func(uc supertokens.UserContext) (*plessmodels.User, error) {
		return passwordless.GetUserByPhoneNumber(s.cfg.Tenant, number, uc)
	})
}
