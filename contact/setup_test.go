package contact_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/konsulin-care/konsulin-bot/contact"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/konsulin-care/konsulin-bot/sandbox/omnichannel"
)

// The user of most tests. Nothing of it may ever stand in an error or a log.
const (
	userID = "5f0c4a1e-7a51-4d0e-9a35-0f8c1f4f2f11"
	number = "6281234567890"
)

// world is a Service with everything that it meets.
type world struct {
	t       *testing.T
	hook    *omnichannel.Server
	service *contact.Service
	user    contact.User
	config  contact.Config

	profiles *profiles
	names    *names
	records  *records
	pacer    *pacer
	log      *output
}

// setup makes a world whose user has a Patient with a name and no contact.
func setup(t *testing.T, o omnichannel.Options, change ...func(*contact.Config)) *world {
	t.Helper()
	hook, err := omnichannel.New(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, hook.Close()) })
	n, err := phone.FromDigits(number)
	require.NoError(t, err)
	w := &world{
		t: t, hook: hook, user: contact.User{ID: userID, Number: n},
		profiles: &profiles{found: true, profile: contact.Profile{Ref: "Patient/1", Name: "Sari Dewi"}},
		names:    &names{}, records: &records{}, pacer: &pacer{}, log: &output{},
	}
	w.config = contact.Config{
		BaseURL: hook.URL() + "/", Timeout: 5 * time.Second, DefaultName: "Konsulin user",
		Profiles: w.profiles, Names: w.names, Records: w.records, Pacer: w.pacer,
		Now: o.Now, Log: zerolog.New(w.log),
	}
	for _, f := range change {
		f(&w.config)
	}
	w.restart()
	return w
}

// restart makes the Service anew, as a new process does.
func (w *world) restart() {
	w.t.Helper()
	s, err := contact.New(w.config)
	require.NoError(w.t, err)
	w.service = s
}

func (w *world) sync() error { return w.service.Sync(w.t.Context(), w.user) }

// retry is what the job runner reads from an error.
func retry(err error) (permanent bool, wait time.Duration, later bool) {
	var p interface{ Permanent() bool }
	permanent = errors.As(err, &p) && p.Permanent()
	var a interface{ RetryAfter() (time.Duration, bool) }
	if errors.As(err, &a) {
		wait, later = a.RetryAfter()
	}
	return permanent, wait, later
}

type profiles struct {
	profile contact.Profile
	found   bool
	err     error
}

func (p *profiles) Profile(context.Context, string) (contact.Profile, bool, error) {
	return p.profile, p.found, p.err
}

type names struct {
	name string
	err  error
}

func (n *names) PushName(context.Context, phone.Number) (string, error) { return n.name, n.err }

// records keeps the last record and the ids that were handed on to the Patient.
type records struct {
	record contact.Record
	found  bool
	jobs   []string
	saved  int
	err    error  // of the next SaveContact
	saving func() // called when SaveContact begins; nil: nothing
}

func (r *records) Contact(context.Context, string) (contact.Record, bool, error) {
	return r.record, r.found, nil
}

func (r *records) SaveContact(ctx context.Context, c contact.Record) error {
	if r.saving != nil {
		r.saving()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := r.err; err != nil {
		r.err = nil
		return err
	}
	r.record, r.found = c, true
	r.saved++
	if c.ChatwootID != "" {
		r.jobs = append(r.jobs, c.ChatwootID)
	}
	return nil
}

// pacer counts, and never makes anybody wait.
type pacer struct {
	waits    int
	pauses   []time.Duration
	err      error // of Wait
	pauseErr error
}

func (p *pacer) Wait(context.Context) error {
	p.waits++
	return p.err
}

func (p *pacer) Pause(_ context.Context, d time.Duration) error {
	p.pauses = append(p.pauses, d)
	return p.pauseErr
}

// output is what a log writes.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

var _ io.Writer = (*output)(nil)

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}
