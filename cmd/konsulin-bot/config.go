package main

import (
	"fmt"

	"github.com/konsulin-care/konsulin-bot/internal/app"
	"github.com/spf13/cobra"
)

func newConfig(load loader) *cobra.Command {
	group := &cobra.Command{Use: "config", Short: "Check or print the configuration"}
	group.AddCommand(
		&cobra.Command{
			Use:     "check",
			Short:   "Say whether the configuration can be used, and which key is wrong if not",
			Example: "  konsulin-bot config check --config /etc/konsulin-bot/config.yaml",
			Args:    noArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				if _, err := load(cmd); err != nil {
					return err
				}
				_, err := fmt.Fprintln(cmd.OutOrStdout(), "configuration: ok")
				return err
			},
		},
		&cobra.Command{
			Use:     "print",
			Short:   "Print the configuration in force: file, environment and defaults; secrets hidden",
			Example: "  konsulin-bot config print",
			Args:    noArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				cfg, err := load(cmd)
				if err != nil {
					return err
				}
				return app.Print(cmd.OutOrStdout(), cfg)
			},
		},
	)
	return group
}
