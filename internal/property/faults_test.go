package property_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/konsulin-care/konsulin-bot/auth/guest"
	"github.com/konsulin-care/konsulin-bot/bot"
	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/konsulin-care/konsulin-bot/storage"
	"pgregory.net/rapid"
)

// fate is what becomes of one step: a commit, a call to the core, a message on the line.
type fate int

const (
	failsBefore fate = iota // nothing happens
	failsAfter              // it happens, and nobody hears of it
	diesBefore              // the process dies instead
	diesAfter               // the process dies of it
)

var (
	errFault = errors.New("a fault")
	errDead  = errors.New("a dead process does nothing")
)

// faults lets one step of an action go wrong. A process that died does nothing more: every later step fails before it
// begins, so nothing that its code still runs through can leave it.
type faults struct {
	mu   sync.Mutex
	left int // steps until the fault; 0: none is coming
	fate fate
	hit  bool // it came
	dead bool

	postponed int // jobs that went on waiting elsewhere
}

// arm draws the fault of the next action: mostly none, or further off than it has steps.
func (f *faults) arm(t *rapid.T) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hit, f.dead = false, false
	f.left = max(0, rapid.IntRange(-60, 14).Draw(t, "steps until the fault"))
	f.fate = fate(rapid.IntRange(int(failsBefore), int(diesAfter)).Draw(t, "fate"))
}

// disarm ends that, and tells what came of it.
func (f *faults) disarm() (hit, died bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	hit, died = f.hit, f.dead
	f.left, f.hit, f.dead = 0, false, false
	return hit, died
}

// next is what goes wrong before and after a step.
func (f *faults) next() (before, after error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dead {
		return errDead, nil
	}
	if f.left == 0 {
		return nil, nil
	}
	if f.left--; f.left > 0 {
		return nil, nil
	}
	f.hit, f.dead = true, f.fate >= diesBefore
	if f.fate == failsBefore || f.fate == diesBefore {
		return errFault, nil
	}
	return nil, errFault
}

// around runs one step.
func (f *faults) around(effect func() error) error {
	before, after := f.next()
	if before != nil {
		return before
	}
	if err := effect(); err != nil {
		return err
	}
	return after
}

// wayToCore is how the process reaches the core.
type wayToCore struct {
	base   http.RoundTripper
	faults *faults
}

// RoundTrip implements [http.RoundTripper].
func (w wayToCore) RoundTrip(r *http.Request) (*http.Response, error) {
	before, after := w.faults.next()
	if before != nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	resp, err := w.base.RoundTrip(r)
	if err != nil || after == nil {
		return resp, err
	}
	_, _ = io.Copy(io.Discard, resp.Body) // the core has done it
	_ = resp.Body.Close()
	return nil, io.ErrUnexpectedEOF
}

// botRecords is what the bot sees of the database.
type botRecords struct {
	*storage.Store
	faults *faults
}

func (r botRecords) Accept(ctx context.Context, a bot.Accepted) (fresh bool, err error) {
	err = r.faults.around(func() (err error) { fresh, err = r.Store.Accept(ctx, a); return err })
	return fresh, err
}

func (r botRecords) Refused(ctx context.Context, sender, id, reason string) error {
	return r.faults.around(func() error { return r.Store.Refused(ctx, sender, id, reason) })
}

func (r botRecords) Postpone(ctx context.Context, j jobs.New) error {
	return r.faults.around(func() error {
		r.faults.postponed++
		return r.Store.Postpone(ctx, j)
	})
}

func (r botRecords) Spend(ctx context.Context, holder string, now time.Time, b ...bot.Budget) (empty string, err error) {
	err = r.faults.around(func() (err error) { empty, err = r.Store.Spend(ctx, holder, now, b...); return err })
	return empty, err
}

// authRecords is what the sign-in sees of the database of whichever process has its turn.
type authRecords struct {
	*storage.Store
	faults *faults
}

func (r *authRecords) SaveLink(ctx context.Context, l auth.LinkRecord) error {
	return r.faults.around(func() error { return r.Store.SaveLink(ctx, l) })
}

func (r *authRecords) LinkAlone(ctx context.Context, replyID string) error {
	return r.faults.around(func() error { return r.Store.LinkAlone(ctx, replyID) })
}

func (r *authRecords) LinkByPreAuth(ctx context.Context, hash string) (l auth.LinkRecord, err error) {
	err = r.faults.around(func() (err error) { l, err = r.Store.LinkByPreAuth(ctx, hash); return err })
	return l, err
}

func (r *authRecords) LinkVanished(ctx context.Context, replyID, reason string) error {
	return r.faults.around(func() error { return r.Store.LinkVanished(ctx, replyID, reason) })
}

func (r *authRecords) TryDigits(ctx context.Context, replyID string, right bool, limit int) (wrong int, err error) {
	err = r.faults.around(func() (err error) { wrong, err = r.Store.TryDigits(ctx, replyID, right, limit); return err })
	return wrong, err
}

func (r *authRecords) BeginSignIn(ctx context.Context, i auth.Intent) error {
	return r.faults.around(func() error { return r.Store.BeginSignIn(ctx, i) })
}

func (r *authRecords) RecordSignIn(ctx context.Context, s auth.SignIn) error {
	return r.faults.around(func() error { return r.Store.RecordSignIn(ctx, s) })
}

func (r *authRecords) AbandonSignIn(ctx context.Context, intentID string, linkOpen bool, reason string) error {
	return r.faults.around(func() error { return r.Store.AbandonSignIn(ctx, intentID, linkOpen, reason) })
}

func (r *authRecords) Bar(ctx context.Context, n phone.Number, made time.Time) (reason string, err error) {
	err = r.faults.around(func() (err error) { reason, err = r.Store.Bar(ctx, n, made); return err })
	return reason, err
}

func (r *authRecords) RevokeLinks(ctx context.Context, n phone.Number, reason string) (revoked int, err error) {
	err = r.faults.around(func() (err error) { revoked, err = r.Store.RevokeLinks(ctx, n, reason); return err })
	return revoked, err
}

func (r *authRecords) SaveAttempt(ctx context.Context, a auth.AttemptRecord) error {
	return r.faults.around(func() error { return r.Store.SaveAttempt(ctx, a) })
}

func (r *authRecords) TieAttempt(ctx context.Context, tie auth.Tie) (tied bool, err error) {
	err = r.faults.around(func() (err error) { tied, err = r.Store.TieAttempt(ctx, tie); return err })
	return tied, err
}

func (r *authRecords) SpendAttempt(ctx context.Context, keyHash string, at time.Time) error {
	return r.faults.around(func() error { return r.Store.SpendAttempt(ctx, keyHash, at) })
}

func (r *authRecords) SaveGuest(ctx context.Context, g guest.Record) error {
	return r.faults.around(func() error { return r.Store.SaveGuest(ctx, g) })
}

func (r *authRecords) UpgradeGuest(ctx context.Context, u auth.GuestUpgrade) error {
	return r.faults.around(func() error { return r.Store.UpgradeGuest(ctx, u) })
}

var (
	_ bot.Inbox        = botRecords{}
	_ bot.Budgets      = botRecords{}
	_ auth.LinkStore   = (*authRecords)(nil)
	_ auth.SignInStore = (*authRecords)(nil)
	_ auth.GuestStore  = (*authRecords)(nil)
	_ auth.Gate        = (*authRecords)(nil)
)
