package whatsapp

import (
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"google.golang.org/protobuf/proto"
)

// Shape is the kind of message that carries a text.
type Shape int

// The shapes.
const (
	PlainText Shape = iota // a live text, as a phone sends it
)

// send puts a planned message on its way.
func (u *User) send(p *sendPlan) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	attrs, err := u.addressLocked(p)
	if err != nil {
		return err
	}
	return u.sendToLocked(p.device, p.id, &waE2E.Message{Conversation: proto.String(p.text)}, func(encs ...waBinary.Node) waBinary.Node {
		return waBinary.Node{Tag: "message", Attrs: attrs, Content: encs}
	})
}
