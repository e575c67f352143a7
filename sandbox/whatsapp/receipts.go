package whatsapp

import (
	waBinary "go.mau.fi/whatsmeow/binary"
)

// handleReceipt takes what the client says about a message that it got.
func (c *conn) handleReceipt(n *waBinary.Node) {
	id, to, kind := stringAttr(n, "id"), jidAttr(n, "to"), stringAttr(n, "type")
	if id == "" || to.IsEmpty() {
		c.unknown(n)
		return
	}
	settles := true
	switch kind {
	case "":
		kind = "delivery"
	case "inactive", "sender", "peer_msg", "hist_sync":
	case "read", "read-self", "played":
		settles = false
	case "retry":
		settles = false
		if !c.retry(n, id) {
			return
		}
	default:
		c.unknown(n)
		return
	}
	if settles {
		if c.device.dropsAt(AfterHandling) {
			return
		}
		c.device.settle("message", id, Settlement{Receipt: kind})
	}
	if h, ok := c.srv.handset(to); ok && kind == "read" {
		c.srv.markRead(h, ids(n, id))
	}
	c.send(waBinary.Node{Tag: "ack", Attrs: waBinary.Attrs{
		"class": "receipt", "id": id, "from": to, "type": n.Attrs["type"], "t": c.srv.unix(),
	}})
}

// retry asks the sender of a message to send it again, and tells whether the request made sense.
func (c *conn) retry(n *waBinary.Node, id string) bool {
	sender := jidAttr(n, "to")
	if participant := jidAttr(n, "participant"); !participant.IsEmpty() {
		sender = participant
	}
	h, ok := c.srv.handset(sender)
	request, hasRequest := n.GetOptionalChildByTag("retry")
	if !ok || !hasRequest || stringAttr(&request, "id") != id || intAttr(&request, "count") < 1 {
		c.unknown(n)
		return false
	}
	var fresh *publicKeys
	if _, has := n.GetOptionalChildByTag("keys"); has {
		got, err := decodeRetryKeys(n)
		if err == nil && got.identity != c.device.identity {
			err = errPreKeys
		}
		if err != nil {
			c.srv.complain("%v in %s", err, describe(n))
			return false
		}
		fresh = got
	}
	c.device.noteRetry(id)
	if err := h.resend(c.device, id, intAttr(&request, "count"), fresh); err != nil {
		c.srv.complain("%v", err)
	}
	return true
}

// decodeRetryKeys reads the keys of a retry receipt.
func decodeRetryKeys(n *waBinary.Node) (*publicKeys, error) {
	keys := n.GetChildByTag("keys")
	content := []waBinary.Node{n.GetChildByTag("registration"), {Tag: "list", Content: keys.GetChildrenByTag("key")}}
	return decodePublicKeys(&waBinary.Node{Tag: "keys", Content: append(content, keys.GetChildren()...)})
}

// handleAck takes the client's bare acknowledgement of something that it was sent.
func (c *conn) handleAck(n *waBinary.Node) {
	class, id := stringAttr(n, "class"), stringAttr(n, "id")
	switch class {
	case "message":
		if c.device.dropsAt(AfterHandling) {
			return
		}
		c.device.settle(class, id, Settlement{Acked: true, Nack: intAttr(n, "error")})
	case "receipt", "notification":
		c.device.settle(class, id, Settlement{Acked: true, Nack: intAttr(n, "error")})
	default:
		c.unknown(n)
	}
}

func (d *Device) settle(class, id string, how Settlement) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.queue.settle(class, id, how)
}

func (d *Device) noteRetry(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if q, ok := d.queue.find("message", id); ok {
		q.settlement.Retries++
	}
}

// ids are all messages that one receipt is about.
func ids(n *waBinary.Node, first string) []string {
	all := []string{first}
	list := n.GetChildByTag("list")
	for _, item := range list.GetChildren() {
		if id := stringAttr(&item, "id"); id != "" {
			all = append(all, id)
		}
	}
	return all
}
