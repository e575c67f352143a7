package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/app"
	"github.com/konsulin-care/konsulin-bot/sandbox/fhir"
	"github.com/konsulin-care/konsulin-bot/sandbox/gateway"
	"github.com/konsulin-care/konsulin-bot/sandbox/omnichannel"
	"github.com/konsulin-care/konsulin-bot/sandbox/phone"
	"github.com/konsulin-care/konsulin-bot/sandbox/supertokens"
	"github.com/konsulin-care/konsulin-bot/sandbox/whatsapp"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
)

// demoFlags are where everything listens and where the bot keeps its data.
type demoFlags struct {
	page, bot, line, core string
	fhir, omnichannel     string
	gateway               string
	beside                bool // the gateway hosts the link's page and consumes the code
	data                  string
	verbose               bool
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
	cmd.Flags().StringVar(&f.bot, "bot", "127.0.0.1:8080", "where the bot serves its pages")
	cmd.Flags().StringVar(&f.line, "line", "127.0.0.1:0", "where the WhatsApp server listens")
	cmd.Flags().StringVar(&f.core, "core", "127.0.0.1:0", "where the SuperTokens core listens")
	cmd.Flags().StringVar(&f.fhir, "fhir", "127.0.0.1:0", "where the FHIR server listens")
	cmd.Flags().StringVar(&f.omnichannel, "omnichannel", "127.0.0.1:0", "where the omnichannel webhook listens")
	cmd.Flags().BoolVar(&f.beside, "beside-gateway", false, "a stand-in for an existing Konsulin API hosts the link's page and consumes the code; the bot only answers and notices")
	cmd.Flags().StringVar(&f.gateway, "gateway", "127.0.0.1:8081", "where that stand-in listens")
	cmd.Flags().StringVar(&f.data, "data", "", "empty or new directory for the bot's data (default: a temporary one, removed at the end)")
	cmd.Flags().BoolVarP(&f.verbose, "verbose", "v", false, "show the bot's log")
	return cmd
}

func demo(ctx context.Context, f demoFlags, out, log io.Writer) (err error) {
	for _, addr := range []string{f.page, f.bot, f.line, f.core, f.fhir, f.omnichannel, f.gateway} {
		if err := loopback(addr); err != nil {
			return err
		}
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
	_, _ = fmt.Fprintf(out, "\n  The phone:  http://%s\n  The bot:    http://%s\n%s\n  Send “%s”, then tap the link. Ctrl-C ends the demo.\n"+
		"  As an operator, from another terminal:\n\n    KONSULIN_STORAGE_DIR=%s KONSULIN_WHATSAPP_NUMBER=+%s go run ./cmd/konsulin-bot jobs cases\n\n",
		s.page.Addr(), f.bot, s.gatewayLine(), phrase, data, botNumber)
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

// stage is everything that runs in a demo.
type stage struct {
	around
	bot      *app.App
	operator *app.Operator
	cast     *cast
	show     *phone.Page
	page     net.Listener
}

func newStage(ctx context.Context, f demoFlags, data string, log io.Writer) (_ *stage, err error) {
	s := &stage{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.page, err = (&net.ListenConfig{}).Listen(ctx, "tcp", f.page); err != nil {
		return nil, fmt.Errorf("the page: %w (choose another address with --page)", err)
	}
	if err := s.build(f); err != nil {
		return nil, err
	}
	cfg := s.config(f, data)
	if err := pairAlone(ctx, cfg, s.line, s.account, log); err != nil {
		return nil, err
	}
	if s.bot, err = app.New(ctx, cfg, app.Options{Line: s.line.HTTPClient(), LogTo: log, Version: "demo"}); err != nil {
		return nil, fmt.Errorf("%w (choose another address for the bot with --bot)", err)
	}
	if s.operator, err = app.Operate(ctx, cfg, "the demo", log); err != nil {
		return nil, err
	}
	s.status, s.cases = s.bot.Status, s.operator.Cases
	if s.cast, err = newCast(s.around); err != nil {
		return nil, err
	}
	s.show, err = phone.New(phone.Config{
		Phone: s.cast, Faults: s.cast, BotNumber: "+62 811-1000-2000", BotURL: s.linksTo(f), Phrase: phrase, Log: zerolog.New(log),
	})
	return s, err
}

// build starts the servers around the bot.
func (s *stage) build(f demoFlags) (err error) {
	if s.line, err = whatsapp.New(whatsapp.Options{Addr: f.line}); err != nil {
		return err
	}
	whatsapp.Trust(s.line.RootKey())
	if s.core, err = supertokens.New(supertokens.Options{Addr: f.core}); err != nil {
		return err
	}
	if s.fhir, err = fhir.New(fhir.Options{Addr: f.fhir}); err != nil {
		return err
	}
	if s.omni, err = omnichannel.New(omnichannel.Options{Addr: f.omnichannel}); err != nil {
		return err
	}
	if f.beside {
		if s.gateway, err = gateway.New(gateway.Options{
			Addr: f.gateway, Core: s.core.URL(), FHIR: s.fhir.URL(), Omnichannel: s.omni.URL(),
		}); err != nil {
			return fmt.Errorf("the gateway: %w (choose another address with --gateway)", err)
		}
	}
	s.account, err = s.line.NewAccount(botNumber, botLID)
	return err
}

func (s *stage) config(f demoFlags, data string) app.Config {
	cfg := app.Default()
	cfg.Log = app.LogConfig{Level: "info", Format: "console"}
	cfg.HTTP.Listen = f.bot
	cfg.Storage.Dir = data
	cfg.WhatsApp.Number = "+" + botNumber
	cfg.WhatsApp.ReconnectMin = 200 * time.Millisecond
	cfg.WhatsApp.ReconnectMax = 2 * time.Second
	cfg.Auth.CoreURI = s.core.URL()
	cfg.Auth.APIDomain, cfg.Auth.WebsiteDomain = "http://"+f.bot, "http://"+f.bot
	cfg.FHIR.BaseURL, cfg.Contact.BaseURL = s.fhir.URL(), s.omni.URL()
	cfg.Contact.PerMinute = 6000
	// Who ends an outage by a button looks at the page and waits.
	cfg.FHIR.Cooldown, cfg.Jobs.RetryMax, cfg.Jobs.MaxAttempts = time.Second, 3*time.Second, 1000
	cfg.Login.Coalesce = 5 * time.Second // who tries the demo tries again sooner than who logs in
	cfg.Replies.OtherText = "reply"
	cfg.Replies.HumanContact = "hello@konsulin.care"
	cfg.Replies.EmergencyLine = "119 ext. 8"
	if s.gateway != nil {
		stepAside(&cfg, s.gateway.URL())
	}
	return cfg
}

// pairAlone pairs as a person would, with the account's phone scanning the code.
func pairAlone(ctx context.Context, cfg app.Config, line *whatsapp.Server, account *whatsapp.Account, log io.Writer) error {
	var scanned error
	err := app.Pair(ctx, cfg, app.PairOptions{
		Line: line.HTTPClient(), Out: io.Discard, LogTo: log,
		QR: func(code string) { scanned = account.ScanQR(code) },
	})
	return errors.Join(err, scanned)
}

// run serves until ctx ends.
func (s *stage) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	server := &http.Server{Handler: s.show, ReadHeaderTimeout: 5 * time.Second}
	g.Go(func() error { return s.bot.Run(ctx) })
	g.Go(func() error { return s.show.Run(ctx) })
	g.Go(func() error { return s.cast.run(ctx) })
	g.Go(func() error {
		if err := server.Serve(s.page); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		return server.Shutdown(grace)
	})
	return g.Wait()
}

func (s *stage) close() error {
	var errs []error
	if s.operator != nil {
		errs = append(errs, s.operator.Close())
	}
	if s.bot != nil {
		errs = append(errs, s.bot.Close())
	}
	if s.gateway != nil {
		errs = append(errs, s.gateway.Close())
	}
	if s.omni != nil {
		errs = append(errs, s.omni.Close())
	}
	if s.fhir != nil {
		errs = append(errs, s.fhir.Close())
	}
	if s.core != nil {
		errs = append(errs, s.core.Close())
	}
	if s.line != nil {
		errs = append(errs, s.line.Close())
	}
	if s.page != nil {
		_ = s.page.Close() // closed already when the server ran
	}
	return errors.Join(errs...)
}
