package whatsapp

import (
	"strings"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
)

// usync answers what a client wants to know about people: their devices, their hidden id, whether they have an
// account.
func (c *conn) usync(n *waBinary.Node, query waBinary.Node) {
	asked := query.GetChildByTag("query")
	for _, q := range asked.GetChildren() {
		switch q.Tag {
		case "devices", "lid", "contact", "status", "picture", "business", "disappearing_mode", "username":
		default:
			c.refuseIQ(n)
			return
		}
	}
	asking := query.GetChildByTag("list")
	var list []waBinary.Node
	for _, user := range asking.GetChildren() {
		answer, ok := c.usyncUser(&user, &asked)
		if !ok {
			c.refuseIQ(n)
			return
		}
		list = append(list, answer)
	}
	c.result(n, waBinary.Node{
		Tag: "usync", Attrs: waBinary.Attrs{"sid": query.Attrs["sid"], "mode": query.Attrs["mode"], "index": "0", "last": "true"},
		Content: children(waBinary.Node{Tag: "result"}, waBinary.Node{Tag: "list", Content: list}),
	})
}

func (c *conn) usyncUser(user, asked *waBinary.Node) (waBinary.Node, bool) {
	jid := jidAttr(user, "jid")
	if jid.IsEmpty() {
		return c.usyncContact(user)
	}
	h, known := c.srv.handset(jid)
	answer := waBinary.Node{Tag: "user", Attrs: waBinary.Attrs{"jid": jid}}
	var content []waBinary.Node
	for _, q := range asked.GetChildren() {
		switch {
		case q.Tag == "devices" && known:
			content = append(content, deviceList(h.deviceNumbers()))
		case q.Tag == "lid" && known && jid.Server == types.DefaultUserServer:
			// Only a number leads to a hidden id. The other way round would reveal what the id hides.
			lid := h.lidNow()
			c.device.learn(h.pn, lid, false)
			content = append(content, waBinary.Node{Tag: "lid", Attrs: waBinary.Attrs{"val": lid}})
		case q.Tag == "contact":
			content = append(content, contactNode(known, nil))
		}
	}
	answer.Content = content
	return answer, true
}

// usyncContact answers whether a typed number has an account.
func (c *conn) usyncContact(user *waBinary.Node) (waBinary.Node, bool) {
	typed := bytesOf(user, "contact")
	if typed == nil {
		return waBinary.Node{}, false
	}
	digits, _, _ := strings.Cut(strings.TrimPrefix(string(typed), "+"), "@")
	pn := types.NewJID(digits, types.DefaultUserServer)
	h, known := c.srv.handset(pn)
	answer := waBinary.Node{Tag: "user", Attrs: waBinary.Attrs{"jid": pn}, Content: children(contactNode(known, typed))}
	if known {
		lid := h.lidNow()
		c.device.learn(pn, lid, false)
		answer.Attrs = waBinary.Attrs{"jid": lid, "pn_jid": pn}
	}
	return answer, true
}

func contactNode(known bool, typed []byte) waBinary.Node {
	kind := "out"
	if known {
		kind = "in"
	}
	n := waBinary.Node{Tag: "contact", Attrs: waBinary.Attrs{"type": kind}}
	if typed != nil {
		n.Content = typed
	}
	return n
}

func deviceList(numbers []uint16) waBinary.Node {
	var devices []waBinary.Node
	for _, n := range numbers {
		devices = append(devices, waBinary.Node{Tag: "device", Attrs: waBinary.Attrs{"id": int(n), "is_hosted": "false"}})
	}
	return waBinary.Node{Tag: "devices", Content: children(waBinary.Node{Tag: "device-list", Content: devices})}
}
