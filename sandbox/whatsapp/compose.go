package whatsapp

import (
	"bytes"
	"compress/zlib"
	"context"
	"fmt"

	"go.mau.fi/libsignal/groups"
	"go.mau.fi/libsignal/protocol"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waCommon"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/proto/waHistorySync"
	"go.mau.fi/whatsmeow/proto/waWeb"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"
)

// Shape is what kind of message carries a text.
type Shape int

// The shapes. PlainText and ExtendedText are what people write; the others look like it to a careless reader.
const (
	PlainText    Shape = iota
	ExtendedText       // a text with more to it: what some phones send for links and formatting
	Reply              // a text that quotes another message
	Disappearing       // a text in a chat whose messages disappear
	Forwarded          // a text of somebody else
	ViewOnce           // a text that may be seen once
	Edited             // a change of an earlier text
	BotInvoke          // a text that is meant for WhatsApp's own assistant
	ImageCaption       // an image with the text below it
	Reaction           // the text as a reaction to another message
	Revoke             // a deletion of an earlier message; the text is its id
	Group              // a text in a group
	Broadcast          // a text in a broadcast list
	Status             // a status update
	Newsletter         // a text in a channel
	FromBot            // a text of WhatsApp's own assistant
	Resent             // a text that the account's phone hands over on request, long after
	History            // a text in the history that the account's phone hands over
)

// Shapes lists all shapes.
func Shapes() []Shape {
	var all []Shape
	for s := PlainText; s <= History; s++ {
		all = append(all, s)
	}
	return all
}

// String names the shape.
func (s Shape) String() string {
	names := [...]string{
		"PlainText", "ExtendedText", "Reply", "Disappearing", "Forwarded", "ViewOnce", "Edited", "BotInvoke",
		"ImageCaption", "Reaction", "Revoke", "Group", "Broadcast", "Status", "Newsletter", "FromBot", "Resent", "History",
	}
	if s < 0 || int(s) >= len(names) {
		return "unknown shape"
	}
	return names[s]
}

// Where the simulated users meet.
var (
	sandboxGroup     = types.NewJID("120363000000000001", types.GroupServer)
	sandboxBroadcast = types.NewJID("1700000000", types.BroadcastServer)
	sandboxChannel   = types.NewJID("120363000000000002", types.NewsletterServer)
)

// send puts a planned message on its way.
func (u *User) send(p *sendPlan) error {
	switch p.shape {
	case Newsletter:
		return u.sendNewsletter(p)
	case Resent:
		return u.sendResent(p)
	case History:
		return u.sendHistory(p)
	case FromBot:
		return u.srv.assistant.sendAsBot(p)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	attrs, err := u.addressLocked(p)
	if err != nil {
		return err
	}
	switch p.shape {
	case Group:
		return u.sendGroupLocked(p, inside(attrs, sandboxGroup))
	case Status:
		return u.sendGroupLocked(p, inside(attrs, types.StatusBroadcastJID))
	case Broadcast:
		attrs = inside(attrs, sandboxBroadcast)
	case Edited:
		attrs["edit"] = "1"
	case Revoke:
		attrs["edit"] = "7"
	case ImageCaption:
		attrs["type"] = "media"
	case Reaction:
		attrs["type"] = "reaction"
	}
	return u.sendToLocked(p, u.compose(p), func(encs ...waBinary.Node) waBinary.Node {
		return waBinary.Node{Tag: "message", Attrs: attrs, Content: encs}
	})
}

// inside turns the sender of a direct message into a participant of a chat.
func inside(attrs waBinary.Attrs, chat types.JID) waBinary.Attrs {
	attrs["participant"], attrs["from"] = attrs["from"], chat
	if pn, ok := attrs["sender_pn"]; ok {
		attrs["participant_pn"] = pn
		delete(attrs, "sender_pn")
	}
	if lid, ok := attrs["sender_lid"]; ok {
		attrs["participant_lid"] = lid
		delete(attrs, "sender_lid")
	}
	attrs["addressing_mode"] = string(types.AddressingModePN)
	if participant, _ := attrs["participant"].(types.JID); participant.Server == types.HiddenUserServer {
		attrs["addressing_mode"] = string(types.AddressingModeLID)
	}
	return attrs
}

// compose makes the content of a message. The caller holds u.mu.
func (u *User) compose(p *sendPlan) *waE2E.Message {
	plain := &waE2E.Message{Conversation: proto.String(p.text)}
	extended := func(about *waE2E.ContextInfo) *waE2E.Message {
		return &waE2E.Message{ExtendedTextMessage: &waE2E.ExtendedTextMessage{Text: proto.String(p.text), ContextInfo: about}}
	}
	other := &waCommon.MessageKey{
		RemoteJID: proto.String(u.lid.String()), FromMe: proto.Bool(true), ID: proto.String("3EB0" + p.id[:min(16, len(p.id))]),
	}
	switch p.shape {
	case ExtendedText:
		return extended(nil)
	case Reply:
		return extended(&waE2E.ContextInfo{
			StanzaID: other.ID, Participant: proto.String(p.account.lidNow().String()),
			QuotedMessage: &waE2E.Message{Conversation: proto.String("…")},
		})
	case Disappearing:
		return &waE2E.Message{EphemeralMessage: &waE2E.FutureProofMessage{Message: extended(&waE2E.ContextInfo{Expiration: proto.Uint32(86400)})}}
	case Forwarded:
		return extended(&waE2E.ContextInfo{IsForwarded: proto.Bool(true), ForwardingScore: proto.Uint32(1)})
	case ViewOnce:
		return &waE2E.Message{ViewOnceMessageV2: &waE2E.FutureProofMessage{Message: extended(nil)}}
	case Edited:
		return &waE2E.Message{EditedMessage: &waE2E.FutureProofMessage{Message: &waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{
			Type: waE2E.ProtocolMessage_MESSAGE_EDIT.Enum(), Key: other, EditedMessage: plain,
			TimestampMS: proto.Int64(p.at.UnixMilli()),
		}}}}
	case BotInvoke:
		return &waE2E.Message{BotInvokeMessage: &waE2E.FutureProofMessage{Message: extended(nil)}}
	case ImageCaption:
		return &waE2E.Message{ImageMessage: &waE2E.ImageMessage{
			Caption: proto.String(p.text), Mimetype: proto.String("image/jpeg"), FileLength: proto.Uint64(1),
			URL: proto.String("https://mmg.whatsapp.net/sandbox"), DirectPath: proto.String("/sandbox"),
		}}
	case Reaction:
		return &waE2E.Message{ReactionMessage: &waE2E.ReactionMessage{
			Key: other, Text: proto.String(p.text), SenderTimestampMS: proto.Int64(p.at.UnixMilli()),
		}}
	case Revoke:
		return &waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{
			Type: waE2E.ProtocolMessage_REVOKE.Enum(), Key: &waCommon.MessageKey{
				RemoteJID: proto.String(u.lid.String()), FromMe: proto.Bool(true), ID: proto.String(p.text),
			},
		}}
	}
	return plain
}

// sendGroupLocked sends with a sender key: the key itself first, for the one device that we know, then the message.
func (u *User) sendGroupLocked(p *sendPlan, attrs waBinary.Attrs) error {
	chat, _ := attrs["from"].(types.JID)
	ctx := context.Background()
	name := protocol.NewSenderKeyName(chat.String(), u.lid.SignalAddress())
	builder := groups.NewGroupSessionBuilder(u.keys, u.keys.serializer)
	distribution, err := builder.Create(ctx, name)
	if err != nil {
		return fmt.Errorf("make sender key: %w", err)
	}
	key := &waE2E.Message{SenderKeyDistributionMessage: &waE2E.SenderKeyDistributionMessage{
		GroupID: proto.String(chat.String()), AxolotlSenderKeyDistributionMessage: distribution.Serialize(),
	}}
	plain, err := proto.Marshal(&waE2E.Message{Conversation: proto.String(p.text)})
	if err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	sealed, err := groups.NewGroupCipher(builder, name, u.keys).Encrypt(ctx, pad(plain))
	if err != nil {
		return fmt.Errorf("encrypt for the group: %w", err)
	}
	inGroup := waBinary.Node{Tag: "enc", Attrs: waBinary.Attrs{"v": "2", "type": encGroup}, Content: sealed.SignedSerialize()}
	return u.sendToLocked(p, key, func(encs ...waBinary.Node) waBinary.Node {
		return waBinary.Node{Tag: "message", Attrs: attrs, Content: append(encs, inGroup)}
	})
}

// sendAsBot sends as WhatsApp's own assistant, which is a number like any other and has no hidden id.
func (h *handset) sendAsBot(p *sendPlan) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.sendToLocked(p, &waE2E.Message{Conversation: proto.String(p.text)}, func(encs ...waBinary.Node) waBinary.Node {
		return waBinary.Node{Tag: "message", Content: encs, Attrs: waBinary.Attrs{
			"from": h.pn, "id": p.id, "t": p.at.Unix(), "type": "text", "notify": h.name,
		}}
	})
}

// sendNewsletter posts in a channel, which is not encrypted.
func (u *User) sendNewsletter(p *sendPlan) error {
	plain, err := proto.Marshal(&waE2E.Message{Conversation: proto.String(p.text)})
	if err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	p.device.enqueue("message", p.id, waBinary.Node{
		Tag:     "message",
		Attrs:   waBinary.Attrs{"from": sandboxChannel, "id": p.id, "t": p.at.Unix(), "type": "text", "server_id": u.srv.nextID()},
		Content: children(waBinary.Node{Tag: "plaintext", Content: plain}),
	})
	return nil
}

// webMessage is a message as a phone keeps it.
func (u *User) webMessage(p *sendPlan) *waWeb.WebMessageInfo {
	return &waWeb.WebMessageInfo{
		Key:              &waCommon.MessageKey{RemoteJID: proto.String(u.lidNow().String()), FromMe: proto.Bool(false), ID: proto.String(p.id)},
		Message:          &waE2E.Message{Conversation: proto.String(p.text)},
		MessageTimestamp: proto.Uint64(uint64(p.at.Unix())),
		PushName:         proto.String(u.name),
	}
}

func (u *User) sendResent(p *sendPlan) error {
	raw, err := proto.Marshal(u.webMessage(p))
	if err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	type (
		result = waE2E.PeerDataOperationRequestResponseMessage_PeerDataOperationResult
		resend = waE2E.PeerDataOperationRequestResponseMessage_PeerDataOperationResult_PlaceholderMessageResendResponse
	)
	return p.account.sendPeer(&waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{
		Type: waE2E.ProtocolMessage_PEER_DATA_OPERATION_REQUEST_RESPONSE_MESSAGE.Enum(),
		PeerDataOperationRequestResponseMessage: &waE2E.PeerDataOperationRequestResponseMessage{
			PeerDataOperationRequestType: waE2E.PeerDataOperationRequestType_PLACEHOLDER_MESSAGE_RESEND.Enum(),
			StanzaID:                     proto.String(newMessageID()),
			PeerDataOperationResult:      []*result{{PlaceholderMessageResendResponse: &resend{WebMessageInfoBytes: raw}}},
		},
	}})
}

func (u *User) sendHistory(p *sendPlan) error {
	raw, err := proto.Marshal(&waHistorySync.HistorySync{
		SyncType: waHistorySync.HistorySync_RECENT.Enum(),
		Conversations: []*waHistorySync.Conversation{{
			ID: proto.String(u.lidNow().String()), Messages: []*waHistorySync.HistorySyncMsg{{Message: u.webMessage(p)}},
		}},
	})
	if err != nil {
		return fmt.Errorf("encode history: %w", err)
	}
	var packed bytes.Buffer
	w := zlib.NewWriter(&packed)
	if _, err := w.Write(raw); err != nil {
		return fmt.Errorf("compress history: %w", err)
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("compress history: %w", err)
	}
	return p.account.sendPeer(&waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{
		Type: waE2E.ProtocolMessage_HISTORY_SYNC_NOTIFICATION.Enum(),
		HistorySyncNotification: &waE2E.HistorySyncNotification{
			SyncType:                          waE2E.HistorySyncType_RECENT.Enum(),
			InitialHistBootstrapInlinePayload: packed.Bytes(),
		},
	}})
}
