package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// demoFlags are where everything listens and where the bot keeps its data.
type demoFlags struct {
	page, site, line, core string
	fhir, omnichannel      string
	gateway                string
	beside                 bool   // the gateway hosts the link's page and consumes the code
	app                    string // origin of an application that links lead to; empty: the website
	data                   string
	lifetime               time.Duration // of a link
	reference, code        bool
	verbose                bool
}

const (
	botNumber = "6281110002000"
	botLID    = "110002000110002"
	phrase    = "Request login, authenticate me."
)

func newDemo() *cobra.Command {
	var f demoFlags
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "The whole login in your browser: a phone with a chat, the bot, the link",
		Long: "Starts a WhatsApp server, a SuperTokens core, a FHIR server, an omnichannel system and the bot on loopback,\n" +
			"pairs them, and serves a page with a phone on it. Nothing leaves this machine. Ctrl-C ends everything.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return demo(cmd.Context(), f, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&f.page, "page", "127.0.0.1:8090", "where the page with the phone is served")
	cmd.Flags().StringVar(&f.site, "site", "127.0.0.1:8080", "where the website is: an application, and the bot's pages below /auth")
	cmd.Flags().StringVar(&f.line, "line", "127.0.0.1:0", "where the WhatsApp server listens")
	cmd.Flags().StringVar(&f.core, "core", "127.0.0.1:0", "where the SuperTokens core listens")
	cmd.Flags().StringVar(&f.fhir, "fhir", "127.0.0.1:0", "where the FHIR server listens")
	cmd.Flags().StringVar(&f.omnichannel, "omnichannel", "127.0.0.1:0", "where the omnichannel webhook listens")
	cmd.Flags().StringVar(&f.app, "app", "", "an application on another origin, such as http://127.0.0.1:3000 for web/react/example, that draws the page of a link")
	cmd.Flags().BoolVar(&f.beside, "beside-gateway", false, "a stand-in for an existing Konsulin API hosts the link's page and consumes the code; the bot only answers and notices")
	cmd.Flags().StringVar(&f.gateway, "gateway", "127.0.0.1:8081", "where that stand-in listens")
	cmd.Flags().StringVar(&f.data, "data", "", "empty or new directory for the bot's data (default: a temporary one, removed at the end)")
	cmd.Flags().DurationVar(&f.lifetime, "lifetime", 15*time.Minute, "how long a link works")
	cmd.Flags().BoolVar(&f.reference, "reference", true, "as login.reference: the message names the login that it is for")
	cmd.Flags().BoolVar(&f.code, "code", false, "as login.desktop_code: the answer also carries a code for the page where the login began")
	cmd.Flags().BoolVarP(&f.verbose, "verbose", "v", false, "show the bot's log")
	return cmd
}

func demo(ctx context.Context, f demoFlags, out, log io.Writer) (err error) {
	for _, addr := range []string{f.page, f.site, f.line, f.core, f.fhir, f.omnichannel, f.gateway} {
		if err := loopback(addr); err != nil {
			return err
		}
	}
	if host, isHTTP := strings.CutPrefix(f.app, "http://"); f.app != "" && (!isHTTP || loopback(host) != nil) {
		return fmt.Errorf("--app %s is no origin on loopback; write it as http://127.0.0.1:3000", f.app)
	}
	data, remove, err := dataDir(f.data)
	if err != nil {
		return err
	}
	defer remove()
	if !f.verbose {
		log = io.Discard
	}
	s, err := newStage(ctx, f, data, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	s.greet(out, data)
	return s.run(ctx)
}

// loopback refuses an address that others could reach: the stand-ins trust everybody.
func loopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("%s is no address; write it as 127.0.0.1:8090", addr)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("%s is not on loopback: the sandbox trusts everybody who reaches it", addr)
	}
	return nil
}

// dataDir makes the bot's data directory. One that has something in it is refused: the WhatsApp server is new in each
// run and would not know the device that is paired there.
func dataDir(path string) (dir string, remove func(), err error) {
	if path == "" {
		temp, err := os.MkdirTemp("", "konsulin-demo-")
		if err != nil {
			return "", nil, err
		}
		return filepath.Join(temp, "data"), func() { _ = os.RemoveAll(temp) }, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", nil, err
	}
	if len(entries) > 0 {
		return "", nil, fmt.Errorf("%s is not empty: every demo begins with a new account; name another directory or leave --data out", path)
	}
	return path, func() {}, nil
}
