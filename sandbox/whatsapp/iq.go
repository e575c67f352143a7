package whatsapp

import (
	"strconv"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
)

// handleIQ answers a query of a linked device. Each query is answered: with a result, or with an error and an entry
// in Unknown.
func (c *conn) handleIQ(n *waBinary.Node) {
	kind := stringAttr(n, "type")
	if kind == "result" || kind == "error" {
		if !c.answered(n) {
			c.unknown(n)
		}
		return
	}
	child := firstChild(n)
	switch stringAttr(n, "xmlns") + " " + kind + " " + child.Tag {
	case "w:p get ", "w:p get ping":
		if !c.srv.ignoresPings() && !c.device.acct.ignoresPings() {
			c.result(n)
		}
	case "passive set active":
		c.result(n)
		c.device.activate(c)
	case "passive set passive":
		c.result(n)
		c.device.deactivate(c)
	case "encrypt get count":
		c.result(n, waBinary.Node{Tag: "count", Attrs: waBinary.Attrs{"value": strconv.Itoa(c.device.prekeyCount())}})
	case "encrypt set registration":
		c.uploadPreKeys(n)
	case "encrypt get key":
		c.fetchPreKeys(n, child)
	case "usync get usync":
		c.usync(n, child)
	case "privacy get privacy":
		c.result(n, privacySettings())
	case "privacy set tokens":
		c.issueTokens(n, child)
	case "w:m set media_conn":
		c.fail(n, 404, "item-not-found") // there are no media here
	case "md set remove-companion-device":
		c.device.acct.unlinkAsked(c.device)
		c.result(n)
	default:
		c.refuseIQ(n)
	}
}

// result answers a query.
func (c *conn) result(query *waBinary.Node, content ...waBinary.Node) {
	answer := waBinary.Node{Tag: "iq", Attrs: waBinary.Attrs{
		"id": query.Attrs["id"], "from": types.ServerJID, "type": "result",
	}}
	if len(content) > 0 {
		answer.Content = content
	}
	c.send(answer)
}

// fail answers a query with an error, which is an answer like any other.
func (c *conn) fail(query *waBinary.Node, code int, text string) {
	c.send(waBinary.Node{
		Tag:   "iq",
		Attrs: waBinary.Attrs{"id": query.Attrs["id"], "from": types.ServerJID, "type": "error"},
		Content: children(waBinary.Node{
			Tag: "error", Attrs: waBinary.Attrs{"code": strconv.Itoa(code), "text": text},
		}),
	})
}

// refuseIQ is for queries that this server does not know: the client hears so at once, and so does the test.
func (c *conn) refuseIQ(query *waBinary.Node) {
	c.unknown(query)
	c.fail(query, 501, "feature-not-implemented")
}

// privacySettings is what an account has that never changed a setting.
func privacySettings() waBinary.Node {
	var settings []waBinary.Node
	for _, name := range []string{"groupadd", "last", "status", "profile", "readreceipts", "calladd", "messages", "defense", "stickers"} {
		value := "all"
		if name == "defense" {
			value = "off"
		}
		settings = append(settings, waBinary.Node{Tag: "category", Attrs: waBinary.Attrs{"name": name, "value": value}})
	}
	return waBinary.Node{Tag: "privacy", Content: settings}
}

// issueTokens takes the trusted-contact tokens that a client hands to people it writes to.
func (c *conn) issueTokens(n *waBinary.Node, tokens waBinary.Node) {
	for _, token := range tokens.GetChildren() {
		_, known := c.srv.handset(jidAttr(&token, "jid"))
		if !known || stringAttr(&token, "type") != "trusted_contact" || intAttr(&token, "t") == 0 {
			c.unknown(n)
			c.fail(n, 400, "bad-request")
			return
		}
	}
	c.result(n)
}

func firstChild(n *waBinary.Node) waBinary.Node {
	if all := n.GetChildren(); len(all) > 0 {
		return all[0]
	}
	return waBinary.Node{}
}
