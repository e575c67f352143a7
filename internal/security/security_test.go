package security_test

import (
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/konsulin-care/konsulin-bot/internal/security"
	"github.com/stretchr/testify/require"
)

// TestThePageIsCurrent promises that docs/security.md lists what the list lists, with the tests where they stand, and that
// none of them was written down as anything but holding.
func TestThePageIsCurrent(t *testing.T) {
	t.Parallel()
	here, err := os.Getwd()
	require.NoError(t, err)
	root, err := security.Root(here)
	require.NoError(t, err)
	threats := security.Threats()
	places, err := security.Find(os.DirFS(root), threats)
	require.NoError(t, err)
	page, err := os.ReadFile(filepath.Join(root, "docs", "security.md"))
	require.NoError(t, err)
	require.Equal(t, security.Page(threats, places, func(string, string) string { return security.Passed }), string(page),
		"run make security")
}

func TestATestThatStandsNowhereIsAnError(t *testing.T) {
	t.Parallel()
	source := fstest.MapFS{
		"a/a_test.go":            {Data: []byte("package a\n\nfunc TestOne(t *testing.T) {}\n")},
		"b/b_test.go":            {Data: []byte("package b\n\nfunc TestOne(t *testing.T) {}\nfunc TestOneMore(t *testing.T) {}\n")},
		"b/b.go":                 {Data: []byte("package b\n\nfunc TestTwo(t *testing.T) {}\n")},
		".hidden/c_test.go":      {Data: []byte("package c\n\nfunc TestTwo(t *testing.T) {}\n")},
		"node_modules/d_test.go": {Data: []byte("package d\n\nfunc TestTwo(t *testing.T) {}\n")},
	}
	found, err := security.Find(source, []security.Threat{{Tests: []string{"One"}}})
	require.NoError(t, err)
	require.Equal(t, security.Places{"One": {"a", "b"}}, found)
	_, err = security.Find(source, []security.Threat{{Tests: []string{"One", "Two"}}})
	require.ErrorContains(t, err, "TestTwo stands nowhere")
}
