package main

import (
	"context"
	"fmt"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/app"
	"github.com/spf13/cobra"
)

func newHealth(load loader) *cobra.Command {
	var ready, asJSON bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Ask the running serve on this machine whether it is alive",
		Long: "Ask the running serve on this machine whether it is alive: for the health check of a container, and for people.\n\n" +
			"With --ready it asks whether logins work now: line, database and SuperTokens core. A bot that is alive and not ready " +
			"needs a person or another system, not a restart.\n\nExit codes: 0 yes, 1 no (the message says why), 2 wrong flags or configuration.",
		Example: "  konsulin-bot health\n  konsulin-bot health --ready --json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := load(cmd)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			said, err := app.Health(ctx, cfg, ready)
			switch {
			case asJSON && said != nil:
				_, printed := fmt.Fprintln(cmd.OutOrStdout(), string(said))
				if err == nil {
					err = printed
				}
				return err
			case err != nil:
				return err
			case ready:
				_, err = fmt.Fprintln(cmd.OutOrStdout(), "ready: logins work")
			default:
				_, err = fmt.Fprintln(cmd.OutOrStdout(), "alive")
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&ready, "ready", false, "ask whether logins work now")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the answer as JSON")
	cmd.Flags().DurationVar(&timeout, "timeout", 5*time.Second, "longest wait for an answer")
	return cmd
}
