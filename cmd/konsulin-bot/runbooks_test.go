package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/konsulin-care/konsulin-bot/internal/app"
	"github.com/stretchr/testify/require"
)

// commandsIn are the commands of ours that a text has as code.
func commandsIn(text string) (found [][]string) {
	for _, m := range regexp.MustCompile("(?m)(?:`|^)konsulin-bot ([a-z][^`\n#|]*)").FindAllStringSubmatch(text, -1) {
		found = append(found, strings.Fields(m[1]))
	}
	return found
}

// TestEveryCommandInTheRunbooksExists: at three in the morning is no time to find out that one does not.
func TestEveryCommandInTheRunbooksExists(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"../../docs/ops/runbooks.md", "../../docs/operations.md", "../../README.md"} {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		commands := commandsIn(string(text))
		require.NotEmpty(t, commands, path)
		for _, args := range commands {
			whole := "konsulin-bot " + strings.Join(args, " ")
			cmd, rest, err := newRoot(process{}).Find(args)
			require.NoError(t, err, whole)
			require.True(t, !cmd.HasSubCommands() || len(rest) == 0, whole)
			require.NotEqual(t, "konsulin-bot", cmd.Name(), whole)
			if !strings.Contains(whole, "…") {
				require.NoError(t, cmd.ParseFlags(rest), whole)
			}
		}
	}
	for _, args := range [][]string{{"no-such-command"}, {"jobs", "no-such-command"}} {
		cmd, rest, err := newRoot(process{}).Find(args)
		require.True(t, err != nil || cmd.HasSubCommands() && len(rest) > 0, "the check can fail")
	}
}

// TestThereIsARunbookForWhatWillHappen: each with what to do and what users see meanwhile.
func TestThereIsARunbookForWhatWillHappen(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/ops/runbooks.md")
	require.NoError(t, err)
	books := map[string]string{}
	for _, book := range regexp.MustCompile(`(?m)^##+ `).Split(string(text), -1) {
		title, body, _ := strings.Cut(book, "\n")
		books[title] = body
	}
	for _, title := range []string{"Logged out", "Banned or limited", "Outdated client", "Lost phone", "Changed number", "Moved host",
		"Rotated secrets", "Upgraded schema"} {
		require.Contains(t, books[title], "**Do**", title)
		require.Contains(t, books[title], "**Users see**", title)
	}
}

// TestTheUnitAndTheImageStartWhatThereIs: their commands and variables are ours.
func TestTheUnitAndTheImageStartWhatThereIs(t *testing.T) {
	t.Parallel()
	variables := map[string]string{"KONSULIN_WHATSAPP_NUMBER": "+6281234567890"}
	for _, path := range []string{"../../deploy/konsulin-bot.service", "../../deploy/Dockerfile", "../../deploy/compose.yaml"} {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		found := regexp.MustCompile(`(KONSULIN_[A-Z_]+)(?:=|: )([^\s\\]+)`).FindAllStringSubmatch(string(text), -1)
		require.NotEmpty(t, found, path)
		for _, m := range found {
			variables[m[1]] = m[2]
		}
	}
	environ := []string{}
	for name, value := range variables {
		if !strings.HasSuffix(name, "_FILE") {
			environ = append(environ, name+"="+value)
		}
	}
	secret := configFile(t, "secret")
	environ = append(environ, "KONSULIN_STORAGE_DSN_FILE="+secret, "KONSULIN_AUTH_API_KEY_FILE="+secret)
	_, err := app.Load("", environ)
	require.NoError(t, err)
	for _, args := range [][]string{{"serve"}, {"health"}, {"pair"}} {
		_, _, err := newRoot(process{}).Find(args)
		require.NoError(t, err)
	}
}

// TestSystemdTakesTheUnit: it finds nothing to complain of, and little that the process could do to the machine.
func TestSystemdTakesTheUnit(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("there is no systemd-analyze here")
	}
	text, err := os.ReadFile("../../deploy/konsulin-bot.service")
	require.NoError(t, err)
	self, err := os.Executable()
	require.NoError(t, err)
	run := func(unit string, args ...string) (string, error) {
		path := filepath.Join(t.TempDir(), "konsulin-bot.service")
		require.NoError(t, os.WriteFile(path, []byte(unit), 0o600))
		out, err := exec.CommandContext(t.Context(), analyze, append(args, path)...).CombinedOutput()
		return string(out), err
	}
	unit := strings.ReplaceAll(string(text), "ExecStart=/usr/local/bin/konsulin-bot", "ExecStart="+self)
	out, err := run(unit, "verify")
	require.NoError(t, err, out)
	require.Empty(t, out)
	out, _ = run(strings.ReplaceAll(unit, "WatchdogSec=", "WatchdogSecs="), "verify")
	require.NotEmpty(t, out, "the check can fail")
	out, err = run(unit, "security", "--offline=true", "--no-pager", "--threshold=15") // tenths
	require.NoError(t, err, out)
	out, err = run(strings.ReplaceAll(unit, "ProtectSystem=strict", "ProtectSystem=no"), "security", "--offline=true", "--no-pager", "--threshold=12")
	require.Error(t, err, out)
}
