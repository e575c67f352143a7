package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/konsulin-care/konsulin-bot/bot"
	"github.com/konsulin-care/konsulin-bot/bot/whatsapp"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/mdp/qrterminal/v3"
)

// PairOptions say how to link the account. Out is for the person with the phone.
type PairOptions struct {
	ByCode  bool // show a code to type instead of a QR code to scan
	Replace bool // although an account is linked already
	Line    *http.Client
	Out     io.Writer
	LogTo   io.Writer
	QR      func(text string) // instead of drawing it; for tests and the demo
}

// Pair links the WhatsApp account of whatsapp.number to this bot and explains on Out what to do on the phone. It may
// run beside a serving process, which then starts to use the account by itself.
func Pair(ctx context.Context, cfg Config, opt PairOptions) (err error) {
	log, err := newLogger(cfg.Log, opt.LogTo)
	if err != nil {
		return err
	}
	now := time.Now //nolint:forbidigo // where the clock comes from
	store, err := openStore(ctx, cfg, now)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	a := &App{cfg: cfg, opt: Options{Line: opt.Line, Now: now}, log: log, store: store}
	line, err := openLine(ctx, a, noIntake{}, nil)
	if err != nil {
		return err
	}
	req := whatsapp.PairRequest{Replace: opt.Replace}
	if opt.ByCode {
		if req.Phone, err = phone.Parse(cfg.WhatsApp.Number); err != nil {
			return fmt.Errorf("whatsapp.number: %w", err)
		}
	}
	events, err := line.Pair(ctx, req)
	if err != nil {
		return err
	}
	err = errors.New("pairing ended without a result; try again")
	for e := range events {
		err = tell(e, opt)
	}
	return err
}

// tell shows one step; its error is the outcome if the step was the last.
func tell(e whatsapp.PairEvent, opt PairOptions) error {
	switch e := e.(type) {
	case whatsapp.PairQR:
		if opt.QR != nil {
			opt.QR(e.Text)
			return nil
		}
		_, _ = fmt.Fprintln(opt.Out, "On the phone: WhatsApp → Settings → Linked devices → Link a device. Then scan:")
		qrterminal.GenerateHalfBlock(e.Text, qrterminal.L, opt.Out)
	case whatsapp.PairCode:
		_, _ = fmt.Fprintf(opt.Out, "On the phone: WhatsApp → Settings → Linked devices → Link a device →\n"+
			"“Link with phone number instead”. Then type:\n\n    %s\n\n", e.Code)
	case whatsapp.PairNotice:
		_, _ = fmt.Fprintln(opt.Out, e.Text)
	case whatsapp.PairDone:
		_, _ = fmt.Fprintf(opt.Out, "Linked with %s. Start the bot: konsulin-bot serve\n", e.Number)
		return nil
	case whatsapp.PairTimeout:
		return errors.New("nobody used the code in time; run pair again")
	case whatsapp.PairFailed:
		return errors.New(e.Reason)
	}
	return errors.New("pairing was interrupted")
}

// noIntake takes nothing: what arrives during pairing waits for serve.
type noIntake struct{}

var errNotServing = errors.New("not serving")

// Receive implements [whatsapp.Intake].
func (noIntake) Receive(context.Context, bot.Message) error { return errNotServing }

// ReceiveStranger implements [whatsapp.Intake].
func (noIntake) ReceiveStranger(context.Context, bot.Stranger) error { return errNotServing }

// HumanWrote implements [whatsapp.Intake].
func (noIntake) HumanWrote(context.Context, string, time.Time) error { return errNotServing }
