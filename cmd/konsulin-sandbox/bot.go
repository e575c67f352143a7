package main

import (
	"encoding/hex"
	"errors"
	"os"

	"github.com/konsulin-care/konsulin-bot/internal/app"
	"github.com/konsulin-care/konsulin-bot/sandbox/whatsapp"
	"github.com/spf13/cobra"
)

// newBot runs the bot in a process of its own, joined to a stand-in WhatsApp server in another one. Tests kill it.
func newBot() *cobra.Command {
	var config, line, rootKey string
	var byCode bool
	group := &cobra.Command{
		Use:   "bot",
		Short: "Run the bot alone, joined to a stand-in WhatsApp server that runs in another process",
	}
	join := func() (app.Config, app.Options, error) {
		key, err := hex.DecodeString(rootKey)
		if err != nil || len(key) != 32 {
			return app.Config{}, app.Options{}, errors.New("--root-key must be 64 hexadecimal digits, as the server prints them")
		}
		whatsapp.Trust([32]byte(key))
		cfg, err := app.Load(config, os.Environ())
		return cfg, app.Options{Line: whatsapp.HTTPClient(line), Version: "sandbox"}, err
	}
	serve := &cobra.Command{
		Use:   "serve",
		Short: "As konsulin-bot serve",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, opt, err := join()
			if err != nil {
				return err
			}
			opt.LogTo = cmd.ErrOrStderr()
			bot, err := app.New(cmd.Context(), cfg, opt)
			if err != nil {
				return err
			}
			return bot.Run(cmd.Context())
		},
	}
	pair := &cobra.Command{
		Use:   "pair",
		Short: "As konsulin-bot pair",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, opt, err := join()
			if err != nil {
				return err
			}
			return app.Pair(cmd.Context(), cfg, app.PairOptions{
				ByCode: byCode, Out: cmd.OutOrStdout(), LogTo: cmd.ErrOrStderr(), Line: opt.Line,
			})
		},
	}
	pair.Flags().BoolVar(&byCode, "code", false, "pair by a code to type on the phone")
	group.PersistentFlags().StringVar(&config, "config", "", "configuration file")
	group.PersistentFlags().StringVar(&line, "line", "", "address of the stand-in WhatsApp server (127.0.0.1:port)")
	group.PersistentFlags().StringVar(&rootKey, "root-key", "", "its root key, in hexadecimal digits")
	group.AddCommand(serve, pair)
	return group
}
