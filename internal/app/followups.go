package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/konsulin-care/konsulin-bot/admin"
	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/konsulin-care/konsulin-bot/contact"
	"github.com/konsulin-care/konsulin-bot/fhir"
	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/konsulin-care/konsulin-bot/storage"
)

// followUps is what happens after a sign-in: the user's Patient, the guest's records, the contact. Every process works
// on it, whoever owns the line; the serial of the jobs keeps two from working on one number.
type followUps struct {
	fhir    *fhir.Service    // nil: no server is configured, the work waits
	contact *contact.Service // nil: likewise
	runners []*jobs.Runner
	store   *storage.Store
	now     func() time.Time
}

// newFollowUps makes the rooms that are configured and their runners. The webhook has a runner of its own with one
// worker: it is paced as a whole, and must not hold up Patients.
func newFollowUps(a *App, roles fhir.Roles) (*followUps, error) {
	f := &followUps{store: a.store, now: a.opt.Now}
	if a.cfg.Alerts.WebhookURL != "" {
		hook, err := newAlertHook(a.cfg.Alerts, a.opt.Now)
		if err != nil {
			return nil, err
		}
		f.add(a, "alerts", 1, map[string]jobs.Handler{admin.JobTellWebhook: hook.tell})
	}
	if a.cfg.FHIR.BaseURL == "" {
		return f, nil
	}
	var err error
	if f.fhir, err = fhir.New(fhirConfig(a, roles)); err != nil {
		return nil, err
	}
	f.add(a, "fhir", a.cfg.FHIR.Workers, map[string]jobs.Handler{
		auth.JobFHIRSync: f.syncPatient, auth.JobClaimGuest: f.claimGuest, storage.JobChatwootID: f.writeChatwootID,
	})
	if a.cfg.Contact.BaseURL == "" {
		return f, nil
	}
	if f.contact, err = contact.New(contactConfig(a, f.fhir)); err != nil {
		return nil, err
	}
	f.add(a, "contact", 1, map[string]jobs.Handler{auth.JobContactSync: f.syncContact})
	return f, nil
}

// add makes a runner. On SQLite a process takes back at once what its former life was working on; on PostgreSQL, where
// others may live, leases run out by age.
func (f *followUps) add(a *App, owner string, workers int, handlers map[string]jobs.Handler) {
	cfg := jobsConfig(a, a.store, handlers)
	cfg.Owner, cfg.Workers = owner, workers
	if a.cfg.Storage.Engine != storage.SQLite {
		cfg.Owner += " " + a.process
	}
	f.runners = append(f.runners, jobs.NewRunner(cfg))
}

// close gives back idle connections.
func (f *followUps) close() {
	if f.fhir != nil {
		f.fhir.Close()
	}
}

func (f *followUps) syncPatient(ctx context.Context, j jobs.Job) error {
	_, u, err := followUp(j)
	if err != nil {
		return err
	}
	if _, err = f.fhir.Sync(ctx, fhir.User{ID: u.id, Number: u.number}); err != nil {
		return f.patience(j, err)
	}
	if f.now().Sub(j.CreatedAt) > prompt {
		return f.store.HurryJob(ctx, auth.JobContactSync, j.Key) // the contact has waited for this Patient, ever more patiently
	}
	return nil
}

// prompt is how fast a Patient comes to be when nothing is in the way.
const prompt = 2 * time.Second

func (f *followUps) claimGuest(ctx context.Context, j jobs.Job) error {
	todo, u, err := followUp(j)
	if err != nil {
		return err
	}
	who := fhir.User{ID: u.id, Number: u.number}
	return f.withPatient(ctx, j, who, func() error {
		_, err := f.fhir.ClaimGuest(ctx, who, todo.Guest)
		return err
	})
}

// guestRecords counts what a guest has done; nil when there is no server to ask.
func (a *App) guestRecords() func(ctx context.Context, guestID string) (map[string]int, error) {
	if a.cfg.FHIR.BaseURL == "" {
		return nil
	}
	return func(ctx context.Context, guestID string) (map[string]int, error) {
		return a.after.fhir.CountGuest(ctx, guestID)
	}
}

// claimWait is how long a front end waits for a guest's records: a little where nobody will work on them.
func (a *App) claimWait() time.Duration {
	if a.cfg.FHIR.BaseURL == "" {
		return time.Second
	}
	return 20 * time.Second
}

// withPatient does work on a user's Patient, making sure of the Patient first when there is none. Jobs of one number run
// in order: one that only waited for the Patient would keep the work that makes it from ever being done.
func (f *followUps) withPatient(ctx context.Context, j jobs.Job, u fhir.User, work func() error) error {
	err := work()
	if !errors.Is(err, fhir.ErrNoPatient) {
		return f.patience(j, err)
	}
	if _, err := f.fhir.Sync(ctx, u); err != nil {
		var undecided *fhir.QuarantineError
		if errors.As(err, &undecided) {
			return f.later(j, err) // the admin's decision, or a look at the server, changes that
		}
		return f.patience(j, err)
	}
	return f.patience(j, work())
}

func (f *followUps) writeChatwootID(ctx context.Context, j jobs.Job) error {
	var todo storage.ChatwootID
	if err := json.Unmarshal(j.Payload, &todo); err != nil {
		return jobs.Permanent(fmt.Errorf("payload of %s: %w", j.Kind, err))
	}
	n, err := phone.FromDigits(todo.Digits)
	if err != nil {
		return jobs.Permanent(fmt.Errorf("payload of %s: %w", j.Kind, err))
	}
	who := fhir.User{ID: todo.UserID, Number: n}
	return f.withPatient(ctx, j, who, func() error { return f.fhir.AddChatwootID(ctx, who, todo.ID) })
}

func (f *followUps) syncContact(ctx context.Context, j jobs.Job) error {
	_, u, err := followUp(j)
	if err != nil {
		return err
	}
	return f.patience(j, f.contact.Sync(ctx, contact.User{ID: u.id, Number: u.number}))
}

// user is whom a job is about.
type user struct {
	id     string
	number phone.Number
}

func followUp(j jobs.Job) (auth.FollowUp, user, error) {
	var todo auth.FollowUp
	if err := json.Unmarshal(j.Payload, &todo); err != nil {
		return todo, user{}, jobs.Permanent(fmt.Errorf("payload of %s: %w", j.Kind, err))
	}
	n, err := todo.Number()
	if err != nil {
		return todo, user{}, jobs.Permanent(fmt.Errorf("payload of %s: %w", j.Kind, err))
	}
	return todo, user{todo.UserID, n}, nil
}

// patience has work that waits for the user's Patient, or for a server that did not answer, come back soon while the
// sign-in is young, and ever more rarely when a person or an operator is waited for.
func (f *followUps) patience(j jobs.Job, err error) error {
	var unreached interface{ Away() bool }
	switch {
	case errors.Is(err, fhir.ErrNoPatient), errors.Is(err, contact.ErrNoPatient):
		return f.later(j, err)
	case errors.As(err, &unreached) && unreached.Away():
		return f.later(j, err)
	}
	return err
}

// later has a job come back after a time that grows with its age.
func (f *followUps) later(j jobs.Job, err error) error {
	age := f.now().Sub(j.CreatedAt)
	return jobs.After(min(max(age/4, 250*time.Millisecond), 5*time.Minute), err)
}

// profiles shows the Patient to contact in contact's words.
type profiles struct{ fhir *fhir.Service }

var _ contact.Profiles = profiles{}

// Profile implements [contact.Profiles].
func (p profiles) Profile(ctx context.Context, userID string) (contact.Profile, bool, error) {
	found, err := p.fhir.Profile(ctx, userID)
	if errors.Is(err, fhir.ErrNoPatient) {
		return contact.Profile{}, false, nil
	}
	return contact.Profile{Ref: found.Ref, Name: found.Name, ChatwootID: found.ChatwootID}, err == nil, err
}

// awaitPatient waits a moment for the Patient of somebody who has just signed in. What went on without it is shown by
// the session as pending.
func (f *followUps) awaitPatient(ctx context.Context, userID string, patience time.Duration) {
	if f.fhir == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		state, err := f.store.PatientState(ctx, userID)
		if err != nil || state != storage.PatientPending {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(lookAgain):
		}
	}
}

// lookAgain is how often a sign-in looks for its Patient.
const lookAgain = 25 * time.Millisecond
