package main

import (
	"errors"
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

func newRoot(version string) *cobra.Command {
	var path string
	root := &cobra.Command{
		Use:   "konsulin-bot",
		Short: "Login with WhatsApp: a chat message in, a magic link out, a session in the browser",
		Long: "konsulin-bot answers the login message that people send on WhatsApp with a magic link, and signs them in " +
			"when they open it.\n\nExit codes: 0 done, 1 something went wrong, 2 wrong flags or configuration.",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.PersistentFlags().StringVarP(&path, "config", "c", "config.yaml", "configuration file; without one, defaults and KONSULIN_… variables")
	load := func(cmd *cobra.Command) (app.Config, error) { return loadConfig(cmd, path) }
	root.AddCommand(newServe(load, version), newPair(load), newConfig(load), newJobs(load), newFHIR(load),
		newHealth(load), newAudit(load), newMigrate(load), newBackup(load, version), newRestore(load), newVersion(version))
	return root
}

type loader func(cmd *cobra.Command) (app.Config, error)

// loadConfig reads the file; the default one may be absent, a named one may not.
func loadConfig(cmd *cobra.Command, path string) (app.Config, error) {
	if !cmd.Flags().Changed("config") {
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			path = ""
		}
	}
	cfg, err := app.Load(path, os.Environ())
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
