package whatsapp

import (
	"bytes"
	"fmt"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waAdv"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"
)

// parcel is one ciphertext of a message, with the device that it is for.
type parcel struct {
	to     types.JID
	kind   string
	sealed []byte
	retry  int
}

// sending is a message as a client sends it.
type sending struct {
	id         string
	to         types.JID
	peer       bool
	direct     bool // a single ciphertext: a peer message or the answer to a retry receipt
	parcels    []parcel
	deviceInfo []byte
}

// decodeSending reads a message stanza of a client.
func decodeSending(n *waBinary.Node) (*sending, error) {
	m := &sending{
		id: stringAttr(n, "id"), to: jidAttr(n, "to"), peer: stringAttr(n, "category") == "peer",
		deviceInfo: bytesOf(n, "device-identity"),
	}
	if m.id == "" || m.to.IsEmpty() {
		return nil, fmt.Errorf("%w: message without id or recipient", errStanza)
	}
	if stringAttr(n, "type") == "" {
		return nil, fmt.Errorf("%w: message without type", errStanza)
	}
	needsInfo := false
	for _, child := range n.GetChildren() {
		switch child.Tag {
		case "enc":
			m.direct = true
			p, err := decodeParcel(&child, m.to)
			if err != nil {
				return nil, err
			}
			m.parcels = append(m.parcels, p)
		case "participants":
			for _, to := range child.GetChildren() {
				enc := to.GetChildByTag("enc")
				p, err := decodeParcel(&enc, jidAttr(&to, "jid"))
				if err != nil {
					return nil, err
				}
				m.parcels = append(m.parcels, p)
			}
		}
	}
	for _, p := range m.parcels {
		needsInfo = needsInfo || p.kind == encFirst
	}
	switch {
	case len(m.parcels) == 0:
		return nil, fmt.Errorf("%w: message without content", errStanza)
	case m.direct && len(m.parcels) != 1:
		return nil, fmt.Errorf("%w: message with both kinds of content", errStanza)
	case needsInfo && m.deviceInfo == nil:
		return nil, fmt.Errorf("%w: first message of a session without a device identity", errStanza)
	}
	return m, nil
}

func decodeParcel(enc *waBinary.Node, to types.JID) (parcel, error) {
	p := parcel{to: to, kind: stringAttr(enc, "type"), retry: intAttr(enc, "count")}
	p.sealed, _ = enc.Content.([]byte)
	if enc.Tag != "enc" || stringAttr(enc, "v") != "2" || len(p.sealed) == 0 || to.IsEmpty() {
		return p, fmt.Errorf("%w: malformed ciphertext for %s", errStanza, to)
	}
	if p.kind != encFirst && p.kind != encSession {
		return p, fmt.Errorf("%w: ciphertext of kind %q for %s", errStanza, p.kind, to)
	}
	return p, nil
}

// handleMessage takes a message of the client, acknowledges it and hands it to the phones that it is for.
func (c *conn) handleMessage(n *waBinary.Node) {
	d := c.device
	if d.dropsAt(BeforeSending) {
		return
	}
	m, err := decodeSending(n)
	var recipients []*handset
	if err == nil {
		recipients, err = c.route(m)
	}
	if err != nil {
		c.srv.complain("%v in %s", err, describe(n))
		d.acknowledge(c, c.messageAck(n, 400), 0)
		return
	}
	plan := c.srv.planAck().and(d.acct.planAck())
	if plan.nack != 0 {
		d.acknowledge(c, c.messageAck(n, plan.nack), plan.delay)
		return
	}
	cut := d.dropsAt(BeforeAck)
	if !cut && !plan.lose {
		d.acknowledge(c, c.messageAck(n, 0), plan.delay)
	}
	if c.srv.options.Dedupe && !m.direct && d.sentBefore(m.id) {
		return
	}
	for i, h := range recipients {
		p := m.parcels[i]
		h.deliver(envelope{
			device: d, id: m.id, at: c.srv.options.Now(), kind: p.kind, sealed: p.sealed, retry: p.retry,
			copied: h == d.acct.handset && !m.peer, peer: m.peer, deviceInfo: m.deviceInfo,
		})
	}
}

// route finds the phone of each ciphertext, and checks that a message reaches everybody whom it must reach: the
// recipient's phone and the own one.
func (c *conn) route(m *sending) ([]*handset, error) {
	if m.deviceInfo != nil {
		if err := c.device.checkIdentity(m.deviceInfo); err != nil {
			return nil, err
		}
	}
	recipient, ok := c.srv.handset(m.to)
	if !ok {
		return nil, fmt.Errorf("%w: nobody is %s", errStanza, m.to)
	}
	needed := map[*handset]bool{recipient: true, c.device.acct.handset: true}
	if m.direct {
		needed = map[*handset]bool{recipient: true}
	}
	if m.peer && recipient != c.device.acct.handset {
		return nil, fmt.Errorf("%w: peer message to %s", errStanza, m.to)
	}
	var all []*handset
	for _, p := range m.parcels {
		h, ok := c.srv.handset(p.to)
		if !ok || p.to.Device != 0 || !needed[h] {
			return nil, fmt.Errorf("%w: ciphertext for %s in a message to %s", errStanza, p.to, m.to)
		}
		delete(needed, h)
		all = append(all, h)
	}
	for h := range needed {
		return nil, fmt.Errorf("%w: no ciphertext for %s in a message to %s", errStanza, h.pn, m.to)
	}
	return all, nil
}

// messageAck is the server's answer to a message; code 0 means that it was taken.
func (c *conn) messageAck(n *waBinary.Node, code int) waBinary.Node {
	attrs := waBinary.Attrs{"class": "message", "id": n.Attrs["id"], "from": n.Attrs["to"], "t": c.srv.unix()}
	if code != 0 {
		attrs["error"] = code
	}
	return waBinary.Node{Tag: "ack", Attrs: attrs}
}

// checkIdentity compares what a device says about its link with what was signed when it was linked.
func (d *Device) checkIdentity(raw []byte) error {
	var got waAdv.ADVSignedDeviceIdentity
	if err := proto.Unmarshal(raw, &got); err != nil {
		return fmt.Errorf("%w: device identity: %w", errStanza, err)
	}
	if !bytes.Equal(got.Details, d.adv.Details) || !bytes.Equal(got.AccountSignature, d.adv.AccountSignature) ||
		!bytes.Equal(got.AccountSignatureKey, d.adv.AccountSignatureKey) || !bytes.Equal(got.DeviceSignature, d.adv.DeviceSignature) {
		return fmt.Errorf("%w: the device identity is not the one of the pairing", errStanza)
	}
	return nil
}

// sentBefore notes an outgoing message and tells whether its id was used before.
func (d *Device) sentBefore(id string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	before := d.sent[id]
	d.sent[id] = true
	return before
}
