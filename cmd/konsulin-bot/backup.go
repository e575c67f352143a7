package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/konsulin-care/konsulin-bot/internal/app"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// pipe is the file name that means standard input or output.
const pipe = "-"

func newBackup(load loader, version string) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "backup <file|->",
		Short: "Copy everything that the bot remembers, while it runs",
		Long: "Writes a tar archive with both databases, their checksums and, when it lives in storage.dir, the sealing key.\n" +
			"Whoever has the archive can take over the WhatsApp link and read who signed in: keep it like a key.\n" +
			"The file is made with mode 0600 and must not be there yet; - writes to a pipe.\n\n" +
			"On PostgreSQL use its own tools instead; docs/operations.md says how.",
		Example: "  konsulin-bot backup /var/backups/konsulin-$(date +%F).tar\n  konsulin-bot backup - | age -r age1… > konsulin.tar.age",
		Args:    oneArg("the file to write, or - for a pipe"),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := load(cmd)
			if err != nil {
				return err
			}
			opt, told := app.BackupOptions{Version: version, Path: args[0]}, cmd.OutOrStdout()
			if args[0] == pipe {
				if isTerminal(cmd.OutOrStdout()) {
					return usageError{errors.New("a backup is no text for a terminal: name a file, or write to a pipe")}
				}
				opt.Path, opt.Out, told = "", cmd.OutOrStdout(), cmd.ErrOrStderr()
			}
			v, err := app.Backup(cmd.Context(), cfg, opt)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(told, v)
			}
			return printBackup(told, v)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "for a script; with - on standard error")
	return cmd
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func printBackup(out io.Writer, v app.BackupView) error {
	var size int64
	for _, f := range v.Files {
		size += f.Size
	}
	where := v.Path
	if where == "" {
		where = "the pipe"
	}
	_, err := fmt.Fprintf(out, "backup written to %s: %s (%d bytes, schema %d)\n", where, strings.Join(v.Names(), ", "), size, v.Schema)
	if err == nil && v.KeyApart {
		_, err = fmt.Fprintln(out, "The sealing key of auth.seal_key_file is not in it: back it up yourself.")
	}
	return err
}

func newRestore(load loader) *cobra.Command {
	var asJSON, inPlace bool
	var opt app.RestoreOptions
	cmd := &cobra.Command{
		Use:   "restore <file|->",
		Short: "Put a backup in the place of the data, and make it fit to go on from",
		Long: "Checks the backup, then puts it into storage.dir. It refuses while a serve runs there, and when there is data already: " +
			"with --replace that is kept beside the new.\nIt may be repeated. Interrupted, it leaves the old data or the new.\nMake sure that the bot which was backed up never starts again: WhatsApp " +
			"lets one of them speak.\n\n" +
			"What the chat was waiting for when the copy was made is not sent: those people tap again. Links that were sent " +
			"after it do not open any more.\n\n" +
			"--in-place does only what must follow when the database was restored by other means (pg_restore, a snapshot of the disk).",
		Example: "  konsulin-bot restore konsulin.tar\n  age -d konsulin.tar.age | konsulin-bot restore --replace -\n  konsulin-bot restore --in-place",
		Args: func(cmd *cobra.Command, args []string) error {
			if inPlace && len(args) == 0 {
				return nil
			}
			if inPlace {
				return usageError{errors.New("--in-place takes no file")}
			}
			return oneArg("the file to read, or - for a pipe")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := load(cmd)
			if err != nil {
				return err
			}
			var v app.RestoreView
			if inPlace {
				v, err = app.RestoreInPlace(cmd.Context(), cfg, nil)
			} else {
				v, err = restoreFrom(cmd, cfg, args[0], opt)
			}
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), v)
			}
			return printRestore(cmd.OutOrStdout(), v)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "for a script")
	cmd.Flags().BoolVar(&inPlace, "in-place", false, "the database is restored already: only make it fit to go on from")
	cmd.Flags().BoolVar(&opt.Replace, "replace", false, "although there is data already; it is kept beside the new")
	cmd.Flags().BoolVar(&opt.WithoutKey, "without-key", false, "although the sealing key is lost for good")
	return cmd
}

func restoreFrom(cmd *cobra.Command, cfg app.Config, path string, opt app.RestoreOptions) (v app.RestoreView, err error) {
	opt.From = cmd.InOrStdin()
	if path != pipe {
		f, err := os.Open(path)
		if err != nil {
			return v, err
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		opt.From = f
	}
	return app.Restore(cmd.Context(), cfg, opt)
}

func printRestore(out io.Writer, v app.RestoreView) error {
	what := "the database goes on"
	if !v.Made.IsZero() {
		what = "restored the backup of " + at(v.Made)
	}
	if _, err := fmt.Fprintf(out, "%s: schema %d, replies that are not sent: %d\n", what, v.Schema, v.Ended); err != nil {
		return err
	}
	if v.Kept != "" {
		if _, err := fmt.Fprintf(out, "What was there before is in %s; remove it when all is well.\n", v.Kept); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(out, "Start the bot: konsulin-bot serve")
	return err
}
