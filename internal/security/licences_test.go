package security_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/konsulin-care/konsulin-bot/internal/security"
	"github.com/stretchr/testify/require"
)

// licences are those that may be combined with AGPL-3.0, each with words that only its text has. The first that fits is it.
func licences() [][2]string {
	return [][2]string{
		{"GPL-3.0", `(?i)GNU\s+GENERAL\s+PUBLIC\s+LICENSE\s+Version 3`},
		{"MPL-2.0", `(?i)Mozilla\s+Public\s+License,?\s+(Version|v\.)\s+2\.0`},
		{"Apache-2.0", `Apache License\s+Version 2\.0`},
		{"MIT", `(?i)Permission\s+is\s+hereby\s+granted,\s+free\s+of\s+charge,\s+to\s+any\s+person\s+obtaining\s+a\s+copy`},
		{"ISC", `(?i)Permission\s+to\s+use,\s+copy,\s+modify,\s+and(/or)?\s+distribute`},
		{"BSD-3-Clause", `(?is)Redistribution\s+and\s+use.*Neither\s+the\s+names?`},
		{"BSD-2-Clause", `(?i)Redistribution\s+and\s+use\s+in\s+source\s+and\s+binary\s+forms`},
	}
}

// licenceOf reads the licence in a module's own directory; empty: none that is known here.
func licenceOf(t *testing.T, dir string) string {
	for up := 0; up < 3; up, dir = up+1, filepath.Dir(dir) { // a module in a subdirectory may leave its licence above
		files, err := os.ReadDir(dir)
		require.NoError(t, err)
		for _, f := range files {
			if !regexp.MustCompile(`(?i)^(licen[cs]e|copying)(\.|-|$)`).MatchString(f.Name()) || f.IsDir() {
				continue
			}
			text, err := os.ReadFile(filepath.Join(dir, f.Name()))
			require.NoError(t, err)
			for _, l := range licences() {
				if regexp.MustCompile(l[1]).Match(text) {
					return l[0]
				}
			}
		}
	}
	return ""
}

// TestEveryModuleInTheBinaryHasACompatibleLicence reads the licence of every module that is linked into the binary, also of
// those that others bring along, where the module itself keeps it, and compares those that docs/dependencies.md lists.
func TestEveryModuleInTheBinaryHasACompatibleLicence(t *testing.T) {
	t.Parallel()
	here, err := os.Getwd()
	require.NoError(t, err)
	root, err := security.Root(here)
	require.NoError(t, err)
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f",
		"{{with .Module}}{{if not .Main}}{{.Path}} {{.Dir}}{{end}}{{end}}", "./cmd/konsulin-bot")
	list.Dir = root
	out, err := list.Output()
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	slices.Sort(lines)
	modules := slices.Compact(lines)
	require.Greater(t, len(modules), 20)
	raw, err := os.ReadFile(filepath.Join(root, "docs", "dependencies.md"))
	require.NoError(t, err)
	listed := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^\| (\S+) \| ([A-Z][\w.-]+) \|`).FindAllStringSubmatch(string(raw), -1) {
		listed[m[1]] = m[2]
	}
	checked := 0
	for _, line := range modules {
		path, dir, _ := strings.Cut(line, " ")
		if path == "" {
			continue
		}
		found := licenceOf(t, dir)
		require.NotEmpty(t, found, "%s has no licence that is known to fit AGPL-3.0: see %s", path, dir)
		if told, ok := listed[path]; ok {
			require.Equal(t, told, found, "docs/dependencies.md about %s", path)
			checked++
		}
	}
	require.Greater(t, checked, 15)
}
