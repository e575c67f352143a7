package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"

	"github.com/rs/zerolog"
)

//go:embed templates/*.html
var templateFiles embed.FS

// pages are the parsed templates by name.
type pages map[string]*template.Template

func loadPages() (pages, error) {
	p := pages{}
	for _, name := range []string{"login", "verify", "gone", "signed-in", "error"} {
		t, err := template.New(name).Option("missingkey=error").
			ParseFS(templateFiles, "templates/layout.html", "templates/"+name+".html")
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		p[name] = t
	}
	return p, nil
}

// view is what a template sees.
type view struct {
	Name string // which page
	Lang string
	// Languages lead to this same page in each offered language.
	Languages []languageLink

	SupportURL, HomeURL      string
	ConsumePath, SessionPath string
	RefreshPath, SignOutPath string
	SignedInPath, LoginPath  string
	Wait                     int64 // milliseconds that scripts give one answer

	Next  string // login, verify: where to go after the sign-in
	Key   string // gone, error: which story
	Retry bool   // error: trying again may help

	PreAuth string     // verify: of the opened link
	Link    openedLink // verify

	Chat        string // login: opens the chat with the message; empty: there is no number
	Phrase      string // login: the message
	QR          qr     // login: of Chat, for computers
	Desktop     bool   // login: WhatsApp is probably on another device
	LineDown    bool   // login: nobody who writes would be answered now
	LineWait    int    // login: minutes until that may end; 0: not known
	Watched     bool   // login: the page can learn that the message has arrived
	Received    bool   // login: it has
	Wakeful     int64  // login: milliseconds for which that can be learned
	AttemptPath string // login: tells it
	DesktopCode bool   // login: the reply carries a code that can be typed here
	CodePath    string // login: takes it
	Code        codeForm

	texts  texts
	assets assets
}

type languageLink struct {
	Tag, Href string
	Current   bool
}

// view fills in what every page has. keep is the part of the query that a change of language must not lose.
func (s *Server) view(r *http.Request, name string, keep url.Values) view {
	tag, asked := s.texts.choose(r)
	mine, back := url.Values{}, url.Values{}
	if asked != "" {
		mine.Set("lang", asked)
		back.Set("lang", asked)
	}
	if next := keep.Get("redirectToPath"); next != "" {
		back.Set("redirectToPath", next)
	}
	site := s.cfg.WebsiteBasePath
	v := view{
		Name: name, Lang: tag,
		SupportURL: s.cfg.SupportURL, HomeURL: s.cfg.HomeURL,
		SignedInPath: withQuery(site+"/signed-in", mine),
		LoginPath:    withQuery(s.loginPath(), back),
		CodePath:     withQuery(site+"/code", mine),
		AttemptPath:  s.cfg.APIBasePath + "/login/attempt",
		ConsumePath:  s.cfg.APIBasePath + "/signinup/code/consume",
		SessionPath:  s.cfg.APIBasePath + "/session",
		RefreshPath:  s.cfg.APIBasePath + "/session/refresh",
		SignOutPath:  s.cfg.APIBasePath + "/signout",
		Wait:         s.pageWait().Milliseconds(),
		texts:        s.texts, assets: s.assets,
	}
	path := "" // this very page
	if name == "login" {
		path = s.loginPath() // also where it answers a form
	}
	for _, t := range s.texts.tags {
		q := url.Values{"lang": {t}}
		for k, values := range keep {
			q[k] = values
		}
		v.Languages = append(v.Languages, languageLink{Tag: t, Href: path + "?" + q.Encode(), Current: t == tag})
	}
	return v
}

func (s *Server) loginPath() string {
	if s.cfg.WebsiteBasePath == "" {
		return "/"
	}
	return s.cfg.WebsiteBasePath
}

func withQuery(path string, q url.Values) string {
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// T is a sentence in the page's language.
func (v view) T(key string, value ...any) (string, error) { return v.texts.say(v.Lang, key, value...) }

// In is a sentence in another language.
func (v view) In(tag, key string) (string, error) { return v.texts.say(tag, key) }

// Asset is the URL of a file in static/.
func (v view) Asset(name string) (string, error) {
	u, ok := v.assets.byName[name]
	if !ok {
		return "", fmt.Errorf("no asset %q", name)
	}
	return u, nil
}

// render writes a whole page or, when its template fails, a plain error: never half a page.
func (s *Server) render(w http.ResponseWriter, r *http.Request, status int, v view) {
	var b bytes.Buffer
	if err := s.pages[v.Name].ExecuteTemplate(&b, "layout", v); err != nil {
		zerolog.Ctx(r.Context()).Error().Err(err).Str("page", v.Name).Msg("a page cannot be rendered")
		http.Error(w, "Something went wrong here. Please try again in a moment.", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", v.Lang)
	h.Add("Vary", "Accept-Language")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}
