package contact_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/konsulin-care/konsulin-bot/contact"
	"github.com/konsulin-care/konsulin-bot/sandbox/omnichannel"
)

// TestErrorsNameNobody promises that neither errors nor logs hold the number, the user, a name, what was answered, or a
// proof: whatever goes wrong, with every kind of proof.
func TestErrorsNameNobody(t *testing.T) {
	t.Parallel()
	const leak = "leak-of-the-answer"
	for kind, p := range proofs(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := setup(t, p.asks, func(c *contact.Config) { c.Auth, c.Timeout = p.auth, 250*time.Millisecond })
			w.names.name = "sari_99"
			said := ""
			try := func() {
				err := w.sync()
				said += fmt.Sprintf("%v\n%+v\n%#v\n", err, err, errors.Unwrap(err))
				w.records.found = false
			}
			for _, status := range []int{200, 202, 204, 302, 400, 401, 403, 404, 408, 422, 429, 500, 503} {
				w.hook.Answer(1, status, `{"message":"`+leak+` for +`+number+` Sari Dewi"}`, "")
				try()
			}
			w.hook.Answer(1, 200, `[{"chatwoot_id":"`+leak+`!","phone_number":"+`+number+`"}]`, "")
			try()
			w.hook.Answer(1, 200, `[{"chatwoot_id":5,"phone_number":"+62`+leak+`"}]`, "")
			try()
			w.hook.LoseResponse(1)
			try()
			w.hook.Slow(time.Minute)
			try()
			w.hook.Slow(0)
			w.hook.Down(true)
			try()
			w.hook.Down(false)
			w.pacer.err = errors.New("pacer")
			try()
			w.pacer.err = nil
			w.profiles.found = false
			try()
			w.profiles.found = true
			try()
			require.Contains(t, w.log.String(), "accepted a contact")
			for _, secret := range []string{
				number, number[2:], number[5:], userID, "Sari", "Dewi", "sari_99", "leak", "Bearer", "eyJ", "PRIVATE KEY", "the-key",
				"whsec_", "msg_", "v1,", "modify-profile?", "phoneNumber",
			} {
				require.NotContains(t, said, secret)
				require.NotContains(t, w.log.String(), secret)
			}
		})
	}
}

// TestZeroUserIsRefusedForGood promises that a job without a user or a number does not come back.
func TestZeroUserIsRefusedForGood(t *testing.T) {
	t.Parallel()
	w := setup(t, omnichannel.Options{})
	for _, u := range []contact.User{{}, {ID: userID}, {Number: w.user.Number}} {
		err := w.service.Sync(t.Context(), u)
		permanent, _, later := retry(err)
		require.True(t, permanent)
		require.False(t, later)
	}
	require.Zero(t, w.hook.Calls())
}

// TestErrorsOfOthersStayTheirs promises that what the Patient's server, the store of names or the pacer say about
// trying again reaches the job.
func TestErrorsOfOthersStayTheirs(t *testing.T) {
	t.Parallel()
	cause := errors.New("away")
	for name, change := range map[string]func(*world){
		"profiles": func(w *world) { w.profiles.err = cause },
		"names":    func(w *world) { w.profiles.profile.Name, w.names.err = "", cause },
		"pacer":    func(w *world) { w.pacer.err = cause },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t, omnichannel.Options{})
			change(w)
			require.ErrorIs(t, w.sync(), cause)
			require.Zero(t, w.hook.Calls())
		})
	}
}

// TestPauseThatFailsStillWaits promises that the job obeys Retry-After even when the others could not be told.
func TestPauseThatFailsStillWaits(t *testing.T) {
	t.Parallel()
	w := setup(t, omnichannel.Options{})
	w.hook.Answer(1, 429, "", "9")
	away := errors.New("away")
	w.pacer.pauseErr = away
	err := w.sync()
	require.ErrorIs(t, err, away)
	_, wait, later := retry(err)
	require.True(t, later)
	require.Equal(t, 9*time.Second, wait)
}
