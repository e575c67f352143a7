package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/konsulin-care/konsulin-bot/internal/app"
	"github.com/spf13/cobra"
)

func newFHIR(load loader) *cobra.Command {
	group := &cobra.Command{Use: "fhir", Short: "Look after the Patients on the FHIR server"}
	group.AddCommand(newScan(load))
	return group
}

func newScan(load loader) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "scan",
		Short: "Report numbers and users that have more than one live resource; writes nothing",
		Long: "Reads every Patient, Practitioner and Person on the FHIR server and reports numbers and user ids that more " +
			"than one live resource of a type has.\nIt writes nothing: which of them is the right one is for a person to say.",
		Example: "  konsulin-bot fhir scan --json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return operate(cmd, load, func(ctx context.Context, o *app.Operator) error {
				found := []app.DuplicateView{}
				if err := o.Scan(ctx, func(d app.DuplicateView) { found = append(found, d) }); err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), found)
				}
				for _, d := range found {
					if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s %s: %s\n", d.Of, d.Who, strings.Join(d.References, " ")); err != nil {
						return err
					}
				}
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "duplicates: %d\n", len(found))
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "for a script")
	return cmd
}
