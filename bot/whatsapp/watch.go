package whatsapp

import (
	"context"
	"time"

	"go.mau.fi/whatsmeow/types/events"
)

// loginTimeout is how long WhatsApp may take from the open websocket to a finished login.
const loginTimeout = time.Minute

// watch follows one open connection.
type watch struct {
	c  *Client
	s  *session
	up time.Time // when the login was finished; zero before
}

// follow shows what happens until something ends the connection, and returns that.
func (w *watch) follow(ctx context.Context) step {
	login := time.NewTimer(loginTimeout)
	defer login.Stop()
	heart := time.NewTicker(heartbeat)
	defer heart.Stop()
	var reset <-chan time.Time
	for {
		w.c.moved()
		limit, stop := w.limitTimer()
		select {
		case <-ctx.Done():
			stop()
			return step{}
		case <-login.C:
			if w.up.IsZero() {
				stop()
				return step{state: Connecting, do: redial, open: true, reason: "WhatsApp did not finish the login in time; connecting again."}
			}
		case <-w.s.reset:
			if reset == nil {
				reset = time.After(w.s.resets.next(w.c))
			}
		case <-reset:
			reset = nil
			w.s.wire.cut() // comes back as a Disconnected event
		case <-limit:
		case <-heart.C:
		case <-w.s.mail.bell:
		}
		stop()
		w.c.board.status() // takes off a limit that has run out
		for _, evt := range w.s.mail.take() {
			if end, ended := w.apply(evt); ended {
				return end
			}
		}
	}
}

// apply shows what one event means, and is true when it ends the connection.
func (w *watch) apply(evt any) (step, bool) {
	switch e := evt.(type) {
	case *events.NotifyAccountReachoutTimelock:
		w.limited(e)
		return step{}, false
	case *events.Disconnected:
		if w.s.wa.IsConnected() {
			return step{}, false // of a former connection
		}
	}
	st, known := next(evt, w.c.cfg.Now())
	if !known || st.do != carryOn {
		return st, known
	}
	if _, login := evt.(*events.Connected); !login && w.up.IsZero() {
		return step{}, false // a keep-alive of a former connection
	}
	if st.state == Connected && w.up.IsZero() {
		w.up = w.c.cfg.Now()
	}
	w.c.board.set(Status{State: st.state, Reason: st.reason})
	return step{}, false
}

// matters reports whether the run loop wants to see an event.
func matters(evt any) bool {
	if _, limit := evt.(*events.NotifyAccountReachoutTimelock); limit {
		return true
	}
	_, known := next(evt, time.Time{})
	return known
}

func (w *watch) limited(e *events.NotifyAccountReachoutTimelock) {
	if !e.IsActive {
		w.c.board.unlocked()
		return
	}
	until := e.TimeEnforcementEnds.Time
	if !until.After(w.c.cfg.Now()) {
		until = time.Time{}
	}
	w.c.board.locked(until, "WhatsApp limits whom this account may write to. Nothing is sent until that ends; open WhatsApp on the phone to see more.")
}

// uptime is how long the login has been finished.
func (w *watch) uptime() time.Duration {
	if w.up.IsZero() {
		return 0
	}
	return w.c.cfg.Now().Sub(w.up)
}

// limitTimer fires when a limit on sending should be looked at again.
func (w *watch) limitTimer() (<-chan time.Time, func()) {
	left, on := w.c.board.lockEnds()
	if !on {
		return nil, func() {}
	}
	timer := time.NewTimer(max(left, time.Millisecond))
	return timer.C, func() { timer.Stop() }
}

// resets paces the new connections that failing messages ask for: the pause grows as long as they keep failing.
type resets struct {
	count int
	last  time.Time
}

func (r *resets) next(c *Client) time.Duration {
	now := c.cfg.Now()
	if now.Sub(r.last) > 2*c.cfg.ReconnectMax {
		r.count = 0
	}
	r.count++
	r.last = now
	return c.backoff(r.count)
}
