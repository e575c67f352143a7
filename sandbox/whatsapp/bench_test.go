package whatsapp_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/store/sqlstore"
	"go.mau.fi/whatsmeow/types/events"

	"github.com/konsulin-care/konsulin-bot/sandbox/whatsapp"
)

// BenchmarkEcho is a text and its echo through a bare client, by 50 users at once. Users have met before.
func BenchmarkEcho(b *testing.B) {
	server, err := whatsapp.New(whatsapp.Options{})
	require.NoError(b, err)
	defer func() { require.NoError(b, server.Close()) }()
	whatsapp.Trust(server.RootKey())
	account, err := server.NewAccount(botPhone, botLID)
	require.NoError(b, err)
	container, err := sqlstore.New(b.Context(), "sqlite3", storeURI(b.TempDir()+"/store.db"), nil)
	require.NoError(b, err)
	defer func() { require.NoError(b, container.Close()) }()
	require.NoError(b, account.Seed(b.Context(), container))
	device, err := container.GetFirstDevice(b.Context())
	require.NoError(b, err)
	e := &bot{client: whatsmeow.NewClient(device, nil)}
	e.client.SetWebsocketHTTPClient(server.HTTPClient())
	e.client.SynchronousAck = true
	e.client.AddEventHandlerWithSuccessStatus(func(raw any) bool {
		if m, ok := raw.(*events.Message); ok {
			return echo(e, m)
		}
		return true
	})
	require.NoError(b, e.client.Connect())
	defer e.client.Disconnect()

	const users = 50
	var all []*whatsapp.User
	for i := range users {
		u, err := server.NewUser(fmt.Sprintf("62812%08d", i), fmt.Sprintf("2%014d", i), "User")
		require.NoError(b, err)
		all = append(all, u)
	}
	round := func(n int) {
		done := make(chan error, users)
		for i, u := range all {
			go func() { done <- talk(b.Context(), u, account, (n+users-1-i)/users) }()
		}
		for range all {
			require.NoError(b, <-done)
		}
	}
	round(users)
	b.ResetTimer()
	round(b.N)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
	require.Empty(b, server.Unknown())
}

func talk(ctx context.Context, u *whatsapp.User, a *whatsapp.Account, times int) error {
	for range times {
		if _, err := u.Text(ctx, a, "hello"); err != nil {
			return err
		}
		if _, err := u.Next(ctx); err != nil {
			return err
		}
	}
	return nil
}
