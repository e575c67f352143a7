package alive

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/rs/zerolog"
)

// Manager tells the service manager, if there is one (NOTIFY_SOCKET): READY when everything has moved once, WATCHDOG as
// long as nothing is stuck, STATUS for people, STOPPING at the end. What is stuck is logged in any case.
type Manager struct {
	Watch  *Watch
	Status func() string // one line for `systemctl status`; it must name nobody
	Log    zerolog.Logger

	watchdog time.Duration // half of what the service manager allows; zero: it does not ask
	stuck    string        // what was logged; empty: nothing is stuck
	ready    bool
	status   string // what was told
}

// lookEvery is how often it looks when the service manager does not want it more often.
const lookEvery = 5 * time.Second

// firstLook is how soon after the start readiness is looked for.
const firstLook = 50 * time.Millisecond

// Run tells until ctx ends, and then that the service stops.
func (m *Manager) Run(ctx context.Context) error {
	allowed, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return fmt.Errorf("WATCHDOG_USEC: %w", err)
	}
	m.watchdog = allowed / 2
	defer m.tell(daemon.SdNotifyStopping)
	for {
		m.look()
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(m.pause()):
		}
	}
}

func (m *Manager) pause() time.Duration {
	switch {
	case !m.ready:
		return firstLook
	case m.watchdog > 0:
		return min(m.watchdog, lookEvery)
	}
	return lookEvery
}

// look is one round: what is stuck gets no more watchdog messages, so the service manager ends this process and starts
// another.
func (m *Manager) look() {
	err := m.Watch.Check()
	m.logged(err)
	if err != nil {
		m.say("stuck: " + err.Error())
		return
	}
	if !m.ready && m.Watch.Moving() {
		m.ready = true
		m.tell(daemon.SdNotifyReady)
	}
	if m.watchdog > 0 {
		m.tell(daemon.SdNotifyWatchdog)
	}
	m.say(m.Status())
}

// logged writes what is stuck once for each vital, and when that ends.
func (m *Manager) logged(err error) {
	name := ""
	var stuck *StuckError
	if errors.As(err, &stuck) {
		name = stuck.Name
	}
	if name == m.stuck {
		return
	}
	m.stuck = name
	if name == "" {
		m.Log.Warn().Msg("everything moves again")
		return
	}
	m.Log.Error().Err(err).Msg("the process is stuck: it must be restarted")
}

// say shows a status, when it is another one.
func (m *Manager) say(status string) {
	if status != m.status {
		m.status = status
		m.tell("STATUS=" + status)
	}
}

// tell sends one message. A service manager that cannot be told is no reason to stop serving.
func (m *Manager) tell(message string) {
	if _, err := daemon.SdNotify(false, message); err != nil {
		m.Log.Warn().Err(err).Msg("the service manager cannot be told")
	}
}
