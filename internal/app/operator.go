package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/konsulin-care/konsulin-bot/bot"
	"github.com/konsulin-care/konsulin-bot/fhir"
	"github.com/konsulin-care/konsulin-bot/storage"
)

// Operator is what an operator does in a terminal beside a running serve, through the database. Close it.
type Operator struct {
	store *storage.Store
	cfg   Config
	by    string
	logTo io.Writer
	now   func() time.Time
}

// JobView is a job as a terminal shows it. It names nobody.
type JobView struct {
	ID       int64     `json:"id"`
	Kind     string    `json:"kind"`
	State    string    `json:"state"` // waiting, running, done or dead
	Attempts int       `json:"attempts"`
	Added    time.Time `json:"added"`
	Next     time.Time `json:"next,omitzero"`  // of a waiting one
	Ended    time.Time `json:"ended,omitzero"` // of one that is done or dead
	Reason   string    `json:"reason,omitempty"`
	Does     string    `json:"does,omitempty"`   // what it is for
	Advice   string    `json:"advice,omitempty"` // what to do about it
}

// CaseView is a question about somebody's resource on the FHIR server as a terminal shows it.
type CaseView struct {
	ID         int64     `json:"id"`
	Resource   string    `json:"resource"`
	Why        string    `json:"why"`
	Candidates []string  `json:"candidates"`
	UserID     string    `json:"userId"`
	Number     string    `json:"number"` // masked
	State      string    `json:"state"`
	Opened     time.Time `json:"opened"`
}

// DuplicateView is several live resources for one number or one user.
type DuplicateView struct {
	Of         string   `json:"of"` // number or userid
	Who        string   `json:"who"`
	References []string `json:"references"`
}

// Operate opens the database. by names the person for the audit.
func Operate(ctx context.Context, cfg Config, by string, logTo io.Writer) (*Operator, error) {
	o := &Operator{cfg: cfg, by: by, logTo: logTo, now: time.Now} //nolint:forbidigo // where the clock comes from
	var err error
	o.store, err = openStore(ctx, cfg, o.now)
	return o, err
}

// Close gives the database back.
func (o *Operator) Close() error { return o.store.Close() }

// ErrUnknownState is what Jobs answers when asked for a state that there is not.
var ErrUnknownState = errors.New("no state of a job; there are waiting, running, done and dead")

// jobStates are the states by the words of the terminal.
func jobStates() map[string]storage.JobState {
	return map[string]storage.JobState{
		"waiting": storage.JobReady, "running": storage.JobRunning, "done": storage.JobDone, "dead": storage.JobDead,
	}
}

// Jobs lists jobs of the named states (waiting, running, done, dead), youngest first and at most 500 of each; without a
// name the dead and the waiting ones.
func (o *Operator) Jobs(ctx context.Context, names ...string) ([]JobView, error) {
	if len(names) == 0 {
		names = []string{"dead", "waiting"}
	}
	var states []storage.JobState
	for _, name := range names {
		state, ok := jobStates()[name]
		if !ok {
			return nil, fmt.Errorf("%q: %w", name, ErrUnknownState)
		}
		states = append(states, state)
	}
	found, err := o.store.ListJobs(ctx, states...)
	if err != nil {
		return nil, err
	}
	views := make([]JobView, 0, len(found))
	for _, j := range found {
		views = append(views, view(j))
	}
	return views, nil
}

// Explain shows one job with what it is for and what to do about it.
func (o *Operator) Explain(ctx context.Context, id int64) (JobView, error) {
	j, err := o.store.Job(ctx, id)
	if err != nil {
		return JobView{}, err
	}
	cases, err := o.store.ListCases(ctx, storage.CaseOpen)
	if err != nil {
		return JobView{}, err
	}
	undecided := slices.ContainsFunc(cases, func(c storage.CaseInfo) bool { return c.UserID == j.UserID })
	v := view(j)
	v.Does, v.Advice = purpose(j.Kind), advice(j, undecided)
	return v, nil
}

func view(j storage.JobInfo) JobView {
	v := JobView{ID: j.ID, Kind: j.Kind, Attempts: j.Attempts, Added: j.CreatedAt, Ended: j.FinishedAt, Reason: j.Reason}
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

// advice is what to do about a job; undecided says that its user's case is open.
func advice(j storage.JobInfo, undecided bool) string {
	switch {
	case undecided && (j.State == storage.JobDead || j.State == storage.JobReady):
		return "Decide the case: konsulin-bot jobs cases, then jobs approve or jobs separate. The job then runs by itself."
	case j.State == storage.JobDead:
		return fmt.Sprintf("Mend what the reason names, then: konsulin-bot jobs retry %d", j.ID)
	case j.State == storage.JobReady && j.Attempts > 0:
		return "Nothing: it is tried again by itself. Look at what the reason names if it does not get better."
	}
	return ""
}

// Retry makes a dead job run again.
func (o *Operator) Retry(ctx context.Context, id int64) error { return o.store.RetryJob(ctx, id) }

// RetryAll makes all dead jobs run again and tells how many.
func (o *Operator) RetryAll(ctx context.Context) (int, error) { return o.store.RetryJobs(ctx) }

// Cases lists what waits for a decision.
func (o *Operator) Cases(ctx context.Context) ([]CaseView, error) {
	found, err := o.store.ListCases(ctx, storage.CaseOpen)
	if err != nil {
		return nil, err
	}
	views := make([]CaseView, 0, len(found))
	for _, c := range found {
		views = append(views, CaseView{ID: c.ID, Resource: c.Resource, Why: string(c.Why), Candidates: c.Candidates,
			UserID: c.UserID, Number: c.Number.String(), State: string(c.State), Opened: c.OpenedAt})
	}
	return views, nil
}

// Approve lets the case's user be added to a resource that others have, too. ref may be empty when there is just one.
func (o *Operator) Approve(ctx context.Context, id int64, ref string) error {
	return o.store.Decide(ctx, id, fhir.Approve, ref, o.by)
}

// Separate gives the case's user a resource of their own.
func (o *Operator) Separate(ctx context.Context, id int64) error {
	return o.store.Decide(ctx, id, fhir.Separate, "", o.by)
}

// Scan reports duplicates on the FHIR server. It writes nothing.
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
	return server.Scan(ctx, func(d fhir.Duplicate) {
		v := DuplicateView{Of: d.Kind, Who: d.UserID, References: d.References}
		if v.Who == "" {
			v.Who = d.Number.String()
		}
		report(v)
	})
}
