package web

import (
	"encoding/json"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEveryLanguageHasEveryKey(t *testing.T) {
	t.Parallel()
	files, err := fs.Glob(textFiles, "text/*.json")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 2)
	all := map[string]map[string]string{}
	for _, f := range files {
		body, err := textFiles.ReadFile(f)
		require.NoError(t, err)
		words := map[string]string{}
		require.NoError(t, json.Unmarshal(body, &words))
		require.Equal(t, len(words), strings.Count(string(body), `": "`), "%s: a key stands twice", f)
		all[f] = words
	}
	want := all["text/en.json"]
	for f, words := range all {
		require.Equal(t, slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(words)), f)
		for key, text := range words {
			require.NotEmpty(t, strings.TrimSpace(text), "%s: %s", f, key)
			require.Equal(t, strings.Count(want[key], "{}"), strings.Count(text, "{}"), "%s: %s", f, key)
		}
	}
}

func TestEveryKeyIsUsed(t *testing.T) {
	t.Parallel()
	var source strings.Builder
	for _, pattern := range []string{"templates/*.html"} {
		files, err := fs.Glob(templateFiles, pattern)
		require.NoError(t, err)
		for _, f := range files {
			body, err := templateFiles.ReadFile(f)
			require.NoError(t, err)
			source.Write(body)
		}
	}
	// Chosen in Go code.
	source.WriteString(`"gone.used" "gone.expired" "error.notFound" "error.other" "error.unavailable" "code.error" "code.gone" "code.other" "code.wrong" "code.wrongLast"`)
	english, err := textFiles.ReadFile("text/en.json")
	require.NoError(t, err)
	for _, key := range regexp.MustCompile(`(?m)^\s+("[a-zA-Z0-9.]+"):`).FindAllStringSubmatch(string(english), -1) {
		require.Contains(t, source.String(), key[1])
	}
}

func TestUnknownKeyIsAnErrorAndNotAnEmptyPlace(t *testing.T) {
	t.Parallel()
	words, err := loadTexts([]string{"en"})
	require.NoError(t, err)
	_, err = words.say("en", "no.such.key")
	require.ErrorContains(t, err, "no.such.key")
}
