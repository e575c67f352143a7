package supertokens

import "strings"

// checkData refuses data that would overwrite the core's own claims.
func checkData(data map[string]any) error {
	for _, name := range protected() {
		if _, there := data[name]; there {
			return errProtected()
		}
	}
	return nil
}

// setSessionData answers PUT /recipe/session/data.
func (s *Server) setSessionData(c *call) (object, error) {
	return s.setData(c, "userDataInDatabase", func(x *session, data map[string]any) { x.inDatabase = data })
}

// setTokenData answers PUT /recipe/jwt/data. The next access token of the session shows it.
func (s *Server) setTokenData(c *call) (object, error) {
	return s.setData(c, "userDataInJWT", func(x *session, data map[string]any) { x.inToken = data })
}

func (s *Server) setData(c *call, name string, set func(*session, map[string]any)) (object, error) {
	handle, err := c.str("sessionHandle")
	if err != nil {
		return nil, err
	}
	data, err := c.obj(name)
	if err != nil {
		return nil, err
	}
	if name == "userDataInJWT" {
		if err := checkData(data); err != nil {
			return nil, err
		}
	}
	x := s.live(handle)
	if x == nil {
		return no(unauthorised, "Session does not exist."), nil
	}
	set(x, data)
	return ok(nil), nil
}

// userSessions answers GET /recipe/session/user.
func (s *Server) userSessions(c *call) (object, error) {
	userID, err := c.param("userId")
	if err != nil {
		return nil, err
	}
	if all, given := c.query["fetchAcrossAllTenants"]; given && !strings.EqualFold(all, "true") {
		if err := c.knownTenant(); err != nil {
			return nil, err
		}
	}
	return ok(object{"sessionHandles": s.liveSessions(userID)}), nil
}

// removeSessions answers POST /recipe/session/remove, by user or by handles.
func (s *Server) removeSessions(c *call) (object, error) {
	userID, byUser, err := c.maybeStr("userId")
	if err != nil {
		return nil, err
	}
	handles, byHandle, err := c.maybeStrs("sessionHandles")
	if err != nil {
		return nil, err
	}
	if !exactlyOne(byUser, byHandle) {
		return nil, bad("Invalid JSON input - use one of userId or sessionHandles array")
	}
	everywhere, given, err := c.maybeFlag("revokeAcrossAllTenants")
	switch {
	case err != nil:
		return nil, err
	case byHandle && given:
		return nil, bad("Invalid JSON input - revokeAcrossAllTenants can only be set if userId is set")
	case given && !everywhere:
		if err := c.knownTenant(); err != nil {
			return nil, err
		}
	}
	if byUser {
		handles = s.liveSessions(userID)
	}
	ended := []string{} // what is named twice is listed twice
	for _, handle := range handles {
		if s.core.sessions[handle] != nil {
			ended = append(ended, handle)
		}
	}
	for _, handle := range ended {
		s.core.end(handle)
	}
	return ok(object{"sessionHandlesRevoked": ended}), nil
}
