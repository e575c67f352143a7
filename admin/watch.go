package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/rs/zerolog"
)

// What is watched.
const (
	AlertJobs  = "dead_jobs"
	AlertCases = "review"
	AlertCore  = "core"
	AlertFHIR  = "fhir"
	AlertPhone = "phone"
	AlertLine  = "line" // cannot be told in WhatsApp
)

// The kinds of jobs that tell of an alert. Each carries a [Telling].
const (
	JobTellAdmin   = "alert.send"
	JobTellWebhook = "alert.webhook"
)

// Telling is the payload of the jobs that tell of an alert.
type Telling struct {
	Digits string    `json:"digits,omitempty"` // of the admin; empty: for the webhook
	ID     string    `json:"id"`               // the same for the same alert and receiver
	Alert  string    `json:"alert"`
	Value  int       `json:"value"` // how bad: a count, or 1; 0: well again
	State  string    `json:"state,omitempty"`
	At     time.Time `json:"at"`
}

// AlertStore remembers what was told. Implemented by storage.
type AlertStore interface {
	Alerts(ctx context.Context) (map[string]AlertState, error)
	// SaveAlert remembers a state together with the jobs that tell of it.
	SaveAlert(ctx context.Context, a AlertState, tell ...jobs.New) error
	// Deaths tells of dead jobs, without those of the kinds JobTellAdmin and JobTellWebhook.
	Deaths(ctx context.Context) (Deaths, error)
}

// WatchConfig is what a Watch is made of.
type WatchConfig struct {
	Store     AlertStore
	Desk      *Service
	PhoneSeen func(ctx context.Context) (time.Time, error) // zero: not yet

	DownAfter  time.Duration // how long the core or FHIR may be away before that needs a person
	PhoneAfter time.Duration // how long the phone may be away
	Pause      time.Duration // between two words about one thing, however often it changes
	Admins     []phone.Number
	Webhook    bool // alerts also go to the webhook
	Now        func() time.Time
	Log        zerolog.Logger
}

// Watch looks for what needs a person and has it told once for each change: when it comes, when it gets worse, when it is
// over. What changes again within the pause is told after it, if it is then still otherwise than told. An alert that
// cannot be told raises no other one.
type Watch struct{ c WatchConfig }

// NewWatch makes a Watch.
func NewWatch(c WatchConfig) *Watch { return &Watch{c} }

// reading is how one thing is now.
type reading struct {
	name  string
	value int           // how bad; 0: well
	state string        // another one is a change, however bad
	mark  int64         // a greater one is a change: something came, although something else may have gone
	after time.Duration // how long it must be bad before that is told
}

// Look reads everything once. Call it again and again, in one process at a time.
func (w *Watch) Look(ctx context.Context) error {
	st, err := w.c.Desk.Status(ctx)
	if err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	seen, err := w.c.PhoneSeen(ctx)
	if err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	known, err := w.c.Store.Alerts(ctx)
	if err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	dead, err := w.c.Store.Deaths(ctx)
	if err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	cases, err := w.c.Desk.Review(ctx)
	if err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	var failed []error
	for _, r := range append(w.readings(st, seen), work(dead, cases)...) {
		failed = append(failed, w.note(ctx, known[r.name], r))
	}
	return errors.Join(failed...)
}

func (w *Watch) readings(st Status, seen time.Time) []reading {
	one := func(bad bool) int {
		if bad {
			return 1
		}
		return 0
	}
	all := []reading{
		{name: AlertCore, value: one(st.Core.State == Down), after: w.c.DownAfter},
		{name: AlertFHIR, value: one(st.FHIR.State == Down), after: w.c.DownAfter},
		{name: AlertPhone, value: one(!seen.IsZero() && w.c.Now().Sub(seen) > w.c.PhoneAfter)},
	}
	if value, sure := lineValue(st.Line.State); sure {
		all = append(all, reading{name: AlertLine, value: value, state: st.Line.State})
	}
	return all
}

// work reads what waits for a person. One more that comes while another one goes is a change, too.
func work(dead Deaths, cases []Case) []reading {
	jobs, waiting := reading{name: AlertJobs, value: dead.Jobs}, reading{name: AlertCases, value: len(cases)}
	if dead.Jobs > 0 {
		jobs.mark = dead.Last.UnixMilli()
	}
	for _, c := range cases {
		waiting.mark = max(waiting.mark, c.ID)
	}
	return []reading{jobs, waiting}
}

// lineValue numbers the states of the line that only a person can end; 0 is a line that stands. sure is false on the way
// from one to the other, as after a start: that says neither.
func lineValue(state string) (value int, sure bool) {
	switch state {
	case "connected", "degraded", "timelocked":
		return 0, true
	}
	value = map[string]int{"replaced": 1, "outdated": 2, "banned": 3, "logged out": 4, "unpaired": 5, "wrong account": 6}[state]
	return value, value > 0
}

func (w *Watch) note(ctx context.Context, was AlertState, r reading) error {
	now, next := w.c.Now(), was
	next.Name = r.name
	switch {
	case r.value == 0:
		next.BadSince = time.Time{}
	case was.BadSince.IsZero():
		next.BadSince = now
	}
	worse := r.value > 0 && (r.value > was.Told || r.mark > was.Mark || r.state != was.State)
	news := worse && now.Sub(next.BadSince) >= r.after || r.value == 0 && was.Told > 0
	if news && (was.ToldAt.IsZero() || now.Sub(was.ToldAt) >= w.c.Pause) {
		next.Told, next.ToldAt, next.State, next.Mark = r.value, now, "", max(was.Mark, r.mark)
		if r.value > 0 {
			next.State = r.state
		}
		tell, err := w.tellings(r, now)
		if err != nil {
			return err
		}
		w.c.Log.Warn().Str("alert", r.name).Int("value", r.value).Str("state", r.state).Msg("alert")
		return w.c.Store.SaveAlert(ctx, next, tell...)
	}
	if next == was || next.BadSince.Equal(was.BadSince) {
		return nil
	}
	return w.c.Store.SaveAlert(ctx, next)
}

// tellings are the jobs that tell of a change.
func (w *Watch) tellings(r reading, now time.Time) ([]jobs.New, error) {
	id := fmt.Sprintf("%s/%d", r.name, now.UnixMilli())
	var all []jobs.New
	add := func(kind string, t Telling) error {
		t.Alert, t.Value, t.State, t.At = r.name, r.value, r.state, now
		payload, err := json.Marshal(t)
		all = append(all, jobs.New{Kind: kind, Key: t.ID, Payload: payload})
		return err
	}
	if w.c.Webhook {
		if err := add(JobTellWebhook, Telling{ID: id}); err != nil {
			return nil, err
		}
	}
	if r.name == AlertLine { // nothing can be sent
		return all, nil
	}
	for i, n := range w.c.Admins {
		if err := add(JobTellAdmin, Telling{ID: fmt.Sprintf("%s/%d", id, i), Digits: n.Digits()}); err != nil {
			return nil, err
		}
	}
	return all, nil
}
