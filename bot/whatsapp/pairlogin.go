package whatsapp

import (
	"context"
	"time"
)

// firstLogin is how long the first login of a new account may take before it is left to Run.
const firstLogin = time.Minute

// firstLogin logs the new account in once, because the phone waits for that, and drops the links that it replaces.
// When it returns, the account is stored whatever happened, unless it says that it failed.
func (p *pairing) firstLogin(ctx context.Context) PairEvent {
	o, ok := ownerOf(p.paired.ToNonAD())
	if !ok {
		return PairFailed{Reason: "The phone did not finish the pairing: start again with a new code."}
	}
	device, err := p.c.store.GetDevice(unlogged(context.WithoutCancel(ctx)), p.paired)
	if err != nil || device == nil {
		return PairFailed{Reason: "The new link was not stored (" + safeText(err) + "): remove it on the phone and pair again."}
	}
	line, cancel := context.WithCancel(unlogged(ctx))
	defer cancel()
	l := p.c.newLink(line, device)
	l.wa.AddEventHandlerWithSuccessStatus(p.handler)
	p.mail.take()
	defer l.hangUp()
	if err := l.wa.ConnectContext(line); err == nil {
		if end := p.followLogin(ctx); end != nil {
			_ = p.c.forget(context.WithoutCancel(ctx), p.paired) // Run would find it logged out and try again
			return end
		}
	}
	if err := p.dropOthers(context.WithoutCancel(ctx)); err != nil {
		return PairFailed{Reason: "The phone is linked, but the old link could not be removed from the store (" + safeText(err) + ")."}
	}
	p.c.remember(o)
	return PairDone{Number: o.number}
}

// followLogin waits for the login. If it takes too long, Run will do it; only a logout is a failure.
func (p *pairing) followLogin(ctx context.Context) PairEvent {
	limit := time.NewTimer(firstLogin)
	defer limit.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-limit.C:
			return nil
		case <-p.mail.bell:
		}
		for _, evt := range p.mail.take() {
			switch st, known := next(evt, p.c.cfg.Now()); {
			case known && st.do == repair:
				return PairFailed{Reason: "The phone undid the link at once: remove old linked devices on the phone and pair again."}
			case known && (st.state == Connected || st.do != carryOn):
				return nil // also when Run has taken over
			}
		}
	}
}

// dropOthers deletes all stored accounts but the new one.
func (p *pairing) dropOthers(ctx context.Context) error {
	devices, err := p.c.store.GetAllDevices(unlogged(ctx))
	if err != nil {
		return err
	}
	for _, d := range devices {
		if d.GetJID() != p.paired {
			if err := p.c.store.DeleteDevice(unlogged(ctx), d); err != nil {
				return err
			}
		}
	}
	return nil
}
