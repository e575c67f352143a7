package whatsapp_test

import (
	"bufio"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/store/sqlstore"
	"go.mau.fi/whatsmeow/types/events"

	"github.com/konsulin-care/konsulin-bot/sandbox/whatsapp"
)

// The test binary is also the client that gets killed: in a process of its own, with these in its environment.
const (
	childAddr  = "SANDBOX_WHATSAPP_ADDR"
	childRoot  = "SANDBOX_WHATSAPP_ROOT"
	childStore = "SANDBOX_WHATSAPP_STORE"
)

func TestMain(m *testing.M) {
	if addr := os.Getenv(childAddr); addr != "" {
		if err := echoUntilKilled(addr, os.Getenv(childRoot), os.Getenv(childStore)); err != nil {
			_, _ = fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	suppressKnownRaces()
	whatsmeow.KeepAliveResponseDeadline = time.Second
	whatsmeow.KeepAliveIntervalMin, whatsmeow.KeepAliveIntervalMax = 400*time.Millisecond, 500*time.Millisecond
	os.Exit(m.Run())
}

func storeURI(file string) string {
	return "file:" + file + "?_foreign_keys=on&_journal_mode=WAL&_synchronous=NORMAL&_busy_timeout=5000&_txlock=immediate"
}

// echoUntilKilled serves until its standard input ends.
func echoUntilKilled(addr, root, store string) error {
	key, err := hex.DecodeString(root)
	if err != nil {
		return err
	}
	whatsapp.Trust([32]byte(key))
	container, err := sqlstore.New(context.Background(), "sqlite3", storeURI(store), nil)
	if err != nil {
		return err
	}
	device, err := container.GetFirstDevice(context.Background())
	if err != nil {
		return err
	}
	b := &bot{client: whatsmeow.NewClient(device, nil)}
	b.client.SetWebsocketHTTPClient(whatsapp.HTTPClient(addr))
	b.client.SynchronousAck, b.client.EnableDecryptedEventBuffer, b.client.UseRetryMessageStore = true, true, true
	b.client.AddEventHandlerWithSuccessStatus(func(raw any) bool {
		switch e := raw.(type) {
		case *events.Message:
			return echo(b, e)
		case *events.Connected:
			fmt.Println("connected")
		}
		return true
	})
	if err := b.client.Connect(); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// startChild starts the client in a process and waits until it is connected.
func startChild(t *testing.T, w *world, store string) *exec.Cmd {
	t.Helper()
	root := w.server.RootKey()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childAddr+"="+w.server.Addr(), childRoot+"="+hex.EncodeToString(root[:]), childStore+"="+store)
	cmd.Stderr = os.Stderr
	_, err := cmd.StdinPipe() // held open as long as we live
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "connected", strings.TrimSpace(line))
	return cmd
}

func TestClientMayBeKilledAtAnyMoment(t *testing.T) {
	t.Parallel()
	const users, rounds, kills = 5, 8, 8
	w := setup(t)
	store := filepath.Join(t.TempDir(), "store.db")
	container, err := sqlstore.New(t.Context(), "sqlite3", storeURI(store), nil)
	require.NoError(t, err)
	require.NoError(t, w.account.Seed(t.Context(), container))
	require.NoError(t, container.Close())

	answered := make(chan error, users)
	for i := range users {
		u := w.user(t, i)
		go func() { answered <- converse(t.Context(), w, u, rounds) }()
	}
	for range kills {
		child := startChild(t, w, store)
		time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond) // the moment is the point
		require.NoError(t, child.Process.Kill())
		require.Error(t, child.Wait())
	}
	child := startChild(t, w, store)
	for range users {
		require.NoError(t, <-answered)
	}
	require.Eventually(t, func() bool { return w.account.Device().Pending() == 0 }, patience, tick)
	require.NoError(t, child.Process.Kill())
	require.Error(t, child.Wait())
}

// converse sends a text and waits for its answer, again and again. An answer may come twice, none may be missing.
func converse(ctx context.Context, w *world, u *whatsapp.User, rounds int) error {
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	for i := range rounds {
		text := fmt.Sprintf("round %d", i)
		if _, err := u.Text(ctx, w.account, text); err != nil {
			return err
		}
		for {
			got, err := u.Next(ctx)
			if err != nil {
				return fmt.Errorf("round %d: %w", i, err)
			}
			if got.Text == "echo: "+text {
				break
			}
		}
	}
	return nil
}
