package whatsapp

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/konsulin-care/konsulin-bot/bot"
	sandbox "github.com/konsulin-care/konsulin-bot/sandbox/whatsapp"
)

// requireSilence proves that nothing is sent in this state.
func requireSilence(t *testing.T, w *world, u *sandbox.User, m bot.Message, state State) {
	t.Helper()
	before := u.Raw()
	err := w.line.Send(t.Context(), reply(m, "3EB0AAAAAAAAAAAAAAAA"))
	require.ErrorIs(t, err, bot.ErrLineDown)
	require.ErrorContains(t, err, string(state))
	require.False(t, permanent(err))
	require.Equal(t, before, u.Raw())
	require.False(t, w.line.Status().Ready())
}

func TestLoggedOutWhileConnected(t *testing.T) {
	t.Parallel()
	w := connected(t)
	u := w.user(t, 1)
	m := w.message(t, w.text(t, u))
	w.account.Unlink()
	s := inState(t, w.line, LoggedOut)
	require.Contains(t, s.Reason, "konsulin-bot pair")
	requireSilence(t, w, u, m, LoggedOut)
	require.Eventually(t, func() bool { return storedAccounts(t, w) == 0 }, patience, time.Millisecond)

	// Somebody links it again, in another process.
	require.NoError(t, w.account.Seed(t.Context(), w.line.store))
	inState(t, w.line, Connected)
	require.NoError(t, w.line.Send(t.Context(), reply(m, "3EB0AAAAAAAAAAAAAAAA")))
	next1(t, u)
}

func TestLoggedOutAtLogin(t *testing.T) {
	t.Parallel()
	for _, code := range []int{401, 403, 406} {
		w := connected(t)
		u := w.user(t, 1)
		m := w.message(t, w.text(t, u))
		w.account.LoginFailure(code)
		w.account.Device().Drop()
		inState(t, w.line, LoggedOut)
		requireSilence(t, w, u, m, LoggedOut)
		require.Eventually(t, func() bool { return storedAccounts(t, w) == 0 }, patience, time.Millisecond)
		require.Equal(t, LoggedOut, w.line.Status().State, "it stays the reason")
	}
}

func storedAccounts(t *testing.T, w *world) (n int) {
	t.Helper()
	require.NoError(t, w.db.QueryRow(`SELECT count(*) FROM whatsmeow_device`).Scan(&n))
	return n
}

func TestReplacedStaysAway(t *testing.T) {
	t.Parallel()
	w := connected(t)
	u := w.user(t, 1)
	m := w.message(t, w.text(t, u))
	w.account.Device().StreamError("replaced")
	s := inState(t, w.line, Replaced)
	require.Contains(t, s.Reason, "Stop the other one")
	requireSilence(t, w, u, m, Replaced)
	require.Never(t, w.account.Device().Connected, 200*time.Millisecond, 10*time.Millisecond, "it does not fight for the line: the first pause is long")
	require.Equal(t, 1, storedAccounts(t, w))
}

func TestTwoLinesOnOneAccountDoNotFight(t *testing.T) {
	t.Parallel()
	w := connected(t)
	other := w.newLine(t)
	running(t, other)
	inState(t, other, Connected)
	inState(t, w.line, Replaced)
	require.Never(t, func() bool { return other.Status().State != Connected }, 200*time.Millisecond, 10*time.Millisecond)
}

func TestRemovedAccountIsNotUsedAnyLonger(t *testing.T) {
	t.Parallel()
	w := connected(t, func(c *Config) { c.MessageTTL = time.Second })
	_, err := w.db.Exec(`DELETE FROM whatsmeow_device`)
	require.NoError(t, err)
	inState(t, w.line, Unpaired)
	require.Eventually(t, func() bool { return !w.account.Device().Connected() }, patience, time.Millisecond)
}

func TestOutdatedSaysSo(t *testing.T) {
	t.Parallel()
	w := connected(t)
	u := w.user(t, 1)
	m := w.message(t, w.text(t, u))
	w.account.LoginFailure(405)
	w.account.Device().Drop()
	s := inState(t, w.line, Outdated)
	require.Contains(t, s.Reason, "update the bot")
	requireSilence(t, w, u, m, Outdated)
}

func TestBanEndsByItself(t *testing.T) {
	t.Parallel()
	w := connected(t)
	u := w.user(t, 1)
	m := w.message(t, w.text(t, u))
	w.account.LoginBan(101, time.Second)
	w.account.Device().Drop()
	s := inState(t, w.line, Banned)
	require.WithinDuration(t, s.Since.Add(time.Second), s.Until, 100*time.Millisecond)
	requireSilence(t, w, u, m, Banned)
	w.account.LoginFailure(0)
	inState(t, w.line, Connected)
	require.False(t, time.Now().Before(s.Until), "not before the ban is over")
	require.NoError(t, w.line.Send(t.Context(), reply(m, "3EB0AAAAAAAAAAAAAAAA")))
	next1(t, u)
}

func TestTransientTroubleIsRetried(t *testing.T) {
	t.Parallel()
	for name, trouble := range map[string]func(*world){
		"unavailable at login":  func(w *world) { w.account.LoginFailure(503); w.account.Device().Drop() },
		"unknown login failure": func(w *world) { w.account.LoginFailure(418); w.account.Device().Drop() },
		"restart wanted":        func(w *world) { w.account.Device().StreamError("515") },
		"busy":                  func(w *world) { w.account.Device().StreamError("503") },
		"unknown stream error":  func(w *world) { w.account.Device().StreamError("599") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := connected(t)
			trouble(w)
			inState(t, w.line, Connecting)
			w.account.LoginFailure(0)
			inState(t, w.line, Connected)
			w.message(t, w.text(t, w.user(t, 1)))
		})
	}
}

func TestAnnouncedTimelockStopsSendingButNotReceiving(t *testing.T) {
	t.Parallel()
	w := connected(t)
	u := w.user(t, 1)
	m := w.message(t, w.text(t, u))
	until := time.Now().Add(2 * time.Second)
	w.account.Device().Timelock(until)
	s := inState(t, w.line, Timelocked)
	require.Equal(t, until.Unix(), s.Until.Unix())
	requireSilence(t, w, u, m, Timelocked)
	w.message(t, w.text(t, u))
	w.account.Device().Drop()
	require.Eventually(t, func() bool { return w.account.Device().Connected() }, patience, time.Millisecond)
	inState(t, w.line, Timelocked)
	inState(t, w.line, Connected)
	require.NoError(t, w.line.Send(t.Context(), reply(m, "3EB0AAAAAAAAAAAAAAAA")))
	next1(t, u)
	w.account.Device().Timelock(time.Now().Add(time.Hour))
	inState(t, w.line, Timelocked)
	w.account.Device().Timelock(time.Time{})
	inState(t, w.line, Connected)
}

func TestRefusalForReachingOutStopsSending(t *testing.T) {
	t.Parallel()
	cl := newClock()
	w := connected(t, func(c *Config) { c.Now = cl.Now })
	u := w.user(t, 1)
	m := w.message(t, w.text(t, u))
	w.account.NackSends(463)
	err := w.line.Send(t.Context(), reply(m, "3EB0AAAAAAAAAAAAAAAA"))
	require.ErrorIs(t, err, bot.ErrLineDown)
	require.Equal(t, Timelocked, w.line.Status().State)
	w.account.NackSends(0)
	requireSilence(t, w, u, m, Timelocked)
	cl.advance(lockGuessMin)
	require.NoError(t, w.line.Send(t.Context(), reply(m, "3EB0AAAAAAAAAAAAAAAA")))
	next1(t, u)
}

func TestRefusedMessagesTellWhetherForGood(t *testing.T) {
	t.Parallel()
	w := connected(t)
	u := w.user(t, 1)
	m := w.message(t, w.text(t, u))
	for code, forGood := range map[int]bool{400: true, 404: true, 403: false, 429: false, 479: false, 500: false} {
		w.account.NackSends(code)
		err := w.line.Send(t.Context(), reply(m, "3EB0AAAAAAAAAAAAAAAA"))
		require.Error(t, err)
		require.Equal(t, forGood, permanent(err), code)
		require.NotErrorIs(t, err, bot.ErrLineDown)
		require.Equal(t, Connected, w.line.Status().State)
	}
}

func TestNumberWithoutAccountIsRefusedForGood(t *testing.T) {
	t.Parallel()
	w := connected(t)
	err := w.line.Send(t.Context(), bot.Outgoing{ID: "3EB0AAAAAAAAAAAAAAAA", Chat: "6281399999999@s.whatsapp.net", Text: "hello"})
	require.Error(t, err)
	require.True(t, permanent(err), err.Error())
	require.NotContains(t, err.Error(), "6281399999999")
}

func TestRunLeavesNothingBehind(t *testing.T) { // not parallel: it looks at all goroutines
	before := goleak.IgnoreCurrent()
	t.Run("world", func(t *testing.T) {
		w := setup(t)
		require.NoError(t, w.account.Seed(t.Context(), w.line.store))
		stop := running(t, w.line)
		inState(t, w.line, Connected)
		u := w.user(t, 1)
		m := w.message(t, w.text(t, u))
		require.NoError(t, w.line.Send(t.Context(), reply(m, "3EB0AAAAAAAAAAAAAAAA")))
		w.account.Device().HoldAcks()
		pending := make(chan error, 1)
		go func() { pending <- w.line.Send(context.Background(), reply(m, "3EB0BBBBBBBBBBBBBBBB")) }()
		require.Eventually(t, func() bool { return len(u.Received()) == 2 }, patience, time.Millisecond)
		w.line.cfg.HandleTimeout = 50 * time.Millisecond
		stop()
		require.Error(t, <-pending, "what could not be finished fails")
		require.Eventually(t, func() bool { return !w.account.Device().Connected() }, patience, time.Millisecond)
	})
	goleak.VerifyNone(t, before)
}
