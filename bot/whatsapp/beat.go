package whatsapp

import "time"

// heartbeat is how often the run loop shows that it moves although nothing happens.
const heartbeat = 5 * time.Second

// Beat is when the run loop last moved; the zero time: never. It moves at least every few seconds, whatever the state
// of the line; opening a connection may take it up to a minute.
func (c *Client) Beat() time.Time {
	if at := c.beat.Load(); at != 0 {
		return time.Unix(0, at)
	}
	return time.Time{}
}

func (c *Client) moved() { c.beat.Store(c.cfg.Now().UnixNano()) }
