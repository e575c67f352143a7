package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/user"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/app"
	"github.com/spf13/cobra"
)

func newJobs(load loader) *cobra.Command {
	group := &cobra.Command{
		Use:   "jobs",
		Short: "List, explain and retry the work that follows a sign-in",
		Long: "Works beside a running serve, through the database. A dead job failed so often, or so thoroughly, that a " +
			"person must look at it.\nA case is a question that only a person can answer: whose Patient is this?",
	}
	group.AddCommand(newJobsList(load), newJobsExplain(load), newJobsRetry(load),
		newCases(load), newApprove(load), newSeparate(load))
	return group
}

// operate runs f with the database open.
func operate(cmd *cobra.Command, load loader, f func(ctx context.Context, o *app.Operator) error) (err error) {
	cfg, err := load(cmd)
	if err != nil {
		return err
	}
	o, err := app.Operate(cmd.Context(), cfg, operatorName(), cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.Close()) }()
	return f(cmd.Context(), o)
}

// operatorName is who is at the terminal, for the audit.
func operatorName() string {
	u, err := user.Current()
	if err != nil {
		return "operator"
	}
	return "operator " + u.Username
}

func newJobsList(load loader) *cobra.Command {
	var asJSON bool
	var states []string
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List jobs, youngest first: the dead and the waiting ones, unless told otherwise",
		Example: "  konsulin-bot jobs list --state dead\n  konsulin-bot jobs list --json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return operate(cmd, load, func(ctx context.Context, o *app.Operator) error {
				found, err := o.Jobs(ctx, states...)
				if errors.Is(err, app.ErrUnknownState) {
					return usageError{err}
				}
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), found)
				}
				return printJobs(cmd.OutOrStdout(), found)
			})
		},
	}
	cmd.Flags().StringSliceVar(&states, "state", nil, "waiting, running, done or dead; several with commas")
	cmd.Flags().BoolVar(&asJSON, "json", false, "for a script")
	return cmd
}

func printJobs(out io.Writer, found []app.JobView) error {
	if len(found) == 0 {
		_, err := fmt.Fprintln(out, "no jobs")
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "ID\tKIND\tSTATE\tFAILED\tADDED\tREASON")
	for _, j := range found {
		_, _ = fmt.Fprintf(w, "%d\t%s\t%s\t%d\t%s\t%s\n", j.ID, j.Kind, j.State, j.Attempts, at(j.Added), j.Reason)
	}
	return w.Flush()
}

func newJobsExplain(load loader) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "explain <job>",
		Short:   "Say what a job is for, how it stands, and what to do about it",
		Example: "  konsulin-bot jobs explain 42",
		Args:    oneArg("the id of a job, as jobs list shows it"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := parseID(args[0])
			if err != nil {
				return err
			}
			return operate(cmd, load, func(ctx context.Context, o *app.Operator) error {
				j, err := o.Explain(ctx, id)
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), j)
				}
				return printJob(cmd.OutOrStdout(), j)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "for a script")
	return cmd
}

func printJob(out io.Writer, j app.JobView) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, line := range [][2]string{
		{"job", fmt.Sprint(j.ID)}, {"kind", j.Kind}, {"does", j.Does}, {"state", string(j.State)}, {"failed", fmt.Sprint(j.Attempts)},
		{"added", at(j.Added)}, {"next run", at(j.Next)}, {"ended", at(j.Ended)}, {"reason", j.Reason}, {"to do", j.Advice},
	} {
		if line[1] != "" {
			_, _ = fmt.Fprintf(w, "%s:\t%s\n", line[0], line[1])
		}
	}
	return w.Flush()
}

func newJobsRetry(load loader) *cobra.Command {
	return &cobra.Command{
		Use:     "retry <job|all>",
		Short:   "Have a dead job, or all of them, run again",
		Example: "  konsulin-bot jobs retry 42\n  konsulin-bot jobs retry all",
		Args:    oneArg("the id of a dead job, or all"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := parseID(args[0])
			if err != nil && args[0] != "all" {
				return err
			}
			return operate(cmd, load, func(ctx context.Context, o *app.Operator) error {
				n := 1
				if args[0] == "all" {
					n, err = o.RetryAll(ctx)
				} else {
					err = o.Retry(ctx, id)
				}
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "jobs that run again: %d\n", n)
				return err
			})
		},
	}
}

func newCases(load loader) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "cases",
		Short:   "List the users whose Patient waits for a person's decision",
		Example: "  konsulin-bot jobs cases",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return operate(cmd, load, func(ctx context.Context, o *app.Operator) error {
				found, err := o.Cases(ctx)
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), found)
				}
				return printCases(cmd.OutOrStdout(), found)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "for a script")
	return cmd
}

func printCases(out io.Writer, found []app.CaseView) error {
	if len(found) == 0 {
		_, err := fmt.Fprintln(out, "no cases")
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "CASE\tUSER\tNUMBER\tWHY\tCANDIDATES\tSINCE")
	for _, c := range found {
		_, _ = fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\n", c.ID, c.UserID, c.Number, c.Why, strings.Join(c.Candidates, " "), at(c.Opened))
	}
	return w.Flush()
}

func newApprove(load loader) *cobra.Command {
	return &cobra.Command{
		Use:   "approve <case> [resource]",
		Short: "It is the same person: add the user to the resource, beside whom it has",
		Long: "Adds the user's id to the resource; nothing on it is overwritten. Name the resource when the case has " +
			"several.",
		Example: "  konsulin-bot jobs approve 3 Patient/abc",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return usageError{errors.New("needed: the id of a case, as jobs cases shows it, and maybe a resource")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := parseID(args[0])
			if err != nil {
				return err
			}
			ref := ""
			if len(args) == 2 {
				ref = args[1]
			}
			return operate(cmd, load, func(ctx context.Context, o *app.Operator) error {
				if err := o.Approve(ctx, id, ref); err != nil {
					return err
				}
				_, err := fmt.Fprintln(cmd.OutOrStdout(), "approved; the user is linked in a moment")
				return err
			})
		},
	}
}

func newSeparate(load loader) *cobra.Command {
	return &cobra.Command{
		Use:     "separate <case>",
		Short:   "It is somebody else: give the user a resource of their own",
		Example: "  konsulin-bot jobs separate 3",
		Args:    oneArg("the id of a case, as jobs cases shows it"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := parseID(args[0])
			if err != nil {
				return err
			}
			return operate(cmd, load, func(ctx context.Context, o *app.Operator) error {
				if err := o.Separate(ctx, id); err != nil {
					return err
				}
				_, err := fmt.Fprintln(cmd.OutOrStdout(), "separated; the user gets a resource of their own in a moment")
				return err
			})
		},
	}
}

// oneArg wants one argument and says what it is.
func oneArg(what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usageError{errors.New("needed: " + what)}
		}
		return nil
	}
}

func parseID(s string) (int64, error) {
	id, err := strconv.ParseInt(s, 10, 64)
	if err != nil || id <= 0 {
		return 0, usageError{fmt.Errorf("%q is no id", s)}
	}
	return id, nil
}

func printJSON(out io.Writer, v any) error {
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// at writes a time for people; nothing for no time.
func at(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format(time.DateTime)
}
