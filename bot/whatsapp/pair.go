package whatsapp

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"github.com/konsulin-care/konsulin-bot/internal/phone"
)

// PairRequest says how to link this device with a phone.
type PairRequest struct {
	// Phone links by a code that is typed into the phone with this number. Zero: by a QR code.
	Phone phone.Number
	// Replace allows it although an account is linked already. The old link is dropped from our store when the new
	// one is made; on its phone it must be removed by hand.
	Replace bool
}

// PairEvent is one step of a pairing. The kinds are [PairQR], [PairCode], [PairNotice], [PairDone], [PairTimeout] and
// [PairFailed]; the last three come last.
type PairEvent interface{ pairEvent() }

// PairQR is the text of a QR code to show in place of the one before.
type PairQR struct {
	Text  string
	Valid time.Duration // until the next one comes
}

// PairCode is the code to type into the phone ("ABCD-EFGH").
type PairCode struct{ Code string }

// PairNotice is a hint for the person with the phone; pairing goes on.
type PairNotice struct{ Text string }

// PairDone says which account is linked now.
type PairDone struct{ Number phone.Number }

// PairTimeout says that nobody used the codes in time.
type PairTimeout struct{}

// PairFailed says why there is no link, in a sentence for the operator.
type PairFailed struct{ Reason string }

func (PairQR) pairEvent()      {}
func (PairCode) pairEvent()    {}
func (PairNotice) pairEvent()  {}
func (PairDone) pairEvent()    {}
func (PairTimeout) pairEvent() {}
func (PairFailed) pairEvent()  {}

// Timing of a pairing. WhatsApp shows the first QR code for a minute and each further one for 20 seconds, then ends
// the connection.
const (
	firstQR     = 60 * time.Second
	furtherQR   = 20 * time.Second
	pairWindow  = 3 * time.Minute
	askTimeout  = 20 * time.Second
	farewell    = 10 * time.Second // from the accepted pairing to the server's end of that connection
	codeBrowser = "Chrome (Linux)" // WhatsApp checks this name against a list when pairing by code
)

// Pair links this device with a phone. The events come until the channel is closed; the caller must read on until
// then, or end ctx. It may run beside [Client.Run], of this process or another, which starts to use the account by
// itself. Messages that arrive meanwhile are left for Run.
func (c *Client) Pair(ctx context.Context, req PairRequest) (<-chan PairEvent, error) {
	if !req.Phone.IsZero() && !c.cfg.Number.IsZero() && req.Phone != c.cfg.Number {
		return nil, fmt.Errorf("pair: the phone %s is not the configured number %s; correct one of them", req.Phone, c.cfg.Number)
	}
	if _, status, err := c.pick(ctx); err != nil {
		return nil, fmt.Errorf("pair: %w", err)
	} else if status.State == WrongAccount && !req.Replace {
		return nil, fmt.Errorf("pair: %s", status.Reason)
	} else if linked, ok := c.Account(); ok && !req.Replace {
		return nil, fmt.Errorf("pair: %s is linked already; use --replace to link anew", linked)
	}
	out := make(chan PairEvent)
	go func() {
		defer close(out)
		p := &pairing{c: c, req: req, out: out, mail: mailbox{bell: make(chan struct{}, 1)}}
		p.run(ctx)
	}()
	return out, nil
}

// pairing is one run of Pair.
type pairing struct {
	c    *Client
	req  PairRequest
	out  chan<- PairEvent
	mail mailbox

	codes   []string  // QR codes that were not shown yet
	refused owner     // somebody else's phone tried
	paired  types.JID // the new account
}

func (p *pairing) run(ctx context.Context) {
	line, cancel := context.WithCancel(unlogged(ctx))
	defer cancel()
	l := p.c.newLink(line, p.c.store.NewDevice())
	wa := l.wa
	wa.PrePairCallback = p.mayPair
	wa.AddEventHandlerWithSuccessStatus(p.handler)
	defer l.hangUp()
	if err := wa.ConnectContext(line); err != nil {
		p.say(ctx, PairFailed{Reason: "WhatsApp cannot be reached (" + safeText(err) + ")."})
		return
	}
	end := p.followPairing(ctx, wa)
	l.hangUp()
	if end != nil {
		p.say(ctx, end)
		return
	}
	p.say(ctx, p.firstLogin(ctx))
}

// handler keeps messages for Run: what is not taken comes again.
func (p *pairing) handler(evt any) bool {
	if _, ok := evt.(*events.Message); ok {
		return false
	}
	p.mail.put(evt)
	return true
}

// mayPair is asked by whatsmeow before it accepts the phone's answer.
func (p *pairing) mayPair(jid types.JID, _, _ string) bool {
	o, ok := ownerOf(jid.ToNonAD()) // of our own device any number will do
	if ok && (p.c.cfg.Number.IsZero() || o.number == p.c.cfg.Number) {
		return true
	}
	p.mail.put(o)
	return false
}

// followPairing shows codes until the phone has answered: nil when the account is stored, else how it ended.
func (p *pairing) followPairing(ctx context.Context, wa *whatsmeow.Client) PairEvent {
	window := time.NewTimer(pairWindow)
	defer window.Stop()
	var nextQR, done <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return PairFailed{Reason: "Pairing was cancelled."}
		case <-window.C:
			return PairTimeout{}
		case <-done:
			return nil
		case <-nextQR:
			if len(p.codes) == 0 {
				return PairTimeout{}
			}
			nextQR = time.After(p.showQR(ctx, furtherQR))
		case <-p.mail.bell:
		}
		for _, evt := range p.mail.take() {
			switch e := evt.(type) {
			case *events.QR:
				if end := p.present(ctx, wa, e.Codes); end != nil {
					return end
				}
				if p.req.Phone.IsZero() {
					nextQR = time.After(p.showQR(ctx, firstQR))
				}
			case *events.PairSuccess:
				p.paired = e.ID
				if done != nil {
					return nil
				}
				nextQR, done = nil, time.After(farewell)
			case *events.ManualLoginReconnect: // may overtake PairSuccess
				nextQR, done = nil, time.After(farewell)
				if !p.paired.IsEmpty() {
					return nil
				}
			case *events.Disconnected:
				return PairTimeout{}
			default:
				if end := p.trouble(ctx, evt); end != nil {
					return end
				}
			}
		}
	}
}

// present takes the QR codes, or asks for a code to type instead.
func (p *pairing) present(ctx context.Context, wa *whatsmeow.Client, codes []string) PairEvent {
	if p.req.Phone.IsZero() {
		p.codes = codes
		if len(codes) == 0 {
			return PairFailed{Reason: "WhatsApp offered no QR code; try again."}
		}
		return nil
	}
	asking, cancel := context.WithTimeout(unlogged(ctx), askTimeout)
	defer cancel()
	code, err := wa.PairPhone(asking, p.req.Phone.Digits(), true, whatsmeow.PairClientChrome, codeBrowser)
	if err != nil {
		return PairFailed{Reason: "WhatsApp gave no code for " + p.req.Phone.String() + " (" + safeText(err) + ")."}
	}
	p.say(ctx, PairCode{Code: code})
	return nil
}

func (p *pairing) showQR(ctx context.Context, valid time.Duration) time.Duration {
	text := p.codes[0]
	p.codes = p.codes[1:]
	p.say(ctx, PairQR{Text: text, Valid: valid})
	return valid
}

// trouble reads events that can end a pairing; nil lets it go on.
func (p *pairing) trouble(ctx context.Context, evt any) PairEvent {
	switch e := evt.(type) {
	case owner:
		p.refused = e
	case *events.QRScannedWithoutMultidevice:
		p.say(ctx, PairNotice{Text: "The phone's WhatsApp is too old for linked devices: update it and scan again."})
	case *events.PairError:
		return PairFailed{Reason: p.explain(e.Error)}
	case *events.PairPasskeyRequest, *events.PairPasskeyError, *events.PairPasskeyConfirmation:
		return PairFailed{Reason: "The account asks for a passkey, which this bot cannot give: remove the passkey on the phone (Settings, Account, Passkeys), then pair again."}
	default:
		if st, known := next(evt, p.c.cfg.Now()); known && st.do != carryOn {
			return PairFailed{Reason: st.reason}
		}
	}
	return nil
}

func (p *pairing) explain(err error) string {
	switch {
	case errors.Is(err, whatsmeow.ErrPairRejectedLocally) && p.refused.number.IsZero():
		return "The phone that answered has no phone number that this bot can use."
	case errors.Is(err, whatsmeow.ErrPairRejectedLocally):
		return fmt.Sprintf("The phone that answered is %s, but the configured number is %s. Use that phone, or correct whatsapp.number.",
			p.refused.number, p.c.cfg.Number)
	case errors.Is(err, whatsmeow.ErrPairInvalidDeviceIdentityHMAC), errors.Is(err, whatsmeow.ErrPairInvalidDeviceSignature):
		return "The phone's answer does not fit this pairing: start again with a new code."
	default:
		return "The pairing could not be finished (" + safeText(err) + "): start again."
	}
}

// say gives an event to the caller, unless the caller has gone.
func (p *pairing) say(ctx context.Context, e PairEvent) {
	select {
	case p.out <- e:
	case <-ctx.Done():
	}
}
