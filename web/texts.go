package web

import (
	"embed"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"golang.org/x/text/language"
)

// Every sentence of the pages, one file per language. A third language is one more file.
//
//go:embed text/*.json
var textFiles embed.FS

// texts are the offered languages, the default first.
type texts struct {
	tags    []string
	byTag   map[string]map[string]string
	matcher language.Matcher
}

func loadTexts(tags []string) (texts, error) {
	t := texts{tags: tags, byTag: map[string]map[string]string{}}
	var parsed []language.Tag
	for _, tag := range tags {
		file, err := textFiles.ReadFile("text/" + tag + ".json")
		if err != nil {
			return t, fmt.Errorf("language %q: there is no text for it: %w", tag, err)
		}
		words := map[string]string{}
		if err := json.Unmarshal(file, &words); err != nil {
			return t, fmt.Errorf("language %q: %w", tag, err)
		}
		t.byTag[tag] = words
		p, err := language.Parse(tag)
		if err != nil {
			return t, fmt.Errorf("language %q: %w", tag, err)
		}
		parsed = append(parsed, p)
	}
	t.matcher = language.NewMatcher(parsed)
	return t, nil
}

// choose picks the language of a request: ?lang= if it is offered, else what the browser prefers, else the default.
// asked is what ?lang= named, for links to other pages.
func (t texts) choose(r *http.Request) (tag, asked string) {
	asked = r.URL.Query().Get("lang")
	if _, ok := t.byTag[asked]; ok {
		return asked, asked
	}
	accept := r.Header.Get("Accept-Language")
	if len(accept) > 200 {
		return t.tags[0], ""
	}
	wanted, _, err := language.ParseAcceptLanguage(accept)
	if err != nil {
		return t.tags[0], ""
	}
	_, i, _ := t.matcher.Match(wanted...)
	return t.tags[i], ""
}

// say looks a sentence up and puts value in the place of its {}.
func (t texts) say(tag, key string, value ...any) (string, error) {
	words, ok := t.byTag[tag][key]
	if !ok {
		return "", fmt.Errorf("no text %q in language %q", key, tag)
	}
	for _, v := range value {
		words = strings.Replace(words, "{}", fmt.Sprint(v), 1)
	}
	return words, nil
}
