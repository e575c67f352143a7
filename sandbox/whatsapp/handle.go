package whatsapp

import (
	"strconv"
	"strings"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
)

// How long a client may take to hang up by itself after the last stanza of a connection.
const (
	graceTerminal = time.Second            // it will not come back, so the wait costs nothing
	graceRestart  = 2 * time.Second        // it hangs up at once and comes back
	graceBusy     = 100 * time.Millisecond // it waits for us to hang up
	graceHandling = 20 * time.Millisecond  // it has begun to handle what it got
)

// handle answers one stanza of the client. It runs in the connection's reading goroutine and must not wait.
func (c *conn) handle(n *waBinary.Node) {
	if c.ending() {
		return
	}
	if c.device == nil {
		c.handlePairing(n)
		return
	}
	switch n.Tag {
	case "iq":
		c.handleIQ(n)
	case "message":
		c.handleMessage(n)
	case "receipt":
		c.handleReceipt(n)
	case "ack":
		c.handleAck(n)
	case "presence":
		c.handlePresence(n)
	case "chatstate":
		if _, ok := c.srv.handset(jidAttr(n, "to")); !ok {
			c.unknown(n)
		}
	case "ib":
		if _, ok := n.GetOptionalChildByTag("unified_session"); !ok {
			c.unknown(n)
		}
	default:
		c.unknown(n)
	}
}

// unknown lists a stanza that has no answer here.
func (c *conn) unknown(n *waBinary.Node) { c.srv.complain("unanswered: %s", describe(n)) }

// login checks who a client says it is, and refuses or welcomes it.
func (c *conn) login() {
	d := c.srv.deviceFor(strconv.FormatUint(c.payload.GetUsername(), 10), c.payload.GetDevice())
	if d == nil || d.noise != c.static {
		c.refuse(&LoginFault{Reason: 401})
		return
	}
	fault := c.srv.loginFault()
	if own := d.acct.loginFault(); own != nil {
		fault = own
	}
	if fault != nil {
		if fault.Reason == 401 {
			d.acct.unlink(d)
		}
		c.refuse(fault)
		return
	}
	c.device = d
	d.attach(c)
}

// refuse answers a login with a failure and ends the connection.
func (c *conn) refuse(f *LoginFault) {
	attrs := waBinary.Attrs{"reason": strconv.Itoa(f.Reason), "location": "sandbox"}
	if f.Reason == 402 {
		code := f.Code
		if code == 0 {
			code = 101
		}
		attrs["code"], attrs["expire"] = strconv.Itoa(code), strconv.Itoa(int(f.Expire.Seconds()))
	}
	grace := graceTerminal
	if f.Reason == 500 || f.Reason == 503 {
		grace = graceBusy
	}
	c.sendLast(waBinary.Node{Tag: "failure", Attrs: attrs}, grace)
}

// deviceFor finds a linked device by what its login says.
func (s *Server) deviceFor(phone string, number uint32) *Device {
	a, ok := s.Account(phone)
	if !ok {
		return nil
	}
	d := a.Device()
	if d == nil || uint32(d.jid.Device) != number {
		return nil
	}
	return d
}

func (c *conn) handlePresence(n *waBinary.Node) {
	switch kind := stringAttr(n, "type"); kind {
	case "available", "unavailable":
		c.device.setAvailable(kind == "available")
	case "subscribe":
		if _, ok := c.srv.handset(jidAttr(n, "to")); !ok {
			c.unknown(n)
		}
	default:
		c.unknown(n)
	}
}

// jidAttr reads an address; an address that is missing or of another type reads as empty.
func jidAttr(n *waBinary.Node, key string) types.JID {
	jid, _ := n.Attrs[key].(types.JID)
	return jid
}

func stringAttr(n *waBinary.Node, key string) string {
	s, _ := n.Attrs[key].(string)
	return s
}

func intAttr(n *waBinary.Node, key string) int {
	i, _ := strconv.Atoi(stringAttr(n, key))
	return i
}

// bytesOf is the content of a child, nil if there is none. The encoder packs short texts, which are then read as text.
func bytesOf(n *waBinary.Node, path ...string) []byte {
	child, ok := n.GetOptionalChildByTag(path...)
	if !ok {
		return nil
	}
	switch content := child.Content.(type) {
	case []byte:
		return content
	case string:
		return []byte(content)
	}
	return nil
}

// children makes the content of a stanza.
func children(nodes ...waBinary.Node) []waBinary.Node { return nodes }

// describe prints a stanza for people, and not more than they can read.
func describe(n *waBinary.Node) string {
	const most = 2000
	s := n.String()
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strings.ReplaceAll(s, "\n", " ")
}
