package supertokens

func (c *core) rolesOf(userID string) []string { return sortedKeys(c.granted[userID]) }

func (c *call) role(name string, read func(string) (string, error)) (string, error) {
	role, err := read(name)
	if err != nil {
		return "", err
	}
	if role = trim(role); role == "" {
		return "", bad("Field name '%s' cannot be an empty String", name)
	}
	return role, nil
}

func (c *call) permissions() ([]string, bool, error) {
	list, given, err := c.maybeStrs("permissions")
	if err != nil {
		return nil, given, err
	}
	for i := range list {
		if list[i] = trim(list[i]); list[i] == "" {
			return nil, given, bad("Field name 'permissions' cannot contain an empty string")
		}
	}
	return list, given, nil
}

// createRole answers PUT /recipe/role: it makes a role, or adds permissions to it.
func (s *Server) createRole(c *call) (object, error) {
	role, err := c.role("role", c.str)
	if err != nil {
		return nil, err
	}
	permissions, _, err := c.permissions()
	if err != nil {
		return nil, err
	}
	_, exists := s.core.roles[role]
	if !exists {
		s.core.roles[role] = map[string]bool{}
	}
	for _, p := range permissions {
		s.core.roles[role][p] = true
	}
	return ok(object{"createdNewRole": !exists}), nil
}

// removeRole answers POST /recipe/role/remove. Nobody keeps the role.
func (s *Server) removeRole(c *call) (object, error) {
	role, err := c.role("role", c.str)
	if err != nil {
		return nil, err
	}
	_, exists := s.core.roles[role]
	delete(s.core.roles, role)
	for _, roles := range s.core.granted {
		delete(roles, role)
	}
	return ok(object{"didRoleExist": exists}), nil
}

// listRoles answers GET /recipe/roles.
func (s *Server) listRoles(*call) (object, error) {
	return ok(object{"roles": sortedKeys(s.core.roles)}), nil
}

// rolePermissions answers GET /recipe/role/permissions.
func (s *Server) rolePermissions(c *call) (object, error) {
	role, err := c.role("role", c.param)
	if err != nil {
		return nil, err
	}
	permissions, exists := s.core.roles[role]
	if !exists {
		return status("UNKNOWN_ROLE_ERROR"), nil
	}
	return ok(object{"permissions": sortedKeys(permissions)}), nil
}

// removePermissions answers POST /recipe/role/permissions/remove; without a list it removes all.
func (s *Server) removePermissions(c *call) (object, error) {
	role, err := c.role("role", c.str)
	if err != nil {
		return nil, err
	}
	permissions, given, err := c.permissions()
	if err != nil {
		return nil, err
	}
	held, exists := s.core.roles[role]
	if !exists {
		return status("UNKNOWN_ROLE_ERROR"), nil
	}
	if !given {
		clear(held)
	}
	for _, p := range permissions {
		delete(held, p)
	}
	return ok(nil), nil
}

// rolesWithPermission answers GET /recipe/permission/roles.
func (s *Server) rolesWithPermission(c *call) (object, error) {
	permission, err := c.role("permission", c.param)
	if err != nil {
		return nil, err
	}
	list := []string{}
	for _, role := range sortedKeys(s.core.roles) {
		if s.core.roles[role][permission] {
			list = append(list, role)
		}
	}
	return ok(object{"roles": list}), nil
}

// userAndRole reads the two names of a grant. known is false when there is no such role.
func (s *Server) userAndRole(c *call) (userID, role string, known bool, err error) {
	if userID, err = c.str("userId"); err != nil {
		return "", "", false, err
	}
	if role, err = c.role("role", c.str); err != nil {
		return "", "", false, err
	}
	_, known = s.core.roles[role]
	return userID, role, known, nil
}

// grantRole answers PUT /recipe/user/role. The core does not ask whether there is such a user.
func (s *Server) grantRole(c *call) (object, error) {
	userID, role, known, err := s.userAndRole(c)
	if err != nil {
		return nil, err
	}
	if !known {
		return status("UNKNOWN_ROLE_ERROR"), nil
	}
	had := s.core.granted[userID][role]
	if s.core.granted[userID] == nil {
		s.core.granted[userID] = map[string]bool{}
	}
	s.core.granted[userID][role] = true
	return ok(object{"didUserAlreadyHaveRole": had}), nil
}

// revokeRole answers POST /recipe/user/role/remove.
func (s *Server) revokeRole(c *call) (object, error) {
	userID, role, known, err := s.userAndRole(c)
	if err != nil {
		return nil, err
	}
	if !known {
		return status("UNKNOWN_ROLE_ERROR"), nil
	}
	had := s.core.granted[userID][role]
	delete(s.core.granted[userID], role)
	return ok(object{"didUserHaveRole": had}), nil
}

// userRoles answers GET /recipe/user/roles.
func (s *Server) userRoles(c *call) (object, error) {
	userID, err := c.param("userId")
	if err != nil {
		return nil, err
	}
	return ok(object{"roles": s.core.rolesOf(userID)}), nil
}

// roleUsers answers GET /recipe/role/users.
func (s *Server) roleUsers(c *call) (object, error) {
	role, err := c.role("role", c.param)
	if err != nil {
		return nil, err
	}
	if _, exists := s.core.roles[role]; !exists {
		return status("UNKNOWN_ROLE_ERROR"), nil
	}
	list := []string{}
	for _, id := range sortedKeys(s.core.granted) {
		if s.core.granted[id][role] {
			list = append(list, id)
		}
	}
	return ok(object{"users": list}), nil
}
