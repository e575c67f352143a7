package whatsapp_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"github.com/konsulin-care/konsulin-bot/sandbox/whatsapp"
)

func TestMessagesWaitForTheClientAndArriveInOrder(t *testing.T) {
	t.Parallel()
	w := setup(t)
	container := newStore(t)
	require.NoError(t, w.account.Seed(t.Context(), container))
	d := w.account.Device()
	u := w.user(t, 1)

	send := func(n int) {
		for i := range n {
			_, err := u.Text(t.Context(), w.account, fmt.Sprint(i))
			require.NoError(t, err)
		}
	}
	answers := func(n int) {
		for i := range n {
			require.Equal(t, fmt.Sprintf("echo: %d", i), next(t, u).Text)
		}
	}
	send(20)
	require.Equal(t, 20, d.Pending())
	require.False(t, d.Connected())

	b := w.client(t, container, echo)
	b.connect(t)
	preview := await[*events.OfflineSyncPreview](t, b, nil)
	require.Equal(t, 20, preview.Messages)
	answers(20)
	require.Equal(t, preview.Total, await[*events.OfflineSyncCompleted](t, b, nil).Count)
	require.Eventually(t, func() bool { return d.Pending() == 0 }, patience, tick)

	b.client.Disconnect()
	require.Eventually(t, func() bool { return !d.Connected() }, patience, tick)
	send(20)
	again := w.client(t, container, echo) // as after a restart: nothing but the store is left
	again.connect(t)
	answers(20)
	require.Eventually(t, func() bool { return d.Pending() == 0 }, patience, tick)
	require.Equal(t, 40, u.Raw())
}

func TestFalseReturnBringsTheMessageBackAfterAReconnect(t *testing.T) {
	t.Parallel()
	w := setup(t)
	var once sync.Once
	b := w.seeded(t, func(b *bot, m *events.Message) bool {
		refuse := false
		once.Do(func() { refuse = true })
		return !refuse && echo(b, m)
	})
	u := w.user(t, 1)
	id, err := u.Text(t.Context(), w.account, "hello")
	require.NoError(t, err)
	await(t, b, messageWith(id))
	require.Equal(t, 1, w.account.Device().PendingMessages())
	require.False(t, w.account.Device().Settlement(id).Settled)
	b.client.ResetConnection()
	require.Equal(t, "echo: hello", next(t, u).Text)
	require.Eventually(t, func() bool { return w.account.Device().Settlement(id).Receipt == "inactive" }, patience, tick)
	require.Equal(t, 2, count(b, messageWith(id)))
	require.Equal(t, 1, u.Raw())
}

func TestSettlementTellsWhatTheClientSaid(t *testing.T) {
	t.Parallel()
	w := setup(t)
	b := w.seeded(t, nil)
	d := w.account.Device()
	u := w.user(t, 1)
	settled := func(want whatsapp.Settlement) {
		t.Helper()
		id, err := u.Text(t.Context(), w.account, "hello")
		require.NoError(t, err)
		require.Eventually(t, func() bool { return d.Settlement(id) == want }, patience, tick)
	}
	settled(whatsapp.Settlement{Settled: true, Receipt: "inactive"})
	require.NoError(t, b.client.SendPresence(t.Context(), types.PresenceAvailable))
	require.Eventually(t, d.Available, patience, tick)
	settled(whatsapp.Settlement{Settled: true, Receipt: "delivery"})

	id, err := u.Text(t.Context(), w.account, "in a channel", whatsapp.As(whatsapp.Newsletter))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return d.Settlement(id) == whatsapp.Settlement{Settled: true, Acked: true} }, patience, tick)
	require.Zero(t, d.Settlement("unknown"))
}

func TestRedeliveryOfTheSameBytesAndOfTheSameID(t *testing.T) {
	t.Parallel()
	w := setup(t)
	b := w.seeded(t, echo)
	d := w.account.Device()
	u := w.user(t, 1)
	id, err := u.Text(t.Context(), w.account, "hello", whatsapp.WithID("3EB0AABBCCDDEEFF0011"))
	require.NoError(t, err)
	require.Equal(t, "3EB0AABBCCDDEEFF0011", id)
	next(t, u)

	require.True(t, d.Redeliver(id))
	require.False(t, d.Redeliver("unknown"))
	require.Eventually(t, func() bool { return d.Pending() == 0 }, patience, tick)
	require.Equal(t, 1, count(b, messageWith(id)), "the client knows these bytes")

	_, err = u.Text(t.Context(), w.account, "hello", whatsapp.WithID(id))
	require.NoError(t, err)
	next(t, u)
	require.Eventually(t, func() bool { return count(b, messageWith(id)) == 2 }, patience, tick, "the client does not compare ids")
}

func TestTimesOfMessages(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	w := setup(t, func(o *whatsapp.Options) { o.Now = func() time.Time { return now } })
	b := w.seeded(t, echo)
	u := w.user(t, 1)
	live, err := u.Text(t.Context(), w.account, "now")
	require.NoError(t, err)
	require.True(t, now.Equal(await(t, b, messageWith(live)).Info.Timestamp))
	require.True(t, now.Equal(next(t, u).At))
	stale, err := u.Text(t.Context(), w.account, "then", whatsapp.SentAt(now.Add(-time.Hour)))
	require.NoError(t, err)
	require.True(t, now.Add(-time.Hour).Equal(await(t, b, messageWith(stale)).Info.Timestamp))
}

func TestPhoneShowsAnIDOnce(t *testing.T) {
	t.Parallel()
	for _, dedupe := range []bool{false, true} {
		t.Run(fmt.Sprintf("dedupe=%t", dedupe), func(t *testing.T) {
			t.Parallel()
			w := setup(t, func(o *whatsapp.Options) { o.Dedupe = dedupe })
			b := w.seeded(t, nil)
			u := w.user(t, 1)
			to := types.NewJID(u.Phone(), types.DefaultUserServer)
			extra := whatsmeow.SendRequestExtra{ID: "3EB0000000000000000001"}
			require.NoError(t, b.reply(to, "one", extra))
			require.NoError(t, b.reply(to, "one again", extra))
			require.NoError(t, b.reply(to, "two"))
			require.Equal(t, "one", next(t, u).Text)
			require.Equal(t, "two", next(t, u).Text)
			require.Len(t, u.Received(), 2)
			if dedupe {
				require.Equal(t, 2, u.Raw())
			} else {
				require.Equal(t, 3, u.Raw())
			}
			require.Eventually(t, func() bool { return len(w.account.Sent()) >= 2 }, patience, tick)
			require.Equal(t, "one", w.account.Sent()[0].Text)
			require.Equal(t, u.LID()+"@lid", w.account.Sent()[0].To)
		})
	}
}

func TestPhoneAsksAgainForWhatItCannotRead(t *testing.T) {
	t.Parallel()
	w := setup(t)
	b := w.seeded(t, echo)
	u := w.user(t, 1)
	total := 0
	for failures := range 4 {
		u.FailNext(failures)
		_, err := u.Text(t.Context(), w.account, "hello")
		require.NoError(t, err)
		require.Equal(t, "echo: hello", next(t, u).Text, "after %d failures", failures)
		require.Empty(t, u.Waiting())
		total += failures
		require.Eventually(t, func() bool {
			return count(b, func(r *events.Receipt) bool { return r.Type == types.ReceiptTypeRetry }) == total
		}, patience, tick)
	}
}

func TestClientHealsUnreadableMessagesAfterARestart(t *testing.T) {
	t.Parallel()
	w := setup(t)
	container := newStore(t)
	require.NoError(t, w.account.Seed(t.Context(), container))
	b := w.client(t, container, echo)
	b.connect(t)
	u := w.user(t, 1)
	w.account.Device().HoldDelivery()
	require.NoError(t, b.reply(types.NewJID(u.LID(), types.HiddenUserServer), "first contact"))
	next(t, u)
	u.FailNext(1)
	require.NoError(t, b.reply(types.NewJID(u.LID(), types.HiddenUserServer), "please wait"))
	require.Eventually(t, func() bool { return len(u.Waiting()) == 1 }, patience, tick)
	b.client.Disconnect()
	w.account.Device().Release()
	again := w.client(t, container, echo)
	again.connect(t)
	require.Equal(t, "please wait", next(t, u).Text)
}

func TestClientAsksAgainForWhatItCannotRead(t *testing.T) {
	t.Parallel()
	w := setup(t)
	b := w.seeded(t, echo)
	u := w.user(t, 1)
	for i := range 3 {
		id, err := u.Garbled(t.Context(), w.account, fmt.Sprint(i))
		require.NoError(t, err)
		await(t, b, func(e *events.UndecryptableMessage) bool { return e.Info.ID == id })
		require.Equal(t, fmt.Sprintf("echo: %d", i), next(t, u).Text)
		require.Eventually(t, func() bool {
			return w.account.Device().Settlement(id) == whatsapp.Settlement{Settled: true, Receipt: "inactive", Retries: 1}
		}, patience, tick)
	}
	require.Eventually(t, func() bool { return w.account.Device().Pending() == 0 }, patience, tick)
}

func TestReadReceiptsInBothDirections(t *testing.T) {
	t.Parallel()
	w := setup(t)
	b := w.seeded(t, echo)
	u := w.user(t, 1)
	id, err := u.Text(t.Context(), w.account, "hello")
	require.NoError(t, err)
	got := await(t, b, messageWith(id))
	require.False(t, u.WasRead(id))
	require.NoError(t, b.client.MarkRead(t.Context(), []types.MessageID{id}, time.Now(), got.Info.Chat, got.Info.Sender))
	require.Eventually(t, func() bool { return u.WasRead(id) }, patience, tick)

	reply := next(t, u)
	require.NoError(t, u.Read(w.account, reply.ID))
	await(t, b, func(r *events.Receipt) bool { return r.Type == types.ReceiptTypeRead && r.MessageIDs[0] == reply.ID })
}

func TestHundredsOfUsersAndSeveralAccounts(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.seeded(t, echo)
	account, err := w.server.NewAccount("6281100000002", "100000000000002")
	require.NoError(t, err)
	second := &world{server: w.server, account: account}
	second.seeded(t, echo)
	const users = 200
	var all []*whatsapp.User
	for i := range users {
		all = append(all, w.user(t, i))
	}
	for i, u := range all {
		for _, a := range []*whatsapp.Account{w.account, account} {
			_, err := u.Text(t.Context(), a, fmt.Sprintf("%d to %s", i, a.Phone()))
			require.NoError(t, err)
		}
	}
	for i, u := range all {
		want := []string{fmt.Sprintf("echo: %d to %s", i, w.account.Phone()), fmt.Sprintf("echo: %d to %s", i, account.Phone())}
		require.ElementsMatch(t, want, []string{next(t, u).Text, next(t, u).Text})
	}
	for _, a := range []*whatsapp.Account{w.account, account} {
		require.Eventually(t, func() bool { return a.Device().Pending() == 0 && len(a.Sent()) == users }, patience, tick)
	}
}
