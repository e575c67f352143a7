package whatsapp

import (
	"strings"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// rule names one shape of message that is not a live, direct text. What it hits is acknowledged and dropped.
type rule struct {
	reason string
	hits   func(*events.Message) bool
}

// live are the rules for any message that somebody wrote in a direct chat just now.
func live() []rule {
	return []rule{
		{"history or a copy from the phone", func(e *events.Message) bool { return e.SourceWebMsg != nil || e.UnavailableRequestID != "" }},
		{"newsletter", func(e *events.Message) bool {
			return e.NewsletterMeta != nil || e.Info.IsNewsletterStatus || server(e, types.NewsletterServer)
		}},
		{"group", func(e *events.Message) bool { return server(e, types.GroupServer) }},
		{"status or broadcast", func(e *events.Message) bool {
			return server(e, types.BroadcastServer) || !e.Info.BroadcastListOwner.IsEmpty()
		}},
		{"group or list", func(e *events.Message) bool { return e.Info.IsGroup }},
		{"chat that is not a person's", func(e *events.Message) bool {
			return !server(e, types.DefaultUserServer) && !server(e, types.HiddenUserServer)
		}},
		{"sender that is not a person", func(e *events.Message) bool { return !personal(e.Info.Sender.Server) }},
		{"bot", func(e *events.Message) bool {
			return e.Info.Sender.IsBot() || e.Info.Chat.IsBot() || e.IsBotInvoke || botMarks(e)
		}},
		{"hosted business device", func(e *events.Message) bool { return e.Info.Sender.Device == hostedDevice }},
		{"talk between own devices", func(e *events.Message) bool { return e.Info.Category != "" }},
		{"no content", func(e *events.Message) bool { return e.Message == nil }},
		{"edit", func(e *events.Message) bool { return e.IsEdit || e.Info.Edit != types.EditAttributeEmpty }},
		{"protocol", func(e *events.Message) bool { return e.Message.GetProtocolMessage() != nil }},
	}
}

// text are the rules on top of live for a message that may mean something to the bot.
func text() []rule {
	return append(live(),
		rule{"own message", func(e *events.Message) bool { return e.Info.IsFromMe }},
		rule{"view once", func(e *events.Message) bool { return e.IsViewOnce || e.IsViewOnceV2 || e.IsViewOnceV2Extension }},
		rule{"media with a caption", func(e *events.Message) bool { return e.IsDocumentWithCaption || e.IsLottieSticker }},
		rule{"anything but text", func(e *events.Message) bool { return !textOnly(e.Message) }},
		rule{"forwarded", func(e *events.Message) bool { return forwarded(e.Message.GetExtendedTextMessage().GetContextInfo()) }},
		rule{"empty text", func(e *events.Message) bool { return strings.TrimSpace(textOf(e.Message)) == "" }},
		rule{"unusable message id", func(e *events.Message) bool { return !usableID(e.Info.ID) }},
	)
}

// refusal is the reason of the first rule that hits, empty when none does.
func refusal(rules []rule, e *events.Message) string {
	for _, r := range rules {
		if r.hits(e) {
			return r.reason
		}
	}
	return ""
}

func server(e *events.Message, name string) bool { return e.Info.Chat.Server == name }

func personal(server string) bool {
	return server == types.DefaultUserServer || server == types.HiddenUserServer
}

func botMarks(e *events.Message) bool {
	return e.Info.MsgBotInfo.EditType != "" || e.Message.GetMessageContextInfo().GetBotMetadata() != nil
}

// textOnly reports whether a text is all that the message holds. New kinds of content appear all the time, so what is
// not known to belong to a plain text counts as something else.
func textOnly(m *waE2E.Message) bool {
	texts, others := 0, 0
	m.ProtoReflect().Range(func(field protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		switch field.Name() {
		case "conversation", "extendedTextMessage":
			texts++
		case "messageContextInfo":
		default:
			others++
		}
		return true
	})
	return texts == 1 && others == 0 && len(m.ProtoReflect().GetUnknown()) == 0
}

func textOf(m *waE2E.Message) string {
	if m.Conversation != nil {
		return m.GetConversation()
	}
	return m.GetExtendedTextMessage().GetText()
}

func forwarded(c *waE2E.ContextInfo) bool { return c.GetIsForwarded() || c.GetForwardingScore() > 0 }

// longestID is far beyond what WhatsApp's own apps use.
const longestID = 128

// usableID keeps ids that were made up by somebody out of our keys and logs.
func usableID(id string) bool {
	if id == "" || len(id) > longestID {
		return false
	}
	for _, r := range id {
		if r <= ' ' || r > '~' {
			return false
		}
	}
	return true
}
