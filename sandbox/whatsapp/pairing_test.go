package whatsapp_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types/events"

	"github.com/konsulin-care/konsulin-bot/sandbox/whatsapp"
)

// unpaired makes a client that shows QR codes.
func (w *world) unpaired(t *testing.T) (*bot, *events.QR) {
	t.Helper()
	b := w.client(t, newStore(t), echo)
	require.NoError(t, b.client.Connect())
	return b, await[*events.QR](t, b, nil)
}

// worksAs checks that the client is linked and serves a user.
func (w *world) worksAs(t *testing.T, b *bot, n int) {
	t.Helper()
	paired := await[*events.PairSuccess](t, b, nil)
	require.Equal(t, w.account.Phone(), paired.ID.User)
	require.Equal(t, w.account.LID(), paired.LID.User)
	await[*events.Connected](t, b, nil)
	require.NoError(t, w.account.Device().WaitConnected(t.Context()))
	u := w.user(t, n)
	_, err := u.Text(t.Context(), w.account, "hello")
	require.NoError(t, err)
	require.Equal(t, "echo: hello", next(t, u).Text)
}

func TestPairByQR(t *testing.T) {
	t.Parallel()
	w := setup(t)
	require.Nil(t, w.account.Device())
	b, qr := w.unpaired(t)
	require.Len(t, qr.Codes, 6)
	require.NoError(t, w.account.ScanQR(qr.Codes[2]))
	w.worksAs(t, b, 1)
	require.Error(t, w.account.ScanQR(qr.Codes[0]), "the client shows no codes any more")
}

func TestQRWithForeignKeysIsRefused(t *testing.T) {
	t.Parallel()
	w := setup(t)
	_, mine := w.unpaired(t)
	_, other := w.unpaired(t)
	m, o := strings.Split(mine.Codes[0], ","), strings.Split(other.Codes[0], ",")
	for i := range m {
		if i == 3 || i == 4 {
			continue // the secret is known to the two sides only, and the client type says nothing
		}
		forged := append([]string(nil), m...)
		forged[i] = o[i]
		require.Error(t, w.account.ScanQR(strings.Join(forged, ",")), "part %d", i)
	}
	require.Nil(t, w.account.Device())
}

func TestQRWithForeignSecretFailsOnBothSides(t *testing.T) {
	t.Parallel()
	w := setup(t)
	b, mine := w.unpaired(t)
	_, other := w.unpaired(t)
	parts := strings.Split(mine.Codes[0], ",")
	parts[3] = strings.Split(other.Codes[0], ",")[3]
	require.ErrorContains(t, w.account.ScanQR(strings.Join(parts, ",")), "hmac-mismatch")
	require.ErrorIs(t, await[*events.PairError](t, b, nil).Error, whatsmeow.ErrPairInvalidDeviceIdentityHMAC)
	require.Nil(t, w.account.Device())
}

func TestPairByCode(t *testing.T) {
	t.Parallel()
	w := setup(t)
	b, _ := w.unpaired(t)
	code, err := b.client.PairPhone(t.Context(), w.account.Phone(), true, whatsmeow.PairClientChrome, "Chrome (Linux)")
	require.NoError(t, err)
	require.NoError(t, w.account.EnterCode(code))
	w.worksAs(t, b, 1)
}

func TestWrongCodeFailsAndTheRightOneStillWorks(t *testing.T) {
	t.Parallel()
	w := setup(t)
	require.Error(t, w.account.EnterCode("ABCD-EFGH"), "nobody shows a code")
	b, _ := w.unpaired(t)
	code, err := b.client.PairPhone(t.Context(), w.account.Phone(), true, whatsmeow.PairClientChrome, "Chrome (Linux)")
	require.NoError(t, err)
	require.ErrorIs(t, w.account.EnterCode("ABC"), whatsapp.ErrWrongCode)
	require.ErrorIs(t, w.account.EnterCode("1111-1111"), whatsapp.ErrWrongCode)
	require.Nil(t, w.account.Device())
	require.Zero(t, count(b, func(*events.PairSuccess) bool { return true }))
	require.NoError(t, w.account.EnterCode(strings.ToLower(code)))
	w.worksAs(t, b, 1)
}

func TestCodeNeedsARealAccountAndAKnownClient(t *testing.T) {
	t.Parallel()
	server, err := whatsapp.New(whatsapp.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	whatsapp.Trust(server.RootKey())
	account, err := server.NewAccount(botPhone, botLID)
	require.NoError(t, err)
	w := &world{server: server, account: account}
	b, _ := w.unpaired(t)
	_, err = b.client.PairPhone(t.Context(), "6281999999999", true, whatsmeow.PairClientChrome, "Chrome (Linux)")
	require.ErrorIs(t, err, whatsmeow.ErrIQBadRequest)
	_, err = b.client.PairPhone(t.Context(), botPhone, true, whatsmeow.PairClientChrome, "my bot")
	require.ErrorIs(t, err, whatsmeow.ErrIQBadRequest)
	require.Len(t, server.Unknown(), 2)
}

func TestNewPairingEndsTheOlderOne(t *testing.T) {
	t.Parallel()
	w := setup(t)
	first := w.seeded(t, echo)
	old := w.account.Device()
	second, qr := w.unpaired(t)
	require.NoError(t, w.account.ScanQR(qr.Codes[0]))
	w.worksAs(t, second, 1)
	require.False(t, await[*events.LoggedOut](t, first, nil).OnConnect)
	require.True(t, old.Removed())
	require.NotEqual(t, old.JID(), w.account.Device().JID())
}
