package bot

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files anew")

func helpKeys() []string { return newCommandTable(commandRows()).helpKeys() }

// goldenData is what each reply is made of in its golden file; nil for those that take nothing.
func goldenData() map[string]any {
	return map[string]any{
		replyLink: linkData{
			URL:    "https://login.example/auth/verify?preAuthSessionId=abc&tenantId=public#code",
			Number: "+62 812-3456-••••", Minutes: 10,
		},
		replyLinkCode: linkData{
			URL:    "https://login.example/auth/verify?preAuthSessionId=abc&tenantId=public#code",
			Number: "+62 812-3456-••••", Minutes: 10, Code: "042137",
		},
		replyLimited:  limitedData{Minutes: 3},
		replyCoreDown: coreDownData{Minutes: 2},
		replyOther:    otherData{Human: "+62 21 555 0100", Emergency: "119 ext. 8"},
		replyStranger: strangerData{WayOut: "https://help.example/masuk"},
		replyUnclear:  strangerData{WayOut: "https://help.example/masuk"},
		replyHelp:     helpData{Commands: []helpLine{{"/help", "one"}, {"/whoami", "two"}}},
		replyWhoami:   whoamiData{Number: "+62 812-3456-••••", Level: "support", Language: "xx"},
	}
}

func TestRepliesReadAsTheirGoldenFiles(t *testing.T) {
	t.Parallel()
	r, err := loadReplies(Language{Default: "en", Hidden: "id"}, helpKeys())
	require.NoError(t, err)
	require.Equal(t, []string{"en", "id"}, r.languages())
	data := goldenData()
	for _, language := range r.languages() {
		for key, shape := range replyShapes(helpKeys()) {
			with := data[key]
			if with == nil {
				with = shape.samples[0].data
			}
			text, err := r.render(language, key, with)
			require.NoError(t, err)
			file := filepath.Join("testdata", "golden", language, key+".txt")
			if *update {
				require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
				require.NoError(t, os.WriteFile(file, []byte(text+"\n"), 0o644))
			}
			want, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, string(want), text+"\n", "%s in %s", key, language)
		}
	}
	require.Len(t, must(filepath.Glob("testdata/golden/*/*.txt")), 2*len(replyShapes(helpKeys())), "no file is left over")
}

func must[T any](v T, _ error) T { return v }

func TestMinutesReadRight(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]int{
		-time.Second: 1, 0: 1, 20 * time.Second: 1, 89 * time.Second: 1, 90 * time.Second: 2,
		10*time.Minute - time.Second: 10, 15 * time.Minute: 15,
	} {
		require.Equal(t, want, minutesLeft(d), d)
	}
	for d, want := range map[time.Duration]int{0: 1, time.Second: 1, time.Minute: 1, 61 * time.Second: 2, 72 * time.Minute: 72} {
		require.Equal(t, want, minutesUp(d), d)
	}
	r, err := loadReplies(Language{Default: "en", Hidden: "en"}, helpKeys())
	require.NoError(t, err)
	one, err := r.render("en", replyLink, linkData{URL: "https://a.example", Number: "n", Minutes: 1})
	require.NoError(t, err)
	require.Contains(t, one, "1 minute.")
	for _, reply := range []struct {
		key  string
		data any
	}{{replyLimited, limitedData{1}}, {replyCoreDown, coreDownData{1}}} {
		text, err := r.render("en", reply.key, reply.data)
		require.NoError(t, err)
		require.Contains(t, text, "a minute")
		require.NotContains(t, text, "minutes")
	}
}

// overlay writes files of replies and loads them over the built-in ones.
func overlay(t *testing.T, files map[string]string) (*replies, string, error) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	r, err := loadReplies(Language{Default: "en", Hidden: "id", Dir: dir}, helpKeys())
	return r, dir, err
}

func TestDirectoryReplacesTextsAndAddsLanguages(t *testing.T) {
	t.Parallel()
	english := string(must(os.ReadFile("replies/en.yaml")))
	r, _, err := overlay(t, map[string]string{
		"id.yaml": "stale: Ketuk lagi ya.\n", "jv.yaml": english, "README": "not a language", ".hidden.yaml": "nonsense",
	})
	require.NoError(t, err)
	require.Equal(t, []string{"en", "id", "jv"}, r.languages())
	text, err := r.render("id", replyStale, nil)
	require.NoError(t, err)
	require.Equal(t, "Ketuk lagi ya.", text)
	text, err = r.render("id", replyFailed, nil)
	require.NoError(t, err)
	require.Contains(t, text, "Maaf", "what the file does not say stays")
}

func TestBrokenRepliesAreRefusedWithFileAndKey(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file, text string
		want       []string
	}{
		"unknown key":          {"en.yaml", "stalé: x\n", []string{"stalé", "unknown"}},
		"broken template":      {"en.yaml", "link: '{{.URL'\n", []string{"key link"}},
		"unknown field":        {"en.yaml", "limited: '{{.Minuts}}'\n", []string{"key limited", "Minuts"}},
		"field in a branch":    {"en.yaml", "limited: '{{.Minutes}}{{if eq .Minutes 1}}{{.One}}{{end}}'\n", []string{"key limited", "One"}},
		"no such data":         {"en.yaml", "stale: '{{.Number}} is late'\n", []string{"key stale"}},
		"empty":                {"en.yaml", "stale: '  '\n", []string{"key stale", "empty"}},
		"a key twice":          {"en.yaml", "stale: a\nstale: b\n", []string{"stale", "already defined"}},
		"not yaml":             {"en.yaml", "stale: [\n", nil},
		"not a text":           {"en.yaml", "stale: {a: b}\n", nil},
		"link inside a line":   {"en.yaml", "link: 'Go to {{.URL}} as {{.Number}} for {{.Minutes}} min'\n", []string{"key link", "alone on a line"}},
		"link without number":  {"en.yaml", "link: \"{{.URL}}\\n{{.Minutes}}\"\n", []string{"key link", "{{.Number}}"}},
		"no emergency line":    {"id.yaml", "other: 'Hubungi {{.Human}}'\n", []string{"key other", "{{.Emergency}}"}},
		"no way out":           {"id.yaml", "stranger: Maaf.\n", []string{"key stranger", "{{.WayOut}}"}},
		"incomplete language":  {"jv.yaml", "stale: x\n", []string{"is missing"}},
		"name of no language":  {"Deutsch.yaml", "stale: x\n", []string{"named after its language"}},
		"name with other dots": {"en.yml", "stale: x\n", []string{".yaml"}},
		"too large":            {"en.yaml", "stale: " + strings.Repeat("x", maxRepliesFile), []string{"bytes"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, dir, err := overlay(t, map[string]string{c.file: c.text})
			for _, part := range append(c.want, filepath.Join(dir, c.file)) {
				require.ErrorContains(t, err, part)
			}
		})
	}
}

func TestLanguageThatDoesNotExistIsRefused(t *testing.T) {
	t.Parallel()
	for _, l := range []Language{
		{Default: "xx", Hidden: "en"}, {Default: "en", Hidden: "xx"},
		{Default: "en", Hidden: "en", ByCountry: map[string]string{"49": "xx"}},
	} {
		_, err := loadReplies(l, helpKeys())
		require.ErrorContains(t, err, `"xx"`)
		require.ErrorContains(t, err, "en, id")
	}
	_, err := loadReplies(Language{Default: "en", Hidden: "en", Dir: filepath.Join(t.TempDir(), "absent")}, helpKeys())
	require.ErrorContains(t, err, "absent")
}

func TestContactsArriveAsTheOperatorWroteThem(t *testing.T) {
	t.Parallel()
	for _, contact := range []string{
		"https://help.example/~care/_now_?a_b=*1*&c=`x`", "first_last@example.org", "_119_", "*us*", "+62 21-555-0100 (~24h)",
		"心の相談 ☎ 119", "119\u00a0ext. 8", "O'Neill",
	} {
		for _, language := range []string{"id", "en"} {
			w := setup(t, func(c *Config) {
				c.Other.Human, c.Other.Emergency = " "+contact+"\n", "\t"+contact+"/2 "
				c.Language.ByCountry = map[string]string{"62": language}
			})
			w.receive(t, number(t, 10), "A", "hello")
			w.run()
			require.Len(t, w.sent, 1)
			require.Equal(t, 2, strings.Count(w.sent[0].Text, contact), contact)
			require.Contains(t, w.sent[0].Text, contact+"/2")
		}
	}
}

func TestContactsThatAreNotOneLineAreRefused(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "  ", "119\n> call", "119\rx", "119\u2028x", "119\tx", "1\x0019", "1\u200b19", "1\u202e19", "119\xff"} {
		for _, set := range []func(*Other){func(o *Other) { o.Human = bad }, func(o *Other) { o.Emergency = bad }} {
			cfg := setup(t).cfg
			set(&cfg.Other)
			_, err := New(cfg)
			require.ErrorContains(t, err, "other text", "%q", bad)
			cfg.Other.Policy = OtherIgnore
			_, err = New(cfg)
			require.NoError(t, err, "nobody reads them")
		}
	}
}
