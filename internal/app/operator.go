package app

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/konsulin-care/konsulin-bot/admin"
	"github.com/konsulin-care/konsulin-bot/fhir"
	"github.com/konsulin-care/konsulin-bot/storage"
)

// What an operator's commands answer with.
type (
	// JobView is a job as a terminal shows it.
	JobView = admin.Job
	// CaseView is a question about somebody's resource on the FHIR server as a terminal shows it.
	CaseView = admin.Case
	// DuplicateView is several live resources for one number or one user.
	DuplicateView = admin.Duplicate
)

// ErrUnknownState is what Jobs answers when asked for a state that there is not.
var ErrUnknownState = admin.ErrUnknownState

// Operator is what an operator does in a terminal beside a running serve, through the database. It asks the same desk as
// the admins in the chat. Close it.
type Operator struct {
	store *storage.Store
	cfg   Config
	by    admin.Who
	logTo io.Writer
	now   func() time.Time
	desk  *admin.Service
}

// Operate opens the database. by names the person for the audit.
func Operate(ctx context.Context, cfg Config, by string, logTo io.Writer) (*Operator, error) {
	o := &Operator{cfg: cfg, by: admin.Who{Operator: by}, logTo: logTo, now: time.Now} //nolint:forbidigo // where the clock comes from
	var err error
	if o.store, err = openStore(ctx, cfg, o.now); err != nil {
		return nil, err
	}
	o.desk = admin.New(deskConfig(o.store, o.now))
	return o, nil
}

// Close gives the database back.
func (o *Operator) Close() error { return o.store.Close() }

// Jobs lists jobs of the named states (waiting, running, done, dead), youngest first and at most 500 of each; without a
// name the dead and the waiting ones.
func (o *Operator) Jobs(ctx context.Context, names ...string) ([]JobView, error) {
	return o.desk.Jobs(ctx, names...)
}

// Explain shows one job with what it is for and what to do about it.
func (o *Operator) Explain(ctx context.Context, id int64) (JobView, error) {
	return o.desk.Explain(ctx, id)
}

// Retry makes a dead job run again.
func (o *Operator) Retry(ctx context.Context, id int64) error {
	_, err := o.desk.Retry(ctx, id)
	return o.record(ctx, "retry", err)
}

// RetryAll makes all dead jobs run again and tells how many.
func (o *Operator) RetryAll(ctx context.Context) (int, error) {
	n, err := o.desk.Retry(ctx, 0)
	return n, o.record(ctx, "retry", err)
}

// Cases lists what waits for a decision.
func (o *Operator) Cases(ctx context.Context) ([]CaseView, error) { return o.desk.Review(ctx) }

// Approve lets the case's user be added to a resource that others have, too. ref may be empty when there is just one.
func (o *Operator) Approve(ctx context.Context, id int64, ref string) error {
	return o.record(ctx, "approve", o.desk.Decide(ctx, id, true, ref, o.by))
}

// Separate gives the case's user a resource of their own.
func (o *Operator) Separate(ctx context.Context, id int64) error {
	return o.record(ctx, "separate", o.desk.Decide(ctx, id, false, "", o.by))
}

// Scan reports duplicates on the FHIR server. It writes nothing there.
func (o *Operator) Scan(ctx context.Context, report func(DuplicateView)) error {
	if o.cfg.FHIR.BaseURL == "" {
		return errors.New("fhir.base_url is not set: there is no FHIR server to scan")
	}
	log, err := newLogger(o.cfg.Log, o.logTo)
	if err != nil {
		return err
	}
	a := &App{cfg: o.cfg, opt: Options{Now: o.now}, log: log, store: o.store}
	server, err := fhir.New(fhirConfig(a, nil)) // a scan asks for nobody's roles
	if err != nil {
		return err
	}
	defer server.Close()
	return o.record(ctx, "scan", scanOf(server)(ctx, report))
}

// record writes what the operator did into the audit, and passes on how it went.
func (o *Operator) record(ctx context.Context, command string, err error) error {
	outcome := "done"
	if err != nil {
		outcome = "failed"
	}
	return errors.Join(err, o.desk.Record(ctx, admin.Entry{By: o.by, Command: command, Outcome: outcome}))
}
