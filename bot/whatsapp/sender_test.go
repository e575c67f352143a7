package whatsapp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"pgregory.net/rapid"
)

func from(sender, alternative types.JID) *events.Message {
	return message(func(e *events.Message) {
		e.Info.Sender, e.Info.Chat, e.Info.SenderAlt = sender, sender.ToNonAD(), alternative
	})
}

func TestSenderIsTheNumberThatWhatsAppVouchesFor(t *testing.T) {
	t.Parallel()
	other := "6281311112222"
	for _, row := range []struct {
		name        string
		sender, alt types.JID
		known       map[string]string
		from        string // digits; empty: a stranger
		asks        bool   // the store is asked
	}{
		{name: "number", sender: pnJID(theirDigits), from: theirDigits},
		{name: "number and hidden address", sender: pnJID(theirDigits), alt: lidJID(theirLID), from: theirDigits},
		{name: "number of a device", sender: types.JID{User: theirDigits, Device: 12, RawAgent: 1, Server: types.DefaultUserServer}, from: theirDigits},
		{name: "hidden address and number", sender: lidJID(theirLID), alt: pnJID(theirDigits), from: theirDigits},
		{name: "what came along beats the store", sender: lidJID(theirLID), alt: pnJID(theirDigits), known: map[string]string{theirLID: other}, from: theirDigits},
		{name: "hidden address, known to the store", sender: lidJID(theirLID), known: map[string]string{theirLID: theirDigits}, from: theirDigits, asks: true},
		{name: "hidden address, unknown", sender: lidJID(theirLID), asks: true},
		{name: "hidden address that looks like a number", sender: lidJID(theirDigits), asks: true},
		{name: "alternative is hidden too", sender: lidJID(theirLID), alt: lidJID(theirDigits), asks: true},
		{name: "alternative is hosted", sender: lidJID(theirLID), alt: types.NewJID(theirDigits, types.HostedServer), asks: true},
		{name: "alternative is a hosted device", sender: lidJID(theirLID), alt: types.JID{User: theirDigits, Device: 99, Server: types.DefaultUserServer}, asks: true},
		{name: "alternative is of the legacy server", sender: lidJID(theirLID), alt: types.NewJID(theirDigits, types.LegacyUserServer), asks: true},
		{name: "alternative is a bot", sender: lidJID(theirLID), alt: types.MetaAIJID, asks: true},
	} {
		c, in := newClient(t)
		store := &lids{known: row.known}
		require.True(t, c.take(t.Context(), fakeSession(store), from(row.sender, row.alt)), row.name)
		require.Equal(t, row.asks, store.asked > 0, row.name)
		if row.from == "" {
			require.Empty(t, in.messages, row.name)
			require.Len(t, in.strangers, 1, row.name)
			require.Equal(t, row.sender.User+"@lid", in.strangers[0].Chat, row.name)
			continue
		}
		require.Empty(t, in.strangers, row.name)
		require.Len(t, in.messages, 1, row.name)
		require.Equal(t, row.from, in.messages[0].From.Digits(), row.name)
		require.Equal(t, row.sender.ToNonAD().String(), in.messages[0].Chat, row.name)
	}
}

func TestLIDNeverBecomesNumber(t *testing.T) {
	t.Parallel()
	c, in := newClient(t)
	servers := []string{
		types.HiddenUserServer, types.HostedLIDServer, types.HostedServer, types.LegacyUserServer, types.GroupServer,
		types.BroadcastServer, types.NewsletterServer, types.MessengerServer, types.InteropServer, types.BotServer,
		"", "S.WHATSAPP.NET", "s.whatsapp.net.", "lid@s.whatsapp.net", " s.whatsapp.net",
	}
	rapid.Check(t, func(rt *rapid.T) {
		digits := rapid.StringMatching(`[0-9]{1,20}`).Draw(rt, "digits")
		jid := types.JID{
			User: digits, Server: rapid.SampledFrom(servers).Draw(rt, "server"),
			Device: rapid.Uint16().Draw(rt, "device"), RawAgent: rapid.Uint8().Draw(rt, "agent"),
		}
		_, ok := ownerOf(jid)
		require.False(rt, ok, "%s", jid.ADString())

		lid := lidJID(digits)
		_, known, err := findOwner(context.Background(), &lids{}, lid, jid)
		require.NoError(rt, err)
		require.False(rt, known)
		require.True(rt, c.take(context.Background(), fakeSession(&lids{}), from(lid, jid)))
	})
	require.Empty(t, in.messages)
}

func TestUnknownStoreAnswerIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	c, in := newClient(t)
	broken := &lids{err: errors.New("database is locked: " + theirDigits)}
	s := fakeSession(broken)
	require.False(t, c.take(t.Context(), s, from(lidJID(theirLID), types.JID{})))
	require.Len(t, s.reset, 1, "it comes again after a reconnect")
	own := message(func(e *events.Message) { e.Info.IsFromMe, e.Info.Chat = true, lidJID(theirLID) })
	require.False(t, c.take(t.Context(), s, own))
	require.Empty(t, in.strangers)
	require.Empty(t, in.humans)

	_, _, err := findOwner(t.Context(), broken, lidJID(theirLID), types.JID{})
	require.ErrorIs(t, err, broken.err)
	require.NotContains(t, fmt.Sprintf("%v %+v %#v", err, err, err), theirDigits)
}

func TestAddressWithoutPhoneNumberIsDropped(t *testing.T) {
	t.Parallel()
	c, in := newClient(t)
	for _, user := range []string{"0", "", "123", "abc", "62812:5", strings.Repeat("9", 16)} {
		require.True(t, c.take(t.Context(), fakeSession(&lids{}), from(pnJID(user), types.JID{})), user)
	}
	require.Empty(t, in.messages)
	require.Empty(t, in.strangers)
}

func TestNumbersThatThePlanCallsImpossibleAreServed(t *testing.T) {
	t.Parallel()
	c, in := newClient(t)
	for i, user := range []string{"5215512345678", "22501020304", "99912345678"} {
		require.True(t, c.take(t.Context(), fakeSession(&lids{}), from(pnJID(user), types.JID{})))
		require.Len(t, in.messages, i+1)
		require.Equal(t, user, in.messages[i].From.Digits())
		_, ok := parseChat(in.messages[i].Chat)
		require.True(t, ok, "and can be answered")
	}
}

func TestPhoneAddressThatCannotBeReadIsWarnedOf(t *testing.T) {
	t.Parallel()
	odd := "6281298765432109" // too long
	for _, row := range []struct {
		name        string
		sender, alt types.JID
		warned      bool
	}{
		{"sender", pnJID(odd), types.JID{}, true},
		{"alternative", lidJID(theirLID), pnJID(odd), true},
		{"announcement of WhatsApp", types.PSAJID, types.JID{}, false},
		{"hosted", types.JID{User: theirDigits, Device: hostedDevice, Server: types.DefaultUserServer}, types.JID{}, false},
		{"hidden address", lidJID(theirLID), types.JID{}, false},
		{"readable", lidJID(theirLID), pnJID(theirDigits), false},
	} {
		log := &logBuffer{}
		c, _ := newClient(t, func(cfg *Config) { cfg.Log = zerolog.New(log).Level(zerolog.WarnLevel) })
		for range 2 {
			require.True(t, c.take(t.Context(), fakeSession(&lids{}), from(row.sender, row.alt)))
		}
		require.NotContains(t, log.String(), odd[:6], row.name)
		if row.warned {
			require.Contains(t, log.String(), `"so_far":2`, row.name)
		} else {
			require.Empty(t, log.String(), row.name)
		}
	}
}

func TestChatAddressIsReadBack(t *testing.T) {
	t.Parallel()
	for _, jid := range []types.JID{pnJID(theirDigits), lidJID(theirLID), {User: theirLID, Device: 4, Server: types.HiddenUserServer}} {
		back, ok := parseChat(chatAddress(jid))
		require.True(t, ok)
		require.Equal(t, jid.ToNonAD(), back)
	}
	for _, bad := range []string{
		"", "@", theirDigits, "@lid", "lid", "a@lid", "1@g.us", "status@broadcast", "1@newsletter", theirDigits + ":3@s.whatsapp.net",
		theirLID + ".1:3@lid", "0@s.whatsapp.net", theirDigits + "@hosted", theirDigits + "@s.whatsapp.net@lid", "13135550002@s.whatsapp.net",
		" " + theirLID + "@lid", theirLID + "@lid ", "1.2.3@lid", "1:a@lid",
	} {
		_, ok := parseChat(bad)
		require.False(t, ok, "%q", bad)
	}
}

func TestOwnMessagesSilenceTheBot(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		change func(*events.Message)
		chat   string // empty: not told
	}{
		{"to a number", func(e *events.Message) {}, theirDigits},
		{"to a hidden address with number", func(e *events.Message) { e.Info.Chat, e.Info.RecipientAlt = lidJID(theirLID), pnJID(theirDigits) }, theirDigits},
		{"to a hidden address that the store knows", func(e *events.Message) { e.Info.Chat = lidJID("777777777777777") }, theirDigits},
		{"to a hidden address", func(e *events.Message) { e.Info.Chat = lidJID(theirLID) }, theirLID + "@lid"},
		{"from another linked device", func(e *events.Message) { e.Info.Sender.Device = 2 }, theirDigits},
		{"from this device", func(e *events.Message) { e.Info.Sender.Device = 7 }, ""},
		{"to oneself", func(e *events.Message) { e.Info.Chat = pnJID(ourDigits) }, ""},
		{"to one's own hidden address", func(e *events.Message) { e.Info.Chat = lidJID("9" + ourDigits) }, ""},
		{"to a group", func(e *events.Message) { e.Info.Chat, e.Info.IsGroup = types.NewJID("1203", types.GroupServer), true }, ""},
		{"status", func(e *events.Message) { e.Info.Chat = types.StatusBroadcastJID }, ""},
		{"peer", func(e *events.Message) { e.Info.Category = "peer" }, ""},
		{"old", func(e *events.Message) { e.UnavailableRequestID = "X" }, ""},
	} {
		c, in := newClient(t)
		e := message(func(e *events.Message) {
			e.Info.IsFromMe, e.Info.Sender, e.Info.Chat = true, types.JID{User: ourDigits, Server: types.DefaultUserServer}, pnJID(theirDigits)
		}, row.change)
		require.True(t, c.take(t.Context(), fakeSession(&lids{known: map[string]string{"777777777777777": theirDigits}}), e), row.name)
		require.Empty(t, in.messages, row.name)
		require.Empty(t, in.strangers, row.name)
		if row.chat == "" {
			require.Empty(t, in.humans, row.name)
		} else {
			require.Equal(t, []human{{row.chat, e.Info.Timestamp}}, in.humans, row.name)
		}
	}
}
