package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// shown is what the scripts have a subcommand do.
type shown struct{ succeeds, fails, printsJSON bool }

// leaves are the subcommands that do something.
func leaves(cmd *cobra.Command) []*cobra.Command {
	if !cmd.HasSubCommands() {
		return []*cobra.Command{cmd}
	}
	var all []*cobra.Command
	for _, sub := range cmd.Commands() {
		if sub.Name() != "help" {
			all = append(all, leaves(sub)...)
		}
	}
	return all
}

// runs finds in a line of a script the command line of the product and whether it must fail.
var runs = regexp.MustCompile(`^(exec|exits [12]) (?:sh -c ')?konsulin-bot ([^'>&]*)`)

// read notes what the lines of a script show. A --json whose output is not read at once shows nothing.
func read(t *testing.T, script string, of map[string]*shown) {
	t.Helper()
	lines := strings.Split(script, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "pair-by-code") {
			line = "exec konsulin-bot pair --code"
		}
		found := runs.FindStringSubmatch(line)
		if found == nil {
			require.NotContains(t, line, "! exec konsulin-bot", "say with which code it exits")
			continue
		}
		cmd, _, err := newRoot(process{}).Find(strings.Fields(found[2]))
		if err != nil || of[cmd.CommandPath()] == nil {
			continue // a name that is none, or a group
		}
		s := of[cmd.CommandPath()]
		s.succeeds = s.succeeds || found[1] == "exec"
		s.fails = s.fails || found[1] != "exec"
		if strings.Contains(line, "--json") && found[1] == "exec" {
			require.Less(t, i+1, len(lines), line)
			s.printsJSON = s.printsJSON || strings.HasPrefix(lines[i+1], "json ")
		}
	}
}

// missing says what the scripts do not show of which subcommand.
func missing(of map[string]*shown) []string {
	var all []string
	for _, cmd := range leaves(newRoot(process{})) {
		s := of[cmd.CommandPath()]
		for what, is := range map[string]bool{"success": s.succeeds, "failure": s.fails,
			"--json": s.printsJSON || cmd.Flag("json") == nil} {
			if !is {
				all = append(all, fmt.Sprintf("%s: no %s", cmd.CommandPath(), what))
			}
		}
	}
	return all
}

// TestEverySubcommandHasItsScripts: each subcommand, also a new one, is run by a script that succeeds and by one that
// fails with the documented code, and what it prints for scripts is read by one.
func TestEverySubcommandHasItsScripts(t *testing.T) {
	t.Parallel()
	of := map[string]*shown{}
	for _, cmd := range leaves(newRoot(process{})) {
		of[cmd.CommandPath()] = &shown{}
		require.NotEmpty(t, cmd.Short, cmd.CommandPath())
		require.True(t, cmd.Example != "" || strings.HasPrefix(cmd.CommandPath(), "konsulin-bot completion "),
			"%s: help shows an example", cmd.CommandPath())
	}
	require.Greater(t, len(of), 20)
	require.Contains(t, missing(of), "konsulin-bot jobs approve: no success", "the check can fail")
	require.Contains(t, missing(of), "konsulin-bot jobs list: no --json")
	files, err := filepath.Glob("testdata/script/*.txtar")
	require.NoError(t, err)
	scripts := map[string]bool{}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		require.NoError(t, err)
		read(t, string(raw), of)
		scripts[strings.TrimSuffix(filepath.Base(f), ".txtar")] = true
	}
	require.Empty(t, missing(of))
	for _, c := range newRoot(process{}).Commands() {
		require.True(t, c.Name() == "help" || scripts[c.Name()], "a script named %s", c.Name())
		delete(scripts, c.Name())
	}
	require.Empty(t, scripts, "scripts of no subcommand")
}
