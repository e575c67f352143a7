package app

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/konsulin-care/konsulin-bot/bot/whatsapp"
	"github.com/konsulin-care/konsulin-bot/internal/alive"
	"github.com/konsulin-care/konsulin-bot/storage"
	"github.com/konsulin-care/konsulin-bot/web"
)

// lineWatch tells the state of the line whether or not this process owns it.
type lineWatch struct {
	now func() time.Time

	mu     sync.Mutex
	client *whatsapp.Client
	other  *storage.HeldError // who owns the line, when it is not us
	since  time.Time

	asked alive.Pulse
}

func newLineWatch(now func() time.Time) *lineWatch { return &lineWatch{now: now, since: now()} }

// follow watches a client; nil: there is none any more.
func (w *lineWatch) follow(c *whatsapp.Client) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.client, w.other, w.since = c, nil, w.now()
}

// stoodBy notes that another process owns the line.
func (w *lineWatch) stoodBy(other *storage.HeldError) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.other = other
}

func (w *lineWatch) status() whatsapp.Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.client != nil:
		return w.client.Status()
	case w.other != nil:
		return whatsapp.Status{State: whatsapp.Connecting, Since: w.since, Reason: "another process owns the line: " + w.other.Error()}
	default:
		return whatsapp.Status{State: whatsapp.Connecting, Since: w.since, Reason: "the bot is starting"}
	}
}

// lineGrace is how long a line that reconnects counts as working: what is written meanwhile is answered a little later.
const lineGrace = 30 * time.Second

// down says why a message to the bot would get no answer now, in the words of /readyz, and how long that lasts (0: not
// known); empty: it would get one. A process that stands by does not know, and says that it would.
func (w *lineWatch) down() (reason string, wait time.Duration) {
	w.mu.Lock()
	standingBy := w.client == nil && w.other != nil
	w.mu.Unlock()
	s := w.status()
	switch {
	case standingBy, s.State == whatsapp.Connected, s.State == whatsapp.Degraded:
		return "", 0
	case s.State == whatsapp.Connecting && w.now().Sub(s.Since) < lineGrace:
		return "", 0
	case s.Until.IsZero():
		return string(s.State), 0
	}
	return string(s.State), max(0, s.Until.Sub(w.now()))
}

// ready is the check of /readyz. A process that stands by is ready: it serves pages, and the line has an owner.
func (w *lineWatch) ready(context.Context) error {
	w.mu.Lock()
	standingBy := w.client == nil && w.other != nil
	w.mu.Unlock()
	if standingBy {
		return nil
	}
	if s := w.status(); s.State != whatsapp.Connected {
		return web.Reason(string(s.State), fmt.Errorf("%s: %s", s.State, s.Reason))
	}
	return nil
}
