package auth_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/stretchr/testify/require"
)

// identities is an auth.IdentityStore of one answer.
type identities struct {
	mu   sync.Mutex
	who  auth.Identity
	err  error
	done int
}

func (i *identities) Identity(context.Context, phone.Number) (auth.Identity, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.who, i.err
}

func (i *identities) StepUpDone(_ context.Context, _ phone.Number, since time.Time) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if since.Equal(i.who.StepUpSince) {
		i.who.StepUpSince = time.Time{}
		i.done++
	}
	return nil
}

func (i *identities) set(who auth.Identity, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.who, i.err = who, err
}

// stepUp signs the number in and says whether its session asks for another proof.
func (w *world) stepUp(n phone.Number) bool {
	w.t.Helper()
	b := w.browser()
	require.Equal(w.t, "OK", b.consume(w.link(n, newReply(w.t))).says("status"))
	asked, _ := b.do(http.MethodGet, "/whoami", nil).body["stepUp"].(bool)
	return asked
}

func TestASessionAsksForAnotherProofUntilTheApplicationHasHadIt(t *testing.T) {
	known := &identities{}
	w := setup(t, func(cfg *auth.Config) { cfg.Identities = known })
	n := newNumber(t)
	require.False(t, w.stepUp(n))

	since := w.clock.Now().Add(-time.Hour)
	known.set(auth.Identity{LastSignIn: since.Add(-time.Hour), StepUpSince: since, Why: auth.ChangedIdentity}, nil)
	require.True(t, w.stepUp(n))
	w.stepUpDone(n, since.Add(-time.Minute))
	require.True(t, w.stepUp(n), "a proof from before the change is none")
	w.stepUpDone(n, since.Add(time.Minute))
	require.False(t, w.stepUp(n))
	require.Equal(t, 1, known.done)
	require.False(t, w.stepUp(n))
	require.Equal(t, 1, known.done)
}

func TestWhatCannotBeToldAboutANumberCountsAsAChange(t *testing.T) {
	known := &identities{err: errors.New("the database is away")}
	w := setup(t, func(cfg *auth.Config) { cfg.Identities = known })
	require.True(t, w.stepUp(newNumber(t)))

	known.set(auth.Identity{StepUpSince: w.clock.Now().Add(-time.Hour), Why: auth.ChangedHiddenID}, nil)
	n := newNumber(t)
	require.True(t, w.stepUp(n), "the application has said nothing about this user")
}

func TestAFirstSignInAfterALongPauseIsRecordedAsAChange(t *testing.T) {
	known := &identities{}
	w := setup(t, func(cfg *auth.Config) { cfg.Identities, cfg.DormantAfter = known, 24*time.Hour })
	for _, tc := range []struct {
		last time.Time
		want string
	}{
		{time.Time{}, ""}, {w.clock.Now().Add(-23 * time.Hour), ""}, {w.clock.Now().Add(-25 * time.Hour), auth.ChangedDormant},
	} {
		known.set(auth.Identity{LastSignIn: tc.last}, nil)
		w.stepUp(newNumber(t))
		recorded := w.store.recorded()
		require.Equal(t, tc.want, recorded[len(recorded)-1].Changed, tc.last)
	}
}

// stepUpDone says at the core what the application says there.
func (w *world) stepUpDone(n phone.Number, at time.Time) {
	w.t.Helper()
	w.core.do(http.MethodPut, "/recipe/user/metadata", "usermetadata", url.Values{}, map[string]any{
		"userId": w.core.user(n), "metadataUpdate": map[string]any{auth.MetadataStepUpDone: at.UnixMilli()},
	})
}
