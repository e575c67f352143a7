package website

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
	"time"
	"unicode/utf8"
)

//go:embed templates/page.html static
var files embed.FS

const (
	maxBody = 16 << 10
	maxNote = 500 // runes
	askTime = 10 * time.Second
)

type asset struct {
	kind string
	body []byte
}

// loadAssets answers the files by URL path, and for each file name the address that the page uses.
func loadAssets() (byPath map[string]asset, names map[string]string, err error) {
	byPath, names = map[string]asset{}, map[string]string{}
	for name, kind := range map[string]string{
		"website.css": "text/css; charset=utf-8", "website.js": "text/javascript; charset=utf-8", "mark.svg": "image/svg+xml",
	} {
		body, err := files.ReadFile("static/" + name)
		if err != nil {
			return nil, nil, fmt.Errorf("asset: %w", err)
		}
		sum := sha256.Sum256(body)
		ext := path.Ext(name)
		names[name] = "/assets/" + strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:6]) + ext
		byPath[names[name]] = asset{kind: kind, body: body}
	}
	return byPath, names, nil
}

func (s *Site) routes() http.Handler {
	own := http.NewServeMux()
	own.HandleFunc("GET /{$}", s.page)
	own.HandleFunc("GET /assets/{name}", s.asset)
	own.HandleFunc("GET /answers", s.answers)
	own.HandleFunc("POST /answers", s.answer)
	bot := s.proxy()
	all := http.NewServeMux()
	for _, path := range []string{"/auth", "/auth/", "/livez", "/readyz"} {
		all.Handle(path, bot)
	}
	all.Handle("/", guarded(http.NewCrossOriginProtection().Handler(own)))
	return all
}

// guarded gives our own pages the headers that the bot gives its own.
func guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "+
			"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "+
			"require-trusted-types-for 'script'; trusted-types 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

func (s *Site) page(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(s.html)
}

func (s *Site) asset(w http.ResponseWriter, r *http.Request) {
	a, ok := s.assets[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", a.kind)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = w.Write(a.body)
}

// answers lists what the user has answered when somebody is signed in, else what the guest has.
func (s *Site) answers(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), askTime)
	defer cancel()
	user, err := s.whose(ctx, r)
	if err != nil {
		s.cfg.Log.Warn().Err(err).Msg("the session cannot be looked up")
		say(w, http.StatusBadGateway, map[string]string{"message": "The bot is not answering."})
		return
	}
	mine := ofGuest(r.URL.Query().Get("guest"))
	if user != "" {
		mine = ofUser(user, s.cfg.Records.All("Patient"))
	}
	say(w, http.StatusOK, map[string]any{"signedIn": user != "", "answers": list(s.cfg.Records.All("QuestionnaireResponse"), mine)})
}

// answer stores what a guest says, as the guest's.
func (s *Site) answer(w http.ResponseWriter, r *http.Request) {
	var in struct{ Guest, Mood, Note string }
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	dec.DisallowUnknownFields()
	switch {
	case dec.Decode(&in) != nil || dec.Decode(&struct{}{}) != io.EOF || in.Guest == "":
		say(w, http.StatusBadRequest, map[string]string{"message": "The body cannot be read."})
		return
	case in.Mood == "" || utf8.RuneCountInString(in.Mood) > 20 || utf8.RuneCountInString(in.Note) > maxNote:
		say(w, http.StatusBadRequest, map[string]string{"message": fmt.Sprintf("Choose how you feel; a note has at most %d characters.", maxNote)})
		return
	}
	body, err := json.Marshal(response(in.Guest, in.Mood, strings.TrimSpace(in.Note), s.cfg.Now()))
	if err == nil {
		_, err = s.cfg.Records.Put(body)
	}
	if err != nil {
		s.cfg.Log.Warn().Err(err).Msg("an answer cannot be stored")
		say(w, http.StatusBadGateway, map[string]string{"message": "The answer could not be stored."})
		return
	}
	if s.cfg.Changed != nil {
		s.cfg.Changed()
	}
	say(w, http.StatusCreated, map[string]string{"message": "stored"})
}

func say(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
