package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/konsulin-care/konsulin-bot/admin"
	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/konsulin-care/konsulin-bot/bot"
	"github.com/konsulin-care/konsulin-bot/bot/whatsapp"
	"github.com/konsulin-care/konsulin-bot/fhir"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/konsulin-care/konsulin-bot/storage"
)

// newDesk makes the admins' desk of a running App.
func newDesk(a *App) *admin.Service {
	c := deskConfig(a.store, a.opt.Now)
	c.Core, c.People, c.Erasures = deskCore{a.auth}, deskPeople{a}, deskPeople{a}
	c.Version, c.Started = a.opt.Version, a.started
	c.Line = func() admin.Health {
		s := a.watch.status()
		return admin.Health{State: string(s.State), Since: s.Since, Reason: s.Reason}
	}
	if a.auth != nil {
		c.PingCore = a.auth.Ping
	}
	if a.after != nil && a.after.fhir != nil {
		c.PingFHIR, c.Scan = a.after.fhir.Ping, scanOf(a.after.fhir)
	}
	if a.after != nil && a.after.contact != nil {
		c.PingWebhook = a.after.contact.Reach
	}
	return admin.New(c)
}

// deskConfig is what needs nothing but the database.
func deskConfig(store *storage.Store, now func() time.Time) admin.Config {
	records := deskRecords{store}
	return admin.Config{Jobs: records, Cases: records, Log: records, Bars: store, Pauses: store, Questions: store, Now: now}
}

var (
	_ admin.Bars      = (*storage.Store)(nil)
	_ admin.Pauses    = (*storage.Store)(nil)
	_ admin.Questions = (*storage.Store)(nil)
	_ admin.Jobs      = deskRecords{}
	_ admin.Cases     = deskRecords{}
	_ admin.Log       = deskRecords{}
	_ admin.Core      = deskCore{}
	_ admin.People    = deskPeople{}
	_ admin.Erasures  = deskPeople{}
)

// deskRecords shows storage to admin in admin's words.
type deskRecords struct{ store *storage.Store }

func jobStates() map[admin.State]storage.JobState {
	return map[admin.State]storage.JobState{
		admin.Waiting: storage.JobReady, admin.Running: storage.JobRunning, admin.Done: storage.JobDone, admin.Dead: storage.JobDead,
	}
}

// Jobs implements [admin.Jobs].
func (r deskRecords) Jobs(ctx context.Context, states ...admin.State) ([]admin.Job, error) {
	var wanted []storage.JobState
	for _, s := range states {
		wanted = append(wanted, jobStates()[s])
	}
	found, err := r.store.ListJobs(ctx, wanted...)
	views := make([]admin.Job, 0, len(found))
	for _, j := range found {
		views = append(views, jobView(j))
	}
	return views, err
}

// Job implements [admin.Jobs].
func (r deskRecords) Job(ctx context.Context, id int64) (admin.Job, error) {
	j, err := r.store.Job(ctx, id)
	if err != nil {
		return admin.Job{}, err
	}
	v := jobView(j)
	v.Does = purpose(j.Kind)
	return v, nil
}

// CountJobs implements [admin.Jobs].
func (r deskRecords) CountJobs(ctx context.Context) (map[admin.State]int, error) {
	counts, err := r.store.CountJobs(ctx)
	out := map[admin.State]int{}
	for name, state := range jobStates() {
		out[name] = counts[state]
	}
	return out, err
}

// Retry implements [admin.Jobs].
func (r deskRecords) Retry(ctx context.Context, id int64) (int, error) {
	if id == 0 {
		return r.store.RetryJobs(ctx)
	}
	err := r.store.RetryJob(ctx, id)
	switch {
	case errors.Is(err, storage.ErrNoDeadJob):
		return 0, fmt.Errorf("%w: %w", admin.ErrNoDeadJob, err)
	case err != nil:
		return 0, err
	}
	return 1, nil
}

func jobView(j storage.JobInfo) admin.Job {
	v := admin.Job{ID: j.ID, Kind: j.Kind, Attempts: j.Attempts, Added: j.CreatedAt, Ended: j.FinishedAt, Reason: j.Reason, UserID: j.UserID}
	for name, state := range jobStates() {
		if state == j.State {
			v.State = name
		}
	}
	if j.State == storage.JobReady {
		v.Next = j.RunAt
	}
	if j.FinishedAt.UnixMilli() == 0 {
		v.Ended = time.Time{}
	}
	return v
}

func purpose(kind string) string {
	switch kind {
	case auth.JobFHIRSync:
		return "Makes sure that somebody who signed in has their resource on the FHIR server."
	case auth.JobClaimGuest:
		return "Gives the records that somebody made as a guest to their Patient."
	case auth.JobContactSync:
		return "Makes the contact in the omnichannel system, once."
	case storage.JobChatwootID:
		return "Writes the contact's id to the Patient."
	case bot.JobLogin:
		return "Answers a login request with a link."
	case bot.JobReply:
		return "Sends a reply that is not a link."
	case bot.JobCommand:
		return "Answers an admin's command."
	}
	return ""
}

// Cases implements [admin.Cases].
func (r deskRecords) Cases(ctx context.Context) ([]admin.Case, error) {
	found, err := r.store.ListCases(ctx, storage.CaseOpen)
	views := make([]admin.Case, 0, len(found))
	for _, c := range found {
		views = append(views, admin.Case{ID: c.ID, Resource: c.Resource, Why: string(c.Why), Candidates: c.Candidates,
			UserID: c.UserID, Number: c.Number.String(), State: string(c.State), Opened: c.OpenedAt})
	}
	return views, err
}

// Decide implements [admin.Cases].
func (r deskRecords) Decide(ctx context.Context, id int64, approve bool, ref, by string) error {
	verdict := fhir.Separate
	if approve {
		verdict = fhir.Approve
	}
	err := r.store.Decide(ctx, id, verdict, ref, by)
	if errors.Is(err, storage.ErrNoOpenCase) {
		return fmt.Errorf("%w: %w", admin.ErrNoCase, err)
	}
	return err
}

// Record implements [admin.Log].
func (r deskRecords) Record(ctx context.Context, e admin.Entry) error {
	detail := map[string]any{"command": e.Command, "outcome": e.Outcome}
	if e.By.Number.IsZero() {
		detail["by"] = e.By.Operator
	}
	return r.store.Audit(ctx, storage.AuditRow{At: e.At, Event: storage.EventCommand, Number: e.About, By: e.By.Number,
		ReplyID: e.ReplyID, Detail: detail})
}

// Recent implements [admin.Log].
func (r deskRecords) Recent(ctx context.Context, n phone.Number, limit int) ([]admin.Event, error) {
	rows, err := r.store.ListAudit(ctx, storage.AuditQuery{Number: n, Newest: true, Limit: limit})
	events := make([]admin.Event, 0, len(rows))
	for _, row := range rows {
		e := admin.Event{At: row.At, What: row.Event, Number: row.Number}
		text := func(key string) string { s, _ := row.Detail[key].(string); return s }
		if e.By = text("by"); !row.By.IsZero() {
			e.By = row.By.String()
		}
		switch row.Event {
		case storage.EventCommand:
			e.Note = "/" + text("command") + ": " + text("outcome")
		case storage.EventDecided:
			e.Note = text("verdict") + " " + text("reference")
		default:
			e.Note = text("reason")
		}
		events = append(events, e)
	}
	return events, err
}

// Logins implements [admin.Log].
func (r deskRecords) Logins(ctx context.Context, n phone.Number, limit int) ([]time.Time, error) {
	rows, err := r.store.ListAudit(ctx, storage.AuditQuery{Number: n, Event: storage.EventSignIn, Newest: true, Limit: limit})
	var at []time.Time
	for _, row := range rows {
		at = append(at, row.At)
	}
	return at, err
}

// Stats implements [admin.Log].
func (r deskRecords) Stats(ctx context.Context, since time.Time) (admin.Stats, error) {
	return r.store.Stats(ctx, since)
}

// deskCore shows auth to admin in admin's words.
type deskCore struct{ auth *auth.Service }

// User implements [admin.Core].
func (c deskCore) User(ctx context.Context, n phone.Number) (admin.User, bool, error) {
	u, found, err := c.auth.UserOf(ctx, n)
	return admin.User(u), found, err
}

// EndLinks implements [admin.Core].
func (c deskCore) EndLinks(ctx context.Context, n phone.Number) error { return c.auth.EndLinks(ctx, n) }

// Revoke implements [admin.Core].
func (c deskCore) Revoke(ctx context.Context, n phone.Number) (admin.Revoked, error) {
	done, err := c.auth.RevokeNumber(ctx, n)
	return admin.Revoked{UserID: done.UserID, Links: done.Links, Sessions: done.Sessions}, err
}

// deskPeople asks the rooms that know about users.
type deskPeople struct{ app *App }

// Patient implements [admin.People].
func (p deskPeople) Patient(ctx context.Context, userID string) (ref, state string, err error) {
	if p.app.after.fhir == nil {
		return "", "", nil
	}
	if state, err = p.app.store.PatientState(ctx, userID); err != nil {
		return "", "", err
	}
	profile, err := p.app.after.fhir.Profile(ctx, userID)
	if errors.Is(err, fhir.ErrNoPatient) {
		err = nil
	}
	return profile.Ref, state, err
}

// Contact implements [admin.People].
func (p deskPeople) Contact(ctx context.Context, userID string) (string, bool, error) {
	known, found, err := p.app.store.Contact(ctx, userID)
	return known.ChatwootID, found, err
}

// Sync implements [admin.People].
func (p deskPeople) Sync(ctx context.Context, userID string, n phone.Number, key string) error {
	again, err := p.app.auth.FollowUpAgain(userID, n, key)
	if err != nil {
		return err
	}
	return p.app.store.AddUserJobs(ctx, userID, again...)
}

// BeginErasure implements [admin.Erasures]. The hidden ids are written down before anything that leads to them goes.
func (p deskPeople) BeginErasure(ctx context.Context, key string, n phone.Number) (admin.Erasure, error) {
	var hidden []string
	if !n.IsZero() {
		db, _ := p.app.store.LineDB()
		var err error
		if hidden, err = whatsapp.HiddenOf(ctx, db, n); err != nil {
			return admin.Erasure{}, err
		}
	}
	return p.app.store.BeginErasure(ctx, key, n, hidden)
}

// Erase implements [admin.Erasures]. The line's store comes first: what fails after it is done again.
func (p deskPeople) Erase(ctx context.Context, e admin.Erasure, left admin.Forgotten, by admin.Who) error {
	db, _ := p.app.store.LineDB()
	if err := whatsapp.Forget(ctx, db, e.Number, e.Hidden...); err != nil {
		return err
	}
	return p.app.store.Erase(ctx, e, left, by)
}

// scanOf is a scan of the FHIR server in admin's words.
func scanOf(server *fhir.Service) func(context.Context, func(admin.Duplicate)) error {
	return func(ctx context.Context, report func(admin.Duplicate)) error {
		return server.Scan(ctx, func(d fhir.Duplicate) {
			v := admin.Duplicate{Of: d.Kind, Who: d.UserID, References: d.References}
			if v.Who == "" {
				v.Who = d.Number.String()
			}
			report(v)
		})
	}
}
