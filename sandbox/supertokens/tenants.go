package supertokens

// tenantJSON is the one tenant as an unconfigured core shows it.
func tenantJSON() object {
	return object{
		"tenantId":      tenant,
		"emailPassword": object{"enabled": true},
		"thirdParty":    object{"enabled": true, "providers": []object{}},
		"passwordless":  object{"enabled": true},
		"coreConfig":    object{},
	}
}

// getTenant answers GET /recipe/multitenancy/tenant.
func (s *Server) getTenant(c *call) (object, error) {
	if c.tenant != "" && c.tenant != tenant {
		return status("TENANT_NOT_FOUND_ERROR"), nil
	}
	return ok(tenantJSON()), nil
}

// listTenants answers GET /recipe/multitenancy/tenant/list.
func (s *Server) listTenants(*call) (object, error) {
	return ok(object{"tenants": []object{tenantJSON()}}), nil
}
