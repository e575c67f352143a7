package whatsapp

import (
	"sync"
	"time"
)

// Ready says whether the line works: connected and free to send.
func (s Status) Ready() bool { return s.State == Connected }

// maySend says whether messages may leave in this state.
func (s State) maySend() bool { return s == Connected || s == Degraded }

// lock is WhatsApp's limit on reaching out. It outlives connections, so it is kept apart from them.
type lock struct {
	on     bool
	reason string
	until  time.Time // what WhatsApp said; zero: not known
	probe  time.Time // when the bot may try again
}

// board shows one status to everybody. It puts two things together: what the connection does, and the lock.
type board struct {
	now func() time.Time

	mu      sync.Mutex
	base    Status // State, Reason and Until of the connection
	lock    lock
	strikes int // refusals in a row for reaching out
	shown   Status
	readers map[chan Status]struct{}
}

func newBoard(now func() time.Time) *board {
	return &board{now: now, readers: map[chan Status]struct{}{}}
}

// set shows what the connection does; Since is filled in.
func (b *board) set(s Status) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.base = s
	b.publish()
}

// status is what is shown now, a lock that has just run out taken off.
func (b *board) status() Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.publish()
	return b.shown
}

// locked shows a limit that WhatsApp announced. Without an end it is tried again after a while.
func (b *board) locked(until time.Time, reason string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	probe := until
	if until.IsZero() {
		probe = b.now().Add(lockGuessMax)
	}
	b.lock = lock{on: true, reason: reason, until: until, probe: probe}
	b.publish()
}

// refused shows that a message was refused for reaching out. WhatsApp does not say for how long, so the pause is
// short at first and doubles with each refusal in a row. A limit with a known end stays as it is.
func (b *board) refused(reason string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.lock.on && !b.lock.until.IsZero() {
		return
	}
	pause := lockGuessMin << min(b.strikes, 16)
	b.strikes++
	b.lock = lock{on: true, reason: reason, probe: b.now().Add(min(pause, lockGuessMax))}
	b.publish()
}

// unlocked takes the limit off.
func (b *board) unlocked() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lock, b.strikes = lock{}, 0
	b.publish()
}

// delivered forgets the refusals: a message went through.
func (b *board) delivered() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.strikes = 0
}

// lockEnds is how long until the lock should be looked at again, false without one.
func (b *board) lockEnds() (time.Duration, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lock.probe.Sub(b.now()), b.lock.on
}

// publish puts base and lock together and tells the readers when the outcome is new. Called with mu held.
func (b *board) publish() {
	now := b.now()
	if b.lock.on && !now.Before(b.lock.probe) {
		b.lock = lock{}
	}
	s := b.base
	if b.lock.on && s.State.maySend() {
		s = Status{State: Timelocked, Reason: b.lock.reason, Until: b.lock.until}
	}
	if s.State == b.shown.State {
		s.Since = b.shown.Since
	} else {
		s.Since = now
	}
	if s == b.shown {
		return
	}
	b.shown = s
	for reader := range b.readers {
		offer(reader, s)
	}
}

func (b *board) subscribe() (<-chan Status, func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	reader := make(chan Status, 1)
	b.readers[reader] = struct{}{}
	offer(reader, b.shown)
	return reader, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if _, ok := b.readers[reader]; ok {
			delete(b.readers, reader)
			close(reader)
		}
	}
}

// offer puts s in place of what the reader has not taken yet. Only the board writes, under its lock, so the second
// send finds room.
func offer(reader chan Status, s Status) {
	select {
	case <-reader:
	default:
	}
	reader <- s
}
