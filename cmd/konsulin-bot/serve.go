package main

import (
	"github.com/konsulin-care/konsulin-bot/internal/app"
	"github.com/spf13/cobra"
)

func newServe(load loader, p process) *cobra.Command {
	var newSealKey bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Answer logins until told to stop",
		Long: "Answer logins until told to stop (SIGINT or SIGTERM; a second one ends at once).\n\n" +
			"Pair the account first: konsulin-bot pair.",
		Example: "  konsulin-bot serve --config config.yaml",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := load(cmd)
			if err != nil {
				return err
			}
			bot, err := app.New(cmd.Context(), cfg, app.Options{Line: p.line, LogTo: cmd.ErrOrStderr(), Version: p.version, NewSealKey: newSealKey})
			if err != nil {
				return err
			}
			return bot.Run(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&newSealKey, "new-seal-key", false, "the key that the database knows is lost: go on with the present one; links on their way die")
	return cmd
}
