package bot

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/goccy/go-yaml"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
)

//go:embed replies/*.yaml
var builtIn embed.FS

const builtInDir = "replies"

// maxRepliesFile is far more than any language needs.
const maxRepliesFile = 64 << 10

var languageName = regexp.MustCompile(`^[a-z]{2,3}(-[A-Za-z0-9]{2,8})?$`)

// replies holds what users read, by language and key.
type replies struct {
	byLanguage map[string]map[string]*template.Template
}

// loadReplies reads the built-in files and lays those of l.Dir over them: a file of a built-in language replaces the
// keys that it has, a file of a new one must have all. Every text is tried with sample data before anybody gets it.
// helpKeys are the keys of the help lines of commands.
func loadReplies(l Language, helpKeys []string) (*replies, error) {
	shapes := replyShapes(helpKeys)
	r := &replies{byLanguage: map[string]map[string]*template.Template{}}
	inside, err := fs.Sub(builtIn, builtInDir)
	if err != nil {
		return nil, fmt.Errorf("built-in replies: %w", err)
	}
	if err := r.addDir(inside, "built-in replies", shapes); err != nil {
		return nil, err
	}
	if l.Dir != "" {
		if err := r.addDir(os.DirFS(l.Dir), l.Dir, shapes); err != nil {
			return nil, err
		}
	}
	for _, name := range append([]string{l.Default, l.Hidden}, values(l.ByCountry)...) {
		if r.byLanguage[name] == nil {
			return nil, fmt.Errorf("replies: language %q is configured but there is no %s.yaml (there are: %s)",
				name, name, strings.Join(r.languages(), ", "))
		}
	}
	return r, nil
}

// render makes the text of one reply.
func (r *replies) render(language, key string, data any) (string, error) {
	t := r.byLanguage[language][key]
	if t == nil {
		return "", fmt.Errorf("reply %s in language %q does not exist", key, language)
	}
	return execute(t, data)
}

func (r *replies) languages() []string {
	var names []string
	for name := range r.byLanguage {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// addDir reads all files of one directory. called is how errors name it.
func (r *replies) addDir(dir fs.FS, called string, shapes map[string]shape) error {
	entries, err := fs.ReadDir(dir, ".")
	if err != nil {
		return fmt.Errorf("replies in %s: %w", called, err)
	}
	for _, e := range entries {
		file := path.Join(called, e.Name())
		switch ext := path.Ext(e.Name()); {
		case e.IsDir() || strings.HasPrefix(e.Name(), "."):
			continue
		case ext == ".yml":
			return fmt.Errorf("%s: name it .yaml, or it would be overlooked", file)
		case ext != ".yaml":
			continue
		}
		language := strings.TrimSuffix(e.Name(), ".yaml")
		if !languageName.MatchString(language) {
			return fmt.Errorf("%s: a file of replies is named after its language, such as en.yaml", file)
		}
		if err := r.addFile(dir, e, language, file, shapes); err != nil {
			return err
		}
	}
	return nil
}

func (r *replies) addFile(dir fs.FS, e fs.DirEntry, language, file string, shapes map[string]shape) error {
	if info, err := e.Info(); err != nil || info.Size() > maxRepliesFile {
		return errors.Join(fmt.Errorf("%s: not a file of at most %d bytes", file, maxRepliesFile), err)
	}
	raw, err := fs.ReadFile(dir, e.Name())
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	texts := map[string]string{}
	if err := yaml.Unmarshal(raw, &texts); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	known := r.byLanguage[language]
	if known == nil {
		known = map[string]*template.Template{}
		r.byLanguage[language] = known
	}
	for _, key := range sortedKeys(texts) {
		s, ok := shapes[key]
		if !ok {
			return fmt.Errorf("%s: key %s is unknown (known are: %s)", file, key, strings.Join(sortedKeys(shapes), ", "))
		}
		t, err := parseReply(key, texts[key], s)
		if err != nil {
			return fmt.Errorf("%s: key %s: %w", file, key, err)
		}
		known[key] = t
	}
	for _, key := range sortedKeys(shapes) {
		if known[key] == nil {
			return fmt.Errorf("%s: key %s is missing", file, key)
		}
	}
	return nil
}

// parseReply reads one template and tries it with every sample of its shape.
func parseReply(key, text string, s shape) (*template.Template, error) {
	t, err := template.New(key).Option("missingkey=error").Parse(text)
	if err != nil {
		return nil, err
	}
	for _, sample := range s.samples {
		made, err := execute(t, sample.data)
		if err != nil {
			return nil, err
		}
		if made == "" {
			return nil, errors.New("is empty")
		}
		for _, must := range sample.contains {
			if !strings.Contains(made, must) {
				return nil, fmt.Errorf("must show %s", sample.fields)
			}
		}
		if sample.line != "" && !slices.Contains(strings.Split(made, "\n"), sample.line) {
			return nil, errors.New("must show {{.URL}} alone on a line, or it cannot be tapped everywhere")
		}
	}
	return t, nil
}

func execute(t *template.Template, data any) (string, error) {
	var out bytes.Buffer
	if err := t.Execute(&out, data); err != nil {
		return "", fmt.Errorf("make reply: %w", err)
	}
	return strings.TrimSpace(out.String()), nil
}

// languageOf is the language of a number's country.
func (b *Bot) languageOf(n phone.Number) string {
	if name, ok := b.cfg.Language.ByCountry[n.CountryCode()]; ok {
		return name
	}
	return b.cfg.Language.Default
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func values(m map[string]string) []string {
	all := make([]string, 0, len(m))
	for _, k := range sortedKeys(m) {
		all = append(all, m[k])
	}
	return all
}
