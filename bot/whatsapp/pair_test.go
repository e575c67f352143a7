package whatsapp

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types/events"

	sandbox "github.com/konsulin-care/konsulin-bot/sandbox/whatsapp"
)

// pair starts Pair.
func pair(ctx context.Context, t *testing.T, c *Client, req PairRequest) <-chan PairEvent {
	t.Helper()
	steps, err := c.Pair(ctx, req)
	require.NoError(t, err)
	return steps
}

// step1 is the next event, which must be of this kind.
func step1[E PairEvent](t *testing.T, steps <-chan PairEvent) E {
	t.Helper()
	var want E
	select {
	case e, open := <-steps:
		require.True(t, open, "more events")
		require.IsType(t, want, e)
		want, _ = e.(E)
	case <-time.After(patience):
		require.FailNow(t, "no event")
	}
	return want
}

func ended(t *testing.T, steps <-chan PairEvent) {
	t.Helper()
	select {
	case e, open := <-steps:
		require.False(t, open, "%+v", e)
	case <-time.After(patience):
		require.FailNow(t, "the channel stays open")
	}
}

func TestPairByQR(t *testing.T) {
	t.Parallel()
	w := setup(t)
	require.Equal(t, Unpaired, w.line.Status().State)
	steps := pair(t.Context(), t, w.line, PairRequest{})
	qr := step1[PairQR](t, steps)
	require.Equal(t, time.Minute, qr.Valid)
	require.NoError(t, w.account.ScanQR(qr.Text))
	require.Equal(t, PairDone{Number: mustNumber(t, ourDigits)}, step1[PairDone](t, steps))
	ended(t, steps)
	number, linked := w.line.Account()
	require.True(t, linked)
	require.Equal(t, ourDigits, number.Digits())
	works(t, w, w.line)
	require.NotContains(t, w.log.String(), qr.Text)
}

// works runs the line and answers a message.
func works(t *testing.T, w *world, c *Client) {
	t.Helper()
	running(t, c)
	inState(t, c, Connected)
	u := w.user(t, 1)
	m := w.message(t, w.text(t, u))
	require.NoError(t, c.Send(t.Context(), reply(m, "3EB0AAAAAAAAAAAAAAAA")))
	next1(t, u)
}

func TestPairByCode(t *testing.T) {
	t.Parallel()
	w := setup(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	steps := pair(ctx, t, w.line, PairRequest{Phone: mustNumber(t, ourDigits)})
	code := step1[PairCode](t, steps).Code
	require.Regexp(t, `^[0-9A-Z]{4}-[0-9A-Z]{4}$`, code)
	require.ErrorIs(t, w.account.EnterCode("ABCD-EFGH"), sandbox.ErrWrongCode)
	again := pair(t.Context(), t, w.newLine(t), PairRequest{Phone: mustNumber(t, ourDigits)})
	require.NoError(t, w.account.EnterCode(step1[PairCode](t, again).Code))
	require.Equal(t, PairDone{Number: mustNumber(t, ourDigits)}, step1[PairDone](t, again))
	ended(t, again)
	works(t, w, w.line)
}

func TestPairRefusesAnotherPhone(t *testing.T) {
	t.Parallel()
	w := setup(t, func(c *Config) { c.Number = mustNumber(t, theirDigits) })
	_, err := w.line.Pair(t.Context(), PairRequest{Phone: mustNumber(t, ourDigits)})
	require.ErrorContains(t, err, "is not the configured number")
	requireNothingPersonal(t, err.Error())

	steps := pair(t.Context(), t, w.line, PairRequest{})
	qr := step1[PairQR](t, steps)
	require.Error(t, w.account.ScanQR(qr.Text))
	failed := step1[PairFailed](t, steps)
	require.Contains(t, failed.Reason, mustNumber(t, ourDigits).String())
	require.Contains(t, failed.Reason, mustNumber(t, theirDigits).String())
	requireNothingPersonal(t, failed.Reason)
	ended(t, steps)
	require.Zero(t, storedAccounts(t, w))
	_, linked := w.line.Account()
	require.False(t, linked)
}

func TestRunStartsWhenAnotherProcessPairs(t *testing.T) {
	t.Parallel()
	w := setup(t)
	running(t, w.line)
	inState(t, w.line, Unpaired)
	steps := pair(t.Context(), t, w.newLine(t), PairRequest{})
	require.NoError(t, w.account.ScanQR(step1[PairQR](t, steps).Text))
	require.Equal(t, PairDone{Number: mustNumber(t, ourDigits)}, step1[PairDone](t, steps))
	ended(t, steps)
	inState(t, w.line, Connected)
	u := w.user(t, 1)
	m := w.message(t, w.text(t, u))
	require.NoError(t, w.line.Send(t.Context(), reply(m, "3EB0AAAAAAAAAAAAAAAA")))
	next1(t, u)
}

func TestPairLeavesMessagesForRun(t *testing.T) {
	t.Parallel()
	w := setup(t)
	steps := pair(t.Context(), t, w.line, PairRequest{})
	require.NoError(t, w.account.ScanQR(step1[PairQR](t, steps).Text))
	id := w.text(t, w.user(t, 1))
	step1[PairDone](t, steps)
	require.False(t, w.account.Device().Settlement(id).Settled)
	running(t, w.line)
	w.message(t, id)
	w.settled(t, id)
}

func TestPairAnewReplacesTheLink(t *testing.T) {
	t.Parallel()
	w := setup(t)
	require.NoError(t, w.account.Seed(t.Context(), w.line.store))
	_, err := w.line.Pair(t.Context(), PairRequest{})
	require.ErrorContains(t, err, "is linked already")
	storeAccount(t, w.line, theirDigits, 60)
	steps := pair(t.Context(), t, w.line, PairRequest{Replace: true})
	require.NoError(t, w.account.ScanQR(step1[PairQR](t, steps).Text))
	require.Equal(t, PairDone{Number: mustNumber(t, ourDigits)}, step1[PairDone](t, steps))
	ended(t, steps)
	require.Equal(t, 1, storedAccounts(t, w))
	works(t, w, w.line)
}

func TestPairExplainsAWrongAccount(t *testing.T) {
	t.Parallel()
	w := setup(t)
	storeAccount(t, w.line, theirDigits, 60)
	_, err := w.line.Pair(t.Context(), PairRequest{})
	require.ErrorContains(t, err, "--replace")
	requireNothingPersonal(t, err.Error())
}

func TestPairEndsWithItsContext(t *testing.T) {
	t.Parallel()
	w := setup(t)
	ctx, cancel := context.WithCancel(t.Context())
	steps := pair(ctx, t, w.line, PairRequest{})
	step1[PairQR](t, steps)
	cancel()
	for e := range steps {
		require.IsType(t, PairFailed{}, e)
	}
	require.Zero(t, storedAccounts(t, w))
}

func TestPairTellsWhyWhatsAppCannotBeReached(t *testing.T) {
	t.Parallel()
	c, _ := newClient(t)
	steps := pair(t.Context(), t, c, PairRequest{})
	require.Contains(t, step1[PairFailed](t, steps).Reason, "cannot be reached")
	ended(t, steps)
}

func TestPairTellsThatThePhoneUndidIt(t *testing.T) {
	t.Parallel()
	w := setup(t)
	steps := pair(t.Context(), t, w.line, PairRequest{})
	w.account.LoginFailure(401)
	require.NoError(t, w.account.ScanQR(step1[PairQR](t, steps).Text))
	require.Contains(t, step1[PairFailed](t, steps).Reason, "pair again")
	ended(t, steps)
	require.Eventually(t, func() bool { return storedAccounts(t, w) == 0 }, patience, time.Millisecond)
}

func TestPairExplainsTrouble(t *testing.T) {
	t.Parallel()
	c, _ := newClient(t, func(cfg *Config) { cfg.Number = mustNumber(t, ourDigits) })
	for name, row := range map[string]struct {
		evt  any
		says string
	}{
		"outdated":            {&events.ClientOutdated{}, "update the bot"},
		"banned":              {&events.TemporaryBan{Code: 101}, "banned"},
		"passkey":             {&events.PairPasskeyRequest{}, "passkey"},
		"another pairing":     {&events.PairError{Error: whatsmeow.ErrPairInvalidDeviceIdentityHMAC}, "start again"},
		"bad signature":       {&events.PairError{Error: whatsmeow.ErrPairInvalidDeviceSignature}, "start again"},
		"no usable number":    {&events.PairError{Error: whatsmeow.ErrPairRejectedLocally}, "no phone number"},
		"store does not take": {&events.PairError{Error: &whatsmeow.PairDatabaseError{Message: "failed to save " + theirDigits}}, "could not be finished"},
	} {
		p := &pairing{c: c}
		failed, ok := p.trouble(t.Context(), row.evt).(PairFailed)
		require.True(t, ok, name)
		require.Contains(t, failed.Reason, row.says, name)
		requireNothingPersonal(t, failed.Reason)
	}
	p := &pairing{c: c}
	require.Nil(t, p.trouble(t.Context(), &events.Receipt{}))
	require.Nil(t, p.trouble(t.Context(), owner{number: mustNumber(t, theirDigits)}))
	require.Contains(t, p.explain(whatsmeow.ErrPairRejectedLocally), mustNumber(t, theirDigits).String())
}
