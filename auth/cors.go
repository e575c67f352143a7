package auth

import (
	"net/http"
	"strings"

	"github.com/rs/cors"
	"github.com/supertokens/supertokens-golang/supertokens"
)

// newCORS lets the website's origins, and no others, call the API with credentials. The SDK must be set up.
func (s *Service) newCORS() *cors.Cors {
	origins := []string{origin(s.cfg.WebsiteDomain)}
	for _, o := range s.cfg.AllowedOrigins {
		origins = append(origins, origin(o))
	}
	return cors.New(cors.Options{
		AllowedOrigins: origins, AllowCredentials: true,
		AllowedMethods: []string{
			http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
		},
		AllowedHeaders: append([]string{"content-type"}, supertokens.GetAllCORSHeaders()...),
		// What SuperTokens' front-end library reads, and when to ask again.
		ExposedHeaders: []string{"front-token", "anti-csrf", "st-access-token", "st-refresh-token", "retry-after"},
		MaxAge:         600,
	})
}

func origin(s string) string { return strings.ToLower(strings.TrimRight(s, "/")) }
