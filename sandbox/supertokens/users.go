package supertokens

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"time"
)

// index makes a user findable by number and address.
func (c *core) index(u *user) {
	if u.phone.given {
		c.byPhone[u.phone.value] = u
	}
	if u.email.given {
		c.byEmail[u.email.value] = u
	}
}

func (c *core) unindex(u *user) {
	if u.phone.given {
		delete(c.byPhone, u.phone.value)
	}
	if u.email.given {
		delete(c.byEmail, u.email.value)
	}
}

// getUser answers GET /recipe/user.
func (s *Server) getUser(c *call) (object, error) {
	if len(c.query) != 1 {
		return nil, bad("Please provide exactly one of userId, email or phoneNumber")
	}
	if _, byID := c.query["userId"]; !byID {
		if err := c.knownTenant(); err != nil {
			return nil, err
		}
	}
	var u *user
	var no string
	for name, value := range c.query {
		switch name {
		case "userId":
			u, no = s.core.users[value], "UNKNOWN_USER_ID_ERROR"
		case "phoneNumber":
			u, no = s.core.byPhone[normalPhone(value)], "UNKNOWN_PHONE_NUMBER_ERROR"
		default:
			u, no = s.core.byEmail[normalEmail(value)], "UNKNOWN_EMAIL_ERROR"
		}
	}
	if u == nil {
		return status(no), nil
	}
	return ok(object{"user": u.json()}), nil
}

// change reads the new value of a user's number or address; null takes the old one away.
func (c *call) change(name string, old maybe, normal func(string) string) (maybe, error) {
	raw, there := c.body[name]
	switch {
	case !there:
		return old, nil
	case isNull(raw):
		return maybe{}, nil
	}
	v, err := c.str(name)
	return given(normal(v)), err
}

// updateUser answers PUT /recipe/user.
func (s *Server) updateUser(c *call) (object, error) {
	id, err := c.str("userId")
	if err != nil {
		return nil, err
	}
	u, known := s.core.users[id]
	if !known {
		u = &user{} // what is asked for is checked all the same
	}
	next := *u
	if next.email, err = c.change("email", u.email, normalEmail); err != nil {
		return nil, err
	}
	if next.phone, err = c.change("phoneNumber", u.phone, normalPhone); err != nil {
		return nil, err
	}
	if !known {
		return status("UNKNOWN_USER_ID_ERROR"), nil
	}
	if !next.email.given && !next.phone.given {
		return nil, bad("You cannot clear both email and phone number of a user")
	}
	if other := s.core.byEmail[next.email.value]; next.email.given && other != nil && other != u {
		return status("EMAIL_ALREADY_EXISTS_ERROR"), nil
	}
	if other := s.core.byPhone[next.phone.value]; next.phone.given && other != nil && other != u {
		return status("PHONE_NUMBER_ALREADY_EXISTS_ERROR"), nil
	}
	s.core.rename(u, next)
	return ok(nil), nil
}

// rename gives a user another number or address. The codes of what changed die, old and new.
func (c *core) rename(u *user, next user) {
	if next.email != u.email {
		c.dropAll(contact{email: u.email})
		c.dropAll(contact{email: next.email})
	}
	if next.phone != u.phone {
		c.dropAll(contact{phone: u.phone})
		c.dropAll(contact{phone: next.phone})
	}
	c.unindex(u)
	*u = next
	c.index(u)
}

// removeUser answers POST /user/remove. Nothing of the user stays; but a code on its way still works, and makes a
// new user.
func (s *Server) removeUser(c *call) (object, error) {
	id, err := c.str("userId")
	if err != nil {
		return nil, err
	}
	u := s.core.users[id]
	if u == nil {
		return ok(nil), nil
	}
	s.core.unindex(u)
	delete(s.core.users, id)
	for handle := range s.core.byUser[id] {
		s.core.end(handle)
	}
	delete(s.core.granted, id)
	delete(s.core.metadata, id)
	return ok(nil), nil
}

// Pages of users.
const (
	defaultPage = 100
	maxPage     = 500
)

// listUsers answers GET /users.
func (s *Server) listUsers(c *call) (object, error) {
	passwordless, err := passwordlessAsked(c)
	if err != nil {
		return nil, err
	}
	order, named := c.query["timeJoinedOrder"]
	if named && order != "ASC" && order != "DESC" {
		return nil, bad("timeJoinedOrder can be either ASC OR DESC")
	}
	search := tagsOf(c)
	limit, err := pageSize(c, search.any())
	if err != nil {
		return nil, err
	}
	list := s.core.users.sorted()
	if order == "DESC" {
		slices.SortStableFunc(list, func(a, b *user) int { return b.joined.Compare(a.joined) })
	}
	rest := list
	if token, named := c.query["paginationToken"]; named {
		if rest, err = afterToken(slices.Clone(list), token, order == "DESC"); err != nil {
			return nil, err
		}
	}
	if search.any() { // the core answers a search on one page, and looks at no recipe
		list = slices.DeleteFunc(list, func(u *user) bool { return !search.finds(u) })
		return ok(object{"users": userList(list)}), nil
	}
	list = rest
	if !passwordless {
		list = nil
	}
	if len(list) <= limit {
		return ok(object{"users": userList(list)}), nil
	}
	token := list[limit].id + ";" + strconv.FormatInt(list[limit].joined.UnixMilli(), 10)
	return ok(object{
		"users":               userList(list[:limit]),
		"nextPaginationToken": base64.StdEncoding.EncodeToString([]byte(token)),
	}), nil
}

func userList(list []*user) []object {
	users := make([]object, len(list))
	for i, u := range list {
		users[i] = object{"recipeId": "passwordless", "user": u.json()}
	}
	return users
}

// passwordlessAsked reports whether includeRecipeIds lets passwordless users through; the stand-in has no others.
func passwordlessAsked(c *call) (bool, error) {
	named := false
	asked := false
	for _, id := range strings.Split(c.query["includeRecipeIds"], ",") {
		if id = trim(id); id == "" {
			continue
		}
		if !slices.Contains(recipes(), strings.ToLower(id)) {
			return false, bad("Unknown recipe ID: %s", id)
		}
		named = true
		asked = asked || strings.EqualFold(id, "passwordless")
	}
	return asked || !named, nil
}

// recipes are all that the core knows, also those that have no users.
func recipes() []string {
	return []string{
		"emailpassword", "thirdparty", "session", "emailverification", "jwt", "passwordless", "usermetadata", "userroles",
		"useridmapping", "dashboard", "totp", "multitenancy", "accountlinking", "mfa", "oauth",
	}
}

func pageSize(c *call, search bool) (int, error) {
	raw, given := c.query["limit"]
	if !given {
		return defaultPage, nil
	}
	limit, err := strconv.ParseInt(raw, 10, 32)
	switch {
	case err != nil:
		return 0, bad("Field name 'limit' must be an int in the GET request")
	case limit > maxPage && !search:
		return 0, bad("max limit allowed is %d", maxPage)
	case limit < 1:
		return 0, bad("limit must a positive integer with min value 1")
	}
	return int(limit), nil
}

// afterToken cuts the list off before the user that the token names, who comes first.
func afterToken(list []*user, token string, newestFirst bool) ([]*user, error) {
	raw, err := base64.StdEncoding.DecodeString(token)
	id, at, found := strings.Cut(string(raw), ";")
	ms, notNumber := strconv.ParseInt(at, 10, 64)
	if err != nil || !found || notNumber != nil {
		return nil, bad("invalid pagination token")
	}
	joined := time.UnixMilli(ms)
	return slices.DeleteFunc(list, func(u *user) bool {
		c := u.joined.Compare(joined)
		if newestFirst {
			c = -c
		}
		return c < 0 || c == 0 && u.id > id
	}), nil
}

// search is what numbers and addresses are looked for: "a;b" finds either, number and address together both.
type search struct{ phones, addresses []string }

func tagsOf(c *call) search {
	return search{phones: tags(c.query["phone"]), addresses: tags(c.query["email"])}
}

func (q search) any() bool { return len(q.phones)+len(q.addresses) > 0 }

func (q search) finds(u *user) bool {
	byPhone := slices.ContainsFunc(q.phones, func(t string) bool { return strings.HasPrefix(u.phone.value, t) })
	byAddress := slices.ContainsFunc(q.addresses, func(t string) bool {
		return strings.HasPrefix(u.email.value, t) || strings.Contains(u.email.value, "@"+t)
	})
	return (byPhone || len(q.phones) == 0) && (byAddress || len(q.addresses) == 0)
}

func tags(raw string) []string {
	var list []string
	for _, t := range strings.Split(raw, ";") {
		if t = trim(strings.ToLower(t)); t != "" {
			list = append(list, t)
		}
	}
	return list
}

// countUsers answers GET /users/count.
func (s *Server) countUsers(c *call) (object, error) {
	passwordless, err := passwordlessAsked(c)
	if err != nil {
		return nil, err
	}
	if !strings.EqualFold(c.query["includeAllTenants"], "true") {
		if err := c.knownTenant(); err != nil {
			return nil, err
		}
	}
	n := len(s.core.users)
	if !passwordless {
		n = 0
	}
	return ok(object{"count": n}), nil
}
