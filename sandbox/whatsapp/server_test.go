package whatsapp_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/konsulin-care/konsulin-bot/sandbox/whatsapp"
)

// Not parallel: it compares the goroutines of the whole process.
func TestCloseWaitsForEverything(t *testing.T) {
	before := []goleak.Option{
		goleak.IgnoreCurrent(),
		// The client leaves its reader behind when a frame arrives while it hangs up.
		goleak.IgnoreAnyFunction("go.mau.fi/whatsmeow/socket.(*FrameSocket).readPump"),
		// It waits to connect again when it is told to hang up in the middle of an attempt.
		goleak.IgnoreAnyFunction("go.mau.fi/whatsmeow.(*Client).autoReconnect"),
	}
	server, err := whatsapp.New(whatsapp.Options{})
	require.NoError(t, err)
	whatsapp.Trust(server.RootKey())
	account, err := server.NewAccount(botPhone, botLID)
	require.NoError(t, err)
	w := &world{server: server, account: account}
	t.Run("busy", func(t *testing.T) {
		b := w.seeded(t, echo)
		u := w.user(t, 1)
		server.AckDelay(patience) // a reply is on its way when the server closes
		_, err := u.Text(t.Context(), account, "hello")
		require.NoError(t, err)
		require.Equal(t, "echo: hello", next(t, u).Text)
		account.Device().StreamError("replaced") // and a connection waits for the client to hang up
		require.NoError(t, server.Close())
		b.client.Disconnect()
		_, err = u.Next(t.Context())
		require.ErrorIs(t, err, whatsapp.ErrClosed)
	})
	goleak.VerifyNone(t, before...)
}

func TestOnlyLoopback(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"0.0.0.0:0", ":0", "192.0.2.1:0", "example.com:0", "127.0.0.1"} {
		_, err := whatsapp.New(whatsapp.Options{Addr: addr})
		require.Error(t, err, addr)
	}
	s, err := whatsapp.New(whatsapp.Options{Addr: "localhost:0"})
	require.NoError(t, err)
	require.NoError(t, s.Close())
}

func TestSeedKeepsTheKeys(t *testing.T) {
	t.Parallel()
	root := func(seed []byte) [32]byte {
		s, err := whatsapp.New(whatsapp.Options{Seed: seed})
		require.NoError(t, err)
		require.NoError(t, s.Close())
		return s.RootKey()
	}
	require.Equal(t, root([]byte("a")), root([]byte("a")))
	require.NotEqual(t, root([]byte("a")), root([]byte("b")))
	require.Equal(t, root(nil), root(nil), "one root per process")
}

func TestNumbersAreTakenOnce(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for _, c := range [][2]string{{botPhone, "300000000000001"}, {"6281100000009", botLID}} {
		_, err := w.server.NewUser(c[0], c[1], "User")
		require.ErrorIs(t, err, whatsapp.ErrTaken)
		_, err = w.server.NewAccount(c[0], c[1])
		require.ErrorIs(t, err, whatsapp.ErrTaken)
	}
	for _, c := range [][2]string{{"+6281", "3"}, {"", "3"}, {"6281", "03"}, {"6281", ""}} {
		_, err := w.server.NewUser(c[0], c[1], "User")
		require.Error(t, err)
	}
	found, ok := w.server.Account(botPhone)
	require.True(t, ok)
	require.Same(t, w.account, found)
	u := w.user(t, 1)
	same, ok := w.server.User(u.Phone())
	require.True(t, ok)
	require.Same(t, u, same)
}

func TestBareNeedsAClientThatDoesNotKnowTheUser(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.seeded(t, nil)
	u := w.user(t, 1)
	_, err := u.Text(t.Context(), w.account, "hello", whatsapp.Via(whatsapp.Bare))
	require.NoError(t, err)
	_, err = u.Text(t.Context(), w.account, "hello", whatsapp.Via(whatsapp.LIDWithPN))
	require.NoError(t, err)
	_, err = u.Text(t.Context(), w.account, "hello", whatsapp.Via(whatsapp.Bare))
	require.Error(t, err)
}
