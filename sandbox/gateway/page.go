package gateway

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
)

//go:embed page
var pages embed.FS

// page serves what stands in for the front end: the page of a link. Opening it changes nothing; its button posts. It
// answers false for all other paths.
func (s *Server) page(w http.ResponseWriter, r *http.Request) bool {
	var file, kind string
	switch r.URL.Path {
	case s.o.WebsiteBasePath + "/verify":
		file, kind = "page/verify.html", "text/html; charset=utf-8"
	case s.o.WebsiteBasePath + "/verify.js":
		file, kind = "page/verify.js", "text/javascript; charset=utf-8"
	case s.o.WebsiteBasePath + "/verify.css":
		file, kind = "page/verify.css", "text/css; charset=utf-8"
	case "/favicon.ico": // browsers ask for it by themselves
		w.WriteHeader(http.StatusNoContent)
		return true
	default:
		return false
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		s.note("method %q", r.Method)
		s.fail(w, refusal{http.StatusMethodNotAllowed, "no such method here"})
		return true
	}
	raw, err := pages.ReadFile(file)
	if err == nil && file == "page/verify.html" {
		raw, err = fill(string(raw), struct{ API string }{s.o.APIBasePath})
	}
	if err != nil {
		s.fail(w, err)
		return true
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "+
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	_, _ = w.Write(raw) // the browser may have gone
	return true
}

func fill(text string, data any) ([]byte, error) {
	t, err := template.New("verify").Parse(text)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, data)
	return b.Bytes(), err
}
