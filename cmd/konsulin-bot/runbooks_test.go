package main

import (
	"os"
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
	for _, path := range []string{"../../docs/ops/runbooks.md", "../../README.md"} {
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
