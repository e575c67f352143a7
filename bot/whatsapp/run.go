package whatsapp

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
)

// mayConnectTimeout bounds one call of Config.MayConnect.
const mayConnectTimeout = 10 * time.Second

var errRunning = errors.New("whatsapp line: Run is active already")

// Run connects and stays connected until ctx ends, through reconnects, bans, logouts and new pairings; what goes
// wrong is told by [Client.Status]. It also purges the retry store, at once and then regularly. When it returns,
// the connection is closed and no message is being taken or sent any more. It may be called again.
//
// Should ctx end in the middle of the encrypted handshake with a server that has gone silent, the return takes up
// to 20 seconds, because whatsmeow does not let go of that wait.
func (c *Client) Run(ctx context.Context) error {
	if !c.running.CompareAndSwap(false, true) {
		return errRunning
	}
	defer c.running.Store(false)

	var owned sync.WaitGroup
	defer owned.Wait()
	owned.Go(func() { c.tendStore(ctx) })
	owned.Go(func() { c.logStates(ctx) })

	var gone types.JID // the account that was logged out last, should its deletion have failed
	for start := true; ; start = false {
		device, fresh := c.awaitAccount(ctx, start, gone)
		if device == nil {
			c.board.set(Status{State: Connecting, Reason: "The line is stopped."})
			return nil
		}
		jid := device.GetJID()
		if c.stayConnected(ctx, device, fresh) {
			gone = jid
		}
	}
}

// awaitAccount waits until the store holds an account to use; nil when ctx ends first. One that is there at the start
// is used at once. One that turns up later is fresh: it has just been paired, maybe by another process that needs a
// moment to finish, so it must be seen twice.
func (c *Client) awaitAccount(ctx context.Context, start bool, gone types.JID) (device *store.Device, fresh bool) {
	var seen types.JID
	for ; ; start = false {
		c.moved()
		device, status, err := c.pick(ctx)
		switch {
		case ctx.Err() != nil:
			return nil, false
		case err != nil:
			c.board.set(Status{State: Connecting, Reason: "The line's store cannot be read; trying again."})
			c.log.Error().Err(err).Msg("line's store")
		case device == nil:
			if status.State != Unpaired || c.board.status().State != LoggedOut { // which says more
				c.board.set(status)
			}
		case device.GetJID() == gone:
		case start:
			return device, false
		case device.GetJID() == seen:
			return device, true
		default:
			seen = device.GetJID()
		}
		if !pause(ctx, c.cfg.StorePoll) {
			return nil, false
		}
	}
}

// stayConnected uses one account until ctx ends or WhatsApp has logged it out; then it is true.
func (c *Client) stayConnected(ctx context.Context, device *store.Device, fresh bool) (gone bool) {
	// The connection must outlive ctx by the moment in which messages are finished, and it must not see our logger.
	line, cancel := context.WithCancel(unlogged(context.WithoutCancel(ctx)))
	defer cancel()
	s := newSession(c.newLink(line, device))
	s.wa.AddEventHandlerWithSuccessStatus(c.handler(line, s))
	defer context.AfterFunc(ctx, s.gate.close)()
	defer c.disconnect(s)
	c.use(s)
	defer c.use(nil)

	c.board.set(Status{State: Connecting, Reason: "Connecting to WhatsApp."})
	rests := rests{c: c}
	if fresh {
		rests.handovers = maxHandovers
	}
	for {
		up, end := c.connection(ctx, line, cancel, s)
		if ctx.Err() != nil {
			return false
		}
		end = rests.after(up, end)
		c.board.set(Status{State: end.state, Reason: end.reason, Until: end.until})
		if end.open {
			s.hangUp()
		}
		switch end.do {
		case repair:
			if err := c.forget(context.WithoutCancel(ctx), s.jid); err != nil {
				c.log.Error().Err(err).Msg("line's store")
			}
			return true
		case change:
			return false
		}
		if !c.rest(ctx, s, end.after) {
			return false
		}
	}
}

// handler is what whatsmeow calls with every event. Only what must be committed is answered with more
// than yes.
func (c *Client) handler(line context.Context, s *session) func(any) bool {
	return func(evt any) bool {
		c.notePhone(line, evt)
		switch e := evt.(type) {
		case *events.Message:
			return c.take(line, s, e)
		case *events.IdentityChange:
			return c.takeChange(line, s, e)
		}
		if matters(evt) {
			s.mail.put(evt)
		}
		return true
	}
}

// disconnect ends a session. Messages that are being taken or sent are finished first, as far as their deadlines
// allow; what is still being sent after that fails with the connection.
func (c *Client) disconnect(s *session) {
	s.gate.close()
	deadline := time.NewTimer(c.cfg.HandleTimeout)
	defer deadline.Stop()
	select {
	case <-s.gate.idle:
	case <-deadline.C:
	}
	s.hangUp()
	<-s.gate.idle
}

// connection opens one connection and watches it until it ends. It tells how long it was up, and how it ended.
func (c *Client) connection(ctx, line context.Context, cancel func(), s *session) (time.Duration, step) {
	s.forgetDemands()
	c.moved()
	if err := c.mayConnect(ctx); err != nil {
		return 0, step{state: Connecting, do: redial, reason: "The line may not connect now (" + err.Error() + "); asking again."}
	}
	dialed := context.AfterFunc(ctx, cancel)
	err := s.wa.ConnectContext(line)
	dialed()
	c.moved()
	if err != nil {
		return 0, step{state: Connecting, do: redial, open: true,
			reason: "WhatsApp cannot be reached (" + safeText(err) + "); trying again."}
	}
	w := &watch{c: c, s: s}
	end := w.follow(ctx)
	return w.uptime(), end
}

// mayConnect asks whoever guards the account.
func (c *Client) mayConnect(ctx context.Context) error {
	if c.cfg.MayConnect == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, mayConnectTimeout)
	defer cancel()
	return c.cfg.MayConnect(ctx)
}

// logStates writes every state that it gets to see, for operators. Reasons name nobody.
func (c *Client) logStates(ctx context.Context) {
	states, cancel := c.Subscribe()
	defer cancel()
	for {
		select {
		case s := <-states:
			e := c.log.Warn()
			if s.State == Connecting || s.State == Connected {
				e = c.log.Info()
			}
			if !s.Until.IsZero() {
				e = e.Time("until", s.Until)
			}
			e.Str("state", string(s.State)).Str("reason", s.Reason).Msg("line state")
		case <-ctx.Done():
			return
		}
	}
}

// pause waits, and is false when ctx ended meanwhile.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
