package web

import (
	"bytes"
	"compress/gzip"
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
	body   []byte
	packed []byte // body, compressed
	kind   string
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
		packed, err := pack(body)
		if err != nil {
			return a, fmt.Errorf("compress %s: %w", e.Name(), err)
		}
		a.byPath[url] = asset{body: bytes.Clone(body), packed: packed, kind: kind}
		a.byName[e.Name()] = url
	}
	return a, nil
}

// pack compresses once what is sent often. Pages are never compressed: they show what a request brought beside what it
// did not, and the length would tell about that.
func pack(body []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(body); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
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
	h.Set("Vary", "Accept-Encoding")
	body := file.body
	if takesGzip(r) && len(file.packed) < len(body) {
		h.Set("Content-Encoding", "gzip")
		body = file.packed
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
}

// takesGzip reads as much of Accept-Encoding as browsers write: a list, in which q=0 would mean no.
func takesGzip(r *http.Request) bool {
	for _, part := range strings.Split(r.Header.Get("Accept-Encoding"), ",") {
		name, quality, _ := strings.Cut(strings.TrimSpace(part), ";")
		if name == "gzip" {
			weight, err := strconv.ParseFloat(strings.TrimPrefix(strings.TrimSpace(quality), "q="), 64)
			return quality == "" || (err == nil && weight > 0)
		}
	}
	return false
}
