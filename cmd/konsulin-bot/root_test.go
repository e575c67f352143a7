package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// execute runs the command line and returns what it wrote and what the process would exit with.
func execute(t *testing.T, args ...string) (out string, code int, err error) {
	t.Helper()
	var b bytes.Buffer
	root := newRoot(process{version: "1.2.3"})
	root.SetArgs(args)
	root.SetOut(&b)
	root.SetErr(&b)
	err = root.ExecuteContext(context.Background())
	if err != nil {
		code = exitCode(err)
	}
	return b.String(), code, err
}

func configFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestVersionAndHelp(t *testing.T) {
	t.Parallel()
	out, _, err := execute(t, "version")
	require.NoError(t, err)
	require.Equal(t, "konsulin-bot 1.2.3\n", out)
	for _, args := range [][]string{{"--help"}, {"serve", "--help"}, {"pair", "--help"}, {"config", "--help"}, {"config", "check", "--help"}} {
		out, _, err := execute(t, args...)
		require.NoError(t, err)
		require.Contains(t, out, "Usage:")
	}
}

func TestMistakesExitWithTwoAndNameThemselves(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"unknown flag":     {[]string{"serve", "--nonsense"}, "nonsense"},
		"argument":         {[]string{"serve", "now"}, "now"},
		"absent file":      {[]string{"config", "check", "-c", filepath.Join(t.TempDir(), "absent.yaml")}, "absent.yaml"},
		"unknown key":      {[]string{"config", "check", "-c", configFile(t, "whatsapp:\n  numbr: x\n")}, ":2:"},
		"no number":        {[]string{"serve", "-c", configFile(t, "{}")}, "whatsapp.number"},
		"pair, bad number": {[]string{"pair", "-c", configFile(t, "whatsapp: {number: \"123\"}\n")}, "whatsapp.number"},
	} {
		_, code, err := execute(t, c.args...)
		require.ErrorContains(t, err, c.says, name)
		require.Equal(t, exitUsage, code, name)
	}
}

func TestConfigCheckAndPrint(t *testing.T) {
	t.Parallel()
	path := configFile(t, "whatsapp:\n  number: \"+6281234567890\"\nauth:\n  api_key: hunter2\n")
	out, _, err := execute(t, "config", "check", "-c", path)
	require.NoError(t, err)
	require.Contains(t, out, "ok")
	out, _, err = execute(t, "config", "print", "-c", path)
	require.NoError(t, err)
	require.Contains(t, out, "+6281234567890")
	require.NotContains(t, out, "hunter2")
}

func TestServeFailureExitsWithOne(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() // others may enter a test's temporary directory: too loose for health data
	require.NoError(t, os.Chmod(dir, 0o755))
	_, code, err := execute(t, "serve", "-c", configFile(t, "whatsapp:\n  number: \"+6281234567890\"\nstorage:\n  dir: "+dir+"\n"))
	require.ErrorContains(t, err, "chmod 700")
	require.Equal(t, exitFailed, code)
}
