package whatsapp

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mau.fi/whatsmeow/proto/waAICommon"
	"go.mau.fi/whatsmeow/proto/waCommon"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/proto/waWeb"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"
)

func raw(m *waE2E.Message) func(*events.Message) {
	return func(e *events.Message) { e.RawMessage = m }
}

func plain(s string) *waE2E.Message { return &waE2E.Message{Conversation: proto.String(s)} }

func wrapped(m *waE2E.Message) *waE2E.FutureProofMessage {
	return &waE2E.FutureProofMessage{Message: m}
}

func extended(c *waE2E.ContextInfo) *waE2E.Message {
	return &waE2E.Message{ExtendedTextMessage: &waE2E.ExtendedTextMessage{Text: proto.String("Authenticate me"), ContextInfo: c}}
}

// shapes that are read: name and message.
func readShapes() map[string]*events.Message {
	return map[string]*events.Message{
		"conversation":              message(),
		"extended text":             message(raw(extended(nil))),
		"extended text that quotes": message(raw(extended(&waE2E.ContextInfo{StanzaID: proto.String("X"), QuotedMessage: plain("hi")}))),
		"disappearing text":         message(raw(&waE2E.Message{EphemeralMessage: wrapped(extended(&waE2E.ContextInfo{Expiration: proto.Uint32(86400)}))})),
		"with a message secret": message(raw(&waE2E.Message{Conversation: proto.String("Authenticate me"),
			MessageContextInfo: &waE2E.MessageContextInfo{MessageSecret: []byte{1}}})),
		"hidden address": message(func(e *events.Message) { e.Info.Chat, e.Info.Sender = lidJID(theirLID), lidJID(theirLID) }),
		"retried":        message(func(e *events.Message) { e.RetryCount = 2 }),
	}
}

// droppedShapes are all others that are known: name, the rule that must hit, and the message.
func droppedShapes() []struct {
	name, rule string
	e          *events.Message
} {
	login := "Request login, authenticate me."
	key := &waCommon.MessageKey{ID: proto.String("X"), RemoteJID: proto.String("1@s.whatsapp.net")}
	media := func(m *waE2E.Message) *events.Message { return message(raw(m)) }
	chat := func(user, server string) func(*events.Message) {
		return func(e *events.Message) { e.Info.Chat = types.NewJID(user, server) }
	}
	from := func(j types.JID) func(*events.Message) {
		return func(e *events.Message) { e.Info.Chat, e.Info.Sender = j.ToNonAD(), j }
	}
	return []struct {
		name, rule string
		e          *events.Message
	}{
		{"group", "group", message(chat("1203630", types.GroupServer), func(e *events.Message) { e.Info.IsGroup = true })},
		{"group without the flag", "group", message(chat("1203630", types.GroupServer))},
		{"flag without the group", "group or list", message(func(e *events.Message) { e.Info.IsGroup = true })},
		{"status", "status or broadcast", message(chat("status", types.BroadcastServer))},
		{"broadcast list", "status or broadcast", message(chat("17000", types.BroadcastServer))},
		{"broadcast owner", "status or broadcast", message(func(e *events.Message) { e.Info.BroadcastListOwner = pnJID(theirDigits) })},
		{"newsletter", "newsletter", message(chat("1200", types.NewsletterServer))},
		{"newsletter meta", "newsletter", message(func(e *events.Message) { e.NewsletterMeta = &events.NewsletterMessageMeta{} })},
		{"newsletter status", "newsletter", message(func(e *events.Message) { e.Info.IsNewsletterStatus = true })},
		{"legacy server", "chat that is not a person's", message(from(types.NewJID(theirDigits, types.LegacyUserServer)))},
		{"messenger", "chat that is not a person's", message(from(types.NewJID(theirDigits, types.MessengerServer)))},
		{"interop", "chat that is not a person's", message(from(types.NewJID(theirDigits, types.InteropServer)))},
		{"hosted", "chat that is not a person's", message(from(types.NewJID(theirDigits, types.HostedServer)))},
		{"hosted hidden", "chat that is not a person's", message(from(types.NewJID(theirLID, types.HostedLIDServer)))},
		{"no server", "chat that is not a person's", message(from(types.JID{}))},
		{"sender hosted, chat not", "sender that is not a person", message(func(e *events.Message) { e.Info.Sender.Server = types.HostedServer })},
		{"hosted device, as the library shows it", "hosted business device", message(func(e *events.Message) { e.Info.Sender.Device = 99 })},
		{"own", "own message", message(func(e *events.Message) { e.Info.IsFromMe = true })},
		{"history", "history or a copy from the phone", message(func(e *events.Message) { e.SourceWebMsg = &waWeb.WebMessageInfo{} })},
		{"copy from the phone", "history or a copy from the phone", message(func(e *events.Message) { e.UnavailableRequestID = "X" })},
		{"peer", "talk between own devices", message(func(e *events.Message) { e.Info.Category = "peer" })},
		{"Meta AI", "bot", message(from(types.MetaAIJID))},
		{"bot server", "chat that is not a person's", message(from(types.NewMetaAIJID))},
		{"bot invoke", "bot", media(&waE2E.Message{BotInvokeMessage: wrapped(plain(login))})},
		{"bot edit", "bot", message(func(e *events.Message) { e.Info.MsgBotInfo.EditType = types.EditTypeLast })},
		{"bot metadata", "bot", media(&waE2E.Message{Conversation: proto.String(login),
			MessageContextInfo: &waE2E.MessageContextInfo{BotMetadata: &waAICommon.BotMetadata{}}})},
		{"edit", "edit", media(&waE2E.Message{EditedMessage: wrapped(plain(login))})},
		{"edit attribute", "edit", message(func(e *events.Message) { e.Info.Edit = types.EditAttributeMessageEdit })},
		{"edit as protocol", "protocol", media(&waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{
			Type: waE2E.ProtocolMessage_MESSAGE_EDIT.Enum(), Key: key, EditedMessage: plain(login)}})},
		{"revoke", "protocol", media(&waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{Type: waE2E.ProtocolMessage_REVOKE.Enum(), Key: key}})},
		{"history notification", "protocol", media(&waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{
			HistorySyncNotification: &waE2E.HistorySyncNotification{}}})},
		{"view once", "view once", media(&waE2E.Message{ViewOnceMessage: wrapped(plain(login))})},
		{"view once 2", "view once", media(&waE2E.Message{ViewOnceMessageV2: wrapped(plain(login))})},
		{"view once 2 extension", "view once", media(&waE2E.Message{ViewOnceMessageV2Extension: wrapped(plain(login))})},
		{"view once inside disappearing", "view once", media(&waE2E.Message{EphemeralMessage: wrapped(&waE2E.Message{ViewOnceMessage: wrapped(plain(login))})})},
		{"document with caption", "media with a caption", media(&waE2E.Message{DocumentWithCaptionMessage: wrapped(plain(login))})},
		{"lottie sticker", "media with a caption", media(&waE2E.Message{LottieStickerMessage: wrapped(plain(login))})},
		{"image caption", "anything but text", media(&waE2E.Message{ImageMessage: &waE2E.ImageMessage{Caption: proto.String(login)}})},
		{"video caption", "anything but text", media(&waE2E.Message{VideoMessage: &waE2E.VideoMessage{Caption: proto.String(login)}})},
		{"document caption", "anything but text", media(&waE2E.Message{DocumentMessage: &waE2E.DocumentMessage{Caption: proto.String(login)}})},
		{"image beside text", "anything but text", media(&waE2E.Message{Conversation: proto.String(login), ImageMessage: &waE2E.ImageMessage{}})},
		{"reaction", "anything but text", media(&waE2E.Message{ReactionMessage: &waE2E.ReactionMessage{Text: proto.String(login)}})},
		{"poll", "anything but text", media(&waE2E.Message{PollCreationMessage: &waE2E.PollCreationMessage{Name: proto.String(login)}})},
		{"poll vote", "anything but text", media(&waE2E.Message{PollUpdateMessage: &waE2E.PollUpdateMessage{}})},
		{"contact", "anything but text", media(&waE2E.Message{ContactMessage: &waE2E.ContactMessage{DisplayName: proto.String(login)}})},
		{"location", "anything but text", media(&waE2E.Message{LocationMessage: &waE2E.LocationMessage{Comment: proto.String(login)}})},
		{"button answer", "anything but text", media(&waE2E.Message{ButtonsResponseMessage: &waE2E.ButtonsResponseMessage{}})},
		{"list answer", "anything but text", media(&waE2E.Message{ListResponseMessage: &waE2E.ListResponseMessage{Title: proto.String(login)}})},
		{"sender keys beside text", "anything but text", media(&waE2E.Message{Conversation: proto.String(login),
			SenderKeyDistributionMessage: &waE2E.SenderKeyDistributionMessage{}})},
		{"two texts", "anything but text", media(&waE2E.Message{Conversation: proto.String(login), ExtendedTextMessage: &waE2E.ExtendedTextMessage{}})},
		{"nothing inside", "anything but text", media(&waE2E.Message{})},
		{"no message", "no content", message(raw(nil))},
		{"forwarded", "forwarded", media(extended(&waE2E.ContextInfo{IsForwarded: proto.Bool(true)}))},
		{"forwarded often", "forwarded", media(extended(&waE2E.ContextInfo{ForwardingScore: proto.Uint32(5)}))},
		{"forwarded inside disappearing", "forwarded", media(&waE2E.Message{EphemeralMessage: wrapped(extended(&waE2E.ContextInfo{IsForwarded: proto.Bool(true)}))})},
		{"empty", "empty text", media(plain(""))},
		{"blank", "empty text", media(plain(" \n\t"))},
		{"no id", "unusable message id", message(func(e *events.Message) { e.Info.ID = "" })},
		{"id with a line break", "unusable message id", message(func(e *events.Message) { e.Info.ID = "A\nB" })},
		{"endless id", "unusable message id", message(func(e *events.Message) { e.Info.ID = string(make([]byte, 5000)) })},
	}
}

func TestOnlyDirectTextTriggers(t *testing.T) {
	t.Parallel()
	c, in := newClient(t)
	for _, row := range droppedShapes() {
		require.Equal(t, row.rule, refusal(text(), row.e), row.name)
		require.True(t, c.take(t.Context(), fakeSession(&lids{}), row.e), "%s: what is dropped is acknowledged", row.name)
	}
	require.Empty(t, in.messages)
	require.Empty(t, in.strangers)
	require.Empty(t, in.humans)

	for name, e := range readShapes() {
		require.Empty(t, refusal(text(), e), name)
		require.True(t, c.take(t.Context(), fakeSession(&lids{}), e), name)
	}
	require.Len(t, in.messages, len(readShapes())-1)
	require.Len(t, in.strangers, 1)
}

func TestEveryRuleIsHitByAShape(t *testing.T) {
	t.Parallel()
	hit := map[string]bool{}
	for _, row := range droppedShapes() {
		hit[row.rule] = true
	}
	for _, r := range text() {
		require.True(t, hit[r.reason], "no shape in the table proves the rule %q", r.reason)
	}
}

func TestTextWithUnknownContentIsDropped(t *testing.T) {
	t.Parallel()
	m := plain("Authenticate me")
	m.ProtoReflect().SetUnknown([]byte{0xfa, 0x3f, 0x01, 0x01}) // a field that this version does not know
	require.Equal(t, "anything but text", refusal(text(), message(raw(m))))
}

func TestMessageArrivesWhole(t *testing.T) {
	t.Parallel()
	c, in := newClient(t)
	require.True(t, c.take(t.Context(), fakeSession(&lids{}), message()))
	m := in.messages[0]
	require.Equal(t, "3EB0ABCDEF0123456789", m.ID)
	require.Equal(t, theirDigits, m.From.Digits())
	require.Equal(t, theirDigits+"@s.whatsapp.net", m.Chat)
	require.Equal(t, "Request login, authenticate me.", m.Text)
	require.Equal(t, "Somebody", m.PushName)
	require.Equal(t, time.Date(2026, 3, 1, 8, 59, 58, 0, time.UTC), m.SentAt)
}
