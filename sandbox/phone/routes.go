package phone

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
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
	maxBody    = 16 << 10
	maxText    = 4096 // runes of one message
	actionTime = 10 * time.Second
	writeTime  = 10 * time.Second
)

type asset struct {
	kind string
	body []byte
}

// loadAssets answers the files by URL path, and for each file name the address that the page uses.
func loadAssets() (byPath map[string]asset, names map[string]string, err error) {
	byPath, names = map[string]asset{}, map[string]string{}
	for name, kind := range map[string]string{
		"phone.css": "text/css; charset=utf-8", "phone.js": "text/javascript; charset=utf-8", "mark.svg": "image/svg+xml",
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

func (p *Page) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.page)
	mux.HandleFunc("GET /chat/{number}", p.chat)
	mux.HandleFunc("GET /assets/{name}", p.asset)
	mux.HandleFunc("GET /events", p.stream)
	mux.HandleFunc("POST /send", p.send)
	mux.HandleFunc("POST /fault", p.fault)
	return http.NewCrossOriginProtection().Handler(mux)
}

func (p *Page) page(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(p.html)
}

// chat is where a link to a chat leads, as wa.me does: the page types in the text that comes with it.
func (p *Page) chat(w http.ResponseWriter, r *http.Request) {
	digits := strings.Map(func(c rune) rune {
		if c < '0' || c > '9' {
			return -1
		}
		return c
	}, p.cfg.BotNumber)
	if r.PathValue("number") != digits {
		http.NotFound(w, r)
		return
	}
	p.page(w, r)
}

func (p *Page) asset(w http.ResponseWriter, r *http.Request) {
	a, ok := p.assets[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", a.kind)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = w.Write(a.body)
}

// stream sends what is remembered and then what happens, as Server-Sent Events, until the page is closed, falls too
// far behind, or Run has ended.
func (p *Page) stream(w http.ResponseWriter, r *http.Request) {
	past, l := p.history.listen()
	defer p.history.leave(l)
	w.Header().Set("Content-Type", "text/event-stream")
	out := stream{w: w, control: http.NewResponseController(w), now: p.cfg.Now}
	if !out.say("retry: 1000\nevent: reset\ndata: {}\n\n") {
		return
	}
	for _, data := range past {
		if !out.event(data) {
			return
		}
	}
	if !out.say("event: live\ndata: {}\n\n") {
		return
	}
	beat := time.NewTicker(p.cfg.Beat)
	defer beat.Stop()
	for {
		var ok bool
		select {
		case <-r.Context().Done():
			return
		case <-p.over:
			return
		case <-beat.C:
			ok = out.say(": still here\n\n")
		case data, open := <-l.next:
			ok = open && out.event(data)
		}
		if !ok {
			return
		}
	}
}

type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	now     func() time.Time
}

func (s stream) event(data []byte) bool { return s.say("data: " + string(data) + "\n\n") }

// say writes with a deadline of its own, because a stream outlives the server's.
func (s stream) say(text string) bool {
	if err := s.control.SetWriteDeadline(s.now().Add(writeTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return false
	}
	if _, err := io.WriteString(s.w, text); err != nil {
		return false
	}
	return s.control.Flush() == nil
}

func (p *Page) send(w http.ResponseWriter, r *http.Request) {
	var in struct{ User, Text string }
	if !read(w, r, &in) {
		return
	}
	known := false
	for _, u := range p.cfg.Phone.Users() {
		known = known || u.ID == in.User
	}
	in.Text = strings.TrimSpace(in.Text)
	switch {
	case !known:
		answer(w, http.StatusBadRequest, "There is no such user.")
		return
	case in.Text == "":
		answer(w, http.StatusBadRequest, "There is nothing to send.")
		return
	case utf8.RuneCountInString(in.Text) > maxText:
		answer(w, http.StatusBadRequest, fmt.Sprintf("A message has at most %d characters.", maxText))
		return
	}
	p.act(w, r, "a message cannot be sent", func(ctx context.Context) error {
		return p.cfg.Phone.Send(ctx, in.User, in.Text)
	})
}

func (p *Page) fault(w http.ResponseWriter, r *http.Request) {
	var in struct {
		ID string
		On bool
	}
	if !read(w, r, &in) {
		return
	}
	if p.cfg.Faults != nil {
		for _, f := range p.cfg.Faults.Faults() {
			if f.ID == in.ID {
				p.act(w, r, "a fault cannot be set", func(ctx context.Context) error {
					return p.cfg.Faults.Set(ctx, in.ID, in.On)
				})
				return
			}
		}
	}
	answer(w, http.StatusBadRequest, "There is no such fault.")
}

func (p *Page) act(w http.ResponseWriter, r *http.Request, what string, do func(context.Context) error) {
	ctx, cancel := context.WithTimeout(r.Context(), actionTime)
	defer cancel()
	if err := do(ctx); err != nil {
		p.cfg.Log.Warn().Err(err).Msg(what)
		answer(w, http.StatusBadGateway, err.Error())
		return
	}
	answer(w, http.StatusOK, "")
}

// read decodes a small JSON body. A body of another type is refused: a form of another site could send one.
func read(w http.ResponseWriter, r *http.Request, into any) bool {
	if kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); kind != "application/json" {
		answer(w, http.StatusUnsupportedMediaType, "The body must be JSON.")
		return false
	}
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil || dec.Decode(&struct{}{}) != io.EOF {
		answer(w, http.StatusBadRequest, "The body cannot be read.")
		return false
	}
	return true
}

func answer(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(struct {
		Message string `json:"message"`
	}{message})
}
