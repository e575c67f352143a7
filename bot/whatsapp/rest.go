package whatsapp

import (
	"context"
	"math/rand/v2"
	"time"
)

// maxHandovers is how often a login with a fresh account may be refused or replaced before that is believed: the
// process that pairs logs in once too, and WhatsApp knows the account a moment after the store does.
const maxHandovers = 3

// replacedForget is how long a connection must last before former replacements are forgotten.
const replacedForget = 10 * time.Minute

// rests decides how long one session stays away between two of its connections.
type rests struct {
	c         *Client
	tries     int // connections that broke soon
	replaced  int // connections that somebody took over, none of them old
	handovers int // how many refusals may still be put down to a pairing that is not finished
}

// after completes what a connection ended with: how long to wait before the next one. up is how long it lasted.
func (r *rests) after(up time.Duration, end step) step {
	if r.handovers > 0 && (end.do == repair || end.do == stayAway) {
		r.handovers--
		end = step{state: Connecting, do: redialAt, after: 2 * r.c.cfg.StorePoll, open: true,
			reason: "Another process is still finishing the pairing; connecting again."}
	}
	if up > r.c.cfg.ReconnectMax {
		r.tries, r.handovers = 0, 0
	}
	if up >= replacedForget {
		r.replaced = 0
	}
	switch end.do {
	case redial:
		end.after = r.c.backoff(r.tries)
		r.tries++
	case stayAway:
		end.after = grown(r.c.cfg.ReplacedMin, r.c.cfg.ReplacedMax, r.replaced)
		r.replaced++
	}
	return end
}

// backoff is the pause before try n: none before the first, then growing to the limit.
func (c *Client) backoff(n int) time.Duration {
	if n == 0 {
		return 0
	}
	return grown(c.cfg.ReconnectMin, c.cfg.ReconnectMax, n-1)
}

// grown is a pause that has doubled n times, up to a limit. The later half of it is random.
func grown(first, limit time.Duration, n int) time.Duration {
	full := limit
	if n < 32 && first <= limit>>n {
		full = first << n
	}
	return full/2 + rand.N(full/2+1)
}

// rest waits between two connections. It is false when there is nothing to wait for any more: ctx has ended, or the
// store holds another account now.
func (c *Client) rest(ctx context.Context, s *session, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	heart := time.NewTicker(heartbeat)
	defer heart.Stop()
	for {
		c.moved()
		select {
		case <-heart.C:
		case <-timer.C:
			return true
		case <-ctx.Done():
			return false
		case <-s.mail.bell:
		}
		for _, evt := range s.mail.take() {
			if _, changed := evt.(accountChanged); changed {
				st, _ := next(evt, c.cfg.Now())
				c.board.set(Status{State: st.state, Reason: st.reason})
				return false
			}
		}
	}
}
