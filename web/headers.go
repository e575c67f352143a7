package web

import "net/http"

// The policy of every response. Nothing inline, nothing from elsewhere, nobody may frame us; scripts may not write
// markup (trusted types).
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'; " +
	"require-trusted-types-for 'script'; trusted-types 'none'"

const (
	immutable  = "public, max-age=31536000, immutable" // the URL carries the content's hash
	twoYears   = "max-age=63072000; includeSubDomains"
	noFeatures = "accelerometer=(), camera=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), " +
		"payment=(), usb=()"
)

// secure sets what every response carries, whoever writes it. Pages and JSON are never stored; assets say otherwise.
func (s *Server) secure(h http.Header) {
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY") // for browsers that do not know frame-ancestors
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", noFeatures)
	h.Set("X-Robots-Tag", "noindex, nofollow")
	h.Set("Cache-Control", "no-store")
	if s.cfg.HTTPS {
		h.Set("Strict-Transport-Security", twoYears)
	}
}
