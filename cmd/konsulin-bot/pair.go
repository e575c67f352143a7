package main

import (
	"github.com/konsulin-care/konsulin-bot/internal/app"
	"github.com/spf13/cobra"
)

func newPair(load loader, p process) *cobra.Command {
	var byCode, replace bool
	cmd := &cobra.Command{
		Use:   "pair",
		Short: "Link the WhatsApp account of whatsapp.number to this bot",
		Long: "Link the WhatsApp account of whatsapp.number to this bot.\n\n" +
			"On the phone: WhatsApp → Settings → Linked devices → Link a device, then scan the QR code that appears here. " +
			"With --code, choose “Link with phone number instead” there and type the code that appears here.",
		Example: "  konsulin-bot pair\n  konsulin-bot pair --code",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := load(cmd)
			if err != nil {
				return err
			}
			return app.Pair(cmd.Context(), cfg, app.PairOptions{Line: p.line, ByCode: byCode, Replace: replace, Out: cmd.OutOrStdout(), LogTo: cmd.ErrOrStderr()})
		},
	}
	cmd.Flags().BoolVar(&byCode, "code", false, "pair by a code to type on the phone instead of a QR code to scan")
	cmd.Flags().BoolVar(&replace, "replace", false, "link anew although an account is linked; remove the old link on its phone by hand")
	return cmd
}
