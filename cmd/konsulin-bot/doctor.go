package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/konsulin-care/konsulin-bot/internal/app"
	"github.com/spf13/cobra"
)

// errUnwell is how doctor ends when something is broken: the findings have said it all.
var errUnwell = errors.New("something needs to be mended; see the lines that begin with fail")

// diagnosis is what doctor --json prints.
type diagnosis struct {
	Findings []app.Finding `json:"findings"`
	Summary  app.CheckUp   `json:"summary"`
}

func newDoctor(load loader) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look into everything that logins need, and say what to do about what is wrong",
		Long: "Looks into configuration, files, clock, database, line, service, core, FHIR server, webhook and public address. Each " +
			"line says ok, warn or fail, and what to do.\nIt changes nothing and does not connect to WhatsApp, so it may run " +
			"beside a serve. To learn how long links live it makes a code for the bot's own number at the core, and revokes it at once.\n\n" +
			"Exit codes: 0 nothing is broken (there may be warnings), 1 something is, 2 wrong flags or configuration.",
		Example: "  konsulin-bot doctor\n  konsulin-bot doctor --json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := load(cmd)
			if err != nil {
				return err
			}
			d := diagnosis{Findings: []app.Finding{}}
			d.Summary, err = app.Doctor(cmd.Context(), cfg, app.DoctorOptions{ConfigFile: configPath(cmd), LogTo: cmd.ErrOrStderr()},
				func(f app.Finding) {
					d.Findings = append(d.Findings, f)
					if !asJSON {
						printFinding(cmd.OutOrStdout(), f)
					}
				})
			switch {
			case err != nil:
				return err
			case asJSON:
				err = printJSON(cmd.OutOrStdout(), d)
			default:
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d ok, %d warn, %d fail\n", d.Summary.OK, d.Summary.Warn, d.Summary.Fail)
			}
			if err == nil && d.Summary.Fail > 0 {
				err = errUnwell
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "for a script")
	return cmd
}

func printFinding(out io.Writer, f app.Finding) {
	_, _ = fmt.Fprintf(out, "%-4s  %-13s  %s\n", f.Level, f.Area, f.Says) // who does not read on sees the exit code
	if f.Do != "" {
		_, _ = fmt.Fprintf(out, "%-4s  %-13s  → %s\n", "", "", f.Do)
	}
}
