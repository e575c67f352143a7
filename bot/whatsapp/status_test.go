package whatsapp

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mau.fi/whatsmeow/types/events"
)

func TestEventsChangeTheState(t *testing.T) {
	t.Parallel()
	now := newClock().Now()
	for _, row := range []struct {
		name  string
		evt   any
		state State
		do    action
		after time.Duration
		until time.Time
	}{
		{"connected", &events.Connected{}, Connected, carryOn, 0, time.Time{}},
		{"first unanswered ping", &events.KeepAliveTimeout{ErrorCount: 1}, Degraded, carryOn, 0, time.Time{}},
		{"many unanswered pings", &events.KeepAliveTimeout{ErrorCount: 3}, Connecting, redial, 0, time.Time{}},
		{"answered again", &events.KeepAliveRestored{}, Connected, carryOn, 0, time.Time{}},
		{"disconnected", &events.Disconnected{}, Connecting, redial, 0, time.Time{}},
		{"new connection wanted", &events.ManualLoginReconnect{}, Connecting, redial, 0, time.Time{}},
		{"unknown stream error", &events.StreamError{Code: "599"}, Connecting, redial, 0, time.Time{}},
		{"unknown login failure", &events.ConnectFailure{Reason: 409}, Connecting, redial, 0, time.Time{}},
		{"replaced", &events.StreamReplaced{}, Replaced, stayAway, 0, time.Time{}},
		{"outdated", &events.ClientOutdated{}, Outdated, redialAt, time.Hour, time.Time{}},
		{"logged out", &events.LoggedOut{Reason: events.ConnectFailureLoggedOut}, LoggedOut, repair, 0, time.Time{}},
		{"main device gone", &events.LoggedOut{OnConnect: true, Reason: events.ConnectFailureMainDeviceGone}, LoggedOut, repair, 0, time.Time{}},
		{"banned for good", &events.LoggedOut{OnConnect: true, Reason: events.ConnectFailureUnknownLogout}, LoggedOut, repair, 0, time.Time{}},
		{"account replaced in the store", accountChanged{}, Connecting, change, 0, time.Time{}},
		{"banned for a time", &events.TemporaryBan{Code: 101, Expire: 2 * time.Hour}, Banned, redialAt, 2*time.Hour + banMargin, now.Add(2 * time.Hour)},
		{"banned without an end", &events.TemporaryBan{Code: 106}, Banned, redialAt, banGuess, time.Time{}},
	} {
		st, known := next(row.evt, now)
		require.True(t, known, row.name)
		require.Equal(t, row.state, st.state, row.name)
		require.Equal(t, row.do, st.do, row.name)
		require.Equal(t, row.after, st.after, row.name)
		require.Equal(t, row.until, st.until, row.name)
		require.NotEmpty(t, st.reason, row.name)
		require.Equal(t, row.state == Connected || row.state == Degraded, st.state.maySend(), row.name)
		require.True(t, matters(row.evt), row.name)
	}
	for _, evt := range []any{&events.Message{}, &events.Receipt{}, &events.QR{}, &events.Presence{}, nil, "text"} {
		_, known := next(evt, now)
		require.False(t, known)
		require.False(t, matters(evt))
	}
	require.True(t, matters(&events.NotifyAccountReachoutTimelock{}))
}

func TestStatesThatNeedAPersonSayWhatToDo(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		evt  any
		says string
	}{
		{&events.LoggedOut{Reason: 401}, "konsulin-bot pair"},
		{&events.LoggedOut{Reason: 403}, "konsulin-bot pair"},
		{&events.LoggedOut{Reason: 406}, "konsulin-bot pair"},
		{&events.StreamReplaced{}, "Stop the other one"},
		{&events.ClientOutdated{}, "update the bot"},
		{&events.TemporaryBan{Code: 102}, "too many people blocked it"},
	} {
		st, _ := next(row.evt, time.Time{})
		require.Contains(t, st.reason, row.says)
	}
}

func TestSinceIsWhenTheStateBegan(t *testing.T) {
	t.Parallel()
	cl := newClock()
	b := newBoard(cl.Now)
	b.set(Status{State: Connecting, Reason: "one"})
	began := cl.Now()
	cl.advance(time.Minute)
	b.set(Status{State: Connecting, Reason: "two"})
	require.Equal(t, Status{State: Connecting, Since: began, Reason: "two"}, b.status())
	b.set(Status{State: Connected, Reason: "three"})
	require.Equal(t, cl.Now(), b.status().Since)
}

func TestLimitOutlivesConnectionsAndEndsByItself(t *testing.T) {
	t.Parallel()
	cl := newClock()
	b := newBoard(cl.Now)
	b.set(Status{State: Connected, Reason: "up"})
	end := cl.Now().Add(time.Hour)
	b.locked(end, "limited")
	require.Equal(t, Status{State: Timelocked, Since: cl.Now(), Reason: "limited", Until: end}, b.status())
	require.False(t, b.status().State.maySend())
	require.False(t, b.status().Ready())

	b.set(Status{State: Connecting, Reason: "lost"})
	require.Equal(t, Connecting, b.status().State, "no connection is worse than a limit")
	b.set(Status{State: Degraded, Reason: "slow"})
	require.Equal(t, Timelocked, b.status().State)
	b.set(Status{State: Connected, Reason: "up"})
	require.Equal(t, Timelocked, b.status().State)

	left, on := b.lockEnds()
	require.True(t, on)
	require.Equal(t, time.Hour, left)
	cl.advance(time.Hour - time.Second)
	require.Equal(t, Timelocked, b.status().State)
	cl.advance(time.Second)
	require.Equal(t, Connected, b.status().State)
	require.True(t, b.status().Ready())
	_, on = b.lockEnds()
	require.False(t, on)
}

func TestRefusalsPauseLongerEachTime(t *testing.T) {
	t.Parallel()
	cl := newClock()
	b := newBoard(cl.Now)
	b.set(Status{State: Connected})
	for _, want := range []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute} {
		b.refused("463")
		left, _ := b.lockEnds()
		require.Equal(t, want, left)
		require.True(t, b.status().Until.IsZero(), "WhatsApp did not say until when")
		cl.advance(want)
		require.Equal(t, Connected, b.status().State)
	}
	for range 100 {
		b.refused("463")
	}
	left, _ := b.lockEnds()
	require.Equal(t, lockGuessMax, left)
	cl.advance(left)
	b.delivered()
	b.refused("463")
	left, _ = b.lockEnds()
	require.Equal(t, lockGuessMin, left, "a message that went through forgets the refusals")

	b.locked(cl.Now().Add(5*time.Hour), "announced")
	b.refused("463")
	left, _ = b.lockEnds()
	require.Equal(t, 5*time.Hour, left, "what WhatsApp announced stays")
	b.unlocked()
	require.Equal(t, Connected, b.status().State)
}

func TestTimelockEventIsShown(t *testing.T) {
	t.Parallel()
	cl := newClock()
	c, _ := newClient(t, func(cfg *Config) { cfg.Now = cl.Now })
	c.board.set(Status{State: Connected})
	w := &watch{c: c, s: fakeSession(&lids{})}
	evt := &events.NotifyAccountReachoutTimelock{IsActive: true}
	evt.TimeEnforcementEnds.Time = cl.Now().Add(time.Hour)
	_, ended := w.apply(evt)
	require.False(t, ended, "messages go on being received")
	require.Equal(t, Timelocked, c.Status().State)
	require.Equal(t, evt.TimeEnforcementEnds.Time, c.Status().Until)

	_, ended = w.apply(&events.NotifyAccountReachoutTimelock{})
	require.False(t, ended)
	require.Equal(t, Connected, c.Status().State)

	_, _ = w.apply(&events.NotifyAccountReachoutTimelock{IsActive: true})
	require.Equal(t, Timelocked, c.Status().State)
	require.True(t, c.Status().Until.IsZero())
	cl.advance(lockGuessMax)
	require.Equal(t, Connected, c.Status().State)
}

func TestKeepAliveOfAFormerConnectionDoesNotConnect(t *testing.T) {
	t.Parallel()
	c, _ := newClient(t)
	c.board.set(Status{State: Connecting})
	w := &watch{c: c, s: fakeSession(&lids{})}
	_, ended := w.apply(&events.KeepAliveRestored{})
	require.False(t, ended)
	require.Equal(t, Connecting, c.Status().State)
	_, _ = w.apply(&events.Connected{})
	_, _ = w.apply(&events.KeepAliveTimeout{ErrorCount: 1})
	require.Equal(t, Degraded, c.Status().State)
	_, _ = w.apply(&events.KeepAliveRestored{})
	require.Equal(t, Connected, c.Status().State)
}

func TestSubscribersSeeTheNewestState(t *testing.T) {
	t.Parallel()
	b := newBoard(newClock().Now)
	b.set(Status{State: Unpaired})
	states, cancel := b.subscribe()
	require.Equal(t, Unpaired, (<-states).State, "the present one comes first")
	for _, s := range []State{Connecting, Connected, Degraded, Banned} {
		b.set(Status{State: s}) // does not wait for the reader
	}
	require.Equal(t, Banned, (<-states).State)
	b.set(Status{State: Banned})
	require.Empty(t, states, "nothing new")
	cancel()
	cancel()
	_, open := <-states
	require.False(t, open)
	b.set(Status{State: Connected})
}

func TestBackoffGrowsToItsLimitWithJitter(t *testing.T) {
	t.Parallel()
	c, _ := newClient(t, func(cfg *Config) { cfg.ReconnectMin, cfg.ReconnectMax = time.Second, time.Minute })
	require.Zero(t, c.backoff(0))
	seen := map[time.Duration]bool{}
	for n := 1; n < 100; n++ {
		full := min(time.Second<<min(n-1, 10), time.Minute)
		d := c.backoff(n)
		require.GreaterOrEqual(t, d, full/2)
		require.LessOrEqual(t, d, full)
		seen[d] = true
	}
	require.Greater(t, len(seen), 50, "the pauses differ")
}

func TestResetsForFailingMessagesSlowDown(t *testing.T) {
	t.Parallel()
	cl := newClock()
	c, _ := newClient(t, func(cfg *Config) { cfg.Now, cfg.ReconnectMin, cfg.ReconnectMax = cl.Now, time.Second, time.Minute })
	var r resets
	require.LessOrEqual(t, r.next(c), time.Second)
	for range 10 {
		cl.advance(time.Minute)
		r.next(c)
	}
	require.GreaterOrEqual(t, r.next(c), 30*time.Second)
	cl.advance(3 * time.Minute)
	require.LessOrEqual(t, r.next(c), time.Second, "a quiet time forgets")
}

func TestPanicIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	c, in := newClient(t)
	in.when(func(string) error { panic("secret words of " + theirDigits) }, nil)
	s := fakeSession(&lids{})
	require.False(t, c.take(t.Context(), s, message()))
	require.Len(t, s.reset, 1)
	in.when(func(string) error { return errors.New("database is locked") }, nil)
	require.False(t, c.take(t.Context(), s, message()))
	in.when(nil, nil)
	require.True(t, c.take(t.Context(), s, message()))
	s.gate.close()
	require.False(t, c.take(t.Context(), s, message()), "what comes while the line stops, comes again")
	<-s.gate.idle
}
