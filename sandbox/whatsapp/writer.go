package whatsapp

import (
	"context"
	"time"

	"github.com/coder/websocket"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/socket"
)

// outgoing is one entry of the writer's queue.
type outgoing struct {
	node  waBinary.Node
	grace time.Duration // if positive: the last stanza; the client has this long to hang up by itself
	drop  bool          // no stanza: cut the connection here
}

// send queues a stanza. It never blocks; after the end of the connection it does nothing.
func (c *conn) send(n waBinary.Node) { c.push(outgoing{node: n}) }

// sendLast queues a stanza after which the connection ends, at the latest when grace is over.
func (c *conn) sendLast(n waBinary.Node, grace time.Duration) {
	c.push(outgoing{node: n, grace: grace})
}

// cut ends the connection once everything before has been written.
func (c *conn) cut() { c.push(outgoing{drop: true}) }

func (c *conn) push(o outgoing) {
	c.outMu.Lock()
	if !c.closeAfterLastOut {
		c.out = append(c.out, o)
		c.closeAfterLastOut = o.drop || o.grace > 0
	}
	c.outMu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// ending tells whether the last stanza is on its way. What the client sends from then on is lost.
func (c *conn) ending() bool {
	c.outMu.Lock()
	defer c.outMu.Unlock()
	return c.closeAfterLastOut
}

func (c *conn) writeLoop() {
	var batch []outgoing
	for {
		select {
		case <-c.wake:
		case <-c.ctx.Done():
			return
		}
		c.outMu.Lock()
		batch, c.out = c.out, batch[:0]
		c.outMu.Unlock()
		for i := range batch {
			if !c.writeOut(&batch[i]) {
				return
			}
			batch[i] = outgoing{}
		}
	}
}

// writeOut writes one entry and tells whether the connection goes on.
func (c *conn) writeOut(o *outgoing) bool {
	if o.drop {
		return false
	}
	plain, err := waBinary.Marshal(o.node)
	if err != nil {
		c.srv.complain("encode %s: %v", o.node.Tag, err)
		return false
	}
	frame := make([]byte, socket.FrameLengthSize, socket.FrameLengthSize+len(plain)+c.write.Overhead())
	frame = c.write.Seal(frame, nonce(c.writeNo), plain, nil)
	c.writeNo++
	if err := c.writeFrame(c.ctx, frame); err != nil {
		return false
	}
	if o.grace > 0 {
		// The client reads the socket and handles stanzas in two goroutines. If the socket closed at once, it could
		// miss why.
		waitFor(c.ctx, o.grace)
		return false
	}
	return true
}

// writeFrame sends a frame whose first bytes are room for its length.
func (c *conn) writeFrame(ctx context.Context, frame []byte) error {
	if err := putLength(frame); err != nil {
		return err
	}
	return c.ws.Write(ctx, websocket.MessageBinary, frame)
}

// sendLater queues a stanza after a delay.
func (c *conn) sendLater(n waBinary.Node, delay time.Duration) {
	if delay <= 0 {
		c.send(n)
		return
	}
	c.srv.spawn(func() {
		if waitFor(c.ctx, delay) {
			c.send(n)
		}
	})
}

// waitFor waits and tells whether the wait was not cut short.
func waitFor(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
