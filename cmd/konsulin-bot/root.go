package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/konsulin-care/konsulin-bot/internal/app"
	"github.com/spf13/cobra"
)

// What the process ends with.
const (
	exitOK     = 0
	exitFailed = 1 // it ran and something went wrong; the message says what to do
	exitUsage  = 2 // wrong flags, or a configuration that cannot be used
)

// usageError marks mistakes in flags and configuration.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func exitCode(err error) int {
	var usage usageError
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitFailed
}

func newRoot(p process) *cobra.Command {
	root := &cobra.Command{
		Use:   "konsulin-bot",
		Short: "Login with WhatsApp: a chat message in, a magic link out, a session in the browser",
		Long: "konsulin-bot answers the login message that people send on WhatsApp with a magic link, and signs them in " +
			"when they open it.\n\nExit codes: 0 done, 1 something went wrong, 2 wrong flags or configuration.",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.PersistentFlags().StringP("config", "c", "config.yaml", "configuration file; without one, defaults and KONSULIN_… variables")
	load := loader(loadConfig)
	root.AddCommand(newServe(load, p), newPair(load, p), newConfig(load), newJobs(load), newFHIR(load),
		newHealth(load), newDoctor(load), newAudit(load), newMigrate(load), newBackup(load, p.version), newRestore(load), newVersion(p.version))
	root.InitDefaultCompletionCmd()
	wantSubcommand(root)
	return root
}

// wantSubcommand has commands that only hold others show their help, and refuse a name that is none of theirs. Wrong
// arguments of any command, also of those that the library brings, are mistakes of usage.
func wantSubcommand(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		wantSubcommand(sub)
	}
	if cmd.Runnable() {
		if check := cmd.Args; check != nil {
			cmd.Args = func(cmd *cobra.Command, args []string) error {
				if err := check(cmd, args); err != nil {
					return usageError{err}
				}
				return nil
			}
		}
		return
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usageError{fmt.Errorf("unknown command %q; see %s --help", args[0], cmd.CommandPath())}
		}
		return nil
	}
}

type loader func(cmd *cobra.Command) (app.Config, error)

// configPath is the file that is read; empty for none. The default one may be absent, a named one may not.
func configPath(cmd *cobra.Command) string {
	flag := cmd.Flag("config")
	if !flag.Changed {
		if _, err := os.Stat(flag.Value.String()); errors.Is(err, os.ErrNotExist) {
			return ""
		}
	}
	return flag.Value.String()
}

func loadConfig(cmd *cobra.Command) (app.Config, error) {
	cfg, err := app.Load(configPath(cmd), os.Environ())
	if err != nil {
		return app.Config{}, usageError{err}
	}
	return cfg, nil
}

func noArgs(cmd *cobra.Command, args []string) error {
	if err := cobra.NoArgs(cmd, args); err != nil {
		return usageError{err}
	}
	return nil
}
