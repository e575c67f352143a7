package fhir_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/konsulin-care/konsulin-bot/fhir"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
	server "github.com/konsulin-care/konsulin-bot/sandbox/fhir"
)

const (
	systemUserID   = "https://login.konsulin.care/userid"
	systemWhatsApp = "https://login.konsulin.care/whatsapp"
	systemChatwoot = "https://login.konsulin.care/chatwoot-id"
	systemGuest    = "https://login.konsulin.care/guestid"
)

// world is a stand-in, a Service that speaks with it, and what the Service is given.
type world struct {
	t     testing.TB
	core  *server.Server
	s     *fhir.Service
	cases *cases
	roles *roles
	audit *audit
	log   *logBook
}

// setup starts a world of its own for a test. When the test ends nothing may have been asked that the stand-in does not
// know, and no number and no user id may have been logged.
func setup(t testing.TB, changes ...func(*fhir.Config)) *world {
	t.Helper()
	core, err := server.New(server.Options{})
	require.NoError(t, err)
	w := &world{
		t: t, core: core, log: &logBook{},
		cases: &cases{open: map[string]fhir.Case{}, decisions: map[string]fhir.Decision{}},
		roles: &roles{of: map[string][]string{}}, audit: &audit{},
	}
	w.s = w.service(core.URL(), changes...)
	t.Cleanup(func() {
		w.s.Close()
		require.NoError(t, core.Close())
		require.Empty(t, core.Unknown())
		for _, secret := range w.log.secrets {
			require.NotContains(t, w.log.String(), secret)
		}
	})
	return w
}

func (w *world) service(base string, changes ...func(*fhir.Config)) *fhir.Service {
	w.t.Helper()
	cfg := fhir.Config{
		BaseURL: base, Timeout: 5 * time.Second, Cooldown: 100 * time.Millisecond,
		Cases: w.cases, Roles: w.roles, Audit: w.audit, Log: zerolog.New(w.log),
	}
	for _, change := range changes {
		change(&cfg)
	}
	s, err := fhir.New(cfg)
	require.NoError(w.t, err)
	return s
}

// user is somebody new.
func (w *world) user() fhir.User {
	w.t.Helper()
	u := someone(w.t)
	w.log.mu.Lock()
	defer w.log.mu.Unlock()
	w.log.secrets = append(w.log.secrets, u.ID, u.Number.Digits())
	return u
}

func someone(t testing.TB) fhir.User {
	t.Helper()
	n, err := phone.FromDigits(fmt.Sprintf("62812%09d", rand.N(1_000_000_000)))
	require.NoError(t, err)
	return fhir.User{ID: fmt.Sprintf("user-%016x%016x", rand.Uint64(), rand.Uint64()), Number: n}
}

func (w *world) sync(u fhir.User) fhir.Linked {
	w.t.Helper()
	l, err := w.s.Sync(w.t.Context(), u)
	require.NoError(w.t, err)
	return l
}

// syncUntil is what the runner of jobs does with an error that is not permanent.
func (w *world) syncUntil(u fhir.User) fhir.Linked {
	w.t.Helper()
	var err error
	for range 300 {
		var l fhir.Linked
		if l, err = w.s.Sync(w.t.Context(), u); err == nil {
			return l
		}
		require.False(w.t, permanent(err), "%v", err)
	}
	require.NoError(w.t, err, "it never converged")
	return fhir.Linked{}
}

// put is another writer's resource.
func (w *world) put(raw string) string {
	w.t.Helper()
	ref, err := w.core.Put([]byte(raw))
	require.NoError(w.t, err)
	return ref
}

func (w *world) get(ref string) view {
	w.t.Helper()
	raw, ok := w.core.Get(ref)
	require.True(w.t, ok, ref)
	return see(w.t, raw)
}

// view is what tests look at in a resource.
type view struct {
	ResourceType, ID string
	Meta             struct{ VersionID string }
	Identifier       []identifier
	Telecom          []struct{ System, Value, Use string }
}

type identifier struct {
	System string `json:"system"`
	Value  string `json:"value"`
}

func see(t testing.TB, raw []byte) view {
	t.Helper()
	var v view
	require.NoError(t, json.Unmarshal(raw, &v), string(raw))
	return v
}

func (v view) values(system string) []string {
	found := []string{}
	for _, i := range v.Identifier {
		if i.System == system {
			found = append(found, i.Value)
		}
	}
	return found
}

// carries checks that a resource has just these identifiers of the user, each once.
func (v view) carries(t testing.TB, u fhir.User) {
	t.Helper()
	require.Equal(t, []string{u.ID}, v.values(systemUserID))
	require.Equal(t, []string{u.Number.Digits()}, v.values(systemWhatsApp))
}

// ids writes pairs of system and value as the JSON of an identifier array.
func ids(pairs ...string) string {
	var list []string
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, fmt.Sprintf(`{"system":%q,"value":%q}`, pairs[i], pairs[i+1]))
	}
	return `"identifier":[` + strings.Join(list, ",") + `]`
}

func telecom(value string) string {
	return fmt.Sprintf(`"telecom":[{"system":"phone","value":%q,"use":"work"}]`, value)
}

func resource(kind string, members ...string) string {
	return fmt.Sprintf(`{"resourceType":%q,%s}`, kind, strings.Join(members, ","))
}

// quarantined checks that an error is a quarantine, and returns it.
func quarantined(t testing.TB, err error) fhir.QuarantineError {
	t.Helper()
	var q *fhir.QuarantineError
	require.ErrorAs(t, err, &q)
	require.True(t, permanent(err))
	return *q
}

// permanent and retryAfter ask an error as the runner of jobs does.
func permanent(err error) bool {
	var p interface{ Permanent() bool }
	return errors.As(err, &p) && p.Permanent()
}

func retryAfter(err error) (time.Duration, bool) {
	var r interface {
		RetryAfter() (time.Duration, bool)
	}
	if !errors.As(err, &r) {
		return 0, false
	}
	return r.RetryAfter()
}

// cases is a small storage.
type cases struct {
	mu        sync.Mutex
	open      map[string]fhir.Case
	decisions map[string]fhir.Decision
	closed    []string
}

func (c *cases) OpenCase(_ context.Context, k fhir.Case) (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open[k.UserID+" "+k.Resource] = k
	delete(c.decisions, k.UserID+" "+k.Resource)
	return 7, nil
}

func (c *cases) Decision(_ context.Context, userID, kind string) (fhir.Decision, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.decisions[userID+" "+kind], nil
}

func (c *cases) CloseCase(_ context.Context, userID, kind string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, userID+" "+kind)
	delete(c.decisions, userID+" "+kind)
	c.closed = append(c.closed, userID+" "+kind)
	return nil
}

func (c *cases) of(u fhir.User, kind string) (fhir.Case, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, ok := c.open[u.ID+" "+kind]
	return k, ok
}

func (c *cases) decide(u fhir.User, kind string, d fhir.Decision) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d.Candidates = c.open[u.ID+" "+kind].Candidates
	c.decisions[u.ID+" "+kind] = d
}

type roles struct {
	mu  sync.Mutex
	of  map[string][]string
	err error
}

func (r *roles) Roles(_ context.Context, userID string) ([]string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.of[userID], r.err
}

type audit struct {
	mu      sync.Mutex
	records []fhir.ClaimRecord
	begun   []string // references
	refuse  error    // of ClaimBegins
	fail    int
}

func (a *audit) ClaimBegins(_ context.Context, c fhir.ClaimRecord) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.begun = append(a.begun, c.References...)
	return a.refuse
}

func (a *audit) GuestClaimed(_ context.Context, c fhir.ClaimRecord) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.fail > 0 {
		a.fail--
		return errors.New("the disk is full")
	}
	a.records = append(a.records, c)
	return nil
}

// references are those of all records, sorted.
func (a *audit) references() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := []string{}
	for _, r := range a.records {
		all = append(all, r.References...)
	}
	slices.Sort(all)
	return all
}

// logBook keeps what is logged.
type logBook struct {
	mu      sync.Mutex
	text    bytes.Buffer
	secrets []string
}

func (l *logBook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
