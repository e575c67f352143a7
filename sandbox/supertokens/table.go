package supertokens

import "net/http"

// table is every request that the stand-in knows, by path without tenant and by method.
func (s *Server) table() map[string]map[string]route {
	t := map[string]map[string]route{}
	add := func(method, path string, r route) {
		if t[path] == nil {
			t[path] = map[string]route{}
		}
		t[path][method] = r
	}
	s.addCore(add)
	s.addPasswordless(add)
	s.addSessions(add)
	s.addUsers(add)
	return t
}

type adder func(method, path string, r route)

func (s *Server) addCore(add adder) {
	greet := func(*call) (object, error) { return object{hello: true}, nil }
	for _, path := range []string{"/", "/hello"} {
		for _, m := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
			add(m, path, route{open: noKey | noVersion, do: greet})
		}
	}
	add(http.MethodGet, "/apiversion", route{open: noVersion, fields: []string{"websiteDomain", "apiDomain"},
		do: func(*call) (object, error) { return object{"versions": []string{cdi}}, nil }})
	add(http.MethodGet, "/.well-known/jwks.json", route{open: noKey | noVersion, do: s.jwks})
	add(http.MethodPost, "/recipe/jwt", route{do: s.signJWT,
		fields: []string{"payload", "validity", "algorithm", "jwksDomain", "useStaticSigningKey"}})
	add(http.MethodGet, "/recipe/multitenancy/tenant", route{do: s.getTenant})
	add(http.MethodGet, "/recipe/multitenancy/tenant/list", route{tenant: true, do: s.listTenants})
}

func (s *Server) addPasswordless(add adder) {
	add(http.MethodPost, "/recipe/signinup/code", route{tenant: true, do: s.createCode,
		fields: []string{"email", "phoneNumber", "deviceId", "userInputCode"}})
	add(http.MethodPost, "/recipe/signinup/code/consume", route{tenant: true, do: s.consumeCode,
		fields: []string{"preAuthSessionId", "linkCode", "deviceId", "userInputCode"}})
	add(http.MethodGet, "/recipe/signinup/codes", route{tenant: true, do: s.listCodes,
		fields: []string{"email", "phoneNumber", "deviceId", "preAuthSessionId"}})
	add(http.MethodPost, "/recipe/signinup/code/remove", route{tenant: true, do: s.removeCode, fields: []string{"codeId"}})
	add(http.MethodPost, "/recipe/signinup/codes/remove", route{tenant: true, do: s.removeCodes,
		fields: []string{"email", "phoneNumber"}})
	add(http.MethodGet, "/recipe/user", route{rid: "passwordless", do: s.getUser,
		fields: []string{"userId", "email", "phoneNumber"}})
	add(http.MethodPut, "/recipe/user", route{rid: "passwordless", do: s.updateUser,
		fields: []string{"userId", "email", "phoneNumber"}})
}

func (s *Server) addSessions(add adder) {
	add(http.MethodPost, "/recipe/session", route{tenant: true, do: s.createSession,
		fields: []string{"userId", "userDataInJWT", "userDataInDatabase", "enableAntiCsrf", "useDynamicSigningKey"}})
	add(http.MethodGet, "/recipe/session", route{do: s.getSession, fields: []string{"sessionHandle"}})
	add(http.MethodPost, "/recipe/session/verify", route{do: s.verifySession,
		fields: []string{"accessToken", "antiCsrfToken", "doAntiCsrfCheck", "enableAntiCsrf", "checkDatabase"}})
	add(http.MethodPost, "/recipe/session/refresh", route{tenant: true, do: s.refreshSession,
		fields: []string{"refreshToken", "antiCsrfToken", "enableAntiCsrf", "useDynamicSigningKey"}})
	add(http.MethodPost, "/recipe/session/regenerate", route{do: s.regenerate,
		fields: []string{"accessToken", "userDataInJWT"}})
	add(http.MethodPost, "/recipe/session/remove", route{do: s.removeSessions,
		fields: []string{"userId", "sessionHandles", "revokeAcrossAllTenants"}})
	add(http.MethodGet, "/recipe/session/user", route{do: s.userSessions,
		fields: []string{"userId", "fetchAcrossAllTenants"}})
	add(http.MethodPut, "/recipe/session/data", route{do: s.setSessionData,
		fields: []string{"sessionHandle", "userDataInDatabase"}})
	add(http.MethodPut, "/recipe/jwt/data", route{do: s.setTokenData, fields: []string{"sessionHandle", "userDataInJWT"}})
}

func (s *Server) addUsers(add adder) {
	add(http.MethodPost, "/user/remove", route{do: s.removeUser, fields: []string{"userId"}})
	add(http.MethodGet, "/users", route{tenant: true, do: s.listUsers,
		fields: []string{"timeJoinedOrder", "paginationToken", "limit", "includeRecipeIds", "phone", "email"}})
	add(http.MethodGet, "/users/count", route{do: s.countUsers,
		fields: []string{"includeRecipeIds", "includeAllTenants"}})

	add(http.MethodPut, "/recipe/role", route{do: s.createRole, fields: []string{"role", "permissions"}})
	add(http.MethodPost, "/recipe/role/remove", route{do: s.removeRole, fields: []string{"role"}})
	add(http.MethodGet, "/recipe/roles", route{do: s.listRoles})
	add(http.MethodGet, "/recipe/role/permissions", route{do: s.rolePermissions, fields: []string{"role"}})
	add(http.MethodPost, "/recipe/role/permissions/remove", route{do: s.removePermissions,
		fields: []string{"role", "permissions"}})
	add(http.MethodGet, "/recipe/permission/roles", route{do: s.rolesWithPermission, fields: []string{"permission"}})
	add(http.MethodPut, "/recipe/user/role", route{tenant: true, do: s.grantRole, fields: []string{"userId", "role"}})
	add(http.MethodPost, "/recipe/user/role/remove", route{tenant: true, do: s.revokeRole, fields: []string{"userId", "role"}})
	add(http.MethodGet, "/recipe/user/roles", route{tenant: true, do: s.userRoles, fields: []string{"userId"}})
	add(http.MethodGet, "/recipe/role/users", route{tenant: true, do: s.roleUsers, fields: []string{"role"}})

	add(http.MethodGet, "/recipe/user/metadata", route{do: s.getMetadata, fields: []string{"userId"}})
	add(http.MethodPut, "/recipe/user/metadata", route{do: s.updateMetadata, fields: []string{"userId", "metadataUpdate"}})
	add(http.MethodPost, "/recipe/user/metadata/remove", route{do: s.removeMetadata, fields: []string{"userId"}})
}
