package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/app"
	"github.com/spf13/cobra"
)

func newAudit(load loader) *cobra.Command {
	var want app.AuditFilter
	var since string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "List what happened: links, sign-ins, decisions, what admins did",
		Long: "Lists the audit, oldest first. Numbers are masked; --number finds the rows of one.\n" +
			"With --json each row is an object on a line of its own.",
		Example: "  konsulin-bot audit --since 24h\n  konsulin-bot audit --number +6281234567890 --since 2026-01-31\n" +
			"  konsulin-bot audit --event sign-in --since 720h --json",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if want.Since, err = readSince(since, time.Now()); err != nil {
				return err
			}
			cfg, err := load(cmd)
			if err != nil {
				return err
			}
			n := 0
			err = app.Audit(cmd.Context(), cfg, want, func(v app.AuditView) error {
				n++
				if asJSON {
					return json.NewEncoder(cmd.OutOrStdout()).Encode(v)
				}
				_, err := fmt.Fprintln(cmd.OutOrStdout(), auditLine(v))
				return err
			})
			switch {
			case errors.Is(err, app.ErrNotANumber):
				return usageError{fmt.Errorf("--number: %w", err)}
			case err == nil && n == 0 && !asJSON:
				_, err = fmt.Fprintln(cmd.OutOrStdout(), "nothing")
			}
			return err
		},
	}
	cmd.Flags().StringVar(&want.Number, "number", "", "rows of this number")
	cmd.Flags().StringVar(&want.UserID, "user", "", "rows of this SuperTokens user id")
	cmd.Flags().StringVar(&want.Event, "event", "", "rows of this event, such as sign-in")
	cmd.Flags().StringVar(&since, "since", "168h", "rows not older than this: 24h, or a day such as 2026-01-31, or all")
	cmd.Flags().BoolVar(&asJSON, "json", false, "for a script")
	return cmd
}

// readSince reads how far back to look.
func readSince(s string, now time.Time) (time.Time, error) {
	if s == "all" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(s); err == nil && d > 0 {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.DateOnly, time.DateTime, time.RFC3339} {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usageError{fmt.Errorf("--since %q: write 24h, 2026-01-31, 2026-01-31T15:04:05Z or all", s)}
}

func auditLine(v app.AuditView) string {
	parts := []string{at(v.At), v.Event}
	for _, p := range []string{v.Number, v.UserID} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	if len(v.Detail) > 0 {
		if raw, err := json.Marshal(v.Detail); err == nil {
			parts = append(parts, string(raw))
		}
	}
	return strings.Join(parts, "  ")
}
