package supertokens

// getMetadata answers GET /recipe/user/metadata. The core does not ask whether there is such a user.
func (s *Server) getMetadata(c *call) (object, error) {
	userID, err := c.param("userId")
	if err != nil {
		return nil, err
	}
	return ok(object{"metadata": s.core.metadataOf(userID)}), nil
}

func (c *core) metadataOf(userID string) map[string]any {
	if m := c.metadata[userID]; m != nil {
		return m
	}
	return map[string]any{}
}

// updateMetadata answers PUT /recipe/user/metadata. It merges the top level; null takes a key away.
func (s *Server) updateMetadata(c *call) (object, error) {
	userID, err := c.str("userId")
	if err != nil {
		return nil, err
	}
	update, err := c.obj("metadataUpdate")
	if err != nil {
		return nil, err
	}
	merged := map[string]any{}
	for k, v := range s.core.metadataOf(userID) {
		merged[k] = v
	}
	for k, v := range update {
		if merged[k] = v; v == nil {
			delete(merged, k)
		}
	}
	s.core.metadata[userID] = merged
	return ok(object{"metadata": merged}), nil
}

// removeMetadata answers POST /recipe/user/metadata/remove.
func (s *Server) removeMetadata(c *call) (object, error) {
	userID, err := c.str("userId")
	if err != nil {
		return nil, err
	}
	delete(s.core.metadata, userID)
	return ok(nil), nil
}
