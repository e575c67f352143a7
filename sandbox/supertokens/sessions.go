package supertokens

import (
	"errors"
	"maps"
	"reflect"
	"time"
)

// session is one session as the core stores it.
type session struct {
	handle, userID string
	refresh2       string // hash of the hash of the newest refresh token that was used
	inToken        map[string]any
	inDatabase     map[string]any
	created        time.Time
	expires        time.Time
	static         bool // its access tokens are signed with the static key
}

func (c *core) begin(x *session) {
	c.sessions[x.handle] = x
	if c.byUser[x.userID] == nil {
		c.byUser[x.userID] = map[string]*session{}
	}
	c.byUser[x.userID][x.handle] = x
}

func (c *core) end(handle string) bool {
	x := c.sessions[handle]
	if x == nil {
		return false
	}
	delete(c.sessions, handle)
	delete(c.byUser[x.userID], handle)
	if len(c.byUser[x.userID]) == 0 {
		delete(c.byUser, x.userID)
	}
	return true
}

// live is a session that exists and has not expired.
func (s *Server) live(handle string) *session {
	if x := s.core.sessions[handle]; x != nil && x.expires.After(s.now()) {
		return x
	}
	return nil
}

func (s *Server) liveSessions(userID string) []string {
	list := []string{}
	for _, handle := range sortedKeys(s.core.byUser[userID]) {
		if s.live(handle) != nil {
			list = append(list, handle)
		}
	}
	return list
}

func shown(handle, userID string, data map[string]any) object {
	return object{"handle": handle, "userId": userID, "userDataInJWT": data, "tenantId": tenant}
}

func no(word, message string) object { return object{"status": word, "message": message} }

// Statuses of a session that cannot be used.
const (
	unauthorised = "UNAUTHORISED"
	tryRefresh   = "TRY_REFRESH_TOKEN"
	theft        = "TOKEN_THEFT_DETECTED"
)

// createSession answers POST /recipe/session. The core does not ask whether there is such a user.
func (s *Server) createSession(c *call) (object, error) {
	userID, err := c.str("userId")
	if err != nil {
		return nil, err
	}
	antiCsrf, err := c.flag("enableAntiCsrf")
	if err != nil {
		return nil, err
	}
	x := &session{handle: uuid(), userID: userID, created: s.now(), expires: s.now().Add(s.o.RefreshTokenValidity)}
	if x.inToken, err = c.obj("userDataInJWT"); err != nil {
		return nil, err
	}
	if x.inDatabase, err = c.obj("userDataInDatabase"); err != nil {
		return nil, err
	}
	dynamic, given, err := c.maybeFlag("useDynamicSigningKey")
	if err != nil {
		return nil, err
	}
	x.static = given && !dynamic
	answer, token, err := s.issuePair(x, "", antiCsrf)
	if err != nil {
		return nil, err
	}
	x.refresh2 = hashHex(hashHex(token))
	s.core.begin(x)
	return answer, nil
}

// issuePair makes the two tokens of a session. parent is the hash of the refresh token that they replace.
func (s *Server) issuePair(x *session, parent string, antiCsrf bool) (answer object, refreshToken string, err error) {
	check := ""
	if antiCsrf {
		check = uuid()
	}
	refreshToken, refreshJSON, err := s.issueRefresh(refresh{Handle: x.handle, UserID: x.userID, Parent: parent, AntiCsrf: check})
	if err != nil {
		return nil, "", err
	}
	accessJSON, err := s.issueAccess(access{
		handle: x.handle, userID: x.userID, refresh: hashHex(refreshToken), parent: parent, antiCsrf: check, data: x.inToken,
	}, x.static)
	if err != nil {
		return nil, "", err
	}
	answer = ok(object{
		"session": shown(x.handle, x.userID, x.inToken), "accessToken": accessJSON, "refreshToken": refreshJSON,
	})
	if check != "" {
		answer["antiCsrfToken"] = check
	}
	return answer, refreshToken, nil
}

// getSession answers GET /recipe/session.
func (s *Server) getSession(c *call) (object, error) {
	handle, err := c.param("sessionHandle")
	if err != nil {
		return nil, err
	}
	x := s.live(handle)
	if x == nil {
		return no(unauthorised, "Session does not exist."), nil
	}
	return ok(object{
		"sessionHandle": x.handle, "userId": x.userID, "tenantId": tenant,
		"userDataInJWT": x.inToken, "userDataInDatabase": x.inDatabase,
		"expiry": x.expires.UnixMilli(), "timeCreated": x.created.UnixMilli(),
	}), nil
}

// verifySession answers POST /recipe/session/verify.
func (s *Server) verifySession(c *call) (object, error) {
	token, err := c.str("accessToken")
	if err != nil {
		return nil, err
	}
	given, _, err := c.maybeStr("antiCsrfToken")
	if err != nil {
		return nil, err
	}
	var flags [3]bool
	for i, name := range []string{"doAntiCsrfCheck", "enableAntiCsrf", "checkDatabase"} {
		if flags[i], err = c.flag(name); err != nil {
			return nil, err
		}
	}
	a, err := s.readAccess(token)
	if err != nil {
		return no(tryRefresh, err.Error()), nil
	}
	switch {
	case !flags[0] || !flags[1]:
	case a.antiCsrf == "":
		return no(tryRefresh, "Access token does not contain all the information. Maybe the structure has changed?"), nil
	case given != a.antiCsrf:
		return no(tryRefresh, "anti-csrf check failed"), nil
	}
	return s.confirm(a, flags[2])
}

// confirm answers for an access token that is good by itself. The first use of a new one settles the refresh that
// made it: from then on its predecessor counts as stolen.
func (s *Server) confirm(a access, ask bool) (object, error) {
	x := s.core.sessions[a.handle]
	if ask && x == nil {
		return no(unauthorised, "Either the session has ended or has been blacklisted"), nil
	}
	changed := ask && !reflect.DeepEqual(a.data, x.inToken)
	if a.parent == "" && !changed {
		return ok(object{"session": shown(a.handle, a.userID, a.data)}), nil
	}
	if x == nil {
		return no(unauthorised, "Session missing in db"), nil
	}
	settle := a.parent != "" && x.refresh2 == hashHex(a.parent)
	if settle {
		x.refresh2 = hashHex(a.refresh)
		x.expires = s.now().Add(s.o.RefreshTokenValidity)
	}
	if !settle && x.refresh2 != hashHex(a.refresh) && !changed {
		return ok(object{"session": shown(a.handle, a.userID, a.data)}), nil
	}
	fresh := access{handle: a.handle, userID: a.userID, refresh: a.refresh, antiCsrf: a.antiCsrf, data: x.inToken}
	token, err := s.issueAccess(fresh, x.static)
	if err != nil {
		return nil, err
	}
	return ok(object{"session": shown(a.handle, a.userID, x.inToken), "accessToken": token}), nil
}

// refreshSession answers POST /recipe/session/refresh.
func (s *Server) refreshSession(c *call) (object, error) {
	token, err := c.str("refreshToken")
	if err != nil {
		return nil, err
	}
	check, _, err := c.maybeStr("antiCsrfToken")
	if err != nil {
		return nil, err
	}
	antiCsrf, err := c.flag("enableAntiCsrf")
	if err != nil {
		return nil, err
	}
	dynamic, given, err := c.maybeFlag("useDynamicSigningKey")
	if err != nil {
		return nil, err
	}
	r, err := s.readRefresh(token)
	if err != nil {
		return no(unauthorised, err.Error()), nil
	}
	if antiCsrf && r.AntiCsrf != "" && r.AntiCsrf != check {
		return no(unauthorised, "Anti CSRF token missing, or not matching"), nil
	}
	x := s.live(r.Handle)
	if x == nil {
		return no(unauthorised, "Session missing in db or has expired"), nil
	}
	switch {
	case x.refresh2 == hashHex(hashHex(token)):
	case r.Parent != "" && x.refresh2 == hashHex(r.Parent):
		x.refresh2 = hashHex(hashHex(token)) // its first use
		x.expires = s.now().Add(s.o.RefreshTokenValidity)
	default:
		return object{"status": theft, "session": object{
			"handle": x.handle, "userId": x.userID, "recipeUserId": x.userID,
		}}, nil
	}
	if given {
		x.static = !dynamic
	}
	answer, _, err := s.issuePair(x, hashHex(token), antiCsrf)
	return answer, err
}

// regenerate answers POST /recipe/session/regenerate: the same access token with other data.
func (s *Server) regenerate(c *call) (object, error) {
	token, err := c.str("accessToken")
	if err != nil {
		return nil, err
	}
	data, given, err := c.maybeObj("userDataInJWT")
	if err != nil {
		return nil, err
	}
	a, err := peekAccess(token)
	if errors.As(err, new(unusable)) {
		return no(unauthorised, err.Error()), nil
	}
	if err != nil {
		return nil, err
	}
	x := s.live(a.handle)
	if x == nil {
		return no(unauthorised, "Session does not exist."), nil
	}
	if !given {
		data = x.inToken
	}
	if err := checkData(data); err != nil {
		return nil, err
	}
	x.inToken = data
	answer := ok(object{"session": shown(a.handle, a.userID, data)})
	if a.expires.Before(s.now()) {
		return answer, nil
	}
	a.data = maps.Clone(data)
	answer["accessToken"], err = s.issueAccess(a, x.static)
	return answer, err
}
