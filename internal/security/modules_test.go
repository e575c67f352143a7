package security_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/konsulin-care/konsulin-bot/internal/security"
	"github.com/stretchr/testify/require"
)

// TestEveryModuleHasItsReason promises that docs/dependencies.md names each module that go.mod asks for by itself, and
// none that it does not.
func TestEveryModuleHasItsReason(t *testing.T) {
	t.Parallel()
	here, err := os.Getwd()
	require.NoError(t, err)
	root, err := security.Root(here)
	require.NoError(t, err)
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	raw, err := os.ReadFile(filepath.Join(root, "docs", "dependencies.md"))
	require.NoError(t, err)
	page := string(raw)

	asked := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\t(\S+\.\S+/\S+) v\S+$`).FindAllStringSubmatch(string(mod), -1) {
		asked[m[1]] = true
		name := m[1]
		if rest, ok := strings.CutPrefix(name, "golang.org/x/"); ok && !strings.Contains(rest, "/") {
			require.Regexp(t, `golang\.org/x/[a-z, ]*\b`+rest+`\b`, page)
			continue
		}
		require.Contains(t, page, "| "+name+" |")
	}
	require.Greater(t, len(asked), 15)
	for _, m := range regexp.MustCompile(`(?m)^\| (\S+/\S+) \| `).FindAllStringSubmatch(page, -1) {
		require.True(t, asked[m[1]], "%s is not in go.mod", m[1])
	}
}
