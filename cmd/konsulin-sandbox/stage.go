package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/app"
	"github.com/konsulin-care/konsulin-bot/sandbox/fhir"
	"github.com/konsulin-care/konsulin-bot/sandbox/gateway"
	"github.com/konsulin-care/konsulin-bot/sandbox/omnichannel"
	"github.com/konsulin-care/konsulin-bot/sandbox/phone"
	"github.com/konsulin-care/konsulin-bot/sandbox/supertokens"
	"github.com/konsulin-care/konsulin-bot/sandbox/website"
	"github.com/konsulin-care/konsulin-bot/sandbox/whatsapp"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"
)

// stage is everything that runs in a demo.
type stage struct {
	around
	bot      *app.App
	operator *app.Operator
	cast     *cast
	show     *phone.Page
	page     net.Listener
	website  *website.Site
	site     net.Listener
	app      string // origin of an application that links lead to; empty: the website
}

// origin is what browsers call the website.
func (s *stage) origin() string { return "http://" + s.site.Addr().String() }

// greet says where to begin.
func (s *stage) greet(out io.Writer, data string) {
	begin := fmt.Sprintf("  Begin here:       %s/auth?redirectToPath=%%2F\n  As a guest first: %[1]s/\n", s.origin())
	how := "“Login with WhatsApp” opens the phone with the message typed in. Send it, and tap the link."
	if s.app != "" {
		begin += "  The application:  " + s.app + "/\n"
	}
	if s.gateway != nil {
		begin, how = "", "Send “"+phrase+"”, then tap the link."
	}
	_, _ = fmt.Fprintf(out, "\n%s  The phone:        http://%s\n%s\n  %s Ctrl-C ends the demo.\n"+
		"  As an operator, from another terminal:\n\n    KONSULIN_STORAGE_DIR=%s KONSULIN_WHATSAPP_NUMBER=+%s go run ./cmd/konsulin-bot jobs cases\n\n",
		begin, s.page.Addr(), s.gatewayLine(), how, data, botNumber)
}

func newStage(ctx context.Context, f demoFlags, data string, log io.Writer) (_ *stage, err error) {
	s := &stage{app: f.app}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.page, err = (&net.ListenConfig{}).Listen(ctx, "tcp", f.page); err != nil {
		return nil, fmt.Errorf("the page: %w (choose another address with --page)", err)
	}
	if s.site, err = (&net.ListenConfig{}).Listen(ctx, "tcp", f.site); err != nil {
		return nil, fmt.Errorf("the website: %w (choose another address with --site)", err)
	}
	if err := s.build(f); err != nil {
		return nil, err
	}
	cfg := s.config(f, data)
	if err := pairAlone(ctx, cfg, s.line, s.account, log); err != nil {
		return nil, err
	}
	if s.bot, err = app.New(ctx, cfg, app.Options{Line: s.line.HTTPClient(), LogTo: log, Version: "demo"}); err != nil {
		return nil, err
	}
	if s.operator, err = app.Operate(ctx, cfg, "the demo", log); err != nil {
		return nil, err
	}
	s.status, s.cases = s.bot.Status, s.operator.Cases
	if s.cast, err = newCast(s.around); err != nil {
		return nil, err
	}
	if s.website, err = website.New(website.Config{Records: s.fhir, Changed: s.cast.look, Log: zerolog.New(log)}); err != nil {
		return nil, err
	}
	s.website.Behind(s.bot.Addr())
	s.show, err = phone.New(phone.Config{
		Phone: s.cast, Faults: s.cast, BotNumber: "+62 811-1000-2000", BotURL: s.linksTo(), Phrase: phrase, Log: zerolog.New(log),
	})
	return s, err
}

// build starts the servers around the bot.
func (s *stage) build(f demoFlags) (err error) {
	if s.line, err = whatsapp.New(whatsapp.Options{Addr: f.line}); err != nil {
		return err
	}
	whatsapp.Trust(s.line.RootKey())
	if s.core, err = supertokens.New(supertokens.Options{Addr: f.core, CodeLifetime: f.lifetime}); err != nil {
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
	cfg.HTTP.Listen = "127.0.0.1:0" // browsers reach it through the website
	cfg.HTTP.TrustedProxies = []string{"127.0.0.1", "::1"}
	cfg.Storage.Dir = data
	cfg.WhatsApp.Number = "+" + botNumber
	cfg.WhatsApp.ChatURL = "http://" + s.page.Addr().String() + "/chat" // the demo's phone in place of WhatsApp
	cfg.WhatsApp.ReconnectMin = 200 * time.Millisecond
	cfg.WhatsApp.ReconnectMax = 2 * time.Second
	cfg.Auth.CoreURI = s.core.URL()
	cfg.Auth.APIDomain, cfg.Auth.WebsiteDomain = s.origin(), s.linksTo()
	cfg.Auth.AllowedOrigins = []string{s.origin()}
	cfg.Web.HomeURL = "/"
	cfg.FHIR.BaseURL, cfg.Contact.BaseURL = s.fhir.URL(), s.omni.URL()
	cfg.Contact.PerMinute = 6000
	// Who ends an outage by a button looks at the page and waits.
	cfg.FHIR.Cooldown, cfg.Jobs.RetryMax, cfg.Jobs.MaxAttempts = time.Second, 3*time.Second, 1000
	cfg.Login.Reference, cfg.Login.DesktopCode = f.reference, f.code
	cfg.Login.Coalesce = time.Second // who tries the demo tries again sooner than who logs in
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
	g.Go(func() error { return s.bot.Run(ctx) })
	g.Go(func() error { return s.show.Run(ctx) })
	g.Go(func() error { return s.cast.run(ctx) })
	serve(ctx, g, s.page, s.show)
	serve(ctx, g, s.site, s.website)
	return g.Wait()
}

// serve serves h until ctx ends.
func serve(ctx context.Context, g *errgroup.Group, l net.Listener, h http.Handler) {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
	g.Go(func() error {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
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
	if s.website != nil {
		s.website.Close()
	}
	for _, l := range []net.Listener{s.page, s.site} {
		if l != nil {
			_ = l.Close() // closed already when the server ran
		}
	}
	return errors.Join(errs...)
}
