package main

import (
	"fmt"
	"io"

	"github.com/konsulin-care/konsulin-bot/internal/app"
	"github.com/spf13/cobra"
)

func newMigrate(load loader) *cobra.Command {
	var asJSON, dryRun bool
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Bring the database's tables to this version, and say which steps that takes",
		Long: "Shows the steps that the database lacks and applies them, each in a transaction of its own. A database of a newer " +
			"version is refused.\nThe first serve of a new version does the same. Make a backup before, with the old binary: " +
			"there is no way back but a restore.",
		Example: "  konsulin-bot migrate --dry-run\n  konsulin-bot migrate",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := load(cmd)
			if err != nil {
				return err
			}
			v, err := app.Migrate(cmd.Context(), cfg, !dryRun, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), v)
			}
			return printMigration(cmd.OutOrStdout(), v)
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only show the steps")
	cmd.Flags().BoolVar(&asJSON, "json", false, "for a script")
	return cmd
}

func printMigration(out io.Writer, v app.MigrationView) error {
	if len(v.Steps) == 0 {
		_, err := fmt.Fprintf(out, "schema %d: nothing to do\n", v.Schema)
		return err
	}
	done := "to apply"
	if v.Applied {
		done = "applied"
	}
	for _, step := range v.Steps {
		if _, err := fmt.Fprintf(out, "%s: %d %s\n", done, step.Version, step.Name); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(out, "schema: %d → %d\n", v.Schema, v.Known)
	return err
}
