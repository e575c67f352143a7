package whatsapp_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"github.com/konsulin-care/konsulin-bot/sandbox/whatsapp"
)

func TestEveryShapeArrivesAsWhatItIs(t *testing.T) {
	t.Parallel()
	w := setup(t)
	b := w.seeded(t, nil)
	u := w.user(t, 1)
	const text = "Request login"
	direct := func(m *events.Message) bool {
		return !m.Info.IsGroup && !m.Info.IsFromMe && m.SourceWebMsg == nil && m.Info.Sender.User == u.LID()
	}
	extended := func(m *events.Message) bool { return m.Message.GetExtendedTextMessage().GetText() == text }
	for shape, want := range map[whatsapp.Shape]func(*events.Message) bool{
		whatsapp.PlainText:    func(m *events.Message) bool { return direct(m) && m.Message.GetConversation() == text },
		whatsapp.ExtendedText: func(m *events.Message) bool { return direct(m) && extended(m) },
		whatsapp.Reply: func(m *events.Message) bool {
			return direct(m) && extended(m) && m.Message.GetExtendedTextMessage().GetContextInfo().GetQuotedMessage() != nil
		},
		whatsapp.Disappearing: func(m *events.Message) bool { return direct(m) && extended(m) && m.IsEphemeral },
		whatsapp.Forwarded: func(m *events.Message) bool {
			return direct(m) && extended(m) && m.Message.GetExtendedTextMessage().GetContextInfo().GetIsForwarded()
		},
		whatsapp.ViewOnce: func(m *events.Message) bool { return direct(m) && extended(m) && m.IsViewOnce },
		whatsapp.Edited: func(m *events.Message) bool {
			return direct(m) && m.IsEdit && m.Info.Edit == types.EditAttributeMessageEdit &&
				m.Message.GetProtocolMessage().GetEditedMessage().GetConversation() == text
		},
		whatsapp.BotInvoke:    func(m *events.Message) bool { return direct(m) && extended(m) && m.IsBotInvoke },
		whatsapp.ImageCaption: func(m *events.Message) bool { return direct(m) && m.Message.GetImageMessage().GetCaption() == text },
		whatsapp.Reaction:     func(m *events.Message) bool { return direct(m) && m.Message.GetReactionMessage().GetText() == text },
		whatsapp.Revoke: func(m *events.Message) bool {
			return direct(m) && m.Info.Edit == types.EditAttributeSenderRevoke && m.Message.GetProtocolMessage().GetKey().GetID() == text
		},
		whatsapp.Group: func(m *events.Message) bool {
			return m.Info.IsGroup && m.Info.Chat.Server == types.GroupServer && m.Info.Sender.User == u.LID() &&
				m.Message.GetConversation() == text
		},
		whatsapp.Broadcast: func(m *events.Message) bool {
			return m.Info.Chat.IsBroadcastList() && m.Message.GetConversation() == text
		},
		whatsapp.Status: func(m *events.Message) bool {
			return m.Info.Chat == types.StatusBroadcastJID && m.Message.GetConversation() == text
		},
		whatsapp.Newsletter: func(m *events.Message) bool {
			return m.Info.Chat.Server == types.NewsletterServer && m.Message.GetConversation() == text
		},
		whatsapp.FromBot: func(m *events.Message) bool { return m.Info.Sender.IsBot() && m.Message.GetConversation() == text },
		whatsapp.Resent: func(m *events.Message) bool {
			return m.SourceWebMsg != nil && m.Info.Sender.User == u.LID() && m.Message.GetConversation() == text
		},
		whatsapp.History: nil,
	} {
		id, err := u.Text(t.Context(), w.account, text, whatsapp.As(shape))
		require.NoError(t, err, shape.String())
		if want == nil {
			h := await(t, b, func(h *events.HistorySync) bool { return true })
			require.Equal(t, text, h.Data.Conversations[0].Messages[0].Message.Message.GetConversation())
			continue
		}
		await(t, b, func(m *events.Message) bool { return m.Info.ID == id && want(m) })
	}
	require.Len(t, whatsapp.Shapes(), 18)
	require.Eventually(t, func() bool { return w.account.Device().Pending() == 0 }, patience, tick)
	require.Zero(t, count(b, func(*events.UndecryptableMessage) bool { return true }))
}

func TestOwnerWritesFromThePhone(t *testing.T) {
	t.Parallel()
	w := setup(t)
	b := w.seeded(t, nil)
	u := w.user(t, 1)
	for _, text := range []string{"hello, a human here", "still here"} {
		require.NoError(t, w.account.WriteAsHuman(t.Context(), u, text))
		require.Equal(t, text, next(t, u).Text)
		m := await(t, b, func(m *events.Message) bool { return m.Message.GetConversation() == text })
		require.True(t, m.Info.IsFromMe)
		require.Equal(t, u.LID(), m.Info.Chat.User)
		require.Equal(t, u.Phone(), m.Info.RecipientAlt.User)
		require.Eventually(t, func() bool { return w.account.Device().Settlement(m.Info.ID).Receipt == "sender" }, patience, tick)
	}
}
