package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
)

//go:embed static
var staticFiles embed.FS

// assets are the files that pages refer to. Each has a URL that changes with its content.
type assets struct {
	byPath map[string]asset  // URL path → file
	byName map[string]string // file name → URL path
}

type asset struct {
	body []byte
	kind string
}

func loadAssets(prefix string) (assets, error) {
	a := assets{byPath: map[string]asset{}, byName: map[string]string{}}
	entries, err := fs.ReadDir(staticFiles, "static")
	if err != nil {
		return a, fmt.Errorf("list: %w", err)
	}
	for _, e := range entries {
		body, err := staticFiles.ReadFile("static/" + e.Name())
		if err != nil {
			return a, fmt.Errorf("read %s: %w", e.Name(), err)
		}
		ext := path.Ext(e.Name())
		kind, ok := map[string]string{
			".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
		}[ext]
		if !ok {
			return a, fmt.Errorf("%s: no media type for it", e.Name())
		}
		sum := sha256.Sum256(body)
		url := prefix + strings.TrimSuffix(e.Name(), ext) + "." + hex.EncodeToString(sum[:6]) + ext
		a.byPath[url] = asset{body: bytes.Clone(body), kind: kind}
		a.byName[e.Name()] = url
	}
	return a, nil
}

func (s *Server) asset(w http.ResponseWriter, r *http.Request) {
	file, ok := s.assets.byPath[r.URL.Path]
	if !ok {
		s.notFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Cache-Control", immutable)
	h.Set("Content-Type", file.kind)
	h.Set("Content-Length", strconv.Itoa(len(file.body)))
	_, _ = w.Write(file.body)
}
